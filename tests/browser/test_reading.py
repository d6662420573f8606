"""Reading what is in a tarball: easy packages and awkward ones, with a mouse, keys and a phone."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.awkward import (
    DRAWING,
    FILES_IN_THOUSANDS,
    HIDDEN,
    HTML_NAME,
    LONG_LINE,
    MIXED,
    NEW_CHUNK,
    OLD_CHUNK,
    OLDEST_VERSION,
    PICTURE,
    THOUSANDS,
    UNTOUCHED,
)
from tests.browser.actions import PHONE, assert_fits
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser


@pytest.fixture
def reader(dashboard: Dashboard, open_browser: OpenBrowser) -> Page:
    page = open_browser(dashboard.viewer())
    page.on("dialog", lambda dialog: pytest.fail(f"a package's script ran: {dialog.message}"))
    return page


def open_version(page: Page, dashboard: Dashboard, package: str) -> None:
    """The review page, once the comparison is done."""
    page.goto(dashboard.release_of(package).path)
    expect(page.get_by_role("heading", name="Files")).to_be_visible(timeout=60_000)


def file_panel(page: Page) -> Locator:
    return page.locator("#file > .file")


def tree(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Files")


def choose(page: Page, name: str) -> None:
    """Clicks a file in the tree and waits until it is shown."""
    tree(page).locator(".tree__file").filter(has_text=name).click()
    expect(file_panel(page).get_by_role("heading", level=3)).to_contain_text(name)


def test_seven_thousand_files_stay_few_elements(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, THOUSANDS)
    total = f"{FILES_IN_THOUSANDS + 1:,}".replace(",", "\u202f")
    expect(reader.get_by_text(f"{total} changed,")).to_be_visible()
    # The first diff came with the page, and it is the most important file's.
    expect(file_panel(reader).get_by_role("heading", level=3)).to_have_text("package.json")
    expect(file_panel(reader).locator(".diff__added")).to_have_count(1)
    assert reader.evaluate("document.querySelectorAll('*').length") < 3_000
    reader.locator(".tree__name", has_text="lib/").click()
    reader.locator(".tree__name", has_text="part-07/").click()
    choose(reader, "module-0742.js")
    expect(file_panel(reader).locator(".diff__added")).to_contain_text("exports.state = 'new';")
    reader.keyboard.press("]")
    expect(file_panel(reader).get_by_role("heading", level=3)).to_contain_text("module-0743.js")
    expect(tree(reader).locator("[aria-current]")).to_contain_text("module-0743.js")
    reader.get_by_label("Path holds").fill("*-6999.js")
    expect(tree(reader).get_by_text("1 file found")).to_be_visible()
    choose(reader, "lib/part-69/module-6999.js")
    assert_fits(reader)


def test_one_line_of_five_megabytes_shows_what_changed_in_it(
    reader: Page, dashboard: Dashboard
) -> None:
    open_version(reader, dashboard, LONG_LINE)
    choose(reader, "bundle.min.js")
    added = file_panel(reader).locator(".diff__added")
    expect(added).to_have_count(1)
    expect(added.locator("mark").filter(has_text="telemetry")).not_to_have_count(0)
    expect(added).to_contain_text("bytes left out")
    assert_fits(reader)
    file_panel(reader).get_by_role("link", name="Pretty-print both sides").click()
    expect(file_panel(reader)).to_contain_text(
        "Both sides were given line breaks here", timeout=60_000
    )
    expect(added.filter(has_text="telemetry")).not_to_have_count(0)
    expect(file_panel(reader)).not_to_contain_text("bytes left out")
    assert_fits(reader)


def test_pictures_are_side_by_side_and_drawings_are_text(
    reader: Page, dashboard: Dashboard
) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, PICTURE.rpartition("/")[2])
    expect(file_panel(reader)).to_contain_text("PNG image")
    for when in ("before", "after"):
        picture = file_panel(reader).get_by_alt_text(f"The picture {when}")
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("naturalWidth", 24)
    choose(reader, DRAWING.rpartition("/")[2])
    expect(file_panel(reader).locator(".diff__added")).to_contain_text("<script>alert('pier')")
    expect(file_panel(reader).locator("svg, script")).to_have_count(0)


def test_a_hashed_bundle_that_moved_is_one_file(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, NEW_CHUNK.rpartition("/")[2])
    expect(file_panel(reader)).to_contain_text(f"Renamed from {OLD_CHUNK}")
    expect(file_panel(reader)).to_contain_text(re.compile(r"9\d % the same"))
    expect(file_panel(reader).locator(".diff__added")).to_have_count(1)


def test_what_hides_in_code_is_made_visible(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, HIDDEN.rpartition("/")[2])
    added = file_panel(reader).locator(".diff__added")
    expect(added.locator(".hidden-char").first).to_contain_text("U+202E")
    look_alike = added.locator(".look-alike")
    expect(look_alike).to_have_text("\u0430")
    expect(look_alike).to_have_attribute("title", re.compile("CYRILLIC SMALL LETTER A"))


def test_a_file_named_in_html_is_only_a_name(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, HTML_NAME.removeprefix("docs/"))
    expect(file_panel(reader).get_by_role("heading", level=3)).to_have_text(HTML_NAME)
    expect(reader.locator("img[src='x']")).to_have_count(0)
    with reader.expect_download() as download:
        file_panel(reader).get_by_text("Raw", exact=True).click()
        reader.get_by_role("link", name="Download the new file").click()
    assert re.fullmatch(r"new-[\w.-]+\.md\.txt", download.value.suggested_filename)


def test_files_are_read_with_keys_and_stay_read(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    page = open_browser(dashboard.approver())
    open_version(page, dashboard, MIXED)
    heading = file_panel(page).get_by_role("heading", level=3)
    expect(heading).to_have_text("package.json")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("v")
    expect(page.get_by_text("1 of 8 viewed")).to_be_visible()
    # Round to the first file, as package.json was the last.
    page.keyboard.press("j")
    expect(heading).to_have_text(PICTURE)
    page.keyboard.press("v")
    expect(page.get_by_text("2 of 8 viewed")).to_be_visible()
    page.keyboard.press("j")
    expect(heading).to_have_text(DRAWING)
    page.keyboard.press("k")
    expect(heading).to_have_text("lib/spaces.js")
    page.keyboard.press("]")
    expect(heading).to_have_text("package.json")
    page.keyboard.press("[")
    expect(heading).to_have_text("lib/spaces.js")
    page.reload()
    expect(heading).to_have_text("lib/spaces.js")
    expect(page.get_by_text("2 of 8 viewed")).to_be_visible()
    # Keys do nothing to the page while somebody types.
    page.keyboard.press("/")
    page.keyboard.type("jvk")
    expect(page.get_by_label("Path holds")).to_have_value("jvk")
    expect(page.get_by_text("2 of 8 viewed")).to_be_visible()


def test_keys_pressed_faster_than_files_arrive_mean_the_next_file(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    page = open_browser(dashboard.approver())
    open_version(page, dashboard, MIXED)
    page.keyboard.type("vjvjvj")
    expect(page.get_by_text("3 of 8 viewed")).to_be_visible()
    expect(file_panel(page).get_by_role("button", name="Mark viewed", exact=True)).to_be_visible()


def test_keys_can_be_put_away(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    heading = file_panel(reader).get_by_role("heading", level=3)
    reader.keyboard.press("?")
    reader.get_by_label("Use these keys in this browser").uncheck()
    reader.get_by_role("button", name="Close").click()
    reader.keyboard.press("[")
    reader.reload()
    reader.keyboard.press("[")
    expect(heading).to_have_text("package.json")
    reader.get_by_role("button", name="Keys").click()
    reader.get_by_label("Use these keys in this browser").check()
    reader.get_by_role("button", name="Close").click()
    reader.keyboard.press("[")
    expect(heading).to_have_text("lib/spaces.js")


def test_back_takes_back_what_was_clicked(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, "index.js")
    choose(reader, "spaces.js")
    reader.go_back()
    expect(file_panel(reader).get_by_role("heading", level=3)).to_have_text("lib/index.js")


def test_the_page_of_all_files_shows_them_beside_the_list(
    reader: Page, dashboard: Dashboard
) -> None:
    open_version(reader, dashboard, MIXED)
    reader.goto(tree(reader).locator(".tree__file").first.get_attribute("href") or "")
    reader.get_by_role("link", name="Files", exact=True).click()
    choose(reader, "index.js")
    expect(file_panel(reader).locator(".diff__added")).to_contain_text("jump(150,")
    reader.reload()
    expect(file_panel(reader).get_by_role("heading", level=3)).to_have_text("lib/index.js")


def test_folded_lines_open_and_a_line_can_be_shared(
    dashboard: Dashboard, open_browser: OpenBrowser, reader: Page
) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, "index.js")
    expect(file_panel(reader)).not_to_contain_text("step(146,")
    file_panel(reader).get_by_role("link", name="unchanged lines").click()
    expect(file_panel(reader)).to_contain_text("step(140,")
    file_panel(reader).get_by_role("link", name="152", exact=True).last.click()
    reader.wait_for_url("**&line=n152#n152")
    other = open_browser(dashboard.viewer())
    other.goto(reader.url)
    expect(other.locator("#n152")).to_be_in_viewport()
    expect(other.locator("tr:target")).to_contain_text("jump(150,")


def test_both_sides_and_white_space(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    choose(reader, "spaces.js")
    file_panel(reader).get_by_role("link", name="Side by side").click()
    pair = file_panel(reader).locator(".diff__pair").filter(has_text="rise")
    expect(pair.locator("td")).to_have_count(4)
    assert_fits(reader)
    file_panel(reader).get_by_role("link", name="Ignore white space").click()
    expect(file_panel(reader)).to_contain_text("Nothing else differs")
    file_panel(reader).get_by_role("link", name="Show white space changes").click()
    expect(file_panel(reader).get_by_role("link", name="Ignore white space")).to_be_visible()
    file_panel(reader).get_by_role("link", name="Unified").click()
    expect(file_panel(reader).locator(".diff__added")).to_have_count(1)


def test_unchanged_files_appear_when_asked_for(reader: Page, dashboard: Dashboard) -> None:
    open_version(reader, dashboard, MIXED)
    name = UNTOUCHED.rpartition("/")[2]
    expect(tree(reader)).not_to_contain_text(name)
    reader.get_by_label("Unchanged too").check()
    expect(tree(reader).locator("details.folder[open]")).to_have_count(0)
    reader.locator(".tree__name", has_text="lib/").click()
    choose(reader, name)
    expect(file_panel(reader)).to_contain_text("exports.untouched = true;")


def test_another_version_is_compared_on_request(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    reader = open_browser(dashboard.approver())
    open_version(reader, dashboard, MIXED)
    reader.get_by_label("Compare with").fill(OLDEST_VERSION)
    reader.get_by_role("button", name="Compare", exact=True).click()
    expect(reader.get_by_text("You are reading against")).to_be_visible()
    expect(reader.get_by_text("changed, 0 unchanged")).to_be_visible(timeout=60_000)
    expect(reader.get_by_role("region", name="Decision")).to_contain_text("A minor step from 1.0.0")
    reader.get_by_role("link", name="Back to that one").click()
    expect(reader.get_by_text("8 changed, 1 unchanged")).to_be_visible()


def test_reading_on_a_phone(reader: Page, dashboard: Dashboard) -> None:
    reader.set_viewport_size({"width": PHONE, "height": 844})
    open_version(reader, dashboard, MIXED)
    expect(tree(reader).locator("#file-list")).to_be_hidden()
    tree(reader).get_by_text("All 8 changed files").click()
    choose(reader, "index.js")
    expect(tree(reader).locator("#file-list")).to_be_hidden()
    expect(file_panel(reader).get_by_role("heading", level=3)).to_be_in_viewport()
    file_panel(reader).get_by_role("button", name="Mark viewed and go on").click()
    expect(file_panel(reader).get_by_role("heading", level=3)).not_to_have_text("lib/index.js")
    assert_fits(reader)

"""Where versions were built: proven as always, built otherwise, and not proven; desk and phone."""

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from registry_client.sandbox.demo.harbour import LOGGER
from tests.browser.actions import DESK, PHONE, assert_fits
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser

VERIFIED, CHANGED, MISSING = "@lighthouse/core", "tidewatch", LOGGER.name
WIDTHS = pytest.mark.parametrize("width", [DESK, PHONE])


@pytest.fixture
def reader(dashboard: Dashboard, open_browser: OpenBrowser) -> Page:
    return open_browser(dashboard.viewer())


def built(page: Page) -> Locator:
    """The panel that says where it was built."""
    return page.get_by_role("region", name="Where it was built")


def open_version(page: Page, dashboard: Dashboard, package: str, width: int) -> Locator:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(dashboard.release_of(package).path)
    return built(page)


def stops(panel: Locator) -> Locator:
    return panel.get_by_role("list", name="From the commit to the registry").get_by_role("listitem")


@WIDTHS
def test_built_as_always(reader: Page, dashboard: Dashboard, width: int) -> None:
    panel = open_version(reader, dashboard, VERIFIED, width)
    expect(panel.get_by_text("As always", exact=True)).to_be_visible()
    expect(panel.get_by_text("Built by release.yml on main of")).to_contain_text(
        "as every release since 1.1.0."
    )
    expect(stops(panel)).to_have_count(4)
    for number, words in enumerate(("Commit", "Workflow run", "Tarball", "Registry")):
        expect(stops(panel).nth(number)).to_contain_text(words)
    expect(stops(panel).filter(has_text="Proven:")).to_have_count(3)
    # What is the same is folded, and one click away.
    table = panel.get_by_role("table")
    expect(table).to_be_hidden()
    panel.get_by_text("another commit, and nothing else differs").click()
    expect(table.get_by_role("row").filter(has_text="Workflow")).to_contain_text("same")
    assert_fits(reader)


@WIDTHS
def test_built_otherwise(reader: Page, dashboard: Dashboard, width: int) -> None:
    panel = open_version(reader, dashboard, CHANGED, width)
    expect(panel.get_by_text("Not as expected", exact=True)).to_be_visible()
    expect(stops(panel).filter(has_text="try-out.yml")).to_contain_text("publish.yml")
    decision = reader.get_by_role("region", name="Decision")
    expect(decision).to_contain_text("It was built by another workflow than 4.0.0-next.0.")
    row = panel.get_by_role("row").filter(has_text="publish.yml")
    expect(row).to_contain_text("try-out.yml")
    expect(row).to_contain_text("changed")
    finding = decision.get_by_role("listitem").filter(has_text="It was built by another workflow")
    finding.get_by_text("Why, and what to check").click()
    expect(finding.get_by_text("Rule workflow-changed")).to_be_visible()
    assert_fits(reader)


@WIDTHS
def test_not_proven(reader: Page, dashboard: Dashboard, width: int) -> None:
    panel = open_version(reader, dashboard, MISSING, width)
    expect(panel.get_by_text("Not proven", exact=True)).to_be_visible()
    expect(panel).to_contain_text("nothing proves where this was built")
    expect(stops(panel).filter(has_text="Not known")).to_have_count(2)
    panel.get_by_text("How to have it proven").click()
    expect(panel.get_by_text("id-token: write")).to_be_visible()
    # A reader's open fold outlives the looks that find nothing.
    with reader.expect_response(lambda answer: "/provenance/" in answer.url) as answered:
        pass
    assert answered.value.status == 204
    expect(panel.get_by_text("id-token: write")).to_be_visible()
    assert_fits(reader)


def test_a_bundle_that_ci_kept_is_handed_in_on_a_phone(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    release = dashboard.release()
    page = open_browser(dashboard.approver())
    page.set_viewport_size({"width": PHONE, "height": 900})
    page.goto(release.path)
    panel = built(page)
    other = dashboard.bundle_for(release, sha512="ab" * 64)
    panel.get_by_label("Hand in its Sigstore bundle").set_input_files(_file(other))
    panel.get_by_role("button", name="Check this bundle").click()
    expect(page.get_by_text("The bundle was refused.")).to_contain_text("ab" * 64)
    panel.get_by_label("Hand in its Sigstore bundle").set_input_files(
        _file(dashboard.bundle_for(release))
    )
    panel.get_by_role("button", name="Check this bundle").click()
    expect(panel.get_by_text("Proven", exact=True)).to_be_visible()
    expect(panel).to_contain_text("Built by release.yml on main of lighthouse--example/berths")
    assert_fits(page)


def _file(bundle: bytes) -> FilePayload:
    return {"name": "bundle.sigstore.json", "mimeType": "application/json", "buffer": bundle}


def test_the_queue_names_what_was_built_otherwise(reader: Page, dashboard: Dashboard) -> None:
    reader.goto("/")
    rows = reader.get_by_role("row")
    expect(rows.filter(has_text=VERIFIED)).to_contain_text("As always")
    expect(rows.filter(has_text=CHANGED)).to_contain_text("Not as expected")
    expect(rows.filter(has_text=MISSING)).to_contain_text("Not proven")
    assert_fits(reader)

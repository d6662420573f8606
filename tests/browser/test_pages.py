"""What every page promises, on a phone and on a desk, in light and in dark."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from registry_client.sandbox.demo.harbour import HIJACKED_VERSION, LOGGER
from tests.browser.actions import assert_fits
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser

FOR_NOBODY = ("/account/login/", "/account/password/reset/", "/account/password/reset/done/")
FOR_ADMINISTRATORS = (
    "/",
    "/?package=nothing-is-called-so",
    "/history/",
    "/registries/",
    "/registries/add/",
    "/registries/1/",
    "/rules/",
    "/rules/child-process/set/",
    "/people/",
    "/people/1/",
    "/people/2/",
    "/people/invite/",
    "/audit/",
    "/notifications/",
    "/notifications/webhooks/add/",
    "/security/",
    "/accounts/",
    "/profile/",
    "/account/password/change/",
    "/account/logout/",
)
OF_A_VERSION = ("", "?view=split", "approve/", "reject/", "provenance/expected/")
OF_A_COMPARISON = ("files/", "files/?path=*.js", "files/0/")


def assert_page_fits(page: Page, path: str, *, status: int = 200) -> None:
    """The page is there, with one first heading, and fits."""
    answer = page.goto(path)
    assert answer is not None
    assert (path, answer.status) == (path, status)
    assert urlsplit(page.url).path == urlsplit(path).path
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert_fits(page)


def test_the_version_that_smells_of_an_attack_names_its_script(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    page = open_browser(dashboard.viewer())
    page.goto("/")
    page.get_by_role("link", name=f"{LOGGER.name} {HIJACKED_VERSION}").click()
    decision = page.get_by_role("region", name="Decision")
    expect(decision).to_contain_text(
        "The script postinstall is new, and runs on the machine of everyone who installs this."
    )
    expect(decision).to_contain_text("node ./scripts/telemetry.js")
    expect(page.get_by_text("by mkeller").first).to_be_visible()
    facts = page.get_by_role("region", name="package.json", exact=True)
    script = facts.get_by_role("row").filter(has_text="postinstall")
    expect(script).to_contain_text("added")
    page.get_by_label("Path holds").fill("telemetry")
    page.get_by_text("scripts/telemetry.js", exact=True).click()
    diff = page.get_by_role("region", name="Changes of scripts/telemetry.js")
    expect(diff.get_by_role("row").filter(has_text="process.env")).to_have_count(2)
    expect(diff).to_contain_text("telemetry.example.invalid")
    assert_fits(page)


def test_pages_before_signing_in_fit(open_browser: OpenBrowser) -> None:
    page = open_browser()
    for path in FOR_NOBODY:
        assert_page_fits(page, path)
    assert_page_fits(page, "/invitation/nobody-made-this/", status=410)


def test_every_page_fits(dashboard: Dashboard, open_browser: OpenBrowser) -> None:
    page = open_browser(session=dashboard.ada_session)
    for path in FOR_ADMINISTRATORS:
        assert_page_fits(page, path)
    assert_page_fits(page, "/there-is-no-such-page/", status=404)
    page = open_browser(dashboard.viewer())
    assert_page_fits(page, "/people/invite/", status=403)


@pytest.mark.parametrize("package", ["@lighthouse/beacon", "@lighthouse/icons", "tidewatch"])
def test_every_page_of_a_version_fits(
    dashboard: Dashboard, open_browser: OpenBrowser, package: str
) -> None:
    page = open_browser(session=dashboard.ada_session)
    release = dashboard.release_of(package)
    for path in OF_A_VERSION:
        assert_page_fits(page, release.path + path)
    page.goto(release.path)
    comparison = page.locator("a.tree__file").first.get_attribute("href") or ""
    for path in OF_A_COMPARISON:
        assert_page_fits(page, comparison[: comparison.index("files/")] + path)
    page.goto(release.path)
    for details in page.get_by_role("group").all():
        details.evaluate("element => element.open = true")
    page.wait_for_load_state("networkidle")
    assert_fits(page)

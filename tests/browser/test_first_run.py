"""From an empty database to the first approval with a passkey, in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.actions import assert_fits, wait_until_looked_at
from tests.browser.fleet import AUTOMATION, NEW, PASSWORD, Fleet, document, fleet_in
from tests.browser.hands import Passkey
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser

PACKAGE = "maiden-voyage"


@pytest.fixture
def fleet(tmp_path: Path, _chromium: str) -> Iterator[Fleet]:
    with fleet_in(tmp_path, registry=False) as running:
        yield running


def test_from_an_empty_database_to_the_first_approval(browser: Browser, fleet: Fleet) -> None:
    with Watch(browser, fleet.program, registry=fleet.sandbox.url) as watch:
        page = watch.open()
        passkey = Passkey(page)
        # Before anybody is here, every page says what to do.
        for path in ("/", "/people/", "/versions/1/approve/"):
            page.goto(path)
            expect(page.get_by_role("heading", name="Nobody is here yet")).to_be_visible()
        assert_fits(page)
        link = re.search(r"http://localhost:\d+/first-run/\S+", fleet.program.output)
        assert link
        page.goto(link[0])
        become_administrator(page)
        # What is left is where every page leads.
        page.goto("/registries/")
        expect(page.get_by_role("heading", name="Set up a passkey")).to_be_visible()
        assert_fits(page)
        page.get_by_role("button", name="Create a passkey").click()
        keep_recovery_codes(page)
        add_registry(page, fleet)
        link_account(page, fleet)
        expect(page.get_by_role("heading", name="Everything is set up")).to_be_visible()
        assert_fits(page)

        page.get_by_role("link", name="To the queue").click()
        wait_until_looked_at(page, PACKAGE)
        page.get_by_role("link", name=f"{PACKAGE} {NEW}").click()
        action = f"Approve: make {NEW} installable by everyone as latest"
        page.get_by_role("link", name=action).click()
        touches = passkey.touches
        page.get_by_role("button", name=action, exact=True).click()
        expect(page.get_by_text(f"You approved {PACKAGE}@{NEW}")).to_be_visible()
        expect(page.get_by_text("Accepted by harbour")).to_be_visible()
        assert passkey.touches == touches + 1
        assert fleet.latest(PACKAGE) == NEW

        # The link was good once.
        stranger = watch.open()
        stranger.goto(link[0])
        expect(stranger.get_by_label("User name")).to_have_count(0)
        # The last second factor stays.
        page.goto("/security/")
        expect(page.get_by_text("This is the only one, so it cannot be removed.")).to_be_visible()
        expect(page.get_by_role("link", name="Remove")).to_have_count(0)
        assert_fits(page)


def become_administrator(page: Page) -> None:
    page.get_by_label("User name").fill("mary")
    page.get_by_label("E-mail address").fill("mary@fleet.example")
    page.get_by_label("Password").fill(PASSWORD)
    assert_fits(page)
    page.get_by_role("button", name="Make me the administrator").click()
    expect(page.get_by_text("You are the first administrator.")).to_be_visible()


def keep_recovery_codes(page: Page) -> None:
    """They are shown once, before it goes on."""
    expect(page.get_by_text(re.compile("recovery codes", re.IGNORECASE)).first).to_be_visible()
    codes = page.locator("code, .mono").all_inner_texts()
    assert len({code for text in codes for code in text.split()}) >= 10
    assert_fits(page)
    page.goto("/")


def add_registry(page: Page, fleet: Fleet) -> None:
    expect(page.get_by_role("heading", name="Add the registry")).to_be_visible()
    page.get_by_label("Name").fill("harbour")
    page.get_by_label("Address").fill(fleet.sandbox.url)
    page.get_by_label("Read token").fill("npm_nobody-has-this-token-00000000000")
    page.get_by_role("button", name="Ask it and add it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert_fits(page)
    fleet.sandbox.publish(document(PACKAGE, "1.0.0"), by=AUTOMATION)
    fleet.sandbox.stage(document(PACKAGE, NEW), by=AUTOMATION)
    page.get_by_label("Read token").fill(fleet.sandbox.token(AUTOMATION, "read-only"))
    page.get_by_role("button", name="Ask it and add it").click()
    expect(page.get_by_text("harbour answered and is added.")).to_be_visible()


def link_account(page: Page, fleet: Fleet) -> None:
    expect(page.get_by_role("heading", name="Link your own account")).to_be_visible()
    token = fleet.sandbox.create_user("mary")
    fleet.sandbox.grant(PACKAGE, "mary", "read-write")
    assert_fits(page)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Link it").click()

"""What must hold for which packages, written, tried, saved and looked up in a browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.aboard import aboard
from tests.browser.actions import assert_fits, wait_until_looked_at
from tests.browser.fleet import NEW, Fleet, fleet_in
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser

PACKAGE = "@ledger/ink"
SAVE = "Save the policy, with your passkey"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, _chromium: str) -> Iterator[Fleet]:
    with fleet_in(tmp_path_factory.mktemp("ledgers")) as running:
        yield running


@pytest.fixture
def watch(browser: Browser, fleet: Fleet) -> Iterator[Watch]:
    with Watch(browser, fleet.program, registry=fleet.sandbox.url) as watching:
        yield watching


def demand(page: Page, approvals: str, why: str) -> None:
    """Fills in what a policy wants of approvals, and why."""
    page.wait_for_load_state("load")
    form = page.get_by_role("region", name="Policy", exact=True)
    form.get_by_label("How many, of whom").fill(approvals)
    form.get_by_label("Why", exact=True).fill(why)


def open_version(page: Page) -> None:
    page.goto(f"/?package={PACKAGE}")
    wait_until_looked_at(page, PACKAGE)
    page.get_by_role("link", name=f"{PACKAGE} {NEW}").click()
    expect(page.get_by_role("heading", name=PACKAGE)).to_be_visible()


def side(page: Page, revision: int, name: str) -> Locator:
    """Before or after, as the history says of what a revision changed."""
    changed = page.get_by_role("region", name=f"Revision {revision}")
    sides = changed.locator(".policy-change__sides > div")
    return sides.filter(has=page.get_by_text(name, exact=True))


def test_a_policy_is_written_tried_saved_and_changed(fleet: Fleet, watch: Watch) -> None:
    manager = fleet.sailor(passkey=True, role="release_manager")
    fleet.stage_release({PACKAGE: []}, by=[manager])
    hands = aboard(watch, manager)
    page = hands.page
    row = page.get_by_role("row").filter(has_text=PACKAGE)
    expect(row.get_by_text(re.compile("2 files"))).to_be_visible()
    open_version(page)
    expect(page.get_by_text("0 of 1 have approved.").first).to_be_visible()

    page.get_by_role("link", name="Policies").first.click()
    page.get_by_role("link", name="Add a policy").click()
    demand(page, "2 of anyone", "Two pairs of eyes.")
    page.get_by_label("Name", exact=True).fill("Ledger")
    page.get_by_label("For which packages").fill("@ledger/*")
    assert_fits(page)

    # What it would have said is shown before anything is asked of the passkey.
    page.get_by_role("button", name="Preview: what it would have said").click()
    outlook = page.get_by_role("region", name="What it would have said")
    expect(outlook).to_contain_text("Nothing is saved yet.")
    expect(outlook.get_by_role("row").filter(has_text=PACKAGE)).to_contain_text(
        "0 of 2 have approved."
    )
    assert hands.passkey
    assert hands.passkey.touches == 0
    assert_fits(page)

    page.wait_for_load_state("load")
    page.get_by_role("button", name=SAVE).click()
    expect(page.get_by_text("“Ledger” is added, and holds at once.")).to_be_visible()
    assert hands.passkey.touches == 1
    assert_fits(page)
    open_version(page)
    expect(page.get_by_text("0 of 2 have approved.").first).to_be_visible()

    page.goto("/policies/")
    page.get_by_role("link", name="Change Ledger").click()
    demand(page, "3 of anyone", "Now there are more of us.")
    page.get_by_role("button", name=SAVE).click()
    expect(page.get_by_text("“Ledger” is changed, and holds at once.")).to_be_visible()
    assert hands.passkey.touches == 2
    page.get_by_role("main").get_by_role("link", name="History").click()
    expect(side(page, 1, "Before")).to_contain_text("It was not there.")
    expect(side(page, 1, "After")).to_contain_text("Approvals: 2 of anyone.")
    expect(side(page, 2, "Before")).to_contain_text("Approvals: 2 of anyone.")
    expect(side(page, 2, "After")).to_contain_text("Approvals: 3 of anyone.")
    expect(page.get_by_text(re.compile("Now there are more of us"))).to_be_visible()
    assert_fits(page)

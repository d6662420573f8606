"""A monorepo's release in a browser, and what policies make of approving: people who vote, a reason
to override, a freeze that two people break, and talk about a line.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.aboard import aboard
from tests.browser.actions import assert_fits, is_marked, live, mark, wait_until_looked_at
from tests.browser.fleet import NEW, Fleet, Sailor, fleet_in
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser

TWELVE = [f"@tide/part-{number:02}" for number in range(1, 13)]
# Each needs the one before it, but for two that need nothing.
NEEDS = {name: TWELVE[at - 1 : at] if at and at != 6 else [] for at, name in enumerate(TWELVE)}
APPROVE = re.compile("^Approve: ")

SET_POLICIES = """
from approvals.policy.book import Policy
from approvals.policy.requirements import kinds
from tests.approvals.factories import make_policies

make_policies(None, *(
    Policy(
        key=packages, name=packages, registry_url="", packages=packages,
        requirements={key: kinds()[key].checked(given) for key, given in wanted.items()},
    )
    for packages, wanted in policies.items()
))
result = None
"""
_DAY = timedelta(days=1)
_NOW = datetime.now(UTC)
POLICIES: dict[str, dict[str, dict[str, str]]] = {
    "@pair/*": {"approvals": {"wanted": "2 of anyone", "counts_for": "each"}},
    "@strict/*": {
        "approvals": {"wanted": "1 of anyone", "counts_for": "each"},
        "findings": {"severity": "high", "overridable": "yes"},
    },
    "@frozen/*": {
        "approvals": {"wanted": "1 of anyone", "counts_for": "each"},
        "release_times": {
            "zone": "UTC",
            "days": "",
            "hours": "",
            "freezes": f"{_NOW - _DAY:%Y-%m-%d} to {_NOW + 9 * _DAY:%Y-%m-%d} Year's end",
        },
    },
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, _chromium: str) -> Iterator[Fleet]:
    with fleet_in(tmp_path_factory.mktemp("tides")) as running:
        running.sailor(passkey=True, role="administrator")
        running.program.run_python(SET_POLICIES, policies=POLICIES)
        yield running


@pytest.fixture
def watch(browser: Browser, fleet: Fleet) -> Iterator[Watch]:
    with Watch(browser, fleet.program, registry=fleet.sandbox.url) as watching:
        yield watching


def staged(
    fleet: Fleet, packages: Mapping[str, list[str]], *people: Sailor, **more: object
) -> None:
    """Stages these at a registry that asks for no second factor of its own."""
    fleet.sandbox.control.reset()
    fleet.sandbox.control.ask_otherwise("none")
    fleet.stage_release(packages, by=people, **more)


def open_version(page: Page, package: str) -> None:
    """The page of the one version that waits of this package, once it is looked at."""
    page.goto(f"/?package={package}")
    wait_until_looked_at(page, package)
    page.get_by_role("link", name=f"{package} {NEW}").click()
    expect(page.get_by_role("heading", name=package)).to_be_visible()


def open_release(page: Page, first: str, number: int) -> None:
    """The release with this package, once all of it is there and compared."""
    row = page.get_by_role("listitem").filter(has_text=first)
    page.goto("/")
    link = row.get_by_role("link", name=f"{number} packages")
    expect(link).to_be_visible()
    link.click()
    expect(page.get_by_role("heading", name=f"Release of {number} packages")).to_be_visible()
    expect(page.get_by_text(f"All {number} that wait are chosen")).to_be_visible()
    expect(page.get_by_role("button", name=f"Approve {number} versions")).to_be_visible()


def approve_here(page: Page, button: re.Pattern[str] | str) -> None:
    """From a page on which something can be approved, through the confirmation, with a passkey."""
    page.get_by_role("link", name=button).click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    page.wait_for_load_state("load")
    page.get_by_role("button", name=button).first.click()


def order_at_registry(fleet: Fleet, packages: list[str]) -> list[str]:
    """These packages in the order in which their approvals were carried out."""
    staged_as = fleet.program.run_python(
        "from approvals.queue.models import StagedVersion\n"
        "rows = StagedVersion.objects.filter(package__name__in=packages)\n"
        "result = {str(row.stage_id): row.package.name for row in rows.select_related('package')}",
        packages=packages,
    )
    calls = fleet.sandbox.control.calls("POST", "/-/stage/")
    ids = [call.path.split("/")[3] for call in calls if call.path.endswith("/approve")]
    return [staged_as[one] for one in ids if one in staged_as]


def test_twelve_packages_go_live_in_order_from_the_release_page(fleet: Fleet, watch: Watch) -> None:
    sailor, other = fleet.sailor(passkey=True), fleet.sailor(passkey=True)
    staged(fleet, NEEDS, sailor)
    hands, onlooker = aboard(watch, sailor), aboard(watch, other).page
    page = hands.page
    open_release(page, TWELVE[0], len(TWELVE))
    assert_fits(page)
    onlooker.goto(page.url)
    mark(onlooker)

    # What leaving one out would mean is said before anything is confirmed.
    page.get_by_label(f"Decide {TWELVE[0]} {NEW}").uncheck()
    expect(page.get_by_text("11 of 12 chosen, 1 left out")).to_be_visible()
    meaning = page.get_by_role("form", name="Decide these together")
    expect(meaning.get_by_text(f"needs the staged {TWELVE[0]}").first).to_be_visible()
    page.get_by_label(f"Decide {TWELVE[0]} {NEW}").check()

    page.get_by_role("button", name="Approve 12 versions").click()
    expect(page.get_by_role("heading", name="Approve 12 versions?")).to_be_visible()
    page.wait_for_load_state("load")
    page.get_by_role("button", name="Approve 12 versions").first.click()
    expect(page.get_by_text("You approved 12 versions.")).to_be_visible()
    expect(page.get_by_role("heading", name="12 of 12 accepted")).to_be_visible(timeout=60_000)
    assert_fits(page)

    # Whoever only watches sees the same, without having loaded the page again.
    expect(onlooker.get_by_role("heading", name="12 of 12 accepted")).to_be_visible()
    expect(onlooker.get_by_text("Live", exact=True).first).to_be_visible()
    assert is_marked(onlooker)
    order = order_at_registry(fleet, TWELVE)
    assert sorted(order) == TWELVE
    for name, needed in NEEDS.items():
        assert all(order.index(one) < order.index(name) for one in needed)
    assert {fleet.latest(name) for name in TWELVE} == {NEW}


def test_two_people_in_two_browsers(fleet: Fleet, watch: Watch) -> None:
    people = [fleet.sailor(passkey=True), fleet.sailor(passkey=True)]
    package = "@pair/oars"
    staged(fleet, {package: []}, *people)
    first, second = (aboard(watch, person).page for person in people)

    open_version(first, package)
    approve_here(first, APPROVE)
    expect(first.get_by_text("Your approval of")).to_be_visible()
    assert fleet.approvals() == []
    assert fleet.latest(package) == "1.0.0"
    # Once more does not make two of one.
    open_version(first, package)
    assert_fits(first)
    expect(first.get_by_text("1 of 2").first).to_be_visible()

    open_version(second, package)
    approve_here(second, APPROVE)
    expect(second.get_by_text(f"You approved {package}@{NEW}")).to_be_visible()
    expect(live(second)).to_be_visible()
    assert fleet.latest(package) == NEW
    assert fleet.approvals() == [201]


def test_what_was_found_is_overridden_with_a_reason_that_stays(fleet: Fleet, watch: Watch) -> None:
    sailor, package = fleet.sailor(passkey=True), "@strict/mast"
    staged(fleet, {package: []}, sailor, scripts={"postinstall": "node setup.js"})
    page = aboard(watch, sailor).page
    open_version(page, package)
    page.get_by_role("link", name=APPROVE).click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    page.wait_for_load_state("load")
    page.get_by_role("button", name=APPROVE).first.click()
    # Nothing is asked of the passkey before there is a reason.
    expect(page.get_by_role("alert").first).to_be_visible()
    assert fleet.approvals() == []

    reason = "The script only prints <b>thanks</b>."
    page.get_by_label(re.compile("Why it may go out|Why they may go out")).fill(reason)
    page.get_by_role("button", name=APPROVE).first.click()
    expect(live(page)).to_be_visible()
    passed = page.locator("#overrides")
    expect(passed).to_contain_text(reason)
    expect(passed).to_contain_text(sailor.name)
    assert_fits(page)


def test_a_freeze_is_broken_by_two(fleet: Fleet, watch: Watch) -> None:
    people = [fleet.sailor(passkey=True), fleet.sailor(passkey=True)]
    package = "@frozen/anchor"
    staged(fleet, {package: []}, *people)
    first, second = (aboard(watch, person).page for person in people)
    open_version(first, package)
    expect(first.get_by_text("Year's end").first).to_be_visible()
    expect(first.get_by_role("link", name=APPROVE)).to_have_count(0)

    first.get_by_role("link", name=re.compile("Break the glass")).click()
    first.wait_for_load_state("load")
    first.get_by_label("Why it cannot wait").fill("The login of everyone is broken.")
    first.get_by_role("button", name="Ask to break the glass", exact=True).click()
    expect(first).to_have_url(re.compile(r"/versions/\d+/"))
    open_version(first, package)
    expect(first.get_by_role("link", name=re.compile("Agree"))).to_have_count(0)
    expect(first.get_by_role("link", name=APPROVE)).to_have_count(0)

    open_version(second, package)
    expect(second.get_by_text("The login of everyone is broken.").first).to_be_visible()
    second.get_by_role("link", name=re.compile("Agree, as the second person")).click()
    second.wait_for_load_state("load")
    second.get_by_role("button", name="Agree: break the glass", exact=True).click()
    expect(second).to_have_url(re.compile(r"/versions/\d+/"))
    open_version(second, package)
    expect(second.get_by_text("The glass was broken")).to_be_visible()
    assert_fits(second)
    approve_here(second, APPROVE)
    expect(live(second)).to_be_visible()
    assert fleet.latest(package) == NEW


def test_people_talk_about_a_line(fleet: Fleet, watch: Watch) -> None:
    sailor, other = fleet.sailor(passkey=True), fleet.sailor(passkey=True)
    package = "@talk/rope"
    staged(fleet, {package: []}, sailor)
    page, reader = aboard(watch, sailor).page, aboard(watch, other).page
    open_version(page, package)
    comment_on_line(page, f"@{other.name} why <i>this</i>?")
    assert_fits(page)

    open_version(reader, package)
    said = reader.get_by_text(f"@{other.name} why <i>this</i>?").first
    expect(said).to_be_visible()
    assert reader.locator("i", has_text="this").count() == 0

    # By keys alone, once the script runs that listens to them: to a change, a line further, and a
    # word about that one.
    reader.wait_for_load_state("load")
    reader.keyboard.press("n")
    reader.keyboard.press("ArrowDown")
    reader.keyboard.press("Tab")
    expect(reader.get_by_role("button", name=re.compile("^Comment on line"))).to_be_focused()
    reader.keyboard.press("Enter")
    expect(reader.locator(".diff__talk").get_by_role("textbox")).to_be_focused()
    reader.keyboard.type("Because.")
    reader.keyboard.press("Tab")
    reader.keyboard.press("Enter")
    expect(reader.locator(".diff__talk").get_by_text("Because.")).to_be_visible()


def comment_on_line(page: Page, text: str) -> None:
    """Says something about the first line of the first file's diff."""
    row = page.locator("tr.diff__added").first
    row.hover()
    row.get_by_role("button", name=re.compile("^Comment on line")).click()
    page.locator(".diff__talk").get_by_role("textbox").fill(text)
    page.locator(".diff__talk").get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".diff__talk").get_by_text(text)).to_be_visible()

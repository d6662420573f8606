"""Turning the key in a browser: passkeys, codes, the registry's own second factor, for one version
and for twelve; and what it costs a person, counted.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from registry_client.sandbox.second_factor import STEP_SECONDS, Mode
from tests.browser.aboard import aboard
from tests.browser.actions import PHONE, assert_fits, sign_in, wait_until_looked_at
from tests.browser.fleet import NEW, PASSWORD, Fleet, Sailor, fleet_in
from tests.browser.hands import Hands
from tests.browser.watch import Watch
from tests.conftest import COUNTED
from tests.integration.codes import wait_until_early_in_a_step

pytestmark = pytest.mark.browser

TWELVE = 12
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, _chromium: str) -> Iterator[Fleet]:
    with fleet_in(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture
def watch(browser: Browser, fleet: Fleet) -> Iterator[Watch]:
    with Watch(browser, fleet.program, registry=fleet.sandbox.url) as watching:
        yield watching


def staged(fleet: Fleet, sailor: Sailor, prefix: str, number: int, mode: Mode) -> list[str]:
    """Stages so many, for a registry that asks in this way, and waits until they are compared."""
    fleet.sandbox.control.reset()
    fleet.sandbox.control.ask_otherwise(mode)
    return fleet.stage(prefix, number, by=sailor)


def open_queue(hands: Hands, packages: list[str]) -> None:
    """The queue with exactly these versions, all of them looked at.

    Narrowed by its address, as what another test of this file has left behind may wait there too.
    """
    page = hands.page
    page.goto(f"/?package={packages[0].rpartition('-')[0]}-*")
    for package in packages:
        wait_until_looked_at(page, package)
    expect(page.locator('#list input[name="version"]')).to_have_count(len(packages))


def approve_the_one(hands: Hands, package: str, *, registry_code: str = "") -> None:
    page = hands.page
    action = f"Approve: make {NEW} installable by everyone as latest"
    hands.click(page.get_by_role("link", name=f"{package} {NEW}"))
    hands.click(page.get_by_role("link", name=action))
    if registry_code:
        hands.type(page.get_by_label("The registry's one-time code"), registry_code)
    hands.click(page.get_by_role("button", name=action, exact=True))
    expect(page.get_by_text(f"You approved {package}@{NEW}")).to_be_visible()


def choose_all(hands: Hands) -> None:
    page = hands.page
    hands.click(page.get_by_label("Choose all that wait on this page"))
    expect(page.get_by_text(f"{TWELVE} chosen")).to_be_visible()
    hands.click(page.get_by_role("button", name="Approve …"))
    expect(page.get_by_role("heading", name=f"Approve {TWELVE} versions?")).to_be_visible()


def approve_all(hands: Hands, *, registry_code: str = "") -> None:
    page = hands.page
    if registry_code:
        hands.type(page.get_by_label("The registry's one-time code"), registry_code)
    hands.click(page.get_by_role("button", name=f"Approve {TWELVE} versions", exact=False).first)
    expect(page.get_by_text(f"You approved {TWELVE} versions.")).to_be_visible()


def expect_all_accepted(page: Page) -> None:
    expect(page.get_by_role("heading", name=f"{TWELVE} of {TWELVE} accepted")).to_be_visible(
        timeout=60_000
    )


def write_down(record_property: Record, name: str, hands: Hands) -> None:
    record_property(COUNTED + name, hands.total().as_json())


# ---------- one version


def test_one_version_by_passkey(fleet: Fleet, watch: Watch, record_property: Record) -> None:
    sailor = fleet.sailor(passkey=True)
    packages = staged(fleet, sailor, "one-touch", 1, "none")
    hands = aboard(watch, sailor)
    open_queue(hands, packages)
    approve_the_one(hands, packages[0])
    page = hands.page
    expect(page.get_by_text("Accepted by harbour")).to_be_visible()
    assert fleet.latest(packages[0]) == NEW
    assert fleet.approvals() == [201]
    write_down(record_property, "1 version, passkey, no registry code", hands)
    count = hands.total()
    assert (count.clicks, count.touches, count.keys) == (3, 1, 0)


def test_one_version_by_passkey_with_a_registry_code(
    fleet: Fleet, watch: Watch, record_property: Record
) -> None:
    sailor = fleet.sailor(passkey=True)
    packages = staged(fleet, sailor, "touch-and-code", 1, "classic")
    hands = aboard(watch, sailor)
    open_queue(hands, packages)
    approve_the_one(hands, packages[0], registry_code=fleet.registry_code(sailor))
    expect(hands.page.get_by_text("Accepted by harbour")).to_be_visible()
    assert fleet.approvals() == [201]
    write_down(record_property, "1 version, passkey, registry code", hands)


def test_one_version_by_code_on_a_phone(
    fleet: Fleet, watch: Watch, record_property: Record
) -> None:
    sailor = fleet.sailor(app=True)
    assert sailor.codes
    packages = staged(fleet, sailor, "pocket", 1, "classic")
    hands = aboard(watch, sailor)
    page = hands.page
    page.set_viewport_size({"width": PHONE, "height": 844})
    open_queue(hands, packages)
    action = f"Approve: make {NEW} installable by everyone as latest"
    hands.click(page.get_by_role("link", name=f"{packages[0]} {NEW}"))
    hands.click(page.get_by_role("link", name=action))
    code = page.get_by_label("Your one-time code")
    # The phone offers what the app put on its clipboard or what arrived, over a field of digits.
    expect(code).to_have_attribute("autocomplete", "one-time-code")
    expect(code).to_have_attribute("inputmode", "numeric")
    assert_fits(page)
    hands.type(page.get_by_label("The registry's one-time code"), fleet.registry_code(sailor))
    hands.click(code)
    # Pasted as apps show it; it goes off by itself when it is whole.
    pasted = sailor.codes.next(lasting=10)
    code.evaluate(
        """(field, text) => {
          field.value = text;
          field.dispatchEvent(new InputEvent("input", {bubbles: true}));
        }""",
        f"{pasted[:3]} {pasted[3:]}",
    )
    hands.count.keys += 1
    hands.count.codes += 1
    expect(page.get_by_text(f"You approved {packages[0]}@{NEW}")).to_be_visible()
    expect(page.get_by_text("Accepted by harbour")).to_be_visible()
    assert fleet.latest(packages[0]) == NEW
    write_down(record_property, "1 version, code on a phone, registry code", hands)


def test_one_version_by_passkey_and_the_registrys_own_page(
    fleet: Fleet, watch: Watch, record_property: Record
) -> None:
    sailor = fleet.sailor(passkey=True)
    packages = staged(fleet, sailor, "two-touches", 1, "web")
    hands = aboard(watch, sailor)
    open_queue(hands, packages)
    approve_the_one(hands, packages[0])
    confirm_at_the_registry(hands)
    expect(hands.page.get_by_text("Accepted by harbour")).to_be_visible()
    assert fleet.latest(packages[0]) == NEW
    write_down(record_property, "1 version, passkey, registry's own page", hands)


def confirm_at_the_registry(hands: Hands) -> None:
    page = hands.page
    link = page.get_by_role("link", name="Confirm at")
    expect(link).to_be_visible()
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    address = link.get_attribute("href")
    with page.context.expect_page() as opened:
        hands.click(link)
    theirs = opened.value
    hands.touch_elsewhere(theirs.get_by_role("button", name="Confirm with passkey"))
    expect(theirs.get_by_role("heading", name="Confirmed")).to_be_visible()
    theirs.close()
    # It goes on by itself: to the next link, or to the end.
    expect(page.locator(f'a[href="{address}"]')).to_have_count(0)


# ---------- twelve


def test_twelve_versions_with_reusable_codes(
    fleet: Fleet, watch: Watch, record_property: Record
) -> None:
    sailor = fleet.sailor(passkey=True)
    packages = staged(fleet, sailor, "reused", TWELVE, "classic")
    hands = aboard(watch, sailor)
    open_queue(hands, packages)
    choose_all(hands)
    assert_fits(hands.page)
    approve_all(hands, registry_code=fleet.registry_code(sailor))
    expect_all_accepted(hands.page)
    assert [fleet.latest(name) for name in packages] == [NEW] * TWELVE
    assert fleet.approvals() == [201] * TWELVE
    write_down(record_property, "12 versions, passkey, one reusable code", hands)
    count = hands.total()
    assert count.clicks <= 4
    assert (count.touches, count.codes) == (1, 1)


def test_twelve_versions_by_code(fleet: Fleet, watch: Watch, record_property: Record) -> None:
    sailor = fleet.sailor(app=True)
    assert sailor.codes
    packages = staged(fleet, sailor, "typed", TWELVE, "classic")
    hands = aboard(watch, sailor)
    page = hands.page
    open_queue(hands, packages)
    choose_all(hands)
    hands.type(page.get_by_label("The registry's one-time code"), fleet.registry_code(sailor))
    hands.type(page.get_by_label("Your one-time code"), sailor.codes.next(lasting=10))
    expect_all_accepted(page)
    assert [fleet.latest(name) for name in packages] == [NEW] * TWELVE
    write_down(record_property, "12 versions, code, one reusable code", hands)


def test_twelve_versions_with_a_code_each(
    fleet: Fleet, watch: Watch, record_property: Record
) -> None:
    sailor = fleet.sailor(passkey=True)
    packages = staged(fleet, sailor, "single", TWELVE, "single-use")
    hands = aboard(watch, sailor)
    page = hands.page
    open_queue(hands, packages)
    choose_all(hands)
    wait_until_early_in_a_step()
    approve_all(hands, registry_code=fleet.registry_code(sailor))
    for done in range(1, TWELVE):
        wanted = f"{done} of {TWELVE} done; harbour wants a new code"
        expect(page.get_by_text(wanted)).to_be_visible()
        if done == 1:
            assert_fits(page)
        # Half a minute passes at the registry, and its authenticator shows the next code.
        fleet.sandbox.control.move_clock(done * STEP_SECONDS)
        hands.type(
            page.get_by_label("Code for your account at harbour"), fleet.registry_code(sailor)
        )
    expect_all_accepted(page)
    assert [fleet.latest(name) for name in packages] == [NEW] * TWELVE
    # One try with the first code again, which showed that each is good once; no other is wasted.
    assert fleet.approvals().count(401) <= 1
    write_down(record_property, "12 versions, passkey, a code for each", hands)
    assert hands.total().touches == 1


def test_twelve_versions_on_the_registrys_own_page(
    fleet: Fleet, watch: Watch, record_property: Record
) -> None:
    sailor = fleet.sailor(passkey=True)
    packages = staged(fleet, sailor, "touched", TWELVE, "web")
    hands = aboard(watch, sailor)
    open_queue(hands, packages)
    choose_all(hands)
    approve_all(hands)
    for _ in packages:
        confirm_at_the_registry(hands)
    expect_all_accepted(hands.page)
    assert [fleet.latest(name) for name in packages] == [NEW] * TWELVE
    write_down(record_property, "12 versions, passkey, registry's own page", hands)
    count = hands.total()
    assert (count.touches, count.keys) == (TWELVE + 1, 0)


# ---------- what does not work


def test_an_untouched_passkey_decides_nothing_and_keeps_the_place(
    fleet: Fleet, watch: Watch
) -> None:
    sailor = fleet.sailor(passkey=True, app=True)
    packages = staged(fleet, sailor, "untouched", 1, "none")
    hands = aboard(watch, sailor)
    open_queue(hands, packages)
    assert hands.passkey
    hands.passkey.refuse()
    page = hands.page
    action = f"Reject: delete {NEW} from the registry for good"
    page.get_by_role("link", name=f"{packages[0]} {NEW}").click()
    page.get_by_role("link", name=action).click()
    page.get_by_label("Reason").fill("Not what was agreed.")
    page.get_by_role("button", name=action, exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("passkey")
    expect(page.get_by_label("Reason")).to_have_value("Not what was agreed.")
    assert_fits(page)
    # The other factor is one step away.
    page.get_by_text("No passkey at hand?").click()
    assert sailor.codes
    page.get_by_label("Your one-time code").fill(sailor.codes.next())
    page.get_by_role("button", name=f"{action}, with the code").click()
    expect(page.get_by_text(f"You rejected {packages[0]}@{NEW}")).to_be_visible()


def test_a_recovery_code_lets_in_once(fleet: Fleet, watch: Watch) -> None:
    sailor = fleet.sailor(passkey=True)
    for outcome in ("Queue", "refused"):
        page = watch.open()
        sign_in(page, sailor.name, PASSWORD)
        page.get_by_text("recovery code").first.click()
        page.get_by_label("Recovery code").fill(sailor.recovery_codes[0])
        page.get_by_role("button", name=re.compile("recovery", re.IGNORECASE)).click()
        if outcome == "Queue":
            expect(page.get_by_role("heading", name="Queue")).to_be_visible()
        else:
            expect(page.get_by_text("used")).to_be_visible()
            page.goto("/")
            expect(page.get_by_role("heading", name="Queue")).to_have_count(0)


def test_an_administrator_gives_more_with_a_touch_each(watch: Watch, fleet: Fleet) -> None:
    """The passkey's button is in the form with what it is to sign."""
    hands = aboard(watch, fleet.sailor(passkey=True, app=True, role="administrator"))
    page, passkey = hands.page, hands.passkey
    assert passkey
    other = fleet.sailor(role="viewer")

    page.goto("/people/invite/")
    page.get_by_label("For whom").fill("Lin of the harbour team")
    page.get_by_label("For which packages").select_option("some")
    # What is missing is said before anybody is asked to touch anything.
    page.get_by_role("button", name="Make the link, with your passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Name some packages below")
    assert passkey.touches == 0
    assert_fits(page)
    page.get_by_label("Packages at every registry").fill("@acme/*")
    page.get_by_role("button", name="Make the link, with your passkey").click()
    expect(page.get_by_label("Link", exact=True)).to_have_value(re.compile("/invitation/"))
    assert passkey.touches == 1

    page.goto("/people/")
    page.get_by_role("link", name=other.name).click()
    page.get_by_label("What the person may do").select_option("administrator")
    expect(page.get_by_label("For which packages")).to_be_hidden()
    expect(page.get_by_label("Packages at every registry")).to_be_hidden()
    assert_fits(page)
    page.get_by_role("button", name="Change the role, with your passkey").click()
    expect(page.get_by_text(f"{other.name} is now administrator")).to_be_visible()
    assert passkey.touches == 2

    page.get_by_role("button", name=f"Deactivate {other.name}").click()
    expect(page.get_by_text("is signed out everywhere and cannot")).to_be_visible()
    assert passkey.touches == 2
    page.get_by_role("button", name="Let them in again, with your passkey").click()
    expect(page.get_by_text("can sign in again, and has to link")).to_be_visible()
    assert passkey.touches == 3

"""From a rota to a version that is live: made from a template, swapped, paged, taken, approved on
a phone, and told of.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import icalendar
import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.aboard import aboard
from tests.browser.actions import PHONE, assert_fits, live, wait_until_looked_at
from tests.browser.fleet import NEW, Fleet, Sailor, fleet_in
from tests.browser.hands import Hands
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser

SCHEDULE = "Lookout"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, _chromium: str) -> Iterator[Fleet]:
    with fleet_in(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture
def watch(browser: Browser, fleet: Fleet) -> Iterator[Watch]:
    with Watch(browser, fleet.program, registry=fleet.sandbox.url) as watching:
        yield watching


def make_weekly_rota(page: Page, packages: str, people: list[Sailor]) -> None:
    page.goto("/rota/")
    page.get_by_role("link", name="Make the first from a template").click()
    page.get_by_label("Weekly rota").check()
    page.get_by_label("Name", exact=True).fill(SCHEDULE)
    page.get_by_label("For which packages").fill(packages)
    for at, sailor in enumerate(people):
        page.locator(f'select[name="place_0_{at}"]').select_option(label=sailor.name)
    # From last week on, as nobody would be on call before nine o'clock on a Monday.
    start = date.today() - timedelta(days=7)
    page.get_by_label("The first turn begins in the week of").fill(start.isoformat())
    assert_fits(page)
    page.get_by_role("button", name="Make the schedule: it holds at once").click()
    expect(page.get_by_role("heading", name=SCHEDULE, exact=True)).to_be_visible()


def open_schedule(page: Page) -> None:
    page.goto("/rota/")
    page.get_by_role("main").get_by_role("link", name=SCHEDULE).first.click()
    expect(page.get_by_role("heading", name=SCHEDULE, exact=True)).to_be_visible()


def is_on_call(page: Page) -> bool:
    page.goto("/rota/")
    expect(page.get_by_role("heading", name="Rota")).to_be_visible()
    return page.get_by_text(re.compile("^You are on call until")).count() > 0


def turns_in(feed: bytes, at: datetime) -> list[str]:
    """The summaries of what the calendar has at this moment."""
    calendar = icalendar.Calendar.from_ical(feed)
    return [
        str(event["summary"])
        for event in calendar.walk("VEVENT")
        if event["dtstart"].dt <= at < event["dtend"].dt
    ]


def read(address: str) -> requests.Response:
    """As a calendar program does: without signing in."""
    return requests.get(address, timeout=20)


def hand_over(giver: Hands, taker: Hands, *, to: Sailor) -> None:
    """In two clicks; it holds once the other accepts."""
    open_schedule(giver.page)
    before = giver.count.clicks
    giver.click(giver.page.get_by_text("Hand over the rest of your turn"))
    giver.click(giver.page.get_by_role("button", name=f"Ask {to.name}"))
    assert giver.count.clicks - before == 2
    expect(giver.page.get_by_text(f"You ask {to.name}")).to_be_visible()
    assert is_on_call(giver.page), "who only asked is on call still"
    taker.page.goto("/rota/")
    taker.page.get_by_role("button", name="Accept: be on call then").click()
    expect(taker.page.get_by_text(re.compile("^You are on call until")).first).to_be_visible()
    assert not is_on_call(giver.page)


def news_of(page: Page, words: str) -> None:
    """Waits until these news have come, which the page shows when it is opened anew."""
    subject = page.get_by_role("link", name=words)
    for _ in range(60):
        page.goto("/news/")
        if subject.count():
            return
        page.wait_for_timeout(500)
    expect(subject.first).to_be_visible()


def test_from_a_template_to_live_on_a_phone(fleet: Fleet, watch: Watch) -> None:
    manager = aboard(watch, fleet.sailor(passkey=True, role="release_manager"))
    sailors = [fleet.sailor(passkey=True), fleet.sailor(passkey=True)]
    hands = [aboard(watch, one) for one in sailors]
    make_weekly_rota(manager.page, "lookout-*", sailors)

    first = 0 if is_on_call(hands[0].page) else 1
    other = 1 - first
    assert is_on_call(hands[first].page)
    assert not is_on_call(hands[other].page)
    assert_fits(hands[first].page)

    hand_over(hands[first], hands[other], to=sailors[other])
    page = hands[other].page
    open_schedule(page)
    assert_fits(page)

    page.goto("/rota/")
    page.get_by_role("button", name="Make an address").click()
    address = page.locator("#feed-address").inner_text().strip()
    assert_fits(page)
    feed = read(address)
    assert feed.headers["Content-Type"].startswith("text/calendar")
    assert any(SCHEDULE in one for one in turns_in(feed.content, datetime.now(UTC)))

    page.set_viewport_size({"width": PHONE, "height": 844})
    (package,) = fleet.stage("lookout", 1, by=sailors[other])
    news_of(page, package)
    page.get_by_role("link", name=re.compile(f"{package}@{NEW}")).first.click()
    expect(page.get_by_role("heading", name=package)).to_be_visible()
    page.goto("/")
    wait_until_looked_at(page, package)
    page.get_by_role("link", name=f"{package} {NEW}").click()
    expect(page.get_by_text("It is yours to look at")).to_be_visible()
    page.get_by_role("button", name="I am looking at it").click()
    expect(page.get_by_role("heading", name="You are looking at it")).to_be_visible()
    assert_fits(page)

    action = f"Approve: make {NEW} installable by everyone as latest"
    page.get_by_role("link", name=action).click()
    page.get_by_role("button", name=action, exact=True).click()
    expect(page.get_by_text(f"You approved {package}@{NEW}")).to_be_visible()
    expect(live(page)).to_be_visible()
    assert fleet.latest(package) == NEW
    assert fleet.approvals() == [201]

    news_of(page, f"Live: {package}@{NEW}")
    assert_fits(page)
    news_of(manager.page, f"Live: {package}@{NEW}")

    page.goto("/rota/")
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("button", name="Make an address")).to_be_visible()
    assert read(address).status_code == requests.codes.not_found

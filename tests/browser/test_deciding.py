"""Deciding in a browser: who may, what proves it, and what a page says when it does not work."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import (
    APPROVE,
    REJECT,
    assert_fits,
    confirm,
    confirm_once_allowed,
    is_marked,
    live,
    mark,
    open_confirmation,
    status,
)
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import NEW_VERSION, OLD_VERSION, Dashboard, Release

pytestmark = pytest.mark.browser


def assert_untouched(dashboard: Dashboard, release: Release, page: Page) -> None:
    """The version waits as before, and the registry was never asked."""
    page.goto(release.path)
    expect(page.get_by_role("link", name=APPROVE)).to_be_visible()
    assert dashboard.approvals_sent(release) == []
    assert dashboard.latest(release.package) == OLD_VERSION


def test_a_code_is_good_for_one_decision_only(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    person, first, second = dashboard.approver(), dashboard.release(), dashboard.release()
    page = open_browser(person)
    code = person.codes.next(lasting=25)
    open_confirmation(page, first)
    confirm(page, APPROVE, code, person.registry_totp.now())
    expect(page.get_by_text(f"You approved {first.package}@{NEW_VERSION}")).to_be_visible()

    open_confirmation(page, second)
    confirm(page, APPROVE, code, person.registry_totp.now())

    expect(page.get_by_text("This code was used before. Wait for the next one.")).to_be_visible()
    expect(page.get_by_label("Your one-time code")).to_have_value("")
    assert_untouched(dashboard, second, page)


def test_a_wrong_code_changes_nothing(dashboard: Dashboard, open_browser: OpenBrowser) -> None:
    person, release = dashboard.approver(), dashboard.release()
    page = open_browser(person)
    open_confirmation(page, release)
    confirm(page, APPROVE, person.codes.wrong(), person.registry_totp.now())

    expect(page.get_by_text("This code is wrong.")).to_be_visible()
    expect(page.get_by_label("The registry's one-time code")).to_have_value("")
    assert_fits(page)
    assert_untouched(dashboard, release, page)


def test_a_rejection_needs_a_reason_and_keeps_it_when_the_code_is_wrong(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    person, release = dashboard.approver(), dashboard.release()
    page = open_browser(person)
    open_confirmation(page, release, REJECT)
    confirm(page, REJECT, person.codes.next())
    expect(page.get_by_label("Reason")).to_have_attribute("aria-invalid", "true")
    assert dashboard.approvals_sent(release) == []

    reason = "The lockfile is missing.\n<script>alert(1)</script>"
    page.get_by_label("Reason").fill(reason)
    confirm(page, REJECT, person.codes.wrong())
    expect(page.get_by_text("This code is wrong.")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value(reason)

    confirm_once_allowed(page, REJECT, person.codes.next(), person.registry_totp.now())
    mark(page)
    expect(status(page).get_by_text("Deleted at sandbox", exact=True)).to_be_visible()
    expect(status(page).get_by_text("The lockfile is missing.")).to_be_visible()
    assert is_marked(page)
    assert dashboard.latest(release.package) == OLD_VERSION
    page.goto("/history/")
    row = page.get_by_role("row").filter(has_text=release.package)
    expect(row).to_contain_text("Rejected")
    expect(row).to_contain_text(person.name)


def test_the_registrys_question_is_asked_on_the_page(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    person, release = dashboard.approver(), dashboard.release()
    page, onlooker = open_browser(person), open_browser(dashboard.viewer())
    open_confirmation(page, release)
    confirm(page, APPROVE, person.codes.next())
    expect(page.get_by_text(f"You approved {release.package}@{NEW_VERSION}")).to_be_visible()
    mark(page)

    field = page.get_by_label("Code for your account at sandbox")
    expect(field).to_be_visible()
    assert_fits(page)
    onlooker.goto(release.path)
    expect(onlooker.get_by_text(f"Only {person.name} can answer")).to_be_visible()
    expect(onlooker.get_by_label("Code for your account")).to_have_count(0)
    # What is being typed survives the page's asking for news of itself.
    field.fill("123")
    for _ in range(2):
        with page.expect_response(lambda answer: "/status/" in answer.url):
            pass
    expect(field).to_have_value("123")
    assert is_marked(page)

    # It goes off by itself when it is whole.
    field.fill(person.registry_totp.now())
    expect(live(page)).to_be_visible()
    assert dashboard.latest(release.package) == NEW_VERSION
    assert dashboard.approvals_sent(release) == [401, 201]


def test_of_two_browsers_at_once_one_decides_and_the_other_is_told(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    release = dashboard.release()
    people = [dashboard.approver(), dashboard.approver()]
    pages = [open_browser(person) for person in people]
    for person, page in zip(people, pages, strict=True):
        open_confirmation(page, release)
        page.get_by_label("Your one-time code").fill(person.codes.next())
        page.get_by_label("The registry's one-time code").fill(person.registry_totp.now())
    for page in pages:
        # A click that does not wait for its answer.
        page.get_by_role("button", name=APPROVE).dispatch_event("click")

    won = [page.get_by_text(f"You approved {release.package}@{NEW_VERSION}") for page in pages]
    lost = [page.get_by_role("alert") for page in pages]
    for page_won, page_lost in zip(won, lost, strict=True):
        expect(page_won.or_(page_lost)).to_be_visible()
    winners = [number for number in (0, 1) if won[number].is_visible()]
    assert len(winners) == 1
    loser = 1 - winners[0]
    expect(lost[loser]).to_have_text(
        re.compile("Somebody else decided this|being approved at this moment|approved already|live")
    )
    expect(pages[loser].get_by_role("button", name=APPROVE)).to_have_count(0)

    expect(live(pages[winners[0]])).to_be_visible()
    pages[loser].goto(release.path)
    expect(pages[loser].get_by_text(f"Approved by {people[winners[0]].name}")).to_be_visible()
    assert dashboard.approvals_sent(release) == [201]


def test_a_viewer_sees_everything_and_decides_nothing(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    release = dashboard.release()
    page = open_browser(dashboard.viewer())
    page.goto(release.path)
    expect(page.get_by_text("Your role only lets you look.")).to_be_visible()
    expect(page.get_by_role("heading", name="Files")).to_be_visible()
    for action in (APPROVE, REJECT):
        expect(page.get_by_role("link", name=action)).to_have_count(0)
    for path in ("approve", "reject"):
        answer = page.goto(f"{release.path}{path}/")
        assert answer is not None
        assert answer.status == 403
        expect(page.get_by_label("Your one-time code")).to_have_count(0)
        expect(page.get_by_text("Your role only lets you look.")).to_be_visible()


def test_the_keyboard_alone_is_enough(dashboard: Dashboard, open_browser: OpenBrowser) -> None:
    person, release = dashboard.approver(), dashboard.release()
    page = open_browser(person)
    page.goto("/")
    tab_to(page, f"{release.package} {NEW_VERSION}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=release.package)).to_be_visible()
    tab_to(page, APPROVE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    tab_to_field(page, "registry_code")
    page.keyboard.type(person.registry_totp.now())
    page.keyboard.press("Tab")
    expect(page.get_by_label("Your one-time code")).to_be_focused()
    page.keyboard.type(person.codes.next())
    expect(live(page)).to_be_visible()


def tab_to_field(page: Page, name: str) -> None:
    """Presses Tab until the field of this name has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == name:
            return
    raise AssertionError(f"Tab never reached {name!r}")


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the link or button of this name has the focus, seen at every stop."""
    for _ in range(200):
        page.keyboard.press("Tab")
        text, seen = page.evaluate(
            """() => {
              const element = document.activeElement, style = getComputedStyle(element);
              return [element.innerText.replace(/\\s+/g, " ").trim(),
                style.outlineStyle !== "none" || style.boxShadow !== "none"];
            }"""
        )
        assert seen, f"nobody sees that {text!r} has the focus"
        if text == name:
            return
    raise AssertionError(f"Tab never reached {name!r}")

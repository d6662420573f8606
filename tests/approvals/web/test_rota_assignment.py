"""Who looks at a version, as its page shows it, and what people do about that there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from approvals.people.models import Role, Scope, User
from approvals.queue.models import StagedVersion, State
from approvals.rota import escalation
from approvals.rota.models import Assignment
from tests.approvals.factories import make_inspection, make_staged_version, make_user
from tests.approvals.rota.factories import make_schedule
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

# A Wednesday in the first person's week.
START = datetime(2026, 1, 7, 10, 0, tzinfo=UTC)
STEPS = ((0, "on_call"), (15, "next"), (30, "all_approvers"))


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


@pytest.fixture
def version(ada: User, grace: User) -> StagedVersion:
    """Ada is on call and asked, and Grace is next."""
    make_schedule(ada, grace, steps=STEPS)
    row = make_staged_version("@acme/ui", "1.5.0", created_at=START - timedelta(minutes=1))
    make_inspection(row)
    escalation.look_after()
    return row


def page_of(browser: Client, version: StagedVersion) -> str:
    response = browser.get(reverse("version", args=[version.pk]))
    assert_strict(response)
    return panel_in(text_of(response))


def panel_in(page: str) -> str:
    """The page up to the facts; tags stand between a word and its full stop."""
    return page.partition("What would go out")[0].replace(" .", ".")


def post(browser: Client, route: str, version: StagedVersion, **sent: object) -> str:
    """What the page says after this was sent."""
    address = reverse(route, args=[version.pk])
    return panel_in(text_of(browser.post(address, sent, follow=True)))


def test_the_page_says_whose_turn_it_is_and_who_is_asked_next(
    ada: User, grace: User, version: StagedVersion
) -> None:
    page = page_of(sign_in(ada), version)
    assert "It is yours to look at" in page
    assert "If nobody takes it, who is next in the rotation is asked in 15 min." in page
    page = page_of(sign_in(grace), version)
    assert "Assigned to ada ada is asked since just now." in page


def test_without_a_schedule_there_is_no_such_panel(ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    assert (
        "assignment-title"
        not in sign_in(ada).get(reverse("version", args=[row.pk])).content.decode()
    )


def test_taking_it_is_one_click_and_stops_the_asking(
    ada: User, version: StagedVersion, clock: time_machine.Traveller
) -> None:
    browser = sign_in(ada)
    page = post(browser, "assignment_take", version)
    assert "You are looking at it. Nobody else is asked any more." in page
    assert "You are looking at it You are asked since just now. Nobody else is asked." in page
    clock.shift(timedelta(hours=1))
    escalation.look_after()
    assert "ada is looking at it" in page_of(sign_in(make_user()), version)
    assert "I am looking at it" not in page_of(browser, version)


def test_it_is_passed_on_to_somebody_who_can_approve_it(
    ada: User, grace: User, version: StagedVersion
) -> None:
    viewer = make_user("viewer", role=Role.VIEWER)
    browser = sign_in(ada)
    html = browser.get(reverse("version", args=[version.pk])).content.decode()
    choices = re.findall(r'<option value="(\d+)"', html[html.index('id="pass_on_to"') :])
    assert str(grace.pk) in choices
    assert str(viewer.pk) not in choices
    page = post(browser, "assignment_pass_on", version, to=viewer.pk)
    assert "They cannot approve it, or no longer." in page
    page = post(browser, "assignment_pass_on", version, to="")
    assert "Choose who is to look at it." in page
    page = post(browser, "assignment_pass_on", version, to=grace.pk, reason="I wrote it.")
    assert "It is passed on to grace, who is told now." in page
    assert "It is yours to look at" in page_of(sign_in(grace), version)


def test_snoozing_wants_a_reason_and_ends(
    ada: User, version: StagedVersion, clock: time_machine.Traveller
) -> None:
    browser = sign_in(ada)
    page = post(browser, "assignment_snooze", version, hours="4", reason=" ")
    assert "Say why: those who wait for it read it." in page
    for hours in ("0", "1000", "-1", "soon", ""):
        post(browser, "assignment_snooze", version, hours=hours, reason="Later.")
        assert Assignment.objects.get().snoozed_until is None
    page = post(browser, "assignment_snooze", version, hours="4", reason="After <b>lunch</b>.")
    assert "Nobody is asked about it for 4 hours." in page
    assert "nobody is asked before 7 Jan 2026, 14:00 UTC. “After <b>lunch</b>.”" in page
    clock.shift(timedelta(hours=4, minutes=1))
    escalation.look_after()
    assert "Snoozed" not in page_of(browser, version)


def test_a_whole_day_is_offered_as_long_as_that_is_allowed(
    ada: User, version: StagedVersion
) -> None:
    browser = sign_in(ada)
    html = browser.get(reverse("version", args=[version.pk])).content.decode()
    assert '<option value="24">24 hours</option>' in html
    post(browser, "assignment_snooze", version, hours="24", reason="Tomorrow.")
    assert Assignment.objects.get().snoozed_until == START + timedelta(hours=24)


def test_the_panel_is_part_of_what_updates_itself(ada: User, version: StagedVersion) -> None:
    browser = sign_in(make_user())
    html = browser.get(reverse("version", args=[version.pk])).content.decode()
    asked = re.search(r'name="mark" value="(\w+)"', html)
    seen = re.search(r'name="seen" value="(\w+)"', html[html.index('id="status"') :])
    assert asked
    assert seen
    post(sign_in(ada), "assignment_take", version)
    response = browser.get(
        reverse("version_status", args=[version.pk]),
        {"mark": asked[1], "seen": seen[1], "inspection": "done"},
        headers={"HX-Request": "true"},
    )
    assert "ada is looking at it" in text_of(response)


@pytest.mark.parametrize("route", ["assignment_take", "assignment_pass_on", "assignment_snooze"])
def test_who_may_not_decide_it_is_offered_nothing_and_refused(
    version: StagedVersion, grace: User, route: str
) -> None:
    address = reverse(route, args=[version.pk])
    sent = {"to": grace.pk, "hours": "1", "reason": "because"}
    viewer = sign_in(make_user(role=Role.VIEWER))
    assert viewer.post(address, sent).status_code == HTTPStatus.FORBIDDEN
    page = page_of(viewer, version)
    for words in ("I am looking at it", "Pass it on", "Snooze"):
        assert words not in page
    scoped = make_user()
    Scope.objects.create(user=scoped, packages="@other/*")
    assert sign_in(scoped).post(address, sent).status_code == HTTPStatus.NOT_FOUND
    assert sign_in(grace).get(address).status_code == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("route", ["assignment_take", "assignment_pass_on", "assignment_snooze"])
def test_what_is_decided_meanwhile_is_nobody_s_to_look_at(
    ada: User, grace: User, version: StagedVersion, route: str
) -> None:
    browser = sign_in(ada)
    StagedVersion.objects.update(state=State.REJECTED)
    page = post(browser, route, version, to=grace.pk, hours="1", reason="because")
    assert "It does not wait for a decision any more" in page or "Nobody is asked" in page
    assert Assignment.objects.get().snoozed_until is None


def test_the_queue_shows_whom_it_asks_what_is_theirs_to_look_at(
    ada: User, grace: User, version: StagedVersion
) -> None:
    make_staged_version("left-pad", registry=version.registry)
    asked = text_of(sign_in(ada).get("/", {"whom": "assigned"}))
    assert "@acme/ui" in asked
    assert "left-pad" not in asked
    assert "@acme/ui" not in text_of(sign_in(grace).get("/", {"whom": "assigned"}))

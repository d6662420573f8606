"""Whoever decided hears that the registry waits for their code, once for each question."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import OutboxEvent
from approvals.decisions.carrying_out import steering
from approvals.decisions.carrying_out.calling import TOPIC, tell_of_questions
from approvals.decisions.deciding.decide import answer_registry
from approvals.decisions.models import Decision, DecisionItem, ItemState
from approvals.decisions.tasks import tell_of_questions as task
from tests.approvals.at_once import at_once
from tests.approvals.conftest import House
from tests.approvals.factories import make_decision, make_staged_version, make_user

pytestmark = pytest.mark.django_db


def asked(seconds_ago: int = 60, **fields: object) -> DecisionItem:
    """A question that has stood for so long."""
    now = timezone.now()
    values = {
        "item_state": ItemState.ASKING,
        "question": "npm asks for the one-time code of your account there.",
        "state_changed_at": now - timedelta(seconds=seconds_ago),
        "asked_until": now + timedelta(minutes=10),
        **fields,
    }
    return make_decision(make_staged_version(), make_user("ada"), **values)


def told() -> list[OutboxEvent]:
    return list(OutboxEvent.objects.filter(topic=TOPIC).order_by("pk"))


def test_a_question_that_stands_for_a_while_is_told_of_once() -> None:
    item = asked()
    task()
    task()
    [event] = told()
    assert event.stage_id == item.stage_id
    assert event.payload["people"] == [item.decision.user_id]
    assert event.payload["reason"] == item.question
    assert event.payload["url_path"] == f"/decisions/{item.decision_id}/"


def test_who_may_still_sit_before_the_page_is_not_told(settings: Settings) -> None:
    asked(seconds_ago=settings.CODE_WANTED_SECONDS - 5)
    assert tell_of_questions() == 0
    settings.CODE_WANTED_SECONDS = 0
    assert tell_of_questions() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"item_state": ItemState.WAITING},
        {"item_state": ItemState.CHECKING},
        {"asked_until": timezone.now() - timedelta(minutes=1)},
    ],
)
def test_where_nothing_is_asked_nobody_is_told(fields: dict[str, object]) -> None:
    asked(**fields)
    assert tell_of_questions() == 0
    assert told() == []


def test_what_is_paused_is_told_of_when_it_goes_on() -> None:
    item = asked()
    steering.pause(item.decision, user=item.decision.user)
    assert tell_of_questions() == 0
    Decision.objects.update(paused_at=None, paused_by=None)
    assert tell_of_questions() == 1


def test_the_next_question_of_a_batch_is_told_of_anew(house: House, settings: Settings) -> None:
    settings.CODE_WANTED_SECONDS = 0
    ada = house.person("ada")
    rows = [house.ready("left-pad"), house.ready("right-pad")]
    decision = house.decide_all(ada, rows)
    house.work()
    assert [tell_of_questions(), tell_of_questions()] == [1, 0]
    first = decision.items.get(state=ItemState.ASKING)
    answer_registry(user=ada, item=first, registry_code=house.sandbox.code("ada"))
    assert tell_of_questions() == 0
    house.work()
    second = decision.items.get(state=ItemState.ASKING)
    assert second.pk != first.pk
    assert [tell_of_questions(), tell_of_questions()] == [1, 0]
    assert [event.stage_id for event in told()] == [first.stage_id, second.stage_id]
    assert {event.payload["gather"] for event in told()} == {str(decision.pk)}
    assert [event.payload["more"] for event in told()] == [1, 0]


def test_a_code_that_was_refused_leads_to_another_question(
    house: House, settings: Settings
) -> None:
    settings.CODE_WANTED_SECONDS = 0
    ada = house.person("ada")
    item = house.decide(ada, house.ready())
    house.work()
    assert tell_of_questions() == 1
    answer_registry(user=ada, item=item, registry_code="000000")
    house.work()
    item.refresh_from_db()
    assert item.state == ItemState.ASKING
    assert tell_of_questions() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_tells() -> None:
    asked()
    results = at_once(*(tell_of_questions for _ in range(3)))
    assert sorted(results, key=str) == [0, 0, 1], results
    assert len(told()) == 1

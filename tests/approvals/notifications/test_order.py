"""In which order people are told, what waits for what, and what is told together."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from approvals.audit import outbox
from approvals.audit.models import OutboxEvent
from approvals.notifications.channels import channels
from approvals.notifications.deliver import GATHER_MOST, deliver_due
from approvals.notifications.dispatch import dispatch
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import Message, Urgency
from approvals.notifications.models import Delivery, Webhook
from approvals.notifications.retry import NothingToRetry, try_all_parked, try_now
from approvals.people.models import Scope, User
from approvals.queue.transitions import news_of
from tests.approvals.factories import make_staged_version
from tests.approvals.notifications.conftest import Publish
from tests.approvals.notifications.receiver import Receiver

State = Delivery.State
FIRST, SECOND = uuid4(), uuid4()


class Door:
    """A channel that keeps what it was given, and fails as a test says."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Message]] = []
        self.behave: Callable[[Delivery], None] = lambda delivery: None

    @property
    def ids(self) -> list[str]:
        return [message.id for _, message in self.got]

    def send(self, delivery: Delivery, message: Message) -> None:
        self.behave(delivery)
        self.got.append((delivery.recipient, message))

    def labels(self, recipients: Iterable[str]) -> dict[str, str]:
        return {}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    door = Door()
    monkeypatch.setitem(channels(), "door", door)
    return door


def to_door(event: OutboxEvent, recipient: str = "a", **fields: object) -> Delivery:
    values = {"stage_id": event.stage_id, "channel": "door", "recipient": recipient, **fields}
    return Delivery.objects.create(event=event, **values)


def fail_for(*events: OutboxEvent, **how: object) -> Callable[[Delivery], None]:
    def behave(delivery: Delivery) -> None:
        if delivery.event in events:
            raise NotDelivered("Not now.", **how)  # type: ignore[arg-type]  # as the test says

    return behave


def make_due() -> None:
    Delivery.objects.filter(state=State.WAITING).update(due_at=timezone.now())


def test_what_is_later_of_the_same_version_waits_and_another_version_does_not(
    publish: Publish, door: Door
) -> None:
    accepted = publish("staged_version.accepted", stage_id=FIRST)
    live = publish("staged_version.live", stage_id=FIRST)
    other = publish("staged_version.live", stage_id=SECOND)
    for event in (accepted, live, other):
        to_door(event)
    to_door(live, "b")
    door.behave = fail_for(accepted)
    deliver_due()
    assert {(who, message.id) for who, message in door.got} == {
        ("a", f"event_{other.pk}"),
        ("b", f"event_{live.pk}"),
    }
    door.behave, door.got = fail_for(), []
    make_due()
    deliver_due()
    assert door.ids == [f"event_{accepted.pk}", f"event_{live.pk}"]


def test_an_alarm_waits_for_nothing(publish: Publish, door: Door) -> None:
    live = publish("staged_version.live", stage_id=FIRST)
    to_door(live)
    door.behave = fail_for(live)
    deliver_due()
    alarm = publish("staged_version.alarm", stage_id=FIRST)
    to_door(alarm, urgency=Urgency.ALARM)
    deliver_due()
    assert door.ids == [f"event_{alarm.pk}"]


def test_registries_fail_before_they_recover(publish: Publish, door: Door) -> None:
    failing, recovered = publish("registry.failing"), publish("registry.recovered")
    to_door(recovered)
    to_door(failing)
    door.behave = fail_for(failing)
    deliver_due()
    door.behave = fail_for()
    make_due()
    deliver_due()
    assert door.ids == [f"event_{failing.pk}", f"event_{recovered.pk}"]


def test_what_is_parked_or_failed_keeps_nothing_back(publish: Publish, door: Door) -> None:
    first, second = publish(stage_id=FIRST), publish("staged_version.alarm", stage_id=FIRST)
    third = publish("staged_version.rejected", stage_id=FIRST)
    to_door(first, state=State.PARKED)
    to_door(second, state=State.FAILED)
    to_door(third)
    deliver_due()
    assert door.ids == [f"event_{third.pk}"]


def test_who_has_just_failed_comes_after_the_others(publish: Publish, door: Door) -> None:
    dead = publish(stage_id=uuid4())
    to_door(dead, "dead", due_at=timezone.now() + timedelta(minutes=1), tries=1)
    to_door(publish(stage_id=uuid4()), "dead")
    to_door(publish(stage_id=uuid4()), "alive")
    deliver_due()
    assert [who for who, _ in door.got] == ["alive", "dead"]


def test_several_workers_keep_the_order_of_each_version(
    transactional_db: None, publish: Publish, door: Door
) -> None:
    stages = [uuid4() for _ in range(4)]
    topics = ["found", "accepted", "not_visible_yet", "live"]
    events = [
        publish(f"staged_version.{topic}", stage_id=stage) for topic in topics for stage in stages
    ]
    for event in events:
        for recipient in "ab":
            to_door(event, recipient)
    start = Barrier(3)

    def work(_: int) -> None:
        try:
            start.wait(10)
            while Delivery.objects.filter(state=State.WAITING).exists():
                deliver_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    for recipient in "ab":
        for stage in stages:
            told = [
                message.topic.partition(".")[2]
                for who, message in door.got
                if who == recipient and message.payload["data"]["stage_id"] == str(stage)
            ]
            assert told == topics


def twelve(people: dict[str, User], topic: str = "staged_version.live") -> list[OutboxEvent]:
    rows = [make_staged_version(f"@acme/part-{number}") for number in range(12)]
    with transaction.atomic():
        return [
            outbox.publish(topic, stage_id=row.stage_id, **{**news_of(row), "gather": "release-7"})
            for row in rows
        ]


def test_twelve_versions_of_a_release_are_one_message(
    people: dict[str, User], mailoutbox: list[EmailMessage], settings: Settings
) -> None:
    settings.GATHER_SECONDS = 60
    events = twelve(people)
    dispatch()
    assert deliver_due() == 0
    Delivery.objects.update(due_at=timezone.now())
    deliver_due()
    assert sorted(mail.to[0] for mail in mailoutbox) == sorted(
        user.email for user in people.values()
    )
    mail = mailoutbox[0]
    assert mail.subject == "[Countersign] Live: 12 versions"
    for number in range(12):
        assert f"@acme/part-{number}@1.5.0 is live" in str(mail.body)
    assert {event.pk for event in events} == set(
        Delivery.objects.filter(state=State.SENT).values_list("event", flat=True)
    )


def test_a_gathered_message_names_each_event_with_its_id(
    people: dict[str, User], door: Door
) -> None:
    events = twelve(people)
    for event in events:
        to_door(event, gather_key="live")
    deliver_due()
    ((_, message),) = door.got
    assert message.id == f"event_{events[0].pk}"
    told = message.payload["events"]
    assert [one["id"] for one in told] == [f"event_{event.pk}" for event in events]
    assert {one["data"]["package"] for one in told} == {f"@acme/part-{n}" for n in range(12)}
    assert all(f"@acme/part-{number}@1.5.0" in message.html for number in range(12))


def test_a_repeated_message_says_the_same_under_the_same_id(
    people: dict[str, User], door: Door
) -> None:
    events = twelve(people)
    for event in events[:5]:
        to_door(event, gather_key="live")

    class Killed(BaseException):
        pass

    sent: list[Message] = []

    def send(delivery: Delivery, message: Message) -> None:
        sent.append(message)
        if len(sent) == 1:
            raise Killed

    door.send = send
    with pytest.raises(Killed):
        deliver_due()
    # More of the kind came while nobody knew what had become of the first.
    for event in events[5:]:
        to_door(event, gather_key="live")
    Delivery.objects.filter(lease_until__isnull=False).update(lease_until=timezone.now())
    deliver_due()
    assert sent[0].id == sent[1].id
    assert sent[0].payload == sent[1].payload
    assert [one["id"] for one in sent[2].payload["events"]] == [
        f"event_{event.pk}" for event in events[5:]
    ]
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.SENT}


def test_what_was_gathered_is_parked_and_sent_again_together(
    people: dict[str, User], door: Door
) -> None:
    events = twelve(people)
    for event in events:
        to_door(event, gather_key="live", tried_since=timezone.now() - timedelta(hours=25))
    door.behave = fail_for(*events)
    deliver_due()
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.PARKED}
    door.behave = fail_for()
    try_now(Delivery.objects.get(event=events[4]), actor=people["ada"])
    deliver_due()
    ((_, message),) = door.got
    assert len(message.payload["events"]) == 12
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.SENT}


def test_all_that_is_parked_is_sent_again_at_once(
    people: dict[str, User], publish: Publish, door: Door
) -> None:
    for _ in range(3):
        to_door(publish(stage_id=uuid4()), state=State.PARKED, tries=9)
    given_up = to_door(publish(stage_id=uuid4()), state=State.FAILED)
    assert try_all_parked(actor=people["ada"]) == 3
    deliver_due()
    assert len(door.got) == 3
    given_up.refresh_from_db()
    assert given_up.state == State.FAILED
    with pytest.raises(NothingToRetry):
        try_all_parked(actor=people["ada"])


def test_only_so_many_are_told_at_once(publish: Publish, door: Door) -> None:
    for _ in range(GATHER_MOST + 1):
        to_door(publish(stage_id=uuid4()), gather_key="live")
    deliver_due()
    assert len(door.got) == 2
    assert len(door.got[0][1].payload["events"]) == GATHER_MOST


def test_what_is_behind_something_else_is_not_gathered_before_it(
    publish: Publish, door: Door
) -> None:
    accepted = publish("staged_version.accepted", stage_id=SECOND)
    to_door(accepted, due_at=timezone.now() + timedelta(minutes=5), tries=1)
    first, second = publish(stage_id=FIRST), publish(stage_id=SECOND)
    to_door(first, gather_key="live")
    to_door(second, gather_key="live")
    deliver_due()
    assert door.ids == [f"event_{first.pk}"]
    make_due()
    deliver_due()
    assert door.ids[1:] == [f"event_{accepted.pk}", f"event_{second.pk}"]


def test_what_somebody_may_not_see_any_more_is_left_out_of_the_message(
    people: dict[str, User], mailoutbox: list[EmailMessage]
) -> None:
    left, right = make_staged_version("@acme/left"), make_staged_version("@acme/right")
    User.objects.exclude(username="ben").update(wants_email=False)
    with transaction.atomic():
        for row in (left, right):
            outbox.publish("staged_version.live", stage_id=row.stage_id, **news_of(row))
    dispatch()
    Scope.objects.create(user=people["ben"], packages="@acme/right")
    deliver_due()
    (mail,) = mailoutbox
    assert "@acme/right@1.5.0" in mail.subject
    assert "@acme/left" not in mail.subject + str(mail.body)
    assert Delivery.objects.get(event__stage_id=left.stage_id).state == State.FAILED


def test_programs_get_each_event_for_itself(
    people: dict[str, User], hook: tuple[Webhook, str], receiver: Receiver
) -> None:
    User.objects.update(wants_email=False)
    twelve(people)
    dispatch()
    deliver_due()
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 12


def test_a_recipient_that_is_away_holds_up_no_other_of_the_channel(
    publish: Publish, door: Door
) -> None:
    event: OutboxEvent = publish(stage_id=UUID(int=1))
    to_door(event, "away")
    to_door(event, "there")

    def behave(delivery: Delivery) -> None:
        if delivery.recipient == "away":
            raise NotDelivered("Nobody answers.", holds_up=HoldsUp.RECIPIENT)

    door.behave = behave
    deliver_due()
    assert [who for who, _ in door.got] == ["there"]

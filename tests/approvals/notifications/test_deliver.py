"""Deliveries: tried until they arrive, each by one worker at a time, and visible when they fail."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.notifications import deliver
from approvals.notifications.channels import channels
from approvals.notifications.deliver import MAX_TRIES, deliver_due, pause_after
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import Message
from approvals.notifications.models import Delivery, Webhook
from approvals.notifications.retry import NothingToRetry, try_now
from approvals.notifications.tasks import tell_waiting
from approvals.people.models import User
from tests.approvals.notifications.conftest import STAGE_ID, Publish
from tests.approvals.notifications.receiver import Receiver

State = Delivery.State


class Door:
    """A channel whose behaviour a test chooses."""

    def __init__(self) -> None:
        self.knocks: list[str] = []
        self.behave: Callable[[Delivery], None] = lambda delivery: None

    def send(self, delivery: Delivery, message: Message) -> None:
        self.knocks.append(delivery.recipient)
        self.behave(delivery)

    def labels(self, recipients: Iterable[str]) -> dict[str, str]:
        return {}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    door = Door()
    monkeypatch.setitem(channels(), "door", door)
    return door


@pytest.fixture
def delivery(publish: Publish) -> Delivery:
    return to_door(publish(), "a")


def to_door(event: OutboxEvent, recipient: str, **fields: object) -> Delivery:
    values = {"stage_id": event.stage_id, "channel": "door", "recipient": recipient, **fields}
    return Delivery.objects.create(event=event, **values)


def refuse(**more: object) -> Callable[[Delivery], None]:
    def _refuse(delivery: Delivery) -> None:
        raise NotDelivered("The door is shut.", **more)  # type: ignore[arg-type]  # as the test says

    return _refuse


def make_due() -> None:
    Delivery.objects.filter(state=State.WAITING).update(due_at=timezone.now())


def test_from_the_news_to_the_mailbox_and_the_webhook(
    people: dict[str, User],
    hook: tuple[Webhook, str],
    receiver: Receiver,
    publish: Publish,
    mailoutbox: list[EmailMessage],
) -> None:
    publish()
    tell_waiting()
    assert {mail.to[0] for mail in mailoutbox} == {user.email for user in people.values()}
    assert len(receiver.received) == 1
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.SENT}
    tell_waiting()
    assert len(mailoutbox) == 3
    assert len(receiver.received) == 1


def test_the_news_rings_the_doorbell() -> None:
    assert tell_waiting.delay in outbox._doorbells[outbox.ANY_TOPIC]


def test_a_failure_is_kept_in_words_and_tried_again_later(delivery: Delivery, door: Door) -> None:
    door.behave = refuse()
    before = timezone.now()
    assert deliver_due() == 1
    delivery.refresh_from_db()
    assert delivery.state == State.WAITING
    assert delivery.last_error == "The door is shut."
    assert delivery.due_at > before + timedelta(seconds=10)
    assert deliver_due() == 0

    make_due()
    door.behave = lambda delivery: None
    assert deliver_due() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.last_error) == (State.SENT, 2, "")
    assert delivery.sent_at is not None


def test_pauses_grow_over_about_a_day() -> None:
    pauses = [pause_after(tries) for tries in range(1, 10)]
    assert pauses[0] < 30
    assert 16 * 3600 < sum(pauses) < 26 * 3600
    assert max(pauses) < 10 * 3600
    assert len({pause_after(1) for _ in range(20)}) > 1


def test_after_a_day_it_is_parked_and_the_log_says_so(delivery: Delivery, door: Door) -> None:
    door.behave = refuse()
    begin = timezone.now()
    at = [begin]
    with time_machine.travel(begin, tick=False) as traveller:
        while deliver_due():
            delivery.refresh_from_db()
            at.append(delivery.due_at)
            traveller.move_to(delivery.due_at)
    assert delivery.state == State.PARKED
    assert at[-2] == delivery.tried_since + timedelta(hours=24)
    assert 8 < len(at) < MAX_TRIES
    event = AuditEvent.objects.get(kind="delivery.parked")
    assert event.detail["reason"] == "The door is shut."
    assert str(event.stage_id) == STAGE_ID
    assert deliver_due() == 0


def test_a_final_answer_is_not_tried_again(delivery: Delivery, door: Door) -> None:
    door.behave = refuse(final=True)
    deliver_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == (State.FAILED, 1)


def test_what_could_not_be_tried_for_a_day_is_tried_once(delivery: Delivery, door: Door) -> None:
    Delivery.objects.update(tried_since=timezone.now() - timedelta(hours=25))
    door.behave = refuse()
    deliver_due()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == (State.PARKED, 1)


def test_a_receiver_that_asks_for_patience_gets_it(delivery: Delivery, door: Door) -> None:
    door.behave = refuse(retry_after=600.0)
    before = timezone.now()
    deliver_due()
    delivery.refresh_from_db()
    assert delivery.due_at >= before + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("holds_up", "knocks"),
    [
        (HoldsUp.NOTHING, ["a", "b", "a", "b"]),
        (HoldsUp.RECIPIENT, ["a", "b"]),
        (HoldsUp.CHANNEL, ["a"]),
    ],
)
def test_one_knock_at_a_closed_door_is_enough(
    publish: Publish, door: Door, holds_up: HoldsUp, knocks: list[str]
) -> None:
    for event in (publish(stage_id=uuid4()), publish(stage_id=uuid4())):
        to_door(event, "a")
        to_door(event, "b")
    door.behave = refuse(holds_up=holds_up)
    deliver_due()
    assert door.knocks == knocks
    for held_up in Delivery.objects.filter(tries=0):
        assert held_up.last_error == "Waits for an earlier one: The door is shut."
    # What was held up is as good as new: it lost no try, and goes out when the door opens.
    make_due()
    door.behave = lambda delivery: None
    deliver_due()
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.SENT}


def test_a_dead_channel_delays_no_other(
    people: dict[str, User],
    hook: tuple[Webhook, str],
    receiver: Receiver,
    publish: Publish,
    mailoutbox: list[EmailMessage],
) -> None:
    receiver.answer_with(503, b"down")
    for number in range(4):
        publish(stage_id=uuid4(), registry=f"registry-{number}")
    tell_waiting()
    assert len(mailoutbox) == 12
    assert len(receiver.received) == 1
    receiver.answer_with(204)
    make_due()
    tell_waiting()
    delivered = [request.headers["webhook-id"] for request in receiver.received[1:]]
    assert len(delivered) == len(set(delivered)) == 4


def test_killed_while_sending_is_sent_again_after_the_lease(delivery: Delivery, door: Door) -> None:
    class Killed(BaseException):
        pass

    def die(delivery: Delivery) -> None:
        raise Killed

    door.behave = die
    with pytest.raises(Killed):
        deliver_due()
    door.behave = lambda delivery: None
    assert deliver_due() == 0
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert deliver_due() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == (State.SENT, 2)


def test_a_delivery_that_kills_its_worker_each_time_ends(delivery: Delivery, door: Door) -> None:
    Delivery.objects.update(tries=MAX_TRIES)
    deliver_due()
    delivery.refresh_from_db()
    assert delivery.state == State.FAILED
    assert door.knocks == []


def test_a_bug_in_a_channel_stops_neither_the_others_nor_leaks(
    delivery: Delivery, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    Delivery.objects.create(event=delivery.event, channel="door", recipient="b")

    words = "the header was npm_secret"

    def break_down(delivery: Delivery) -> None:
        if delivery.recipient == "a":
            raise RuntimeError(words)

    door.behave = break_down
    assert deliver_due() == 2
    delivery.refresh_from_db()
    assert delivery.last_error == "An error in Countersign: RuntimeError."
    assert Delivery.objects.get(recipient="b").state == State.SENT
    assert "npm_secret" not in caplog.text
    assert "break_down" in caplog.text


def test_a_channel_that_no_longer_exists_is_a_failure_one_can_see(publish: Publish) -> None:
    Delivery.objects.create(event=publish(), channel="pigeon", recipient="a")
    deliver_due()
    assert Delivery.objects.get().state == State.FAILED


def test_every_log_line_has_the_stage_id(
    delivery: Delivery, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=deliver.logger.name)
    door.behave = refuse()
    deliver_due()
    make_due()
    door.behave = lambda delivery: None
    deliver_due()
    lines = [found.getMessage() for found in caplog.records if found.name == deliver.logger.name]
    assert len(lines) == 2
    assert all(f"stage={STAGE_ID}" in line for line in lines)


def test_several_workers_send_each_delivery_once(
    transactional_db: None, publish: Publish, door: Door
) -> None:
    event = publish()
    Delivery.objects.bulk_create(
        Delivery(event=event, channel="door", recipient=str(number)) for number in range(30)
    )
    start = Barrier(4)

    def work(_: int) -> None:
        try:
            start.wait(10)
            deliver_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    # A worker that loses every race in one look leaves; the others send the rest.
    assert sorted(door.knocks) == sorted(map(str, range(30)))
    assert set(Delivery.objects.values_list("state", "tries")) == {(State.SENT, 1)}


def test_one_message_at_a_time_to_the_same_recipient(delivery: Delivery, door: Door) -> None:
    Delivery.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    second = OutboxEvent.objects.create(topic="staged_version.live")
    Delivery.objects.create(event=second, channel="door", recipient="a")
    Delivery.objects.create(event=second, channel="door", recipient="b")
    assert deliver_due() == 1
    assert door.knocks == ["b"]


def test_try_now_starts_over(delivery: Delivery, door: Door, people: dict[str, User]) -> None:
    door.behave = refuse(final=True)
    deliver_due()
    door.behave = lambda delivery: None
    try_now(delivery, actor=people["ada"])
    assert deliver_due() == 1
    delivery.refresh_from_db()
    assert delivery.state == State.SENT
    retried = AuditEvent.objects.get(kind="delivery.retried")
    assert retried.actor_name == "ada"

    with pytest.raises(NothingToRetry):
        try_now(delivery, actor=people["ada"])


def test_try_now_leaves_alone_what_is_on_its_way(
    delivery: Delivery, people: dict[str, User]
) -> None:
    Delivery.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(NothingToRetry):
        try_now(delivery, actor=people["ada"])


def test_only_administrators_try_again(delivery: Delivery, people: dict[str, User]) -> None:
    with pytest.raises(PermissionDenied):
        try_now(delivery, actor=people["ben"])

"""Real receivers of every channel, and workers that tell them; all of them killed in the middle.

Every event arrives everywhere, in order for each version, and what comes twice is the same message
under the same id.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from approvals.audit import outbox
from approvals.audit.models import OutboxEvent
from approvals.notifications import destinations, push_keys, webhooks
from approvals.notifications.models import Delivery
from approvals.people.models import Role
from tests.approvals.factories import make_user
from tests.integration.receivers import CHANNELS, Receivers, Teller

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

TOPICS = (
    "staged_version.not_visible_yet",
    "staged_version.expired",
    "staged_version.failed",
    "staged_version.rejected",
    "staged_version.live",
)
VERSIONS = 3
WAIT_SECONDS = 180


@pytest.fixture
def receivers(tmp_path: Path, settings: Settings) -> Iterator[Receivers]:
    settings.GATHER_SECONDS = 0
    receivers = Receivers(tmp_path)
    receivers.browser.dashboard = push_keys.public_key()
    receivers.start(*CHANNELS)
    _set_up(receivers)
    try:
        yield receivers
    finally:
        receivers.stop_all()
    assert receivers.arrivals.troubles == []


def _set_up(receivers: Receivers) -> None:
    """An administrator who reads no e-mail sets all of it up; an approver reads it, and is told
    in the browser."""
    ada = make_user("ada", role=Role.ADMINISTRATOR, wants_email=False)
    ben = make_user("ben", role=Role.APPROVER, wants_email=True)
    _, receivers.webhook_secret = webhooks.add_webhook(
        actor=ada, name="receiver", url=receivers.url("webhook")
    )
    address = receivers.url("apprise").replace("http://", "json://")
    destinations.add_destination(ada, kind="apprise", name="chat", address=address)
    destinations.add_destination(
        ben, kind="push", name="Firefox", address=receivers.browser.subscription(), person=ben
    )


@pytest.fixture
def tellers(tmp_path: Path, receivers: Receivers) -> Iterator[Callable[[], None]]:
    """Calling it kills the workers there are, if any, and starts two."""
    running: list[Teller] = []
    numbers = iter(range(1000))

    def kill_all() -> None:
        while running:
            running.pop().kill()

    def anew() -> None:
        kill_all()
        # None of them lives: what they held is free once their leases have run out.
        Delivery.objects.filter(lease_until__isnull=False).update(lease_until=timezone.now())
        running.extend(Teller(tmp_path / f"teller-{next(numbers)}", receivers) for _ in range(2))
        for teller in running:
            teller.wait_until_ready()

    yield anew
    kill_all()


def publish(topic: str, stage_id: uuid.UUID, package: str, **payload: object) -> OutboxEvent:
    with transaction.atomic():
        return outbox.publish(
            topic,
            stage_id=stage_id,
            package=package,
            version="1.3.0",
            tag="latest",
            registry="npm",
            url_path="/versions/7/",
            **payload,
        )


def publish_all() -> list[OutboxEvent]:
    """Every topic of every version, each told alone."""
    stages = {f"pad-{number}": uuid.uuid4() for number in range(VERSIONS)}
    return [
        publish(topic, stage_id, package, gather=uuid.uuid4().hex)
        for topic in TOPICS
        for package, stage_id in stages.items()
    ]


def wait_until(receivers: Receivers, true: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert receivers.arrivals.troubles == []
        if time.monotonic() > until:
            counts = {channel: len(receivers.arrivals.all[channel]) for channel in CHANNELS}
            waiting = Delivery.objects.exclude(state=Delivery.State.SENT)
            errors = set(waiting.values_list("channel", "state", "tries", "last_error"))
            raise AssertionError(f"It did not come to that: {counts} {errors}")
        time.sleep(0.05)


def all_sent() -> bool:
    return (
        not OutboxEvent.objects.filter(dispatched_at__isnull=True).exists()
        and not Delivery.objects.exclude(state=Delivery.State.SENT).exists()
    )


def assert_told(receivers: Receivers, channel: str, events: list[OutboxEvent]) -> None:
    """Each event arrived, in the order of its version; what came twice says the same."""
    arrived = receivers.arrivals.all[channel]
    by_id = {f"event_{event.pk}": event for event in events}
    assert {id for id, _ in arrived} == set(by_id), channel
    in_order: dict[object, list[str]] = defaultdict(list)
    for id, _ in arrived:
        line = in_order[by_id[id].stage_id]
        # Once more of the same, before anything else of this version, is what may happen.
        if line[-1:] != [id]:
            line.append(id)
    for stage_id, line in in_order.items():
        assert line == [f"event_{e.pk}" for e in events if e.stage_id == stage_id], channel
    assert len(set(arrived)) == len(by_id), channel


def test_receivers_and_workers_killed_in_the_middle(
    receivers: Receivers, tellers: Callable[[], None]
) -> None:
    arrivals = receivers.arrivals
    tellers()
    events = publish_all()
    wait_until(receivers, lambda: arrivals.count() >= 5)
    receivers.stop("webhook", "email")
    tellers()
    wait_until(receivers, lambda: len(set(arrivals.ids("push"))) >= len(events) // 2)
    receivers.stop("push", "apprise")
    receivers.start("webhook", "email")
    tellers()
    events += publish_all()
    wait_until(receivers, lambda: len(set(arrivals.ids("webhook"))) >= len(events) // 2)
    tellers()
    receivers.start("push", "apprise")
    tellers()
    wait_until(receivers, all_sent)
    for channel in CHANNELS:
        assert_told(receivers, channel, events)
        # Answers were lost, so that something did come twice: else this would prove little.
        assert len(arrivals.all[channel]) > len(events)


@pytest.mark.parametrize("dead", CHANNELS)
def test_a_dead_channel_delays_no_other(
    receivers: Receivers, tellers: Callable[[], None], dead: str
) -> None:
    receivers.stop(dead)
    tellers()
    events = publish_all()
    living = [channel for channel in CHANNELS if channel != dead]
    wait_until(
        receivers,
        lambda: all(len(set(receivers.arrivals.ids(one))) == len(events) for one in living),
    )
    assert receivers.arrivals.all[dead] == []
    assert not Delivery.objects.filter(channel=dead, state=Delivery.State.SENT).exists()
    receivers.start(dead)
    wait_until(receivers, all_sent)
    for channel in CHANNELS:
        assert_told(receivers, channel, events)


def test_a_release_of_twelve_versions_is_one_message_to_people(
    receivers: Receivers, tellers: Callable[[], None]
) -> None:
    events = [
        publish("staged_version.live", uuid.uuid4(), f"pad-{number}", gather="one release")
        for number in range(12)
    ]
    tellers()
    wait_until(receivers, all_sent)
    first = f"event_{events[0].pk}"
    for channel in ("apprise", "email"):
        assert set(receivers.arrivals.ids(channel)) == {first}
        ((_, says),) = set(receivers.arrivals.all[channel])
        assert all(f"pad-{number}@1.3.0" in says for number in range(12))
    assert set(receivers.arrivals.ids("push")) == {first}
    # A program wants each for itself.
    assert_told(receivers, "webhook", events)

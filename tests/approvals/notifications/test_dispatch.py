"""Each piece of news becomes one delivery for each recipient, whatever happens meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.mail import EmailMessage
from django.db import connection, transaction

from approvals.audit import outbox
from approvals.audit.models import OutboxEvent
from approvals.notifications import dispatch as dispatching
from approvals.notifications.deliver import deliver_due
from approvals.notifications.dispatch import dispatch
from approvals.notifications.messages import TOPICS, Audience
from approvals.notifications.models import Delivery, Webhook
from approvals.people.models import Scope, User
from approvals.queue.transitions import news_of
from tests.approvals.factories import make_staged_version, make_user
from tests.approvals.notifications.conftest import Publish


def told(event: OutboxEvent) -> set[str]:
    return set(event.deliveries.filter(channel="email").values_list("recipient", flat=True))


def test_everyone_who_wants_email_and_every_webhook_is_told(
    people: dict[str, User], hook: tuple[Webhook, str], publish: Publish
) -> None:
    User.objects.filter(username="vic").update(wants_email=False)
    User.objects.create_user("gone", "gone@example.org", is_active=False)
    event = publish()
    assert dispatch() == 1
    assert set(event.deliveries.values_list("channel", "recipient")) == {
        ("email", "ada@example.org"),
        ("email", "ben@example.org"),
        ("webhook", str(hook[0].pk)),
    }


@pytest.mark.parametrize(
    ("topic", "who"),
    [
        ("staged_version.found", set()),
        ("staged_version.live", {"ada", "ben", "vic"}),
        ("staged_version.rejected", {"ada", "ben", "vic"}),
        ("staged_version.failed", {"ada", "ben", "vic"}),
        ("staged_version.alarm", {"ada", "ben", "vic"}),
        ("staged_version.published_elsewhere", {"ada", "ben", "vic"}),
        ("staged_version.expired", {"ada", "ben"}),
        ("staged_version.held", set()),
        ("vote.withdrawn", set()),
        ("requirement.overridden", {"ada", "ben"}),
        ("changes.requested", {"ada", "ben"}),
        ("changes.lifted", set()),
        ("glass.asked", {"ada", "ben"}),
        ("glass.broken", {"ada", "ben", "vic"}),
        ("registry.failing", {"ada"}),
        ("registry.recovered", {"ada"}),
        ("decision.made", set()),
        ("inspection.done", set()),
        ("provenance.found", set()),
        ("staged_version.approving", set()),
    ],
)
def test_who_hears_of_what(
    people: dict[str, User],
    hook: tuple[Webhook, str],
    publish: Publish,
    topic: str,
    who: set[str],
) -> None:
    event = publish(topic)
    dispatch()
    assert told(event) == {f"{name}@example.org" for name in who}
    assert event.deliveries.filter(channel="webhook").exists() == (topic in TOPICS)
    event.refresh_from_db()
    assert event.dispatched_at is not None


@pytest.mark.parametrize(
    "topic", [name for name, topic in TOPICS.items() if topic.audience == Audience.CONCERNED]
)
def test_news_that_concern_somebody_go_to_them_if_they_want_and_may_see_it(
    people: dict[str, User], hook: tuple[Webhook, str], topic: str
) -> None:
    row = make_staged_version("left-pad")
    deaf, eve = make_user("deaf", wants_email=False), make_user("eve")
    Scope.objects.create(user=eve, packages="@other/*")
    keys = [people["ben"].pk, people["vic"].pk, deaf.pk, eve.pk]
    with transaction.atomic():
        event = outbox.publish(
            topic, stage_id=row.stage_id, people=keys, not_to=people["vic"].pk, **news_of(row)
        )
        nobody = outbox.publish(topic, stage_id=row.stage_id, people=[])
    dispatch()
    assert told(event) == ({"ben@example.org"} if TOPICS[topic].by_email else set())
    assert told(nobody) == set()
    by_webhook = event.deliveries.filter(channel="webhook").exists()
    # What is between people is for nobody else's eyes.
    between_people = topic.startswith(("comment.", "swap.", "override.", "decision."))
    assert by_webhook is TOPICS[topic].by_webhook is not between_people


@pytest.mark.parametrize("is_late", [True, False])
def test_of_what_joins_a_release_only_what_comes_late_is_news(
    people: dict[str, User], hook: tuple[Webhook, str], publish: Publish, is_late: bool
) -> None:
    event = publish("release.joined", is_late=is_late)
    dispatch()
    assert event.deliveries.exists() is is_late


@pytest.mark.parametrize("topic", ["glass.broken", "changes.requested", "staged_version.expired"])
def test_news_of_a_package_are_for_those_who_may_see_it(
    people: dict[str, User], topic: str
) -> None:
    row = make_staged_version("left-pad")
    Scope.objects.create(user=people["ben"], packages="@other/*")
    with transaction.atomic():
        event = outbox.publish(topic, stage_id=row.stage_id, **news_of(row))
    dispatch()
    assert "ben@example.org" not in told(event)
    assert "ada@example.org" in told(event)


@pytest.mark.parametrize(
    "topic", [name for name, topic in TOPICS.items() if topic.audience == Audience.PERSON]
)
@pytest.mark.parametrize("wants_email", [True, False])
def test_news_of_an_account_go_to_its_person_alone_and_always(
    people: dict[str, User],
    hook: tuple[Webhook, str],
    publish: Publish,
    topic: str,
    wants_email: bool,
    mailoutbox: list[EmailMessage],
) -> None:
    User.objects.update(wants_email=wants_email)
    event = publish(topic, person=people["vic"].pk)
    dispatch()
    assert told(event) == {"vic@example.org"}
    assert not event.deliveries.filter(channel="webhook").exists()
    deliver_due()
    (mail,) = mailoutbox
    assert mail.to == ["vic@example.org"]
    assert "about your own account" in str(mail.body)


def test_a_webhook_that_is_switched_off_gets_nothing(
    hook: tuple[Webhook, str], publish: Publish
) -> None:
    Webhook.objects.update(enabled=False)
    event = publish()
    dispatch()
    assert not event.deliveries.filter(channel="webhook").exists()


def test_an_event_that_was_dispatched_half_is_completed_and_nobody_is_told_twice(
    people: dict[str, User], publish: Publish
) -> None:
    event = publish()
    Delivery.objects.create(
        event=event, channel="email", recipient="ada@example.org", state=Delivery.State.SENT
    )
    dispatch()
    assert told(event) == {"ada@example.org", "ben@example.org", "vic@example.org"}
    assert event.deliveries.get(recipient="ada@example.org").state == Delivery.State.SENT


def test_killed_before_the_commit_leaves_everything_for_the_next_run(
    people: dict[str, User], publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish()

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(dispatching.timezone, "now", die)
        with pytest.raises(Killed):
            dispatch()
    assert not Delivery.objects.exists()
    dispatch()
    assert len(told(event)) == 3


def test_more_than_a_batch(
    people: dict[str, User], publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "BATCH", 2)
    for _ in range(5):
        publish()
    assert dispatch() == 5
    assert Delivery.objects.count() == 15


def test_several_workers_at_once_tell_everyone_once(
    transactional_db: None, people: dict[str, User], publish: Publish
) -> None:
    events = [publish(topic) for topic in list(TOPICS) * 5]

    def work(_: int) -> int:
        try:
            return dispatch()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        dispatched = sum(pool.map(work, range(4)))
    # A worker that finds everything locked by another leaves it to that one.
    assert dispatched == len(events)
    wanted = sum(
        len({"e": "abc", "w": "ab", "a": "a", "t": ""}[_audience(event.topic)])
        for event in events
        if TOPICS[event.topic].by_email
    )
    assert Delivery.objects.count() == wanted


def _audience(topic: str) -> str:
    return TOPICS[topic].audience.value[0]

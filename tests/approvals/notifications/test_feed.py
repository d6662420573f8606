"""A person's news: what concerns them, as far as they may see it now."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from approvals.audit import outbox
from approvals.audit.models import OutboxEvent
from approvals.notifications.dispatch import dispatch
from approvals.notifications.feed import COUNT_TO, items_of, news_of, read, read_up_to, unread_count
from approvals.notifications.forget import forget_old_news
from approvals.notifications.models import Delivery, FeedItem
from approvals.people.models import Role, Scope, User
from approvals.queue import transitions
from approvals.queue.models import StagedVersion
from tests.approvals.factories import make_registry, make_staged_version
from tests.approvals.notifications.conftest import Publish


def tell_of(row: StagedVersion, topic: str = "staged_version.live", **more: object) -> OutboxEvent:
    with transaction.atomic():
        event = outbox.publish(topic, stage_id=row.stage_id, **{**transitions.news_of(row), **more})
    dispatch()
    return event


def subjects(user: User) -> list[str]:
    user = User.objects.get(pk=user.pk)
    return [one.message.subject for one in news_of(user, items_of(user).select_related("event"))]


def test_news_come_newest_first_also_to_who_wants_no_email(people: dict[str, User]) -> None:
    User.objects.update(wants_email=False)
    row = make_staged_version("pad", "1.0.0")
    tell_of(row, "staged_version.found")
    tell_of(row)
    assert subjects(people["ben"]) == ["Live: pad@1.0.0", "Needs review: pad@1.0.0"]
    # What needs an approval is for who may approve.
    assert subjects(people["vic"]) == ["Live: pad@1.0.0"]


def test_dispatching_twice_leaves_one_item(people: dict[str, User], publish: Publish) -> None:
    event = publish()
    FeedItem.objects.create(person=people["ada"], event=event)
    dispatch()
    OutboxEvent.objects.update(dispatched_at=None)
    dispatch()
    assert FeedItem.objects.filter(event=event).count() == 3


def test_what_is_of_no_concern_is_not_there(people: dict[str, User], publish: Publish) -> None:
    ada, ben, vic = people["ada"], people["ben"], people["vic"]
    row = make_staged_version("pad")
    tell_of(row, "comment.mentioned", people=[ben.pk, vic.pk], not_to=vic.pk)
    publish("factor.removed", person=vic.pk)
    publish("registry.failing")
    publish("decision.made")
    dispatch()
    assert [one.partition(":")[0] for one in subjects(ben)] == ["You were mentioned"]
    assert subjects(vic) == ["A second factor was removed: a second factor"]
    assert subjects(ada) == ["Registry npm is failing"]


def test_who_writes_a_comment_does_not_read_of_it(people: dict[str, User]) -> None:
    tell_of(make_staged_version("pad"), "comment.said", actor="ben")
    assert subjects(people["ben"]) == []
    assert len(subjects(people["ada"])) == 1


def test_who_loses_sight_of_a_package_loses_its_news(people: dict[str, User]) -> None:
    ben = people["ben"]
    tell_of(make_staged_version("@acme/pad"))
    tell_of(make_staged_version("@other/pad"))
    Scope.objects.create(user=ben, packages="@acme/*")
    ben = User.objects.get(pk=ben.pk)
    assert subjects(ben) == ["Live: @acme/pad@1.5.0"]
    assert unread_count(ben) == 1
    hidden = FeedItem.objects.get(person=ben, event__payload__package="@other/pad")
    assert read(ben, hidden.pk) is None
    tell_of(make_staged_version("@other/more"))
    assert unread_count(ben) == 1


def test_who_loses_a_role_loses_its_news(people: dict[str, User]) -> None:
    tell_of(make_staged_version("pad"), "staged_version.found")
    User.objects.filter(username="ben").update(role=Role.VIEWER)
    ben = User.objects.get(username="ben")
    assert subjects(ben) == []
    assert unread_count(ben) == 0


def test_a_stage_id_that_two_registries_claim_shows_neither(people: dict[str, User]) -> None:
    first = make_staged_version("@acme/pad", registry=make_registry("first"))
    make_staged_version("@other/pad", registry=make_registry("second"), stage_id=first.stage_id)
    tell_of(first)
    Scope.objects.create(user=people["ben"], packages="@acme/*")
    ben = User.objects.get(username="ben")
    assert subjects(ben) == []
    assert unread_count(ben) == 0


def test_reading(people: dict[str, User], publish: Publish) -> None:
    ben, vic = people["ben"], people["vic"]
    rows = [make_staged_version(f"pad-{number}") for number in range(3)]
    events = [tell_of(row) for row in rows]
    assert unread_count(ben) == 3
    theirs = FeedItem.objects.get(person=vic, event=events[0])
    assert read(ben, theirs.pk) is None
    assert read_up_to(ben, events[1].pk) == 2
    assert (unread_count(ben), unread_count(vic)) == (1, 3)
    last = FeedItem.objects.get(person=ben, event=events[2])
    assert read(ben, last.pk) == last
    assert unread_count(ben) == 0


def test_no_more_are_counted_than_anybody_tells_apart(people: dict[str, User]) -> None:
    row = make_staged_version("pad")
    with transaction.atomic():
        outbox.publish_all(
            [("staged_version.live", row.stage_id, transitions.news_of(row))] * (COUNT_TO + 20)
        )
    dispatch()
    assert unread_count(people["ben"]) == COUNT_TO + 1


@pytest.mark.parametrize("state", Delivery.State.values)
def test_what_was_delivered_long_ago_is_forgotten(
    people: dict[str, User], publish: Publish, settings: Settings, state: str
) -> None:
    settings.NEWS_DAYS = 30
    old, fresh = publish(), publish("staged_version.rejected")
    dispatch()
    long_ago = timezone.now() - timedelta(days=31)
    OutboxEvent.objects.filter(pk=old.pk).update(at=long_ago)
    leader, *others = Delivery.objects.filter(event=old)
    Delivery.objects.filter(event=old).update(state=state, sent_at=long_ago)
    for other in others:
        Delivery.objects.filter(pk=other.pk).update(gathered_into=leader)
    forget_old_news()
    assert old.deliveries.exists() is (state != "sent")
    assert fresh.deliveries.exists()
    assert not FeedItem.objects.filter(event=old).exists()
    assert FeedItem.objects.filter(event=fresh).exists()

"""Calendar feeds: what a calendar program reads, and who can make it stop."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import time_machine

from approvals.audit.models import AuditEvent
from approvals.people.models import Role, Scope, User
from approvals.rota import feeds
from approvals.rota.feeds import FeedRefused
from approvals.rota.models import CalendarFeed, Layer
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_layer, make_override, make_schedule

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


def events(feed: CalendarFeed) -> list[icalendar.Event]:
    calendar = icalendar.Calendar.from_ical(feeds.as_ical(feed))
    return list(calendar.walk("VEVENT"))


def spans(feed: CalendarFeed) -> list[tuple[str, datetime, datetime]]:
    return [
        (str(one["SUMMARY"]), one["DTSTART"].dt, one["DTEND"].dt)
        for one in events(feed)
        if one["DTSTART"].dt > NOW
    ]


def test_a_persons_feed_has_their_shifts_through_a_change_of_clocks(ada: User, grace: User) -> None:
    make_schedule(ada, grace, name="Ours, and more", time_zone="Europe/Berlin")
    feed, _ = feeds.make_feed(actor=ada)

    # 09:00 in Berlin, before and after the clocks are put forward on 29 March.
    assert spans(feed)[:2] == [
        (
            "On call: Ours, and more",
            datetime(2026, 3, 30, 7, tzinfo=UTC),
            datetime(2026, 4, 6, 7, tzinfo=UTC),
        ),
        (
            "On call: Ours, and more",
            datetime(2026, 4, 13, 7, tzinfo=UTC),
            datetime(2026, 4, 20, 7, tzinfo=UTC),
        ),
    ]
    assert any(one["DTSTART"].dt < NOW for one in events(feed))
    assert spans(feed)[-1][1] > NOW + 150 * DAY


def test_a_schedules_feed_has_everybodys(ada: User, grace: User) -> None:
    schedule = make_schedule(ada, grace, name="Ours")
    other = make_schedule(grace, name="Theirs")
    feed, _ = feeds.make_feed(actor=ada, schedule=schedule)

    summaries = [summary for summary, _, _ in spans(feed)]

    assert summaries[:2] == ["ada: Ours", "grace: Ours"]
    assert not any(other.name in one for one in summaries)


def test_a_swap_is_seen_in_it_and_each_shift_keeps_its_name(ada: User, grace: User) -> None:
    layer = make_schedule(ada, grace, name="Ours").layers.get()
    feed, _ = feeds.make_feed(actor=grace)
    before = {str(one["UID"]) for one in events(feed)}
    make_override(layer, grace, NOW + 6 * DAY, ends_at=NOW + 7 * DAY)

    after = {str(one["UID"]) for one in events(feed)}

    assert ("On call: Ours", NOW + 6 * DAY, NOW + 7 * DAY) in spans(feed)
    assert len(after) == len(events(feed))
    assert before < after


def test_incidents_are_told_apart(ada: User, grace: User) -> None:
    schedule = make_schedule(ada, name="Ours")
    make_layer(schedule, grace, kind=Layer.Kind.INCIDENT)
    feed, _ = feeds.make_feed(actor=ada, schedule=schedule)

    assert {str(one["SUMMARY"]) for one in events(feed)} == {
        "ada: Ours",
        "grace: Ours (incidents)",
    }


def test_the_secret_opens_the_feed_until_it_is_revoked(ada: User, grace: User) -> None:
    feed, secret = feeds.make_feed(actor=ada)
    assert len(secret) >= 40
    assert feeds.feed_of(secret) == feed
    assert feeds.feed_of(secret[:-1]) is None
    assert feeds.feed_of("") is None
    assert feeds.feed_of(secret * 100) is None

    with pytest.raises(FeedRefused):
        feeds.revoke_feed(feed, actor=grace)
    assert feeds.feed_of(secret) == feed
    feeds.revoke_feed(feed, actor=ada)

    assert feeds.feed_of(secret) is None
    with pytest.raises(FeedRefused, match="revoked already"):
        feeds.revoke_feed(feed, actor=ada)


def test_the_secret_is_nowhere_in_the_database(ada: User) -> None:
    feed, secret = feeds.make_feed(actor=ada)

    assert secret not in str(CalendarFeed.objects.values().get(pk=feed.pk))
    assert not any(secret in str(one.detail) for one in AuditEvent.objects.all())


def test_a_new_address_makes_the_one_before_worthless(ada: User) -> None:
    _, first = feeds.make_feed(actor=ada)
    feed, second = feeds.make_feed(actor=ada)

    assert feeds.feed_of(first) is None
    assert feeds.feed_of(second) == feed


def test_it_shows_when_it_was_read_last(ada: User) -> None:
    feed, secret = feeds.make_feed(actor=ada)
    assert feed.last_read_at is None

    feeds.feed_of(secret)
    feed.refresh_from_db()

    assert feed.last_read_at == NOW


def test_who_is_shut_out_reads_no_more(ada: User) -> None:
    _, secret = feeds.make_feed(actor=ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert feeds.feed_of(secret) is None


def test_who_no_longer_sees_the_schedule_reads_no_more() -> None:
    viewer = make_user("val", role=Role.VIEWER)
    schedule = make_schedule(make_user(), packages="@acme/*")
    _, secret = feeds.make_feed(actor=viewer, schedule=schedule)
    assert feeds.feed_of(secret) is not None

    Scope.objects.create(user=viewer, packages="@other/*")

    assert feeds.feed_of(secret) is None
    with pytest.raises(FeedRefused, match="no such schedule"):
        feeds.make_feed(actor=User.objects.get(pk=viewer.pk), schedule=schedule)


def test_names_do_not_break_out_of_their_line(ada: User) -> None:
    schedule = make_schedule(ada, name="A, B; C\\D")
    feed, _ = feeds.make_feed(actor=ada, schedule=schedule)

    text = feeds.as_ical(feed)

    assert {str(one["SUMMARY"]) for one in events(feed)} == {"ada: A, B; C\\D"}
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))

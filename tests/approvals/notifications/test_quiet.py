"""Quiet hours: what can wait waits for their end, what cannot does not."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.mail import EmailMessage
from hypothesis import given
from hypothesis import strategies as st

from approvals.audit.models import AuditEvent
from approvals.notifications.deliver import deliver_due
from approvals.notifications.dispatch import dispatch
from approvals.notifications.models import Delivery, QuietHours
from approvals.notifications.quiet import (
    MOST_ROWS,
    QuietHoursRefused,
    quiet_until,
    remove_quiet_hours,
    set_quiet_hours,
)
from approvals.people.models import User
from tests.approvals.factories import make_staged_version
from tests.approvals.notifications.conftest import STAGE_ID, Publish

State = Delivery.State
EVERY_DAY = tuple(range(7))
NIGHT = {"weekdays": EVERY_DAY, "starts": time(22), "ends": time(7)}


def hours(zone: str = "Europe/Berlin", **fields: object) -> QuietHours:
    return QuietHours(time_zone=zone, **{**NIGHT, **fields})


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("rows", "moment", "until"),
    [
        ([hours()], "2026-11-20 21:59", None),
        ([hours()], "2026-11-20 22:00", "2026-11-21 07:00"),
        ([hours()], "2026-11-21 06:59", "2026-11-21 07:00"),
        ([hours()], "2026-11-21 07:00", None),
        # By the day on which it begins: the night to Saturday belongs to Friday.
        ([hours(weekdays=[4])], "2026-11-21 03:00", "2026-11-21 07:00"),
        ([hours(weekdays=[5])], "2026-11-21 03:00", None),
        # Nights and a weekend without a gap between them.
        (
            [hours(weekdays=[4, 6]), hours(weekdays=[5, 6], starts=time(0), ends=time(0))],
            "2026-11-20 23:00",
            "2026-11-23 07:00",
        ),
        # The clock goes forward at 02:00, and back at 03:00.
        ([hours(ends=time(2, 30))], "2026-03-28 23:00", "2026-03-29 03:30"),
        ([hours(ends=time(2, 30))], "2026-10-24 23:00", "2026-10-25 02:30 second"),
        ([], "2026-11-21 03:00", None),
    ],
)
def test_when_it_stops_being_quiet(rows: list[QuietHours], moment: str, until: str | None) -> None:
    wanted = None
    if until:
        wanted = at(until.removesuffix(" second"))
        wanted = wanted.replace(fold=int(until.endswith("second"))).astimezone(UTC)
    assert quiet_until(rows, at(moment).astimezone(UTC)) == wanted


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
    st.times(),
    st.times(),
    st.sets(st.integers(0, 6)),
)
def test_its_end_lies_ahead_and_is_not_quiet(
    moment: datetime, zone: str, starts: time, ends: time, days: set[int]
) -> None:
    row = hours(zone, starts=starts, ends=ends, weekdays=sorted(days))
    now = moment.replace(tzinfo=UTC)
    until = quiet_until([row], now)
    if until is not None:
        assert until > now
        # Only if it is never otherwise may it be quiet at its end, too.
        assert until - now > timedelta(days=6) or quiet_until([row], until) is None


@pytest.fixture
def ben(people: dict[str, User]) -> User:
    User.objects.exclude(username="ben").update(wants_email=False)
    make_staged_version("left-pad", stage_id=UUID(STAGE_ID))
    return people["ben"]


def quiet_nights(user: User) -> QuietHours:
    return set_quiet_hours(user, time_zone="UTC", weekdays=EVERY_DAY, starts=time(22), ends=time(7))


def test_what_can_wait_comes_in_the_morning(
    ben: User, publish: Publish, mailoutbox: list[EmailMessage]
) -> None:
    quiet_nights(ben)
    with time_machine.travel("2026-11-20 23:30Z", tick=False) as traveller:
        publish()
        dispatch()
        assert deliver_due() == 0
        delivery = Delivery.objects.get()
        assert delivery.due_at == delivery.quiet_until == datetime(2026, 11, 21, 7, tzinfo=UTC)
        traveller.move_to("2026-11-21 06:59Z")
        assert deliver_due() == 0
        traveller.move_to("2026-11-21 07:00Z")
        assert deliver_due() == 1
    assert [mail.to for mail in mailoutbox] == [["ben@example.org"]]


@pytest.mark.parametrize(
    ("topic", "payload", "comes"),
    [
        ("staged_version.alarm", {}, True),
        ("staged_version.published_elsewhere", {}, True),
        ("staged_version.rejected", {}, False),
        ("assignment.assigned", {"urgent": False}, False),
        ("assignment.assigned", {"urgent": True}, True),
        ("assignment.escalated", {"urgent": True}, True),
        ("decision.code_wanted", {}, True),
        ("factor.removed", {}, True),
    ],
)
def test_what_cannot_wait_comes_at_once(
    ben: User,
    publish: Publish,
    mailoutbox: list[EmailMessage],
    topic: str,
    payload: dict[str, object],
    comes: bool,
) -> None:
    quiet_nights(ben)
    with time_machine.travel("2026-11-20 23:30Z", tick=False):
        publish(topic, person=ben.pk, people=[ben.pk], **payload)
        dispatch()
        deliver_due()
    assert bool(mailoutbox) is comes


def test_what_is_urgent_does_not_wait_for_what_the_night_holds_back(
    ben: User, publish: Publish, mailoutbox: list[EmailMessage]
) -> None:
    quiet_nights(ben)
    with time_machine.travel("2026-11-20 23:30Z", tick=False) as traveller:
        publish("staged_version.rejected")
        publish("staged_version.failed")
        dispatch()
        deliver_due()
        assert [mail.subject for mail in mailoutbox] == ["[Countersign] Failed: left-pad@1.3.0"]
        traveller.move_to("2026-11-21 07:00Z")
        deliver_due()
    assert mailoutbox[1].subject == "[Countersign] Rejected: left-pad@1.3.0"


def test_who_goes_quiet_meanwhile_is_left_alone_and_it_costs_no_try(
    ben: User, publish: Publish, mailoutbox: list[EmailMessage]
) -> None:
    with time_machine.travel("2026-11-20 23:30Z", tick=False):
        publish()
        dispatch()
        quiet_nights(ben)
        deliver_due()
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.tries) == (State.WAITING, 0)
        assert mailoutbox == []


def test_taking_them_away_lets_out_what_they_held(
    ben: User, publish: Publish, mailoutbox: list[EmailMessage]
) -> None:
    row = quiet_nights(ben)
    with time_machine.travel("2026-11-20 23:30Z", tick=False):
        publish()
        dispatch()
        remove_quiet_hours(ben, row.pk)
        deliver_due()
    assert len(mailoutbox) == 1
    kinds = list(AuditEvent.objects.order_by("sequence").values_list("kind", flat=True))
    assert kinds[-2:] == ["quiet_hours.added", "quiet_hours.removed"]


def test_nobody_removes_somebody_elses(ben: User, people: dict[str, User]) -> None:
    row = quiet_nights(ben)
    remove_quiet_hours(people["ada"], row.pk)
    assert QuietHours.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weekdays": []}, "Choose at least one day"),
        ({"weekdays": [7]}, "Choose at least one day"),
        ({"time_zone": "Mars/Base"}, "There is no time zone"),
        ({"time_zone": "../etc/passwd"}, "Write the name of a time zone"),
        ({"starts": time(8), "ends": time(8)}, "it would always be quiet"),
    ],
)
def test_what_cannot_be_used(ben: User, change: dict[str, object], words: str) -> None:
    typed = {"time_zone": "UTC", **NIGHT, **change}
    with pytest.raises(QuietHoursRefused, match=words):
        set_quiet_hours(ben, **typed)  # type: ignore[arg-type]  # as a form hands it over
    assert not QuietHours.objects.exists()


def test_not_more_than_a_handful(ben: User) -> None:
    for day in range(MOST_ROWS):
        set_quiet_hours(ben, time_zone="UTC", weekdays=[day], starts=time(1), ends=time(2))
    with pytest.raises(QuietHoursRefused, match="Take one away first"):
        quiet_nights(ben)

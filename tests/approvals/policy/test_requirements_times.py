"""How long a version waits, and when it may go out: to the second, by the clock of a time zone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.policy.answers import Answer, Outcome
from approvals.policy.case import Glass
from approvals.policy.evaluate import answers_of
from approvals.policy.requirement import SettingRefused
from approvals.policy.times import Calendar, Freeze
from tests.approvals.policy.cases import ADA, GRACE, LINUS, NOW, ROOT, answered, case, made, policy

# How fast the machine is says nothing here.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)


def berlin(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).astimezone(UTC)  # type: ignore[misc]


# A minimum time in the queue


def test_it_waits_from_when_it_was_found_to_the_very_moment() -> None:
    due = NOW - timedelta(hours=3) + timedelta(days=1)
    early = answered("minimum_wait", case(at=due - SECOND), wait="24 hours")
    assert early.outcome is Outcome.NOT_YET
    assert early.at == due
    assert early.next_step
    assert early.asks == frozenset()
    assert answered("minimum_wait", case(at=due), wait="24 hours").holds
    now = answered("minimum_wait", case(), wait="24 hours")
    assert now.sentence == "It has to be in the queue for 24 hours: 21 hours more."


def test_a_clock_that_went_back_only_makes_it_wait() -> None:
    answer = answered("minimum_wait", case(at=NOW - timedelta(days=2)), wait="1 minute")
    assert answer.outcome is Outcome.NOT_YET


@pytest.mark.parametrize(
    ("text", "minutes", "as_typed"),
    [
        ("1 minute", 1, "1 minute"),
        ("30 Minutes", 30, "30 minutes"),
        ("90 minutes", 90, "90 minutes"),
        ("1 day", 1440, "24 hours"),
        ("24hours", 1440, "24 hours"),
        ("2 weeks", 20160, "14 days"),
        ("90 days", 129600, "90 days"),
    ],
)
def test_spans(text: str, minutes: int, as_typed: str) -> None:
    requirement = made("minimum_wait", wait=text)
    assert requirement.settings == {"minutes": minutes}
    assert requirement.typed() == {"wait": as_typed}
    assert as_typed in requirement.in_words()


@pytest.mark.parametrize(
    "text", ["", "soon", "0 minutes", "91 days", "-1 days", "1.5 hours", "99999999 days", "1 year"]
)
def test_no_spans(text: str) -> None:
    with pytest.raises(SettingRefused, match="Write a time") as refused:
        made("minimum_wait", wait=text)
    assert refused.value.option == "wait"


# Expiry


def test_it_expires_at_the_very_moment() -> None:
    ends = NOW - timedelta(hours=3) + timedelta(days=30)
    before = answered("expiry", case(at=ends - SECOND), days="30")
    assert before.holds
    assert before.at == ends
    after = answered("expiry", case(at=ends), days="30")
    assert after.outcome is Outcome.BLOCKED
    assert after.next_step == "Have it rejected and staged again."
    assert not after.may_be_overridden


def test_what_expired_can_still_be_rejected() -> None:
    late = case(at=NOW + timedelta(days=99), action="reject")
    answers = answers_of(late, policy(expiry={"days": "1"}))
    assert "expiry" not in {one.requirement for one in answers}


@pytest.mark.parametrize("days", ["", "0", "366", "one", "1.0", "٣", "9999999"])
def test_no_number_of_days(days: str) -> None:
    with pytest.raises(SettingRefused, match="from 1 to 365"):
        made("expiry", days=days)


# Days, hours, freezes


def look(at: datetime, **typed: str) -> Answer:
    settings = {"zone": "Europe/Berlin", "days": "Mon-Thu", "hours": "09:00-16:00", **typed}
    return answered("release_times", case(at=at), **settings)


def test_within_days_and_hours() -> None:
    answer = look(berlin(2026, 11, 19, 9, 0))
    assert answer.holds
    assert answer.at == berlin(2026, 11, 19, 16, 0)
    assert look(berlin(2026, 11, 19, 15, 59, 59)).holds


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ((2026, 11, 19, 8, 59, 59), (2026, 11, 19, 9, 0)),
        ((2026, 11, 19, 16, 0), (2026, 11, 23, 9, 0)),
        ((2026, 11, 20, 12, 0), (2026, 11, 23, 9, 0)),
        ((2026, 11, 22, 23, 59, 59), (2026, 11, 23, 9, 0)),
        # Over the ends of months and years, and a 29th of February.
        ((2026, 12, 31, 18, 0), (2027, 1, 4, 9, 0)),
        ((2028, 2, 28, 17, 0), (2028, 2, 29, 9, 0)),
        # Over both changes of the clock.
        ((2026, 3, 27, 12, 0), (2026, 3, 30, 9, 0)),
        ((2026, 10, 23, 12, 0), (2026, 10, 26, 9, 0)),
    ],
)
def test_at_another_time_it_says_from_when_on(at: Any, opens: Any) -> None:
    answer = look(berlin(*at))
    assert answer.outcome is Outcome.NOT_YET
    assert answer.at == berlin(*opens)
    assert f"{datetime(*opens):%Y-%m-%d %H:%M} (Europe/Berlin)" in answer.sentence
    assert answer.may_break_glass
    assert not answer.may_be_overridden
    assert not answer.is_about_approvals
    assert look(berlin(*opens)).holds


def test_a_freeze_has_its_first_and_last_day_in_it_by_the_zones_clock() -> None:
    freezes = "2026-12-20 to 2027-01-02 Christmas freeze"
    typed = {"days": "", "hours": "", "freezes": freezes}
    begins, ends = berlin(2026, 12, 20), berlin(2027, 1, 3)
    before = look(begins - SECOND, **typed)
    assert before.holds
    assert before.at == begins
    during = look(begins, **typed)
    assert during.outcome is Outcome.NOT_YET
    assert during.at == ends
    assert "Nothing goes out until 2027-01-02: Christmas freeze." in during.sentence
    assert look(ends - SECOND, **typed).outcome is Outcome.NOT_YET
    assert look(ends, **typed).holds
    # The same moment is another day elsewhere.
    assert look(begins, **{**typed, "zone": "America/New_York"}).holds


def test_after_a_freeze_come_the_days_and_hours() -> None:
    answer = look(berlin(2026, 12, 30, 12), freezes="2026-12-20 to 2027-01-05\n2027-01-06")
    assert answer.at == berlin(2027, 1, 7, 9)


def test_always_open_says_no_end() -> None:
    answer = look(berlin(2026, 11, 19), days="", hours="", freezes="2027-12-24")
    assert answer.holds
    assert answer.at is None


def test_a_hundred_freezes_are_passed() -> None:
    first = date(2027, 1, 1)
    lines = [str(first + timedelta(days=30 * number)) for number in range(100)]
    whole = [
        f"{first + timedelta(days=366 * n)} to {first + timedelta(days=366 * n + 365)}"
        for n in range(100)
    ]
    assert look(berlin(2027, 1, 1, 12), days="", hours="", freezes="\n".join(lines)).at == berlin(
        2027, 1, 2
    )
    answer = look(berlin(2027, 1, 1, 12), freezes="\n".join(whole))
    assert answer.outcome is Outcome.NOT_YET
    assert answer.at is not None
    assert answer.at > berlin(2127, 1, 1)


def test_two_spans_make_a_night() -> None:
    typed = {"days": "", "hours": "22:00-24:00\n00:00-04:00"}
    assert look(berlin(2026, 11, 19, 23, 59, 59), **typed).holds
    inside = look(berlin(2026, 11, 20, 0, 0), **typed)
    assert inside.at == berlin(2026, 11, 20, 4)
    assert look(berlin(2026, 11, 19, 23), **typed).at == berlin(2026, 11, 20, 4)
    assert look(berlin(2026, 11, 20, 4), **typed).at == berlin(2026, 11, 20, 22)


# On the night of 2026-03-29, 02:00 to 03:00 is left out; on 2026-10-25 it comes twice.


def calendar(begin: str, end: str) -> Calendar:
    hours = [int(one[:2]) * 60 + int(one[3:]) for one in (begin, end)]
    return Calendar(BERLIN, hours=((hours[0], hours[1]),))


def test_an_hour_that_is_left_out_begins_and_ends_when_the_clock_is_put_forward() -> None:
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    opens = calendar("02:30", "05:00")
    assert opens.opens(datetime(2026, 3, 29, tzinfo=UTC)) == jump
    assert opens.is_open(jump)
    assert not opens.is_open(jump - SECOND)
    closes = calendar("01:00", "02:30")
    assert closes.closes(datetime(2026, 3, 29, 0, 30, tzinfo=UTC)) == jump
    assert closes.is_open(jump - SECOND)
    assert not closes.is_open(jump)
    never = calendar("02:15", "02:45")
    assert not never.is_open(jump)
    assert never.opens(jump - SECOND) == berlin(2026, 3, 30, 2, 15)


def test_an_hour_that_comes_twice_begins_the_first_and_ends_the_second_time() -> None:
    opens = calendar("02:30", "05:00")
    assert opens.opens(datetime(2026, 10, 25, tzinfo=UTC)) == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )
    closes = calendar("01:00", "02:30")
    end = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert closes.closes(datetime(2026, 10, 25, 0, 0, tzinfo=UTC)) == end
    assert closes.is_open(end - SECOND)
    assert not closes.is_open(end)


def test_a_day_that_begins_at_one_o_clock() -> None:
    # In Santiago, clocks are put forward at midnight.
    zone = ZoneInfo("America/Santiago")
    freeze = Freeze(date(2026, 9, 5), date(2026, 9, 5))
    opens = Calendar(zone, freezes=(freeze,)).opens(datetime(2026, 9, 5, 12, tzinfo=UTC))
    assert opens is not None
    assert opens.astimezone(zone) == datetime(2026, 9, 6, 1, tzinfo=zone)
    assert Calendar(zone, freezes=(freeze,)).is_open(opens)


@patient
@given(
    at=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(
        lambda at: at.replace(tzinfo=UTC)
    ),
    zone=st.sampled_from(
        [
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "America/Santiago",
            "Pacific/Apia",
            "Africa/Casablanca",
        ]
    ),
    days=st.sets(st.integers(0, 6), min_size=1),
    begin=st.integers(0, 1439),
    length=st.integers(1, 1440),
)
def test_it_opens_when_it_says(
    at: datetime, zone: str, days: set[int], begin: int, length: int
) -> None:
    times = Calendar(
        ZoneInfo(zone),
        tuple(sorted(days)),
        ((begin, min(begin + length, 1440)),),
        (Freeze(date(2026, 3, 28), date(2026, 4, 2)),),
    )
    if times.is_open(at):
        end = times.closes(at)
        if end is not None:
            assert at < end
            assert not times.is_open(end)
            assert times.is_open(end - timedelta(microseconds=1))
        local = at.astimezone(ZoneInfo(zone))
        assert local.weekday() in days
        return
    opens = times.opens(at)
    assert opens is not None
    assert opens > at
    assert times.is_open(opens)
    assert not times.is_open(opens - timedelta(microseconds=1))


# Breaking the glass


def test_two_people_let_it_out_and_one_does_not() -> None:
    closed = case(at=berlin(2026, 11, 20, 12))
    typed = {"zone": "Europe/Berlin", "days": "Mon-Thu"}
    asked = Glass(ADA.key, "Ada", "Logins fail for everybody", NOW)
    waiting = answered("release_times", replace(closed, glass=asked), **typed)
    assert waiting.outcome is Outcome.NOT_YET
    assert waiting.may_break_glass
    assert waiting.asks == {GRACE.key, LINUS.key, ROOT.key}
    assert "Logins fail for everybody" in waiting.sentence
    broken = answered(
        "release_times", replace(closed, glass=replace(asked, seconded_by="Grace")), **typed
    )
    assert broken.holds
    assert "Ada and Grace let it out all the same" in broken.sentence


# What is typed


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("zone", "Mars/Olympus", "There is no time zone"),
        ("zone", "../../etc/passwd", "Write the name of a time zone"),
        ("zone", "/etc/localtime", "There is no time zone"),
        ("zone", "Europe", "There is no time zone"),
        ("days", "Mon-Fri-Sun", "names no days"),
        ("days", "someday", "names no days"),
        ("days", "Mon,,Tue", "names no days"),
        ("hours", "9-17", "names no hours"),
        ("hours", "17:00-09:00", "ends before it begins"),
        ("hours", "09:00-09:00", "ends before it begins"),
        ("hours", "09:60-10:00", "00:00 to 24:00"),
        ("hours", "09:00-24:01", "00:00 to 24:00"),
        ("hours", "\n".join(["09:00-10:00"] * 11), "at most 10"),
        ("freezes", "Christmas", "is no freeze"),
        ("freezes", "2027-01-02 to 2026-12-20", "ends before it begins"),
        ("freezes", "2026-02-29", "There is no day 2026-02-29"),
        ("freezes", "1999-01-01", "too far away"),
        ("freezes", "2026-01-01 to 2027-06-01", "longer than a year"),
        ("freezes", "2026-01-01 " + "x" * 101, "at most 100 characters"),
        ("freezes", "\n".join(["2026-01-01"] * 500), "500 lines: write at most 100"),
        ("freezes", "2026-01-01 \u202efreeze", "nobody sees"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(option: str, text: str, words: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        made("release_times", **{"zone": "UTC", option: text})
    assert refused.value.option == option
    assert words in str(refused.value)


def test_times_that_allow_everything_are_refused() -> None:
    with pytest.raises(SettingRefused, match="allow any time"):
        made("release_times", zone="UTC")


def test_in_words() -> None:
    requirement = made(
        "release_times",
        zone="Europe/Berlin",
        days="Sat - Mon, wednesday",
        hours="13:00 to 16:30\n9:00\u201312:00",
        freezes="2026-12-24 \n 2026-12-20 to 2026-12-22 before it",
    )
    assert requirement.typed() == {
        "zone": "Europe/Berlin",
        "days": "Mon, Wed, Sat-Sun",
        "hours": "09:00-12:00\n13:00-16:30",
        "freezes": "2026-12-20 to 2026-12-22 before it\n2026-12-24",
    }
    assert requirement.in_words() == (
        "Goes out Mon, Wed, Sat-Sun, 09:00-12:00 and 13:00-16:30 (Europe/Berlin); not 2026-12-20 "
        "to 2026-12-22 before it nor 2026-12-24."
    )

"""What a calendar draws: days of a time zone, also those with a change of clocks."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from approvals.people.models import User
from approvals.rota.on_call import OVERRIDE
from approvals.web.rota_calendar import (
    MOST_IN_A_DAY,
    Stretch,
    Tones,
    month_of,
    period_of,
    short_words,
    until_words,
    week_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
ADA, GRACE = User(pk=1, username="ada"), User(pk=2, username="grace")


@pytest.fixture(autouse=True)
def _in_november() -> Iterator[None]:
    """Every test is on one day."""
    with time_machine.travel(NOW, tick=False):
        yield


def test_a_week_is_from_monday_to_sunday_whatever_day_is_asked_for() -> None:
    for day in ("2026-11-16", "2026-11-19", "2026-11-22"):
        period = period_of("week", day, BERLIN, now=NOW)
        assert (period.first, period.last) == (date(2026, 11, 16), date(2026, 11, 22))
    assert period.title == "16 to 22 November 2026"
    assert (period.before, period.after) == (date(2026, 11, 15), date(2026, 11, 23))


@pytest.mark.parametrize(
    ("view", "day", "title"),
    [
        ("week", "", "16 to 22 November 2026"),
        ("", "", "16 to 22 November 2026"),
        ("fortnight", "yesterday", "16 to 22 November 2026"),
        ("week", "2026-02-30", "16 to 22 November 2026"),
        ("week", "2026-12-01", "30 November to 6 December 2026"),
        ("week", "2027-01-01", "28 December 2026 to 3 January 2027"),
        ("month", "2026-02-14", "February 2026"),
        ("month", "9999-12-31", "November 2028"),
        ("week", "0001-01-01", "11 to 17 November 2024"),
    ],
)
def test_an_address_can_name_any_day_and_never_one_out_of_reach(
    view: str, day: str, title: str
) -> None:
    assert period_of(view, day, BERLIN, now=NOW).title == title


def test_a_month_goes_on_to_the_months_beside_it() -> None:
    period = period_of("month", "2026-01-31", BERLIN, now=NOW)
    assert (period.before, period.after) == (date(2025, 12, 31), date(2026, 2, 1))
    assert (period.first, period.last) == (date(2025, 12, 29), date(2026, 2, 1))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 167), ("2026-10-25", 169)])
def test_a_week_has_an_hour_less_or_more_where_clocks_change(day: str, hours: int) -> None:
    period = period_of("week", day, BERLIN, now=NOW)
    assert period.end - period.start == timedelta(hours=hours)
    sunday = period.end - timedelta(hours=24 + hours - 168)
    whole = Stretch(period.start, sunday, ADA)
    rest = Stretch(sunday, period.end, GRACE)
    week = week_of(period, [("On call", [whole, rest])], Tones([ADA, GRACE]), now=NOW)
    [first, last] = week.lanes[0].bars
    # The bar of Sunday begins exactly where its day does.
    assert last.left == week.ticks[6].left == first.width
    assert (first.left, first.name, last.name) == ("0.000%", "ada", "grace")


def test_what_begins_or_ends_outside_of_a_week_is_cut_but_said_whole() -> None:
    period = period_of("week", "", BERLIN, now=NOW)
    before = Stretch(period.start - timedelta(days=3), period.start, ADA)
    across = Stretch(period.start - timedelta(days=2), period.end + timedelta(days=5), GRACE)
    [bar] = week_of(period, [("On call", [before, across])], Tones([]), now=NOW).lanes[0].bars
    assert (bar.left, bar.width) == ("0.000%", "100.000%")
    assert "Sat 14 Nov 00:00 to Sat 28 Nov 00:00" in bar.words


def test_now_is_marked_only_in_the_week_that_has_it() -> None:
    def now_in(day: str) -> str:
        return week_of(period_of("week", day, BERLIN, now=NOW), [], Tones([]), now=NOW).now

    assert now_in("2026-11-18") == "36.310%"
    assert now_in("2026-11-25") == ""


def test_a_day_of_a_month_tells_from_when_and_until_when() -> None:
    period = period_of("month", "", BERLIN, now=NOW)
    nine = datetime(2026, 11, 20, 8, tzinfo=UTC)
    found = [
        Stretch(nine - timedelta(days=2), nine, ADA),
        Stretch(nine, nine + timedelta(hours=2), GRACE, kind=OVERRIDE),
        Stretch(nine + timedelta(hours=2), nine + timedelta(days=3), None),
    ]
    days = {
        cell.day: cell for week in month_of(period, found, Tones([ADA]), now=NOW) for cell in week
    }
    pieces = days[date(2026, 11, 20)].pieces
    assert [(one.name, one.hours) for one in pieces] == [
        ("ada", "until 09:00"),
        ("grace", "09:00\N{EN DASH}11:00"),
        ("Nobody", "from 11:00"),
    ]
    assert [one.is_override for one in pieces] == [False, True, False]
    assert [one.hours for one in days[date(2026, 11, 19)].pieces] == [""]
    assert [day for day, cell in days.items() if cell.is_today] == [date(2026, 11, 18)]
    assert not days[date(2026, 12, 6)].is_inside


def test_a_day_with_many_shifts_shows_some_and_counts_the_others() -> None:
    period = period_of("month", "", ZoneInfo("UTC"), now=NOW)
    hours = [Stretch(NOW.replace(hour=hour), NOW.replace(hour=hour + 1), ADA) for hour in range(20)]
    days = {cell.day: cell for week in month_of(period, hours, Tones([]), now=NOW) for cell in week}
    today = days[date(2026, 11, 18)]
    assert (len(today.pieces), today.more) == (MOST_IN_A_DAY, 20 - MOST_IN_A_DAY)


def test_an_end_is_said_as_people_say_it() -> None:
    def said(days: int) -> tuple[str, str]:
        end = datetime(2026, 11, 18 + days, 8, tzinfo=UTC)
        return until_words(end, BERLIN, now=NOW), short_words(end, BERLIN, now=NOW)

    assert said(0) == ("today 09:00", "today 09:00")
    assert said(1) == ("tomorrow 09:00", "Thu 09:00")
    assert said(2) == ("Friday 09:00", "Fri 09:00")
    assert said(7) == ("Wed 25 Nov 09:00", "25 Nov")


def test_a_person_keeps_one_colour_and_nobody_has_that_of_a_gap() -> None:
    tones = Tones([ADA, GRACE])
    assert tones.of(ADA) == tones.of(ADA) != tones.of(GRACE)
    assert tones.of(None) == "tone-gap"

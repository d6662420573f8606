"""Who is on call: rotations, hours, overrides, joiners and leavers, on any clock."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.rota.on_call import (
    EVERY_DAY,
    LONGEST_LOOK,
    Cover,
    Gap,
    LayerPlan,
    OnCall,
    Place,
    Plan,
    gaps,
    next_on_call,
    on_call,
    on_call_in_layer,
    shifts,
    shifts_in_layer,
    turn_around,
)

MONDAY = date(2026, 1, 5)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
ADA, GRACE, ALAN, JOAN = 1, 2, 3, 4
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def places(*people: int) -> tuple[Place, ...]:
    return tuple(Place(one, at, LONG_AGO) for at, one in enumerate(people))


def layer(*people: int, key: int = 1, **fields: object) -> LayerPlan:
    values: dict[str, object] = {
        "name": f"layer {key}",
        "time_zone": "UTC",
        "first_day": MONDAY,
        "handover": time(9),
        "length": 1,
        "unit": "weeks",
        "places": places(*people),
    }
    return LayerPlan(key=key, **values | fields)  # type: ignore[arg-type]  # by name


def plan(*layers: LayerPlan, **fields: object) -> Plan:
    return Plan(1, "ours", layers, **fields)  # type: ignore[arg-type]  # by name


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month, day, …


def who(of: Plan, at: datetime, *, urgent: bool = False) -> int | None:
    found = on_call(of, at, urgent=urgent)
    return found.person if found else None


# ---------- turns


def test_weeks_change_hands_at_the_hand_over_time() -> None:
    weekly = plan(layer(ADA, GRACE))

    assert who(weekly, utc(2026, 1, 5, 8, 59)) is None
    assert who(weekly, utc(2026, 1, 5, 9)) == ADA
    assert who(weekly, utc(2026, 1, 12, 8, 59)) == ADA
    assert who(weekly, utc(2026, 1, 12, 9)) == GRACE
    assert on_call(weekly, utc(2026, 1, 6)) == OnCall(ADA, 1, utc(2026, 1, 12, 9))


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        # The last Sundays of March and October; in New York, in March and November.
        (BERLIN, utc(2026, 3, 23, 8), utc(2026, 3, 30, 7)),
        (BERLIN, utc(2026, 10, 19, 7), utc(2026, 10, 26, 8)),
        (NEW_YORK, utc(2026, 3, 2, 14), utc(2026, 3, 9, 13)),
        (NEW_YORK, utc(2026, 10, 26, 13), utc(2026, 11, 2, 14)),
    ],
)
def test_a_week_in_which_clocks_change_is_handed_over_at_nine_there(
    zone: ZoneInfo, before: datetime, after: datetime
) -> None:
    weekly = plan(layer(ADA, GRACE, time_zone=zone.key))

    [shift, *_] = shifts(weekly, before, after + WEEK)

    assert (shift.start, shift.end) == (before, after)
    assert shift.end.astimezone(zone).time() == time(9)
    assert shift.end - shift.start != WEEK


def test_turns_of_hours_are_real_hours() -> None:
    berlin = layer(ADA, GRACE, time_zone="Europe/Berlin", unit="hours", length=12)
    found = shifts(plan(berlin), utc(2026, 3, 28, 8), utc(2026, 3, 30, 8))

    assert {one.end - one.start for one in found} == {12 * HOUR}
    # One that began at nine by the clock ends at ten, as the clock was put forward.
    local = [one.start.astimezone(BERLIN).time() for one in found]
    assert local == [time(9), time(21), time(10), time(22)]


@pytest.mark.parametrize(
    ("handover", "expected"),
    [
        # Left out: the moment at which the clock is put forward.
        (time(2, 30), utc(2026, 3, 29, 1)),
        (time(3, 30), utc(2026, 3, 29, 1, 30)),
    ],
)
def test_a_hand_over_in_the_hour_that_is_left_out(handover: time, expected: datetime) -> None:
    daily = layer(ADA, GRACE, time_zone="Europe/Berlin", unit="days", handover=handover)

    starts = [one.start for one in shifts(plan(daily), utc(2026, 3, 28, 12), utc(2026, 3, 31))]

    assert expected in starts


def test_a_hand_over_in_the_hour_that_comes_twice_is_one_hand_over() -> None:
    daily = layer(ADA, GRACE, time_zone="Europe/Berlin", unit="days", handover=time(2, 30))

    found = shifts(plan(daily), utc(2026, 10, 24, 0, 30), utc(2026, 10, 27, 1, 30))

    assert found[0].person == found[2].person != found[1].person
    # The first of the two half past twos.
    assert [one.start for one in found] == [
        utc(2026, 10, 24, 0, 30),
        utc(2026, 10, 25, 0, 30),
        utc(2026, 10, 26, 1, 30),
    ]


def test_days_go_on_over_the_ends_of_months() -> None:
    daily = plan(layer(ADA, GRACE, ALAN, unit="days", first_day=date(2028, 2, 27)))

    found = shifts(daily, utc(2028, 2, 27, 9), utc(2028, 3, 3, 9))

    assert [(one.person, one.start.day) for one in found] == [
        (ADA, 27),
        (GRACE, 28),
        (ALAN, 29),
        (ADA, 1),
        (GRACE, 2),
    ]


def test_a_day_that_a_place_left_out_is_nobodys_loss() -> None:
    # Samoa had no 30 December 2011.
    daily = plan(
        layer(
            ADA,
            GRACE,
            unit="days",
            first_day=date(2011, 12, 28),
            time_zone="Pacific/Apia",
            places=tuple(Place(one, one, utc(2011, 1, 1)) for one in (ADA, GRACE)),
        )
    )
    found = shifts(daily, utc(2011, 12, 28, 19), utc(2012, 1, 2))

    assert all(one.end == following.start for one, following in itertools.pairwise(found))
    assert gaps(daily, utc(2011, 12, 28, 19), utc(2012, 1, 2)) == []


# ---------- hours


OFFICE = {"weekdays": (0, 1, 2, 3, 4), "hours": (time(9), time(17))}


def test_nobody_is_on_call_outside_the_hours() -> None:
    office = plan(layer(ADA, GRACE, time_zone="Europe/Berlin", **OFFICE))

    assert who(office, utc(2026, 1, 7, 7, 59)) is None
    assert on_call(office, utc(2026, 1, 7, 8)) == OnCall(ADA, 1, utc(2026, 1, 7, 16))
    assert who(office, utc(2026, 1, 7, 16)) is None
    assert who(office, utc(2026, 1, 10, 12)) is None
    # In summer, nine is an hour earlier.
    assert who(office, utc(2026, 7, 1, 7)) is not None


def test_hours_across_midnight_belong_to_the_day_they_begin_on() -> None:
    nights = plan(layer(ADA, weekdays=(4,), hours=(time(22), time(6))))

    found = shifts(nights, utc(2026, 1, 5), utc(2026, 1, 19))

    assert [(one.start, one.end) for one in found] == [
        (utc(2026, 1, 9, 22), utc(2026, 1, 10, 6)),
        (utc(2026, 1, 16, 22), utc(2026, 1, 17, 6)),
    ]
    # Thursday night is not Friday's.
    assert who(nights, utc(2026, 1, 9, 3)) is None


def test_a_turn_that_changes_hands_in_the_night_splits_the_hours() -> None:
    nights = plan(layer(ADA, GRACE, unit="days", handover=time(0), hours=(time(22), time(6))))

    found = shifts(nights, utc(2026, 1, 5, 22), utc(2026, 1, 6, 6))

    assert [(one.person, one.start, one.end) for one in found] == [
        (ADA, utc(2026, 1, 5, 22), utc(2026, 1, 6)),
        (GRACE, utc(2026, 1, 6), utc(2026, 1, 6, 6)),
    ]


def test_hours_that_end_when_they_begin_are_a_whole_day() -> None:
    weekend = plan(layer(ADA, weekdays=(5, 6), hours=(time(9), time(9))))

    [shift] = shifts(weekend, utc(2026, 1, 5), utc(2026, 1, 13))

    assert (shift.start, shift.end) == (utc(2026, 1, 10, 9), utc(2026, 1, 12, 9))


def test_hours_through_a_change_of_clocks_are_longer_or_shorter() -> None:
    nights = plan(layer(ADA, time_zone="Europe/Berlin", hours=(time(1), time(5))))

    [spring] = shifts(nights, utc(2026, 3, 28, 20), utc(2026, 3, 29, 20))
    [autumn] = shifts(nights, utc(2026, 10, 24, 20), utc(2026, 10, 25, 20))

    assert spring.end - spring.start == 3 * HOUR
    assert autumn.end - autumn.start == 5 * HOUR


def test_hours_that_end_in_the_hour_that_comes_twice_end_the_second_time() -> None:
    nights = plan(layer(ADA, time_zone="Europe/Berlin", hours=(time(1), time(2, 30))))

    [autumn] = shifts(nights, utc(2026, 10, 24, 20), utc(2026, 10, 25, 20))

    assert (autumn.start, autumn.end) == (utc(2026, 10, 24, 23), utc(2026, 10, 25, 1, 30))


# ---------- layers


def test_the_first_layer_that_has_somebody_is_on_call() -> None:
    both = plan(layer(ADA, key=1, **OFFICE), layer(GRACE, key=2))

    assert who(both, utc(2026, 1, 7, 10)) == ADA
    assert who(both, utc(2026, 1, 7, 20)) == GRACE
    in_second = on_call_in_layer(both, 2, utc(2026, 1, 7, 10))
    assert in_second is not None
    assert in_second.person == GRACE
    assert gaps(both, utc(2026, 1, 5, 9), utc(2026, 2, 5)) == []


def test_incidents_have_a_layer_of_their_own() -> None:
    both = plan(layer(JOAN, key=1, is_incident=True), layer(ADA, key=2, **OFFICE))

    assert who(both, utc(2026, 1, 7, 10)) == ADA
    assert who(both, utc(2026, 1, 7, 10), urgent=True) == JOAN
    # Rather than nobody.
    assert who(both, utc(2026, 1, 7, 20)) == JOAN
    assert who(replace(both, absent=frozenset({JOAN})), utc(2026, 1, 7, 10), urgent=True) == ADA


def test_a_layer_that_is_over_has_nobody() -> None:
    over = plan(
        layer(
            ADA,
            ended=utc(2026, 1, 7),
            covers=(Cover(1, GRACE, utc(2026, 1, 6, 12), utc(2026, 1, 9)),),
        )
    )

    found = shifts(over, utc(2026, 1, 6), utc(2026, 1, 10))

    assert [(one.person, one.end) for one in found] == [
        (ADA, utc(2026, 1, 6, 12)),
        (GRACE, utc(2026, 1, 7)),
    ]
    assert gaps(over, utc(2026, 1, 6), utc(2026, 1, 10)) == []


# ---------- overrides


def test_of_overrides_that_overlap_the_newest_holds() -> None:
    covers = (
        Cover(7, GRACE, utc(2026, 1, 6, 10), utc(2026, 1, 6, 14)),
        Cover(8, ALAN, utc(2026, 1, 6, 12), utc(2026, 1, 6, 13)),
    )
    # In whichever order they come.
    for order in (covers, covers[::-1]):
        found = shifts(plan(layer(ADA, covers=order)), utc(2026, 1, 6, 9), utc(2026, 1, 6, 15))
        assert [(one.person, one.start.hour, one.override) for one in found] == [
            (ADA, 9, None),
            (GRACE, 10, 7),
            (ALAN, 12, 8),
            (GRACE, 13, 7),
            (ADA, 14, None),
        ]


def test_an_override_fills_a_gap_outside_the_hours_unless_it_is_for_them() -> None:
    night = (utc(2026, 1, 7, 16), utc(2026, 1, 7, 20))
    fills = plan(layer(ADA, **OFFICE, covers=(Cover(1, GRACE, *night),)))
    stands_in = plan(layer(ADA, **OFFICE, covers=(Cover(1, GRACE, *night, only_in_hours=True),)))

    assert [who(fills, utc(2026, 1, 7, hour)) for hour in (15, 16, 19, 20)] == [
        ADA,
        GRACE,
        GRACE,
        None,
    ]
    assert [who(stands_in, utc(2026, 1, 7, hour)) for hour in (15, 16, 17, 19)] == [
        ADA,
        GRACE,
        None,
        None,
    ]


def test_the_override_of_somebody_who_may_not_be_on_call_does_not_hold() -> None:
    covered = plan(
        layer(ADA, GRACE, covers=(Cover(1, ALAN, utc(2026, 1, 6), utc(2026, 1, 7)),)),
        absent=frozenset({ALAN}),
    )

    assert who(covered, utc(2026, 1, 6, 12)) == ADA


# ---------- joining, leaving, absence


def test_where_somebody_leaves_nobody_elses_turn_moves() -> None:
    members = (
        Place(ADA, 0, LONG_AGO),
        Place(GRACE, 1, LONG_AGO, utc(2026, 1, 14)),
        Place(ALAN, 2, LONG_AGO),
    )
    found = shifts(plan(layer(places=members)), utc(2026, 1, 5, 9), utc(2026, 2, 9, 9))

    assert [(one.person, one.start, one.kind) for one in found] == [
        (ADA, utc(2026, 1, 5, 9), "rotation"),
        (GRACE, utc(2026, 1, 12, 9), "rotation"),
        (ALAN, utc(2026, 1, 14), "stand_in"),
        (ALAN, utc(2026, 1, 19, 9), "rotation"),
        (ADA, utc(2026, 1, 26, 9), "rotation"),
        (ALAN, utc(2026, 2, 2, 9), "rotation"),
    ]


def test_who_joins_waits_for_the_next_turn() -> None:
    members = (*places(ADA, GRACE), Place(ALAN, 2, utc(2026, 1, 14)))
    found = shifts(plan(layer(places=members)), utc(2026, 1, 5, 9), utc(2026, 2, 2, 9))

    assert [one.person for one in found] == [ADA, GRACE, ALAN, ADA]
    assert found[1].end == utc(2026, 1, 19, 9)


def test_the_first_who_joins_an_empty_rotation_has_the_turn_that_runs() -> None:
    members = (
        Place(ADA, 0, utc(2026, 1, 7)),
        Place(GRACE, 1, utc(2026, 1, 7)),
        Place(ALAN, 2, utc(2026, 1, 8)),
    )
    found = shifts(plan(layer(places=members)), utc(2026, 1, 5, 9), utc(2026, 2, 2, 9))

    assert [(one.person, one.start) for one in found] == [
        (ADA, utc(2026, 1, 7)),
        (GRACE, utc(2026, 1, 12, 9)),
        (ALAN, utc(2026, 1, 19, 9)),
        (ADA, utc(2026, 1, 26, 9)),
    ]


def test_who_comes_back_is_there_again() -> None:
    members = (
        Place(ADA, 0, LONG_AGO, utc(2026, 1, 8)),
        Place(GRACE, 1, LONG_AGO),
        Place(ADA, 2, utc(2026, 1, 21)),
    )
    found = shifts(plan(layer(places=members)), utc(2026, 1, 5, 9), utc(2026, 2, 9, 9))

    assert [(one.person, one.start) for one in found] == [
        (ADA, utc(2026, 1, 5, 9)),
        (GRACE, utc(2026, 1, 8)),
        (GRACE, utc(2026, 1, 12, 9)),
        (ADA, utc(2026, 1, 26, 9)),
        (GRACE, utc(2026, 2, 2, 9)),
    ]


def test_an_empty_rotation_is_a_gap() -> None:
    members = (Place(ADA, 0, LONG_AGO, utc(2026, 1, 8)),)
    empty = plan(layer(places=members))

    assert who(empty, utc(2026, 1, 9)) is None
    assert gaps(empty, utc(2026, 1, 5, 9), utc(2026, 1, 20)) == [
        Gap(utc(2026, 1, 8), utc(2026, 1, 20))
    ]


def test_for_who_is_absent_the_next_stands_in_and_all_turns_stay() -> None:
    here = plan(layer(ADA, GRACE, ALAN))
    away = replace(here, absent=frozenset({GRACE}))

    weeks = [utc(2026, 1, 6) + number * WEEK for number in range(5)]

    assert [who(here, at) for at in weeks] == [ADA, GRACE, ALAN, ADA, GRACE]
    assert [who(away, at) for at in weeks] == [ADA, ALAN, ALAN, ADA, ALAN]
    assert who(replace(here, absent=frozenset({ADA, GRACE, ALAN})), weeks[0]) is None


# ---------- the second


def test_the_second_is_the_next_in_the_rotation() -> None:
    weekly = plan(layer(ADA, GRACE, ALAN))

    def second(of: Plan, at: datetime) -> int | None:
        found = next_on_call(of, at)
        return found.person if found else None

    weeks = [utc(2026, 1, 6) + number * WEEK for number in range(3)]
    assert [second(weekly, at) for at in weeks] == [GRACE, ALAN, ADA]
    away = replace(weekly, absent=frozenset({GRACE}))
    assert [second(away, at) for at in weeks] == [ALAN, ADA, ADA]


def test_the_second_is_never_who_is_on_call() -> None:
    covered = plan(layer(ADA, GRACE, covers=(Cover(1, GRACE, utc(2026, 1, 6), utc(2026, 1, 7)),)))
    alone = plan(layer(ADA, key=1), layer(ADA, key=2), layer(JOAN, key=3))

    after_override, after_alone = (next_on_call(of, utc(2026, 1, 6)) for of in (covered, alone))
    assert after_override is not None
    assert after_override.person == ADA
    assert after_alone is not None
    assert (after_alone.person, after_alone.layer) == (JOAN, 3)
    assert next_on_call(plan(layer(ADA)), utc(2026, 1, 6)) is None


def test_in_a_gap_the_second_is_who_comes_first() -> None:
    office = plan(layer(ADA, GRACE, **OFFICE))

    # On Sunday, before Grace's week.
    found = next_on_call(office, utc(2026, 1, 11))

    assert found is not None
    assert found.person == GRACE


# ---------- until when, and how far


def test_who_is_alone_is_on_call_without_an_end_in_sight() -> None:
    found = on_call(plan(layer(ADA)), utc(2026, 1, 6))

    assert found is not None
    assert found.until is None


def test_until_is_when_somebody_else_takes_over_in_whichever_layer() -> None:
    both = plan(layer(ADA, key=1, **OFFICE), layer(ADA, GRACE, key=2))

    found = on_call(both, utc(2026, 1, 7, 10))

    # Through the nights of her own week in the second layer, on to Monday.
    assert found is not None
    assert found.until == utc(2026, 1, 12, 17)


def test_a_turn_has_its_whole_length_whoever_has_it() -> None:
    assert turn_around(plan(layer(ADA, GRACE)), 1, utc(2026, 1, 14)) == (
        utc(2026, 1, 12, 9),
        utc(2026, 1, 19, 9),
    )


def test_nobody_looks_further_than_is_answered() -> None:
    with pytest.raises(ValueError, match="800 days"):
        shifts(plan(layer(ADA)), utc(2026, 1, 6), utc(2026, 1, 6) + LONGEST_LOOK + DAY)


def test_an_instant_is_the_same_in_any_time_zone() -> None:
    weekly = plan(layer(ADA, GRACE, time_zone="America/New_York"))
    at = utc(2026, 3, 9, 12, 59)

    assert {who(weekly, at.astimezone(zone)) for zone in (UTC, BERLIN, NEW_YORK)} == {
        who(weekly, at)
    }
    assert on_call(weekly, at) == on_call(weekly, at.astimezone(NEW_YORK))


# ---------- what always holds

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"]
# Both changes of clocks of 2026 in each of these zones are in here.
FIRST, DAYS = utc(2026, 1, 1), 365
people = st.integers(1, 6)
moments = st.integers(-10 * 24 * 4, DAYS * 24 * 4).map(
    lambda quarters: FIRST + quarters * timedelta(minutes=15)
)
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))


@st.composite
def all_places(draw: st.DrawFn) -> tuple[Place, ...]:
    """People who come and go and come back; nobody has two places at once."""
    found = []
    for position, person in enumerate(draw(st.lists(people, unique=True, max_size=5))):
        ends = sorted(draw(st.lists(moments, unique=True, max_size=3)))
        joined = [LONG_AGO, *ends[1::2]] if draw(st.booleans()) else ends[::2]
        left = ends[::2] if joined and joined[0] == LONG_AGO else ends[1::2]
        for number, at in enumerate(joined):
            found.append(Place(person, position, at, left[number] if number < len(left) else None))
    return tuple(found)


@st.composite
def all_covers(draw: st.DrawFn) -> tuple[Cover, ...]:
    return tuple(
        Cover(
            key, draw(people), start, start + draw(st.integers(1, 300)) * HOUR, draw(st.booleans())
        )
        for key, start in enumerate(draw(st.lists(moments, max_size=4)))
    )


layers = st.builds(
    LayerPlan,
    key=st.just(0),
    name=st.just("layer"),
    time_zone=st.sampled_from(ZONES),
    first_day=st.dates(date(2025, 12, 20), date(2026, 2, 10)),
    handover=times,
    length=st.integers(1, 30),
    unit=st.sampled_from(["hours", "days", "weeks"]),
    weekdays=st.one_of(
        st.just(EVERY_DAY),
        st.sets(st.integers(0, 6), min_size=1).map(lambda one: tuple(sorted(one))),
    ),
    hours=st.one_of(st.none(), st.tuples(times, times)),
    is_incident=st.booleans(),
    ended=st.one_of(st.none(), st.none(), moments),
    places=all_places(),
    covers=all_covers(),
)
plans = st.builds(
    lambda found, absent, always: Plan(
        1,
        "any",
        tuple(replace(one, key=key) for key, one in enumerate(found)),
        absent,
        is_round_the_clock=always,
    ),
    st.lists(layers, min_size=1, max_size=3),
    st.frozensets(people, max_size=2),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(plans, moments, st.integers(1, 30))
def test_at_most_one_person_a_layer_and_no_hour_lost(of: Plan, start: datetime, days: int) -> None:
    end = start + days * DAY
    for one in of.layers:
        found = shifts_in_layer(of, one.key, start, end)
        assert all(shift.start < shift.end for shift in found)
        assert all(before.end <= after.start for before, after in itertools.pairwise(found))
        assert all(start <= shift.start and shift.end <= end for shift in found)
    # Shifts and gaps together are the whole of the time in which somebody should be there.
    pieces = sorted(
        [(shift.start, shift.end) for shift in shifts(of, start, end)]
        + [(gap.start, gap.end) for gap in gaps(of, start, end)]
    )
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(pieces))
    if of.is_round_the_clock:
        assert sum((ends - begins for begins, ends in pieces), timedelta(0)) == end - start


@settings(max_examples=150, deadline=None)
@given(plans, moments)
def test_nobody_is_on_call_who_left_or_may_not(of: Plan, at: datetime) -> None:
    for one in of.layers:
        found = on_call_in_layer(of, one.key, at)
        if found is None:
            continue
        assert found.person not in of.absent
        assert not one.is_over(at)
        if found.override is None:
            assert any(place.person == found.person and place.is_there(at) for place in one.places)


@settings(max_examples=150, deadline=None)
@given(plans, moments)
def test_overrides_win(of: Plan, at: datetime) -> None:
    for one in of.layers:
        holding = [
            cover
            for cover in one.covers
            if cover.start <= at < cover.end
            and cover.person not in of.absent
            and not (cover.only_in_hours and not one.is_open(at))
            and not one.is_over(at)
        ]
        if holding:
            found = on_call_in_layer(of, one.key, at)
            assert found is not None
            assert (found.override, found.person) == (holding[-1].key, holding[-1].person)


@settings(max_examples=100, deadline=None)
@given(plans, moments)
def test_somebody_is_on_call_whenever_a_layer_has_somebody(of: Plan, at: datetime) -> None:
    for one in of.layers:
        someone = any(place.is_there(at) and place.person not in of.absent for place in one.places)
        if someone and one.is_open(at) and at >= one.start:
            assert on_call_in_layer(of, one.key, at) is not None
            assert on_call(of, at) is not None


@settings(max_examples=100, deadline=None)
@given(plans, moments, st.integers(1, 20))
def test_every_way_of_asking_gives_the_same_answer(of: Plan, at: datetime, days: int) -> None:
    end = at + days * DAY
    for shift in shifts(of, at, end)[:6]:
        for moment in (shift.start, shift.start + (shift.end - shift.start) / 2):
            now = on_call(of, moment)
            assert now is not None
            assert (now.person, now.layer, now.kind, now.override) == (
                shift.person,
                shift.layer,
                shift.kind,
                shift.override,
            )
            # A shift ends when they are relieved, or goes on as another kind of theirs.
            assert now.until is None or now.until >= min(shift.end, end)
    for gap in gaps(of, at, end)[:6]:
        assert on_call(of, gap.start) is None


@settings(max_examples=150, deadline=None)
@given(plans, moments)
def test_what_comes_later_changes_nothing_now(of: Plan, at: datetime) -> None:
    known = [
        replace(
            one,
            places=tuple(
                replace(place, left=place.left if place.left and place.left <= at else None)
                for place in one.places
                if place.joined <= at
            ),
            covers=tuple(cover for cover in one.covers if cover.start <= at),
            ended=one.ended if one.is_over(at) else None,
        )
        for one in of.layers
    ]
    before = replace(of, layers=tuple(known))

    for urgent in (False, True):
        now, then = on_call(of, at, urgent=urgent), on_call(before, at, urgent=urgent)
        assert now is then is None or (
            now is not None
            and then is not None
            and replace(now, until=None) == replace(then, until=None)
        )


@settings(max_examples=60, deadline=None)
@given(layers, st.integers(2, 6))
def test_a_rotation_that_nobody_joins_or_leaves_is_fair(of: LayerPlan, number: int) -> None:
    fair = replace(of, places=places(*range(number)), covers=(), ended=None)
    first = fair.turn(utc(2026, 3, 1))

    turns = [fair.turn_start(first + offset) for offset in range(number * 3)]
    planned = [
        found[0]
        for at in turns
        if (found := replace(fair, hours=None, weekdays=EVERY_DAY).holder_at(at, frozenset()))
    ]

    assert planned == [(planned[0] + offset) % number for offset in range(number * 3)]

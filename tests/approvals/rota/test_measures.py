"""How long versions waited: counted rightly, by whom it was done, and of what one may see."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from approvals.decisions.models import Action, ItemState
from approvals.people.models import Role, Scope, User
from approvals.queue.models import StagedVersion, State
from approvals.rota import measures
from approvals.rota.charts import MOST_BARS, bars_of, columns_of, in_words
from approvals.rota.exporting import harmless, rows_as_csv, versions_as_csv
from approvals.rota.measures import (
    Measure,
    MeasuresRefused,
    Range,
    Row,
    Spread,
    checked,
    figures_of,
    spread_of,
    waits_of,
)
from approvals.rota.models import FirstLook
from tests.approvals.factories import (
    make_decision,
    make_registry,
    make_staged_version,
    make_team,
    make_user,
)

FOUND = datetime(2026, 3, 2, 9, tzinfo=UTC)
MARCH = Range(date(2026, 3, 1), date(2026, 3, 31))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def waited(
    user: User,
    package: str = "left-pad",
    *,
    look: timedelta | None = None,
    decision: timedelta | None = None,
    live: timedelta | None = None,
    found: datetime = FOUND,
    action: Action = Action.APPROVE,
    **fields: object,
) -> StagedVersion:
    """A version that was found then, and what happened to it how long after."""
    row = make_staged_version(package, found_at=found, created_at=found, **fields)  # type: ignore[arg-type]  # passed on as it came
    if look is not None:
        FirstLook.objects.create(staged_version=row, person=user, at=found + look)
    if decision is not None:
        item = make_decision(row, user, action, item_state=ItemState.DONE)
        item.decision.made_at = found + decision
        item.decision.save()
    if live is not None:
        row.state, row.state_changed_at = State.LIVE, found + live
        row.save()
    return row


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def chief(db: None) -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


def test_each_wait_is_counted_from_when_the_version_was_found(chief: User, ada: User) -> None:
    waited(ada, look=5 * MINUTE, decision=HOUR, live=2 * HOUR)
    waited(ada, version="1.6.0", look=15 * MINUTE)
    waited(ada, version="1.7.0", look=10 * MINUTE, decision=3 * HOUR, action=Action.REJECT)
    total = figures_of(waits_of(chief, MARCH), MARCH).total
    assert total.versions == 3
    assert total.spread(Measure.LOOK) == Spread(3, 10 * MINUTE, 15 * MINUTE)
    assert total.spread(Measure.DECISION) == Spread(2, 2 * HOUR, 3 * HOUR)
    assert total.spread(Measure.LIVE) == Spread(1, 2 * HOUR, 2 * HOUR)


def test_who_decides_without_opening_the_page_looks_at_it_then(chief: User, ada: User) -> None:
    row = waited(ada, decision=HOUR)
    grace = make_user("grace")
    FirstLook.objects.create(staged_version=row, person=grace, at=FOUND + 2 * HOUR)
    [one] = waits_of(chief, MARCH)
    assert (one.until(Measure.LOOK), one.by(Measure.LOOK)) == (HOUR, ada.pk)


def test_the_first_of_several_decisions_counts(chief: User, ada: User) -> None:
    row = waited(ada, decision=HOUR)
    second = make_decision(row, ada, item_state=ItemState.DONE)
    second.decision.made_at = FOUND + 9 * HOUR
    second.decision.save()
    assert waits_of(chief, MARCH)[0].until(Measure.DECISION) == HOUR


def test_what_was_published_elsewhere_was_not_made_live_here(chief: User, ada: User) -> None:
    waited(ada, state=State.PUBLISHED_ELSEWHERE, state_changed_at=FOUND + HOUR)
    assert figures_of(waits_of(chief, MARCH), MARCH).total.spreads == {}


def test_figures_are_per_package_the_slowest_first(chief: User, ada: User) -> None:
    waited(ada, "quick", decision=MINUTE)
    waited(ada, "slow", decision=5 * HOUR)
    waited(ada, "waiting")
    packages = figures_of(waits_of(chief, MARCH), MARCH).packages
    assert [row.label for row in packages] == ["slow", "quick", "waiting"]
    assert packages[0].spread(Measure.DECISION) == Spread(1, 5 * HOUR, 5 * HOUR)


def test_the_same_name_at_two_registries_is_two_packages(chief: User, ada: User) -> None:
    waited(ada, registry=make_registry("one"))
    waited(ada, registry=make_registry("two"))
    packages = figures_of(waits_of(chief, MARCH), MARCH).packages
    assert [row.label for row in packages] == ["left-pad at one", "left-pad at two"]


def test_a_team_has_what_its_people_did(chief: User, ada: User) -> None:
    grace, nobody = make_user("grace"), make_user("nobody")
    make_team("frontend", ada, grace)
    make_team("backend", grace)
    make_team("idle", nobody)
    waited(ada, look=MINUTE, decision=HOUR)
    row = waited(grace, version="1.6.0", decision=3 * HOUR)
    FirstLook.objects.create(staged_version=row, person=ada, at=FOUND + 3 * MINUTE)
    teams = {row.label: row for row in figures_of(waits_of(chief, MARCH), MARCH).teams}
    assert set(teams) == {"frontend", "backend"}
    assert teams["frontend"].spread(Measure.LOOK) == Spread(2, 2 * MINUTE, 3 * MINUTE)
    assert teams["frontend"].spread(Measure.DECISION) == Spread(2, 2 * HOUR, 3 * HOUR)
    assert teams["backend"].spread(Measure.LOOK) is None
    assert teams["backend"].spread(Measure.DECISION) == Spread(1, 3 * HOUR, 3 * HOUR)


def test_only_what_was_found_in_the_range_counts(chief: User, ada: User) -> None:
    for found in (
        datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    ):
        waited(ada, found=found)
    found_ones = [one.found_at.day for one in waits_of(chief, MARCH)]
    assert found_ones == [1, 31]
    days = figures_of(waits_of(chief, MARCH), MARCH).over_time
    assert [day.day for day, row in days if row.versions] == [1, 31]


def test_the_range_is_narrowed_to_packages_and_registry(chief: User, ada: User) -> None:
    one, two = make_registry("one"), make_registry("two")
    for registry in (one, two):
        for package in ("@acme/ui", "@acme/cli", "left-pad"):
            waited(ada, package, registry=registry)

    def counted(packages: str, registry_url: str = "") -> int:
        wanted = Range(MARCH.since, MARCH.until, packages, registry_url)
        return len(waits_of(chief, wanted))

    assert counted("") == 6
    assert counted("", one.url) == 3
    assert counted("@acme/*") == 4
    assert counted("@acme/*", two.url) == 2
    assert counted("@acme/ui") == 2
    assert counted("@zulu/*") == 0


def test_nobody_counts_what_they_may_not_see(ada: User) -> None:
    waited(ada, "@acme/ui", decision=HOUR)
    waited(ada, "@zulu/secret", decision=HOUR)
    make_team("crew", ada)
    some = make_user()
    Scope.objects.create(user=some, packages="@acme/*")
    waits = waits_of(some, MARCH)
    figures = figures_of(waits, MARCH)
    assert [row.label for row in figures.packages] == ["@acme/ui"]
    assert [row.versions for row in figures.teams] == [1]
    assert "secret" not in versions_as_csv(waits)


@pytest.mark.parametrize(
    "wanted",
    [
        Range(date(2026, 3, 2), date(2026, 3, 1)),
        Range(date(2024, 1, 1), date(2026, 3, 1)),
        Range(date(1, 1, 1), date(1, 1, 2)),
        Range(date(9999, 12, 30), date(9999, 12, 31)),
        Range(date(2026, 3, 1), date(2026, 3, 2), packages="a b"),
    ],
)
def test_what_makes_no_sense_is_refused(wanted: Range) -> None:
    with pytest.raises(MeasuresRefused):
        checked(wanted)


def test_too_many_versions_are_refused(
    chief: User, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited(ada)
    waited(ada)
    monkeypatch.setattr(measures, "MOST_VERSIONS", 1)
    with pytest.raises(MeasuresRefused, match="shorter time"):
        waits_of(chief, MARCH)


def test_more_versions_cost_no_more_queries(chief: User, ada: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            waits = waits_of(chief, MARCH)
            figures_of(waits, MARCH)
            versions_as_csv(waits)
        return len(captured)

    make_team("crew", ada)
    waited(ada, look=MINUTE, decision=HOUR)
    few = queries()
    for number in range(10):
        waited(make_user(), f"package-{number}", look=MINUTE, decision=HOUR)
    assert queries() == few


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_half_are_within_the_median_and_nine_in_ten_within_the_tail(seconds: list[int]) -> None:
    waits = [timedelta(seconds=one) for one in seconds]
    spread = spread_of(waits)
    assert spread is not None
    assert spread.count == len(waits)
    assert sum(one <= spread.median for one in waits) >= len(waits) / 2
    assert sum(one >= spread.median for one in waits) >= len(waits) / 2
    assert sum(one <= spread.tail for one in waits) >= 0.9 * len(waits)
    assert sum(one < spread.tail for one in waits) < 0.9 * len(waits)
    assert spread.tail in waits


@given(
    st.dates(date(2025, 1, 1), date(2027, 1, 1)),
    st.integers(0, 399),
    st.lists(st.integers(0, 398), max_size=20),
)
def test_every_version_of_the_range_is_in_one_column(
    since: date, length: int, days: list[int]
) -> None:
    wanted = Range(since, since + timedelta(days=length))
    begin, end = wanted.moments
    waits = [
        measures.Waited(number, "npm", "x", "1.0.0", "latest", "staged", at)
        for number, day in enumerate(days)
        if (at := begin + timedelta(days=day, hours=23)) < end
    ]
    over_time = measures.over_time_of(waits, wanted)
    assert sum(row.versions for _, row in over_time) == len(waits)
    assert len(over_time) <= 31
    assert over_time[0][0] == since


# ---------- charts


def rows_with(*tails: timedelta) -> list[Row]:
    return [
        Row(f"package-{number}", 1, {Measure.DECISION: Spread(1, tail / 2, tail)})
        for number, tail in enumerate(tails)
    ]


def per_cent(text: str) -> float:
    return float(text.removesuffix("%"))


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=40))
def test_bars_are_as_long_as_their_waits_and_stay_within(seconds: list[int]) -> None:
    rows = rows_with(*(timedelta(seconds=one) for one in seconds))
    chart = bars_of(rows, Measure.DECISION)
    assert chart is not None
    assert len(chart.bars) + chart.others == len(seconds)
    assert len(chart.bars) <= MOST_BARS
    assert 2 <= len(chart.ticks) <= 6
    assert (chart.ticks[0].across, chart.ticks[-1].across) == ("0.00%", "100.00%")
    for bar, wait in zip(chart.bars, seconds, strict=False):
        assert 0 < per_cent(bar.median) <= per_cent(bar.tail) <= 100
        longest = max(seconds[:MOST_BARS])
        if wait == longest and wait:
            assert per_cent(bar.tail) >= 50 or longest <= 5
    assert bars_of(rows, Measure.LIVE) is None


def test_a_bar_says_what_it_shows() -> None:
    chart = bars_of(rows_with(4 * HOUR), Measure.DECISION)
    assert chart is not None
    assert chart.bars[0].words == "2 h · 4 h"
    assert chart.bars[0].title == "package-0: half within 2 h, nine in ten within 4 h, of 1"
    assert [tick.label for tick in chart.ticks] == ["0", "1 h", "2 h", "3 h", "4 h"]


def test_columns_stand_on_the_floor_and_empty_days_have_none() -> None:
    days = [
        (date(2026, 3, 1), rows_with(HOUR)[0]),
        (date(2026, 3, 2), Row("", 0)),
        (date(2026, 3, 3), rows_with(2 * HOUR)[0]),
    ]
    chart = columns_of(days, Measure.DECISION, 1)
    assert chart is not None
    assert len(chart.columns) == 2
    for column in chart.columns:
        assert column.tail_down + column.tail_height == pytest.approx(chart.floor)
        assert column.median_down + column.median_height == pytest.approx(chart.floor)
        assert column.median_height < column.tail_height
    low, high = chart.columns
    assert high.tail_height == pytest.approx(2 * low.tail_height, abs=0.2)
    assert low.title.startswith("2026-03-01: half within 30 min")
    assert [one.day.day for one in chart.dates] == [1, 2, 3]
    assert columns_of(days[1:2], Measure.DECISION, 1) is None


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(seconds=59.7), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, minutes=10), "2 h 10 min"),
        (timedelta(days=1), "1 d"),
        (timedelta(days=40, hours=3, minutes=59), "40 d 3 h"),
    ],
)
def test_waits_are_said_in_their_largest_units(span: timedelta, words: str) -> None:
    assert in_words(span) == words


# ---------- CSV


def test_the_csv_says_when_what_happened_and_who_did_it(chief: User, ada: User) -> None:
    waited(ada, "@acme/ui", look=MINUTE, decision=HOUR, live=2 * HOUR)
    waited(ada, "left-pad", tag='=HYPERLINK("https://evil.example.org")')
    header, first, second = csv.reader(io.StringIO(versions_as_csv(waits_of(chief, MARCH))))
    told = dict(zip(header[-3:], first[-3:], strict=True))
    assert told == {
        "seconds to first look": "60",
        "seconds to decision": "3600",
        "seconds to live": "7200",
    }
    assert first[1:4] == ["'@acme/ui", "1.5.0", "latest"]
    assert first[6:10] == ["2026-03-02T09:01:00+00:00", "ada", "2026-03-02T10:00:00+00:00", "ada"]
    assert second[3] == '\'=HYPERLINK("https://evil.example.org")'
    assert second[-3:] == ["", "", ""]


@given(st.text(max_size=20))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = harmless(text)
    assert isinstance(cell, str)
    assert not cell.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (text.replace("\0", ""), f"'{text}".replace("\0", ""))


def test_the_csv_of_packages_has_the_figures_of_the_table(chief: User, ada: User) -> None:
    waited(ada, "left-pad", decision=HOUR)
    figures = figures_of(waits_of(chief, MARCH), MARCH)
    header, line = csv.reader(io.StringIO(rows_as_csv("package", figures.packages)))
    assert len(header) == len(line)
    told = dict(zip(header, line, strict=True))
    assert (told["package"], told["versions"]) == ("left-pad", "1")
    assert told["decision: median seconds"] == "3600"
    assert told["live: versions"] == "0"

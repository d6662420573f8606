"""Where the bars of a chart of waits stand. The templates draw them; nothing here makes HTML.

What goes across is in per cent of the drawing's width, so that letters stay readable on a phone;
what goes down is in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from approvals.rota.measures import Measure, Row, Spread

MOST_BARS = 20
ROW_HEIGHT = 44
HEIGHT, TOP, FOOT = 190, 16, 24
# What stands beside the words on a phone.
LONGEST_LABEL = 26
MOST_TICKS = 5
MOST_DATES = 4
# A bar of nothing could not be seen.
LEAST_PERCENT, LEAST_PIXELS = 0.4, 1.0
MINUTE, HOUR, DAY = 60, 3600, 86400
_STEPS = (
    *(1, 5, 10, 30),
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * DAY for days in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Tick:
    """A line of the scale: `across` for bars, `down` for columns."""

    label: str
    across: str = ""
    down: float = 0


@dataclass(frozen=True)
class Bar:
    """One row of a chart: the wait in the middle, and how far nine in ten reach."""

    label: str
    words: str
    title: str
    down: int
    median: str
    tail: str


@dataclass(frozen=True)
class BarChart:
    """Bars below each other; `others` are not drawn, for there would be too many."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    height: int
    scale_at: int
    others: int = 0


@dataclass(frozen=True)
class Column:
    """A stretch of time: where it stands, and how high nine in ten and the middle reach."""

    across: str
    width: str
    tail_down: float
    tail_height: float
    median_down: float
    median_height: float
    title: str


@dataclass(frozen=True)
class DateLabel:
    across: str
    anchor: str
    day: date


@dataclass(frozen=True)
class ColumnChart:
    """How it went over time. `floor` is where the columns stand."""

    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    dates: tuple[DateLabel, ...]
    height: int = HEIGHT
    floor: int = HEIGHT - FOOT


def in_words(span: timedelta) -> str:
    """A wait in its two largest units: "3 d 4 h", "2 h 10 min", "45 s"."""
    seconds = max(round(span.total_seconds()), 0)
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    large, small = (DAY, HOUR) if seconds >= DAY else (HOUR, MINUTE)
    names = {DAY: "d", HOUR: "h", MINUTE: "min"}
    rest = seconds % large // small
    return f"{seconds // large} {names[large]}" + (f" {rest} {names[small]}" if rest else "")


def bars_of(rows: Sequence[Row], measure: Measure) -> BarChart | None:
    """A bar for each row to which it happened, in their order; None where there is none."""
    found = [(row, spread) for row in rows if (spread := row.spread(measure))]
    if not found:
        return None
    shown = found[:MOST_BARS]
    step, top = _scale(spread for _, spread in shown)
    bars = tuple(
        Bar(
            label=_shortened(row.label),
            words=f"{in_words(spread.median)} · {in_words(spread.tail)}",
            title=_title(row.label, spread),
            down=number * ROW_HEIGHT,
            median=_percent(spread.median.total_seconds() / top),
            tail=_percent(spread.tail.total_seconds() / top),
        )
        for number, (row, spread) in enumerate(shown)
    )
    scale_at = len(bars) * ROW_HEIGHT
    ticks = tuple(
        Tick(_tick(value), across=f"{100 * value / top:.2f}%") for value in range(0, top + 1, step)
    )
    return BarChart(bars, ticks, scale_at + FOOT, scale_at, others=len(found) - len(shown))


def columns_of(
    over_time: Sequence[tuple[date, Row]], measure: Measure, days_each: int
) -> ColumnChart | None:
    """A column for each stretch of time in which there was one; None where there was none."""
    spreads = [row.spread(measure) for _, row in over_time]
    if not any(spreads):
        return None
    step, top = _scale(one for one in spreads if one)
    room = HEIGHT - FOOT - TOP
    each = 100 / len(over_time)
    columns = []
    for number, ((day, _), spread) in enumerate(zip(over_time, spreads, strict=True)):
        if spread is None:
            continue
        tail = _pixels(spread.tail, top, room)
        middle = _pixels(spread.median, top, room)
        last = day + timedelta(days=days_each - 1)
        called = f"{day:%Y-%m-%d}" + (f" to {last:%Y-%m-%d}" if days_each > 1 else "")
        columns.append(
            Column(
                across=f"{each * (number + 0.12):.2f}%",
                width=f"{each * 0.76:.2f}%",
                tail_down=round(HEIGHT - FOOT - tail, 1),
                tail_height=tail,
                median_down=round(HEIGHT - FOOT - middle, 1),
                median_height=middle,
                title=_title(called, spread),
            )
        )
    ticks = tuple(
        Tick(_tick(value), down=round(HEIGHT - FOOT - room * value / top, 1))
        for value in range(step, top + 1, step)
    )
    return ColumnChart(tuple(columns), ticks, _dates([day for day, _ in over_time], each))


def _dates(days: Sequence[date], each: float) -> tuple[DateLabel, ...]:
    """A few of them, spread over the width, the first and the last among them."""
    most = min(MOST_DATES, len(days))
    numbers = sorted({round(one * (len(days) - 1) / max(most - 1, 1)) for one in range(most)})
    labels = []
    for number in numbers:
        if number == 0:
            place = ("0%", "start")
        elif number == len(days) - 1:
            place = ("100%", "end")
        else:
            place = (f"{each * (number + 0.5):.2f}%", "middle")
        labels.append(DateLabel(*place, days[number]))
    return tuple(labels)


def _scale(spreads: Iterable[Spread]) -> tuple[int, int]:
    """How far the lines of the scale are from one another, and where it ends, in seconds."""
    highest = max(max(one.tail, one.median).total_seconds() for one in spreads)
    step = next((one for one in _STEPS if one * MOST_TICKS >= highest), _STEPS[-1])
    return step, max(ceil(highest / step), 1) * step


def _tick(seconds: int) -> str:
    return in_words(timedelta(seconds=seconds)) if seconds else "0"


def _title(label: str, spread: Spread) -> str:
    return (
        f"{label}: half within {in_words(spread.median)}, nine in ten within "
        f"{in_words(spread.tail)}, of {spread.count}"
    )


def _percent(part: float) -> str:
    return f"{max(100 * part, LEAST_PERCENT):.2f}%"


def _pixels(span: timedelta, top: int, room: int) -> float:
    return round(max(room * span.total_seconds() / top, LEAST_PIXELS), 1)


def _shortened(label: str) -> str:
    if len(label) <= LONGEST_LABEL:
        return label
    head = LONGEST_LABEL // 2
    return f"{label[:head]}{ELLIPSIS}{label[head + 1 - LONGEST_LABEL :]}"

"""The waits as CSV, for a spreadsheet: which must not take any of it for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from approvals.rota.measures import Measure, Row, Waited, names_of

_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_VERSIONS = (
    *("registry", "package", "version", "dist-tag", "state", "found at"),
    *("first looked at", "by", "decided at", "by", "live at"),
    *("seconds to first look", "seconds to decision", "seconds to live"),
)


def versions_as_csv(waits: Sequence[Waited]) -> str:
    """A line for each version."""
    names = names_of(waits)
    return _as_csv(
        _VERSIONS,
        (
            (
                *(
                    one.registry,
                    one.package,
                    one.version,
                    one.tag,
                    one.state,
                    _moment(one.found_at),
                ),
                *(_moment(one.looked_at), names.get(one.looked_by or 0, "")),
                *(_moment(one.decided_at), names.get(one.decided_by or 0, "")),
                _moment(one.live_at),
                *(_seconds(one.until(measure)) for measure in Measure),
            )
            for one in waits
        ),
    )


def rows_as_csv(what: str, rows: Iterable[Row]) -> str:
    """A line for each package or team; `what` says which."""
    header = [what, "versions"]
    for words in ("first look", "decision", "live"):
        header += [f"{words}: versions", f"{words}: median seconds", f"{words}: 90 % seconds"]
    lines = []
    for row in rows:
        line: list[str | int] = [row.label, row.versions]
        for measure in Measure:
            spread = row.spread(measure)
            line += (
                [spread.count, _seconds(spread.median), _seconds(spread.tail)]
                if spread
                else [0, "", ""]
            )
        lines.append(line)
    return _as_csv(header, lines)


def harmless(value: str | int) -> str | int:
    """The cell, with an apostrophe before what a spreadsheet would compute."""
    if isinstance(value, int):
        return value
    text = value.replace("\0", "")
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULAS) else text


def _as_csv(header: Sequence[str], lines: Iterable[Sequence[str | int]]) -> str:
    made = io.StringIO()
    writer = csv.writer(made, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in line] for line in lines)
    return made.getvalue()


def _moment(value: datetime | None) -> str:
    return "" if value is None else value.isoformat(timespec="seconds")


def _seconds(span: timedelta | None) -> str | int:
    return "" if span is None else round(span.total_seconds())

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings as project

from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement, SettingRefused
from approvals.policy.times import (
    Calendar,
    Freeze,
    days_in_words,
    days_of,
    freeze_of,
    hours_in_words,
    hours_of,
    zone_of,
)
from approvals.policy.wanted import listed

MOST_HOURS = 10


class ReleaseTimes(Requirement):
    """It is a day and an hour at which versions may go out.

    In an emergency, two people break the glass: they let it out at another time, with a reason, and
    everybody is told.
    """

    key = "release_times"
    title = "Release times"
    words = (
        "It is a day and an hour at which versions may go out, and no freeze. In an emergency, two "
        "people can let one out at another time with a reason, and everybody is told."
    )
    options = (
        Option("zone", "Time zone", "text", "As Europe/Berlin, or UTC.", initial="UTC"),
        Option("days", "Days", "text", "As “Mon-Thu”; empty: every day.", initial="Mon-Thu"),
        Option(
            "hours",
            "Hours",
            "lines",
            "One span a line, as 09:00-16:00; empty: all day.",
            initial="09:00-16:00",
        ),
        Option(
            "freezes",
            "Freezes",
            "lines",
            "One a line, first and last day and why: “2026-12-20 to 2027-01-02 Christmas”.",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        zone = zone_of(typed.text_of(given, "zone") or project.TIME_ZONE, "zone")
        days = typed.text_of(given, "days")
        hours = typed.lines_of(given, "hours", most=MOST_HOURS)
        freezes = typed.lines_of(given, "freezes")
        if not (days or hours or freezes):
            raise SettingRefused("days", "Write days, hours or a freeze: these allow any time.")
        found = [freeze_of(line, "freezes") for line in freezes]
        return {
            "zone": zone,
            "days": days_of(days, "days") if days else list(range(7)),
            "hours": sorted({tuple(hours_of(line, "hours")) for line in hours}),
            "freezes": sorted(found, key=lambda one: (one["first"], one["last"], one["why"])),
        }

    def as_typed(self) -> dict[str, str]:
        calendar = self._calendar
        return {
            "zone": calendar.zone.key,
            "days": days_in_words(calendar.days),
            "hours": "\n".join(map(hours_in_words, self.settings["hours"])),
            "freezes": "\n".join(map(str, calendar.freezes)),
        }

    def demand(self) -> str:
        calendar = self._calendar
        days = "every day" if calendar.is_every_day else days_in_words(calendar.days)
        hours = [hours_in_words(one) for one in self.settings["hours"]]
        freezes = f"; not {listed([str(one) for one in calendar.freezes], 'nor')}"
        return (
            f"Goes out {days}{', ' if hours else ''}{listed(hours, 'and')} "
            f"({calendar.zone.key}){freezes if calendar.freezes else ''}."
        )

    @property
    def _calendar(self) -> Calendar:
        return Calendar(
            zone=ZoneInfo(self.settings["zone"]),
            days=tuple(self.settings["days"]),
            hours=tuple((begin, end) for begin, end in self.settings["hours"]) or Calendar.hours,
            freezes=tuple(Freeze.from_json(row) for row in self.settings["freezes"]),
        )

    def look(self, case: Case) -> Answer:
        calendar = self._calendar
        if calendar.is_open(case.at):
            return self.satisfied("Versions may go out at this time.", at=calendar.closes(case.at))
        freeze = calendar.freeze_at(case.at)
        why = f": {freeze.why}" if freeze and freeze.why else ""
        sentence = (
            f"Nothing goes out until {freeze.last}{why}."
            if freeze
            else "Nothing goes out at this time."
        )
        glass = case.glass
        if glass is not None and glass.is_broken:
            return self.satisfied(
                f"{sentence} {glass.by_name} and {glass.seconded_by} let it out all the same: "
                f"“{glass.reason}”."
            )
        opens = calendar.opens(case.at)
        if glass is not None:
            return self.not_yet(
                f"{sentence} {glass.by_name} wants to let it out all the same: “{glass.reason}”.",
                "A second person agrees, or it waits.",
                asks=frozenset(one.key for one in case.deciders if one.key != glass.by),
                at=opens,
                may_break_glass=True,
            )
        if opens is None:
            return self.blocked(
                f"{sentence} By the release times that are set, nothing goes out later either.",
                "A release manager changes the policy.",
                may_break_glass=True,
            )
        return self.not_yet(
            f"{sentence} It can from {_moment(opens, calendar.zone)} on.",
            "It waits until then; in an emergency, two people can let it out earlier.",
            at=opens,
            may_break_glass=True,
        )


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%A, %Y-%m-%d %H:%M} ({zone.key})"

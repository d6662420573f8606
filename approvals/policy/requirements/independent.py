from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement, SettingRefused
from approvals.policy.wanted import listed
from approvals.provenance.words import named

MOST_NAMED = 5


class Independent(Requirement):
    """Whoever approves is somebody else than who staged it, and than who started the build.

    Whom the provenance names as having started it is written there by the build itself: it is
    believed only in that this person's approval does not count.
    """

    key = "independent"
    title = "Second pair of eyes"
    words = (
        "Approvals are by other people than who staged the version, and than whom its provenance "
        "names as having started the build."
    )
    options = (
        Option("stager", "Not by the person who staged it", "flag", initial="yes"),
        Option(
            "triggerer",
            "Not by whom the provenance says triggered the build",
            "flag",
            "Where it says so: GitLab's does, and GitHub's as npm makes it does not.",
            initial="yes",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        found = {name: typed.flag_of(given, name) for name in ("stager", "triggerer")}
        if not any(found.values()):
            raise SettingRefused("stager", "Tick at least one of the two, or leave this out.")
        return found

    def as_typed(self) -> dict[str, str]:
        return {name: typed.flag(bool(self.settings[name])) for name in ("stager", "triggerer")}

    def demand(self) -> str:
        who = [
            words
            for name, words in (
                ("stager", "by who staged it"),
                ("triggerer", "by whom the provenance says triggered the build"),
            )
            if self.settings[name]
        ]
        return f"Not approved {listed(who, 'nor')}."

    def not_counted(self, case: Case) -> frozenset[int]:
        nobody: frozenset[int] = frozenset()
        stagers = case.stagers if self.settings["stager"] else nobody
        triggerers = case.triggerers if self.settings["triggerer"] else nobody
        return stagers | triggerers

    def look(self, case: Case) -> Answer:
        voter = case.voter
        if self.settings["stager"] and voter and voter.key in case.stagers:
            return self.blocked(f"{voter.name} staged it.", "Somebody else approves it.")
        if self.settings["triggerer"]:
            if case.provenance is None or case.provenance.provenance is None:
                return self.not_yet(
                    "It is not known yet who triggered the build: its provenance has not been "
                    "looked up.",
                    "Countersign does this by itself.",
                )
            if voter and voter.key in case.triggerers:
                return self.blocked(
                    f"{voter.name} triggered the build, as its provenance says.",
                    "Somebody else approves it.",
                )
        said = [self._stager(case)] if self.settings["stager"] else []
        said += [self._triggerer(case)] if self.settings["triggerer"] else []
        return self.satisfied(" ".join(said))

    def _stager(self, case: Case) -> str:
        actor = named(case.version.actor)
        if not actor:
            return "The registry does not say who staged it."
        if people := _names(case, case.stagers):
            return f"{people} staged it, and does not count."
        if case.stagers:
            return f"{actor} staged it, who may not approve it."
        return f"{actor} staged it, which is nobody's linked account here."

    def _triggerer(self, case: Case) -> str:
        if people := _names(case, case.triggerers):
            return f"{people} triggered the build, and does not count."
        now = case.provenance.now if case.provenance else None
        if now is None:
            return "No provenance says who triggered the build."
        names = now.build.triggered_by.split()
        if not names:
            return "Its provenance does not say who triggered the build."
        shown = listed([named(one) for one in names[:MOST_NAMED]], "or")
        if case.triggerers:
            return f"{shown} triggered the build, who may not approve it."
        return f"{shown} triggered the build, which is nobody's account here."


def _names(case: Case, keys: frozenset[int]) -> str:
    return listed([one.name for one in case.deciders if one.key in keys], "and")

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from approvals.inspection.text import clean
from approvals.people.scopes import MOST_STARS
from approvals.policy import typed
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Option, Requirement, SettingRefused
from approvals.policy.wanted import listed
from approvals.provenance.refs import matches
from approvals.provenance.words import named

LONGEST_TAG = 100
_TAG = re.compile(r"[A-Za-z0-9*!'()._~/@+-]+")


class DistTags(Requirement):
    """The version has a dist-tag that may be used."""

    key = "dist_tags"
    title = "Dist-tag"
    words = "The version is staged for a dist-tag that may be used."
    options = (
        Option(
            "tags",
            "These may be used",
            "lines",
            "One a line; * stands for any characters, as in next-*.",
            initial="latest",
        ),
    )

    @classmethod
    def checked(cls, given: Mapping[str, str]) -> dict[str, Any]:
        lines = typed.lines_of(given, "tags")
        if not lines:
            raise SettingRefused("tags", "Write at least one dist-tag, such as latest.")
        for one in lines:
            if len(one) > LONGEST_TAG or not _TAG.fullmatch(one):
                raise SettingRefused(
                    "tags",
                    f"“{one[:40]}” is no dist-tag. Write one a line, such as latest or next-*.",
                )
            if one.count("*") > MOST_STARS:
                raise SettingRefused("tags", f"“{one[:40]}” has more than {MOST_STARS} stars.")
        return {"tags": list(dict.fromkeys(lines))}

    def as_typed(self) -> dict[str, str]:
        return {"tags": "\n".join(self._tags)}

    def demand(self) -> str:
        return f"Staged for the dist-tag {listed(self._tags, 'or')}."

    @property
    def _tags(self) -> list[str]:
        return [str(one) for one in list(self.settings["tags"])]

    def look(self, case: Case) -> Answer:
        tags, tag = self._tags, clean(case.version.tag)
        if any(matches(one, tag) for one in tags):
            return self.satisfied(f"The dist-tag {named(tag)} may be used.")
        return self.blocked(
            f"The dist-tag {named(tag) or 'that it has'} may not be used: only {_first(tags)}.",
            "Have it rejected and staged again with another dist-tag.",
        )


def _first(tags: list[str]) -> str:
    """Those that fit into a sentence."""
    shown = tags[:5]
    others = f" and {len(tags) - len(shown)} more" if len(tags) > len(shown) else ""
    return f"{', '.join(shown)}{others}" if others else listed(shown, "or")

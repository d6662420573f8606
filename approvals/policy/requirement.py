"""What a requirement is: one small class in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from approvals.policy.answers import Answer, Outcome
from approvals.policy.case import Approval, Case

CANNOT_BE_READ = (
    "Its settings cannot be read: another version of Countersign wrote them. Have a release "
    "manager set the policy again."
)
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""What reading settings of another shape raises."""


class SettingRefused(Exception):
    """What was typed for an option is of no use; the text says why, and what to write."""

    def __init__(self, option: str, words: str) -> None:
        super().__init__(words)
        self.option = option


@dataclass(frozen=True)
class Option:
    """One thing that whoever writes a policy can say about a requirement, typed as text.

    A "flag" is "yes" or ""; "lines" is one thing a line; "choice" is one of `choices`.
    """

    name: str
    label: str
    kind: Literal["number", "text", "lines", "choice", "flag"]
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    initial: str = ""


class Requirement:
    """One thing that must hold before a staged version may be approved.

    In force where a policy has settings for it, or everywhere if `is_always_in_force`. Settings are
    JSON, made by `checked`, and only ever read here.

    Another version of Countersign may have made them: where `look`, `not_counted` or `voids` cannot
    read them and raises, `evaluate` answers that the requirement is blocked.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    # For the policy's page: what it is for.
    words: ClassVar[str] = ""
    options: ClassVar[tuple[Option, ...]] = ()
    is_always_in_force: ClassVar[bool] = False
    holds_for_rejecting: ClassVar[bool] = False

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = dict(settings or {})

    @classmethod
    def checked(cls, typed: Mapping[str, str]) -> dict[str, Any]:
        """The settings that these texts mean, by option. Raises SettingRefused."""
        return {}

    def typed(self) -> dict[str, str]:
        """The settings as one would type them: what `checked` makes the same settings of.

        Nothing where another version of Countersign wrote them and this one cannot read them.
        """
        try:
            return self.as_typed()
        except UNREADABLE:
            return {}

    def in_words(self) -> str:
        """What it demands, in a sentence, for the policy's page and the audit log."""
        try:
            return self.demand()
        except UNREADABLE:
            return f"{self.title}: {CANNOT_BE_READ[0].lower()}{CANNOT_BE_READ[1:]}"

    def names(self) -> frozenset[str]:
        """The teams that the settings name, and people with an @ before their user name."""
        try:
            return self.named()
        except UNREADABLE:
            return frozenset()

    # What the three above are made of: they may take for granted that `checked` made the settings.

    def as_typed(self) -> dict[str, str]:
        return {}

    def demand(self) -> str:
        return self.title

    def named(self) -> frozenset[str]:
        return frozenset()

    def look(self, case: Case) -> Answer:
        raise NotImplementedError

    def not_counted(self, case: Case) -> frozenset[int]:
        """The people whose approval of this version does not count."""
        return frozenset()

    def voids(self, approval: Approval, case: Case) -> str:
        """Why this approval is void by now, in a sentence; "" where it stands."""
        return ""

    def progress(self, case: Case) -> tuple[int, int] | None:
        """How many approvals there are, and how many are wanted; None if it wants none."""
        return None

    def satisfied(self, sentence: str, **more: Any) -> Answer:
        return Answer(self.key, self.title, Outcome.SATISFIED, sentence, **more)

    def not_yet(self, sentence: str, next_step: str, **more: Any) -> Answer:
        return Answer(self.key, self.title, Outcome.NOT_YET, sentence, next_step, **more)

    def blocked(self, sentence: str, next_step: str = "", **more: Any) -> Answer:
        return Answer(self.key, self.title, Outcome.BLOCKED, sentence, next_step, **more)

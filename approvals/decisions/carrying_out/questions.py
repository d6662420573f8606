"""What a registry asks while a decision is carried out, in words, and what its person can do."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from approvals.decisions.carrying_out.outcomes import question_binding
from approvals.decisions.models import Decision, DecisionItem, ItemState
from approvals.sealing import SealBroken, unseal
from registry_client.answers import check_proof_url

Wanted = Literal["", "code", "touch", "new link"]


@dataclass(frozen=True)
class Progress:
    """How far the versions of one decision have come."""

    done: int
    failed: int
    total: int
    # Of what has not failed by itself, but was not tried.
    held: int = 0

    @property
    def open(self) -> int:
        return self.total - self.done - self.left

    @property
    def left(self) -> int:
        """How many were not carried out, and wait in the queue again."""
        return self.failed + self.held

    def __str__(self) -> str:
        words = f"{self.done} of {self.total} done"
        words += f", {self.failed} failed" if self.failed else ""
        return words + (f", {self.held} held" if self.held else "")


def progress_of(decision: Decision) -> Progress:
    """One query."""
    states = Counter(decision.items.values_list("state", flat=True))
    return Progress(
        states[ItemState.DONE],
        states[ItemState.FAILED],
        states.total(),
        states[ItemState.HELD],
    )


def asking_item(decision: Decision) -> DecisionItem | None:
    """The item at which the registry asks its person something, for all of the decision."""
    return (
        decision.items.filter(state=ItemState.ASKING)
        .select_related("staged_version__registry", "staged_version__package")
        .first()
    )


def wanted(item: DecisionItem) -> Wanted:
    """What the person can do now: type a code, confirm at `link_of`, or have a new link made."""
    if item.state != ItemState.ASKING:
        return ""
    if not item.auth_url:
        return "code"
    return "touch" if link_of(item) else "new link"


def link_of(item: DecisionItem) -> str:
    """The registry's page to confirm on; "" where there is none that anybody should open now.

    Looked at anew each time: it may have expired, what is allowed may have changed since, and
    whoever can write to the database must not lead anybody elsewhere.
    """
    registry = item.staged_version.registry
    if item.state != ItemState.ASKING or not item.auth_url or not item.sealed_done_url:
        return ""
    try:
        unseal(item.sealed_done_url, bound_to=question_binding(item, item.auth_url))
        check_proof_url(item.auth_url, urlsplit(registry.url), registry.proof_hosts.lower().split())
    except (SealBroken, ValueError):
        return ""
    return item.auth_url


def for_a_code(item: DecisionItem, *, again: bool = False) -> str:
    """Asks for a code; `again` where an earlier one of this decision has served its time."""
    registry = item.staged_version.registry.name
    if again:
        return with_progress(item, f"{registry} wants a new code.")
    return with_progress(item, f"{registry} asks for the one-time code of your account there.")


def for_a_touch(item: DecisionItem) -> str:
    registry = item.staged_version.registry.name
    return with_progress(item, f"{registry} wants you to confirm on its own page.")


def for_a_new_link(item: DecisionItem) -> str:
    registry = item.staged_version.registry.name
    return with_progress(
        item, f"{registry}'s link has expired. Start again when you are ready to confirm."
    )


def with_progress(item: DecisionItem, sentence: str) -> str:
    """The sentence, after how far the decision has come if that is anywhere."""
    progress = progress_of(item.decision)
    if progress.total == 1 or not progress.done:
        return sentence
    return f"{progress}; {sentence}"

"""The states of a staged version and what is required on the way, drawn from the code itself."""

from __future__ import annotations

from collections.abc import Iterator

from approvals.policy.requirement import Requirement
from approvals.policy.requirements import kinds
from approvals.queue.models import State
from approvals.queue.transitions import ALLOWED


def diagram() -> str:
    """Markdown: a Mermaid diagram of the states, and a table of the requirements."""
    return "\n".join([*_states(), "", *_requirements()])


def _states() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.STAGED}"
    for state, following in ALLOWED.items():
        for one in State:
            if one in following:
                yield f"    {state} --> {one}{_label(state, one)}"
        if not following:
            yield f"    {state} --> [*]"
    yield "```"


def _label(state: State, following: State) -> str:
    if state is not State.STAGED:
        return ""
    if following is State.APPROVING:
        return ": all requirements hold"
    if following is State.REJECTING:
        return f": {', '.join(key for key, kind in kinds().items() if kind.holds_for_rejecting)}"
    return ""


def _requirements() -> Iterator[str]:
    yield "| requirement | in force | what must hold |"
    yield "| --- | --- | --- |"
    for key, kind in kinds().items():
        where = "always" if kind.is_always_in_force else "where a policy says so"
        yield f"| `{key}` | {where} | {_words(kind)} |"


def _words(kind: type[Requirement]) -> str:
    return " ".join((kind.words or (kind.__doc__ or "")).split()).replace("|", "\\|")

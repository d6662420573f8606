"""What the policy wants of a version, as its pages show it: how each requirement stands, who can do
something about it, and what people have said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from approvals.decisions.judging.checklist import Checklist
from approvals.decisions.models import ChangeRequest, Override, Vote
from approvals.decisions.talking.change_requests import open_requests
from approvals.decisions.voting.votes import genuine_votes
from approvals.people.deciders import Decider
from approvals.people.models import User
from approvals.policy.answers import Answer, Outcome
from approvals.policy.evaluate import counting, progress, void_reason
from approvals.queue.models import StagedVersion

# So many names stand in a line; the others are counted.
NAMES_IN_A_LINE = 2
TONES = {Outcome.SATISFIED: "ok", Outcome.NOT_YET: "warn", Outcome.BLOCKED: "bad"}
SIGNS = {Outcome.SATISFIED: "✓", Outcome.NOT_YET: "…", Outcome.BLOCKED: "✕"}
NOT_ALLOWED = "does not count: they may not decide this any more"
# A row that no proof of presence belongs to says nothing of the person whom it names.
NOT_CAST = "does not count: it was not given here, or not for what is staged now"
WORDS = {Outcome.SATISFIED: "Holds", Outcome.NOT_YET: "Not yet", Outcome.BLOCKED: "Blocked"}


@dataclass(frozen=True)
class Line:
    """One requirement with how it stands, and who can do something about it, in words."""

    answer: Answer
    who: str = ""
    is_for_me: bool = False

    @property
    def tone(self) -> str:
        return TONES[self.answer.outcome]

    @property
    def sign(self) -> str:
        return SIGNS[self.answer.outcome]

    @property
    def word(self) -> str:
        return WORDS[self.answer.outcome]


@dataclass(frozen=True)
class Wants:
    """All that the policy wants of one version: what does not hold, and what does."""

    checklist: Checklist
    unmet: Sequence[Line]
    settled: Sequence[Line]

    @property
    def summary(self) -> str:
        """How it stands in a few words."""
        total = len(self.unmet) + len(self.settled)
        if not self.unmet:
            return "All of it holds"
        return f"{len(self.settled)} of {total} hold"

    @property
    def settled_titles(self) -> str:
        return ", ".join(line.answer.title for line in self.settled)


def wants_of(checklist: Checklist, user: User, others: Mapping[int, str]) -> Wants:
    """The checklist as `user` reads it. `others` are names of people who may not decide, by key."""
    names = {one.key: one.name for one in checklist.case.deciders}
    lines = [_line(answer, user, {**others, **names}) for answer in checklist.answers]
    return Wants(
        checklist,
        # What can never hold by waiting stands first.
        sorted(
            (one for one in lines if not one.answer.holds),
            key=lambda one: one.answer.outcome is not Outcome.BLOCKED,
        ),
        [one for one in lines if one.answer.holds],
    )


def others_asked(checklists: Collection[Checklist]) -> dict[int, str]:
    """The names of those whom requirements ask, and who may not decide; at most one query."""
    asked = {
        key
        for one in checklists
        for answer in one.answers
        for key in answer.asks - {decider.key for decider in one.case.deciders}
    }
    if not asked:
        return {}
    return {user.pk: str(user) for user in User.objects.filter(pk__in=asked, is_active=True)}


def decider_in(checklist: Checklist, user: User) -> Decider | None:
    """This person as one who may decide the version; None for who may not."""
    return next((one for one in checklist.case.deciders if one.key == user.pk), None)


def is_last(checklists: Collection[Checklist]) -> bool:
    """Whether nobody else needs to approve; the checklists are those of whoever approves."""
    return not any(answer.is_about_approvals for one in checklists for answer in one.unmet)


def approvals_in(checklist: Checklist) -> tuple[int, int]:
    """How many approvals count, and how many are wanted."""
    return progress(checklist.case, checklist.policy)


def counts_for(before: Checklist, voted: Checklist) -> bool:
    """Whether an approval brings it closer: `voted` is the checklist once it is given."""
    return is_last([voted]) or approvals_in(voted)[0] > approvals_in(before)[0]


def _line(answer: Answer, user: User, names: Mapping[int, str]) -> Line:
    if answer.holds:
        return Line(answer)
    known = answer.asks & names.keys()
    return Line(
        answer,
        who=in_words([names[key] for key in known if key != user.pk], with_me=user.pk in known),
        is_for_me=user.pk in known,
    )


def in_words(names: Collection[str], *, with_me: bool = False) -> str:
    """ "you, Ada and 3 more": a few names, and how many others there are."""
    shown = [*(["you"] if with_me else []), *sorted(names, key=str.casefold)]
    if not shown:
        return ""
    more = len(shown) - NAMES_IN_A_LINE
    parts = shown[:NAMES_IN_A_LINE] if more > 1 else shown
    if more > 1:
        parts = [*parts, f"{more} more"]
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


@dataclass(frozen=True)
class CastVote:
    """One vote, and what became of it; `counts` while it is worth something."""

    vote: Vote
    counts: bool
    words: str
    is_mine: bool

    @property
    def stands(self) -> bool:
        """Neither withdrawn nor void nor spent."""
        vote = self.vote
        return not (vote.withdrawn_at or vote.voided_at or vote.decision_id)


def votes_of(
    staged_version: StagedVersion, user: User, checklist: Checklist | None
) -> list[CastVote]:
    """All approvals that were ever given to it, oldest first. One query, mostly."""
    rows = Vote.objects.filter(staged_version=staged_version).select_related("user")
    approvals = {one.vote: one for one in checklist.case.approvals} if checklist else {}
    counted = (
        {one.vote for one in counting(checklist.case, checklist.policy)} if checklist else set()
    )
    found = []
    cast: set[int] | None = None
    for vote in rows.order_by("cast_at", "pk"):
        words = ""
        if vote.withdrawn_at:
            words = "withdrawn"
        elif vote.voided_at:
            words = f"void: {vote.void_reason}"
        elif vote.decision_id:
            words = "the last one that was needed"
        elif checklist and vote.pk not in approvals:
            if cast is None:
                genuine = genuine_votes([staged_version])
                cast = {one.pk for one in genuine.get(staged_version.pk, [])}
            words = NOT_ALLOWED if vote.pk in cast else NOT_CAST
        elif checklist and vote.pk not in counted:
            reason = void_reason(approvals[vote.pk], checklist.case, checklist.policy)
            words = f"does not count: {reason or 'the policy counts other people here'}"
        found.append(CastVote(vote, vote.pk in counted, words, vote.user_id == user.pk))
    return found


@dataclass(frozen=True)
class Passed:
    """What somebody let pass; `counts` while it lets the version out, and when it has."""

    override: Override
    counts: bool = True


def overrides_of(staged_version: StagedVersion, checklist: Checklist | None) -> list[Passed]:
    """All that was ever let pass, oldest first. One query."""
    rows = Override.objects.filter(staged_version=staged_version).select_related("user")
    good = (
        {(one.requirement, one.reason, one.evidence) for one in checklist.case.overridden}
        if checklist
        else None
    )
    return [
        Passed(
            one,
            good is None or (one.requirement, one.reason, frozenset(one.evidence)) in good,
        )
        for one in rows.order_by("at", "pk")
    ]


def said_of(staged_version: StagedVersion) -> dict[str, Any]:
    """Who wants changes, or wanted them: kept, and shown for ever."""
    requests = ChangeRequest.objects.filter(staged_version=staged_version, lifted_at__isnull=False)
    holding = open_requests([staged_version])[staged_version.pk]
    keys = {one.pk for one in holding}
    let_go = requests.select_related("user", "lifted_by").order_by("at", "pk")
    return {
        "open_requests": holding,
        "lifted_requests": [one for one in let_go if one.pk not in keys],
    }

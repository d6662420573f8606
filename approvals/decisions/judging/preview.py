"""What policies would have said of the last versions, before anybody sets them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from django.utils import timezone

from approvals.decisions.judging.cases import cases_of
from approvals.decisions.models import Action, DecisionItem, Vote
from approvals.people.deciders import Decider, as_deciders
from approvals.people.models import User
from approvals.people.scopes import Reach, packages_within
from approvals.policy.answers import Answer
from approvals.policy.book import Book, Policy
from approvals.policy.case import Approval, Case
from approvals.policy.evaluate import answers_of, unmet
from approvals.queue.models import StagedVersion, State

LIMIT = 50
# Stands for the mark of whatever policy is asked: these approvals were given under it.
_THEN = "then"
_WENT_OUT = frozenset({State.LIVE, State.ACCEPTED, State.APPROVING, State.PUBLISHED_ELSEWHERE})


class Difference(Enum):
    """What the policies as they would be make of what they are."""

    STOPPED = "stopped"
    LET_THROUGH = "let through"
    OTHERWISE = "otherwise"
    NONE = "none"


@dataclass(frozen=True)
class Told:
    """What both say of one version: what does not hold, by the policy of now and by the other."""

    version: StagedVersion
    # When it was judged: as it was decided, or now.
    at: datetime
    policy_before: Policy
    policy_after: Policy
    before: tuple[Answer, ...]
    after: tuple[Answer, ...]

    @property
    def went_out(self) -> bool:
        return self.version.state in _WENT_OUT

    @property
    def waits(self) -> bool:
        return self.version.state == State.STAGED

    @property
    def difference(self) -> Difference:
        if self.after and not self.before:
            return Difference.STOPPED
        if self.before and not self.after:
            return Difference.LET_THROUGH
        old = {(one.requirement, one.sentence) for one in self.before}
        new = {(one.requirement, one.sentence) for one in self.after}
        return Difference.NONE if old == new else Difference.OTHERWISE


@dataclass(frozen=True)
class Preview:
    """The last versions for which the changed policies are, newest first."""

    told: tuple[Told, ...]

    def number(self, difference: Difference) -> int:
        return sum(one.difference is difference for one in self.told)

    @property
    def stopped(self) -> int:
        return self.number(Difference.STOPPED)

    @property
    def let_through(self) -> int:
        return self.number(Difference.LET_THROUGH)

    @property
    def otherwise(self) -> int:
        return self.number(Difference.OTHERWISE)

    @property
    def same(self) -> int:
        return self.number(Difference.NONE)


def would_have_said(
    user: User, before: Sequence[Policy], after: Sequence[Policy], *, limit: int = LIMIT
) -> Preview:
    """What the policies `after` would have said, and what those `before` do.

    Of the last versions that the person may see and that a policy covers which is not in both, each
    as it was when it was decided, with the votes it had; or as it is now. What is not written down
    with its time, such as who is in a team, is taken as it is now. In constant queries.
    """
    old, new = Book(policies=tuple(before)), Book(policies=tuple(after))
    rows = _rows(user, _changed(old.policies, new.policies), limit)
    moments, voters = _moments(rows), _voters(rows)
    # As if each still waited: that it was decided meanwhile is no reason why not.
    cases = cases_of([_as_if_staged(row) for row in rows], old)
    told = []
    for row in rows:
        case = replace(cases[row.pk], at=moments[row.pk])
        if row.state != State.STAGED:
            case = _as_it_was(case, voters[row.pk])
        policy, other = (one.policy_for(row.registry.url, row.package.name) for one in (old, new))
        unmet_before, unmet_after = _unmet(case, policy), _unmet(case, other)
        told.append(Told(row, case.at, policy, other, unmet_before, unmet_after))
    return Preview(tuple(told))


def _unmet(case: Case, policy: Policy) -> tuple[Answer, ...]:
    approvals = tuple(
        replace(one, policy=policy.mark) if one.policy == _THEN else one for one in case.approvals
    )
    return tuple(unmet(answers_of(replace(case, approvals=approvals, policy=policy.mark), policy)))


def _changed(before: Sequence[Policy], after: Sequence[Policy]) -> list[Policy]:
    """Those that are in one of them only; where there are none, those at another place."""
    others = [one for one in before if one not in after]
    others += [one for one in after if one not in before]
    return others or [one for one, other in zip(before, after, strict=True) if one != other]


def _rows(user: User, changed: Sequence[Policy], limit: int) -> list[StagedVersion]:
    reaches = [Reach(one.registry_url, one.packages) for one in changed]
    rows = (
        StagedVersion.objects.visible_to(user)
        .filter(packages_within(reaches, name="package__name", registry_url="registry__url"))
        .with_package()
    )
    return list(rows.order_by("-created_at", "-pk")[:limit])


def _as_if_staged(row: StagedVersion) -> StagedVersion:
    other = copy.copy(row)
    other.state = State.STAGED
    return other


def _moments(rows: Sequence[StagedVersion]) -> dict[int, datetime]:
    """When each was decided, or else went; now for what waits."""
    now = timezone.now()
    moments = {row.pk: now if row.state == State.STAGED else row.state_changed_at for row in rows}
    items = DecisionItem.objects.filter(
        staged_version__in=[row.pk for row in rows if row.state != State.STAGED]
    )
    for item in items.select_related("decision").order_by("decision__made_at"):
        moments[item.staged_version_id] = item.decision.made_at
    return moments


def _voters(rows: Sequence[StagedVersion]) -> dict[int, list[tuple[Decider, datetime]]]:
    """Who approved what does not wait any more, and when: each person once, oldest first."""
    decided = [row.pk for row in rows if row.state != State.STAGED]
    given: dict[int, dict[int, datetime]] = defaultdict(dict)
    votes = Vote.objects.filter(
        staged_version__in=decided, withdrawn_at__isnull=True, voided_at__isnull=True
    )
    for vote in votes.order_by("cast_at", "pk"):
        given[vote.staged_version_id].setdefault(vote.user_id, vote.cast_at)
    # Who has decided has approved, also where it was before approvals were votes.
    items = DecisionItem.objects.filter(staged_version__in=decided, decision__action=Action.APPROVE)
    for item in items.select_related("decision").order_by("decision__made_at"):
        decision = item.decision
        given[item.staged_version_id].setdefault(decision.user_id, decision.made_at)
    people = as_deciders(key for voters in given.values() for key in voters)
    return {
        row.pk: [(people[key], at) for key, at in given[row.pk].items() if key in people]
        for row in rows
    }


def _as_it_was(case: Case, voters: Sequence[tuple[Decider, datetime]]) -> Case:
    """The case with the approvals that counted then, by people who may have left since."""
    there = {one.key for one in case.deciders}
    left = tuple(one for one, _ in voters if one.key not in there)
    return replace(
        case,
        deciders=(*case.deciders, *left),
        approvals=tuple(
            Approval(one, at, None, case.baseline_version, _THEN, case.fingerprints)
            for one, at in voters
        ),
        wanted_changes=(),
    )

"""Gathering what policies judge staged versions by: of many in as many queries as of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from approvals.decisions.emergency.sealed_glass import genuine_glass
from approvals.decisions.models import BrokenGlass, Vote
from approvals.decisions.talking.change_requests import open_requests
from approvals.decisions.voting.overriding import genuine_overrides
from approvals.decisions.voting.votes import genuine_votes
from approvals.inspection.models import InspectionRequest
from approvals.inspection.standing import StandingFinding, findings_of_several
from approvals.people.deciders import Decider, deciders
from approvals.people.named_elsewhere import Names, linked_ever
from approvals.people.teams import members_of_teams
from approvals.policy.book import Book
from approvals.policy.case import Approval, Case, Glass, Overridden, WantedChanges
from approvals.provenance.case import Case as ProvenanceCase
from approvals.provenance.case import cases_of as provenance_cases_of
from approvals.provenance.models import ProvenanceCheck
from approvals.queue.models import StagedVersion
from registry_client.versions import version_step


def cases_of(
    staged_versions: Sequence[StagedVersion],
    book: Book,
    *,
    action: str = "approve",
    at: datetime | None = None,
    findings: Mapping[int, Sequence[StandingFinding]] | None = None,
) -> dict[int, Case]:
    """The case of each, by key. They must have been read with package and registry.

    `findings` are theirs, for whoever has read them.
    """
    everybody = {one.key: one for one in deciders()}
    found = findings_of_several(staged_versions) if findings is None else findings
    requests = _requests(staged_versions)
    provenance = _provenance(staged_versions)
    votes = genuine_votes(staged_versions)
    overrides, glass = genuine_overrides(staged_versions), genuine_glass(staged_versions)
    wanted = open_requests(staged_versions)
    stagers, triggerers = _stagers(staged_versions), _triggerers(provenance)
    teams = members_of_teams()
    cases = {}
    for row in staged_versions:
        url, name = row.registry.url, row.package.name
        may = {key: one for key, one in everybody.items() if one.may_decide(url, name)}
        request = requests.get(row.pk)
        baseline = _baseline(request)
        cases[row.pk] = Case(
            version=row,
            action=action,
            at=at or timezone.now(),
            request=request,
            step=version_step(baseline or None, row.version) if baseline is not None else "",
            baseline_version=baseline or "",
            findings=tuple(found[row.pk]),
            provenance=provenance.get(row.pk),
            approvals=tuple(
                _approval(vote, may[vote.user_id])
                for vote in votes.get(row.pk, ())
                if vote.user_id in may
            ),
            deciders=tuple(may.values()),
            stagers=stagers.get((url, row.actor), frozenset()),
            triggerers=triggerers.get(row.pk, frozenset()),
            overridden=tuple(
                Overridden(one.requirement, str(one.user), one.reason, frozenset(one.evidence))
                for one in overrides.get(row.pk, ())
                if one.user_id in may
            ),
            glass=_glass(glass.get(row.pk), may),
            wanted_changes=tuple(
                WantedChanges(one.user_id, str(one.user), one.reason, one.at)
                for one in wanted.get(row.pk, ())
            ),
            policy=book.policy_for(url, name).mark,
            teams=teams,
        )
    return cases


def _approval(vote: Vote, by: Decider) -> Approval:
    return Approval(
        by=by,
        at=vote.cast_at,
        vote=vote.pk,
        baseline_version=vote.baseline_version,
        policy=vote.policy,
        findings=frozenset(vote.findings),
    )


def _requests(rows: Sequence[StagedVersion]) -> dict[int, InspectionRequest]:
    """What is known of comparing each, without what was found: that is long."""
    found = (
        InspectionRequest.objects.filter(staged_version__in=[row.pk for row in rows])
        .select_related("inspection")
        .defer("inspection__summary", "inspection__findings")
    )
    return {one.staged_version_id: one for one in found}


def _baseline(request: InspectionRequest | None) -> str | None:
    """The version that it was compared with, "" for a first release; None while it was not."""
    is_done = request is not None and request.state == InspectionRequest.State.DONE
    return request.baseline_version if request and is_done else None


def _provenance(rows: Sequence[StagedVersion]) -> dict[int, ProvenanceCase]:
    checks = ProvenanceCheck.objects.filter(
        staged_version__in=[row.pk for row in rows]
    ).select_related("staged_version__package")
    return {check.staged_version_id: case for check, case in provenance_cases_of(checks)}


def _glass(one: BrokenGlass | None, may: Mapping[int, Decider]) -> Glass | None:
    """As far as those who broke it may still decide."""
    if one is None or one.user_id not in may:
        return None
    seconded = one.seconded_by if one.seconded_by_id in may else None
    return Glass(
        by=one.user_id,
        by_name=str(one.user),
        reason=one.reason,
        at=one.at,
        seconded_by=str(seconded) if seconded else "",
    )


def _stagers(rows: Sequence[StagedVersion]) -> dict[tuple[str, str], frozenset[int]]:
    """By registry address and actor, the people whose account there that is, or ever was."""
    wanted = {(row.registry.url, row.actor) for row in rows if row.actor}
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for url, name, key in linked_ever():
        if (url, name) in wanted:
            found[url, name].add(key)
    return {account: frozenset(keys) for account, keys in found.items()}


def _triggerers(provenance: Mapping[int, ProvenanceCase]) -> dict[int, frozenset[int]]:
    """By the key of the version, the people who may be meant by whom its provenance names."""
    builds = {key: case.now.build for key, case in provenance.items() if case.now is not None}
    named = {
        key: build for key, build in builds.items() if build.triggered_by or build.triggered_by_ids
    }
    if not named:
        return {}
    names = Names()
    return {
        key: names.people_at_github(build.triggered_by.split(), build.triggered_by_ids.split())
        if build.platform == "github"
        else names.people(build.triggered_by.split())
        for key, build in named.items()
    }

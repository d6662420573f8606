"""What a requirement says holds for who decides past the page, too: by a form of their own making,
from a page of before, and for whoever was a moment later."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.audit import chain
from approvals.decisions.deciding.decide import InTheWay, SawSomethingElse
from approvals.decisions.models import Action, Decision, Override, StepUp, Vote
from approvals.inspection.finding import Severity
from approvals.inspection.models import StagedFinding
from approvals.inspection.standing import write_findings
from approvals.queue.models import StagedVersion, State
from tests.approvals.decisions.conftest import Desk
from tests.approvals.demands import FREEZE, also, wanting
from tests.approvals.factories import (
    make_finding,
    make_policies,
    make_provenance,
    make_provenance_check,
)
from tests.approvals.seen import seen


def staged_by_ada(desk: Desk) -> None:
    StagedVersion.objects.filter(pk=desk.row.pk).update(actor="ada")


def triggered_by_ada(desk: Desk) -> None:
    made = make_provenance(desk.row, platform="gitlab", triggered_by="ADA")
    make_provenance_check(desk.row, made)


def found_long_ago(desk: Desk) -> None:
    long_ago = timezone.now() - timedelta(days=31)
    StagedVersion.objects.filter(pk=desk.row.pk).update(found_at=long_ago)


def without_provenance(desk: Desk) -> None:
    make_provenance_check(desk.row, make_provenance(desk.row, "", "missing"))


def built_elsewhere(desk: Desk) -> None:
    make_provenance_check(desk.row, make_provenance(desk.row))


def nothing(desk: Desk) -> None:
    pass


@dataclass(frozen=True)
class Demand:
    """What a policy demands, what is so, and what the refusal says."""

    settings: dict[str, Any]
    given: Callable[[Desk], None]
    words: str


DEMANDS = {
    "too few people": Demand(wanting("5 of anyone"), nothing, "only 2 can approve this version"),
    "a removed team": Demand(wanting("1 of gone"), nothing, "no team called “gone”"),
    "own version": Demand(also("independent", triggerer=""), staged_by_ada, "staged it."),
    "own build": Demand(also("independent"), triggered_by_ada, "ada triggered the build"),
    "no look yet": Demand(also("provenance"), nothing, "has not been looked up yet"),
    "no provenance": Demand(also("provenance"), without_provenance, "No provenance was found"),
    "nothing pinned": Demand(also("provenance", pinned="yes"), built_elsewhere, "has to be built"),
    "findings": Demand(also("findings"), nothing, "High: "),
    "too early": Demand(also("minimum_wait", wait="2 hours"), nothing, "in the queue for 2 hours"),
    "frozen": Demand(also("release_times", **FREEZE), nothing, "Nothing goes out until"),
    "a forbidden tag": Demand(also("dist_tags", tags="next"), nothing, "may not be used"),
    "too late": Demand(also("expiry", days="30"), found_long_ago, "may no longer be approved"),
}


@pytest.mark.parametrize("name", DEMANDS)
def test_a_form_of_ones_own_approves_nothing_that_is_in_the_way(name: str, desk: Desk) -> None:
    demand = DEMANDS[name]
    demand.given(desk)
    make_policies({**wanting("1 of anyone"), **demand.settings})
    with pytest.raises(InTheWay, match=demand.words):
        desk.decide()
    assert not Decision.objects.exists()
    assert not Vote.objects.exists()
    assert not StepUp.objects.filter(consumed_at__isnull=False).exists()
    # A reason overrides only what the policy says can be.
    with pytest.raises(InTheWay, match=demand.words):
        desk.decide(reason="It is urgent")
    assert not Override.objects.exists()
    row = StagedVersion.objects.get(pk=desk.row.pk)
    assert row.state == State.STAGED
    # Getting rid of it stays possible.
    assert desk.decide(action=Action.REJECT).action == Action.REJECT
    assert chain.verify().ok


@pytest.mark.parametrize("name", DEMANDS)
def test_a_page_from_before_the_policy_approves_nothing(name: str, desk: Desk) -> None:
    demand = DEMANDS[name]
    make_policies()
    before = seen(Action.APPROVE, [desk.row], desk.ada)
    make_policies({**wanting("1 of anyone"), **demand.settings})
    demand.given(desk)
    with pytest.raises((InTheWay, SawSomethingElse)):
        desk.decide(seen=before)
    assert not Decision.objects.exists()
    assert not Vote.objects.exists()


def test_what_is_found_between_page_and_click_wants_another_look(desk: Desk) -> None:
    make_policies({**wanting("1 of anyone"), **also("findings", overridable="yes")})
    before = seen(Action.APPROVE, [desk.row], desk.ada)
    write_findings(
        desk.row,
        StagedFinding.Source.TARBALL,
        [make_finding(), make_finding(rule="other", severity=Severity.CRITICAL)],
    )
    with pytest.raises(SawSomethingElse):
        desk.decide(seen=before, reason="It only prints")
    assert not Override.objects.exists()
    assert desk.decide(reason="It only prints").action == Action.APPROVE
    [passed] = Override.objects.all()
    assert len(passed.evidence) == 2


def test_time_alone_makes_a_page_good(desk: Desk) -> None:
    make_policies({**wanting("1 of anyone"), **also("minimum_wait", wait="2 hours")})
    before = seen(Action.APPROVE, [desk.row], desk.ada)
    earlier = timezone.now() - timedelta(hours=2)
    StagedVersion.objects.filter(pk=desk.row.pk).update(found_at=earlier)
    row = StagedVersion.objects.with_package().get(pk=desk.row.pk)
    assert desk.decide(staged_versions=[row], seen=before) is not None


def test_a_vote_by_whom_the_policy_no_longer_counts_is_none(desk: Desk) -> None:
    grace = desk.person("grace")
    make_policies({**wanting("2 of anyone"), **also("independent", triggerer="")})
    assert desk.decide(user=grace) is None
    # Only now is it known whose account staged it.
    StagedVersion.objects.filter(pk=desk.row.pk).update(actor="grace")
    linus = desk.person("linus")
    row = StagedVersion.objects.with_package().get(pk=desk.row.pk)
    assert desk.decide(user=linus, staged_versions=[row]) is None
    assert desk.decide(user=desk.ada, staged_versions=[row]) is not None

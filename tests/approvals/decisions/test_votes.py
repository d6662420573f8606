"""Policies that want several people: each votes for themselves, and nobody can vote for another."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from approvals.audit import chain
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.carrying_out import steering
from approvals.decisions.deciding.decide import (
    DecisionRefused,
    InTheWay,
    PresenceNotProved,
    SawSomethingElse,
)
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.models import Action, Decision, Override, StepUp, Vote
from approvals.decisions.voting.voiding import void_stale
from approvals.decisions.voting.votes import genuine_votes
from approvals.decisions.voting.withdraw import WithdrawRefused, withdraw
from approvals.inspection.looked_at import look_at
from approvals.inspection.models import InspectionRequest, LookedAt, StagedFinding
from approvals.inspection.standing import write_findings
from approvals.people.models import Role, Scope, User
from approvals.policy.models import PolicyRevision
from approvals.queue.models import StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.conftest import House
from tests.approvals.decisions.conftest import Desk
from tests.approvals.demands import also, wanting
from tests.approvals.events import kinds, topics
from tests.approvals.factories import make_finding, make_policies, make_team, make_user
from tests.approvals.seen import seen

TWO = ("2 of anyone",)


def approvals(row: StagedVersion) -> list[str]:
    """By whom the policy counts approvals of it."""
    return [one.by.username for one in checklists_of([row])[row.pk].case.approvals]


def fresh(row: StagedVersion) -> StagedVersion:
    return StagedVersion.objects.with_package().get(pk=row.pk)


def revive(vote: Vote, **fields: Any) -> None:
    """What somebody who can write to the database makes of it."""
    Vote.objects.filter(pk=vote.pk).update(
        withdrawn_at=None, voided_at=None, void_reason="", decision=None, **fields
    )


# ---------- counting


def test_two_people_approve_and_the_second_ones_account_carries_it_out(house: House) -> None:
    ada, grace = house.person("ada"), house.person("grace")
    row = house.ready()
    make_policies(wanting(*TWO))
    rows = [fresh(row)]
    with pytest.raises(AttributeError):
        house.decide(ada, rows[0])  # None: a vote, and no decision
    row = fresh(row)
    assert (row.state, Decision.objects.count()) == (State.STAGED, 0)
    assert approvals(row) == ["ada"]
    house.work()
    assert house.approvals_sent() == 0

    item = house.decide(grace, row, registry_code=house.sandbox.code("grace"))
    house.work()
    house.work(until_due=timedelta(minutes=5))
    assert item.decision.user == grace
    assert house.published("left-pad") == {"1.5.0"}
    assert house.approvals_sent() == 1
    assert set(Vote.objects.values_list("user__username", "decision")) == {
        ("ada", None),
        ("grace", item.decision.pk),
    }


def test_one_persons_second_vote_is_no_second_person(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    assert desk.decide() is None
    assert desk.decide(staged_versions=[fresh(desk.row)]) is None
    assert approvals(desk.row) == ["ada"]
    assert Vote.objects.filter(withdrawn_at=None).count() == 1
    assert not Decision.objects.exists()
    assert kinds("vote") == ["vote.cast", "vote.withdrawn", "vote.cast"]


def test_a_vote_of_a_selection_waits_until_all_of_it_is_approved(desk: Desk) -> None:
    grace = desk.person("grace")
    other = desk.version("right-pad")
    make_policies(wanting(*TWO))
    assert desk.decide() is None
    both = [fresh(desk.row), other]
    assert desk.decide(user=grace, staged_versions=both) is None
    assert fresh(desk.row).state == State.STAGED
    assert approvals(desk.row) == ["ada", "grace"]
    assert approvals(other) == ["grace"]
    assert desk.decide(staged_versions=both) is not None
    assert {fresh(one).state for one in both} == {State.APPROVING}


def test_a_vote_is_told_to_those_for_whom_it_waits_once_each(desk: Desk) -> None:
    grace, viewer = desk.person("grace"), make_user("vic", role=Role.VIEWER)
    other = desk.version("right-pad")
    make_policies(wanting(*TWO))
    desk.decide(staged_versions=[desk.row, other])
    first, second = OutboxEvent.objects.filter(topic="vote.cast").order_by("pk")
    told = first.payload["people"]
    assert grace.pk in told
    assert desk.ada.pk not in told
    assert viewer.pk not in told
    assert (first.payload["more"], second.payload["people"]) == (1, [])


def test_somebody_whose_scope_does_not_cover_it_is_not_counted(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    Scope.objects.create(user=desk.ada, packages="@other/*")
    assert approvals(fresh(desk.row)) == []


# ---------- forged


def test_a_vote_that_was_written_by_hand_counts_for_nothing(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    (genuine,) = Vote.objects.all()
    for user in (desk.person("grace"), make_user("eve")):
        Vote.objects.create(
            staged_version=desk.row,
            user=user,
            step_up=genuine.step_up,
            sha1=genuine.sha1,
            sha512=genuine.sha512,
            baseline_version=genuine.baseline_version,
            policy=genuine.policy,
            findings=genuine.findings,
            cast_at=genuine.cast_at,
        )
    assert approvals(desk.row) == ["ada"]


def test_a_step_up_that_was_written_by_hand_carries_no_vote(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    grace = desk.person("grace")
    StepUp.objects.update(user=grace)
    Vote.objects.update(user=grace)
    assert approvals(desk.row) == []


def test_a_vote_for_one_version_is_none_for_another(desk: Desk) -> None:
    other = desk.version("right-pad")
    make_policies(wanting(*TWO))
    desk.decide()
    Vote.objects.update(staged_version=other, sha1=other.shasum, sha512=other.sha512)
    assert approvals(other) == []


def test_a_vote_for_other_digests_is_none(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    sha512 = hashlib.sha512(b"another tarball").hexdigest()
    StagedVersion.objects.update(sha512=sha512)
    assert approvals(fresh(desk.row)) == []
    Vote.objects.update(sha512=sha512)
    assert approvals(fresh(desk.row)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "f" * 64},
        {"baseline_version": "9.9.9"},
        {"findings": []},
        {"findings": [1, "a"]},
        {"cast_at": timezone.now() + timedelta(days=1)},
    ],
)
def test_what_a_vote_says_was_seen_cannot_be_changed(desk: Desk, change: dict[str, Any]) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    Vote.objects.update(**change)
    assert approvals(desk.row) == []


def test_a_withdrawn_vote_is_not_revived(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    withdraw(desk.ada, [desk.row])
    (vote,) = Vote.objects.all()
    revive(vote)
    assert approvals(desk.row) == []
    # Nor under another key.
    Vote.objects.all().delete()
    vote.pk, vote.withdrawn_at = None, None
    vote.save(force_insert=True)
    assert approvals(desk.row) == []


def test_a_vote_that_made_room_is_not_revived(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    desk.decide(staged_versions=[fresh(desk.row)])
    first, second = Vote.objects.order_by("pk")
    withdraw(desk.ada, [desk.row])
    revive(first)
    assert approvals(desk.row) == []
    assert second.pk != first.pk


def test_a_spent_vote_is_not_revived(desk: Desk) -> None:
    decision = desk.decide()
    assert decision is not None
    StagedVersion.objects.update(state=State.STAGED)
    make_policies(wanting(*TWO, void_on=""))
    (vote,) = Vote.objects.all()
    revive(vote, policy=vote.policy)
    assert approvals(fresh(desk.row)) == []


def test_a_voided_vote_is_not_revived(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    make_policies(wanting("3 of anyone"))
    assert void_stale() == 1
    make_policies(wanting(*TWO))
    (vote,) = Vote.objects.all()
    revive(vote)
    assert approvals(desk.row) == []


def test_votes_of_many_are_read_in_as_many_queries_as_of_one(
    desk: Desk, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_policies(wanting(*TWO))
    rows = [desk.row, *(desk.version(f"pad-{number}") for number in range(5))]
    desk.decide(staged_versions=rows)
    with django_assert_max_num_queries(2):
        assert len(genuine_votes(rows)) == 6


# ---------- taking back


def test_who_approved_takes_it_back(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    assert withdraw(desk.ada, [desk.row]) == 1
    assert approvals(desk.row) == []
    assert kinds("vote") == ["vote.cast", "vote.withdrawn"]
    assert "vote.withdrawn" in topics()
    assert chain.verify().problem == ""
    with pytest.raises(WithdrawRefused, match="No approval of yours"):
        withdraw(desk.ada, [desk.row])


def test_nobody_takes_anothers_back(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    with pytest.raises(WithdrawRefused):
        withdraw(desk.person("grace"), [desk.row])
    assert approvals(desk.row) == ["ada"]


def test_what_is_under_way_is_not_taken_back(desk: Desk) -> None:
    grace = desk.person("grace")
    make_policies(wanting(*TWO))
    desk.decide()
    desk.decide(user=grace)
    with pytest.raises(WithdrawRefused, match="no longer waiting"):
        withdraw(desk.ada, [desk.row])
    assert Vote.objects.filter(withdrawn_at__isnull=False).count() == 0


# ---------- void


def test_a_new_finding_voids_votes_and_says_it(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    assert void_stale() == 0
    write_findings(
        desk.row,
        StagedFinding.Source.PROVENANCE,
        [make_finding(rule="other-builder", title="Another builder made it.", path="")],
    )
    assert checklists_of([desk.row])[desk.row.pk].unmet
    assert void_stale() == 1
    assert approvals(desk.row) == []
    (vote,) = Vote.objects.all()
    assert "Another builder made it" in vote.void_reason
    (event,) = OutboxEvent.objects.filter(topic="vote.voided")
    assert event.payload["people"] == [desk.ada.pk]
    assert event.payload["reason"] == vote.void_reason
    assert void_stale() == 0
    assert kinds("vote") == ["vote.cast", "vote.voided"]


def test_another_baseline_voids_votes(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    InspectionRequest.objects.update(baseline_version="1.4.9")
    assert void_stale() == 1
    assert "1.4.9" in Vote.objects.get().void_reason


def test_a_changed_policy_voids_votes_only_where_it_says_so(desk: Desk) -> None:
    make_policies(wanting(*TWO, void_on=""))
    desk.decide()
    make_policies(wanting("3 of anyone", void_on=""))
    assert void_stale() == 0
    assert approvals(desk.row) == ["ada"]
    make_policies(wanting("3 of anyone", void_on="policy"))
    assert void_stale() == 1


def test_who_may_approve_no_more_has_not_approved(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    User.objects.filter(pk=desk.ada.pk).update(role=Role.VIEWER)
    assert void_stale() == 1
    assert "may not approve" in Vote.objects.get().void_reason


def test_policies_that_somebody_broke_void_nothing(desk: Desk) -> None:
    revision = make_policies(wanting(*TWO))
    desk.decide()
    type(revision).objects.update(sealed="nonsense")
    assert void_stale() == 0
    with pytest.raises(InTheWay):
        desk.decide(user=desk.person("grace"), staged_versions=[fresh(desk.row)])


# ---------- overriding


@pytest.fixture
def overridden(desk: Desk) -> Desk:
    """Ada let it pass in spite of a finding, and a second person is wanted."""
    severe = also("findings", severity="high", overridable="yes")
    make_policies({**wanting(*TWO), **severe})
    with pytest.raises(InTheWay):
        desk.decide()
    assert desk.decide(reason="It was looked at by security.") is None
    return desk


def passed(row: StagedVersion) -> bool:
    """Whether only approvals are wanted still."""
    return not checklists_of([row])[row.pk].in_the_way()


def test_what_was_overridden_counts_for_the_next_person(overridden: Desk) -> None:
    assert passed(overridden.row)
    (event,) = OutboxEvent.objects.filter(topic="requirement.overridden")
    assert event.payload["reason"] == "It was looked at by security."
    assert overridden.decide(user=overridden.person("grace")) is not None


def test_an_override_that_was_written_by_hand_lets_nothing_pass(desk: Desk) -> None:
    severe = also("findings", severity="high", overridable="yes")
    make_policies(wanting(*TWO))
    desk.decide()
    make_policies({**wanting(*TWO, void_on=""), **severe})
    (answer,) = checklists_of([desk.row])[desk.row.pk].overridable
    Override.objects.create(
        staged_version=desk.row,
        user=desk.ada,
        step_up=StepUp.objects.get(),
        requirement="findings",
        sentence="x",
        evidence=sorted(answer.evidence),
        reason="It is fine.",
    )
    # With an event that only looks as if it had been written here.
    row, (last, *_) = desk.row, AuditEvent.objects.order_by("-sequence")
    AuditEvent.objects.create(
        sequence=last.sequence + 1,
        at=timezone.now(),
        kind="requirement.overridden",
        actor=desk.ada,
        stage_id=row.stage_id,
        detail={
            "requirement": "findings",
            "evidence": sorted(answer.evidence),
            "step_up": str(StepUp.objects.get().pk),
        },
        previous_hash=last.hash,
        hash="0" * 64,
    )
    assert not passed(desk.row)


@pytest.mark.parametrize("change", [{"reason": "Another reason."}, {"evidence": ["a"]}])
def test_an_override_that_was_changed_lets_nothing_pass(
    overridden: Desk, change: dict[str, Any]
) -> None:
    Override.objects.update(**change)
    assert not passed(overridden.row)


def test_an_override_of_one_version_is_none_of_another(overridden: Desk) -> None:
    other = overridden.version("right-pad")
    Override.objects.update(staged_version=other)
    assert not passed(other)


def test_an_override_goes_with_the_approval_it_was_made_with(overridden: Desk) -> None:
    withdraw(overridden.ada, [overridden.row])
    assert not passed(overridden.row)
    # It is shown for ever all the same.
    assert Override.objects.count() == 1


def test_an_override_goes_with_the_decision_it_was_made_for(desk: Desk) -> None:
    grace, boss = desk.person("grace"), make_user("boss", role=Role.RELEASE_MANAGER)
    write_findings(desk.row, StagedFinding.Source.PROVENANCE, [make_finding(path="")])
    make_policies(
        {**wanting("1 of anyone"), **also("findings", severity="high", overridable="yes")}
    )
    decision = desk.decide(reason="Trust me.")
    # As long as it is under way: resuming it asks for nothing new.
    assert checklists_of([fresh(desk.row)])[desk.row.pk].overridable == []
    steering.call_off(decision, user=boss)
    assert not passed(fresh(desk.row))
    with pytest.raises(InTheWay):
        desk.decide(user=grace, staged_versions=[fresh(desk.row)])


@pytest.mark.parametrize("even_of_votes", [False, True])
def test_the_approval_that_decided_is_no_vote_afterwards(desk: Desk, even_of_votes: bool) -> None:
    """Neither the row nor the log says that it was spent: the proof itself does."""
    boss = make_user("boss", role=Role.RELEASE_MANAGER)
    make_policies(wanting("1 of anyone"))
    decision = desk.decide()
    steering.call_off(decision, user=boss)
    AuditEvent.objects.filter(kind="staged_version.approving").update(kind="staged_version.other")
    revive(Vote.objects.get())
    if even_of_votes:
        StepUp.objects.update(consumed_for="vote")
    assert approvals(fresh(desk.row)) == []
    make_policies(wanting(*TWO, void_on=""))
    assert approvals(fresh(desk.row)) == []


def test_an_override_covers_nothing_that_is_found_later(overridden: Desk) -> None:
    write_findings(
        overridden.row,
        StagedFinding.Source.PROVENANCE,
        [make_finding(rule="other-builder", title="Another builder made it.", path="")],
    )
    assert not passed(overridden.row)


# ---------- what is taken out of the audit log


def rolled_back(desk: Desk) -> None:
    PolicyRevision.objects.order_by("-number").first().delete()  # type: ignore[union-attr]  # there
    AuditEvent.objects.filter(kind="policies.changed").first().delete()  # type: ignore[union-attr]


def all_policies_gone(desk: Desk) -> None:
    PolicyRevision.objects.all().delete()
    AuditEvent.objects.filter(kind="policies.changed").delete()


def vote_revived(desk: Desk) -> None:
    Vote.objects.update(withdrawn_at=None)
    AuditEvent.objects.filter(kind="vote.withdrawn").delete()


def vote_revived_and_its_end_renamed(desk: Desk) -> None:
    Vote.objects.update(withdrawn_at=None)
    AuditEvent.objects.filter(kind="vote.withdrawn").update(kind="vote.looked_at")


FROM_THE_LOG = (rolled_back, all_policies_gone, vote_revived, vote_revived_and_its_end_renamed)


@pytest.mark.parametrize("take", FROM_THE_LOG)
def test_nothing_is_approved_by_what_was_taken_out_of_the_audit_log(
    desk: Desk, take: Callable[[Desk], None]
) -> None:
    grace = desk.person("grace")
    make_policies(wanting("1 of anyone"))
    make_policies(wanting(*TWO))
    desk.decide(staged_versions=[desk.row])
    withdraw(desk.ada, [fresh(desk.row)])
    take(desk)
    with pytest.raises(InTheWay, match="audit log"):
        desk.decide(user=grace, staged_versions=[fresh(desk.row)])
    assert not Decision.objects.exists()
    # Getting rid of it stays possible.
    rejected = desk.decide(
        user=grace, action=Action.REJECT, reason="Odd.", staged_versions=[fresh(desk.row)]
    )
    assert rejected.action == Action.REJECT


# ---------- what the page said that it would do


@pytest.mark.parametrize("by_touch", [False, True])
def test_a_proof_for_one_approval_of_two_publishes_nothing(desk: Desk, by_touch: bool) -> None:
    grace, row = desk.person("grace"), desk.row
    make_policies(wanting(*TWO))
    shown = seen(Action.APPROVE, [row], grace)
    given: dict[str, Any] = {"user": grace, "staged_versions": [row], "seen": shown}
    if by_touch:
        intent = desk.open(Action.APPROVE, row, user=grace)
        given |= {"intent": intent.pk, "assertion": desk.touch(intent)}
    desk.decide(staged_versions=[row])
    with pytest.raises(SawSomethingElse, match="last approval by now"):
        desk.decide(**given)
    assert not Decision.objects.exists()
    assert approvals(fresh(row)) == ["ada"]
    # Nor does the touch with what the page says by now.
    if by_touch:
        with pytest.raises(PresenceNotProved):
            desk.decide(**given | {"seen": seen(Action.APPROVE, [row], grace)})
    assert desk.decide(user=grace, staged_versions=[row]).user == grace


@pytest.mark.parametrize("by_touch", [False, True])
def test_a_proof_for_the_last_approval_is_one_where_another_was_taken_back(
    desk: Desk, by_touch: bool
) -> None:
    grace, row = desk.person("grace"), desk.row
    make_policies(wanting(*TWO))
    desk.decide(staged_versions=[row])
    given: dict[str, Any] = {"user": grace, "staged_versions": [row]}
    given["seen"] = seen(Action.APPROVE, [row], grace)
    if by_touch:
        intent = desk.open(Action.APPROVE, row, user=grace)
        given |= {"intent": intent.pk, "assertion": desk.touch(intent)}
    withdraw(desk.ada, [row])
    assert desk.decide(**given) is None
    assert approvals(fresh(row)) == ["grace"]


def test_what_would_be_overridden_is_what_the_page_said(desk: Desk) -> None:
    write_findings(desk.row, StagedFinding.Source.PROVENANCE, [make_finding(path="")])
    make_policies({**wanting("1 of anyone"), **also("findings", overridable="yes")})
    found = StagedFinding.objects.get(source=StagedFinding.Source.PROVENANCE)
    look_at(desk.ada, desk.row, found.rule, found.fingerprint, "It only prints.")
    shown = seen(Action.APPROVE, [desk.row], desk.ada)
    LookedAt.objects.all().delete()
    with pytest.raises(SawSomethingElse):
        desk.decide(seen=shown, reason="It only prints.")
    assert not Override.objects.exists()


# ---------- raced


def deciding(desk: Desk, user: User) -> Callable[[], Decision | None]:
    code, row = desk.code(user), fresh(desk.row)
    given = seen(Action.APPROVE, [row], user)
    return lambda: desk.decide(
        user=user, staged_versions=[row], seen=given, code=code, registry_code="123456"
    )


@pytest.mark.django_db(transaction=True)
def test_of_two_who_approve_at_once_neither_decides_who_was_not_told_so(desk: Desk) -> None:
    """Both pages said that another must approve, too."""
    grace = desk.person("grace")
    make_policies(wanting(*TWO))
    results = at_once(deciding(desk, desk.ada), deciding(desk, grace))
    [refused] = [one for one in results if one is not None]
    assert isinstance(refused, PresenceNotProved), results
    assert "last approval by now" in str(refused)
    assert not Decision.objects.exists()
    assert len(approvals(fresh(desk.row))) == 1
    # Whoever looks again is told what theirs would do, and it does.
    voted = Vote.objects.get().user
    last = grace if voted == desk.ada else desk.ada
    assert desk.decide(user=last, staged_versions=[fresh(desk.row)]).action == Action.APPROVE
    assert fresh(desk.row).state == State.APPROVING
    assert chain.verify().problem == ""


@pytest.mark.django_db(transaction=True)
def test_one_person_who_approves_twice_at_once_has_one_vote(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    results = at_once(deciding(desk, desk.ada), deciding(desk, desk.ada))
    assert any(one is None for one in results), results
    assert all(one is None or isinstance(one, DecisionRefused) for one in results), results
    assert approvals(fresh(desk.row)) == ["ada"]
    assert not Decision.objects.exists()
    assert chain.verify().problem == ""


@pytest.mark.django_db(transaction=True)
def test_a_vote_and_a_stricter_policy_at_once_never_let_it_out_with_too_few(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    grace, manager = desk.person("grace"), make_user(role=Role.ADMINISTRATOR)
    desk.decide()
    results = at_once(
        deciding(desk, grace), lambda: make_policies(wanting("3 of anyone"), by=manager)
    )
    decided = results[0]
    if isinstance(decided, Decision):
        # She was the first: the policy of before held.
        assert Vote.objects.get(user=grace).policy == Vote.objects.get(user=desk.ada).policy
    else:
        assert decided is None or isinstance(decided, PresenceNotProved | InTheWay), decided
        assert fresh(desk.row).state == State.STAGED
    assert chain.verify().problem == ""


@pytest.mark.django_db(transaction=True)
def test_taking_back_and_the_last_vote_at_once_agree_on_who_was_first(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    grace = desk.person("grace")
    row = fresh(desk.row)
    decided, taken = at_once(deciding(desk, grace), lambda: withdraw(desk.ada, [row]))
    if isinstance(decided, Decision):
        assert isinstance(taken, WithdrawRefused), taken
        assert fresh(desk.row).state == State.APPROVING
    else:
        assert (decided, taken) == (None, 1)
        assert approvals(fresh(desk.row)) == ["grace"]
    assert chain.verify().problem == ""


def test_the_makers_of_votes_are_named_in_the_log(desk: Desk) -> None:
    make_policies(wanting(*TWO))
    desk.decide()
    event = AuditEvent.objects.get(kind="vote.cast")
    assert (event.actor, event.stage_id) == (desk.ada, desk.row.stage_id)
    assert event.detail["sha512"] == desk.row.sha512


def test_an_approval_that_cannot_count_is_not_recorded(desk: Desk) -> None:
    grace = desk.person("grace")
    make_team("security", grace, desk.person("sam"))
    make_policies(wanting("2 of security"))
    with pytest.raises(InTheWay, match="would not count here"):
        desk.decide()
    assert not Vote.objects.exists()
    assert desk.decide(user=grace) is None
    # Somebody's own approval may be given anew.
    assert desk.decide(user=grace) is None
    with pytest.raises(InTheWay, match="would not count here"):
        desk.decide()


def test_an_approval_counts_with_others_where_it_counts_for_one_of_them(desk: Desk) -> None:
    make_team("security", desk.person("grace"), desk.person("sam"))
    make_policies(wanting("1 of security for package left-pad", "2 of anyone"))
    rows = [desk.row, desk.version("right-pad")]
    assert desk.decide(staged_versions=rows) is None
    assert Vote.objects.count() == 2

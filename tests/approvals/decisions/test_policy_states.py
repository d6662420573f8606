"""What lists say of waiting versions follows what the policies say, and for whom they wait."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import OutboxEvent
from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.judging import policy_states
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.judging.policy_states import refresh, refresh_all, refresh_due, waiting_for
from approvals.decisions.models import Action, ExpiryNotice, PolicyState
from approvals.decisions.talking.change_requests import lift, request_changes
from approvals.decisions.tasks import look_at_policies
from approvals.decisions.voting.withdraw import withdraw
from approvals.inspection.models import InspectionRequest, StagedFinding
from approvals.people.membership import deactivate
from approvals.people.models import Role, User
from approvals.provenance.settle import settle
from approvals.queue.models import StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.decisions.conftest import Desk
from tests.approvals.demands import FREEZE, also, wanting
from tests.approvals.events import kinds
from tests.approvals.factories import (
    make_policies,
    make_provenance,
    make_provenance_check,
    make_staged_version,
    make_user,
)


def state(row: StagedVersion) -> PolicyState:
    return PolicyState.objects.get(staged_version=row)


def told(row: StagedVersion) -> tuple[str, int, int]:
    found = state(row)
    return found.outcome, found.approvals, found.approvals_needed


def awaited(row: StagedVersion) -> set[str]:
    return set(state(row).waits_for.values_list("username", flat=True))


def waiting(user: User) -> set[str]:
    rows = StagedVersion.objects.with_package().filter(waiting_for(user))
    return {row.package.name for row in rows}


def settled() -> None:
    """Everything was looked at, and nothing is due."""
    refresh_due()
    assert refresh_due() == 0


def test_one_approval_away(desk: Desk) -> None:
    desk.person("grace")
    make_user("vic", role=Role.VIEWER)
    settled()
    assert told(desk.row) == ("ready", 0, 1)
    assert {"ada", "grace"} <= awaited(desk.row)
    assert "vic" not in awaited(desk.row)
    assert waiting(desk.ada) == {"left-pad"}


def test_votes_count_and_who_has_voted_is_not_waited_for(desk: Desk) -> None:
    grace = desk.person("grace")
    make_policies(wanting("2 of anyone"))
    settled()
    assert told(desk.row) == ("not_yet", 0, 2)
    desk.decide()
    settled()
    assert told(desk.row) == ("ready", 1, 2)
    assert waiting(desk.ada) == set()
    assert waiting(grace) == {"left-pad"}
    withdraw(desk.ada, [desk.row])
    settled()
    assert told(desk.row) == ("not_yet", 0, 2)
    assert waiting(desk.ada) == {"left-pad"}


def test_what_is_decided_has_none(desk: Desk) -> None:
    settled()
    desk.decide(action=Action.REJECT)
    settled()
    assert not PolicyState.objects.exists()
    StagedVersion.objects.update(state=State.STAGED)
    settled()
    assert PolicyState.objects.exists()


def test_what_is_held_waits_for_who_holds_it(desk: Desk) -> None:
    grace = desk.person("grace")
    made = request_changes(desk.row, user=grace, reason="The licence is missing.")
    settled()
    assert told(desk.row)[0] == "blocked"
    assert "The licence is missing" in state(desk.row).sentence
    assert awaited(desk.row) == {"grace"}
    lift(made, user=grace)
    settled()
    assert told(desk.row)[0] == "ready"


def test_what_is_not_compared_yet_waits_for_nobody(desk: Desk) -> None:
    InspectionRequest.objects.update(state="waiting")
    refresh([desk.row])
    assert told(desk.row)[0] == "not_yet"
    assert awaited(desk.row) == set()


def test_a_changed_policy_changes_all(desk: Desk) -> None:
    other = desk.version("right-pad")
    settled()
    make_policies(wanting("3 of anyone"))
    settled()
    assert {told(desk.row)[2], told(other)[2]} == {3}


def test_who_left_is_not_waited_for(desk: Desk) -> None:
    grace, admin = desk.person("grace"), make_user("root", role=Role.ADMINISTRATOR)
    settled()
    assert "grace" in awaited(desk.row)
    deactivate(grace, actor=admin)
    settled()
    assert "grace" not in awaited(desk.row)


def test_time_alone_changes_it(desk: Desk) -> None:
    make_policies({**wanting("1 of anyone"), **also("release_times", **FREEZE)})
    settled()
    found = state(desk.row)
    assert found.outcome == "not_yet"
    assert found.due_at
    assert found.due_at > timezone.now()
    PolicyState.objects.update(due_at=timezone.now(), outcome="blocked")
    assert refresh_due() == 1
    assert state(desk.row).outcome == "not_yet"


def test_what_an_approver_may_override_is_not_blocked(desk: Desk) -> None:
    severe = {"severity": "high", "overridable": "yes"}
    make_policies({**wanting("1 of anyone"), **also("findings", **severe)})
    settled()
    assert told(desk.row)[0] == "not_yet"
    assert waiting(desk.ada) == {"left-pad"}
    make_policies({**wanting("1 of anyone"), **also("findings", **severe | {"overridable": ""})})
    settled()
    assert told(desk.row)[0] == "blocked"


def test_it_is_made_anew_after_an_hour_whatever_happened(desk: Desk) -> None:
    settled()
    PolicyState.objects.update(made_at=timezone.now() - timedelta(hours=2), outcome="blocked")
    assert refresh_due() == 1
    assert told(desk.row)[0] == "ready"


def test_the_task_voids_and_refreshes(desk: Desk) -> None:
    for name in ("grace", "ben"):
        desk.person(name)
    make_policies(wanting("2 of anyone"))
    desk.decide()
    make_policies(wanting("3 of anyone"))
    look_at_policies()
    assert told(desk.row) == ("not_yet", 0, 3)
    assert awaited(desk.row) >= {"ada"}


def test_votes_are_looked_at_again_only_where_something_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.person("grace")
    make_policies(wanting("2 of anyone"))
    desk.decide()
    settled()
    looked_at: list[int] = []
    monkeypatch.setattr(policy_states, "void_stale", looked_at.extend)
    look_at_policies()
    assert looked_at == []
    make_policies(wanting("3 of anyone"))
    look_at_policies()
    assert looked_at == [desk.row.pk]


def test_one_that_cannot_be_judged_keeps_no_other_from_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, judged = desk.version("right-pad"), policy_states.checklists_of

    def breaking(rows: list[StagedVersion], **more: Any) -> Any:
        if desk.row in rows:
            raise ValueError("made up")
        return judged(rows, **more)

    monkeypatch.setattr(policy_states, "checklists_of", breaking)
    assert refresh_due() == 2
    assert told(other)[0] == "ready"
    assert told(desk.row)[0] == "blocked"
    assert "log of the worker" in state(desk.row).sentence
    # Nor is it tried at every sweep; but by and by.
    assert refresh_due() == 0
    monkeypatch.undo()
    PolicyState.objects.filter(staged_version=desk.row).update(due_at=timezone.now())
    settled()
    assert told(desk.row)[0] == "ready"


def test_a_database_that_is_away_is_no_fault_of_a_version(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*args: object, **more: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(policy_states, "checklists_of", breaking)
    with pytest.raises(OperationalError):
        refresh_due()
    assert not PolicyState.objects.exists()


def test_other_findings_under_the_same_verdict_make_it_anew(desk: Desk) -> None:
    proof = make_provenance(desk.row)
    check = make_provenance_check(desk.row, proof)
    settle(check)
    settled()
    settle(check)
    assert refresh_due() == 0
    StagedFinding.objects.create(
        staged_version=desk.row,
        source="provenance",
        rule="gone",
        position=0,
        is_new=True,
        severity="low",
        fingerprint="f" * 64,
    )
    verdict = check.verdict
    settle(check)
    assert check.verdict == verdict
    assert refresh_due() == 1


def test_versions_that_were_locked_take_as_many_queries_as_one(desk: Desk) -> None:
    keys = [desk.version(f"pad-{number}").pk for number in range(8)]

    def count(some: list[int]) -> int:
        with transaction.atomic():
            rows = lock_versions(some)
            with CaptureQueriesContext(connection) as queries:
                checklists_of(rows)
        return len(queries)

    assert count(keys) == count(keys[:2])


def test_many_take_as_many_queries_as_one(desk: Desk) -> None:
    def count(rows: Iterable[StagedVersion]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            refresh(list(rows))
        return len(queries)

    make_policies(wanting("2 of anyone"))
    rows = [desk.version(f"pad-{number}") for number in range(8)]
    few = count(rows[:2])
    assert count(rows) <= few
    assert refresh_all() == 9


def test_many_are_refreshed_in_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_states, "BATCH", 2)
    for number in range(4):
        make_staged_version(f"pad-{number}", registry=desk.registry)
    assert refresh_due() == 5
    assert PolicyState.objects.count() == 5


@pytest.fixture
def expired(desk: Desk) -> Desk:
    make_policies({**wanting("1 of anyone"), **also("expiry", days="1")})
    long_ago: Any = timezone.now() - timedelta(days=30)
    StagedVersion.objects.update(created_at=long_ago, found_at=long_ago)
    return desk


def test_what_is_too_old_is_told_of_once(expired: Desk) -> None:
    settled()
    refresh_all()
    assert told(expired.row)[0] == "blocked"
    (event,) = OutboxEvent.objects.filter(topic="staged_version.expired")
    assert event.payload["reason"]
    assert kinds("staged_version.expired") == ["staged_version.expired"]
    assert ExpiryNotice.objects.count() == 1


@pytest.mark.parametrize(
    ("days", "waited", "is_told"),
    [
        (30, timedelta(days=27), False),
        (30, timedelta(days=28, hours=1), True),
        (1, timedelta(hours=17), False),
        (1, timedelta(hours=19), True),
        (1, timedelta(hours=25), False),
    ],
)
def test_that_it_will_soon_be_too_old_is_told_of_once(
    desk: Desk, days: int, waited: timedelta, is_told: bool
) -> None:
    make_policies({**wanting("1 of anyone"), **also("expiry", days=str(days))})
    found_at = timezone.now() - waited
    StagedVersion.objects.update(found_at=found_at)
    settled()
    refresh_all()
    news = OutboxEvent.objects.filter(topic="staged_version.expiring")
    assert [one.stage_id for one in news] == ([desk.row.stage_id] if is_told else [])
    if is_told:
        assert news[0].payload["until"] == (found_at + timedelta(days=days)).isoformat()
        assert kinds("staged_version.expiring") == ["staged_version.expiring"]


def test_it_is_looked_at_again_when_it_is_to_be_told_of(desk: Desk) -> None:
    make_policies({**wanting("1 of anyone"), **also("expiry", days="30")})
    settled()
    desk.row.refresh_from_db()
    assert state(desk.row).due_at == desk.row.found_at + timedelta(days=28)


def test_where_nothing_expires_nothing_is_told(desk: Desk) -> None:
    make_policies(wanting("1 of anyone"))
    StagedVersion.objects.update(found_at=timezone.now() - timedelta(days=300))
    settled()
    assert not OutboxEvent.objects.filter(topic__startswith="staged_version.expir").exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_warn_once(desk: Desk) -> None:
    make_policies({**wanting("1 of anyone"), **also("expiry", days="1")})
    StagedVersion.objects.update(found_at=timezone.now() - timedelta(hours=23))
    row = StagedVersion.objects.get()
    results = at_once(*(lambda: refresh([row]) for _ in range(3)))
    assert results == [None] * 3, results
    assert OutboxEvent.objects.filter(topic="staged_version.expiring").count() == 1
    assert chain.verify().problem == ""


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_the_same(expired: Desk) -> None:
    row = StagedVersion.objects.get()
    results = at_once(*(lambda: refresh([row]) for _ in range(3)))
    assert results == [None] * 3, results
    assert OutboxEvent.objects.filter(topic="staged_version.expired").count() == 1
    assert PolicyState.objects.count() == 1
    assert chain.verify().problem == ""

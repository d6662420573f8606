"""What others need goes first; what needs something that came to nothing is held, not tried."""

import contextlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent
from approvals.audit.record import record
from approvals.decisions.carrying_out import execute, outcomes
from approvals.decisions.deciding.decide import answer_registry
from approvals.decisions.models import (
    Action,
    Attempt,
    ChangeRequest,
    Decision,
    DecisionItem,
    ItemNeed,
    ItemState,
    RegistryProof,
)
from approvals.decisions.talking.change_requests import ChangeRequestRefused, request_changes
from approvals.people.models import User
from approvals.queue.models import AlarmKind, StagedVersion, State
from approvals.queue.transitions import raise_alarm
from tests.approvals.at_once import at_once
from tests.approvals.conftest import House
from tests.approvals.decisions.test_carrying_out import reject_elsewhere
from tests.approvals.demands import wanting
from tests.approvals.events import topics
from tests.approvals.factories import make_policies
from tests.approvals.seen import in_the_way

# Each with what it needs. @acme/app needs all that @acme/ui needs, by way of it.
TREE: dict[str, dict[str, str]] = {
    "@acme/app": {"@acme/ui": "^2.0.0"},
    "@acme/ui": {"@acme/core": "^2.0.0"},
    "@acme/icons": {},
    "@acme/core": {},
    "@acme/cli": {"@acme/icons": "^2.0.0"},
}


@pytest.fixture
def ada(house: House) -> User:
    return house.person("ada")


@pytest.fixture(autouse=True)
def _no_code_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the clock stands, a code's 30 seconds do not end in the middle of a test."""
    monkeypatch.setattr(execute, "STEP_OF_CODES", 10**9)


def monorepo(house: House, tree: dict[str, dict[str, str]] = TREE) -> list[StagedVersion]:
    """One version of each package, staged in the order of their names, found and inspected."""
    for name, dependencies in tree.items():
        house.stage(name, "2.0.0", dependencies=dependencies)
        house.sandbox.grant(name, "ada")
    house.poll()
    house.inspect()
    house.sandbox.control.reset()
    house.sandbox.control.ask_otherwise("classic")
    return list(StagedVersion.objects.with_package().order_by("pk"))


def approve(house: House, ada: User, **more: object) -> Decision:
    rows = monorepo(house)
    return house.decide_all(ada, rows, registry_code=house.sandbox.code("ada"), **more)  # type: ignore[arg-type]  # as given


def item_of(decision: Decision, name: str) -> DecisionItem:
    return decision.items.select_related("staged_version").get(staged_version__package__name=name)


def ends(decision: Decision) -> dict[str, str]:
    return dict(decision.items.values_list("staged_version__package__name", "state"))


def sent(house: House) -> list[str]:
    """The packages that the registry was called to decide, by its own log, in order."""
    names = {
        str(row.stage_id): row.package.name
        for row in StagedVersion.objects.select_related("package")
    }
    calls = house.sandbox.control.calls(prefix="/-/stage/")
    return [
        names[call.path.split("/")[3]]
        for call in calls
        if call.method in {"POST", "DELETE"} and call.status < 400
    ]


def refuse(house: House, name: str) -> None:
    """The registry lets nobody approve this one."""
    house.sandbox.grant(name, "ada", "read-only")


def assert_in_order(names: list[str], *, tree: dict[str, dict[str, str]] = TREE) -> None:
    for name in names:
        for needed in tree[name]:
            assert names.index(needed) < names.index(name), names


def assert_whole() -> None:
    """Nothing is under way, no code is kept, and the log holds."""
    assert not DecisionItem.objects.filter(state__in=["waiting", "asking", "sent"]).exists()
    assert not RegistryProof.objects.exists()
    assert chain.verify().problem == ""


def test_what_others_depend_on_goes_first(house: House, ada: User) -> None:
    decision = approve(house, ada)
    house.work()
    assert_in_order(sent(house))
    assert len(sent(house)) == len(TREE)
    assert set(ends(decision).values()) == {ItemState.DONE}
    assert item_of(decision, "@acme/app").level == 2
    assert_whole()


def test_rejecting_goes_the_other_way(house: House, ada: User) -> None:
    decision = approve(house, ada, action=Action.REJECT)
    house.work()
    assert_in_order(sent(house)[::-1])
    assert len(sent(house)) == len(TREE)
    assert set(ends(decision).values()) == {ItemState.DONE}


def test_what_needs_a_failed_one_is_held_in_turn_and_the_rest_goes_on(
    house: House, ada: User
) -> None:
    decision = approve(house, ada)
    refuse(house, "@acme/core")
    house.work()
    assert ends(decision) == {
        "@acme/core": ItemState.FAILED,
        "@acme/ui": ItemState.HELD,
        "@acme/app": ItemState.HELD,
        "@acme/icons": ItemState.DONE,
        "@acme/cli": ItemState.DONE,
    }
    assert sorted(sent(house)) == ["@acme/cli", "@acme/icons"]
    ui, app = item_of(decision, "@acme/ui"), item_of(decision, "@acme/app")
    core = item_of(decision, "@acme/core")
    assert ui.outcome.startswith("It needs @acme/core 2.0.0, which was not carried out (")
    assert core.outcome[:60] in ui.outcome
    assert ui.outcome.endswith("). Nothing was sent.")
    assert "@acme/ui 2.0.0" in app.outcome
    assert (ui.staged_version.state, app.staged_version.state) == (State.STAGED, State.STAGED)
    assert not Attempt.objects.filter(item__in=[ui, app]).exists()
    assert topics().count("staged_version.failed") == 1
    assert topics().count("staged_version.held") == 2
    for item in (ui, app):
        event = AuditEvent.objects.get(stage_id=item.stage_id, kind="staged_version.staged")
        assert event.detail["reason"] == item.outcome
        assert "had ended" in outcomes.why_not_on_its_way(item)
    assert_whole()


def test_held_in_the_middle_of_rejecting(house: House, ada: User) -> None:
    decision = approve(house, ada, action=Action.REJECT)
    refuse(house, "@acme/ui")
    house.work()
    assert ends(decision) == {
        "@acme/app": ItemState.DONE,
        "@acme/ui": ItemState.FAILED,
        "@acme/core": ItemState.HELD,
        "@acme/icons": ItemState.DONE,
        "@acme/cli": ItemState.DONE,
    }
    assert item_of(decision, "@acme/core").outcome == (
        "Another version of the decision needs it and was not rejected. Nothing was sent."
    )


def test_what_is_left_is_decided_anew_with_a_new_proof(house: House, ada: User) -> None:
    decision = approve(house, ada)
    refuse(house, "@acme/core")
    house.work()
    house.sandbox.grant("@acme/core", "ada")
    left = list(StagedVersion.objects.with_package().filter(state=State.STAGED).order_by("pk"))
    house.sandbox.control.move_clock(30)
    again = house.decide_all(ada, left, registry_code=house.sandbox.code("ada"))
    house.work()
    assert set(ends(again).values()) == {ItemState.DONE}
    assert_in_order(sent(house))
    assert len(sent(house)) == len(set(sent(house))) == len(TREE)
    assert again.step_up_id != decision.step_up_id


def test_what_is_only_to_come_after_a_failed_one_is_tried(house: House, ada: User) -> None:
    decision = approve(house, ada)
    ItemNeed.objects.update(holds=False)
    refuse(house, "@acme/core")
    house.work()
    assert ends(decision)["@acme/core"] == ItemState.FAILED
    assert [state for name, state in ends(decision).items() if name != "@acme/core"] == [
        ItemState.DONE
    ] * 4
    assert_in_order(["@acme/core", *sent(house)])


def test_what_needs_one_that_is_checked_waits_while_others_go_on(house: House, ada: User) -> None:
    decision = approve(house, ada)
    # It goes first, and its answer gets lost.
    DecisionItem.objects.filter(pk=item_of(decision, "@acme/core").pk).update(
        due_at=decision.made_at - timedelta(seconds=1)
    )
    house.sandbox.control.lose_answers(1)
    house.work()
    assert ends(decision) == {
        "@acme/core": ItemState.CHECKING,
        "@acme/ui": ItemState.WAITING,
        "@acme/app": ItemState.WAITING,
        "@acme/icons": ItemState.DONE,
        "@acme/cli": ItemState.DONE,
    }
    house.work(until_due=timedelta(seconds=5))
    house.work()
    assert set(ends(decision).values()) == {ItemState.DONE}
    assert len(sent(house)) == len(set(sent(house)))


def test_what_somebody_decided_elsewhere_holds_what_needs_it(house: House, ada: User) -> None:
    decision = approve(house, ada)
    reject_elsewhere(house, item_of(decision, "@acme/core").staged_version)
    house.work()
    assert ends(decision) == {
        "@acme/core": ItemState.FAILED,
        "@acme/ui": ItemState.HELD,
        "@acme/app": ItemState.HELD,
        "@acme/icons": ItemState.DONE,
        "@acme/cli": ItemState.DONE,
    }
    assert_whole()


def test_an_alarm_over_what_was_accepted_holds_what_needs_it(house: House, ada: User) -> None:
    decision = approve(house, ada)
    core = item_of(decision, "@acme/core")
    while ends(decision)["@acme/core"] != ItemState.DONE:
        item = execute.claim_due()
        assert item
        execute.carry_out(item)
    core.staged_version.refresh_from_db()
    raise_alarm(core.staged_version, AlarmKind.LIVE_DIFFERS, "Another digest is live.")
    house.work()
    found = ends(decision)
    assert (found["@acme/ui"], found["@acme/app"]) == (ItemState.HELD, ItemState.HELD)
    assert "over which there is an alarm" in item_of(decision, "@acme/ui").outcome
    assert found["@acme/cli"] == ItemState.DONE
    assert_whole()


def test_changes_that_somebody_asks_for_meanwhile_stop_what_has_not_begun(
    house: House, ada: User
) -> None:
    decision = approve(house, ada)
    grace = house.person("grace")
    ui = item_of(decision, "@acme/ui")
    request_changes(ui.staged_version, user=grace, reason="The banner is wrong.")
    found = ends(decision)
    assert (found["@acme/ui"], found["@acme/app"]) == (ItemState.FAILED, ItemState.HELD)
    ui.refresh_from_db()
    assert ui.outcome == "grace wants changes: “The banner is wrong.” Nothing was sent."
    house.work()
    assert not {"@acme/ui", "@acme/app"} & set(sent(house))
    assert ends(decision)["@acme/core"] == ItemState.DONE
    ui.staged_version.refresh_from_db()
    assert ui.staged_version.state == State.STAGED
    assert in_the_way(StagedVersion.objects.with_package().get(pk=ui.staged_version_id))
    assert_whole()


def test_what_was_sent_is_not_held_any_more(house: House, ada: User) -> None:
    decision = approve(house, ada)
    core = item_of(decision, "@acme/core")
    DecisionItem.objects.filter(pk=core.pk).update(state=ItemState.SENT)
    with pytest.raises(ChangeRequestRefused, match="nothing to hold"):
        request_changes(core.staged_version, user=house.person("grace"), reason="Too late.")
    assert not ChangeRequest.objects.exists()


def test_a_policy_that_is_changed_meanwhile_stops_what_has_not_begun(
    house: House, ada: User
) -> None:
    decision = approve(house, ada)
    make_policies(wanting("3 of anyone"))
    with transaction.atomic():
        record("policies.changed", number=1)
    house.work()
    assert sent(house) == []
    assert "policy demands was changed" in item_of(decision, "@acme/core").outcome
    assert_whole()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_changes_are_asked_for_while_workers_are_at_it(house: House, turn: int) -> None:
    ada, grace = house.person("ada"), house.person("grace")
    decision = approve(house, ada)
    ui = item_of(decision, "@acme/ui")
    asked, *_ = at_once(
        lambda: request_changes(ui.staged_version, user=grace, reason="Wait."), house.work
    )
    house.work()
    ui.refresh_from_db()
    if isinstance(asked, ChangeRequest):
        assert ui.state == ItemState.FAILED
        assert "@acme/ui" not in sent(house)
    else:
        assert isinstance(asked, ChangeRequestRefused)
        assert ui.state == ItemState.DONE
    assert_whole()


def test_a_question_that_nobody_answers_gives_every_level_back(house: House, ada: User) -> None:
    decision = house.decide_all(ada, monorepo(house))
    house.work()
    assert sorted(ends(decision).values()) == ["asking"] + ["waiting"] * 4
    DecisionItem.objects.filter(state=ItemState.ASKING).update(
        asked_until="2020-01-01T00:00Z", due_at="2020-01-01T00:00Z"
    )
    house.work()
    assert set(ends(decision).values()) <= {ItemState.FAILED, ItemState.HELD}
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.STAGED}
    assert_whole()


def test_an_answer_goes_on_with_the_levels(house: House, ada: User) -> None:
    decision = house.decide_all(ada, monorepo(house))
    house.work()
    item = decision.items.filter(state=ItemState.ASKING).get()
    answer_registry(user=ada, item=item, registry_code=house.sandbox.code("ada"))
    house.work()
    assert set(ends(decision).values()) == {ItemState.DONE}
    assert_in_order(sent(house))


def test_one_that_failed_without_holding_what_needs_it_strands_nothing(
    house: House, ada: User
) -> None:
    """As after a release that did not hold yet: the next look of a worker finds it."""
    decision = approve(house, ada)
    DecisionItem.objects.filter(pk=item_of(decision, "@acme/core").pk).update(
        state=ItemState.FAILED
    )
    house.work()
    found = ends(decision)
    assert (found["@acme/ui"], found["@acme/app"]) == (ItemState.HELD, ItemState.HELD)
    states = StagedVersion.objects.filter(package__name__in=["@acme/ui", "@acme/app"])
    assert set(states.values_list("state", flat=True)) == {State.STAGED}


def test_what_waits_for_one_that_never_ends_is_given_back_in_time(house: House, ada: User) -> None:
    decision = approve(house, ada)
    core = item_of(decision, "@acme/core")
    DecisionItem.objects.filter(pk=core.pk).update(
        state=ItemState.CHECKING, due_at=timezone.now() + timedelta(days=1)
    )
    house.work()
    assert ends(decision)["@acme/ui"] == ItemState.WAITING
    Decision.objects.update(made_at=timezone.now() - execute.GIVE_UP_AFTER - timedelta(seconds=1))
    house.work()
    ui = item_of(decision, "@acme/ui")
    assert (ui.state, ui.staged_version.state) == (ItemState.FAILED, State.STAGED)
    assert "decide anew" in ui.outcome
    assert ends(decision)["@acme/app"] in {ItemState.FAILED, ItemState.HELD}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", ["", "@acme/core"])
def test_several_workers_keep_the_order(house: House, fails: str) -> None:
    ada = house.person("ada")
    decision = approve(house, ada)
    if fails:
        refuse(house, fails)

    def work() -> None:
        for _ in range(40):
            item = execute.claim_due()
            if item is None:
                continue
            with contextlib.suppress(outcomes.LeaseLost):
                execute.carry_out(item)

    workers: list[Callable[[], object]] = [work] * 3
    assert at_once(*workers) == [None] * 3
    house.work()
    names = sent(house)
    assert len(names) == len(set(names)) == (2 if fails else 5)
    assert_in_order(names)
    assert set(ends(decision).values()) <= {ItemState.DONE, ItemState.FAILED, ItemState.HELD}
    assert_whole()

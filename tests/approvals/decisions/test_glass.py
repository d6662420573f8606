"""In an emergency, two people let a version out at a forbidden time; one alone never does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import OutboxEvent
from approvals.decisions.deciding.decide import InTheWay
from approvals.decisions.emergency.glass import (
    GlassRefused,
    break_glass,
    genuine_glass,
    glass_of,
    purpose_of,
    second,
    why_not_break,
    why_not_second,
)
from approvals.decisions.models import BrokenGlass
from approvals.people.models import Role, User
from approvals.people.presence import PresenceRefused, Proof, open_confirmation, passkey_options
from approvals.queue.models import StagedVersion
from tests.approvals.at_once import at_once
from tests.approvals.conftest import SESSION, House
from tests.approvals.decisions.conftest import Desk
from tests.approvals.demands import FREEZE, also, wanting
from tests.approvals.events import kinds
from tests.approvals.factories import make_policies, make_user
from tests.approvals.seen import in_the_way

WHY = "The last version deletes files."


@pytest.fixture
def frozen(desk: Desk) -> Desk:
    """Nothing goes out these days; grace could agree to an exception."""
    make_policies({**wanting("1 of anyone"), **also("release_times", **FREEZE)})
    desk.person("grace")
    return desk


def grace() -> User:
    return User.objects.get(username="grace")


def ask(desk: Desk, user: User | None = None, *, reason: str = WHY, **changes: Any) -> Any:
    user = user or desk.ada
    given = {"user": user, "session": SESSION, "reason": reason, **changes}
    rows = given.pop("rows", [desk.row])
    return break_glass(rows, Proof(code=desk.code(user)), **given)


def agree(desk: Desk, user: User | None = None, *, reason: str = WHY, **changes: Any) -> Any:
    user = user or grace()
    given = {"user": user, "session": SESSION, "reason": reason, **changes}
    rows = given.pop("rows", [desk.row])
    return second(rows, Proof(code=desk.code(user)), **given)


def is_frozen(row: StagedVersion) -> bool:
    return bool(in_the_way(StagedVersion.objects.with_package().get(pk=row.pk)))


def test_two_people_let_it_out_and_everybody_is_told(frozen: Desk) -> None:
    with pytest.raises(InTheWay):
        frozen.decide()
    ask(frozen)
    assert is_frozen(frozen.row)
    agree(frozen)
    assert not is_frozen(frozen.row)
    assert frozen.decide() is not None
    assert kinds("glass") == ["glass.asked", "glass.broken"]
    asked, broken = OutboxEvent.objects.filter(topic__startswith="glass.").order_by("pk")
    assert {asked.payload["reason"], broken.payload["reason"]} == {WHY}
    assert (broken.payload["who"], broken.payload["actor"]) == ("ada", "grace")
    assert chain.verify().problem == ""


def test_one_person_is_not_two(frozen: Desk) -> None:
    ask(frozen)
    with pytest.raises(GlassRefused, match="two people"):
        agree(frozen, frozen.ada)
    assert is_frozen(frozen.row)
    assert "two people" in why_not_second(frozen.ada, [frozen.row], WHY)
    assert why_not_second(grace(), [frozen.row], WHY) == ""


def test_it_is_for_freezes_and_nothing_else(desk: Desk) -> None:
    make_policies(wanting("2 of anyone"))
    with pytest.raises(GlassRefused, match="no glass to break"):
        ask(desk)
    assert why_not_break(desk.ada, [desk.row])


def test_who_may_not_approve_neither_asks_nor_agrees(frozen: Desk) -> None:
    viewer = frozen.person("vic")
    User.objects.filter(pk=viewer.pk).update(role=Role.VIEWER)
    viewer = User.objects.get(pk=viewer.pk)
    with pytest.raises(GlassRefused, match="Only who may approve"):
        ask(frozen, viewer)
    ask(frozen)
    with pytest.raises(GlassRefused, match="Only who may approve"):
        agree(frozen, viewer)


@pytest.mark.parametrize(
    ("reason", "words"), [("", "Say why"), ("\x00", "cannot be"), ("a" * 2001, "too long")]
)
def test_a_reason_is_wanted(frozen: Desk, reason: str, words: str) -> None:
    with pytest.raises(GlassRefused, match=words):
        ask(frozen, reason=reason)


def test_without_a_proof_of_presence_nothing_is_broken(frozen: Desk) -> None:
    with pytest.raises(PresenceRefused):
        break_glass([frozen.row], Proof(), user=frozen.ada, session=SESSION, reason=WHY)
    ask(frozen)
    with pytest.raises(PresenceRefused):
        second([frozen.row], Proof(code="000000"), user=grace(), session=SESSION, reason=WHY)
    assert is_frozen(frozen.row)


def test_a_touch_is_good_for_these_versions_and_this_reason_alone(frozen: Desk) -> None:
    other = frozen.version("right-pad")
    for rows, reason in (([other], WHY), ([frozen.row], "Another reason.")):
        passkey = frozen.passkey(frozen.ada)
        purpose = purpose_of("break", rows, reason)
        confirmation = open_confirmation(frozen.ada, session=SESSION, purpose=purpose)
        assertion = passkey.get(passkey_options(confirmation))
        proof = Proof(confirmation=str(confirmation.pk), assertion=assertion)
        with pytest.raises(PresenceRefused):
            break_glass([frozen.row], proof, user=frozen.ada, session=SESSION, reason=WHY)
    assert not BrokenGlass.objects.exists()


def test_who_agrees_agrees_to_the_reason_they_read(frozen: Desk) -> None:
    ask(frozen)
    ask(frozen, reason="Something else.")  # the same person says it anew
    with pytest.raises(GlassRefused, match="something changed"):
        agree(frozen)
    agree(frozen, reason="Something else.")
    assert not is_frozen(frozen.row)


def test_somebody_elses_request_is_agreed_to_and_not_replaced(frozen: Desk) -> None:
    ask(frozen)
    with pytest.raises(GlassRefused, match="already"):
        ask(frozen, grace())


def test_who_asked_and_may_approve_no_more_keeps_nobody_from_asking(frozen: Desk) -> None:
    ask(frozen)
    User.objects.filter(pk=frozen.ada.pk).update(role=Role.VIEWER)
    with pytest.raises(GlassRefused, match="may not approve"):
        agree(frozen)
    ask(frozen, grace())
    agree(frozen, frozen.person("ben"))
    assert not is_frozen(frozen.row)


def test_it_lets_nothing_out_once_one_of_the_two_may_approve_no_more(frozen: Desk) -> None:
    ask(frozen)
    agree(frozen)
    User.objects.filter(username="grace").update(role=Role.VIEWER)
    assert is_frozen(frozen.row)


def test_it_is_about_one_emergency(frozen: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(frozen)
    agree(frozen)
    now = timezone.now() + timedelta(hours=25)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    assert genuine_glass([frozen.row]) == {}
    assert len(glass_of(frozen.row)) == 1


# ---------- forged


def test_a_row_that_was_written_by_hand_counts_for_nothing(frozen: Desk) -> None:
    ask(frozen)
    genuine = BrokenGlass.objects.get()
    BrokenGlass.objects.update(seconded_by=grace(), seconded_at=timezone.now())
    assert is_frozen(frozen.row)
    BrokenGlass.objects.all().delete()
    BrokenGlass.objects.create(
        staged_version=frozen.row,
        user=frozen.ada,
        reason=WHY,
        at=genuine.at,
        seconded_by=grace(),
        seconded_at=timezone.now(),
        sealed=genuine.sealed,
    )
    assert is_frozen(frozen.row)


@pytest.mark.parametrize("change", ["reason", "at", "user", "sealed"])
def test_a_row_that_was_changed_counts_for_nothing(frozen: Desk, change: str) -> None:
    ask(frozen)
    agree(frozen)
    values: dict[str, Any] = {
        "reason": "Another.",
        "at": timezone.now(),
        "user": make_user("ben"),
        "sealed": "x",
    }
    BrokenGlass.objects.update(**{change: values[change]})
    assert is_frozen(frozen.row)


def test_it_is_for_one_version_and_its_digests(frozen: Desk) -> None:
    other = frozen.version("right-pad")
    ask(frozen)
    agree(frozen)
    BrokenGlass.objects.update(staged_version=other)
    assert is_frozen(other)
    BrokenGlass.objects.update(staged_version=frozen.row)
    assert not is_frozen(frozen.row)
    StagedVersion.objects.filter(pk=frozen.row.pk).update(sha512="c" * 128)
    assert genuine_glass([StagedVersion.objects.with_package().get(pk=frozen.row.pk)]) == {}


# ---------- raced


@pytest.mark.django_db(transaction=True)
def test_of_two_who_agree_at_once_one_does(frozen: Desk) -> None:
    ben = frozen.person("ben")
    ask(frozen)
    row = StagedVersion.objects.with_package().get(pk=frozen.row.pk)

    def agreeing(user: User) -> Callable[[], object]:
        proof = Proof(code=frozen.code(user))
        return lambda: second([row], proof, user=user, session=SESSION, reason=WHY)

    results = at_once(agreeing(grace()), agreeing(ben))
    assert sorted(type(one).__name__ for one in results) == ["GlassRefused", "list"], results
    assert kinds("glass") == ["glass.asked", "glass.broken"]
    assert chain.verify().problem == ""


@pytest.mark.django_db(transaction=True)
def test_of_two_who_ask_at_once_one_does(frozen: Desk) -> None:
    row = StagedVersion.objects.with_package().get(pk=frozen.row.pk)

    def asking(user: User) -> Callable[[], object]:
        proof = Proof(code=frozen.code(user))
        return lambda: break_glass([row], proof, user=user, session=SESSION, reason=WHY)

    results = at_once(asking(frozen.ada), asking(grace()))
    assert sorted(type(one).__name__ for one in results) == ["GlassRefused", "list"], results
    assert BrokenGlass.objects.count() == 1


def test_through_a_freeze_to_the_registry(house: House) -> None:
    ada, other = house.person("ada"), house.person("grace")
    row = house.ready()
    make_policies({**wanting("1 of anyone"), **also("release_times", **FREEZE)})
    row = StagedVersion.objects.with_package().get(pk=row.pk)
    with pytest.raises(InTheWay):
        house.decide(ada, row)
    for user, step in ((ada, break_glass), (other, second)):
        step([row], Proof(code=house.code(user)), user=user, session=SESSION, reason=WHY)
    house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.work()
    house.work(until_due=timedelta(minutes=5))
    assert house.published("left-pad") == {"1.5.0"}

"""Changing policies: what comes of it, who may, and what is refused."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from approvals.audit.models import AuditEvent
from approvals.people import presence
from approvals.people.membership import deactivate
from approvals.people.models import Role, Scope, Team, User
from approvals.people.presence import PresenceRefused, Proof
from approvals.people.scopes import Reach
from approvals.people.teams import TeamRefused, mark_of
from approvals.policy import revise as revising
from approvals.policy.book import CHANGED, DEFAULT, Policy, current_book
from approvals.policy.describe import hidden_by
from approvals.policy.models import PolicyRevision
from approvals.policy.revise import (
    Change,
    PolicyChangedMeanwhile,
    PolicyRefused,
    WantedPolicy,
    may_see_policy,
    move,
    removal,
    restoration,
    setting,
)
from approvals.policy.teams_in_use import remove_team
from tests.approvals.at_once import at_once
from tests.approvals.events import topics
from tests.approvals.factories import make_registry, make_user
from tests.approvals.managing import SESSION, change_role, fresh_proof
from tests.approvals.policies import (
    ONE,
    TWO,
    WHY,
    carry_out,
    make_team,
    names,
    policy,
    put,
    wanted,
)

pytestmark = pytest.mark.django_db

ANYWHERE = "https://registry.example.org/"


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def mona() -> User:
    return make_user("mona", role=Role.RELEASE_MANAGER)


def now() -> int:
    return current_book().number


def last_change() -> AuditEvent:
    return AuditEvent.objects.filter(kind=CHANGED).order_by("sequence").last()  # type: ignore[return-value]


def holding(package: str, registry_url: str = ANYWHERE) -> str:
    return current_book().policy_for(registry_url, package).name


# ---------- what comes of it


def test_without_any_the_default_holds_and_the_first_is_revision_one(mona: User) -> None:
    assert (now(), names(), holding("left-pad")) == (0, ["Default"], "Default")
    put(mona)
    assert (now(), names()) == (1, ["Acme", "Default"])
    assert (holding("@acme/ui"), holding("left-pad")) == ("Acme", "Default")


def test_the_first_that_covers_a_package_at_its_registry_holds(mona: User) -> None:
    here = make_registry("here").url
    put(mona, "Everything here", "*", registry_url=here)
    put(mona, "Acme")
    put(mona, "Kit", "@acme/kit", before=policy("Everything here").key)
    assert names() == ["Kit", "Everything here", "Acme", "Default"]
    assert [holding("@acme/kit", here), holding("@acme/ui", here)] == ["Kit", "Everything here"]
    assert [holding("@acme/ui"), holding("left-pad")] == ["Acme", "Default"]


def test_a_change_keeps_the_place_and_the_key(mona: User) -> None:
    first = put(mona)
    put(mona, "Other", "other")
    changed = put(mona, "Acme UI", "@acme/ui-*", key=first.key, requirements={"approvals": ONE})
    assert names() == ["Acme UI", "Other", "Default"]
    assert (changed.key, changed.packages) == (first.key, "@acme/ui-*")
    assert changed.mark != first.mark


def test_the_default_covers_everything_whatever_the_form_says(mona: User) -> None:
    put(mona, "Ours", "@acme/*", key="default", registry_url=make_registry().url, before="x")
    [ours] = current_book().policies
    assert (ours.name, ours.packages, ours.registry_url) == ("Ours", "*", "")
    assert ours.is_default


def test_the_order_can_be_changed_and_policies_be_removed(mona: User) -> None:
    keys = [put(mona, name, name.lower()).key for name in ("One", "Two", "Three")]
    carry_out(move(keys[2], before=keys[0], seen=now(), words=WHY), mona)
    assert names() == ["Three", "One", "Two", "Default"]
    carry_out(move(keys[2], before=keys[1], seen=now(), words=WHY), mona)
    carry_out(move(keys[0], before="default", seen=now(), words=WHY), mona)
    assert names() == ["Three", "Two", "One", "Default"]
    carry_out(removal(keys[1], seen=now(), words=WHY), mona)
    assert names() == ["Three", "One", "Default"]


def test_each_change_is_on_record_with_before_and_after_by_whom_and_why(mona: User) -> None:
    put(mona, words="  Two\nsee more. ")
    event = last_change()
    assert (event.actor, event.subject_name) == (mona, "policies, revision 1")
    assert event.detail["number"] == 1
    assert event.detail["words"] == "Two see more."
    assert event.detail["before"] == []
    covers, demand = event.detail["after"]
    assert covers == "Acme: For @acme/* at every registry."
    assert "2 of anyone" in demand
    put(mona, key="p1", requirements={"approvals": ONE})
    event = last_change()
    assert any("2 of anyone" in line for line in event.detail["before"])
    assert any("1 of anyone" in line for line in event.detail["after"])
    put(mona, "Other", "other")
    carry_out(move("p3", before="p1", seen=now(), words=WHY), mona)
    assert last_change().detail["before"] == ["Order: Acme", "Order: Other", "Order: Default"]
    assert last_change().detail["after"] == ["Order: Other", "Order: Acme", "Order: Default"]
    carry_out(removal("p1", seen=now(), words="Gone."), mona)
    assert last_change().detail["after"] == []
    assert topics().count("policies.changed") == now() == 5
    assert PolicyRevision.objects.get(number=5).words == "Gone."


def test_an_earlier_revision_can_be_set_again(mona: User) -> None:
    put(mona)
    before = current_book().policies
    put(mona, key="p1", requirements={"approvals": ONE})
    carry_out(restoration(1, seen=now(), words="It was better."), mona)
    assert (now(), current_book().policies) == (3, before)
    carry_out(restoration(0, seen=now(), words="Without any."), mona)
    assert (now(), current_book().policies) == (4, (DEFAULT,))
    with pytest.raises(PolicyRefused, match="the same"):
        restoration(0, seen=now(), words=WHY)
    for number in (-1, 9, 2**40):
        with pytest.raises(PolicyRefused, match="no such revision"):
            restoration(number, seen=now(), words=WHY)


def test_what_never_holds_is_known(mona: User) -> None:
    here = make_registry().url
    policies = [
        Policy("a", "Acme", "", "@acme/*"),
        Policy("b", "Acme here", here, "@acme/*"),
        Policy("c", "Kit", "", "@acme/kit"),
        Policy("d", "All here", here, "*"),
        Policy("e", "Wide", "", "@*/*"),
        DEFAULT,
    ]
    found = [hidden_by(policies, one) for one in policies]
    assert [one.name if one else "" for one in found] == ["", "Acme", "Acme", "", "", ""]


# ---------- who may


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_who_may_not_changes_nothing(chief: User, role: Role) -> None:
    put(chief)
    somebody = make_user(role=role)
    for change in (
        wanted("Other", "other"),
        removal("p1", seen=1, words=WHY),
        restoration(0, seen=1, words=WHY),
    ):
        with pytest.raises(PolicyRefused, match="Only a release manager"):
            carry_out(change, somebody)
    assert now() == 1


def test_who_sees_some_packages_only_changes_none(mona: User) -> None:
    Scope.objects.create(user=mona, packages="@acme/*")
    with pytest.raises(PolicyRefused, match="who sees every package"):
        carry_out(wanted(), User.objects.get(pk=mona.pk))
    assert now() == 0


def no_manager_any_more(mona: User) -> None:
    change_role(mona, Role.APPROVER, actor=make_user(role=Role.ADMINISTRATOR))


def scoped(mona: User) -> None:
    reaches = [Reach("", "@acme/*")]
    actor = make_user(role=Role.ADMINISTRATOR)
    change_role(mona, Role.RELEASE_MANAGER, actor=actor, reaches=reaches)


def deactivated(mona: User) -> None:
    deactivate(mona, actor=make_user(role=Role.ADMINISTRATOR))


@pytest.mark.parametrize("end", [no_manager_any_more, scoped, deactivated])
def test_who_may_no_more_changes_nothing_with_a_page_from_before(
    mona: User, end: Callable[[User], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_before, change = User.objects.prefetch_related("scopes").get(pk=mona.pk), wanted()
    end(mona)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: "code")
    with pytest.raises(PolicyRefused, match="Only a release manager"):
        carry_out(change, opened_before, Proof())
    assert now() == 0


@pytest.mark.parametrize(
    ("registry_url", "packages", "is_seen"),
    [
        ("", "*", True),
        ("", "@acme/*", True),
        ("", "@acme/web-kit", True),
        ("here", "@acme/*", True),
        ("elsewhere", "@acme/*", False),
        ("elsewhere", "*", False),
        ("", "@acme/other", False),
        ("", "left-pad", False),
    ],
)
def test_who_sees_some_packages_reads_the_policies_for_some_of_them_or_more(
    registry_url: str, packages: str, is_seen: bool
) -> None:
    vera = make_user("vera", role=Role.VIEWER)
    Scope.objects.create(user=vera, packages="@acme/web-*", registry_url="here")
    one = Policy("p1", "One", registry_url, packages)
    assert may_see_policy(User.objects.get(pk=vera.pk), one) == is_seen
    assert may_see_policy(vera, DEFAULT)
    assert may_see_policy(make_user(role=Role.VIEWER), one)


# ---------- what is refused


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " \n"}, "Give the policy a name"),
        ({"name": "a\0b"}, "Give the policy a name"),
        ({"name": "a\u202eb"}, "Give the policy a name"),
        ({"name": "x" * 61}, "at most 60"),
        ({"name": "DEFAULT"}, "called “DEFAULT” already"),
        ({"packages": ""}, "names no packages"),
        ({"packages": "a b"}, "names no packages"),
        ({"packages": "a*b*c*d*e"}, "stars"),
        ({"registry_url": "https://nobody.example.org/"}, "no such registry"),
        ({"registry_url": "\0"}, "no such registry"),
        ({"words": " "}, "Say why"),
        ({"words": "a\0"}, "Say why"),
        ({"words": "x" * 301}, "at most 300"),
        ({"key": "p99"}, "no longer there"),
        ({"before": "p99"}, "no longer there"),
        ({"requirements": {"no_such": {}}}, "no requirement “no_such”"),
        ({"requirements": {"no_alarm": {}}}, "no requirement “no_alarm”"),
        ({"requirements": {"approvals": {"x": "1"}}}, "no option “x”"),
        ({"requirements": {"approvals": {"wanted": ""}}}, "at least one line"),
        ({"requirements": {"approvals": {"wanted": "a\0"}}}, "at most"),
        ({"requirements": {"approvals": {"wanted": "x" * 10_001}}}, "at most"),
        ({"requirements": {"approvals": {"wanted": "0 of anyone"}}}, "from 1"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_what_means_nothing_is_refused(mona: User, wrong: dict[str, str], words: str) -> None:
    with pytest.raises(PolicyRefused, match=words):
        wanted(**wrong)  # type: ignore[arg-type]  # as given
    assert now() == 0


def test_the_option_that_is_wrong_is_named() -> None:
    with pytest.raises(PolicyRefused) as refused:
        wanted(requirements={"approvals": {"wanted": "many"}})
    assert (refused.value.requirement, refused.value.option) == ("approvals", "wanted")


def test_the_default_is_neither_removed_nor_moved_and_nothing_comes_after_it(mona: User) -> None:
    put(mona)
    with pytest.raises(PolicyRefused, match="The default stays"):
        removal("default", seen=1, words=WHY)
    with pytest.raises(PolicyRefused, match="always tried last"):
        move("default", before="p1", seen=1, words=WHY)


def test_what_changes_nothing_is_no_revision(mona: User) -> None:
    put(mona)
    with pytest.raises(PolicyRefused, match="nothing would change"):
        wanted(key="p1")
    for before in ("p1", "default"):
        with pytest.raises(PolicyRefused, match="nothing would change"):
            move("p1", before=before, seen=1, words=WHY)


def test_there_are_only_so_many(mona: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revising, "MOST_POLICIES", 2)
    put(mona)
    with pytest.raises(PolicyRefused, match="which is the most"):
        wanted("Other", "other")
    put(mona, key="p1", requirements={"approvals": ONE})


def test_a_policy_names_teams_and_people_that_there_are(chief: User, mona: User) -> None:
    gone = make_user("gone", is_active=False)
    for who in ("frontend", "@nobody", f"@{gone.username}"):
        with pytest.raises(PolicyRefused, match=f"“{who}”"):
            carry_out(wanted(requirements={"approvals": {"wanted": f"1 of {who}"}}), mona)
    make_team(chief, "frontend", mona)
    put(mona, requirements={"approvals": {"wanted": "1 of frontend or @MONA"}})
    # Whoever leaves afterwards does not keep other policies from being changed.
    deactivate(mona, actor=chief)
    Team.objects.all().delete()
    put(chief, "Other", "other")
    with pytest.raises(PolicyRefused, match="no team “frontend”"):
        carry_out(
            wanted("Acme!", key="p1", requirements={"approvals": {"wanted": "1 of frontend"}}),
            chief,
        )


# ---------- presence


@pytest.mark.parametrize("proof", [Proof(), Proof(code="000000")], ids=["nothing", "wrong-code"])
def test_nothing_is_changed_without_a_proof(mona: User, proof: Proof) -> None:
    fresh_proof(mona)
    with pytest.raises(PresenceRefused):
        carry_out(wanted(), mona, proof)
    assert now() == 0


def test_what_is_refused_uses_up_no_code(chief: User, mona: User) -> None:
    change, proof = wanted(), fresh_proof(mona)
    put(chief, "Other", "other")
    with pytest.raises(PolicyChangedMeanwhile):
        carry_out(change, mona, proof)
    carry_out(wanted(), mona, proof)
    assert names() == ["Other", "Acme", "Default"]


def test_a_proof_is_for_exactly_one_change(mona: User) -> None:
    put(mona)
    put(mona, "Other", "other")
    change = wanted("Third", "third")
    others = [
        wanted("Third", "third", requirements={"approvals": ONE}),
        wanted("Third", "*"),
        wanted("Third!", "third"),
        wanted("Third", "third", before="p1"),
        wanted("Third", "third", words="Another reason."),
        Change(1, change.before, change.after, change.words),
        move("p1", before="default", seen=2, words=WHY),
        removal("p1", seen=2, words=WHY),
    ]
    assert len({one.purpose for one in (change, *others)}) == len(others) + 1
    for other in others:
        opened = presence.open_confirmation(mona, session=SESSION, purpose=change.purpose)
        with pytest.raises(PresenceRefused):
            presence.spend(mona, str(opened.pk), session=SESSION, purpose=other.purpose)
    assert presence.spend(mona, str(opened.pk), session=SESSION, purpose=change.purpose)


# ---------- two at once


def test_who_changes_what_another_changed_meanwhile_is_told(mona: User) -> None:
    put(mona)
    late = [wanted("Late", "late"), removal("p1", seen=1, words=WHY)]
    put(mona, key="p1", requirements={"approvals": ONE})
    for change in late:
        with pytest.raises(PolicyChangedMeanwhile, match="Nothing was changed by you"):
            carry_out(change, mona)
    for begin in (
        partial(wanted, "Late", "late", seen=1),
        partial(removal, "p1", seen=1, words=WHY),
        partial(move, "p1", before="default", seen=1, words=WHY),
        partial(restoration, 0, seen=1, words=WHY),
    ):
        with pytest.raises(PolicyChangedMeanwhile):
            begin()  # type: ignore[operator]
    assert now() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_wins_and_the_other_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [make_user(role=Role.RELEASE_MANAGER) for _ in range(2)]
    put(people[0])
    changes = [wanted(f"Of {number}", f"of-{number}") for number in range(2)]
    together = threading.Barrier(2)
    # Both have looked before either writes.
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: together.wait(20))
    results = at_once(
        *[
            partial(carry_out, change, person, Proof())
            for change, person in zip(changes, people, strict=True)
        ]
    )
    assert sorted(type(one) is PolicyChangedMeanwhile for one in results) == [False, True], results
    assert now() == 2
    assert not current_book().broken
    assert len(current_book().policies) == 3
    assert AuditEvent.objects.filter(kind=CHANGED).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_team_does_not_go_while_a_policy_begins_to_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chief = make_user("chief", role=Role.ADMINISTRATOR)
    other = make_user("other", role=Role.ADMINISTRATOR)
    team = make_team(chief, "frontend", chief)
    change = wanted(requirements={"approvals": {"wanted": "1 of frontend"}})
    together = threading.Barrier(2)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: together.wait(20))
    results = at_once(
        partial(carry_out, change, chief, Proof()),
        partial(remove_team, team, Proof(), seen=mark_of(team), actor=other, session=SESSION),
    )
    refused = [type(one) for one in results if isinstance(one, Exception)]
    assert refused in ([PolicyRefused], [TeamRefused]), results
    assert Team.objects.exists() == (now() == 1)


def test_settings_are_kept_as_the_requirement_reads_them(mona: User) -> None:
    put(mona, requirements={"approvals": TWO})
    assert policy("Acme").requirements["approvals"]["wanted"][0]["number"] == 2
    typed = policy("Acme").in_force[0].typed()
    again = setting(
        WantedPolicy("p1", "Renamed", "", "@acme/*", {"approvals": typed}), seen=1, words=WHY
    )
    assert again.after[0].requirements == policy("Acme").requirements

"""How much rules count for which packages, and who may say so."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connections

from approvals.audit.models import AuditEvent
from approvals.inspection import rule_settings
from approvals.inspection.finding import Group, Severity
from approvals.inspection.models import RuleSetting
from approvals.inspection.rule_settings import (
    RuleNotSet,
    Wanted,
    mark_of,
    may_see_setting,
    removal_of,
    set_rule,
    settings_for,
    unset_rule,
    weights_of_rules,
)
from approvals.people import presence
from approvals.people.membership import deactivate
from approvals.people.models import Role, User
from approvals.people.presence import PresenceRefused, Proof
from approvals.people.scopes import Reach
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_user
from tests.approvals.managing import SESSION, change_role, fresh_proof

pytestmark = pytest.mark.django_db

RULES = {
    Group.CODE: {"child-process": "Code that runs programs", "network": "Code that calls out"},
    Group.LIMITS: {"rule-crashed": "Rules that broke", "limit-search": "What was not searched"},
}


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


def put(
    actor: User,
    weight: str = "off",
    packages: str = "@acme/*",
    *,
    rule: str = "child-process",
    words: str = "Every release of these runs git.",
    seen: str = "",
    proof: Proof | None = None,
) -> RuleSetting:
    return set_rule(
        Wanted(rule, packages, weight, words),
        proof or fresh_proof(actor),
        rules=RULES,
        seen=seen,
        actor=actor,
        session=SESSION,
    )


def take(setting: RuleSetting, actor: User, *, seen: str | None = None) -> None:
    mark = mark_of(setting) if seen is None else seen
    unset_rule(setting, fresh_proof(actor), seen=mark, actor=actor, session=SESSION)


def severity(package: str) -> Severity | None:
    return weights_of_rules().severity("child-process", package, Severity.MEDIUM)


def test_a_setting_counts_until_it_is_removed_and_both_are_on_record(chief: User) -> None:
    setting = put(chief)
    assert severity("@acme/ui") is None
    assert severity("left-pad") == Severity.MEDIUM
    setting = put(chief, "high", words=" They  stopped. ", seen=mark_of(setting))
    assert severity("@acme/ui") == Severity.HIGH
    take(setting, chief)
    assert severity("@acme/ui") == Severity.MEDIUM
    git, stopped = "Every release of these runs git.", "They stopped."
    about = {"rule": "child-process", "packages": "@acme/*"}
    events = AuditEvent.objects.filter(kind__startswith="rule.").order_by("sequence")
    assert {event.actor for event in events} == {chief}
    assert [(event.kind, event.detail) for event in events] == [
        ("rule.set", about | {"before": None, "after": "off", "words": git}),
        (
            "rule.set",
            about | {"before": "off", "after": "high", "words_before": git, "words": stopped},
        ),
        ("rule.unset", about | {"before": "high", "after": None, "words_before": stopped}),
    ]


def test_the_closest_pattern_holds(chief: User) -> None:
    put(chief, "off", "*")
    put(chief, "low", "@acme/*")
    put(chief, "critical", "@acme/ui-*")
    put(chief, "usual", "@acme/ui-kit")
    found = [severity(name) for name in ("left-pad", "@acme/a", "@acme/ui-a", "@acme/ui-kit")]
    assert found == [None, Severity.LOW, Severity.CRITICAL, Severity.MEDIUM]


def test_what_is_set_for_a_package_is_named_with_who_and_why(chief: User) -> None:
    put(chief, "off", "*")
    put(chief, "usual", "@acme/*")
    low = put(chief, "low", "@acme/*", rule="network", words="All of ours call home.")
    put(chief, "high", "*", rule="network")
    (found,) = settings_for("@acme/ui")
    assert (found, found.set_by, found.words) == (low, chief, "All of ours call home.")
    assert [one.weight for one in settings_for("left-pad")] == ["off", "high"]


@pytest.mark.parametrize(
    ("packages", "is_seen"),
    [
        ("*", True),
        ("@acme/*", True),
        ("@acme/web-*", True),
        ("@acme/web-kit", True),
        ("@acme/other", False),
        ("@secret/*", False),
        ("left-pad", False),
    ],
)
def test_who_sees_some_packages_sees_what_is_set_for_some_of_them_or_more(
    chief: User, packages: str, is_seen: bool
) -> None:
    setting, vera = put(chief, packages=packages), make_user("vera", role=Role.VIEWER)
    assert may_see_setting(chief, setting)
    assert may_see_setting(User.objects.get(pk=vera.pk), setting)
    change_role(vera, Role.VIEWER, actor=chief, reaches=[Reach("", "@acme/web-*")])
    assert may_see_setting(User.objects.get(pk=vera.pk), setting) == is_seen


def test_what_was_not_looked_at_is_said_whatever_was_set_before(chief: User) -> None:
    RuleSetting.objects.create(rule="limit-search", packages="*", weight="off", words="by hand")
    put(chief, "low", "left-*", rule="limit-search", words="It is large.")
    for package, severity in (("left-pad", Severity.LOW), ("other", Severity.HIGH)):
        found = weights_of_rules().severity("limit-search", package, Severity.HIGH)
        assert found == severity
    assert settings_for("other") == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER])
def test_only_administrators_set_rules(chief: User, role: Role) -> None:
    setting, somebody = put(chief), make_user("somebody", role=role)
    with pytest.raises(RuleNotSet, match="Only an administrator"):
        put(somebody, packages="*")
    with pytest.raises(RuleNotSet, match="Only an administrator"):
        take(setting, somebody)
    assert list(RuleSetting.objects.all()) == [setting]


def no_administrator_any_more(chief: User) -> None:
    change_role(chief, Role.VIEWER, actor=make_user(role=Role.ADMINISTRATOR))


def deactivated(chief: User) -> None:
    deactivate(chief, actor=make_user(role=Role.ADMINISTRATOR))


@pytest.mark.parametrize("end", [no_administrator_any_more, deactivated])
def test_who_is_none_any_more_sets_nothing_with_a_page_from_before(
    chief: User, end: Callable[[User], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = put(chief)
    opened_before = User.objects.get(pk=chief.pk)
    end(chief)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: "code")
    with pytest.raises(RuleNotSet, match="Only an administrator"):
        put(opened_before, packages="*", proof=Proof())
    with pytest.raises(RuleNotSet, match="Only an administrator"):
        unset_rule(setting, Proof(), seen=mark_of(setting), actor=opened_before, session=SESSION)
    assert list(RuleSetting.objects.all()) == [setting]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rule": "no-such-rule"}, "There is no rule"),
        ({"weight": "harmless"}, "Choose how much"),
        ({"weight": ""}, "Choose how much"),
        ({"packages": ""}, "names no packages"),
        ({"packages": "a*b*c*d*e"}, "stars"),
        ({"packages": "a b"}, "names no packages"),
        ({"packages": "a/b/c"}, "names no packages"),
        ({"words": "  \n"}, "Say why"),
        ({"words": "x" * 301}, "at most 300"),
        ({"words": "a\0b"}, "Say why"),
        ({"rule": "rule-crashed"}, "cannot be switched off"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_means_nothing_is_refused_and_uses_up_no_code(
    chief: User, wrong: dict[str, str], words: str
) -> None:
    proof = fresh_proof(chief)
    with pytest.raises(RuleNotSet, match=words):
        put(chief, proof=proof, **wrong)  # type: ignore[arg-type]
    assert not RuleSetting.objects.exists()
    put(chief, proof=proof)


def test_what_was_not_looked_at_can_count_less(chief: User) -> None:
    assert put(chief, "info", rule="rule-crashed").weight == "info"


def test_there_are_only_so_many(chief: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_settings, "MOST_SETTINGS", 2)
    first = put(chief, packages="a")
    put(chief, packages="b")
    with pytest.raises(RuleNotSet, match="which is the most"):
        put(chief, packages="c")
    put(chief, "low", packages="a", seen=mark_of(first))


# ---------- presence


@pytest.mark.parametrize("proof", [Proof(), Proof(code="000000")], ids=["nothing", "wrong-code"])
def test_nothing_is_set_without_a_proof(chief: User, proof: Proof) -> None:
    fresh_proof(chief)
    with pytest.raises(PresenceRefused):
        put(chief, proof=proof)
    setting = put(chief)
    with pytest.raises(PresenceRefused):
        unset_rule(setting, proof, seen=mark_of(setting), actor=chief, session=SESSION)
    assert RuleSetting.objects.get() == setting


@pytest.mark.parametrize(
    "other",
    [
        Wanted("child-process", "*", "off", "why"),
        Wanted("child-process", "@acme/*", "info", "why"),
        Wanted("network", "@acme/*", "off", "why"),
    ],
    ids=["packages", "weight", "rule"],
)
def test_a_proof_is_for_exactly_one_change(chief: User, other: Wanted) -> None:
    setting = put(chief)
    wanted = Wanted("child-process", "@acme/*", "off", "why")
    assert other.purpose != wanted.purpose
    assert removal_of(setting) not in (other.purpose, wanted.purpose)
    opened = presence.open_confirmation(chief, session=SESSION, purpose=wanted.purpose)
    with pytest.raises(PresenceRefused):
        presence.spend(chief, str(opened.pk), session=SESSION, purpose=other.purpose)
    assert presence.spend(chief, str(opened.pk), session=SESSION, purpose=wanted.purpose)


# ---------- two at once


def test_who_changes_what_another_changed_meanwhile_is_told(chief: User) -> None:
    first = put(chief)
    seen = mark_of(first)
    second = put(chief, "high", seen=seen)
    with pytest.raises(RuleNotSet, match="meanwhile"):
        put(chief, "low", seen=seen)
    with pytest.raises(RuleNotSet, match="meanwhile"):
        take(first, chief)
    with pytest.raises(RuleNotSet, match="meanwhile"):
        take(second, chief, seen=seen)
    assert RuleSetting.objects.get().weight == "high"
    take(second, chief)
    with pytest.raises(RuleNotSet, match="meanwhile"):
        put(chief, "low", seen=mark_of(second))
    assert not RuleSetting.objects.exists()


def test_a_second_setting_for_the_same_packages_is_refused(chief: User) -> None:
    put(chief)
    with pytest.raises(RuleNotSet, match=r"set for @acme/\* already \(off\)"):
        put(chief, "low")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_make_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    chief = make_user("chief", role=Role.ADMINISTRATOR)
    others = [make_user(role=Role.ADMINISTRATOR) for _ in range(2)]
    put(chief, packages="first")
    monkeypatch.setattr(rule_settings, "MOST_SETTINGS", 2)
    together = threading.Barrier(2)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: together.wait(20))
    results = at_once(
        *[
            partial(put, actor, packages=f"of-{number}", proof=Proof())
            for number, actor in enumerate(others)
        ]
    )
    assert sorted(type(one) is RuleNotSet for one in results) == [False, True], results
    assert RuleSetting.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
def test_of_two_at_once_one_wins_and_the_other_is_told(
    monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    chief = make_user("chief", role=Role.ADMINISTRATOR)
    seen = "" if is_new else mark_of(put(chief))
    begun = AuditEvent.objects.filter(kind="rule.set").count()
    together = threading.Barrier(2)
    # Both have looked before either writes.
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: together.wait(20))
    outcomes: list[str] = []

    def change(weight: str) -> None:
        try:
            put(User.objects.get(pk=chief.pk), weight, seen=seen, proof=Proof())
            outcomes.append("set")
        except RuleNotSet:
            outcomes.append("told")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=change, args=[weight]) for weight in ("low", "high")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["set", "told"]
    assert RuleSetting.objects.count() == 1
    assert AuditEvent.objects.filter(kind="rule.set").count() == begun + 1

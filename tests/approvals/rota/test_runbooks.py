"""Runbooks: which holds, who writes them, and that no change is lost."""

import pytest

from approvals.audit.models import AuditEvent
from approvals.people.models import Role, Scope, User
from approvals.rota import runbooks
from approvals.rota.models import Runbook, RunbookRevision
from approvals.rota.runbooks import (
    LONGEST_TEXT,
    RunbookChangedMeanwhile,
    RunbookRefused,
    WantedRunbook,
    change_runbook,
    make_runbook,
    may_see_runbook,
    newest,
    remove_runbook,
    runbook_for,
    runbooks_for,
)
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db

HERE, THERE = "https://here.example.org/", "https://there.example.org/"


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.RELEASE_MANAGER)


def written(chief: User, packages: str, text: str = "", registry_url: str = "") -> Runbook:
    wanted = WantedRunbook(registry_url, packages, text or f"For {packages} {registry_url}.")
    return make_runbook(wanted, actor=chief)


def text_for(registry_url: str, package: str) -> str:
    found = runbook_for(registry_url, package)
    return found.text if found else ""


def test_the_closest_holds(chief: User) -> None:
    assert runbook_for(HERE, "left-pad") is None
    for packages, registry_url in (
        ("*", ""),
        ("@acme/*", ""),
        ("@acme/*", HERE),
        ("@acme/ui-*", ""),
        ("@acme/ui-core", THERE),
    ):
        written(chief, packages, registry_url=registry_url)
    assert text_for(HERE, "left-pad") == "For * ."
    assert text_for(THERE, "@acme/cli") == "For @acme/* ."
    assert text_for(HERE, "@acme/cli") == f"For @acme/* {HERE}."
    assert text_for(HERE, "@acme/ui-core") == "For @acme/ui-* ."
    assert text_for(THERE, "@acme/ui-core") == f"For @acme/ui-core {THERE}."


def test_every_revision_is_kept_and_told(chief: User) -> None:
    made = written(chief, "@acme/*", "First.\r\nSecond line.")
    change_runbook(made, "Second.", seen=1, actor=chief)
    assert [(one.number, one.text) for one in made.revisions.all()] == [
        (2, "Second."),
        (1, "First.\nSecond line."),
    ]
    remove_runbook(made, seen=2, actor=chief)
    assert runbook_for(HERE, "@acme/cli") is None
    kinds = AuditEvent.objects.filter(subject=f"rota.Runbook:{made.pk}").order_by("sequence")
    assert [(one.kind, one.actor_name, one.detail["number"]) for one in kinds] == [
        ("runbook.made", "chief", 1),
        ("runbook.changed", "chief", 2),
        ("runbook.removed", "chief", 2),
    ]
    # There can be another one for the same packages then.
    written(chief, "@acme/*", "Third.")
    assert text_for(HERE, "@acme/cli") == "Third."


def test_nobody_writes_over_what_they_have_not_read(chief: User) -> None:
    made = written(chief, "@acme/*", "First.")
    other = Runbook.objects.get(pk=made.pk)
    change_runbook(made, "Second.", seen=1, actor=chief)
    for attempt in (
        lambda: change_runbook(other, "Mine.", seen=1, actor=chief),
        lambda: remove_runbook(other, seen=1, actor=chief),
        lambda: change_runbook(other, "Mine.", seen=7, actor=chief),
    ):
        with pytest.raises(RunbookChangedMeanwhile, match="meanwhile"):
            attempt()
    assert text_for(HERE, "@acme/cli") == "Second."
    remove_runbook(made, seen=2, actor=chief)
    with pytest.raises(RunbookChangedMeanwhile):
        change_runbook(other, "Mine.", seen=2, actor=chief)


def test_the_same_text_is_no_revision(chief: User) -> None:
    made = written(chief, "@acme/*", "First.")
    assert change_runbook(made, " First.\n", seen=1, actor=chief).number == 1
    made.refresh_from_db()
    assert (made.number, made.revisions.count()) == (1, 1)
    assert not AuditEvent.objects.filter(kind="runbook.changed").exists()


def test_there_is_one_for_a_pattern(chief: User) -> None:
    written(chief, "@acme/*")
    with pytest.raises(RunbookRefused, match="already"):
        written(chief, "@acme/*")
    written(chief, "@acme/*", registry_url=HERE)


@pytest.mark.parametrize(
    ("packages", "text"),
    [
        ("", "x"),
        ("a b", "x"),
        ("****", "x"),
        ("*", ""),
        ("*", " \n "),
        ("*", "x" * (LONGEST_TEXT + 1)),
        ("*", "x\0"),
        ("*", "\x1b[31mred"),
    ],
)
def test_what_makes_no_sense_is_refused(chief: User, packages: str, text: str) -> None:
    with pytest.raises(RunbookRefused):
        make_runbook(WantedRunbook("", packages, text), actor=chief)
    assert not RunbookRevision.objects.exists()


def test_there_are_only_so_many(chief: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbooks, "MOST_RUNBOOKS", 1)
    written(chief, "@acme/*")
    with pytest.raises(RunbookRefused, match="most"):
        written(chief, "@zulu/*")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_others_write_nothing(chief: User, role: Role) -> None:
    made = written(chief, "@acme/*", "First.")
    somebody = make_user(role=role)
    for attempt in (
        lambda: written(somebody, "@zulu/*"),
        lambda: change_runbook(made, "Mine.", seen=1, actor=somebody),
        lambda: remove_runbook(made, seen=1, actor=somebody),
    ):
        with pytest.raises(RunbookRefused, match="Only a release manager"):
            attempt()
    assert text_for(HERE, "@acme/cli") == "First."


def test_whoever_lost_the_role_since_writes_nothing(chief: User) -> None:
    User.objects.filter(pk=chief.pk).update(role=Role.VIEWER)
    with pytest.raises(RunbookRefused):
        written(chief, "@acme/*")


def test_whoever_sees_some_packages_writes_none_and_reads_some(chief: User) -> None:
    everything, acme, part, zulu = (
        written(chief, packages) for packages in ("*", "@acme/*", "@acme/ui-*", "@zulu/*")
    )
    elsewhere = written(chief, "*", registry_url=THERE)
    some = make_user(role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=some, packages="@acme/ui-*", registry_url=HERE)
    with pytest.raises(RunbookRefused):
        written(some, "@acme/ui-x")
    assert set(runbooks_for(some)) == {everything, acme, part}
    assert not may_see_runbook(some, zulu)
    assert not may_see_runbook(some, elsewhere)
    assert len(runbooks_for(chief)) == 5
    assert newest(zulu) is not None


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_that_change_it_at_once_one_does() -> None:
    people = [make_user(role=Role.RELEASE_MANAGER) for _ in range(3)]
    made = written(people[0], "@acme/*", "First.")
    results = at_once(
        *(
            lambda one=one: change_runbook(
                Runbook.objects.get(pk=made.pk), f"By {one}.", seen=1, actor=one
            )
            for one in people
        )
    )
    done = [one for one in results if isinstance(one, RunbookRevision)]
    assert len(done) == 1
    assert all(isinstance(one, RunbookChangedMeanwhile) for one in results if one not in done)
    assert list(made.revisions.values_list("number", "text")) == [
        (2, done[0].text),
        (1, "First."),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_that_make_one_for_the_same_packages_one_does() -> None:
    people = [make_user(role=Role.RELEASE_MANAGER) for _ in range(3)]
    results = at_once(*(lambda one=one: written(one, "@acme/*") for one in people))
    assert sorted(type(one) is Runbook for one in results) == [False, False, True]
    assert all(type(one) in (Runbook, RunbookRefused) for one in results)
    assert RunbookRevision.objects.count() == 1

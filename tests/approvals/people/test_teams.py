"""Teams: who makes them, who is in them, and what keeps one from going."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from approvals.audit.models import AuditEvent
from approvals.people import presence, teams
from approvals.people.membership import deactivate
from approvals.people.models import Role, Team, User
from approvals.people.presence import PresenceRefused, Proof
from approvals.people.teams import (
    TeamChangedMeanwhile,
    TeamRefused,
    WantedTeam,
    change_team,
    mark_of,
    members_of_teams,
    members_that_count,
    removal_of,
    remove_team,
)
from approvals.policy.wanted import RESERVED
from tests.approvals.at_once import at_once
from tests.approvals.events import kinds, topics
from tests.approvals.factories import make_user
from tests.approvals.managing import SESSION, change_role, fresh_proof
from tests.approvals.policies import make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def change(
    team: Team,
    actor: User,
    *members: User,
    words: str = "",
    seen: str | None = None,
    proof: Proof | None = None,
) -> Team:
    return change_team(
        team,
        WantedTeam("", words, [one.pk for one in members]),
        proof or fresh_proof(actor),
        seen=mark_of(team) if seen is None else seen,
        actor=actor,
        session=SESSION,
    )


def take(
    team: Team,
    actor: User,
    *,
    seen: str | None = None,
    proof: Proof | None = None,
    because: str = "",
) -> None:
    remove_team(
        team,
        proof or fresh_proof(actor),
        seen=mark_of(team) if seen is None else seen,
        actor=actor,
        session=SESSION,
        counts_on=lambda name: because,
    )


def in_it(team: Team) -> list[str]:
    return list(team.members.order_by("username").values_list("username", flat=True))


def test_a_team_is_made_changed_and_removed_and_all_of_it_is_on_record(
    chief: User, ada: User
) -> None:
    grace = make_user("grace")
    team = make_team(chief, "frontend", grace, ada, words=" The \n web. ")
    assert (team.words, in_it(team)) == ("The web.", ["ada", "grace"])
    change(team, chief, ada, words="The web.")
    assert in_it(team) == ["ada"]
    take(team, chief)
    assert not Team.objects.exists()
    events = AuditEvent.objects.filter(kind__startswith="team.").order_by("sequence")
    assert {(event.actor, event.subject_name) for event in events} == {(chief, "frontend")}
    assert [(event.kind, event.detail["before"], event.detail["after"]) for event in events] == [
        ("team.made", [], ["ada", "grace"]),
        ("team.changed", ["ada", "grace"], ["ada"]),
        ("team.removed", ["ada"], []),
    ]
    assert topics().count("teams.changed") == 3


def test_what_changes_nothing_is_not_on_record(chief: User, ada: User) -> None:
    team = make_team(chief, "frontend", ada)
    change(team, chief, ada)
    assert kinds("team.") == ["team.made"]


def test_who_is_deactivated_counts_no_more_and_cannot_be_put_in(chief: User, ada: User) -> None:
    team = make_team(chief, "frontend", ada)
    deactivate(ada, actor=chief)
    assert members_that_count(team) == []
    with pytest.raises(TeamRefused, match="ada is deactivated"):
        make_team(chief, "backend", ada)
    # Others come and go while she is still there, and she can be taken out.
    change(team, chief, ada, chief)
    change(team, chief, chief)
    with pytest.raises(TeamRefused, match="ada is deactivated"):
        change(team, chief, ada, chief)
    assert in_it(team) == ["chief"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER])
def test_only_administrators_make_change_and_remove_teams(chief: User, role: Role) -> None:
    team, somebody = make_team(chief, "frontend"), make_user(role=role)
    for doing in (
        partial(make_team, somebody, "backend"),
        partial(change, team, somebody, somebody),
        partial(take, team, somebody),
    ):
        with pytest.raises(TeamRefused, match="Only an administrator"):
            doing()
    assert (list(Team.objects.all()), in_it(team)) == ([team], [])


def no_administrator_any_more(chief: User) -> None:
    change_role(chief, Role.VIEWER, actor=make_user(role=Role.ADMINISTRATOR))


def deactivated(chief: User) -> None:
    deactivate(chief, actor=make_user(role=Role.ADMINISTRATOR))


@pytest.mark.parametrize("end", [no_administrator_any_more, deactivated])
def test_who_is_none_any_more_changes_nothing_with_a_page_from_before(
    chief: User, end: Callable[[User], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    team = make_team(chief, "frontend")
    opened_before = User.objects.get(pk=chief.pk)
    end(chief)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: "code")
    for doing in (
        partial(make_team, opened_before, "backend"),
        partial(change, team, opened_before, words="Other", proof=Proof()),
        partial(take, team, opened_before, proof=Proof()),
    ):
        with pytest.raises(TeamRefused, match="Only an administrator"):
            doing()
    assert (list(Team.objects.all()), in_it(team)) == ([team], [])


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Frontend",
        "front end",
        "-a",
        "a-",
        "a--b",
        "a_b",
        "@ada",
        "ä",
        "a\0",
        "a" * 41,
        "12",
    ],
)
def test_a_name_is_one_that_policies_can_read(chief: User, name: str) -> None:
    with pytest.raises(TeamRefused):
        make_team(chief, name)
    assert not Team.objects.exists()


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_team_is_called_what_means_something_else_in_policies(chief: User, name: str) -> None:
    with pytest.raises(TeamRefused, match="means something else"):
        make_team(chief, name)


def test_what_means_nothing_is_refused(
    chief: User, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = make_team(chief, "frontend", ada)
    with pytest.raises(TeamRefused, match="a team “frontend” already"):
        make_team(chief, "frontend")
    for words in ("x" * 201, "a\0b"):
        with pytest.raises(TeamRefused, match="at most 200"):
            change(team, chief, ada, words=words)
    nobody = User(pk=987654)
    with pytest.raises(TeamRefused, match="no such person"):
        change(team, chief, ada, nobody)
    monkeypatch.setattr(teams, "MOST_MEMBERS", 1)
    with pytest.raises(TeamRefused, match="at most 1 people"):
        change(team, chief, ada, chief)
    monkeypatch.setattr(teams, "MOST_TEAMS", 1)
    with pytest.raises(TeamRefused, match="which is the most"):
        make_team(chief, "backend")
    assert (in_it(team), Team.objects.count()) == (["ada"], 1)


def test_a_team_that_something_counts_on_stays(chief: User) -> None:
    team, proof = make_team(chief, "frontend"), fresh_proof(chief)
    with pytest.raises(TeamRefused, match="A policy names it"):
        take(team, chief, proof=proof, because="A policy names it.")
    take(team, chief, proof=proof)


# ---------- presence


@pytest.mark.parametrize("proof", [Proof(), Proof(code="000000")], ids=["nothing", "wrong-code"])
def test_nothing_is_changed_without_a_proof(chief: User, ada: User, proof: Proof) -> None:
    team = make_team(chief, "frontend", ada)
    with pytest.raises(PresenceRefused):
        change(team, chief, chief, proof=proof)
    with pytest.raises(PresenceRefused):
        take(team, chief, proof=proof)
    wanted = WantedTeam("backend", "", [])
    with pytest.raises(PresenceRefused):
        teams.make_team(wanted, proof, actor=chief, session=SESSION)
    assert (in_it(team), Team.objects.count()) == (["ada"], 1)


def test_a_proof_is_for_exactly_one_change(chief: User) -> None:
    team = make_team(chief, "frontend")
    wanted = WantedTeam("frontend", "Web", [1, 2])
    others = [
        WantedTeam("backend", "Web", [1, 2]).purpose,
        WantedTeam("frontend", "", [1, 2]).purpose,
        WantedTeam("frontend", "Web", [1]).purpose,
        removal_of(team),
    ]
    assert wanted.purpose not in others
    assert WantedTeam("frontend", " Web ", [2, 1, 2]).purpose == wanted.purpose


def test_who_is_written_into_a_team_by_hand_is_not_in_it(chief: User, ada: User) -> None:
    team = make_team(chief, "frontend", chief)
    assert members_of_teams() == {"frontend": {chief.pk}}
    team.members.add(ada)
    assert members_of_teams() == {"frontend": {chief.pk}}
    team.members.clear()
    assert members_of_teams() == {"frontend": frozenset()}
    # Nor by an event that nobody here has written.
    team.members.add(ada)
    AuditEvent.objects.update(detail={"members": [ada.pk]})
    assert members_of_teams() == {"frontend": frozenset()}
    change(team, chief, chief, ada)
    assert members_of_teams() == {"frontend": {chief.pk, ada.pk}}


# ---------- two at once


def test_who_changes_what_another_changed_meanwhile_is_told(chief: User, ada: User) -> None:
    team = make_team(chief, "frontend", ada)
    seen = mark_of(team)
    change(team, chief, chief)
    with pytest.raises(TeamChangedMeanwhile):
        change(team, chief, ada, seen=seen)
    with pytest.raises(TeamChangedMeanwhile):
        take(team, chief, seen=seen)
    assert in_it(team) == ["chief"]
    gone = Team.objects.get(pk=team.pk)
    seen = mark_of(gone)
    take(team, chief)
    with pytest.raises(TeamChangedMeanwhile):
        change(gone, chief, ada, seen=seen)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_wins_and_the_other_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    chiefs = [make_user(f"chief{number}", role=Role.ADMINISTRATOR) for number in range(2)]
    team = make_team(chiefs[0], "frontend")
    seen = mark_of(team)
    together = threading.Barrier(2)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: together.wait(20))
    results = at_once(
        *[partial(change, team, one, one, seen=seen, proof=Proof()) for one in chiefs]
    )
    told = [type(one) is TeamChangedMeanwhile for one in results]
    assert sorted(told) == [False, True], results
    assert in_it(team) == [f"chief{told.index(False)}"]
    assert kinds("team.") == ["team.made", "team.changed"]


@pytest.mark.django_db(transaction=True)
def test_of_two_of_one_name_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    chiefs = [make_user(role=Role.ADMINISTRATOR) for _ in range(2)]
    for one in chiefs:
        fresh_proof(one)
    together = threading.Barrier(2)
    monkeypatch.setattr(presence, "prove_with", lambda *args, **options: together.wait(20))
    results = at_once(*[partial(make_team, one, "frontend") for one in chiefs])
    assert sorted(type(one) is TeamRefused for one in results) == [False, True], results
    assert Team.objects.count() == 1

"""Teams: people under a name that policies use, so that being in one can let versions go out.

Administrators make and change them, with a fresh proof that they are here, as for a role.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from approvals.audit.models import AuditEvent
from approvals.audit.outbox import publish
from approvals.audit.record import is_written_here, record
from approvals.people import presence
from approvals.people.models import Team, User
from approvals.people.permissions import may_manage
from approvals.people.presence import Proof
from approvals.people.turnstile import turnstile

TOPIC = "teams.changed"
MOST_TEAMS = 100
MOST_MEMBERS = 500
LONGEST_TEAM_NAME = 40
LONGEST_TEAM_WORDS = 200
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RESERVED = frozenset(
    {
        *("anyone", "anybody", "everyone", "everybody", "people", "person", "team"),
        *("administrator", "administrators", "approver", "approvers"),
        *("release-manager", "release-managers", "viewer", "viewers"),
        *("for", "of", "or", "and", "finding", "package"),
    }
)
"""What no team is called: it means something else in policies."""
_ONLY_ADMINISTRATORS = "Only an administrator makes and changes teams."
_CHANGED_MEANWHILE = (
    "Somebody changed this team meanwhile. Nothing was changed by you: look at who is in it now."
)


class TeamRefused(Exception):
    """The team cannot be made, changed or removed; the text says why, and what to do."""


class TeamChangedMeanwhile(TeamRefused):
    """The team is another one than the person saw."""


@dataclass(frozen=True)
class WantedTeam:
    """A team as somebody wants it: `members` are people's keys, `name` is for a new one only."""

    name: str
    words: str
    members: Collection[int]

    @property
    def purpose(self) -> str:
        """That for which presence is proven before there is such a team."""
        content = [self.name, " ".join(self.words.split()), sorted(set(self.members))]
        return f"team {hashlib.sha256(json.dumps(content).encode()).hexdigest()}"


def removal_of(team: Team) -> str:
    """The purpose for which presence is proven before a team is removed."""
    return f"remove team {team.pk} {team.name}"


def mark_of(team: Team) -> str:
    """Tells a team as it stands from what it was and will be."""
    members = sorted(team.members.order_by().values_list("pk", flat=True))
    return hashlib.sha256(json.dumps([team.pk, team.words, members]).encode()).hexdigest()


def make_team(wanted: WantedTeam, proof: Proof, *, actor: User, session: str) -> Team:
    """Makes a team. The proof is the actor's. Raises TeamRefused and PresenceRefused."""
    _check_may_manage(actor)
    wanted = _checked(wanted)
    people = _people(wanted.members)
    if Team.objects.filter(name=wanted.name).exists():
        raise TeamRefused(_there_already(wanted.name))
    presence.prove_with(actor, proof, session=session, purpose=wanted.purpose)
    with transaction.atomic():
        actor = _locked(actor)
        if Team.objects.count() >= MOST_TEAMS:
            raise TeamRefused(f"There are {MOST_TEAMS} teams, which is the most. Remove one.")
        try:
            with transaction.atomic():
                team = Team.objects.create(name=wanted.name, words=wanted.words)
        except IntegrityError as error:
            raise TeamRefused(_there_already(wanted.name)) from error
        team.members.set(people)
        publish(TOPIC, team=team.name, actor=str(actor), url_path="/teams/")
        record(
            "team.made",
            actor=actor,
            subject=team,
            words=team.words,
            before=[],
            after=_names(people),
            members=[one.pk for one in people],
        )
    return team


def change_team(
    team: Team, wanted: WantedTeam, proof: Proof, *, seen: str, actor: User, session: str
) -> Team:
    """Gives a team these members and these words; its name stays.

    `seen` is the team's mark when the actor saw it, and the proof is the actor's. Raises
    TeamRefused, TeamChangedMeanwhile and PresenceRefused.
    """
    _check_may_manage(actor)
    wanted = _checked(WantedTeam(team.name, wanted.words, wanted.members))
    _people(wanted.members, of=team)
    if mark_of(team) != seen:
        raise TeamChangedMeanwhile(_CHANGED_MEANWHILE)
    presence.prove_with(actor, proof, session=session, purpose=wanted.purpose)
    with transaction.atomic():
        actor = _locked(actor)
        team = _as_seen(team, seen)
        people = _people(wanted.members, of=team)
        before = list(team.members.order_by("username"))
        words_before = team.words
        if (words_before, before) == (wanted.words, people):
            return team
        Team.objects.filter(pk=team.pk).update(words=wanted.words)
        team.words = wanted.words
        team.members.set(people)
        publish(TOPIC, team=team.name, actor=str(actor), url_path="/teams/")
        said = {"words_before": words_before} if words_before != wanted.words else {}
        record(
            "team.changed",
            actor=actor,
            subject=team,
            **said,
            words=wanted.words,
            before=_names(before),
            after=_names(people),
            members=[one.pk for one in people],
        )
    return team


def remove_team(
    team: Team,
    proof: Proof,
    *,
    seen: str,
    actor: User,
    session: str,
    counts_on: Callable[[str], str],
) -> None:
    """Removes a team, unless `counts_on` says of its name why it has to stay.

    `seen` is the team's mark when the actor saw it, and the proof is the actor's. Raises
    TeamRefused, TeamChangedMeanwhile and PresenceRefused.
    """
    _check_may_manage(actor)
    if refusal := counts_on(team.name):
        raise TeamRefused(refusal)
    if mark_of(team) != seen:
        raise TeamChangedMeanwhile(_CHANGED_MEANWHILE)
    presence.prove_with(actor, proof, session=session, purpose=removal_of(team))
    with transaction.atomic():
        actor = _locked(actor)
        team = _as_seen(team, seen)
        # Asked again while the team is held: who counts on it holds it, too.
        if refusal := counts_on(team.name):
            raise TeamRefused(refusal)
        before = list(team.members.order_by("username"))
        publish(TOPIC, team=team.name, actor=str(actor), url_path="/teams/")
        gone = Team(pk=team.pk, name=team.name)
        team.delete()
        record(
            "team.removed",
            actor=actor,
            subject=gone,
            words_before=team.words,
            before=_names(before),
            after=[],
        )


def members_of_teams() -> dict[str, frozenset[int]]:
    """The keys of the members of each team, by its name, as administrators have put them there.

    Who was written into a team in the database by hand is nobody's choice: the audit log's newest
    word on the team must name them, too. In three queries.
    """
    teams = list(Team.objects.prefetch_related("members"))
    newest: dict[str, AuditEvent] = {}
    told = AuditEvent.objects.filter(
        kind__in=["team.made", "team.changed"],
        subject__in=[f"{team._meta.label}:{team.pk}" for team in teams],
    )
    for event in told.order_by("sequence"):
        newest[event.subject] = event
    found = {}
    for team in teams:
        told_last = newest.get(f"{team._meta.label}:{team.pk}")
        is_known = told_last is not None and is_written_here(told_last)
        named = told_last.detail.get("members", ()) if told_last and is_known else ()
        found[team.name] = frozenset(one.pk for one in team.members.all() if one.pk in named)
    return found


def members_that_count(team: Team) -> list[User]:
    """Those who are let in; whoever was deactivated approves nothing."""
    return [one for one in team.members.all() if one.is_active]


def _checked(wanted: WantedTeam) -> WantedTeam:
    name, words = wanted.name.strip(), " ".join(wanted.words.split())
    if len(name) > LONGEST_TEAM_NAME or not _NAME.fullmatch(name):
        raise TeamRefused(
            f"Name the team in at most {LONGEST_TEAM_NAME} small letters and digits, with single "
            "hyphens between, such as release-crew."
        )
    if name in RESERVED or name.isdigit():
        raise TeamRefused(f"“{name}” means something else in policies. Choose another name.")
    if len(words) > LONGEST_TEAM_WORDS or "\0" in words:
        raise TeamRefused(f"Say what it is for in at most {LONGEST_TEAM_WORDS} characters.")
    if len(wanted.members) > MOST_MEMBERS:
        raise TeamRefused(f"A team has at most {MOST_MEMBERS} people.")
    return WantedTeam(name, words, sorted(set(wanted.members)))


def _people(keys: Collection[int], *, of: Team | None = None) -> list[User]:
    people = list(User.objects.filter(pk__in=keys).order_by("username"))
    if len(people) != len(set(keys)):
        raise TeamRefused("There is no such person. Choose among the people listed.")
    inside = set(of.members.order_by().values_list("pk", flat=True)) if of else set()
    for one in people:
        if not one.is_active and one.pk not in inside:
            raise TeamRefused(f"{one} is deactivated, and can be in no team. Leave them out.")
    return people


def _as_seen(team: Team, seen: str) -> Team:
    found = Team.objects.select_for_update(no_key=True).filter(pk=team.pk).first()
    if found is None or mark_of(found) != seen:
        raise TeamChangedMeanwhile(_CHANGED_MEANWHILE)
    return found


def _names(people: Sequence[User]) -> list[str]:
    return [one.get_username() for one in people]


def _there_already(name: str) -> str:
    return f"There is a team “{name}” already. Change that one, or choose another name."


def _check_may_manage(actor: User) -> None:
    if not may_manage(actor):
        raise TeamRefused(_ONLY_ADMINISTRATORS)


def _locked(actor: User) -> User:
    """Reads the actor anew, who may have lost the role since, and holds off that they do."""
    actor = turnstile(actor)
    _check_may_manage(actor)
    return actor

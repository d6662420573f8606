"""Which teams policies count on: those are not taken from under them."""

from __future__ import annotations

from collections.abc import Iterable

from approvals.people import teams
from approvals.people.models import Team, User
from approvals.people.presence import Proof
from approvals.policy.book import Policy, current_book


def names_in(policies: Iterable[Policy]) -> frozenset[str]:
    """The teams that these policies name, and people with an @ before their user name."""
    return frozenset(name for policy in policies for one in policy.in_force for name in one.names())


def policies_naming(team: str) -> list[Policy]:
    """The policies of now that count on this team."""
    return [one for one in current_book().policies if team in names_in([one])]


def remove_team(team: Team, proof: Proof, *, seen: str, actor: User, session: str) -> None:
    """Removes a team that no policy names. Raises TeamRefused and PresenceRefused."""
    teams.remove_team(team, proof, seen=seen, actor=actor, session=session, counts_on=_counts_on)


def _counts_on(team: str) -> str:
    """Why this team has to stay; "" where it may go."""
    if current_book().broken:
        return (
            "The policies cannot be relied on at the moment, so nobody knows whether one names "
            "this team. Have the policies set again first."
        )
    names = [f"“{one.name}”" for one in policies_naming(team)]
    if not names:
        return ""
    what = "The policy" if len(names) == 1 else "The policies"
    verb = "names" if len(names) == 1 else "name"
    return f"{what} {', '.join(names)} {verb} this team. Change that first."

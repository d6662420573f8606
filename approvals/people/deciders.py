"""Who may approve and reject, all at once: for whoever asks about many packages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q

from approvals.people.models import Role, User
from approvals.people.permissions import may_decide_anything, reaches_of
from approvals.people.scopes import Reach


@dataclass(frozen=True)
class Decider:
    """A person who may decide some packages, and the teams they are in."""

    key: int
    username: str
    name: str
    role: Role
    teams: frozenset[str] = frozenset()
    reaches: tuple[Reach, ...] = field(default=(), repr=False)

    def may_decide(self, registry_url: str, package: str) -> bool:
        """The same answer as `permissions.may_decide`."""
        return not self.reaches or any(one.covers(registry_url, package) for one in self.reaches)

    def __str__(self) -> str:
        return self.name


def deciders() -> list[Decider]:
    """All of them, by user name, in three queries."""
    rows = (
        User.objects.filter(Q(is_active=True), ~Q(role=Role.VIEWER) | Q(is_superuser=True))
        .prefetch_related("scopes", "teams")
        .order_by("username")
    )
    return [_decider(user) for user in rows if may_decide_anything(user)]


def decider_of(user: User) -> Decider:
    """This person, as they are in the database now."""
    return _decider(User.objects.prefetch_related("scopes", "teams").get(pk=user.pk))


def _decider(user: User) -> Decider:
    return Decider(
        key=user.pk,
        username=user.username,
        name=str(user),
        role=Role.ADMINISTRATOR if user.is_superuser else Role(user.role),
        teams=frozenset(team.name for team in user.teams.all()),
        reaches=tuple(reaches_of(user)),
    )


def as_deciders(keys: Iterable[int]) -> dict[int, Decider]:
    """These people by key, whether or not they may decide anything by now."""
    rows = User.objects.filter(pk__in=set(keys)).prefetch_related("scopes", "teams")
    return {user.pk: _decider(user) for user in rows}

"""What a person may do: one function an action, used by views, rules and templates alike.

A role reaches over the person's scopes; without any, over every package. Administrators are never
scoped. `registry_url` is a registry's address and `package` the name of a package there.
"""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import prefetch_related_objects

from approvals.people.models import Role, User
from approvals.people.scopes import Reach

Person = AbstractBaseUser | AnonymousUser

_DECIDING = frozenset({Role.APPROVER, Role.RELEASE_MANAGER, Role.ADMINISTRATOR})
_EXPECTING = frozenset({Role.RELEASE_MANAGER, Role.ADMINISTRATOR})


def may_see(user: Person, registry_url: str, package: str) -> bool:
    """May read what there is of this package."""
    return isinstance(user, User) and user.is_active and _covers(user, registry_url, package)


def may_see_everything(user: Person) -> bool:
    """May read of every package at every registry."""
    return isinstance(user, User) and user.is_active and not reaches_of(user)


def may_decide(user: Person, registry_url: str, package: str) -> bool:
    """May approve and reject versions of this package, and have them looked at again."""
    return may_decide_anything(user) and may_see(user, registry_url, package)


def may_decide_anything(user: Person) -> bool:
    """May approve and reject something at all."""
    return _has_role(user, _DECIDING)


def may_set_expectations(user: Person, registry_url: str, package: str) -> bool:
    """May say from where the provenance of this package must be."""
    return _has_role(user, _EXPECTING) and may_see(user, registry_url, package)


def may_set_policies(user: Person) -> bool:
    """May say what must hold before versions go out.

    Policies are tried in one order for all packages, so that who sees some only changes none.
    """
    return _has_role(user, _EXPECTING) and may_see_everything(user)


def may_set_rota(user: Person) -> bool:
    """May say who is on call for which packages.

    Schedules are tried in one order for all packages, as policies are.
    """
    return may_set_policies(user)


def may_call_off(user: Person, registry_url: str, package: str) -> bool:
    """May take back what others have decided of this package and has not begun."""
    return _has_role(user, _EXPECTING) and may_see(user, registry_url, package)


def may_manage(user: Person) -> bool:
    """May invite people, add registries and set up webhooks."""
    return _has_role(user, frozenset({Role.ADMINISTRATOR}))


def reaches_of(user: User) -> list[Reach]:
    """The scopes of a person's role; none where it reaches over everything.

    Read once for each `User` that is loaded: a rule that must know what holds now reads its person
    anew.
    """
    if may_manage(user):
        return []
    prefetch_related_objects([user], "scopes")
    return [Reach(scope.registry_url, scope.packages) for scope in user.scopes.all()]


def _has_role(user: Person, roles: frozenset[Role]) -> bool:
    if not isinstance(user, User) or not user.is_active:
        return False
    return user.role in roles or (user.is_superuser and Role.ADMINISTRATOR in roles)


def _covers(user: User, registry_url: str, package: str) -> bool:
    reaches = reaches_of(user)
    return not reaches or any(one.covers(registry_url, package) for one in reaches)

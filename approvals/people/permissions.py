"""What a person may do: one function an action, used by views, rules and templates alike."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from approvals.people.models import Role, User


def may_decide(user: AbstractBaseUser | AnonymousUser) -> bool:
    """May approve and reject staged versions."""
    return (
        isinstance(user, User)
        and user.is_active
        and (user.is_superuser or user.role in {Role.APPROVER, Role.ADMINISTRATOR})
    )


def may_manage(user: AbstractBaseUser | AnonymousUser) -> bool:
    """May invite people, add registries and set up webhooks."""
    return (
        isinstance(user, User)
        and user.is_active
        and (user.is_superuser or user.role == Role.ADMINISTRATOR)
    )

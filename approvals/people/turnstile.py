"""One at a time through to a person's second factors."""

from django.contrib.auth.models import AbstractBaseUser

from approvals.people.models import User


def turnstile(user: AbstractBaseUser) -> User:
    """Holds off everybody else who wants to use or change this person's factors; reads them anew.

    Locked by a statement of its own: what is read after it has waited is what the one before
    has left, which one statement that locks and reads would not promise on PostgreSQL.
    """
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)

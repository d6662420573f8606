"""Asking for the password again, where a session alone is too little."""

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError

from approvals.people.models import User


class WrongPassword(Exception):
    """Not this person's password, or too many tries; the text says which."""


def check_own_password(user: User, password: str) -> None:
    """Returns if it is the password of `user`, who is signed in.

    allauth counts the tries, together with those of signing in. Raises WrongPassword.
    """
    try:
        right = bool(password) and get_adapter().reauthenticate(user, password[:1000])
    except ValidationError as error:
        raise WrongPassword("Too many wrong passwords. Try again in a few minutes.") from error
    if not right:
        raise WrongPassword("This is not your password.")

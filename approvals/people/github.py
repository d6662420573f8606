"""Signing in through GitHub, where it is configured: connected by people themselves, never else."""

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from approvals.audit.outbox import publish
from approvals.audit.record import record

NOT_CONNECTED = (
    "This GitHub account opens no account here. Sign in in another way first, and connect it "
    "under Sessions and sign-in."
)
FAILED = "GitHub did not say who you are. Try again, or sign in in another way."


def is_configured() -> bool:
    return bool(settings.GITHUB_CLIENT_ID and settings.GITHUB_CLIENT_SECRET)


def login_of(user: AbstractBaseUser) -> str:
    """The name of the GitHub account that this person has connected, or nothing."""
    account = _accounts(user).first()
    return str(account.extra_data.get("login") or account.uid) if account else ""


def connected(user: AbstractBaseUser) -> None:
    """Notes that this person may sign in through GitHub from now on, and tells them."""
    with transaction.atomic():
        publish("github.connected", person=user.pk, url_path="/sessions/")
        record("github.connected", actor=user, subject=user, account=login_of(user))


def disconnect(user: AbstractBaseUser) -> bool:
    """GitHub no longer signs this person in; False if it did not before."""
    with transaction.atomic():
        name = login_of(user)
        gone, _ = _accounts(user).delete()
        if gone:
            publish("github.disconnected", person=user.pk, url_path="/sessions/")
            record("github.disconnected", actor=user, subject=user, account=name)
    return bool(gone)


def kept_of(profile: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the profile that GitHub sends: the name, to show it."""
    return {"login": str(profile.get("login") or "")[:100]}


def _accounts(user: AbstractBaseUser) -> Any:
    return SocialAccount.objects.filter(user_id=user.pk, provider="github")

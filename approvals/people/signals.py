"""Django's news of signing in and out, handed on to the rules."""

from typing import Any

from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.signals import social_account_added
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from approvals.people import github, sessions, sign_in
from approvals.people.adapter import client_address


@receiver(user_logged_in)
def on_signed_in(request: HttpRequest | None, user: AbstractBaseUser, **kwargs: Any) -> None:
    if request is not None:
        sessions.begin(request)
    # Last, as from then on everything else that is written down waits for this to commit.
    sign_in.signed_in(user, address=client_address(request))


@receiver(social_account_added)
def on_github_connected(sociallogin: SocialLogin, **kwargs: Any) -> None:
    github.connected(sociallogin.user)


@receiver(user_login_failed)
def on_sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    name = credentials.get("username") or credentials.get("email") or ""
    sign_in.sign_in_failed(str(name)[:254], address=client_address(request))


@receiver(user_logged_out)
def on_signed_out(
    request: HttpRequest | None, user: AbstractBaseUser | None, **kwargs: Any
) -> None:
    if user is not None:
        sign_in.signed_out(user, address=client_address(request))

"""How allauth behaves here: nobody signs up, and what limits and second factors ask is ours."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.core.context import request_context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from approvals.people import github, limits, sessions, sign_in
from approvals.people.afterwards import afterwards
from approvals.people.models import User

# The same for everybody: neither who has an account here nor which limit was reached is told.
_NOT_LET_IN = (
    "This user name and password do not belong together, or were tried too often. Check both, "
    "wait some minutes, or choose a new password."
)


class InvitationOnlyAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _NOT_LET_IN,
        "email_password_mismatch": _NOT_LET_IN,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        # Whatever comes after the password is asked by VerifiedSessionMiddleware.
        return []

    def is_safe_url(self, url: str) -> bool:
        # Paths only: another port of an allowed host may be somebody else's.
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        _take_try(person=_name(credentials), address=client_address(request))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        if credentials.get("email"):
            # Looked for under both, somebody's password would be checked twice, and a stranger's
            # once: the time would tell them apart.
            credentials.pop("username", None)
        name = _name(credentials)
        # For nobody as much is written as for somebody.
        person = sign_in.person_called(name) or f"nobody called {name}"
        try:
            limits.take("sign_in", person=person)
        except limits.TooManyTries:
            # Tried too often, by another name perhaps: to say so would tell whose name this is. A
            # password that nobody has is refused in the same way, and takes as long.
            credentials["password"] = secrets.token_urlsafe(32)
        user: User | None = super().authenticate(request, **credentials)
        if user:
            limits.give_back("sign_in", person=name, address=client_address(request))
            limits.give_back("sign_in", person=person)
        return user

    def reauthenticate(self, user: User, password: str) -> bool:
        who: dict[str, Any] = {"person": user, "address": client_address(self.request)}
        _take_try(**who)
        found = authenticate(self.request, username=user.get_username(), password=password)
        right = found is not None and found.pk == user.pk
        if right:
            limits.give_back("sign_in", **who)
        return right

    def login(self, request: HttpRequest, user: User) -> None:
        # The time of the last sign-in and the audit event of this one are written together.
        with transaction.atomic():
            super().login(request, user)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        request, send = self.request, super().send_mail

        def write_and_send() -> None:
            with request_context(request):
                send(template_prefix, email, context)

        # How long an answer takes must not tell that there is somebody to write to.
        afterwards(request, write_and_send)

    def get_reset_password_from_key_url(self, key: str) -> str:
        # The Host header is whatever the client says: a link in a letter must not follow it.
        url: str = super().get_reset_password_from_key_url(key)
        if not settings.PUBLIC_URL:
            return url
        public: str = settings.PUBLIC_URL
        return public + urlsplit(url)._replace(scheme="", netloc="").geturl()

    def set_password(self, user: User, password: str) -> None:
        sign_in.change_password(user, password, by_mail=not self.request.user.is_authenticated)


class ConnectedAccountsOnlyAdapter(DefaultSocialAccountAdapter):
    """Somebody else's sign-in opens the accounts that were connected to it, and no other."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        # Neither whom it belongs to nor where to write to is taken from there.
        sociallogin.email_addresses = []
        sociallogin.account.extra_data = github.kept_of(sociallogin.account.extra_data)
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            if not sessions.is_verified(request):
                raise ImmediateHttpResponse(redirect("verify"))
        elif not sociallogin.is_existing:
            messages.error(request, github.NOT_CONNECTED)
            raise ImmediateHttpResponse(redirect("account_login"))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        return reverse("sessions")

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: object,
        error: object = None,
        exception: object = None,
        extra_context: object = None,
    ) -> None:
        messages.error(request, github.FAILED)
        page = "sessions" if request.user.is_authenticated else "account_login"
        raise ImmediateHttpResponse(redirect(page))


def client_address(request: HttpRequest | None) -> str:
    """The client's IP address, as far as the proxies in front can be trusted.

    "unknown" where they do not tell: limits then hold for all of those together.
    """
    if request is None:
        return ""
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return "unknown"


def _name(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")[:254]


def _take_try(*, person: User | str, address: str) -> None:
    try:
        limits.take("sign_in", person=person, address=address)
    except limits.TooManyTries as error:
        raise ValidationError(str(error), code="too_many_login_attempts") from error

"""How allauth behaves here: nobody signs up, and what limits and second factors ask is ours."""

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
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from approvals.people import github, limits, sessions, sign_in
from approvals.people.afterwards import afterwards
from approvals.people.models import User


class InvitationOnlyAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        # Whatever comes after the password is asked by VerifiedSessionMiddleware.
        return []

    def is_safe_url(self, url: str) -> bool:
        # Paths only: another port of an allowed host may be somebody else's.
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            limits.take("sign_in", **_who_tries(request, credentials))
        except limits.TooManyTries as error:
            raise ValidationError(str(error), code="too_many_login_attempts") from error

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        if credentials.get("email"):
            # Looked for under both, somebody's password would be checked twice, and a stranger's
            # once: the time would tell them apart.
            credentials.pop("username", None)
        user: User | None = super().authenticate(request, **credentials)
        if user:
            limits.give_back("sign_in", **_who_tries(request, credentials))
        return user

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


def _who_tries(request: HttpRequest, credentials: dict[str, Any]) -> dict[str, Any]:
    name = str(credentials.get("username") or credentials.get("email") or "")[:254]
    return {
        "person": sign_in.person_called(name) or name,
        "address": client_address(request),
    }

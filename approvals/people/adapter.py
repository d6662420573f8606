"""How allauth behaves here: nobody signs up by themselves."""

from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest

from approvals.people import sign_in
from approvals.people.models import User


class InvitationOnlyAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        # The time of the last sign-in and the audit event of this one are written together.
        with transaction.atomic():
            super().login(request, user)

    def get_reset_password_from_key_url(self, key: str) -> str:
        # The Host header is whatever the client says: a link in a letter must not follow it.
        url: str = super().get_reset_password_from_key_url(key)
        if not settings.PUBLIC_URL:
            return url
        public: str = settings.PUBLIC_URL
        return public + urlsplit(url)._replace(scheme="", netloc="").geturl()

    def set_password(self, user: User, password: str) -> None:
        sign_in.change_password(user, password, by_mail=not self.request.user.is_authenticated)


def client_address(request: HttpRequest | None) -> str:
    """The client's IP address, as far as the proxies in front can be trusted; else nothing."""
    if request is None:
        return ""
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return ""

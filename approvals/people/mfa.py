"""What allauth is told about passkeys: whose they are, and where they belong."""

from typing import Any
from urllib.parse import urlsplit

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser


def relying_party_id() -> str:
    """The host name that passkeys are bound to, as browsers spell it."""
    host = urlsplit(settings.PASSKEY_ORIGIN).hostname or ""
    return host if host.isascii() else host.encode("idna").decode()


def origin() -> str:
    """The dashboard's address as browsers spell it: no capitals, and no port that is understood."""
    address = urlsplit(settings.PASSKEY_ORIGIN)
    understood = {"https": 443, "http": 80}.get(address.scheme)
    port = f":{address.port}" if address.port not in (None, understood) else ""
    return f"{address.scheme}://{relying_party_id()}{port}"


class PasskeyAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth has no annotations here
    """Keeps allauth to its half: it stores passkeys; when they are asked for is decided here."""

    def is_mfa_enabled(self, user: AbstractBaseUser, types: Any = None) -> bool:
        # allauth's own stage after the password stays out of the way: sessions.py asks.
        return False

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        return False

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": relying_party_id(), "name": "Countersign"}

    def get_public_key_credential_user_entity(self, user: AbstractBaseUser) -> dict[str, Any]:
        return {
            "id": user_pk_to_url_str(user).encode(),
            "name": user.get_username(),
            "display_name": str(user),
        }

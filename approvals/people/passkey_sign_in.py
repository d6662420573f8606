"""Signing in with a passkey alone: it says whose it is, and its unlocking is the second factor."""

import secrets

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from approvals.people import limits, passkeys, sessions
from approvals.people.adapter import client_address
from approvals.people.models import User
from approvals.people.refusals import FactorRefused

CHALLENGE = "passkey_challenge"
REFUSED = (
    "This passkey was not accepted. Use one that you added here yourself, or sign in with your "
    "password."
)
TOO_LATE = "That took longer than two minutes. Try again."


class SignInRefused(Exception):
    """Nobody is signed in; the text says why, and what to do. It is the same for whatever key."""


def begin(request: HttpRequest) -> dict[str, object]:
    """What the browser hands to its passkeys. Raises SignInRefused."""
    challenge = secrets.token_hex(32)
    try:
        # Each makes a row of a session, which strangers must not make without end.
        limits.take("door_passkey_asked", address=client_address(request))
        options = passkeys.sign_in_options(challenge)
    except (FactorRefused, limits.TooManyTries) as refusal:
        raise SignInRefused(str(refusal)) from refusal
    if not request.user.is_authenticated:
        request.session.set_expiry(2 * settings.STEP_UP_SECONDS)
    request.session[CHALLENGE] = {
        "challenge": challenge,
        "at": int(timezone.now().timestamp()),
    }
    return options


def finish(request: HttpRequest, assertion: str, *, redirect_url: str) -> HttpResponseBase:
    """Signs in whose passkey answered, with a verified session. Raises SignInRefused."""
    challenge = _spend_challenge(request)
    address = client_address(request)
    try:
        limits.take("sign_in", address=address)
        user = passkeys.who_signed(challenge, assertion)
    except limits.TooManyTries as error:
        raise SignInRefused(str(error)) from error
    except FactorRefused as error:
        raise SignInRefused(REFUSED) from error
    limits.give_back("sign_in", address=address)
    return _sign_in(request, user, redirect_url)


def _sign_in(request: HttpRequest, user: User, redirect_url: str) -> HttpResponseBase:
    record_authentication(request, user, method="mfa", type="webauthn", passwordless=True)
    response: HttpResponseBase = perform_login(
        request, Login(user=user, redirect_url=redirect_url or None)
    )
    if request.user.is_authenticated:
        sessions.mark_verified(request, "passkey")
    return response


def _spend_challenge(request: HttpRequest) -> str:
    """The challenge that this browser was given last, once. Raises SignInRefused."""
    asked = request.session.pop(CHALLENGE, None)
    now = int(timezone.now().timestamp())
    if not isinstance(asked, dict) or now - asked["at"] > settings.STEP_UP_SECONDS:
        raise SignInRefused(TOO_LATE)
    challenge = str(asked["challenge"])
    try:
        # Two requests at once may both have found it in their session.
        limits.take("passkey_challenge", person=challenge)
    except limits.TooManyTries as error:
        raise SignInRefused(TOO_LATE) from error
    return challenge

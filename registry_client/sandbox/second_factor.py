"""The sandbox's second factor, in the ways real registries ask for one."""

import secrets
import sqlite3
from dataclasses import dataclass
from typing import Literal, get_args

import pyotp

from registry_client.sandbox.accounts import Account
from registry_client.sandbox.answers import Refusal
from registry_client.sandbox.store import Store

Mode = Literal["none", "classic", "single-use", "web"]
MODES: tuple[Mode, ...] = get_args(Mode)

STEP_SECONDS = 30
# Verdaccio 9, packages/auth/src/tfa-store.ts: five failures lock the account for five minutes.
FAILURES_UNTIL_LOCKED = 5
LOCKED_SECONDS = 300
CHALLENGE_SECONDS = 300
CHALLENGE_WORDS = (
    "You must provide a one-time pass. Upgrade your client to npm@latest in order to use 2FA."
)
ENABLE_WORDS = "Please enable 2fa for your account"


@dataclass(frozen=True)
class Proof:
    """What a request brings for the second factor: the `npm-otp` header, and whether the client
    can take the web flow."""

    code: str
    takes_web_flow: bool


def demand(
    store: Store,
    mode: Mode,
    account: Account,
    proof: Proof,
    *,
    purpose: str,
    base_url: str,
    now: float,
    enrolled_only: bool = False,
) -> None:
    """Let a request pass only with this account's second factor.

    `purpose` says on the web flow's page what is being confirmed. With `enrolled_only`, accounts
    without a second factor pass; else they are refused with 403. Raises Refusal 401 (a challenge)
    or 403.
    """
    if mode == "none":
        return
    if mode == "web" and proof.code and _use_web_token(store, account, proof.code, now):
        return
    secret = totp_secret(store, account.name)
    if secret is not None and proof.code and _code_is_good(store, mode, account, proof.code, now):
        return
    if mode == "web" and proof.takes_web_flow:
        raise _web_challenge(store, account, purpose, base_url, now)
    if secret is None:
        if enrolled_only:
            return
        raise Refusal(403, ENABLE_WORDS)
    if mode == "single-use":
        raise Refusal(
            401,
            CHALLENGE_WORDS,
            headers={
                "www-authenticate": "otp",
                "npm-notice": "Provide a one-time password from your authenticator app.",
            },
        )
    raise Refusal(401, CHALLENGE_WORDS, headers={"www-authenticate": "OTP"})


def current_code(secret: str, now: float) -> str:
    """The six digits an authenticator shows at this moment."""
    return pyotp.TOTP(secret).at(int(now))


def is_enrolled(store: Store, user: str) -> bool:
    """Whether this user has a second factor."""
    return totp_secret(store, user) is not None


def begin_enrolment(store: Store, user: str) -> str:
    """Prepare a second factor and return its `otpauth://` address; it counts once confirmed."""
    secret = pyotp.random_base32()
    with store.write() as connection:
        connection.execute("UPDATE users SET totp_pending = ? WHERE name = ?", (secret, user))
    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name="Sandbox registry")


def complete_enrolment(store: Store, user: str, code: str, now: float) -> None:
    """Make the prepared second factor count; raises Refusal 401 if the code is not its."""
    with store.write() as connection:
        row = connection.execute(
            "SELECT totp_pending FROM users WHERE name = ?", (user,)
        ).fetchone()
        step = row["totp_pending"] and _matching_step(row["totp_pending"], code, now)
        if step is None:
            raise Refusal(401, "invalid one-time password")
        connection.execute(
            "UPDATE users SET totp_secret = totp_pending, totp_pending = NULL, failures = 0,"
            " last_used_step = ? WHERE name = ?",
            (step, user),
        )


def open_challenge(store: Store, challenge_id: str, now: float) -> sqlite3.Row:
    """A web-flow challenge that still counts; Refusal 404 otherwise."""
    with store.read() as connection:
        row = connection.execute(
            "SELECT * FROM web_challenges WHERE id = ? AND expires_at > ? AND used = 0",
            (challenge_id, now),
        ).fetchone()
    if row is None:
        raise Refusal(404, "Not Found - This confirmation has expired or was used already.")
    found: sqlite3.Row = row
    return found


def confirm_challenge(store: Store, challenge_id: str, now: float) -> None:
    """The click that stands for the passkey: from now on the challenge has a token."""
    open_challenge(store, challenge_id, now)
    with store.write() as connection:
        connection.execute(
            "UPDATE web_challenges SET token = ? WHERE id = ? AND token IS NULL",
            (secrets.token_urlsafe(32), challenge_id),
        )


def totp_secret(store: Store, user: str) -> str | None:
    """The base32 secret of this user's second factor; None without one."""
    with store.read() as connection:
        row = connection.execute("SELECT totp_secret FROM users WHERE name = ?", (user,)).fetchone()
    return None if row is None else row["totp_secret"]


def _matching_step(secret: str, code: str, now: float) -> int | None:
    """The 30-second step whose code this is: now's, or the one before or after it."""
    totp = pyotp.TOTP(secret)
    step = int(now) // STEP_SECONDS
    code = code.strip()
    for candidate in (step, step - 1, step + 1):
        if pyotp.utils.strings_equal(totp.at(candidate * STEP_SECONDS), code):
            return candidate
    return None


def _code_is_good(store: Store, mode: Mode, account: Account, code: str, now: float) -> bool:
    with store.write() as connection:
        user = connection.execute("SELECT * FROM users WHERE name = ?", (account.name,)).fetchone()
        step = _matching_step(user["totp_secret"], code, now)
        if mode != "single-use":
            return step is not None
        if user["locked_until"] > now:
            return False
        if step is not None and step > user["last_used_step"]:
            connection.execute(
                "UPDATE users SET last_used_step = ?, failures = 0, locked_until = 0"
                " WHERE name = ?",
                (step, account.name),
            )
            return True
        failures = user["failures"] + 1
        locked = failures >= FAILURES_UNTIL_LOCKED
        connection.execute(
            "UPDATE users SET failures = ?, locked_until = ? WHERE name = ?",
            (0 if locked else failures, now + LOCKED_SECONDS if locked else 0, account.name),
        )
        return False


def _use_web_token(store: Store, account: Account, token: str, now: float) -> bool:
    with store.write() as connection:
        cursor = connection.execute(
            "UPDATE web_challenges SET used = 1"
            " WHERE token = ? AND user = ? AND expires_at > ? AND used = 0",
            (token, account.name, now),
        )
        return cursor.rowcount == 1


def _web_challenge(
    store: Store, account: Account, purpose: str, base_url: str, now: float
) -> Refusal:
    challenge_id = secrets.token_urlsafe(24)
    with store.write() as connection:
        connection.execute("DELETE FROM web_challenges WHERE expires_at <= ?", (now,))
        connection.execute(
            "INSERT INTO web_challenges (id, user, purpose, expires_at) VALUES (?, ?, ?, ?)",
            (challenge_id, account.name, purpose, now + CHALLENGE_SECONDS),
        )
    return Refusal(
        401,
        CHALLENGE_WORDS,
        headers={"www-authenticate": "OTP"},
        body={
            "authUrl": f"{base_url}-/sandbox/confirm/{challenge_id}",
            "doneUrl": f"{base_url}-/v1/done?authId={challenge_id}",
        },
    )

"""The sandbox's users, their tokens, and who may do what to a package."""

import hashlib
import hmac
import re
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Literal

from registry_client.sandbox.answers import (
    NO_SUCH_PACKAGE,
    NOT_PERMITTED,
    UNAUTHORISED,
    Refusal,
)
from registry_client.sandbox.store import Store

TokenKind = Literal["user", "automation", "read-only"]
Permission = Literal["read-only", "read-write"]

USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PASSWORD_LIMIT = 1024


@dataclass(frozen=True)
class Account:
    """Who a request comes from: a user, and the kind of token that speaks for them."""

    name: str
    kind: TokenKind

    @property
    def actor_type(self) -> str:
        """How a staged version records its origin."""
        return "trusted automation" if self.kind == "automation" else "user"

    def must_be_able_to_write(self) -> None:
        """Raise Refusal 403 for a token that can only read."""
        if self.kind == "read-only":
            raise Refusal(403, "This token is read-only and cannot change anything")

    def must_be_a_person(self) -> None:
        """Raise Refusal 403 for a CI token: it can stage, and neither see nor decide."""
        if self.kind == "automation":
            raise Refusal(403, "Automation tokens can stage versions, and nothing else")


def create_user(
    store: Store, name: str, password: str, *, email: str = "", totp_secret: str | None = None
) -> None:
    """Add a user; raises Refusal 400 for a bad name or password, 409 for a name that is taken."""
    if not USER_NAME.fullmatch(name):
        raise Refusal(
            400, "A user name has 1 to 64 lower-case letters, digits, dots, dashes or underscores"
        )
    if not password or len(password) > PASSWORD_LIMIT:
        raise Refusal(400, f"A password has 1 to {PASSWORD_LIMIT} characters")
    hashed = _hash_password(password, secrets.token_bytes(16))
    try:
        with store.write() as connection:
            connection.execute(
                "INSERT INTO users (name, email, password_hash, totp_secret) VALUES (?, ?, ?, ?)",
                (name, email or f"{name}@example.invalid", hashed, totp_secret),
            )
    except sqlite3.IntegrityError as taken:
        raise Refusal(409, f"There is a user {name} already") from taken


def user_exists(store: Store, name: str) -> bool:
    """Whether there is a user of this name."""
    with store.read() as connection:
        return (
            connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone() is not None
        )


def password_is_right(store: Store, name: str, password: str) -> bool:
    """Whether this is the user's password; False for an unknown user."""
    with store.read() as connection:
        row = connection.execute(
            "SELECT password_hash FROM users WHERE name = ?", (name,)
        ).fetchone()
    if row is None or len(password) > PASSWORD_LIMIT:
        return False
    salt = bytes.fromhex(row["password_hash"].split(":")[0])
    return hmac.compare_digest(_hash_password(password, salt), row["password_hash"])


def issue_token(
    store: Store, user: str, kind: TokenKind = "user", *, token: str | None = None
) -> str:
    """A new token of this user (or the given one, made known). Only its hash is kept."""
    token = token or f"npm_{secrets.token_urlsafe(27)}"
    with store.write() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO tokens (token_hash, user, kind) VALUES (?, ?, ?)",
            (_hash_token(token), user, kind),
        )
    return token


def revoke_token(store: Store, token: str) -> None:
    """Make a token worthless."""
    with store.write() as connection:
        connection.execute("DELETE FROM tokens WHERE token_hash = ?", (_hash_token(token),))


def account_of(store: Store, authorization: str) -> Account | None:
    """Whose `Authorization` header this is; None for an empty one.

    Raises Refusal 401 for a token that is unknown.
    """
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    with store.read() as connection:
        row = connection.execute(
            "SELECT user, kind FROM tokens WHERE token_hash = ?", (_hash_token(token.strip()),)
        ).fetchone()
    if scheme.lower() != "bearer" or row is None:
        raise Refusal(401, UNAUTHORISED)
    return Account(row["user"], row["kind"])


# No package is called this: who is its collaborator becomes one of each new package.
EVERY_NEW_PACKAGE = "*"


def grant(store: Store, package: str, user: str, permission: Permission) -> None:
    """Let a user see (read-only) or also publish and decide (read-write) a package's versions."""
    with store.write() as connection:
        connection.execute(
            "INSERT INTO collaborators (package, user, permission) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET permission = excluded.permission",
            (package, user, permission),
        )


def permission_of(connection: sqlite3.Connection, package: str, user: str) -> Permission | None:
    """What a user may do with a package; None for a stranger."""
    row = connection.execute(
        "SELECT permission FROM collaborators WHERE package = ? AND user = ?", (package, user)
    ).fetchone()
    return None if row is None else row["permission"]


def must_be_able_to_publish(connection: sqlite3.Connection, package: str, user: str) -> None:
    """Raise Refusal 404 or 403 unless the user may publish under this name.

    A name that nobody has rights to becomes the user's own.
    """
    taken = connection.execute(
        "SELECT 1 FROM collaborators WHERE package = ?", (package,)
    ).fetchone()
    if taken is None:
        connection.execute(
            "INSERT INTO collaborators (package, user, permission) VALUES (?, ?, 'read-write')",
            (package, user),
        )
        connection.execute(
            "INSERT INTO collaborators (package, user, permission)"
            " SELECT ?, user, permission FROM collaborators WHERE package = ? AND user <> ?",
            (package, EVERY_NEW_PACKAGE, user),
        )
        return
    permission = permission_of(connection, package, user)
    if permission is None:
        raise Refusal(404, NO_SUCH_PACKAGE)
    if permission != "read-write":
        raise Refusal(403, NOT_PERMITTED)


def _hash_password(password: str, salt: bytes) -> str:
    # Cheap parameters on purpose: tests and the demonstration make many users, and nothing real
    # is behind these passwords.
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1, dklen=32)
    return f"{salt.hex()}:{digest.hex()}"


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

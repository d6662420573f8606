"""A person's second factors, as the rest sees them: nothing of the libraries behind them shows.

The functions that check something commit what they counted by themselves: call them outside a
transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.contrib.auth.models import AbstractBaseUser

from approvals.people import limits, passkeys, recovery_codes, totp
from approvals.people.refusals import FactorRefused, TooManyTries

__all__ = [
    "Factor",
    "FactorRefused",
    "Method",
    "TooManyTries",
    "check_code",
    "check_passkey",
    "counted",
    "factors_of",
    "had_recovery_codes",
    "has_app",
    "has_factor",
    "has_passkey",
    "passkey_options",
    "passkeys_work_here",
    "people_with_factors",
    "recovery_codes_left",
]

# Codes can be guessed: of these kinds of tries, so many a day are enough as well.
_CODES = {"code": ["code_a_day"], "door_code": ["door_code_a_day"]}

Method = Literal["passkey", "totp", "recovery"]


@dataclass(frozen=True)
class Factor:
    """One passkey, or one authenticator app."""

    kind: Literal["passkey", "app"]
    pk: int
    name: str
    added_at: datetime
    last_used_at: datetime | None

    @property
    def key(self) -> str:
        """Names it among all of its person's."""
        return f"{self.kind}-{self.pk}"


def factors_of(user: AbstractBaseUser) -> list[Factor]:
    """Passkeys first, each kind oldest first."""
    return [
        *(
            Factor("passkey", one.pk, passkeys.name_of(one), one.created_at, one.last_used_at)
            for one in passkeys.passkeys_of(user)
        ),
        *(
            Factor("app", one.pk, one.name, one.created_at, one.last_used_at)
            for one in totp.devices_of(user)
        ),
    ]


def has_factor(user: AbstractBaseUser) -> bool:
    return has_passkey(user) or has_app(user)


def has_passkey(user: AbstractBaseUser) -> bool:
    return passkeys.has_passkey(user)


def has_app(user: AbstractBaseUser) -> bool:
    return totp.has_totp(user)


def passkeys_work_here() -> bool:
    """Whether browsers allow passkeys at this dashboard's address."""
    return passkeys.available()


def people_with_factors() -> set[int]:
    """The keys of all who have a second factor, for lists of people."""
    return passkeys.people_with_passkeys() | totp.people_with_totp()


def recovery_codes_left(user: AbstractBaseUser) -> int:
    return recovery_codes.codes_left(user)


def had_recovery_codes(user: AbstractBaseUser) -> bool:
    return recovery_codes.had_any(user)


def check_code(
    user: AbstractBaseUser,
    code: str,
    *,
    address: str = "",
    recovery: bool = False,
    at_door: bool = False,
) -> Method:
    """Takes a code of any of this person's apps as proof that they are here; each is good once.

    With `recovery`, a recovery code is taken too. `at_door` is where a session is verified: tries
    are counted apart there, so that a stolen password keeps nobody from deciding. Raises
    FactorRefused.
    """
    by_recovery = recovery and recovery_codes.looks_like_one(code)
    if not by_recovery:
        # What cannot be a code is no guess either, and costs nothing.
        totp.six_digits(code)
    what = "recovery" if by_recovery else "code"
    with counted(f"door_{what}" if at_door else what, user, address):
        if by_recovery:
            recovery_codes.use(user, code)
        else:
            totp.verify(user, code, at_door=at_door)
    if by_recovery or at_door:
        _forgive_wrong_codes(user, all_of_them=by_recovery)
    return "recovery" if by_recovery else "totp"


def passkey_options(user: AbstractBaseUser, challenge: str) -> dict[str, Any]:
    """What navigator.credentials.get wants; `challenge` is hexadecimal. Raises FactorRefused."""
    return passkeys.options(user, challenge)


def check_passkey(
    user: AbstractBaseUser,
    challenge: str,
    assertion: str,
    *,
    address: str = "",
    at_door: bool = False,
) -> Method:
    """Takes what a passkey of this person's signed as proof that they are here.

    `challenge` must have been made for one purpose, and serve once: the caller sees to that.
    `at_door` as in check_code. Raises FactorRefused.
    """
    # What no passkey signed is no guess, and costs nothing.
    passkeys.must_be_assertion(assertion)
    with counted("door_step_up" if at_door else "step_up", user, address):
        passkeys.check(user, challenge, assertion)
    _forgive_wrong_codes(user, all_of_them=True)
    return "passkey"


@contextmanager
def counted(what: str, user: AbstractBaseUser, address: str = "") -> Iterator[None]:
    """Counts a try, unless it turns out to be right. Raises TooManyTries."""
    kinds = [what, *_CODES.get(what, [])]
    try:
        for kind in kinds:
            limits.take(kind, person=user, address=address)
    except limits.TooManyTries as error:
        raise TooManyTries(str(error)) from error
    yield
    for kind in kinds:
        limits.give_back(kind, person=user, address=address)


def _forgive_wrong_codes(user: AbstractBaseUser, *, all_of_them: bool) -> None:
    """Ends what wrong codes inside cause, whoever typed them: the person is here.

    `all_of_them` ends what those at the door cause too.
    """
    totp.end_pauses(user)
    for what in _CODES if all_of_them else ["code"]:
        for kind in (what, *_CODES[what]):
            limits.clear(kind, person=user)

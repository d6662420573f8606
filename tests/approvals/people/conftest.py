"""A clock that tests move, and the app on a person's phone."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from approvals.people import totp
from approvals.people.models import SealedTOTPDevice, User

STEP_SECONDS = 30
SESSION = "a" * 64
ELSEWHERE = "b" * 64


class Clock:
    """What the computer's clock says: stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def next_step(self, steps: int = 1) -> None:
        self.now += steps * STEP_SECONDS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(clock.now, tz=UTC))
    return clock


class Phone:
    """An authenticator app that was given a secret once, apart from what checks codes."""

    def __init__(self, secret: str, clock: Callable[[], float]) -> None:
        self._totp = pyotp.TOTP(secret.replace(" ", ""))
        self._clock = clock

    def code(self, *, steps: int = 0) -> str:
        return self._totp.at(int(self._clock()) + steps * STEP_SECONDS)

    def wrong_code(self) -> str:
        near = {self.code(steps=steps) for steps in range(-4, 5)}
        return next(
            code
            for code in ("000000", "111111", *map(str, range(222222, 222240)))
            if code not in near
        )


def unlock(user: AbstractBaseUser) -> None:
    """Lets the pause after a wrong code be over, at each of the person's apps."""
    SealedTOTPDevice.objects.filter(user_id=user.pk).update(
        throttling_failure_timestamp=timezone.now() - timedelta(days=1)
    )


def add_app(user: User, clock: Clock, name: str = "") -> Phone:
    """A phone with a further authenticator app of this person; the code it showed is spent."""
    with transaction.atomic():
        device = totp.begin(user, session=SESSION, name=name or "Authenticator app")
        phone = Phone(totp.secret_text(device), clock)
        assert not totp.try_first_code(user, device, phone.code())
    clock.next_step()
    return phone

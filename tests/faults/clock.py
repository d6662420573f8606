"""A clock that stands still until it is moved, for Countersign and the sandbox alike."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from types import SimpleNamespace
from unittest import mock

import django_otp.oath
from django.utils import timezone

from approvals.decisions.carrying_out import execute

# Some midnight: the same in every run, and so are the 30 seconds' steps of codes.
BEGINNING = 1_893_456_000.0
A_DAY = 86_400.0


class Clock:
    """Seconds since 1970, as this machine believes; and how many have really passed."""

    def __init__(self) -> None:
        self.seconds = BEGINNING
        self.passed = 0.0
        self._days = 0
        # Has what must have happened by a moment happen, before the clock gets there.
        self.before: Callable[[float], None] = lambda passed: None

    def next_morning(self) -> None:
        """A day that nothing of the days before reaches into."""
        self._days += 30
        self.seconds = BEGINNING + self._days * A_DAY

    def advance(self, seconds: float) -> None:
        """Time passes, for everybody."""
        self.before(self.passed + seconds)
        self.seconds += seconds
        self.passed += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock: no time passes."""
        self.seconds += seconds

    def time(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.passed

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """Everything in this process that asks for the time asks this clock."""
        clock = self

        class Shown(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> "Shown":
                return cls.fromtimestamp(clock.seconds, tz)

        with contextlib.ExitStack() as stack:
            for patch in (
                mock.patch.object(time, "time", self.time),
                mock.patch.object(timezone, "datetime", Shown),
                mock.patch.object(django_otp.oath, "time", self.time),
                mock.patch.object(execute, "time", SimpleNamespace(monotonic=self.monotonic)),
            ):
                stack.enter_context(patch)
            yield

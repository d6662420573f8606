"""Deadlines for blocking reads: one thread that interrupts whatever takes too long.

A timeout of a socket starts anew with every byte that arrives, so it alone lets a peer hold a
worker for ever by sending one byte at a time.
"""

import contextlib
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Deadline:
    """One deadline; `expired` tells a reader that it was interrupted."""

    at: float
    interrupt: Callable[[], object]
    expired: bool = False


@dataclass
class _Watchdog:
    """All deadlines of this process. A thread for each request would cost more than the request."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    deadlines: dict[int, Deadline] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    wakes_at: float = math.inf
    thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> int:
        with self.changed:
            number = next(self.numbers)
            self.deadlines[number] = deadline
            if self.thread is None:
                self.thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self.thread.start()
            elif deadline.at < self.wakes_at:
                self.changed.notify()
            return number

    def remove(self, number: int) -> None:
        with self.changed:
            self.deadlines.pop(number, None)

    def _watch(self) -> None:
        with self.changed:
            while True:
                now = time.monotonic()
                for number, deadline in list(self.deadlines.items()):
                    if deadline.at <= now:
                        del self.deadlines[number]
                        deadline.expired = True
                        # The answer may have ended in this very moment.
                        with contextlib.suppress(OSError, ValueError, RuntimeError):
                            deadline.interrupt()
                self.wakes_at = min((d.at for d in self.deadlines.values()), default=math.inf)
                left = self.wakes_at - now
                self.changed.wait(None if math.isinf(left) else left)


_watchdog = _Watchdog()


def _start_anew() -> None:
    global _watchdog  # noqa: PLW0603 # a forked child has neither the thread nor a usable lock
    _watchdog = _Watchdog()


os.register_at_fork(after_in_child=_start_anew)


@contextlib.contextmanager
def watched(seconds: float, interrupt: Callable[[], object]) -> Iterator[Deadline]:
    """Calls `interrupt` once, from another thread, if the block takes longer than `seconds`.

    Never after the block has ended: by then a connection may belong to somebody else. `interrupt`
    must not block.
    """
    deadline = Deadline(time.monotonic() + seconds, interrupt)
    dog = _watchdog
    number = dog.add(deadline)
    try:
        yield deadline
    finally:
        dog.remove(number)

"""How the sandbox misbehaves when told to: the faults that a client must survive."""

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Literal

from registry_client.sandbox.second_factor import MODES, Mode

Moment = Literal["before", "after"]

CALLS_KEPT = 10_000
# A test that forgets to release must not leave a thread behind for ever.
LONGEST_HOLD_SECONDS = 120.0


@dataclass(frozen=True)
class RecordedCall:
    """One request as the sandbox saw it. Headers and bodies are not kept: they carry secrets.

    `status` is 0 where the answer was lost on purpose.
    """

    method: str
    path: str
    status: int


@dataclass
class _RefusalRule:
    prefix: str
    status: int
    left: int
    retry_after: int | None
    method: str | None


class Disturbances:
    """The faults asked for, shared by all request threads. Nothing of it outlives the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: deque[RecordedCall] = deque(maxlen=CALLS_KEPT)
        self.reset()

    def reset(self) -> None:
        """Behave again: no faults, nothing held, no calls remembered."""
        with self._changed:
            self._latency = 0.0
            self._latency_prefix = "/"
            self._refusals: list[_RefusalRule] = []
            self._answers_to_lose = 0
            self._hold: Moment | None = None
            self._held = 0
            self._visibility_delay = 0.0
            self._clock_offset = 0.0
            self._second_factor: Mode | None = None
            self._calls.clear()
            self._changed.notify_all()

    def ask_otherwise(self, mode: Mode | None) -> None:
        """Ask for the second factor in another way than the one it was started with."""
        if mode is not None and mode not in MODES:
            raise TypeError(f"one of {', '.join(MODES)} is needed")
        with self._changed:
            self._second_factor = mode

    def second_factor(self, usual: Mode) -> Mode:
        """How the second factor is asked for at this moment."""
        return self._second_factor or usual

    def now(self) -> float:
        """The sandbox's time in seconds since 1970: the machine's, plus the offset asked for."""
        return time.time() + self._clock_offset

    def move_clock(self, seconds: float) -> None:
        """Let the sandbox's clock jump by this much from where it stands."""
        with self._changed:
            self._clock_offset += seconds

    def slow_down(self, seconds: float, prefix: str) -> None:
        """Wait this long before each request below the prefix is looked at."""
        with self._changed:
            self._latency, self._latency_prefix = seconds, prefix

    def wait_latency(self, path: str) -> None:
        """Wait as long as `slow_down` asked for."""
        if self._latency and path.startswith(self._latency_prefix):
            time.sleep(self._latency)

    def refuse(
        self, status: int, count: int, prefix: str, retry_after: int | None, method: str | None
    ) -> None:
        """Answer the next `count` requests below the prefix with this status."""
        with self._changed:
            self._refusals.append(_RefusalRule(prefix, status, count, retry_after, method))

    def refusal_for(self, method: str, path: str) -> tuple[int, int | None] | None:
        """The status and Retry-After to refuse this request with, used up by asking."""
        with self._changed:
            for rule in self._refusals:
                fits = path.startswith(rule.prefix) and rule.method in (None, method)
                if fits and rule.left > 0:
                    rule.left -= 1
                    return rule.status, rule.retry_after
        return None

    def delay_visibility(self, seconds: float) -> None:
        """Keep versions approved from now on out of the packument for this long."""
        with self._changed:
            self._visibility_delay = seconds

    def visible_at(self, now: float) -> float:
        """When a version approved now becomes visible."""
        return now + self._visibility_delay

    def lose_answers(self, count: int) -> None:
        """Carry out the next `count` approvals or rejections, and answer nothing."""
        with self._changed:
            self._answers_to_lose = count

    def loses_this_answer(self) -> bool:
        """Whether this decision's answer gets lost, used up by asking."""
        with self._changed:
            if self._answers_to_lose == 0:
                return False
            self._answers_to_lose -= 1
            return True

    def hold(self, moment: Moment | None) -> None:
        """Stop each decision before it is carried out or after; None lets all go on."""
        with self._changed:
            self._hold = moment
            self._changed.notify_all()

    def pause(self, moment: Moment) -> None:
        """Wait here while decisions are held at this moment."""
        with self._changed:
            if self._hold != moment:
                return
            self._held += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._hold != moment, LONGEST_HOLD_SECONDS)
            self._held = max(0, self._held - 1)
            self._changed.notify_all()

    def wait_until_held(self, count: int, timeout: float) -> bool:
        """Wait until so many decisions are held; False if that takes longer than `timeout`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held >= count, timeout)

    def record(self, call: RecordedCall) -> None:
        """Remember a request."""
        with self._changed:
            self._calls.append(call)

    def calls(self) -> list[dict[str, str | int]]:
        """The requests so far, oldest first."""
        with self._changed:
            return [asdict(call) for call in self._calls]

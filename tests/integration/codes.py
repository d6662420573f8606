"""Fresh TOTP codes for registries that accept each code once.

Verdaccio accepts the codes of the previous, the current and the next 30-second step (as RFC 6238
suggests for clocks that differ), and of these only steps later than the last one it accepted. So
three codes in a row can be used without waiting; only the fourth has to wait for the clock.
"""

import threading
import time

import pyotp

STEP_SECONDS = 30


def wait_until_early_in_a_step() -> None:
    """Returns while codes do not change for twenty seconds at least.

    A code that is refused at its second call, in the step in which it was given, shows that the
    registry takes each once; in the next step it shows nothing, and another one is tried twice.
    """
    while time.time() % STEP_SECONDS > STEP_SECONDS / 3:
        time.sleep(0.2)


class FreshCodes:
    """Hands out the codes of one secret, each of a later step than the one before."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
        self._last_step = 0
        self._lock = threading.Lock()

    def next(self, lasting: float = 5.0) -> str:
        """Return a code that was never used and that stays acceptable for `lasting` seconds.

        Waits, up to half a minute a step, only where all acceptable steps are used up.
        """
        with self._lock:
            now = time.time()
            # A code of step s is accepted from the start of step s-1 to the end of step s+1.
            earliest = int((now + lasting) // STEP_SECONDS) - 1
            step = max(self._last_step + 1, earliest)
            acceptable_from = (step - 1) * STEP_SECONDS
            if acceptable_from > now:
                time.sleep(acceptable_from - now + 0.05)
            self._last_step = step
            return self._totp.at(step * STEP_SECONDS)

    def wrong(self) -> str:
        """Return six digits that no step around now has."""
        step = int(time.time() // STEP_SECONDS)
        near = {self._totp.at(other * STEP_SECONDS) for other in range(step - 3, step + 6)}
        return next(code for code in map(str, range(100000, 100020)) if code not in near)

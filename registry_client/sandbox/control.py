"""The control call: how a test tells a running sandbox to misbehave.

Only from the loopback address, and only with the secret kept in the sandbox's data folder.
"""

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from werkzeug.wrappers import Response

from registry_client.sandbox.answers import Json, Refusal, json_answer
from registry_client.sandbox.disturbances import Disturbances, Moment, RecordedCall
from registry_client.sandbox.second_factor import Mode

CONTROL_PATH = "/-/sandbox/control"
SECRET_HEADER = "x-sandbox-control"  # noqa: S105 - a header's name, not a secret
SECRET_FILE = "control.secret"  # noqa: S105 - a file's name, not a secret
LONGEST_WAIT_SECONDS = 60.0


def carry_out(disturbances: Disturbances, secret: str, sent_secret: str, order: Json) -> Response:
    """Obey one control call: `{"do": NAME, ...arguments}`. Raises Refusal 400 or 403."""
    if not hmac.compare_digest(secret.encode(), sent_secret.encode()):
        raise Refusal(403, f"This call needs the secret in {SECRET_FILE} of the data folder")
    if not isinstance(order, dict):
        raise Refusal(400, "A control call is an object")
    arguments = {key: value for key, value in order.items() if key != "do"}
    orders: dict[str, Callable[..., object]] = {
        "reset": disturbances.reset,
        "slow_down": disturbances.slow_down,
        "refuse": disturbances.refuse,
        "delay_visibility": disturbances.delay_visibility,
        "lose_answers": disturbances.lose_answers,
        "hold": disturbances.hold,
        "wait_until_held": disturbances.wait_until_held,
        "move_clock": disturbances.move_clock,
        "ask_otherwise": disturbances.ask_otherwise,
        "now": disturbances.now,
        "calls": disturbances.calls,
    }
    chosen = orders.get(str(order.get("do")))
    if chosen is None:
        raise Refusal(400, f"Unknown control call: one of {', '.join(orders)} is needed")
    try:
        result = chosen(**arguments)
    except TypeError as problem:
        raise Refusal(400, f"Wrong arguments: {problem}") from problem
    return json_answer({"result": result})


class SandboxControl:
    """Tells a running sandbox how to misbehave; every method returns once it is in effect."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url.rstrip("/") + CONTROL_PATH
        self._secret = secret

    @classmethod
    def of_folder(cls, url: str, folder: Path) -> "SandboxControl":
        """The control of a sandbox that runs in another process on this data folder."""
        return cls(url, (folder / SECRET_FILE).read_text())

    def __repr__(self) -> str:
        return f"SandboxControl({self._url!r})"

    def reset(self) -> None:
        """End all faults, let held decisions go on, forget the calls, set the clock right."""
        self._order("reset")

    def slow_down(self, seconds: float, prefix: str = "/") -> None:
        """Wait this long before answering each request whose path begins with the prefix."""
        self._order("slow_down", seconds=seconds, prefix=prefix)

    def refuse(
        self,
        status: int,
        *,
        count: int = 1,
        prefix: str = "/",
        retry_after: int | None = None,
        method: str | None = None,
    ) -> None:
        """Answer the next `count` requests under the prefix (of this method) with 429, 503, ..."""
        self._order(
            "refuse",
            status=status,
            count=count,
            prefix=prefix,
            retry_after=retry_after,
            method=method,
        )

    def delay_visibility(self, seconds: float) -> None:
        """Hide versions approved from now on from the packument for this many seconds."""
        self._order("delay_visibility", seconds=seconds)

    def lose_answers(self, count: int = 1) -> None:
        """Carry out the next `count` approvals or rejections and close without an answer."""
        self._order("lose_answers", count=count)

    def hold(self, moment: Moment = "before") -> None:
        """Stop every approve and reject before it is carried out, or after and before its answer.

        They go on at `release`, or after two minutes.
        """
        self._order("hold", moment=moment)

    def release(self) -> None:
        """Let the held decisions go on, and hold no more."""
        self._order("hold", moment=None)

    def wait_until_held(self, count: int = 1, timeout: float = 20.0) -> None:
        """Return once so many decisions are held; raises TimeoutError."""
        if not self._order("wait_until_held", count=count, timeout=timeout):
            raise TimeoutError(f"Fewer than {count} decisions were held within {timeout} s")

    def move_clock(self, seconds: float) -> None:
        """Let the sandbox's clock jump: codes, locks, confirmations and delays go by it."""
        self._order("move_clock", seconds=seconds)

    def ask_otherwise(self, mode: Mode | None) -> None:
        """Ask for the second factor in this way from now on; None for the usual one."""
        self._order("ask_otherwise", mode=mode)

    def now(self) -> float:
        """The sandbox's time, in seconds since 1970."""
        return float(self._order("now"))

    def calls(self, method: str | None = None, prefix: str = "/") -> list[RecordedCall]:
        """The requests since the start or the last `reset`, oldest first; control calls are not
        among them."""
        calls = [RecordedCall(**call) for call in self._order("calls")]
        return [
            call for call in calls if call.path.startswith(prefix) and method in (None, call.method)
        ]

    def _order(self, name: str, **arguments: Json) -> Any:
        response = requests.post(
            self._url,
            json={"do": name, **arguments},
            headers={SECRET_HEADER: self._secret},
            timeout=LONGEST_WAIT_SECONDS + 10,
        )
        response.raise_for_status()
        return response.json()["result"]

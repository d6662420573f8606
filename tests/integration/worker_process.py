"""A worker in a process of its own, which a test can stop in the worst moments and kill there.

    python -m tests.integration.worker_process [before-recording | before-commit]

It says "ready" and waits for a line; then carries out what is due and says "done". With a moment
named, it says "answered" when the registry has answered and that moment has come, and waits for
another line before it goes on. It ends with the test run: its standard input closes then.
"""

import os
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from approvals.decisions import tasks  # noqa: E402 - the apps must be ready first
from approvals.decisions.carrying_out import outcomes  # noqa: E402 - the apps must be ready first
from approvals.queue import transitions  # noqa: E402 - as above
from config.celery import app  # noqa: E402 - as above

BEFORE_RECORDING = "before-recording"
BEFORE_COMMIT = "before-commit"


def say_and_wait(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()
    if not sys.stdin.readline():
        sys.exit(f"Nobody wants a worker that is {word}.")


def stop_before_recording() -> None:
    """The registry has answered; nothing of it is written."""
    carried_out = outcomes.carried_out

    def stopped(*arguments: Any) -> None:
        say_and_wait("answered")
        carried_out(*arguments)

    mock.patch.object(outcomes, "carried_out", stopped).start()


def stop_before_commit() -> None:
    """The registry has answered; all of it is written, in a transaction that is still open."""

    def stopped(*arguments: Any, **named: Any) -> bool:
        moved = transitions.move(*arguments, **named)
        say_and_wait("answered")
        return moved

    mock.patch.object(outcomes, "move", stopped).start()


STOPS: dict[str, Callable[[], None]] = {
    BEFORE_RECORDING: stop_before_recording,
    BEFORE_COMMIT: stop_before_commit,
}


def main(moments: list[str]) -> None:
    # Doorbells ring for nobody: other workers of this machine have another database.
    app.conf.update(broker_url="memory://localhost/")
    for moment in moments:
        STOPS[moment]()
    say_and_wait("ready")
    tasks.carry_out_waiting()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Doing several things at the same time, each on a database connection of its own."""

import threading
from collections.abc import Callable

from django.db import connections

PATIENCE_SECONDS = 60


def at_once(*doings: Callable[[], object]) -> list[object]:
    """Does all of it at the same time, each on a connection of its own.

    Returns what each returned or raised, in the order of `doings`.
    """
    start = threading.Barrier(len(doings))
    results: list[object] = [None] * len(doings)

    def run(number: int, doing: Callable[[], object]) -> None:
        try:
            start.wait(PATIENCE_SECONDS)
            results[number] = doing()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            results[number] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(number, doing), daemon=True)
        for number, doing in enumerate(doings)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    return results

"""Kombu's filesystem transport, safe for several processes at once.

Kombu (5.7) creates a message's file before it fills it, and a table of queues likewise: whoever
reads in between finds no JSON, and the worker ends (celery/kombu issue 1551). Here a message
appears whole, by a rename, and the tables are read and written under one lock. Delete this once
kombu does it.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

SCHEME = "files"
TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


class Channel(filesystem.Channel):
    def _put(  # type: ignore[override]  # the stubs of kombu's two base classes disagree
        self, queue: str, payload: dict[str, Any], **kwargs: Any
    ) -> None:
        name = f"{_next_name()}.{queue}.msg"
        folder = Path(self.data_folder_out)
        # No reader looks at names that begin with a dot.
        draft = folder / f".{name}"
        draft.write_text(dumps(payload))
        draft.rename(folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = folder / f".{name}"
            try:
                (folder / name).rename(taken)
            except FileNotFoundError:
                continue
            try:
                return loads(taken.read_text())
            finally:
                taken.unlink()
        raise Empty

    def get_table(self, exchange: str) -> Any:
        with self._tables():
            return super().get_table(exchange)

    def _queue_bind(self, *args: Any) -> None:
        with self._tables():
            super()._queue_bind(*args)

    @contextmanager
    def _tables(self) -> Iterator[None]:
        with (self.control_folder / "tables.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    Channel = Channel


def empty(folder: Path) -> None:
    """Removes what an earlier run left: messages nobody took, tables cut off in the middle."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _next_name() -> str:
    # Sorts by time: the oldest message is taken first.
    return f"{time.time_ns()}_{uuid.uuid4()}"

"""Sees that code leaves the machine as it was: nothing is written, nothing stays open."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGES = frozenset(
    {
        *("os.mkdir", "os.rename", "os.link", "os.symlink", "os.chmod", "os.chown", "os.remove"),
        *("os.rmdir", "os.truncate", "os.utime", "os.setxattr", "shutil.move", "shutil.copyfile"),
        *("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.system"),
        "socket.connect",
    }
)
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_seen: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _FOR_WRITING):
            _seen.append(f"open {path} {mode}")
    elif event in _CHANGES:
        _seen.append(f"{event} {arguments[:1]}")


_hooked = False


@contextmanager
def untouched(folder: Path, monkeypatch: Any) -> Iterator[None]:
    """The code inside runs in an empty folder, and must write, start or leave open nothing.

    A hook of the interpreter sees every file that is opened for writing, whatever its name.
    """
    global _seen, _hooked  # noqa: PLW0603 - a hook cannot be taken away again
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    here, temporary = folder / "here", folder / "temporary"
    for empty in (here, temporary):
        empty.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = sorted(folder.rglob("*"))
    opened, threads = _open_files(), threading.active_count()
    _seen = []
    try:
        yield
    finally:
        seen, _seen = _seen, None
    assert seen == [], seen
    assert sorted(folder.rglob("*")) == before
    assert _open_files() == opened
    assert threading.active_count() == threads


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))

"""Where the sandbox keeps everything: one SQLite file and a folder of tarballs.

A change is one transaction, and a tarball is on disk before the row that names it: a process killed
at any moment leaves at most a file that nothing names, which the next start removes.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from registry_client.sandbox.answers import SandboxProblem

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    totp_secret TEXT,
    totp_pending TEXT,
    last_used_step INTEGER NOT NULL DEFAULT -1,
    failures INTEGER NOT NULL DEFAULT 0,
    locked_until REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS tokens (
    token_hash TEXT PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users (name),
    kind TEXT NOT NULL CHECK (kind IN ('user', 'automation', 'read-only'))
) STRICT;
CREATE TABLE IF NOT EXISTS collaborators (
    package TEXT NOT NULL,
    user TEXT NOT NULL REFERENCES users (name),
    permission TEXT NOT NULL CHECK (permission IN ('read-only', 'read-write')),
    PRIMARY KEY (package, user)
) STRICT;
CREATE TABLE IF NOT EXISTS packages (
    name TEXT PRIMARY KEY,
    access TEXT NOT NULL CHECK (access IN ('public', 'private')),
    readme TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS versions (
    package TEXT NOT NULL REFERENCES packages (name),
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    publisher TEXT NOT NULL,
    shasum TEXT NOT NULL,
    integrity TEXT NOT NULL,
    tarball TEXT NOT NULL UNIQUE,
    bundle TEXT,
    deprecated TEXT NOT NULL DEFAULT '',
    published_at REAL NOT NULL,
    visible_at REAL NOT NULL,
    PRIMARY KEY (package, version)
) STRICT;
CREATE TABLE IF NOT EXISTS staged (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    package TEXT NOT NULL REFERENCES packages (name),
    version TEXT NOT NULL,
    tag TEXT NOT NULL,
    access TEXT NOT NULL CHECK (access IN ('public', 'private')),
    manifest TEXT NOT NULL,
    readme TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_type TEXT NOT NULL CHECK (actor_type IN ('user', 'trusted automation')),
    shasum TEXT NOT NULL,
    integrity TEXT NOT NULL,
    tarball TEXT NOT NULL UNIQUE,
    bundle TEXT,
    created_at REAL NOT NULL,
    UNIQUE (package, version)
) STRICT;
-- Tags are a history: what a tag points to is its newest row that is already in effect, so that a
-- version which becomes visible later takes its tag along.
CREATE TABLE IF NOT EXISTS tag_changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    package TEXT NOT NULL REFERENCES packages (name),
    tag TEXT NOT NULL,
    version TEXT,
    effective_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS tag_changes_of_package ON tag_changes (package);
CREATE TABLE IF NOT EXISTS web_challenges (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users (name),
    purpose TEXT NOT NULL,
    expires_at REAL NOT NULL,
    token TEXT UNIQUE,
    used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


def keep_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, wholly or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)


class Store:
    """The sandbox's data under one folder; open in one process at a time, used by many threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tarballs = folder / "tarballs"
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Take the folder for this process and make it ready.

        Raises SandboxProblem if another process has it or if it cannot be written.
        """
        if self._lock is not None:
            return
        try:
            self._tarballs.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as problem:
            raise SandboxProblem(
                f"The sandbox cannot keep its data in {self.folder}: {problem.strerror}. "
                "Name a folder that this user may write to."
            ) from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            lock.close()
            raise SandboxProblem(
                f"Another sandbox already runs on the data in {self.folder}: "
                "stop that one, or name another folder."
            ) from problem
        self._lock = lock
        try:
            with self._connection() as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(SCHEMA)
            self._remove_unnamed_tarballs()
        except sqlite3.Error as problem:
            self.close()
            raise SandboxProblem(
                f"The sandbox's data in {self.folder} cannot be read ({problem}): "
                "name another folder, or remove this one to begin anew."
            ) from problem

    def close(self) -> None:
        """Let another process have the folder. May be called twice."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the data throughout."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among writers from its beginning; rolled back on any exception."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def keep_tarball(self, content: bytes) -> str:
        """Write a tarball and return the name a row knows it by."""
        name = f"{secrets.token_hex(16)}.tgz"
        draft = self._tarballs / f"{name}.draft"
        draft.write_bytes(content)
        # No fsync: the promise is to survive a killed process, and the kernel keeps these bytes.
        draft.replace(self.tarball(name))
        return name

    def tarball(self, name: str) -> Path:
        """The file of a tarball that a row names."""
        return self._tarballs / name

    def drop_tarball(self, name: str) -> None:
        """Remove a tarball that no row names any more."""
        self.tarball(name).unlink(missing_ok=True)

    def secret(self, name: str) -> str:
        """A random secret kept in a file of this name that only the owner can read."""
        path = self.folder / name
        if not path.exists():
            keep_private(path, secrets.token_urlsafe(32))
        return path.read_text()

    def fact(self, name: str) -> str | None:
        """A remark about this folder, if it was made."""
        with self.read() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else row["value"]

    def set_fact(self, name: str, value: str) -> None:
        """Remember a remark about this folder."""
        with self.write() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._lock is None:
            raise SandboxProblem("The sandbox is stopped.")
        connection = sqlite3.connect(
            self.folder / "sandbox.sqlite3", timeout=30, isolation_level=None
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=NORMAL")
            yield connection
        finally:
            connection.close()

    def _remove_unnamed_tarballs(self) -> None:
        with self.read() as connection:
            rows = connection.execute(
                "SELECT tarball FROM versions UNION SELECT tarball FROM staged"
            )
            named = {row["tarball"] for row in rows}
        for path in self._tarballs.iterdir():
            if path.name not in named:
                path.unlink()

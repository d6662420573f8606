"""A database and a broker of its own for each running program that tests start.

With DATABASE_URL and REDIS_URL unset there is nothing to do: SQLite and the filesystem broker live
in the program's own folder.
"""

import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

DATABASE_PREFIX = "countersign_program_"
REDIS_DATABASES = range(1, 16)
# Whoever finds this key in a Redis database may empty it: a run of these tests filled it.
REDIS_MARK = "countersign:tests"


@contextlib.contextmanager
def own_services() -> Iterator[dict[str, str]]:
    """The environment variables that point a program to services nobody else uses."""
    with contextlib.ExitStack() as stack:
        environment = {}
        if url := os.environ.get("DATABASE_URL"):
            environment["DATABASE_URL"] = stack.enter_context(_own_database(url))
        if url := os.environ.get("REDIS_URL"):
            environment["REDIS_URL"] = stack.enter_context(_own_redis(url))
        yield environment


@contextlib.contextmanager
def _own_database(server_url: str) -> Iterator[str]:
    if not server_url.startswith("postgres"):
        raise ValueError("Running programs are tested on SQLite and PostgreSQL only.")
    name = f"{DATABASE_PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        _drop_left_over(connection)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


def _drop_left_over(connection: psycopg.Connection) -> None:
    """Drops the databases of test processes that were killed. Those in use refuse to be dropped."""
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [DATABASE_PREFIX]
    ).fetchall()
    for (name,) in rows:
        owner = name.removeprefix(DATABASE_PREFIX).partition("_")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            with contextlib.suppress(psycopg.errors.ObjectInUse, psycopg.errors.UndefinedObject):
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
                )


@contextlib.contextmanager
def _own_redis(server_url: str) -> Iterator[str]:
    for number in REDIS_DATABASES:
        url = urlunsplit(urlsplit(server_url)._replace(path=f"/{number}"))
        lock_file = Path(tempfile.gettempdir()) / f"countersign-tests-redis-{number}.lock"
        with lock_file.open("w") as lock, redis.Redis.from_url(url) as client:
            try:
                # Let go by the kernel when this process ends, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if client.dbsize() and not client.exists(REDIS_MARK):
                continue
            client.flushdb()
            client.set(REDIS_MARK, "1")
            try:
                yield url
            finally:
                client.flushdb()
            return
    raise RuntimeError(f"No Redis database of {server_url} is free: all of 1 to 15 hold data.")

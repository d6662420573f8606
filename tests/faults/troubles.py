"""What goes wrong while a worker works: it dies, is held up, or loses its database or registry.

A worker's run is a row of events: each statement and each commit in the database, each call to a
registry. A Trouble names one of them by its number, and what happens right before or after it.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest import mock

import requests
import urllib3
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from approvals.decisions.carrying_out import execute
from approvals.decisions.models import DecisionItem
from registry_client.connections import PatientSession

Event = Literal["claim", "statement", "commit", "call", "decision"]
What = Literal["dies", "is held up", "loses the database", "has its session ended"]
When = Literal["before", "after"]
PATIENCE_SECONDS = 60


class Died(BaseException):
    """Nothing after this happened in that process."""


@dataclass(frozen=True)
class Trouble:
    """The worker `what` right `when` its `number`th `event`, counted from 0."""

    what: What
    when: When
    event: Event
    number: int


@dataclass
class Run:
    """What one worker does from being woken until it has nothing more to do, or dies."""

    trouble: Trouble | None
    # How many items it takes on.
    items: int
    seen: Counter[str] = field(default_factory=Counter)
    struck: str = ""
    is_held_up: bool = False
    # While it is held up: the decision that it is about to send, if that is where.
    stage_id: str = ""
    went_quiet: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    error: BaseException | None = None


_here = threading.local()


def current_run() -> Run | None:
    return getattr(_here, "run", None)


@contextlib.contextmanager
def running(run: Run) -> Iterator[None]:
    """What happens in this thread meanwhile are events of this run."""
    _here.run = run
    try:
        with connection.execute_wrapper(_statement):
            yield
    finally:
        _here.run = None


@contextlib.contextmanager
def exposed(wire: "Callable[..., requests.Response]") -> Iterator[None]:
    """Commits and calls of all runs pass here; `wire` is what carries calls to the registry."""
    commit = BaseDatabaseWrapper._commit

    def committed(wrapper: BaseDatabaseWrapper) -> None:
        with event("commit", undo=wrapper._rollback):
            commit(wrapper)

    ask = PatientSession.request

    def asked(session: PatientSession, method: str, url: str, **more: Any) -> requests.Response:
        stage_id = url.partition("/-/stage/")[2].split("/")[0] if method != "GET" else ""
        with event("decision" if stage_id else "call", stage_id=stage_id):
            return wire(lambda: ask(session, method, url, **more), method, url, more)

    claim_due = execute.claim_due

    def claimed() -> DecisionItem | None:
        run = current_run()
        if run is None:
            return claim_due()
        if run.items <= 0:
            return None
        run.items -= 1
        with event("claim"):
            return claim_due()

    with (
        mock.patch.object(execute, "claim_due", claimed),
        mock.patch.object(BaseDatabaseWrapper, "_commit", committed),
        mock.patch.object(PatientSession, "request", asked),
    ):
        yield


def _statement(execute: Callable[..., Any], *given: Any) -> Any:
    # What ends a transaction is an event of its own.
    with event("statement"):
        return execute(*given)


@contextlib.contextmanager
def event(
    kind: Event, *, undo: Callable[[], object] | None = None, stage_id: str = ""
) -> Iterator[None]:
    """What happens inside is an event of the run of this thread, if there is one."""
    run = current_run()
    if run is None:
        yield
        return
    number = run.seen[kind]
    run.seen[kind] += 1
    _strike(run, "before", kind, number, undo, stage_id)
    yield
    _strike(run, "after", kind, number, None, "")


def _strike(
    run: Run,
    when: str,
    kind: str,
    number: int,
    undo: Callable[[], object] | None,
    stage_id: str,
) -> None:
    trouble = run.trouble
    if trouble is None or trouble.event != kind or trouble.when != when:
        return
    if number < trouble.number or run.struck:
        return
    if trouble.what == "is held up":
        # Nobody is held up for long within a transaction: others would wait for its locks.
        if connection.in_atomic_block or is_in_transaction():
            return
        run.struck = f"{when} {kind} {number}"
        hold_up(run, stage_id)
        return
    if number > trouble.number:
        return
    run.struck = f"{when} {kind} {number}"
    if trouble.what == "has its session ended" and connection.vendor == "postgresql":
        end_session()
        return
    if undo:
        undo()
    elif is_in_transaction() and not connection.in_atomic_block and connection.vendor == "sqlite":
        # Whoever loses the database loses what was just begun, too.
        connection.connection.rollback()
    if trouble.what == "dies":
        connection.run_on_commit = []
        raise Died
    raise OperationalError("disk I/O error, or the server closed the connection unexpectedly")


def is_in_transaction() -> bool:
    """Whether the database believes so: Django says it only between beginning and ending one."""
    own = connection.connection
    if own is None:
        return False
    if connection.vendor == "sqlite":
        return bool(own.in_transaction)
    return bool(own.info.transaction_status != TransactionStatus.IDLE)


def hold_up(run: Run, stage_id: str) -> None:
    run.is_held_up, run.stage_id = True, stage_id
    run.may_go_on.clear()
    run.went_quiet.set()
    assert run.may_go_on.wait(PATIENCE_SECONDS)
    run.is_held_up, run.stage_id = False, ""


def end_session() -> None:
    """What a restart of PostgreSQL does to the session of this thread."""
    own = connection.connection
    if own is None or own.closed:
        return
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [own.info.backend_pid])
    finally:
        other.close()


def not_connected() -> requests.ConnectionError:
    """What `requests` raises where nothing listens: nothing was sent."""
    reason = urllib3.exceptions.ConnectTimeoutError("nothing listens there")
    return requests.ConnectionError(reason)

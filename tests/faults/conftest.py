"""One registry and one person for all schedules of a test."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from approvals.queue.registries import add_registry
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.conftest import House, house, sandbox  # noqa: F401 - fixtures
from tests.faults.clock import Clock
from tests.faults.world import PERSON, World, quick_commits


def _quick(**_: object) -> None:
    quick_commits()


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> Iterator[World]:
    clock = Clock()
    clock.next_morning()
    connection_created.connect(_quick)
    quick_commits()
    # Opening one anew for each task would take longer than the task.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close_at = None
    try:
        with clock.ticking(), SandboxRegistry(tmp_path / "sandbox", otp="classic") as own:
            # As long as one connection is open, closing another one writes nothing to the disk.
            open_all_along = sqlite3.connect(own.data / "sandbox.sqlite3")
            open_all_along.execute("SELECT * FROM users").fetchall()
            own.create_user("ci")
            registry = add_registry(
                actor=None,
                name="sandbox",
                url=own.url,
                read_token=own.token("ci", "read-only"),
                is_sandbox=True,
            )
            its = House(own, registry)
            yield World(its, its.person(PERSON), clock)
            open_all_along.close()
    finally:
        connection_created.disconnect(_quick)

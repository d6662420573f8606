"""The database restarts as after a power cut, and the broker is emptied, stopped and started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from approvals.audit import chain
from approvals.audit.models import AuditEvent
from approvals.decisions.models import DecisionItem, ItemState, RegistryProof
from approvals.queue.models import StagedVersion, State
from tests.approvals.conftest import House
from tests.faults.services import (
    CeleryWorker,
    PrivatePostgreSQL,
    PrivateRedis,
    eventually,
    missing,
    postgresql_folder,
)
from tests.integration.workers import database_url

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_postgresql_is_restarted_while_a_request_is_at_the_registry(
    tmp_path: Path, moment: str
) -> None:
    programs = postgresql_folder()
    if programs is None:
        missing("PostgreSQL's own programs are not on this machine")
    assert programs
    with PrivatePostgreSQL(programs) as database:
        scenario = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.restarted_database", moment, tmp_path],
            cwd=REPOSITORY,
            env={
                **{name: value for name, value in os.environ.items() if name != "REDIS_URL"},
                "DATABASE_URL": database.url,
                "COUNTERSIGN_VAR": str(tmp_path / "var"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with scenario:
            try:
                assert scenario.stdout
                assert scenario.stdin
                assert scenario.stdout.readline() == "restart\n"
                database.restart()
                scenario.stdin.write("restarted\n")
                scenario.stdin.flush()
                told = scenario.stdout.read()
                assert scenario.wait() == 0
                assert told.endswith("all is well\n")
            finally:
                scenario.kill()


@pytest.mark.django_db(transaction=True)
def test_whatever_the_broker_loses_is_carried_out_by_the_next_sweep(
    house: House, tmp_path: Path
) -> None:
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server is not on this machine")
    assert program
    house.sandbox.app.disturbances.ask_otherwise("none")
    ada = house.person("ada")
    rows = [house.ready(f"pad-{number}") for number in range(4)]
    house.sandbox.app.disturbances.ask_otherwise("none")
    environment = {
        "DATABASE_URL": database_url(),
        "COUNTERSIGN_SECRET_KEY": settings.SECRET_KEY,
        "COUNTERSIGN_SEALING_KEYS": ",".join(settings.SEALING_KEYS),
        "COUNTERSIGN_SWEEP_SECONDS": "0.5",
    }

    def is_live(row: StagedVersion) -> bool:
        row.refresh_from_db()
        return row.state == State.LIVE

    with PrivateRedis(program, tmp_path) as broker:
        environment["REDIS_URL"] = broker.url
        with CeleryWorker(environment, tmp_path):
            house.decide(ada, rows[0])
            eventually(lambda: is_live(rows[0]))

            broker.flush()
            house.decide(ada, rows[1])
            broker.flush()
            eventually(lambda: is_live(rows[1]))

            broker.stop()
            house.decide(ada, rows[2])
            house.sandbox.app.disturbances.lose_answers(1)
            broker.start()
            eventually(lambda: is_live(rows[2]))

            house.sandbox.control.hold("after")
            house.decide(ada, rows[3])
            house.sandbox.control.wait_until_held()
            broker.stop()
            house.sandbox.control.release()
            broker.start()
            eventually(lambda: is_live(rows[3]))
    assert house.approvals_sent() == 4
    assert set(DecisionItem.objects.values_list("state", flat=True)) == {ItemState.DONE}
    assert AuditEvent.objects.filter(kind="staged_version.accepted").count() == 4
    assert not RegistryProof.objects.exists()
    assert chain.verify().problem == ""

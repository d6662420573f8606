"""Decisions on a database that restarts while a request of theirs is at the registry.

    python -m tests.faults.restarted_database before|after FOLDER

Run by test_services.py, on a PostgreSQL of its own. It says "restart" when the registry holds a
decision right before or after carrying it out, waits for a line, and in the end says "all is well".
"""

import os
import sys
import threading
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - the apps must be ready first
from django.db import OperationalError, close_old_connections, connection  # noqa: E402 - as above

from approvals.audit import chain  # noqa: E402 - as above
from approvals.audit.models import AuditEvent  # noqa: E402 - as above
from approvals.decisions import tasks  # noqa: E402 - as above
from approvals.decisions.models import DecisionItem, ItemState, RegistryProof  # noqa: E402 - as above
from approvals.queue import live  # noqa: E402 - as above
from approvals.queue.models import StagedVersion, State  # noqa: E402 - as above
from approvals.queue.registries import add_registry  # noqa: E402 - as above
from config.celery import app  # noqa: E402 - as above
from registry_client.sandbox.server import SandboxRegistry  # noqa: E402 - as above
from tests.approvals.conftest import House  # noqa: E402 - as above
from tests.approvals.decisions.test_killed_worker import everything_due  # noqa: E402 - as above

PATIENCE_SECONDS = 60
NAMES = ("left-pad", "mid-pad", "right-pad")


def work_for_ever(stop: threading.Event) -> None:
    """A worker and its sweeps; Celery would write what breaks into its log, and go on."""
    while not stop.wait(0.1):
        try:
            close_old_connections()
            tasks.carry_out_waiting()
            live.watch_due()
        except OperationalError:
            connection.close()
    connection.close()


def main(moment: str, folder: Path) -> None:
    app.conf.update(broker_url="memory://localhost/")
    call_command("migrate", verbosity=0)
    with SandboxRegistry(folder / "sandbox", otp="none") as sandbox:
        sandbox.create_user("ci")
        registry = add_registry(
            actor=None,
            name="sandbox",
            url=sandbox.url,
            read_token=sandbox.token("ci", "read-only"),
            is_sandbox=True,
        )
        house = House(sandbox, registry)
        ada = house.person("ada")
        rows = [house.ready(name) for name in NAMES]
        sandbox.control.hold("before" if moment == "before" else "after")
        house.decide_all(ada, rows)
        stop = threading.Event()
        worker = threading.Thread(target=work_for_ever, args=[stop], daemon=True)
        worker.start()
        sandbox.control.wait_until_held(timeout=PATIENCE_SECONDS)
        sys.stdout.write("restart\n")
        sys.stdout.flush()
        sys.stdin.readline()
        sandbox.control.release()
        connection.close()
        until = time.monotonic() + PATIENCE_SECONDS
        while StagedVersion.objects.exclude(state=State.LIVE).exists():
            assert time.monotonic() < until, list(DecisionItem.objects.values("state", "outcome"))
            time.sleep(0.5)
            # Nobody waits here until the lease of a worker that lost the database has run out.
            everything_due()
        stop.set()
        worker.join(PATIENCE_SECONDS)
        assert house.approvals_sent() == len(NAMES)
        assert set(DecisionItem.objects.values_list("state", flat=True)) == {ItemState.DONE}
        accepted = AuditEvent.objects.filter(kind="staged_version.accepted")
        assert accepted.count() == len(NAMES)
        assert not RegistryProof.objects.exists()
        assert chain.verify().problem == ""
    sys.stdout.write("all is well\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""A worker process killed while its request is at the registry: sent once, recorded once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import outcomes
from approvals.decisions.models import Action, DecisionItem, ItemState, RegistryProof
from approvals.queue.models import StagedVersion, State
from tests.approvals.conftest import House
from tests.approvals.events import topics

# The worker is another process, and sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60
WORKER = """
import django
django.setup()
from approvals.decisions.tasks import carry_out_waiting
carry_out_waiting()
"""


def database_url() -> str:
    """The address of the tests' own database, for another process."""
    at = connection.settings_dict
    if settings.ON_SQLITE:
        return f"sqlite:///{at['NAME']}"
    user, host = quote(at["USER"]), at["HOST"]
    password = f":{quote(at['PASSWORD'])}" if at["PASSWORD"] else ""
    return f"postgres://{user}{password}@{host}:{at['PORT'] or 5432}/{at['NAME']}"


@contextmanager
def worker(var: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on the tests' database, with the same keys and a broker of its own."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("REDIS")
    } | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url(),
        "COUNTERSIGN_VAR": str(var),
        "COUNTERSIGN_SECRET_KEY": settings.SECRET_KEY,
        "COUNTERSIGN_SEALING_KEYS": ",".join(settings.SEALING_KEYS),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=settings.BASE_DIR, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def run_worker(var: Path) -> None:
    """A worker that does what is due and ends."""
    with worker(var) as process:
        assert process.wait(PATIENCE_SECONDS) == 0


def everything_due() -> None:
    """The dead worker's lease has run out, and each pause is over."""
    now = timezone.now()
    DecisionItem.objects.update(due_at=now)
    DecisionItem.objects.filter(lease_until__isnull=False).update(
        lease_until=now - timedelta(seconds=1)
    )


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def decisions_at_the_registry(house: House) -> int:
    calls = house.sandbox.control.calls(prefix="/-/stage/")
    return sum(call.method in {"POST", "DELETE"} for call in calls)


@pytest.mark.parametrize(
    ("action", "end"), [(Action.APPROVE, State.LIVE), (Action.REJECT, State.REJECTED)]
)
def test_killed_between_the_registrys_deed_and_our_commit(
    house: House, tmp_path: Path, action: Action, end: State
) -> None:
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, action, registry_code=house.sandbox.code("ada"))
    house.sandbox.control.hold("after")
    with worker(tmp_path) as process:
        house.sandbox.control.wait_until_held(timeout=PATIENCE_SECONDS)
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    house.sandbox.control.release()
    eventually(lambda: decisions_at_the_registry(house) == 1)

    item.refresh_from_db()
    row.refresh_from_db()
    assert item.state == ItemState.SENT
    assert row.state in {State.APPROVING, State.REJECTING}
    assert not RegistryProof.objects.exists(), "the code went out of the database with the request"
    before = topics()
    run_worker(tmp_path)
    item.refresh_from_db()
    assert item.state == ItemState.SENT, "its lease has not run out yet"
    assert topics() == before

    for _ in range(2):
        everything_due()
        run_worker(tmp_path)
    item.refresh_from_db()
    assert item.state == ItemState.DONE
    house.work()
    row.refresh_from_db()
    assert row.state == end
    assert house.published("left-pad") == ({"1.5.0"} if action == Action.APPROVE else set())
    assert decisions_at_the_registry(house) == 1
    outcome = "staged_version.accepted" if action == Action.APPROVE else "staged_version.rejected"
    assert AuditEvent.objects.filter(kind=outcome).count() == 1
    assert topics().count(outcome) == 1
    assert item.attempts.count() == 1
    assert chain.verify().problem == ""


def test_killed_while_the_registry_still_works_on_it(house: House, tmp_path: Path) -> None:
    """The request lives on without its sender: looking must not turn into sending again."""
    ada = house.person("ada")
    row = house.ready()
    item = house.decide(ada, row, registry_code=house.sandbox.code("ada"))
    house.sandbox.control.hold("before")
    with worker(tmp_path) as process:
        house.sandbox.control.wait_until_held(timeout=PATIENCE_SECONDS)
        process.kill()
        process.wait(PATIENCE_SECONDS)
    for _ in range(6):
        everything_due()
        house.work()
    item.refresh_from_db()
    assert item.state == ItemState.CHECKING
    assert StagedVersion.objects.get().state == State.APPROVING

    house.sandbox.control.release()
    eventually(lambda: house.published("left-pad") == {"1.5.0"})
    house.work(until_due=outcomes.LONGEST_CHECK_PAUSE)
    house.work()
    row.refresh_from_db()
    assert row.state == State.LIVE
    eventually(lambda: decisions_at_the_registry(house) == 1)
    assert topics().count("staged_version.accepted") == 1
    assert topics().count("staged_version.live") == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_in_the_middle_of_several_versions(
    house: House, tmp_path: Path, moment: Literal["before", "after"]
) -> None:
    """The others go on with the code that was given, and none of them is called for twice."""
    ada = house.person("ada")
    rows = [house.ready(name) for name in ("left-pad", "mid-pad", "right-pad")]
    house.sandbox.control.reset()
    house.sandbox.control.ask_otherwise("classic")
    code = house.sandbox.code("ada")
    decision = house.decide_all(ada, rows, registry_code=code)
    house.sandbox.control.hold(moment)
    with worker(tmp_path) as process:
        house.sandbox.control.wait_until_held(timeout=PATIENCE_SECONDS)
        process.kill()
        process.wait(PATIENCE_SECONDS)
    run_worker(tmp_path)
    states = list(decision.items.values_list("state", flat=True))
    assert states == [ItemState.SENT, ItemState.WAITING, ItemState.WAITING], "nobody overtakes"
    assert code not in RegistryProof.objects.get().sealed_code
    house.sandbox.control.release()
    eventually(lambda: decisions_at_the_registry(house) == 1)

    for _ in range(3):
        everything_due()
        run_worker(tmp_path)
    house.work()
    assert set(decision.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert not RegistryProof.objects.exists()
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.LIVE}
    assert decisions_at_the_registry(house) == 3
    assert topics().count("staged_version.accepted") == 3
    assert chain.verify().problem == ""

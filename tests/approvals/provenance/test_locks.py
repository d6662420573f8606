"""Who waits for whom, on a database that locks rows."""

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from approvals.inspection import requests as inspection_requests
from approvals.inspection.models import InspectionRequest, StagedFinding
from approvals.provenance import hand_in as hand_in_module
from approvals.provenance.findings import ref_changed
from approvals.provenance.hand_in import hand_in
from approvals.provenance.models import HandedInBundle, ProvenanceCheck
from approvals.provenance.requests import compare_anew, pause, request_missing
from approvals.queue.models import Registry, StagedVersion, State
from tests.approvals.factories import (
    make_provenance,
    make_provenance_check,
    make_registry,
    make_staged_version,
)
from tests.approvals.provenance.conftest import Works

PATIENCE_SECONDS = 20
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="SQLite locks the whole database"
    ),
]


def beside(doing: Callable[[], object]) -> threading.Thread:
    """Does it on a connection of its own."""

    def run() -> None:
        try:
            doing()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Not pg_stat_activity, which says the same until the transaction ends.
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def wait_for_who_waits() -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not somebody_waits_for_a_lock():
        assert time.monotonic() < until, "nobody waits for a lock"
        time.sleep(0.02)


def test_handing_in_keeps_nobody_from_writing_about_the_same_version(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = works.stage().staged_version
    StagedVersion.objects.update(sha512="")
    make_room, was_blocked = hand_in_module._make_room, []

    def meanwhile(locked: StagedVersion) -> None:
        # A row that refers to the staged version, as workers write them.
        other = beside(lambda: InspectionRequest.objects.get_or_create(staged_version_id=row.pk))
        other.join(PATIENCE_SECONDS / 4)
        was_blocked.append(other.is_alive())
        make_room(locked)

    monkeypatch.setattr(hand_in_module, "_make_room", meanwhile)
    bundle = works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64)
    hand_in(row, json.dumps(bundle).encode(), actor=None)
    assert was_blocked == [False]
    assert HandedInBundle.objects.exists()


def ended(registry: Registry) -> object:
    ProvenanceCheck.objects.update(
        state="running", lease_holder="dead", lease_until=timezone.now() - timedelta(hours=1)
    )
    StagedVersion.objects.update(state=State.LIVE)
    return request_missing


DOINGS: dict[str, Callable[[Registry], Any]] = {
    "compare-anew": lambda registry: lambda: compare_anew(staged_version__registry=registry),
    "pause": lambda registry: lambda: pause(registry, timezone.now() + timedelta(hours=1)),
    "end-what-was-decided": ended,
}


@pytest.mark.parametrize("name", DOINGS)
def test_several_checks_are_locked_in_the_order_of_their_keys(name: str) -> None:
    registry = make_registry()
    first, second = (
        make_provenance_check(make_staged_version("a", version, registry=registry))
        for version in ("1.0.0", "1.0.1")
    )
    doing = DOINGS[name](registry)
    # Written last, it lies behind the other: a scan of the table meets that one first.
    ProvenanceCheck.objects.filter(pk=first.pk).update(step="x")
    rows = ProvenanceCheck.objects.select_for_update(nowait=True)
    with transaction.atomic():
        rows.get(pk=first.pk)
        other = beside(doing)
        wait_for_who_waits()
        # It waits for the first, and must not have taken the second.
        assert rows.get(pk=second.pk)
    other.join(PATIENCE_SECONDS)
    assert not other.is_alive()


def test_who_judges_several_never_waits_for_who_locks_one_and_then_the_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(case: object) -> Any:
        raise RuntimeError("oops")

    # Something is found in each, which a row is written about.
    monkeypatch.setattr(ref_changed, "findings", broken)
    first, second = (make_staged_version("a", version) for version in ("1.0.0", "1.0.1"))
    for row in (first, second):
        make_provenance_check(row, make_provenance(row, sha512="0" * 128), state="done")
    failures: list[BaseException] = []
    others: list[threading.Thread] = []

    def judge() -> None:
        try:
            request_missing()
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    def meanwhile(locked: StagedVersion) -> None:
        others.append(beside(judge))
        until = time.monotonic() + PATIENCE_SECONDS
        while others[0].is_alive() and not somebody_waits_for_a_lock():
            assert time.monotonic() < until
            time.sleep(0.02)

    monkeypatch.setattr(inspection_requests, "_check_published", lambda *_: None)
    monkeypatch.setattr(inspection_requests, "_check_tarball", lambda *_: None)
    monkeypatch.setattr(inspection_requests, "_make_room", meanwhile)
    # Both end with an entry in the audit log, whose head they lock.
    inspection_requests.compare_with(second, "0.9.0")
    others[0].join(PATIENCE_SECONDS)
    assert not others[0].is_alive()
    assert failures == []
    assert StagedFinding.objects.values("staged_version").distinct().count() == 2

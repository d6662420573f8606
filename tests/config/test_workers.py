"""Every queue has a worker: in `manage.py up`, and among the units of systemd."""

import configparser
from pathlib import Path

import pytest
from django.conf import settings

from approvals.provenance.tasks import check_waiting
from config.celery import app
from config.management.commands.up import ONE_WORKER, WORKERS

UNITS = Path(settings.BASE_DIR) / "config" / "systemd"


def queues() -> set[str]:
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    return {settings.CELERY_TASK_DEFAULT_QUEUE, *routed}


def unit(path: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    # Two lines with one key are two values: here, the last one is enough.
    parser.optionxform = str  # type: ignore[assignment,method-assign] # as ConfigParser says
    assert parser.read(UNITS / path)
    return parser


def test_looks_for_provenance_hold_no_tarballs_up() -> None:
    queue = app.amqp.router.route({}, check_waiting.name)["queue"]
    assert queue.name == "provenance"
    assert [at_once for name, at_once in WORKERS.values() if name == queue.name] == [1]


def test_up_starts_a_worker_for_every_queue() -> None:
    assert {queue for queue, _ in WORKERS.values()} == queues()


def test_one_worker_alone_looks_after_every_queue() -> None:
    ((named, at_once),) = ONE_WORKER.values()
    assert set(named.split(",")) == queues()
    # What takes long in one of them leaves hands for the others.
    assert at_once > 2


def test_systemd_starts_a_worker_for_every_queue() -> None:
    wanted = unit("countersign.target")["Unit"]["Wants"].split()
    named = {one for one in wanted if one.startswith("countersign-worker@")}
    assert named == {f"countersign-worker@{queue}.service" for queue in queues()}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_does_as_many_things_at_once_in_both(name: str) -> None:
    queue, at_once = WORKERS[name]
    worker = unit("countersign-worker@.service")["Service"]
    assert "--concurrency=${CONCURRENCY}" in worker["ExecStart"]
    said = worker["Environment"]
    own = f"countersign-worker@{queue}.service.d/concurrency.conf"
    if (UNITS / own).exists():
        said = unit(own)["Service"]["Environment"]
    assert said == f"CONCURRENCY={at_once}"

"""Real worker processes on one database, killed and raced against one another.

Whatever becomes of them, a version is published once and recorded once.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from approvals.audit.chain import verify
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.models import Attempt, DecisionItem, ItemState
from approvals.people.models import User as Person
from approvals.queue.models import StagedVersion, State
from registry_client.versions import PLACEHOLDER_VERSION
from tests.integration.conftest import User
from tests.integration.dashboard import Dashboard
from tests.integration.registries import RegistryUnderTest
from tests.integration.worker_process import BEFORE_COMMIT, BEFORE_RECORDING
from tests.integration.workers import WorkerProcess

pytestmark = pytest.mark.integration


def assert_published_once(registry: RegistryUnderTest, row: StagedVersion) -> None:
    """One approve call, one version for everyone, one entry in each book of ours."""
    assert registry.approvals_of(str(row.stage_id)) == [201]
    with registry.client() as client:
        packument = client.packument(row.package.name)
    assert set(packument.versions) - {PLACEHOLDER_VERSION} == {row.version}
    assert packument.versions[row.version].shasum == row.shasum
    row.refresh_from_db()
    assert row.state == State.LIVE
    item = DecisionItem.objects.get(staged_version=row)
    assert item.state == ItemState.DONE
    assert Attempt.objects.filter(item=item).count() == 1
    for kind in ("staged_version.approving", "staged_version.accepted", "staged_version.live"):
        assert AuditEvent.objects.filter(stage_id=row.stage_id, kind=kind).count() == 1
        assert OutboxEvent.objects.filter(stage_id=row.stage_id, topic=kind).count() == 1
    assert verify().ok


def let_lease_run_out(row: StagedVersion) -> None:
    DecisionItem.objects.filter(staged_version=row).update(lease_until="2020-01-01T00:00Z")


@pytest.mark.parametrize("moment", [BEFORE_RECORDING, BEFORE_COMMIT])
def test_a_worker_killed_between_the_answer_and_the_commit(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
    tmp_path: Path,
    moment: str,
) -> None:
    item = dashboard.decide(ada, waiting, registry_code=reviewer.code(lasting=20))
    with WorkerProcess(tmp_path, moment) as worker:
        worker.wait_for("ready")
        worker.go_on()
        worker.wait_for("answered")
        assert registry.approvals_of(str(waiting.stage_id)) == [201]
        worker.kill()
    item.refresh_from_db()
    waiting.refresh_from_db()
    assert (item.state, waiting.state) == (ItemState.SENT, State.APPROVING)

    # Until its lease has run out, it may be alive for all that others know.
    dashboard.work_after_a_while()
    item.refresh_from_db()
    assert item.state == ItemState.SENT

    let_lease_run_out(waiting)
    dashboard.work()
    dashboard.work_after_a_while()

    assert_published_once(registry, waiting)
    dashboard.poll()
    assert_published_once(registry, waiting)


def test_a_worker_that_was_given_up_for_dead_and_comes_back(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
    tmp_path: Path,
) -> None:
    dashboard.decide(ada, waiting, registry_code=reviewer.code(lasting=20))
    with WorkerProcess(tmp_path, BEFORE_RECORDING) as worker:
        worker.wait_for("ready")
        worker.go_on()
        worker.wait_for("answered")
        let_lease_run_out(waiting)
        dashboard.work()
        dashboard.work_after_a_while()
        assert_published_once(registry, waiting)
        # Now it wants to write down what the registry told it.
        worker.go_on()
        worker.wait_for("done")

    assert_published_once(registry, waiting)


def test_two_workers_at_once_make_one_call_for_each_version(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
    tmp_path: Path,
) -> None:
    name = f"{waiting.package.name}-other"
    stage_id = registry.stage(name, "1.0.0", maintainer.token)
    other = dashboard.found(stage_id)
    bob = dashboard.approver(maintainer.name, maintainer.token)
    with ExitStack() as stack:
        workers = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            workers.append(stack.enter_context(WorkerProcess(folder)))
        for worker in workers:
            worker.wait_for("ready")
        dashboard.decide(ada, waiting, registry_code=reviewer.code())
        dashboard.decide(bob, other, registry_code=maintainer.code())
        for worker in workers:
            worker.go_on()
        for worker in workers:
            worker.wait_for("done")
    dashboard.work()

    assert_published_once(registry, waiting)
    assert_published_once(registry, other)

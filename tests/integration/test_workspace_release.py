"""A monorepo's release, staged by npm from a real workspace: found as one, approved as one, in the
order in which its packages depend on one another, on the sandbox and on a real Verdaccio.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.utils import timezone

from approvals.audit.chain import verify
from approvals.decisions import tasks as decision_tasks
from approvals.decisions.models import Action, Decision, ItemState, Release
from approvals.inspection import requests as inspections
from approvals.inspection.inspecting import inspect
from approvals.people.models import User as Person
from approvals.provenance import tasks as provenance_tasks
from approvals.queue.models import StagedVersion, State
from tests.integration.conftest import User
from tests.integration.dashboard import Dashboard
from tests.integration.npm import NpmFailed, make_package
from tests.integration.registries import RegistryUnderTest, Sandbox

pytestmark = pytest.mark.integration

VERSION = "2.1.0"
# What each depends on, of the same release.
DEPENDS_ON: dict[str, list[str]] = {
    "cli": ["ui", "theme"],
    "ui": ["core", "icons"],
    "icons": ["core"],
    "theme": [],
    "core": [],
}


@dataclass
class Workspace:
    """A workspace of five packages, and the one who carries decisions on them out."""

    registry: RegistryUnderTest
    dashboard: Dashboard
    folder: Path
    prefix: str
    maintainer: User
    ada: Person

    def name(self, short: str) -> str:
        return f"@{self.prefix}/{short}"

    def stage(self) -> dict[str, StagedVersion]:
        """Stages all of them with one npm command, and finds them."""
        names = [self.name(short) for short in DEPENDS_ON]
        staged = self.registry.npm.stage_workspace(self.folder, names, self.maintainer.token)
        assert sorted(staged) == sorted(names)
        for name in names:
            self.registry.let_decide(name, self.ada.username)
        self.dashboard.poll()
        rows = StagedVersion.objects.with_package().filter(stage_id__in=staged.values())
        inspections.request_missing()
        while request := inspections.claim_due():
            inspect(request)
        provenance_tasks.check_waiting()
        decision_tasks.gather_releases()
        return {row.package.name.partition("/")[2]: row for row in rows}

    def approve(self, *rows: StagedVersion) -> Decision:
        decision = self.dashboard.decide_all(self.ada, list(rows))
        assert decision is not None
        return decision

    def approved_in(self, rows: dict[str, StagedVersion]) -> list[str]:
        """The packages in the order in which the registry took their approvals."""
        asked = self.registry.carried_out([str(row.stage_id) for row in rows.values()])
        short = {str(row.stage_id): name for name, row in rows.items()}
        return [short[stage_id] for stage_id in asked]


@pytest.fixture
def workspace(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    package_name: str,
    tmp_path: Path,
) -> Iterator[Workspace]:
    prefix = package_name.replace("package", "scope")
    folder = tmp_path / "workspace"
    make_package(
        folder, f"{prefix}-root", "0.0.0", manifest={"private": True, "workspaces": ["packages/*"]}
    )
    for short, needed in DEPENDS_ON.items():
        make_package(
            folder / "packages" / short,
            f"@{prefix}/{short}",
            VERSION,
            manifest={
                "repository": {"type": "git", "url": f"https://git.example.org/{prefix}.git"},
                "dependencies": {f"@{prefix}/{one}": f"^{VERSION}" for one in needed},
                "publishConfig": {"access": "public"},
            },
        )
    # One code is good for one call, and five would have to wait for the clock.
    name = f"{prefix}-approver"
    ada = dashboard.approver(name, registry.create_user_without_codes(name))
    with registry.asking_nobody():
        yield Workspace(registry, dashboard, folder, prefix, maintainer, ada)


def test_five_packages_of_a_workspace_are_one_release_and_go_live_in_order(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = workspace.stage()
    (release,) = Release.objects.filter(members__staged_version__in=rows.values()).distinct()
    assert release.members.count() == len(DEPENDS_ON)

    decision = workspace.approve(*rows.values())
    workspace.dashboard.work()

    assert set(decision.items.values_list("state", flat=True)) == {ItemState.DONE}
    order = workspace.approved_in(rows)
    assert sorted(order) == sorted(DEPENDS_ON)
    for short, needed in DEPENDS_ON.items():
        assert all(order.index(one) < order.index(short) for one in needed)
    for row in rows.values():
        row.refresh_from_db()
        assert row.state == State.LIVE
        seen = workspace.registry.npm.view(f"{row.package.name}@{VERSION}", "dist.shasum")
        assert seen == row.shasum
    # What depends on all of the others installs.
    installed = workspace.registry.npm.install(workspace.name("cli"), tmp_path / "project")
    assert json.loads((installed / "package.json").read_text())["version"] == VERSION
    assert (installed.parent / "core").is_dir()
    assert verify().ok


def test_a_release_that_fails_in_the_middle_is_mended_and_resumed(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = workspace.stage()
    refuse(workspace, rows["icons"])
    decision = workspace.approve(*rows.values())
    workspace.dashboard.work()
    workspace.dashboard.work_after_a_while()

    states = dict(decision.items.values_list("staged_version__package__name", "state"))
    assert states == {
        workspace.name("core"): ItemState.DONE,
        workspace.name("theme"): ItemState.DONE,
        workspace.name("icons"): ItemState.FAILED,
        workspace.name("ui"): ItemState.HELD,
        workspace.name("cli"): ItemState.HELD,
    }
    held = decision.items.get(staged_version=rows["ui"])
    assert workspace.name("icons") in held.outcome
    left = [rows[short] for short in ("icons", "ui", "cli")]
    for row in left:
        row.refresh_from_db()
        assert row.state == State.STAGED

    mend(workspace, rows["icons"])
    again = workspace.approve(*left)
    workspace.dashboard.work()

    assert set(again.items.values_list("state", flat=True)) == {ItemState.DONE}
    assert workspace.approved_in(rows)[-3:] == ["icons", "ui", "cli"]
    for row in rows.values():
        row.refresh_from_db()
        assert row.state == State.LIVE
    installed = workspace.registry.npm.install(workspace.name("cli"), tmp_path / "project")
    assert (installed.parent / "icons").is_dir()
    assert verify().ok


def test_a_release_is_rejected_with_what_depends_on_others_first(workspace: Workspace) -> None:
    rows = workspace.stage()

    decision = workspace.dashboard.decide_all(
        workspace.ada, list(rows.values()), Action.REJECT, reason="The build was wrong."
    )
    workspace.dashboard.work()

    assert set(decision.items.values_list("state", flat=True)) == {ItemState.DONE}
    ended = {
        item.staged_version.package.name.partition("/")[2]: item.state_changed_at
        for item in decision.items.select_related("staged_version__package")
    }
    for short, needed in DEPENDS_ON.items():
        assert all(ended[one] > ended[short] for one in needed)
    for row in rows.values():
        row.refresh_from_db()
        assert row.state == State.REJECTED
        assert row.state_changed_at <= timezone.now()
        with pytest.raises(NpmFailed):
            workspace.registry.npm.view(f"{row.package.name}@{VERSION}", "version")


def refuse(workspace: Workspace, row: StagedVersion) -> None:
    """Has the registry refuse to publish this version."""
    registry = workspace.registry
    if isinstance(registry, Sandbox):
        registry.server.control.refuse(409, prefix=f"/-/stage/{row.stage_id}/approve")
        return
    other = registry.package(row.package.name, VERSION, {"index.js": "something else\n"})
    registry.npm.run(
        "publish",
        "--access",
        "public",
        "--otp",
        workspace.maintainer.code(),
        cwd=other,
        token=workspace.maintainer.token,
    )


def mend(workspace: Workspace, row: StagedVersion) -> None:
    """Takes away what had the registry refuse."""
    registry = workspace.registry
    if isinstance(registry, Sandbox):
        registry.server.control.reset()
        registry.server.control.ask_otherwise("none")
        return
    registry.npm.run(
        "unpublish",
        "--force",
        f"{row.package.name}@{VERSION}",
        "--otp",
        workspace.maintainer.code(),
        token=workspace.maintainer.token,
    )

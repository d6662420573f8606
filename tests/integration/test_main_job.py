"""The main job, on the sandbox and on a real Verdaccio: from `npm stage publish` to `npm install`.

Every version is staged with the real npm, and what came of it is read back with it. In between
are our own rules, as the pages and the workers call them.
"""

import json
from pathlib import Path

import pytest
from django.core import mail
from pytest_django import Settings

from approvals.audit.chain import verify
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.carrying_out.questions import asking_item
from approvals.decisions.deciding.decide import answer_registry, obstacles
from approvals.decisions.models import Action, DecisionItem, ItemState, RegistryProof
from approvals.inspection.keep import diff_text
from approvals.notifications.models import Delivery
from approvals.notifications.tell import tell
from approvals.people.models import CodeUse, RegistryAccount, SecondFactor
from approvals.people.models import User as Person
from approvals.queue.models import StagedVersion, State
from approvals.queue.registries import change_registry
from registry_client.client import RegistryClient
from tests.integration.codes import wait_until_early_in_a_step
from tests.integration.conftest import User
from tests.integration.dashboard import Dashboard
from tests.integration.npm import NpmFailed
from tests.integration.registries import RegistryUnderTest, Sandbox

pytestmark = pytest.mark.integration

BEFORE_ITS_LOOK = "before the worker looks"
BEFORE_ITS_CALL = "between its look and its call"


@pytest.fixture(autouse=True)
def _news_without_waiting(settings: Settings) -> None:
    """A message waits for no other of the kind."""
    settings.GATHER_SECONDS = 0


def kinds(row: StagedVersion) -> list[str]:
    """What the audit log says happened to this staged version, in order."""
    events = AuditEvent.objects.filter(stage_id=row.stage_id).order_by("sequence")
    return list(events.values_list("kind", flat=True))


def topics(row: StagedVersion) -> list[str]:
    """The news about this staged version, in order."""
    events = OutboxEvent.objects.filter(stage_id=row.stage_id).order_by("pk")
    return list(events.values_list("topic", flat=True))


def staged_at(registry: RegistryUnderTest, package: str, token: str) -> list[str]:
    """The stage ids that `npm stage list` shows for a package."""
    printed = registry.npm.run("stage", "list", package, "--json", token=token)
    return [item["id"] for item in json.loads(printed or "[]")]


def both(item: DecisionItem, row: StagedVersion) -> tuple[str, str]:
    """How far the decision and the staged version have come."""
    item.refresh_from_db()
    row.refresh_from_db()
    return item.state, row.state


def test_from_stage_publish_to_install(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    package_name: str,
    tmp_path: Path,
) -> None:
    moved = "".join(f"exports.n{number} = {number}\n" for number in range(30))
    before = {"index.js": "let a = 1\nmodule.exports = a\n", "old.js": "gone\n", "lib/a.js": moved}
    after = {"index.js": "let a = 2\nmodule.exports = a\n", "new.js": "here\n", "src/a.js": moved}
    registry.npm.publish(
        registry.package(package_name, "1.4.2", before), maintainer.token, otp=maintainer.code()
    )
    stage_id = registry.stage(package_name, "1.5.0", maintainer.token, files=after)
    registry.let_decide(package_name, reviewer.name)

    # Found, and compared with what users have today.
    row = dashboard.found(stage_id)
    assert (row.package.name, row.version, row.tag) == (package_name, "1.5.0", "latest")
    assert (row.actor, row.actor_type, row.state) == (maintainer.name, "user", State.STAGED)
    request = row.inspection_request
    assert (request.state, request.baseline_version) == ("done", "1.4.2")
    assert request.inspection is not None
    changes = {change.path: change for change in request.inspection.files.all()}
    assert {path: change.status for path, change in changes.items()} == {
        "index.js": "modified",
        "new.js": "added",
        "old.js": "removed",
        "package.json": "modified",
        "src/a.js": "renamed",
    }
    assert changes["src/a.js"].old_path == "lib/a.js"
    assert "-let a = 1\n+let a = 2\n" in diff_text(changes["index.js"])

    # Decided, carried out with the person's own account, live.
    assert obstacles(ada, row, Action.APPROVE) == []
    item = dashboard.decide(ada, row, registry_code=reviewer.code())
    assert both(item, row) == (ItemState.WAITING, State.APPROVING)
    dashboard.work()
    assert both(item, row) == (ItemState.DONE, State.LIVE)
    assert not RegistryProof.objects.exists()

    # npm sees it and installs what was reviewed.
    assert registry.npm.view(f"{package_name}@1.5.0", "dist.shasum") == row.shasum
    assert registry.npm.view(package_name, "dist-tags")["latest"] == "1.5.0"
    installed = registry.npm.install(package_name, tmp_path / "project")
    assert (installed / "index.js").read_text() == after["index.js"]
    assert staged_at(registry, package_name, maintainer.token) == []
    assert registry.approvals_of(stage_id) == [201]

    # Everything is on record, and who waits is told.
    assert kinds(row) == [
        "staged_version.found",
        "inspection.done",
        "staged_version.approving",
        "staged_version.accepted",
        "staged_version.live",
    ]
    assert AuditEvent.objects.get(kind="staged_version.accepted").actor == ada
    assert verify().ok
    tell()
    news = OutboxEvent.objects.get(stage_id=row.stage_id, topic="staged_version.live")
    (delivery,) = Delivery.objects.filter(event=news)
    assert (delivery.recipient, delivery.state) == (ada.email, Delivery.State.SENT)
    assert any(f"{package_name}@1.5.0 is live" in letter.body for letter in mail.outbox)


def test_the_registrys_question_is_asked_and_its_answer_goes_on(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
) -> None:
    item = dashboard.decide(ada, waiting)
    dashboard.work()
    assert both(item, waiting) == (ItemState.ASKING, State.APPROVING)
    assert "one-time code" in item.question

    answer_registry(user=ada, item=item, registry_code=reviewer.code())
    dashboard.work()

    assert both(item, waiting) == (ItemState.DONE, State.LIVE)
    assert registry.npm.view(f"{waiting.package.name}@1.0.0", "dist.shasum") == waiting.shasum
    assert registry.approvals_of(str(waiting.stage_id)) == [401, 201]


def test_a_wrong_code_of_the_registry_is_asked_for_again(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
) -> None:
    item = dashboard.decide(ada, waiting, registry_code=reviewer.wrong_code())
    dashboard.work()
    assert both(item, waiting) == (ItemState.ASKING, State.APPROVING)
    assert "refused the code" in item.question
    # Nobody's patience is used up by trying the same code again.
    dashboard.work_after_a_while()
    assert registry.approvals_of(str(waiting.stage_id)) == [401]

    answer_registry(user=ada, item=item, registry_code=reviewer.code())
    dashboard.work()

    assert both(item, waiting) == (ItemState.DONE, State.LIVE)
    assert registry.approvals_of(str(waiting.stage_id)) == [401, 201]


def test_a_rejected_version_is_gone_from_the_registry(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
    tmp_path: Path,
) -> None:
    name = waiting.package.name
    assert staged_at(registry, name, maintainer.token) == [str(waiting.stage_id)]

    item = dashboard.decide(
        ada, waiting, Action.REJECT, reason="It has no tests.", registry_code=reviewer.code()
    )
    dashboard.work()

    assert both(item, waiting) == (ItemState.DONE, State.REJECTED)
    assert staged_at(registry, name, maintainer.token) == []
    with pytest.raises(NpmFailed):
        registry.npm.install(f"{name}@1.0.0", tmp_path / "project")
    rejected = AuditEvent.objects.get(kind="staged_version.rejected")
    assert (rejected.actor, rejected.detail["reason"]) == (ada, "It has no tests.")
    tell()
    assert any("It has no tests." in letter.body for letter in mail.outbox)
    # The poll that no longer finds it draws no conclusion of its own.
    dashboard.poll()
    assert both(item, waiting) == (ItemState.DONE, State.REJECTED)


@pytest.mark.parametrize(
    ("command", "state"),
    [("approve", State.PUBLISHED_ELSEWHERE), ("reject", State.WITHDRAWN)],
)
def test_what_npm_decides_elsewhere_leaves_the_queue(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    ada: Person,
    waiting: StagedVersion,
    command: str,
    state: State,
) -> None:
    by_npm(registry, command, waiting, maintainer)

    dashboard.poll()

    waiting.refresh_from_db()
    assert waiting.state == state
    assert topics(waiting)[-1] == kinds(waiting)[-1] == f"staged_version.{state}"
    assert obstacles(ada, waiting, Action.APPROVE) != []
    # Once and for all: the next poll finds nothing to add.
    dashboard.poll()
    assert topics(waiting).count(f"staged_version.{state}") == 1


@pytest.mark.parametrize(
    ("moment", "command", "state"),
    [
        (BEFORE_ITS_LOOK, "approve", State.PUBLISHED_ELSEWHERE),
        (BEFORE_ITS_CALL, "approve", State.PUBLISHED_ELSEWHERE),
        (BEFORE_ITS_CALL, "reject", State.WITHDRAWN),
    ],
)
def test_what_npm_decides_while_a_decision_waits_ends_the_decision(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    command: str,
    state: State,
) -> None:
    item = dashboard.decide(ada, waiting, registry_code=reviewer.code(lasting=10))
    calls: list[str] = []
    if moment == BEFORE_ITS_LOOK:
        by_npm(registry, command, waiting, maintainer)
    else:
        send = RegistryClient.approve

        def overtaken(client: RegistryClient, stage_id: str, proof: str | None = None) -> str:
            if not calls:
                by_npm(registry, command, waiting, maintainer)
            calls.append(stage_id)
            return send(client, stage_id, proof)

        monkeypatch.setattr(RegistryClient, "approve", overtaken)
    dashboard.work()
    dashboard.work_after_a_while()

    assert both(item, waiting) == (ItemState.FAILED, state)
    assert "published already" in item.outcome or "rejected it elsewhere" in item.outcome
    assert "staged_version.failed" in topics(waiting)
    assert "staged_version.accepted" not in topics(waiting)
    sent = [] if moment == BEFORE_ITS_LOOK else [404]
    by_npm_itself = [201] if command == "approve" else []
    assert registry.approvals_of(str(waiting.stage_id)) == by_npm_itself + sent


def test_a_revoked_token_puts_it_back_and_asks_to_link_again(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
) -> None:
    item = dashboard.decide(ada, waiting)
    registry.revoke(reviewer.name, reviewer.token)
    dashboard.work()

    assert both(item, waiting) == (ItemState.FAILED, State.STAGED)
    assert "no longer accepts your token" in item.outcome
    assert reviewer.token not in item.outcome
    account = RegistryAccount.objects.get(user=ada)
    assert account.refused_at is not None
    assert any("refused its token" in why for why in obstacles(ada, waiting, Action.APPROVE))
    assert registry.approvals_of(str(waiting.stage_id)) == []
    assert topics(waiting)[-1] == "staged_version.failed"


def test_a_read_token_that_no_longer_counts_makes_the_registry_failing(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    stranger: User,
    waiting: StagedVersion,
) -> None:
    registry.let_decide(waiting.package.name, stranger.name)
    change_registry(dashboard.registry, actor=None, read_token=stranger.token)
    registry.revoke(stranger.name, stranger.token)

    assert "does not accept the token" in dashboard.poll().failure
    dashboard.registry.refresh_from_db()
    assert dashboard.registry.failing_since is not None
    assert "does not accept the token" in dashboard.registry.failure_reason
    assert stranger.token not in dashboard.registry.failure_reason
    # What cannot be seen has not vanished.
    waiting.refresh_from_db()
    assert waiting.state == State.STAGED

    change_registry(dashboard.registry, actor=None, read_token=maintainer.token)
    assert dashboard.poll().failure == ""
    dashboard.registry.refresh_from_db()
    assert dashboard.registry.failing_since is None
    told = OutboxEvent.objects.filter(topic__startswith="registry.").order_by("pk")
    assert [event.topic for event in told] == ["registry.failing", "registry.recovered"]


def test_an_account_that_may_look_and_not_approve_is_told_so(
    registry: RegistryUnderTest, dashboard: Dashboard, maintainer: User, package_name: str
) -> None:
    stage_id = registry.stage_out_of_reach(package_name, maintainer.name, maintainer.token)
    row = dashboard.found(stage_id)
    ada = dashboard.approver(maintainer.name, maintainer.token)

    item = dashboard.decide(ada, row, registry_code=maintainer.code())
    dashboard.work()
    dashboard.work_after_a_while()

    assert both(item, row) == (ItemState.FAILED, State.STAGED)
    assert "Your account may not do this" in item.outcome
    assert "The registry says:" in item.outcome
    assert registry.approvals_of(stage_id) == [403]
    # It is the account's rights that are missing, not the token that is bad.
    account = RegistryAccount.objects.get(user=ada)
    assert account.refused_at is None
    assert account.forbidden_at is not None
    dashboard.poll()
    assert both(item, row) == (ItemState.FAILED, State.STAGED)


def test_a_version_that_cannot_be_published_any_more_goes_back_with_the_registrys_words(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    waiting: StagedVersion,
) -> None:
    name, stage_id = waiting.package.name, str(waiting.stage_id)
    if isinstance(registry, Sandbox):
        # As npm's, it lets nobody publish past a staged version: it is told to refuse.
        registry.server.control.refuse(409, prefix=f"/-/stage/{stage_id}/approve")
    else:
        other = registry.package(name, "1.0.0", {"index.js": "something else\n"})
        registry.npm.publish(other, maintainer.token, otp=maintainer.code())
    item = dashboard.decide(ada, waiting, registry_code=reviewer.code())
    dashboard.work()
    dashboard.work_after_a_while()

    assert both(item, waiting) == (ItemState.FAILED, State.STAGED)
    assert "The registry says:" in item.outcome
    assert topics(waiting)[-1] == "staged_version.failed"
    # Nothing goes round in circles: not the worker, not the poll.
    dashboard.work_after_a_while()
    dashboard.poll()
    assert both(item, waiting) == (ItemState.FAILED, State.STAGED)
    assert registry.approvals_of(stage_id) == [409]

    again = dashboard.decide(
        ada, waiting, Action.REJECT, reason="It is out already.", registry_code=reviewer.code()
    )
    dashboard.work()
    assert both(again, waiting) == (ItemState.DONE, State.REJECTED)
    assert staged_at(registry, name, maintainer.token) == []


def test_three_versions_in_one_decision_ask_for_a_code_each_and_lock_nobody_out(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    package_name: str,
) -> None:
    rows = []
    for letter in "abc":
        stage_id = registry.stage(f"{package_name}-{letter}", "1.0.0", maintainer.token)
        registry.let_decide(f"{package_name}-{letter}", reviewer.name)
        rows.append(dashboard.found(stage_id))

    wait_until_early_in_a_step()
    decision = dashboard.decide_all(ada, rows, registry_code=reviewer.code())
    dashboard.work()

    def approvals() -> list[list[int]]:
        return [registry.approvals_of(str(row.stage_id)) for row in rows]

    def question() -> str:
        asking = asking_item(decision)
        return asking.question if asking else ""

    # It is tried a second time once, and that is counted as one failure.
    assert approvals() == [[201], [401], []]
    assert question() == f"1 of 3 done; {registry.kind} wants a new code."
    dashboard.work_after_a_while()
    assert approvals() == [[201], [401], []]

    item = decision.items.get(staged_version=rows[1])
    answer_registry(user=ada, item=item, registry_code=reviewer.code())
    dashboard.work()
    # The third is known to want a code of its own: nothing is sent for it before there is one.
    assert approvals() == [[201], [401, 201], []]
    assert question() == f"2 of 3 done; {registry.kind} wants a new code."
    assert not RegistryProof.objects.exists()

    answer_registry(user=ada, item=item, registry_code=reviewer.code())
    dashboard.work()
    assert approvals() == [[201], [401, 201], [201]]
    for row in rows:
        assert both(decision.items.get(staged_version=row), row) == (ItemState.DONE, State.LIVE)
        assert registry.npm.view(f"{row.package.name}@1.0.0", "dist.shasum") == row.shasum
    account = RegistryAccount.objects.get(user=ada)
    assert (account.second_factor, account.codes) == (SecondFactor.CODE, CodeUse.ONCE)
    assert not RegistryProof.objects.exists()
    assert verify().ok


def by_npm(registry: RegistryUnderTest, command: str, row: StagedVersion, account: User) -> None:
    """Decide a staged version where Countersign does not see it."""
    code = account.code()
    registry.npm.run("stage", command, str(row.stage_id), "--otp", code, token=account.token)

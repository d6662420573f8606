"""Carrying out decisions, against a loop of the same registry calls.

Alone: python -m tests.benchmarks.batch
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["COUNTERSIGN_VAR"] = tempfile.mkdtemp()
    os.environ["COUNTERSIGN_LOG_LEVEL"] = "ERROR"
    os.environ.setdefault("COUNTERSIGN_URL", "http://127.0.0.1:8000")
    Path(os.environ["COUNTERSIGN_VAR"], "static").mkdir()

    import django

    django.setup()

import requests
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.test.utils import get_runner
from django.utils import timezone

from approvals.audit.record import Happening, record_all
from approvals.decisions import tasks
from approvals.decisions.deciding.stepup import binding_of_versions, mark_of, sealed_proof
from approvals.decisions.models import Action, Decision, DecisionItem, ItemNeed, StepUp
from approvals.people.models import RegistryAccount, Role, User
from approvals.queue.models import StagedVersion, State
from approvals.queue.registries import add_registry
from approvals.queue.sync import poll
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.factories import make_account
from tests.packages import publish_document

# The sandbox answers from memory on the same machine, in a few milliseconds. Against that, any
# database is slow; what a person waits for is a registry at the other end of the internet.
REGISTRY_ANSWERS_AFTER_SECONDS = 0.15
# A release of many levels, in which each version needs some of those before it.
A_LEVEL = 10
NEEDS = 3


def batch(folder: Path, *, slow: float = REGISTRY_ANSWERS_AFTER_SECONDS) -> float:
    """One decision over a hundred versions in ten levels."""
    return _carrying_out(folder / f"batch-{slow * 1000:.0f}", 100, together=True, slow=slow)


def one_by_one(folder: Path) -> float:
    """Forty decisions over a version each."""
    return _carrying_out(
        folder / "one-by-one", 40, together=False, slow=REGISTRY_ANSWERS_AFTER_SECONDS
    )


def _carrying_out(folder: Path, count: int, *, together: bool, slow: float) -> float:
    """Decisions that are recorded already, against a loop of the same registry calls."""
    with sandbox_at(folder) as sandbox:
        ids = [
            sandbox.stage(publish_document(f"package-{number}", "1.0.0"), by="ci")
            for number in range(2 * count)
        ]
        token = sandbox.token("ci")
        registry = add_registry(actor=None, name=folder.name, url=sandbox.url, read_token=token)
        poll(registry)
        name = f"ada-{folder.name}"
        user = User.objects.create_user(name, f"{name}@example.org", role=Role.APPROVER)
        account = make_account(user, registry, token=token)
        chosen = ids[:count]
        if together:
            _decide(account, chosen, needing=NEEDS)
        else:
            for one in chosen:
                _decide(account, [one])
        sandbox.control.slow_down(slow)

        began = time.perf_counter()
        headers = {"authorization": f"Bearer {token}"}
        with requests.Session() as session:
            for stage_id in ids[count:]:
                session.get(f"{sandbox.url}/-/stage/{stage_id}", headers=headers)
                session.post(f"{sandbox.url}/-/stage/{stage_id}/approve", headers=headers)
        bare = time.perf_counter() - began

        began = time.perf_counter()
        tasks.carry_out_waiting()
        took = time.perf_counter() - began
        accepted = StagedVersion.objects.filter(registry=registry, state=State.ACCEPTED)
        assert accepted.count() == count
        print(  # noqa: T201 - its output
            f"{count} versions: {bare:.2f} s bare, {took:.2f} s carried out, "
            f"{(took - bare) / count * 1000:.1f} ms more each"
        )
    return took / bare


@contextmanager
def sandbox_at(folder: Path) -> Iterator[SandboxRegistry]:
    """One that asks for no second factor."""
    with SandboxRegistry(folder, otp="none") as sandbox:
        sandbox.create_user("ci")
        yield sandbox


def _decide(account: RegistryAccount, ids: list[str], *, needing: int = 0) -> None:
    """One decision, as it is after its proof of presence was consumed.

    With `needing`, each version needs so many of the level before its own.
    """
    StagedVersion.objects.filter(stage_id__in=ids).update(state=State.APPROVING, sha512="0" * 128)
    rows = list(StagedVersion.objects.with_package().filter(stage_id__in=ids))
    now, decision_id = timezone.now(), uuid4()
    step_up = StepUp.objects.create(
        user=account.user,
        action=Action.APPROVE,
        binding=binding_of_versions(Action.APPROVE, rows),
        opened_at=now,
        method="totp",
        proved_at=now,
        consumed_at=now,
        consumed_for=str(decision_id),
        account_mark=mark_of(account),
    )
    StepUp.objects.filter(pk=step_up.pk).update(sealed_proof=sealed_proof(step_up))
    decision = Decision.objects.create(
        id=decision_id,
        user=account.user,
        action=Action.APPROVE,
        made_at=now,
        step_up=step_up,
        account=account,
    )
    with transaction.atomic():
        record_all(
            [
                Happening(
                    "staged_version.approving",
                    account.user,
                    row,
                    row.stage_id,
                    {"decision": str(decision.pk), "step_up": str(step_up.pk)},
                )
                for row in rows
            ]
        )
    items = DecisionItem.objects.bulk_create(
        DecisionItem(
            decision=decision,
            staged_version=row,
            stage_id=row.stage_id,
            sha1=row.shasum,
            sha512=row.sha512,
            level=number // A_LEVEL if needing else 0,
        )
        for number, row in enumerate(rows)
    )
    ItemNeed.objects.bulk_create(
        ItemNeed(item=item, needed=needed)
        for number, item in enumerate(items)
        for needed in _before(items, number)[:needing]
    )


def _before(items: list[DecisionItem], number: int) -> list[DecisionItem]:
    """The level before that of this one, a different one of it first each time."""
    level, place = divmod(number, A_LEVEL)
    before = items[(level - 1) * A_LEVEL : level * A_LEVEL] if level else []
    return before[place:] + before[:place]


def _alone() -> int:
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    current_app.conf.broker_url = "memory://localhost/"
    try:
        with tempfile.TemporaryDirectory() as folder:
            ratio = batch(Path(folder))
            print(f"carrying out 100 at once / the same calls {ratio:5.2f}  (limit 1.1)")  # noqa: T201 - its output
            at_hand = batch(Path(folder), slow=0)
            print(f"the same where the registry answers at once {at_hand:5.2f}")  # noqa: T201 - its output
    finally:
        runner.teardown_databases(databases)
    return 1 if ratio > 1.1 else 0


if __name__ == "__main__":
    sys.exit(_alone())

"""What is measured, against what, and how much more it may cost (the limits are DESIGN's)."""

import gzip
import hashlib
import json
import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import requests
from celery import current_app
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.test import Client
from django.test.utils import get_runner, override_settings
from django.utils import timezone

from approvals.decisions import execute
from approvals.decisions.models import Action, Decision, DecisionItem, StepUp
from approvals.decisions.stepup import binding_of_versions, mark_of, sealed_proof
from approvals.inspection.compare import compare_tarballs
from approvals.people.models import RegistryAccount, Role, User
from approvals.queue.models import Package, Registry, StagedVersion, State
from approvals.queue.registries import add_registry
from approvals.queue.sync import poll
from registry_client.provenance import Trust, verify
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.factories import (
    DIFF,
    make_account,
    make_inspection,
    make_staged_version,
)
from tests.approvals.web.pages import sign_in
from tests.authority import Sigstore
from tests.packages import publish_document, tarball

# The sandbox answers from memory on the same machine, in a few milliseconds. Against that, any
# database is slow; what a person waits for is a registry at the other end of the internet.
REGISTRY_ANSWERS_AFTER_SECONDS = 0.15
# Of both certificates below the root, the certificate log, the envelope, checkpoint and promise.
SIGNATURES_IN_A_BUNDLE = 6


def run_all(folder: Path) -> int:
    """Prints a line a benchmark; returns 1 if one is over its limit, else 0."""
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    current_app.conf.broker_url = "memory://localhost/"
    over = 0
    try:
        with override_settings(
            STORAGES={
                **settings.STORAGES,
                "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            }
        ):
            for name, limit, measure in (
                ("queue page, 10,000 waiting / 100 waiting", 1.5, queue_page),
                ("review page, 7,000 changed files / 100", 1.5, review_page),
                ("syncing 1,000 new / fetching the same pages", 1.5, lambda: syncing(folder)),
                ("carrying out 40 / the same calls in a loop", 1.1, lambda: carrying_out(folder)),
                ("carrying out 40 at once / the same calls", 1.1, lambda: batch(folder)),
                ("comparing / gunzipping both tarballs", 2.0, lambda: comparing(folder)),
                ("verifying a bundle / its signatures alone", 10.0, verifying),
            ):
                ratio = measure()
                over += ratio > limit
                verdict = "over" if ratio > limit else "within"
                print(f"{name:45} {ratio:5.2f}  ({verdict} {limit})")  # noqa: T201 - its output
    finally:
        runner.teardown_databases(databases)
    return 1 if over else 0


def queue_page() -> float:
    """The first page of the queue, in a browser's view of it."""
    user = User.objects.create_user("reader", "reader@example.org", role=Role.VIEWER)
    client = Client(SERVER_NAME="127.0.0.1")
    sign_in(user, client)
    registry = Registry.objects.create(
        name="bench", url="https://registry.example.org/", sealed_read_token=""
    )
    times = []
    for total in (100, 10_000):
        _fill(registry, total)
        times.append(_median(lambda: _page(client), rounds=9))
    Registry.objects.all().delete()
    return times[1] / times[0]


def review_page() -> float:
    """The review page with its first diff, of a package of very many files and of an easy one."""
    user = User.objects.create_user("reviewer", "reviewer@example.org", role=Role.VIEWER)
    client = Client(SERVER_NAME="127.0.0.1")
    sign_in(user, client)
    times = []
    for total in (100, 7_000):
        row = make_staged_version(f"package-of-{total}")
        paths = [f"lib/part-{n // 100:02}/module-{n:04}.js" for n in range(total - 1)]
        make_inspection(
            row,
            [
                *({"path": path} for path in paths),
                {"path": "package.json", "rank": 0, "diff": DIFF},
            ],
        )
        times.append(_median(lambda row=row: _page(client, f"/versions/{row.pk}/"), rounds=9))
    Registry.objects.all().delete()
    return times[1] / times[0]


def syncing(folder: Path) -> float:
    """A first poll, against a loop that fetches the same pages and parses them."""
    with _sandbox(folder / "syncing") as sandbox:
        for number in range(1000):
            sandbox.stage(publish_document(f"package-{number}", "1.0.0"), by="ci")
        token = sandbox.token("ci", "read-only")
        registry = add_registry(actor=None, name="sync", url=sandbox.url, read_token=token)

        def loop() -> None:
            with requests.Session() as session:
                for page in range(10):
                    session.get(
                        f"{sandbox.url}/-/stage?page={page}&perPage=100",
                        headers={"authorization": f"Bearer {token}"},
                    ).json()

        sandbox.control.slow_down(REGISTRY_ANSWERS_AFTER_SECONDS)
        bare = _median(loop, rounds=3)
        began = time.perf_counter()
        result = poll(registry)
        took = time.perf_counter() - began
        assert result is not None
        assert len(result.found) == 1000
        registry.delete()
    return took / bare


def batch(folder: Path) -> float:
    """One decision over many versions, against a loop of the same registry calls."""
    return carrying_out(folder, together=True)


def carrying_out(folder: Path, *, together: bool = False) -> float:
    """Decisions that are recorded already, against a loop of the same registry calls."""
    count = 40
    with _sandbox(folder / f"carrying-out-{together}") as sandbox:
        ids = [
            sandbox.stage(publish_document(f"package-{number}", "1.0.0"), by="ci")
            for number in range(2 * count)
        ]
        token = sandbox.token("ci")
        registry = add_registry(
            actor=None, name=f"batch-{together}", url=sandbox.url, read_token=token
        )
        poll(registry)
        name = f"ada-{together}"
        user = User.objects.create_user(name, f"{name}@example.org", role=Role.APPROVER)
        account = make_account(user, registry, token=token)
        chosen = ids[:count]
        for some in [chosen] if together else [[one] for one in chosen]:
            _decide(account, some)
        sandbox.control.slow_down(REGISTRY_ANSWERS_AFTER_SECONDS)

        began = time.perf_counter()
        headers = {"authorization": f"Bearer {token}"}
        with requests.Session() as session:
            for stage_id in ids[count:]:
                session.get(f"{sandbox.url}/-/stage/{stage_id}", headers=headers)
                session.post(f"{sandbox.url}/-/stage/{stage_id}/approve", headers=headers)
        bare = time.perf_counter() - began

        began = time.perf_counter()
        while item := execute.claim_due():
            execute.carry_out(item)
        took = time.perf_counter() - began
        accepted = StagedVersion.objects.filter(registry=registry, state=State.ACCEPTED)
        assert accepted.count() == count
    return took / bare


def comparing(folder: Path) -> float:
    """Two tarballs of 2,000 files of which ten differ, against only decompressing them."""
    words = random.Random(7)
    files: dict[str, str | bytes] = {
        f"lib/{number}.js": "".join(
            f"exports.value{words.randrange(10**9)} = {words.random()};\n" for _ in range(400)
        )
        for number in range(2000)
    }
    files["package.json"] = '{"name": "a", "version": "1.0.0"}'
    old, new = folder / "old.tgz", folder / "new.tgz"
    old.write_bytes(tarball(files))
    for number in range(10):
        files[f"lib/{number}.js"] = f"// changed\n{files[f'lib/{number}.js']}"
    new.write_bytes(tarball(files))

    def gunzip() -> None:
        for path in (old, new):
            with gzip.open(path) as stream:
                while stream.read(1 << 20):
                    pass

    bare = _median(gunzip, rounds=5)
    return _median(lambda: compare_tarballs(new, old), rounds=5) / bare


def verifying() -> float:
    """A bundle of the kind that npm makes today, in a process that has verified one before, against
    only as many signatures as are in it."""
    sigstore = Sigstore("benchmark")
    trust = Trust.from_json(json.dumps(sigstore.trusted_root()))
    sha512 = hashlib.sha512(b"a tarball").hexdigest()
    text = json.dumps(sigstore.bundle("left-pad", "1.3.0", sha512))
    key = ec.generate_private_key(ec.SECP256R1())
    signature, public = key.sign(text.encode(), ec.ECDSA(hashes.SHA256())), key.public_key()

    def signatures_alone() -> None:
        for _ in range(SIGNATURES_IN_A_BUNDLE):
            public.verify(signature, text.encode(), ec.ECDSA(hashes.SHA256()))

    def whole() -> None:
        found = verify(text, package="left-pad", version="1.3.0", sha512=sha512, trust=trust)
        assert found.verified, found.reason

    whole()
    bare = _median(signatures_alone, rounds=31)
    took = _median(whole, rounds=31)
    print(f"verifying one bundle takes {took * 1000:.1f} ms")  # noqa: T201 - its output
    return took / bare


@contextmanager
def _sandbox(folder: Path) -> Iterator[SandboxRegistry]:
    with SandboxRegistry(folder, otp="none") as sandbox:
        sandbox.create_user("ci")
        yield sandbox


def _fill(registry: Registry, total: int) -> None:
    package, _ = Package.objects.get_or_create(registry=registry, name="left-pad")
    have = StagedVersion.objects.count()
    now = timezone.now()
    StagedVersion.objects.bulk_create(
        StagedVersion(
            registry=registry,
            package=package,
            stage_id=uuid.uuid4(),
            version=f"1.{number}.0",
            tag="latest",
            access="public",
            shasum=f"{number:040x}",
            created_at=now - timedelta(seconds=number),
        )
        for number in range(have, total)
    )


def _decide(account: RegistryAccount, ids: list[str]) -> None:
    """One decision, as it is after its proof of presence was consumed."""
    StagedVersion.objects.filter(stage_id__in=ids).update(state=State.APPROVING, sha512="0" * 128)
    rows = list(StagedVersion.objects.with_package().filter(stage_id__in=ids))
    now = timezone.now()
    step_up = StepUp.objects.create(
        user=account.user,
        action=Action.APPROVE,
        binding=binding_of_versions(Action.APPROVE, rows),
        opened_at=now,
        method="totp",
        proved_at=now,
        consumed_at=now,
        account_mark=mark_of(account),
    )
    StepUp.objects.filter(pk=step_up.pk).update(sealed_proof=sealed_proof(step_up))
    decision = Decision.objects.create(
        user=account.user, action=Action.APPROVE, made_at=now, step_up=step_up, account=account
    )
    DecisionItem.objects.bulk_create(
        DecisionItem(
            decision=decision,
            staged_version=row,
            stage_id=row.stage_id,
            sha1=row.shasum,
            sha512=row.sha512,
        )
        for row in rows
    )


def _page(client: Client, path: str = "/") -> None:
    response = client.get(path)
    assert response.status_code == 200


def _median(measure: Callable[[], None], *, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        measure()
        times.append(time.perf_counter() - began)
    return statistics.median(times)

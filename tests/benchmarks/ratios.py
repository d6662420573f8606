"""What is measured, against what, and how much more it may cost (the limits are DESIGN's)."""

import gzip
import hashlib
import json
import random
import statistics
import time
import uuid
from collections.abc import Callable
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

from approvals.inspection.compare import compare_tarballs
from approvals.people.models import Role, User
from approvals.queue.models import Package, Registry, StagedVersion
from approvals.queue.registries import add_registry
from approvals.queue.sync import poll
from registry_client.provenance import Trust, verify
from tests.approvals.factories import (
    DIFF,
    make_inspection,
    make_staged_version,
)
from tests.approvals.web.pages import sign_in
from tests.authority import Sigstore
from tests.benchmarks.batch import (
    REGISTRY_ANSWERS_AFTER_SECONDS,
    batch,
    one_by_one,
    sandbox_at,
)
from tests.packages import publish_document, tarball

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
                ("carrying out 40 / the same calls in a loop", 1.1, lambda: one_by_one(folder)),
                ("carrying out 100 at once / the same calls", 1.1, lambda: batch(folder)),
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
    with sandbox_at(folder / "syncing") as sandbox:
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

"""Against what bundles are verified: each registry's own root, and the public one refreshed."""

import fcntl
import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings
from securesystemslib.signer import CryptoSigner

from approvals.audit.models import AuditEvent
from approvals.provenance import tasks
from approvals.provenance.hand_in import BundleRefused, hand_in
from approvals.provenance.keep import is_outdated
from approvals.provenance.models import Provenance, ProvenanceCheck, TrustedRoot
from approvals.provenance.public_root import embedded_root
from approvals.provenance.trust import (
    TrustUnusable,
    look_again_at_outdated,
    public_trust,
    store_public_root,
    store_root_of,
    trust_for,
)
from registry_client.provenance import Trust
from tests.approvals.factories import make_registry, make_staged_version
from tests.approvals.provenance.conftest import Works, sha512_of
from tests.approvals.provenance.tuf_repository import Repository
from tests.authority import Sigstore
from tests.registry_client.http_server import unused_port

PROJECT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var"


@pytest.fixture
def root(sigstore: Sigstore) -> str:
    return json.dumps(sigstore.trusted_root())


def refresh(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("refresh_trust", *arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


class TestWhose:
    def test_without_any_stored_the_embedded_one_is_used(self) -> None:
        trust = trust_for(make_registry())
        assert trust.is_public
        assert trust.root is Trust.embedded().root

    def test_a_registrys_own_is_for_its_packages_alone(self, sigstore: Sigstore, root: str) -> None:
        own, other = make_registry("own"), make_registry("other")
        store_root_of(own, root)
        assert not trust_for(own).is_public
        assert trust_for(other).is_public
        for registry, is_proven in ((own, True), (other, False)):
            row = make_staged_version(registry=registry, version="1.5.0")
            bundle = json.dumps(sigstore.bundle("left-pad", "1.5.0", row.sha512)).encode()
            if is_proven:
                assert hand_in(row, bundle, actor=None)
            else:
                with pytest.raises(BundleRefused):
                    hand_in(row, bundle, actor=None)
        assert Provenance.objects.get().package.registry == own
        assert not Provenance.objects.get().is_public

    def test_the_public_one_is_for_all_others(self, root: str) -> None:
        own = make_registry("own")
        store_root_of(own, json.dumps(Sigstore.new().trusted_root()))
        before = public_trust()
        store_public_root(root)
        assert public_trust() is not before
        assert trust_for(make_registry("other")) is public_trust()
        assert trust_for(own) is not public_trust()

    def test_a_new_root_is_used_at_once_and_parsed_once(
        self, root: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = make_registry()
        store_root_of(registry, root)
        first = trust_for(registry)
        assert trust_for(registry) is first
        store_root_of(registry, json.dumps(Sigstore.new().trusted_root()))
        assert trust_for(registry) is not first

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", "no JSON", '{"mediaType": "x"}', "x" * 2_000_000]
    )
    def test_what_is_none_is_not_stored(self, text: str) -> None:
        for store in (store_public_root, lambda text: store_root_of(make_registry(), text)):
            with pytest.raises(TrustUnusable):
                store(text)
        assert not TrustedRoot.objects.exists()

    def test_one_that_cannot_be_used_any_more_is_a_plain_failure_of_the_look(
        self, works: Works
    ) -> None:
        TrustedRoot.objects.update(document="{}", stored_at="2026-01-01T00:00:00Z")
        work = works.work(works.stage(bundle=True))
        assert "cannot be used" in work.failure
        assert work.provenance is None

    def test_storing_it_is_written_down_and_the_same_again_is_nothing(self, root: str) -> None:
        registry = make_registry()
        assert store_root_of(registry, root).changed
        assert not store_root_of(registry, root).changed
        event = AuditEvent.objects.get(kind="trusted_root.stored")
        assert len(event.detail["sha256"]) == 64

    def test_what_was_refused_is_looked_at_again_with_the_new_one(self, works: Works) -> None:
        other = Sigstore.new()
        document = works.document("left-pad", "1.4.2")
        works.publish("1.4.2", other.bundle("left-pad", "1.4.2", sha512_of(document)))
        document = works.document("left-pad", "1.5.0")
        work = works.work(
            works.stage(bundle=other.bundle("left-pad", "1.5.0", sha512_of(document)))
        )
        assert work.provenance
        assert work.provenance.outcome == "refused"
        store_root_of(works.house.registry, json.dumps(other.trusted_root()))
        work = works.work(work)
        assert work.state == "done"
        assert set(Provenance.objects.values_list("outcome", flat=True)) == {"verified"}


class TestAnotherRoot:
    """What was proven with a root that counts no more."""

    @pytest.fixture
    def done(self, works: Works) -> ProvenanceCheck:
        for version in ("1.4.1", "1.4.2"):
            works.publish(version, True)
        done = works.work(works.stage(bundle=True))
        assert (done.state, done.verdict) == ("done", "same")
        works.house.sandbox.control.reset()
        return done

    def test_one_that_is_trusted_no_more_takes_back_what_it_proved(
        self, works: Works, done: ProvenanceCheck, root: str
    ) -> None:
        store_root_of(works.house.registry, json.dumps(Sigstore.new().trusted_root()))
        assert works.work(done).verdict == "refused"
        rows = list(Provenance.objects.all())
        assert len(rows) == 3
        for row in rows:
            assert (row.outcome, row.build, row.signed_at) == ("refused", {}, None)
            assert row.root == trust_for(works.house.registry).fingerprint
            assert row.bundle
        own = Provenance.objects.get(pk=done.provenance_id)
        assert "trusted root that counts no more" in own.reason
        event = AuditEvent.objects.filter(kind="provenance.found").latest("sequence")
        assert event.detail["outcome"] == event.detail["verdict"] == "refused"

        store_root_of(works.house.registry, root)
        assert works.work(done).verdict == "same"
        assert set(Provenance.objects.values_list("outcome", flat=True)) == {"verified"}

    def test_what_a_new_one_proves_too_stays_and_the_registry_is_not_asked_for_bundles(
        self, works: Works, done: ProvenanceCheck, root: str
    ) -> None:
        newer = json.dumps(json.loads(root), indent=1)
        store_root_of(works.house.registry, newer)
        done = works.work(done)
        assert (done.state, done.verdict) == ("done", "same")
        assert works.calls() == []
        (fingerprint,) = set(Provenance.objects.values_list("root", flat=True))
        assert fingerprint == trust_for(works.house.registry).fingerprint
        baseline = Provenance.objects.get(version="1.4.2")
        assert baseline.publish == "verified", "the registry's own word hangs on no root"
        assert AuditEvent.objects.filter(kind="provenance.found").count() == 1

    def test_taking_a_registrys_root_away_leaves_the_public_one(
        self, works: Works, done: ProvenanceCheck
    ) -> None:
        said = refresh("--registry", works.house.registry.name, "--remove")
        assert "of sandbox was removed" in said
        assert not TrustedRoot.objects.exists()
        assert AuditEvent.objects.get(kind="trusted_root.removed").detail["sha256"]
        assert trust_for(works.house.registry).is_public
        assert works.work(done).verdict == "refused"
        with pytest.raises(CommandError, match="No trusted root of sandbox is stored"):
            refresh("--registry", works.house.registry.name, "--remove")

    def test_the_same_root_as_the_public_one_is_public_from_then_on(
        self, works: Works, done: ProvenanceCheck, root: str
    ) -> None:
        store_public_root(root)
        assert not Provenance.objects.get(version="1.5.0").is_public
        refresh("--registry", works.house.registry.name, "--remove")
        assert works.work(done).verdict == "same"
        assert set(Provenance.objects.values_list("is_public", flat=True)) == {True}

    def test_taking_the_public_one_away_leaves_that_of_the_program(self, root: str) -> None:
        store_public_root(root)
        assert "comes with the program" in refresh("--remove")
        assert public_trust().root is Trust.embedded().root
        with pytest.raises(CommandError, match="of the public Sigstore is stored"):
            refresh("--remove")

    @pytest.mark.parametrize(
        "arguments", [("--file", "x"), ("--url", "https://tuf.example.org")], ids=["file", "url"]
    )
    def test_removing_takes_no_new_one(self, arguments: tuple[str, str], root: str) -> None:
        store_public_root(root)
        with pytest.raises(CommandError, match="give neither"):
            refresh("--remove", *arguments)
        assert TrustedRoot.objects.exists()

    @pytest.mark.parametrize("version", ["1.5.0", "1.4.2", "1.4.1"])
    def test_one_that_came_with_a_release_of_the_program_is_noticed(
        self, works: Works, done: ProvenanceCheck, version: str
    ) -> None:
        rows = Provenance.objects.filter(version=version)
        rows.update(root="0" * 64)
        assert look_again_at_outdated() == 0, "another worker may just be changing it"
        rows.update(checked_at=timezone.now() - timedelta(minutes=2))
        tasks.check_waiting()
        assert ProvenanceCheck.objects.get().state == "done"
        assert rows.get().root == trust_for(works.house.registry).fingerprint
        rows.update(checked_at=timezone.now() - timedelta(minutes=2))
        assert look_again_at_outdated() == 0

    def test_what_is_still_looked_for_has_a_baseline_of_the_new_root_too(
        self, works: Works
    ) -> None:
        works.publish("1.4.2", True)
        work = works.work(works.stage())
        assert work.verdict == "lost"
        Provenance.objects.filter(version="1.4.2").update(root="0" * 64)
        work = works.work(work, look_now=True)
        assert work.baseline
        assert work.baseline.root == trust_for(works.house.registry).fingerprint

    def test_what_was_too_large_to_be_kept_is_not_tried_forever(
        self, works: Works, done: ProvenanceCheck
    ) -> None:
        rows = Provenance.objects.filter(version="1.4.1")
        long_ago = timezone.now() - timedelta(minutes=2)
        rows.update(outcome="refused", build={}, compressed=b"", root="0" * 64, checked_at=long_ago)
        works.house.sandbox.control.refuse(404, count=9, prefix="/-/npm/v1/attestations/")
        tasks.check_waiting()
        rows.update(checked_at=long_ago)
        assert (rows.get().outcome, look_again_at_outdated()) == ("refused", 0)

    def test_a_bundle_that_the_new_one_proves_takes_the_place_of_the_old_ones(
        self, works: Works, done: ProvenanceCheck
    ) -> None:
        other = Sigstore.new()
        row = done.staged_version
        store_root_of(works.house.registry, json.dumps(other.trusted_root()))
        bundle = json.dumps(other.bundle("left-pad", "1.5.0", row.sha512))
        hand_in(row, bundle.encode(), actor=None)
        found = Provenance.objects.get(pk=done.provenance_id)
        assert (found.outcome, found.source) == ("verified", "handed_in")
        assert found.root == trust_for(works.house.registry).fingerprint

    @pytest.mark.parametrize(("failure", "times"), [("", 1), ("The registry is away.", 0)])
    def test_what_is_proven_but_still_looked_for_at_the_registry_is_verified_again_too(
        self, done: ProvenanceCheck, failure: str, times: int
    ) -> None:
        later = timezone.now() + timedelta(hours=6)
        ProvenanceCheck.objects.update(state="waiting", due_at=later, failure=failure)
        long_ago = timezone.now() - timedelta(minutes=2)
        Provenance.objects.filter(pk=done.provenance_id).update(root="0" * 64, checked_at=long_ago)
        assert look_again_at_outdated() == times

    def test_when_it_was_checked_stays_true(self, works: Works) -> None:
        document = works.document("left-pad", "1.5.0")
        other = Sigstore.new().bundle("left-pad", "1.5.0", sha512_of(document))
        work = works.work(works.stage(bundle=other))
        before = Provenance.objects.get(pk=work.provenance_id)
        store_root_of(works.house.registry, json.dumps(Sigstore.new().trusted_root()))
        after = Provenance.objects.get(pk=work.provenance_id)
        assert after.checked_at == before.checked_at
        assert is_outdated(after, trust_for(works.house.registry))

    def test_one_that_cannot_be_used_stops_no_other_registry(
        self, works: Works, done: ProvenanceCheck, caplog: pytest.LogCaptureFixture
    ) -> None:
        TrustedRoot.objects.update(document="{}", stored_at="2026-01-02T00:00:00Z")
        assert look_again_at_outdated() == 0
        assert "registry=sandbox" in caplog.text


class TestRefresh:
    @pytest.fixture
    def repository(self) -> Repository:
        return Repository()

    def test_what_the_repository_serves_is_used_from_now_on(
        self, repository: Repository, root: str, var: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(var / "nobody"))
        repository.publish(root.encode())
        with repository.served() as server:
            said = refresh("--url", server.url + "/", bootstrap=repository.bootstrap)
        assert "timestamp.json" in said
        assert "was stored" in said
        assert "transparency logs: 2" in said
        assert "SHA-256: " in said
        row = TrustedRoot.objects.get()
        assert (row.is_public, row.registry, row.document) == (True, None, root)
        assert public_trust().is_public
        assert not (var / "nobody").exists()
        assert (var / "tuf").stat().st_mode & 0o077 == 0

    def test_the_same_again_and_then_a_new_one(self, repository: Repository, root: str) -> None:
        repository.publish(root.encode())
        with repository.served() as server:
            refresh("--url", server.url, bootstrap=repository.bootstrap)
            said = refresh("--url", server.url, bootstrap=repository.bootstrap)
            assert "has not changed" in said
            fewer = {**json.loads(root), "timestampAuthorities": []}
            repository.publish(json.dumps(fewer).encode())
            said = refresh("--url", server.url, bootstrap=repository.bootstrap)
        assert "timestamp authorities: 0 (1 before)" in said
        assert json.loads(TrustedRoot.objects.get().document) == fewer

    @pytest.mark.parametrize(
        ("trouble", "words"),
        [
            ("expired", "out of date"),
            ("signed by somebody else", "not signed as it must be"),
            ("target changed", "not signed as it must be"),
            ("another target", "no trusted_root.json"),
            ("nothing there", "answers HTTP 404"),
            ("not metadata", "not signed as it must be"),
            ("earlier state", "not signed as it must be"),
            ("no usable root", "not a usable trusted root"),
        ],
    )
    def test_whatever_is_wrong_leaves_the_old_one(
        self, repository: Repository, root: str, trouble: str, words: str
    ) -> None:
        repository.publish(root.encode())
        first = dict(repository.files)
        repository.publish(root.encode())
        newer = json.dumps({**json.loads(root), "timestampAuthorities": []}).encode()
        with repository.served() as server:
            refresh("--url", server.url, bootstrap=repository.bootstrap)
            match trouble:
                case "expired":
                    repository.publish(newer, days=-1)
                case "signed by somebody else":
                    repository.publish(newer, signer=CryptoSigner.generate_ecdsa())
                case "target changed":
                    repository.publish(newer)
                    for path in repository.files:
                        if path.startswith("/targets/"):
                            repository.files[path] = newer.replace(b"fulcio", b"fulcia")
                case "another target":
                    repository.publish(newer, target_name="other.json")
                case "nothing there":
                    repository.files.clear()
                case "not metadata":
                    repository.files["/timestamp.json"] = b"<html>"
                case "earlier state":
                    repository.files = first
                case "no usable root":
                    repository.publish(b'{"tlogs": []}')
            with pytest.raises(CommandError) as caught:
                refresh("--url", server.url, bootstrap=repository.bootstrap)
        assert words in str(caught.value)
        assert TrustedRoot.objects.get().document == root

    def test_without_a_network_it_is_a_plain_sentence_and_the_old_one_stays(
        self, root: str
    ) -> None:
        store_public_root(root)
        with pytest.raises(CommandError, match=r"one before stays\. .* cannot be reached"):
            refresh("--url", f"http://127.0.0.1:{unused_port()}")
        assert TrustedRoot.objects.get().document == root

    def test_trust_begins_with_what_sigstore_python_has_with_it(
        self, repository: Repository, root: str
    ) -> None:
        assert json.loads(embedded_root())["signed"]["_type"] == "root"
        repository.publish(root.encode())
        with repository.served() as server, pytest.raises(CommandError, match="not signed"):
            refresh("--url", server.url)
        assert not TrustedRoot.objects.exists()

    def test_two_at_once_do_not_mix(self, repository: Repository, root: str, var: Path) -> None:
        repository.publish(root.encode())
        with repository.served() as server:
            folder = var / "tuf" / quote(server.url, safe="")
            folder.mkdir(parents=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with pytest.raises(CommandError, match="under way"):
                    refresh("--url", server.url, bootstrap=repository.bootstrap)


class TestFromAFile:
    def test_for_one_registry(self, root: str, tmp_path: Path) -> None:
        registry = make_registry("private")
        path = tmp_path / "trusted_root.json"
        path.write_text(root)
        said = refresh("--file", str(path), "--registry", "private")
        assert "of private was stored" in said
        assert TrustedRoot.objects.get().registry == registry
        assert trust_for(make_registry("other")).root is Trust.embedded().root

    def test_for_all(self, root: str, tmp_path: Path) -> None:
        path = tmp_path / "trusted_root.json"
        path.write_text(root)
        assert "of the public Sigstore was stored" in refresh("--file", str(path), "--public")
        assert TrustedRoot.objects.get().is_public

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--file", "FILE", "--registry", "nobody"), "no registry nobody. Known: known"),
            (("--registry", "known"), "give its trusted root with --file"),
            (("--file", "FILE"), "Say whose root this is"),
            (("--file", "FILE", "--registry", "known", "--public"), "not both"),
            (("--file", "MISSING", "--public"), "No such file"),
            (("--file", "EMPTY", "--public"), "Nothing was changed"),
            (("--file", "FILE", "--url", "https://tuf.example.org"), "not both"),
            (("--url", "http://tuf.example.org"), "https://"),
            (("--url", "nonsense"), "must begin with https://"),
        ],
    )
    def test_what_cannot_be_done_is_said(
        self, arguments: tuple[str, ...], words: str, root: str, tmp_path: Path
    ) -> None:
        make_registry("known")
        (tmp_path / "FILE").write_text(root)
        (tmp_path / "EMPTY").write_text("")
        given = [str(tmp_path / one) if one.isupper() else one for one in arguments]
        with pytest.raises(CommandError, match=words):
            refresh(*given)
        assert not TrustedRoot.objects.exists()


def test_it_exits_with_1_and_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "COUNTERSIGN_VAR": str(tmp_path), "DATABASE_URL": ""}
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "refresh_trust",
            "--url",
            f"http://127.0.0.1:{unused_port()}",
        ],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: The trusted root could not be refreshed")
    assert "Traceback" not in done.stderr


def test_a_check_names_no_trust_of_another_registry(works: Works, root: str) -> None:
    TrustedRoot.objects.all().delete()
    work = works.work(works.stage(bundle=True))
    assert work.provenance
    assert work.provenance.outcome == "refused"
    assert ProvenanceCheck.objects.get().verdict == "refused"

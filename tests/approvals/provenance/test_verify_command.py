"""`manage.py verify_provenance`, as somebody at a terminal or a script in CI uses it."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from approvals.provenance.trust import store_public_root
from tests.authority import GITHUB, Sigstore
from tests.packages import tarball
from tests.registry_client.real_bundle import PATH, needs_real_bundle

PROJECT = Path(__file__).resolve().parents[3]
KEYS = [
    *("verified", "reason", "predicate_type", "source_repository", "source_ref", "commit"),
    *("workflow", "trigger", "builder", "run_url", "log_index", "signed_at"),
]
Paths = dict[str, str]


@pytest.fixture
def paths(tmp_path: Path, sigstore: Sigstore) -> Paths:
    """A tarball, its bundle, and other files, by their names."""
    content = tarball({"package.json": '{"name": "@acme/thing", "version": "1.0.0"}'})
    bundle = sigstore.bundle("@acme/thing", "1.0.0", hashlib.sha512(content).hexdigest())
    answer = {
        "attestations": [
            {"predicateType": "x", "bundle": bundle | {"dsseEnvelope": {"payload": "e30="}}},
            {"predicateType": "y", "bundle": bundle},
        ]
    }
    files: dict[str, bytes] = {
        "thing.tgz": content,
        "other.tgz": tarball({"package.json": '{"name": "other", "version": "1.0.0"}'}),
        "bundle.json": json.dumps(bundle).encode(),
        "answer.json": json.dumps(answer).encode(),
        "root.json": json.dumps(sigstore.trusted_root()).encode(),
        "text.json": b"hello",
        "empty.json": b"",
        "object.json": b"{}",
        "none.json": b'{"attestations": []}',
        "twice.json": b'{"dsseEnvelope": {}, "dsseEnvelope": {}}',
        "large.json": b'"' + b"x" * 5_000_000 + b'"',
        "manifestless.tgz": tarball({"index.js": ""}),
        "nameless.tgz": tarball({"package.json": '{"version": "1.0.0"}'}),
        "twice.tgz": tarball({"package.json": '{"name": "a", "name": "b", "version": "1.0.0"}'}),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return {name: str(tmp_path / name) for name in [*files, "missing", ""]}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in a process of its own, with no database and no home."""

    def started(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "COUNTERSIGN_VAR": str(tmp_path / "var"),
            "HOME": str(tmp_path / "nobody"),
            "DATABASE_URL": "",
        }
        return subprocess.run(
            [sys.executable, "manage.py", "verify_provenance", *arguments],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return started


def called(*arguments: str) -> tuple[str, str, int]:
    """Stdout, stderr and the exit code."""
    out, errors = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("verify_provenance", *arguments, stdout=out, stderr=errors)
    except CommandError as error:
        errors.write(str(error))
        code = error.returncode
    except SystemExit as error:
        code = int(error.code or 0)
    return out.getvalue(), errors.getvalue(), code


class TestExitCodes:
    def test_verified_is_0_and_needs_neither_database_nor_home(
        self, paths: Paths, run: Callable[..., Any], tmp_path: Path
    ) -> None:
        done = run(
            paths["bundle.json"], paths["thing.tgz"], "--json", "--trusted-root", paths["root.json"]
        )
        assert (done.returncode, done.stderr) == (0, f"Verifying against {paths['root.json']}\n")
        found = json.loads(done.stdout)
        assert list(found) == KEYS
        assert found == {
            "verified": True,
            "reason": found["reason"],
            "predicate_type": "https://slsa.dev/provenance/v1",
            "source_repository": "https://github.com/acme/gadgets",
            "source_ref": "refs/heads/main",
            "commit": GITHUB.commit,
            "workflow": ".github/workflows/release.yml",
            "trigger": "push",
            "builder": "https://github.com/actions/runner/github-hosted",
            "run_url": GITHUB.invocation,
            "log_index": found["log_index"],
            "signed_at": "2026-03-16T09:00:00+00:00",
        }
        assert isinstance(found["log_index"], int)
        assert not (tmp_path / "nobody").exists()
        assert not (tmp_path / "var" / "db.sqlite3").exists()

    def test_not_verified_is_1_with_the_reason_on_stdout(
        self, paths: Paths, run: Callable[..., Any]
    ) -> None:
        done = run(
            paths["bundle.json"], paths["other.tgz"], "--json", "--trusted-root", paths["root.json"]
        )
        assert done.returncode == 1
        found = json.loads(done.stdout)
        assert list(found) == KEYS
        assert found["verified"] is False
        assert "another tarball" in found["reason"]
        assert found["predicate_type"] == "https://slsa.dev/provenance/v1"
        assert {found[key] for key in KEYS[3:]} == {None}

    def test_unreadable_is_2_in_one_line(self, paths: Paths, run: Callable[..., Any]) -> None:
        done = run(paths["text.json"], paths["thing.tgz"])
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith(f"CommandError: {paths['text.json']}: ")
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("bundle", "package", "words"),
        [
            ("missing", "thing.tgz", "No such file"),
            ("", "thing.tgz", "not a file"),
            ("empty.json", "thing.tgz", "not JSON"),
            ("object.json", "thing.tgz", "neither a Sigstore bundle nor"),
            ("none.json", "thing.tgz", "no attestation in it"),
            ("twice.json", "thing.tgz", "same key twice"),
            ("large.json", "thing.tgz", "larger than"),
            ("bundle.json", "missing", "No such file"),
            ("bundle.json", "", "not a file"),
            ("bundle.json", "text.json", "not"),
            ("bundle.json", "manifestless.tgz", "no package.json"),
            ("bundle.json", "nameless.tgz", "no name and version"),
            ("bundle.json", "twice.tgz", "same key twice"),
        ],
    )
    def test_whatever_cannot_be_read_is_2_and_named(
        self, paths: Paths, bundle: str, package: str, words: str
    ) -> None:
        out, errors, code = called(
            paths[bundle], paths[package], "--trusted-root", paths["root.json"]
        )
        assert (code, out) == (2, "")
        assert words in errors
        assert "\n" not in errors.strip()

    @pytest.mark.parametrize("root", ["missing", "text.json", "object.json"])
    def test_so_is_a_trusted_root(self, paths: Paths, root: str) -> None:
        out, errors, code = called(
            paths["bundle.json"], paths["thing.tgz"], "--trusted-root", paths[root]
        )
        assert (code, out) == (2, "")
        assert paths[root] in errors


class TestOutput:
    def test_a_person_reads_what_was_proven(self, paths: Paths) -> None:
        out, _, code = called(
            paths["bundle.json"], paths["thing.tgz"], "--trusted-root", paths["root.json"]
        )
        assert code == 0
        assert out.startswith("@acme/thing@1.0.0: verified\n")
        assert "  Repository: https://github.com/acme/gadgets\n" in out
        assert f"  Commit:     {GITHUB.commit}\n" in out

    def test_or_why_not(self, paths: Paths) -> None:
        out, _, code = called(
            paths["bundle.json"], paths["other.tgz"], "--trusted-root", paths["root.json"]
        )
        assert code == 1
        assert out.startswith("other@1.0.0: NOT VERIFIED\n")
        assert "SHA-512" in out
        assert "Repository" not in out

    def test_a_registrys_answer_will_do(self, paths: Paths) -> None:
        _, errors, code = called(
            paths["answer.json"], paths["thing.tgz"], "--trusted-root", paths["root.json"]
        )
        assert code == 0, errors


@pytest.mark.django_db
class TestWhichRoot:
    def test_the_public_one_unless_told_otherwise(self, paths: Paths) -> None:
        out, errors, code = called(paths["bundle.json"], paths["thing.tgz"], "--json")
        assert code == 1
        assert json.loads(out)["verified"] is False
        assert "came with sigstore-python" in errors

    def test_the_refreshed_one_where_there_is_one(
        self, paths: Paths, sigstore: Sigstore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store_public_root(json.dumps(sigstore.trusted_root()))
        _, errors, code = called(paths["bundle.json"], paths["thing.tgz"])
        assert code == 0
        assert "refresh_trust stored" in errors


@pytest.mark.django_db
@needs_real_bundle
class TestRealBundle:
    def test_it_is_not_verified_against_another_tarball(self, paths: Paths) -> None:
        out, _, code = called(str(PATH), paths["other.tgz"], "--json")
        assert code == 1
        assert json.loads(out)["predicate_type"] == "https://slsa.dev/provenance/v1"

"""The demonstration's organisation: what waits there, and that it survives what people do to it."""

import base64
import hashlib
import io
import json
import re
import tarfile
from datetime import datetime, timedelta

from registry_client.client import RegistryClient
from registry_client.provenance import (
    Trust,
    Verification,
    verify,
    verify_publish_attestation,
)
from registry_client.sandbox.demo_organisation import build, load
from registry_client.sandbox.server import SandboxRegistry, trusted_root_file
from tests.registry_client.sandbox.conftest import Caller, StartSandbox

MONOREPO = {f"@lighthouse/{name}" for name in ("core", "cli", "ui", "icons", "theme")}


def _files(tarball: bytes) -> dict[str, str]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content is not None
            files[member.name] = content.read().decode()
    return files


def test_the_releases_that_wait_are_those_a_reviewer_should_meet(
    start_sandbox: StartSandbox,
) -> None:
    registry = start_sandbox("classic")
    reader = Caller(registry, build(registry).read_token)

    items = reader.get("/-/stage?perPage=100").json()["items"]
    waiting = {item["packageName"]: item for item in items}

    assert len(items) == 8
    release = [waiting[name] for name in MONOREPO]
    assert {item["version"] for item in release} == {"2.1.0"}
    assert {item["actorType"] for item in release} == {"trusted automation"}
    assert waiting["tidewatch"]["tag"] == "next"
    history = {name: reader.get(f"/{name}").json() for name in [*waiting, "signal-flags"]}
    assert list(history["@lighthouse/beacon"]["versions"]) == ["0.0.0-stage"]
    for name in set(history) - {"@lighthouse/beacon"}:
        assert 3 <= len(history[name]["versions"]) <= 6
    assert history["tidewatch"]["dist-tags"] == {"latest": "3.2.0", "next": "4.0.0-next.0"}


def test_the_version_that_smells_of_an_attack_is_inert(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("classic")
    reader = Caller(registry, build(registry).read_token)
    (item,) = reader.get("/-/stage?package=harbor-log").json()["items"]
    assert (item["actor"], item["actorType"]) == ("mkeller", "user")

    files = _files(reader.get(f"/-/stage/{item['id']}/tarball").content)

    assert '"postinstall": "node ./scripts/telemetry.js"' in files["package/package.json"]
    script = files["package/scripts/telemetry.js"]
    assert "process.env" in script
    assert "telemetry.example.invalid" in script
    statements = re.sub(r"^//.*\n", "", script, flags=re.MULTILINE)
    assert statements.startswith("process.exit(0);\n")


def _proven(
    registry: SandboxRegistry, client: RegistryClient, package: str, version: str, sha512: str
) -> Verification | None:
    """What a version's provenance proves about this digest; None where it has none."""
    subject = {"package": package, "version": version, "sha512": sha512}
    bundles = [attestation.bundle for attestation in client.attestations(package, version)]
    for own in bundles[:-1]:
        judged = verify_publish_attestation(own, keys=client.signing_keys(), **subject)
        assert judged.state == "verified", judged
    if not bundles:
        return None
    trust = Trust.from_json(trusted_root_file(registry.data).read_text())
    proven = verify(bundles[-1], trust=trust, **subject)
    assert proven.verified, proven.reason
    return proven


def _place(proven: Verification | None) -> tuple[str, ...] | None:
    """Where something was built, without what differs from one run to the next."""
    if proven is None or proven.build is None:
        return None
    build = proven.build
    return build.repository, build.repository_id, build.workflow, build.ref, build.runner


def test_what_waits_is_proven_otherwise_built_and_unproven(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("none")
    token = build(registry).read_token
    reader = Caller(registry, token)
    waiting: dict[str, Verification | None] = {}
    with RegistryClient(registry.url, token) as client:
        for item in reader.get("/-/stage?perPage=100").json()["items"]:
            content = reader.get(f"/-/stage/{item['id']}/tarball").content
            name, digest = item["packageName"], hashlib.sha512(content).hexdigest()
            proven = waiting[name] = _proven(registry, client, name, item["version"], digest)
            if proven is None or proven.build is None or proven.signed_at is None:
                continue
            age = datetime.fromisoformat(item["createdAt"]) - proven.signed_at
            assert timedelta(0) < age < timedelta(minutes=1)
            repository = json.loads(_files(content)["package/package.json"])["repository"]
            assert repository["url"] == f"git+{proven.build.repository}.git"

    assert {name for name, proven in waiting.items() if proven is None} == {"harbor-log"}
    home = "https://github.com/lighthouse--example"
    usual = (f"{home}/lighthouse", "910000301", ".github/workflows/release.yml", "refs/heads/main")
    assert {_place(waiting[name]) for name in MONOREPO | {"@lighthouse/beacon"}} == {
        (*usual, "hosted")
    }
    release = [waiting[name] for name in MONOREPO]
    assert len({proven.build for proven in release if proven}) == 1
    assert _place(waiting["tidewatch"]) == (
        f"{home}/tidewatch",
        "910000302",
        ".github/workflows/try-out.yml",
        "refs/heads/no-polling",
        "self-hosted",
    )


def test_what_was_published_was_proven_where_it_always_is(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("none")
    token = build(registry).read_token
    unproven, commits = set(), set()
    with RegistryClient(registry.url, token) as client:
        for name in (*MONOREPO, "tidewatch", "harbor-log", "signal-flags"):
            for version, facts in client.packument(name).versions.items():
                digest = base64.b64decode(facts.integrity.removeprefix("sha512-")).hex()
                proven = _proven(registry, client, name, version, digest)
                if proven is None or proven.build is None:
                    unproven.add((name, version))
                    continue
                repository = "lighthouse" if name in MONOREPO else name
                tagged = name == "tidewatch"
                assert _place(proven) == (
                    f"https://github.com/lighthouse--example/{repository}",
                    {"tidewatch": "910000302", "harbor-log": "910000303"}.get(name, "910000301"),
                    f".github/workflows/{'publish' if tagged else 'release'}.yml",
                    f"refs/tags/v{version}" if tagged else "refs/heads/main",
                    "hosted",
                )
                commits.add((repository, version, proven.build.commit))

    assert unproven == (
        {(name, "1.0.0") for name in (*MONOREPO, "harbor-log")}
        | {("tidewatch", "3.0.0")}
        | {("signal-flags", version) for version in ("0.8.0", "0.9.0", "1.0.0")}
    )
    # One run builds all packages of a release, and each release another commit.
    assert len(commits) == len({commit for _, _, commit in commits})
    assert len(commits) == len({(repository, version) for repository, version, _ in commits})


def test_its_people_can_approve_and_its_reader_cannot(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("classic")
    organisation = build(registry)
    assert set(organisation.users) == {"ada", "grace"}
    reader = Caller(registry, organisation.read_token)
    stage_id = reader.get("/-/stage").json()["items"][0]["id"]

    assert reader.approve(stage_id).status_code == 403
    grace = Caller(registry, organisation.users["grace"].token)
    assert grace.approve(stage_id, registry.code("grace")).status_code == 201


def test_building_again_changes_nothing_that_people_decided(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("none")
    organisation = build(registry)
    ada = Caller(registry, organisation.users["ada"].token)
    approved, rejected, *waiting = ada.get("/-/stage").json()["items"]
    ada.approve(approved["id"])
    ada.reject(rejected["id"])

    registry.stop()
    again = build(registry.start())

    assert again == organisation == load(registry.data)
    assert ada.get("/-/stage").json()["items"] == waiting
    assert (registry.data / "demo.json").stat().st_mode & 0o777 == 0o600
    assert organisation.read_token not in repr(organisation)


def test_two_builds_make_the_same_tarballs(start_sandbox: StartSandbox) -> None:
    digests = []
    for folder in ("one", "two"):
        registry = start_sandbox("none", folder)
        reader = Caller(registry, build(registry).read_token)
        items = reader.get("/-/stage").json()["items"]
        digests.append([(item["packageName"], item["shasum"]) for item in items])

    assert digests[0] == digests[1]


def test_every_dependency_inside_the_organisation_can_be_had(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("none")
    ada = Caller(registry, build(registry).users["ada"].token)
    for item in ada.get("/-/stage?perPage=100").json()["items"]:
        ada.approve(item["id"])

    for name in MONOREPO:
        for manifest in ada.get(f"/{name}").json()["versions"].values():
            for other, wanted in manifest.get("dependencies", {}).items():
                there = ada.get(f"/{other}").json()["versions"]
                assert wanted.removeprefix("^") in there, (name, manifest["version"], other)

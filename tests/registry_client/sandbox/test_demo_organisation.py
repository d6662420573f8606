"""The demonstration's organisation: what waits there, and that it survives what people do to it."""

import io
import re
import tarfile

from registry_client.sandbox.demo_organisation import build, load
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

"""Who gets the provenance of a version, from its staging until it is live."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from registry_client.provenance import Trust, verify
from registry_client.sandbox.authority import Authority
from registry_client.sandbox.server import SandboxRegistry, trusted_root_file
from tests.authority import GITHUB, MOMENT, Sigstore
from tests.registry_client.sandbox.conftest import Caller, StartSandbox, document

PROVENANCE = "https://slsa.dev/provenance/v1"
PATH = "/-/npm/v1/attestations/@scope%2fthing@1.0.0"


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore.new()


@pytest.fixture(scope="module")
def bundle(sigstore: Sigstore) -> dict[str, Any]:
    return sigstore.bundle("@scope/thing", "1.0.0", "5a" * 64)


def _served(caller: Caller) -> list[dict[str, Any]]:
    answer = caller.get(PATH)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["attestations"]
    return found


def test_a_staged_version_has_its_publishers_provenance_and_nothing_of_the_registry(
    registry: SandboxRegistry, ada: Caller, grace: Caller, bundle: dict[str, Any]
) -> None:
    ada.staged("@scope/thing", bundle=bundle)
    registry.grant("@scope/thing", "grace", "read-only")
    reader = Caller(registry, registry.token("grace", "read-only"))

    for caller in (ada, grace, reader):
        assert _served(caller) == [{"predicateType": PROVENANCE, "bundle": bundle}]


def test_nobody_else_learns_of_it(
    registry: SandboxRegistry, ada: Caller, grace: Caller, bundle: dict[str, Any]
) -> None:
    # The package itself is public from here on, as its placeholder.
    ada.staged("@scope/thing", bundle=bundle)
    unknown = ada.get("/-/npm/v1/attestations/@scope%2fthing@9.9.9")

    for caller in (Caller(registry), grace, Caller(registry, registry.token("ada", "automation"))):
        answer = caller.get(PATH)
        assert answer.status_code == unknown.status_code == 404
        assert answer.json() == {
            key: words.replace("9.9.9", "1.0.0") for key, words in unknown.json().items()
        }
    assert Caller(registry, "npm_of-nobody").get(PATH).status_code == 401


def test_it_is_everybodys_once_the_version_is_live(
    registry: SandboxRegistry, ada: Caller, bundle: dict[str, Any]
) -> None:
    stage_id = ada.staged("@scope/thing", bundle=bundle)
    registry.control.delay_visibility(60)
    ada.approve(stage_id)
    anybody = Caller(registry)
    assert anybody.get(PATH).status_code == 404
    assert _served(ada) == [{"predicateType": PROVENANCE, "bundle": bundle}]

    registry.control.move_clock(61)

    live = anybody.get("/@scope/thing").json()["versions"]["1.0.0"]["dist"]["attestations"]
    assert live["provenance"] == {"predicateType": PROVENANCE}
    assert live["url"] == registry.url + PATH.replace("%2f", "%2F")
    for caller in (anybody, ada):
        own, provenance = _served(caller)
        assert provenance == {"predicateType": PROVENANCE, "bundle": bundle}
        assert "publish" in own["predicateType"]


def test_a_private_packages_provenance_stays_private(
    registry: SandboxRegistry, ada: Caller, grace: Caller, bundle: dict[str, Any]
) -> None:
    ada.approve(ada.staged("@scope/thing", access="restricted", bundle=bundle))

    assert len(_served(ada)) == 2
    assert grace.get(PATH).status_code == Caller(registry).get(PATH).status_code == 404


def test_a_rejected_versions_provenance_is_gone_and_never_taken_for_the_next_ones(
    start_sandbox: StartSandbox, sigstore: Sigstore, bundle: dict[str, Any]
) -> None:
    registry = start_sandbox("none")
    ada = Caller(registry, registry.create_user("ada"))
    ada.reject(ada.staged("@scope/thing", bundle=bundle))
    assert ada.get(PATH).status_code == 404
    second = ada.staged("@scope/thing")
    assert ada.get(PATH).status_code == 404
    ada.reject(second)
    other = sigstore.bundle("@scope/thing", "1.0.0", "6b" * 64)

    ada.staged("@scope/thing", bundle=other)

    assert [one["bundle"] for one in _served(ada)] == [other]
    registry.stop()
    registry.start()
    assert [one["bundle"] for one in _served(ada)] == [other]


def test_the_sandboxs_own_authority_proves_what_a_test_wants(
    start_sandbox: StartSandbox,
) -> None:
    registry = start_sandbox("none")
    registry.create_user("ada")
    run = replace(GITHUB, runner="self-hosted")
    plain = document("@scope/thing")
    content = base64.b64decode(plain["_attachments"]["@scope/thing-1.0.0.tgz"]["data"])
    subject = {
        "package": "@scope/thing",
        "version": "1.0.0",
        "sha512": hashlib.sha512(content).hexdigest(),
    }

    registry.publish(registry.with_provenance(plain, run, at=MOMENT.timestamp()), by="ada")

    _, provenance = _served(Caller(registry))
    trust = Trust.from_json(trusted_root_file(registry.data).read_text())
    proven = verify(provenance["bundle"], trust=trust, **subject)
    assert proven.verified, proven.reason
    assert (proven.signed_at, proven.build and proven.build.runner) == (MOMENT, "self-hosted")
    lie = registry.with_provenance(plain, run, claims=replace(GITHUB, repository="b/c").claims())
    refused = verify(_attached(lie), trust=trust, **subject)
    assert not refused.verified
    from_outside = Authority.of_folder(registry.data)
    assert from_outside.trusted_root() == registry.authority.trusted_root()


def test_the_trusted_root_stays_the_same_and_is_mended(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("none")
    path = trusted_root_file(registry.data)
    before, written = path.read_text(), path.stat().st_mtime_ns
    registry.stop()
    again = SandboxRegistry(registry.data)
    again.stop()
    assert (path.read_text(), path.stat().st_mtime_ns) == (before, written)
    path.write_text("{}")

    SandboxRegistry(registry.data).stop()

    assert path.read_text() == before


def _attached(sent: dict[str, Any]) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads(sent["_attachments"]["@scope/thing-1.0.0.sigstore"]["data"])
    return bundle

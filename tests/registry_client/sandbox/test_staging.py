"""The staged-publishing calls, answered as registry-protocol.md describes them."""

import base64
import copy
import hashlib
from typing import Any

import pytest

from registry_client.sandbox.server import SandboxRegistry
from tests.registry_client.sandbox.conftest import Caller, document

UNKNOWN_ID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def test_a_staged_version_has_every_field_of_the_protocol(ada: Caller) -> None:
    stage_id = ada.staged("@scope/thing", "1.2.3-rc.1", tag="next")

    item = ada.get(f"/-/stage/{stage_id}").json()
    content = ada.get(f"/-/stage/{stage_id}/tarball").content

    assert item.pop("createdAt").endswith("Z")
    assert item == {
        "id": stage_id,
        "packageName": "@scope/thing",
        "version": "1.2.3-rc.1",
        "tag": "next",
        "actor": "ada",
        "actorType": "user",
        "access": "public",
        "shasum": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "status": "staged",
    }


def test_a_new_package_has_only_its_placeholder_until_approved(ada: Caller) -> None:
    stage_id = ada.staged("thing")
    assert list(ada.get("/thing").json()["versions"]) == ["0.0.0-stage"]

    answer = ada.approve(stage_id)

    assert answer.status_code == 201
    assert answer.json() == {"message": "Package version approved and published successfully."}
    packument = ada.get("/thing").json()
    assert set(packument["versions"]) == {"0.0.0-stage", "1.0.0"}
    assert packument["dist-tags"] == {"latest": "1.0.0"}
    assert ada.get(f"/-/stage/{stage_id}").status_code == 404


def test_what_goes_live_is_what_was_staged_in_the_approvers_name(
    registry: SandboxRegistry, ada: Caller, grace: Caller
) -> None:
    stage_id = ada.staged("thing")
    registry.grant("thing", "grace")
    staged = ada.get(f"/-/stage/{stage_id}/tarball").content

    grace.approve(stage_id)

    live = ada.get("/thing").json()["versions"]["1.0.0"]
    assert live["_npmUser"]["name"] == "grace"
    digest = base64.b64encode(hashlib.sha512(staged).digest()).decode()
    assert live["dist"]["integrity"] == f"sha512-{digest}"
    assert ada.get(live["dist"]["tarball"].removeprefix(registry.url)).content == staged


def test_a_rejected_version_is_gone_for_good(registry: SandboxRegistry, ada: Caller) -> None:
    stage_id = ada.staged("thing")
    tarballs = registry.data / "tarballs"
    before = len(list(tarballs.iterdir()))

    answer = ada.reject(stage_id)

    assert (answer.status_code, answer.content) == (204, b"")
    assert ada.get(f"/-/stage/{stage_id}/tarball").status_code == 404
    assert ada.approve(stage_id).status_code == 404
    assert len(list(tarballs.iterdir())) == before - 1


def test_the_list_is_newest_first_in_pages(ada: Caller) -> None:
    ids = [ada.staged("thing", f"1.0.{number}") for number in range(12)]

    first = ada.get("/-/stage").json()
    second = ada.get("/-/stage?page=1").json()
    everything = ada.get("/-/stage?perPage=5000").json()

    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert (first["page"], first["perPage"], first["total"]) == (0, 10, 12)
    assert (everything["perPage"], len(everything["items"])) == (100, 12)
    assert ada.get("/-/stage?page=9").json()["items"] == []


@pytest.mark.parametrize("spelling", ["@scope/one", "@scope%2fone", "%40scope%252Fone"])
def test_the_list_can_be_of_one_package(ada: Caller, spelling: str) -> None:
    ada.staged("@scope/one")
    ada.staged("@scope/other")

    items = ada.get(f"/-/stage?package={spelling}").json()["items"]

    assert [item["packageName"] for item in items] == ["@scope/one"]


@pytest.mark.parametrize("path", ["/@scope%2fthing", "/@scope/thing", "/%40scope%2Fthing"])
def test_a_scoped_name_is_understood_escaped_or_not(ada: Caller, path: str) -> None:
    ada.staged("@scope/thing")

    assert ada.get(path).json()["name"] == "@scope/thing"


def test_a_version_is_staged_and_published_once(ada: Caller) -> None:
    stage_id = ada.staged("thing")

    again = ada.stage("thing")
    assert again.status_code == 409
    assert again.json()["message"] == "Cannot publish over previously staged version 1.0.0"
    direct = ada.call("PUT", "/thing", json=document("thing"))
    assert direct.status_code == 409

    ada.approve(stage_id)
    after = ada.stage("thing")
    assert after.status_code == 409
    assert "previously published versions: 1.0.0" in after.json()["message"]


def test_a_refused_staging_leaves_no_file_behind(
    registry: SandboxRegistry, ada: Caller, grace: Caller
) -> None:
    ada.staged("thing")
    kept = set((registry.data / "tarballs").iterdir())

    assert ada.stage("thing").status_code == 409
    assert grace.stage("thing", "2.0.0").status_code == 404
    assert ada.call("PUT", "/thing", json=document("thing")).status_code == 409

    assert set((registry.data / "tarballs").iterdir()) == kept


def test_a_stranger_neither_sees_nor_decides_nor_stages(ada: Caller, grace: Caller) -> None:
    stage_id = ada.staged("thing")

    assert grace.get("/-/stage").json()["total"] == 0
    assert grace.get(f"/-/stage/{stage_id}").status_code == 404
    assert grace.get(f"/-/stage/{stage_id}/tarball").status_code == 404
    assert grace.approve(stage_id).status_code == 404
    assert grace.reject(stage_id).status_code == 404
    assert grace.stage("thing", "2.0.0").status_code == 404
    assert ada.get(f"/-/stage/{stage_id}").status_code == 200


def test_a_reader_sees_and_may_not_decide(
    registry: SandboxRegistry, ada: Caller, grace: Caller
) -> None:
    stage_id = ada.staged("thing")
    registry.grant("thing", "grace", "read-only")

    assert grace.get(f"/-/stage/{stage_id}").status_code == 200
    assert grace.approve(stage_id).status_code == 403
    assert grace.reject(stage_id).status_code == 403
    assert grace.stage("thing", "2.0.0").status_code == 403


def test_a_read_only_token_changes_nothing(registry: SandboxRegistry, ada: Caller) -> None:
    stage_id = ada.staged("thing")
    reader = Caller(registry, registry.token("ada", "read-only"))

    assert reader.get("/-/stage").json()["total"] == 1
    assert reader.get(f"/-/stage/{stage_id}/tarball").status_code == 200
    assert reader.approve(stage_id).status_code == 403
    assert reader.reject(stage_id).status_code == 403
    assert reader.stage("other").status_code == 403
    assert reader.call("PUT", "/other", json=document("other")).status_code == 403
    tag = reader.call("PUT", "/-/package/thing/dist-tags/old", json="0.0.0-stage")
    assert tag.status_code == 403


def test_an_automation_token_stages_and_does_nothing_else(
    registry: SandboxRegistry, ada: Caller
) -> None:
    automation = Caller(registry, registry.token("ada", "automation"))

    stage_id = automation.staged("thing")

    assert ada.get(f"/-/stage/{stage_id}").json()["actorType"] == "trusted automation"
    assert automation.get("/-/stage").status_code == 403
    assert automation.get(f"/-/stage/{stage_id}").status_code == 403
    assert automation.get(f"/-/stage/{stage_id}/tarball").status_code == 403
    assert automation.approve(stage_id).status_code == 403
    assert automation.reject(stage_id).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/-/stage"),
        ("GET", f"/-/stage/{UNKNOWN_ID}"),
        ("POST", f"/-/stage/{UNKNOWN_ID}/approve"),
        ("DELETE", f"/-/stage/{UNKNOWN_ID}"),
        ("POST", "/-/stage/package/thing"),
        ("PUT", "/thing"),
        ("GET", "/-/whoami"),
    ],
)
@pytest.mark.parametrize("token", ["", "npm_worthless"])
def test_without_a_good_token_there_is_401(
    registry: SandboxRegistry, method: str, path: str, token: str
) -> None:
    assert Caller(registry, token).call(method, path).status_code == 401


def test_a_revoked_token_is_worthless(registry: SandboxRegistry) -> None:
    token = registry.create_user("ada")
    ada = Caller(registry, token)
    assert ada.get("/-/whoami").json() == {"username": "ada"}

    registry.revoke(token)

    assert ada.get("/-/whoami").status_code == 401


def _without_attachments(sent: dict[str, Any]) -> None:
    sent["_attachments"] = {}


def _other_name(sent: dict[str, Any]) -> None:
    sent["name"] = "other"


def _other_length(sent: dict[str, Any]) -> None:
    sent["_attachments"]["thing-1.0.0.tgz"]["length"] += 1


def _not_base64(sent: dict[str, Any]) -> None:
    sent["_attachments"]["thing-1.0.0.tgz"]["data"] = "not base64!"


def _other_integrity(sent: dict[str, Any]) -> None:
    sent["versions"]["1.0.0"]["dist"] = {"integrity": "sha512-AAAA"}


def _other_shasum(sent: dict[str, Any]) -> None:
    sent["versions"]["1.0.0"]["dist"] = {"shasum": "0" * 40}


def _two_versions(sent: dict[str, Any]) -> None:
    sent["versions"]["2.0.0"] = sent["versions"]["1.0.0"]


def _bad_version(sent: dict[str, Any]) -> None:
    sent["versions"] = {"one": {}}


def _bad_tag(sent: dict[str, Any]) -> None:
    sent["dist-tags"] = {"../latest": "1.0.0"}


def _versions_of_nothing(sent: dict[str, Any]) -> None:
    sent["versions"] = [1]


@pytest.mark.parametrize(
    "spoil",
    [
        _without_attachments,
        _other_name,
        _other_length,
        _not_base64,
        _other_integrity,
        _other_shasum,
        _two_versions,
        _bad_version,
        _bad_tag,
        _versions_of_nothing,
    ],
)
def test_a_document_that_contradicts_itself_is_refused(ada: Caller, spoil: Any) -> None:
    sent = copy.deepcopy(document("thing"))
    spoil(sent)

    answer = ada.call("POST", "/-/stage/package/thing", json=sent)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Bad Request")
    assert ada.get("/-/stage").json()["total"] == 0
    assert ada.get("/thing").status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"[]", b"null", b"\xff"])
def test_a_body_that_is_no_document_is_refused(ada: Caller, body: bytes) -> None:
    answer = ada.call("POST", "/-/stage/package/thing", data=body)

    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fthing", "THING", "a" * 215, ".thing"])
def test_a_name_that_is_none_is_refused(ada: Caller, name: str) -> None:
    answer = ada.call("POST", f"/-/stage/package/{name}", json=document("thing"))

    assert answer.status_code in (400, 404)
    assert ada.get("/-/stage").json()["total"] == 0


def test_the_publishers_manifest_is_shown_as_it_was_sent(ada: Caller) -> None:
    sent = document("thing")
    sent["versions"]["1.0.0"]["scripts"] = {"postinstall": "node confusion.js"}
    stage_id = ada.call("POST", "/-/stage/package/thing", json=sent).json()["stageId"]

    ada.approve(stage_id)

    live = ada.get("/thing").json()["versions"]["1.0.0"]
    assert live["scripts"] == {"postinstall": "node confusion.js"}


def test_a_swapped_tarball_can_be_told_by_its_digest(
    registry: SandboxRegistry, ada: Caller
) -> None:
    stage_id = ada.staged("thing")
    before = ada.get(f"/-/stage/{stage_id}").json()["shasum"]

    registry.replace_tarball(stage_id, b"other bytes")
    assert ada.get(f"/-/stage/{stage_id}/tarball").content == b"other bytes"
    assert ada.get(f"/-/stage/{stage_id}").json()["shasum"] == before

    registry.replace_tarball(stage_id, b"third bytes", announce=True)
    assert ada.get(f"/-/stage/{stage_id}").json()["shasum"] != before

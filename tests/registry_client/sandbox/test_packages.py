"""What every npm client asks of a registry."""

import requests

from registry_client.sandbox.server import SandboxRegistry
from tests.registry_client.sandbox.conftest import TIMEOUT, Caller, StartSandbox, document


def test_a_direct_publish_needs_the_code_of_an_enrolled_account(
    start_sandbox: StartSandbox,
) -> None:
    registry = start_sandbox("classic")
    ada = Caller(registry, registry.create_user("ada"))
    sent = document("thing")

    assert ada.call("PUT", "/thing", json=sent).status_code == 401
    assert ada.get("/thing").status_code == 404
    code = {"npm-otp": registry.code("ada")}
    assert ada.call("PUT", "/thing", json=sent, headers=code).status_code == 201
    assert list(ada.get("/thing").json()["versions"]) == ["1.0.0"]


def test_a_private_package_is_there_for_its_people_only(
    registry: SandboxRegistry, ada: Caller, grace: Caller
) -> None:
    ada.approve(ada.staged("@ada/thing", access="restricted"))
    tarball = "/@ada/thing/-/thing-1.0.0.tgz"

    for stranger in (grace, Caller(registry)):
        assert stranger.get("/@ada%2fthing").status_code == 404
        assert stranger.get(tarball).status_code == 404
        assert stranger.get("/-/package/@ada%2fthing/dist-tags").status_code == 404
    assert ada.get("/@ada%2fthing").status_code == 200
    assert ada.get(tarball).status_code == 200
    assert ada.get("/-/package/@ada%2fthing/visibility").json() == {"public": False}


def test_the_abbreviated_packument_marks_install_scripts(ada: Caller) -> None:
    manifest = {"scripts": {"postinstall": "node x.js"}, "dependencies": {"other": "^1.0.0"}}
    ada.approve(ada.staged("thing", manifest=manifest))

    answer = ada.get("/thing", headers={"accept": "application/vnd.npm.install-v1+json"})

    assert answer.headers["content-type"] == "application/vnd.npm.install-v1+json"
    short = answer.json()["versions"]["1.0.0"]
    assert short["hasInstallScript"] is True
    assert short["dependencies"] == {"other": "^1.0.0"}
    assert "scripts" not in short


def test_an_unchanged_packument_is_not_sent_again(ada: Caller) -> None:
    ada.approve(ada.staged("thing"))
    tag = ada.get("/thing").headers["etag"]

    again = ada.get("/thing", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")

    ada.approve(ada.staged("thing", "1.1.0"))
    assert ada.get("/thing", headers={"if-none-match": tag}).status_code == 200


def test_dist_tags_are_moved_and_removed(ada: Caller, grace: Caller) -> None:
    for version in ("1.0.0", "1.1.0"):
        ada.approve(ada.staged("thing", version))
    path = "/-/package/thing/dist-tags"

    assert grace.call("PUT", f"{path}/latest", json="1.0.0").status_code == 403
    assert ada.call("PUT", f"{path}/latest", json="9.9.9").status_code == 404
    assert ada.call("PUT", f"{path}/old", json="1.0.0").status_code == 201
    assert ada.get(path).json() == {"latest": "1.1.0", "old": "1.0.0"}
    assert ada.call("DELETE", f"{path}/old").status_code == 200
    assert ada.call("DELETE", f"{path}/latest").status_code == 400
    assert ada.get(path).json() == {"latest": "1.1.0"}


def test_a_version_is_deprecated_and_taken_back(ada: Caller) -> None:
    ada.approve(ada.staged("thing"))
    for note in ("use other", ""):
        packument = ada.get("/thing").json()
        packument["versions"]["1.0.0"]["deprecated"] = note
        assert ada.call("PUT", "/thing", json=packument).status_code == 200
        live = ada.get("/thing").json()["versions"]["1.0.0"]
        assert live.get("deprecated", "") == note


def test_signing_up_and_in_gives_tokens_and_a_wrong_password_none(
    registry: SandboxRegistry,
) -> None:
    url = f"{registry.url}/-/user/org.couchdb.user:ada"
    sent = {"name": "ada", "password": "secret words", "email": "ada@example.org", "type": "user"}

    def put(**changes: str) -> requests.Response:
        return requests.put(url, json={**sent, **changes}, timeout=TIMEOUT)

    signed_up, signed_in = put(), put()

    assert [signed_up.status_code, signed_in.status_code] == [201, 201]
    ada = Caller(registry, signed_in.json()["token"])
    assert ada.get("/-/whoami").json() == {"username": "ada"}
    assert put(password="guess").status_code == 401
    assert put(name="grace").status_code == 400
    assert signed_up.json()["token"] not in (registry.data / "sandbox.sqlite3").read_text("latin1")


def test_a_tarball_is_found_by_its_own_name_only(ada: Caller) -> None:
    ada.approve(ada.staged("thing"))

    assert ada.get("/thing/-/thing-1.0.0.tgz").status_code == 200
    for path in ("thing-2.0.0.tgz", "1.0.0.tgz", "other-1.0.0.tgz", "..%2fcontrol.secret"):
        assert ada.get(f"/thing/-/{path}").status_code == 404

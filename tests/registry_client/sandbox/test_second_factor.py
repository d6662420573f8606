"""How the sandbox asks for a second factor, in each of its ways."""

import pyotp
import pytest
import requests

from registry_client.sandbox.server import SandboxRegistry
from tests.registry_client.sandbox.conftest import TIMEOUT, Caller, StartSandbox

WRONG = "not a code"


def _user(registry: SandboxRegistry, name: str = "ada") -> Caller:
    return Caller(registry, registry.create_user(name))


def _is_challenge(answer: requests.Response) -> bool:
    asks = answer.headers.get("www-authenticate", "").lower() == "otp"
    return answer.status_code == 401 and asks and "one-time pass" in answer.text


@pytest.mark.parametrize("mode", ["classic", "single-use", "web"])
def test_a_decision_without_a_good_code_is_challenged_and_changes_nothing(
    start_sandbox: StartSandbox, mode: str
) -> None:
    ada = _user(start_sandbox(mode))
    stage_id = ada.staged("thing")

    for answer in (
        ada.approve(stage_id),
        ada.approve(stage_id, WRONG),
        ada.reject(stage_id),
        ada.reject(stage_id, WRONG),
    ):
        assert _is_challenge(answer)

    assert ada.get(f"/-/stage/{stage_id}").status_code == 200
    assert list(ada.get("/thing").json()["versions"]) == ["0.0.0-stage"]


def test_a_classic_code_may_be_used_again_within_its_step(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("classic")
    ada = _user(registry)
    ids = [ada.staged("thing", f"1.0.{number}") for number in range(2)]
    code = registry.code("ada")

    assert [ada.approve(stage_id, code).status_code for stage_id in ids] == [201, 201]


def test_a_code_of_somebody_else_or_of_long_ago_is_refused(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("classic")
    ada = _user(registry)
    _user(registry, "grace")
    stage_id = ada.staged("thing")

    assert _is_challenge(ada.approve(stage_id, registry.code("grace")))
    assert _is_challenge(ada.approve(stage_id, registry.code("ada", steps=-3)))


def test_a_single_use_code_is_refused_the_second_time(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("single-use")
    ada = _user(registry)
    ids = [ada.staged("thing", f"1.0.{number}") for number in range(3)]
    code = registry.code("ada")

    assert ada.approve(ids[0], code).status_code == 201
    again = ada.approve(ids[1], code)
    assert _is_challenge(again)
    assert "error" in again.json()
    assert ada.approve(ids[1], registry.code("ada", steps=-1)).status_code == 401
    assert ada.approve(ids[1], registry.code("ada", steps=1)).status_code == 201


def test_five_failures_in_a_row_lock_the_account_for_five_minutes(
    start_sandbox: StartSandbox,
) -> None:
    registry = start_sandbox("single-use")
    ada = _user(registry)
    stage_id = ada.staged("thing")
    for _ in range(5):
        ada.approve(stage_id, WRONG)

    assert ada.approve(stage_id, registry.code("ada")).status_code == 401
    registry.control.move_clock(290)
    assert ada.approve(stage_id, registry.code("ada")).status_code == 401
    registry.control.move_clock(15)
    assert ada.approve(stage_id, registry.code("ada")).status_code == 201


def test_a_success_forgets_the_failures_before_it(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("single-use")
    ada = _user(registry)
    ids = [ada.staged("thing", f"1.0.{number}") for number in range(2)]

    for stage_id in ids:
        for _ in range(4):
            ada.approve(stage_id, WRONG)
        assert ada.approve(stage_id, registry.code("ada")).status_code == 201
        registry.control.move_clock(30)


def test_the_web_flow_gives_a_token_once_the_person_has_clicked(
    start_sandbox: StartSandbox,
) -> None:
    ada = _user(start_sandbox("web"))
    stage_id = ada.staged("thing")
    challenge = ada.approve(stage_id, **{"npm-auth-type": "web", "npm-command": "stage"})
    assert challenge.status_code == 401
    urls = challenge.json()

    waiting = requests.get(urls["doneUrl"], timeout=TIMEOUT)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    page = requests.get(urls["authUrl"], timeout=TIMEOUT)
    assert "Approve and publish thing 1.0.0" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    clicked = requests.post(urls["authUrl"], timeout=TIMEOUT)
    assert "Confirmed" in clicked.text
    token = requests.get(urls["doneUrl"], timeout=TIMEOUT).json()["token"]

    assert ada.approve(stage_id, token).status_code == 201
    assert requests.get(urls["doneUrl"], timeout=TIMEOUT).status_code == 404


def _web_token(caller: Caller, stage_id: str) -> str:
    urls = caller.approve(stage_id, **{"npm-auth-type": "web"}).json()
    requests.post(urls["authUrl"], timeout=TIMEOUT)
    return str(requests.get(urls["doneUrl"], timeout=TIMEOUT).json()["token"])


def test_a_web_token_counts_once_for_its_user_and_not_for_long(
    start_sandbox: StartSandbox,
) -> None:
    registry = start_sandbox("web")
    ada, grace = _user(registry), _user(registry, "grace")
    ids = [ada.staged("thing", f"1.0.{number}") for number in range(3)]
    registry.grant("thing", "grace")
    token = _web_token(ada, ids[0])

    assert grace.approve(ids[0], token).status_code == 401
    assert ada.approve(ids[0], token).status_code == 201
    assert ada.approve(ids[1], token).status_code == 401

    late = _web_token(ada, ids[2])
    registry.control.move_clock(301)
    assert ada.approve(ids[2], late).status_code == 401


def test_a_package_name_cannot_put_markup_on_the_confirmation_page(
    start_sandbox: StartSandbox,
) -> None:
    ada = _user(start_sandbox("web"))
    answer = ada.call(
        "PUT",
        "/-/package/%3Cb%3Ething/dist-tags/old",
        json="1.0.0",
        headers={"npm-auth-type": "web"},
    )

    page = requests.get(answer.json()["authUrl"], timeout=TIMEOUT)

    assert "&lt;b&gt;thing" in page.text
    assert "<b>thing" not in page.text


def test_an_account_without_a_second_factor_cannot_approve(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("classic")
    ada = Caller(registry, registry.create_user("ada", enrolled=False))

    answer = ada.approve(ada.staged("thing"))

    assert answer.status_code == 403
    assert answer.json()["message"] == "Please enable 2fa for your account"


def test_a_second_factor_is_enrolled_as_npm_does_it(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("classic")
    ada = Caller(registry, registry.create_user("ada", "secret words", enrolled=False))
    wish = {"mode": "auth-and-writes", "password": "secret words"}

    wrong = ada.call("POST", "/-/npm/v1/user", json={"tfa": {**wish, "password": "guess"}})
    assert wrong.status_code == 401
    begun = ada.call("POST", "/-/npm/v1/user", json={"tfa": wish}).json()["tfa"]
    assert begun.startswith("otpauth://")
    assert ada.call("POST", "/-/npm/v1/user", json={"tfa": ["wrong"]}).status_code == 401
    secret = begun.split("secret=")[1].split("&")[0]
    code = pyotp.TOTP(secret).at(int(registry.control.now()))
    assert ada.call("POST", "/-/npm/v1/user", json={"tfa": [code]}).status_code == 200

    assert registry.totp_secret("ada") == secret
    assert _is_challenge(ada.approve(ada.staged("thing")))

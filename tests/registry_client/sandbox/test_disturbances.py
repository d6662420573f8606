"""How the sandbox misbehaves when told to."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from registry_client.sandbox.control import CONTROL_PATH, SandboxControl
from registry_client.sandbox.server import SandboxRegistry
from tests.registry_client.sandbox.conftest import TIMEOUT, Caller


@pytest.mark.parametrize("secret", ["", "guess"])
def test_a_control_call_needs_the_secret(registry: SandboxRegistry, secret: str) -> None:
    control = SandboxControl(registry.url, secret)

    with pytest.raises(requests.HTTPError, match="403"):
        control.refuse(503)

    assert requests.get(registry.url, timeout=TIMEOUT).status_code == 200


def test_the_next_requests_below_a_path_are_refused(registry: SandboxRegistry, ada: Caller) -> None:
    registry.control.refuse(429, count=2, prefix="/-/stage", retry_after=7)

    assert ada.get("/-/whoami").status_code == 200
    first, second, third = (ada.get("/-/stage") for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [429, 429, 200]
    assert first.headers["retry-after"] == "7"
    assert "Too Many Requests" in first.json()["message"]


def test_a_refused_approval_is_not_carried_out(registry: SandboxRegistry, ada: Caller) -> None:
    stage_id = ada.staged("thing")
    registry.control.refuse(503, prefix="/-/stage", method="POST")

    assert ada.get(f"/-/stage/{stage_id}").status_code == 200
    assert ada.approve(stage_id).status_code == 503
    assert ada.get(f"/-/stage/{stage_id}").status_code == 200


def test_a_slow_answer_outlasts_an_impatient_client(registry: SandboxRegistry, ada: Caller) -> None:
    registry.control.slow_down(1.0, "/-/stage")

    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{registry.url}/-/stage", timeout=0.2)
    assert ada.get("/-/whoami").status_code == 200


def test_an_approved_version_becomes_visible_after_the_delay(
    registry: SandboxRegistry, ada: Caller
) -> None:
    ada.approve(ada.staged("thing", "1.0.0"))
    registry.control.delay_visibility(300)
    stage_id = ada.staged("thing", "1.1.0")

    assert ada.approve(stage_id).status_code == 201

    hidden = ada.get("/thing").json()
    assert "1.1.0" not in hidden["versions"]
    assert "1.1.0" not in hidden["time"]
    assert hidden["dist-tags"] == {"latest": "1.0.0"}
    assert ada.get("/thing/-/thing-1.1.0.tgz").status_code == 404
    assert ada.get(f"/-/stage/{stage_id}").status_code == 404
    again = ada.stage("thing", "1.1.0")
    assert (again.status_code, again.json()["message"]) == (
        409,
        "Cannot publish over previously staged version 1.1.0",
    )

    registry.control.move_clock(301)
    visible = ada.get("/thing").json()
    assert "1.1.0" in visible["versions"]
    assert visible["dist-tags"] == {"latest": "1.1.0"}


def test_a_lost_answer_was_carried_out(registry: SandboxRegistry, ada: Caller) -> None:
    stage_id, other = ada.staged("thing", "1.0.0"), ada.staged("thing", "1.1.0")
    registry.control.lose_answers(1)

    with pytest.raises(requests.ConnectionError):
        ada.approve(stage_id)

    assert "1.0.0" in ada.get("/thing").json()["versions"]
    (lost,) = registry.control.calls("POST", f"/-/stage/{stage_id}")
    assert lost.status == 0
    assert ada.approve(other).status_code == 201


def test_a_decision_held_afterwards_is_in_effect_and_unanswered(
    registry: SandboxRegistry, ada: Caller
) -> None:
    stage_id = ada.staged("thing")
    registry.control.hold("after")

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ada.approve, stage_id)
        registry.control.wait_until_held()
        assert "1.0.0" in ada.get("/thing").json()["versions"]
        assert not answer.done()
        registry.control.release()

        assert answer.result().status_code == 201


def test_the_calls_are_remembered_without_their_secrets(
    registry: SandboxRegistry, ada: Caller
) -> None:
    stage_id = ada.staged("thing")
    ada.approve(stage_id, "123456")

    calls = registry.control.calls()

    assert [(call.method, call.path, call.status) for call in calls] == [
        ("POST", "/-/stage/package/thing", 201),
        ("POST", f"/-/stage/{stage_id}/approve", 201),
    ]
    assert "123456" not in repr(calls)


def test_reset_ends_all_of_it(registry: SandboxRegistry, ada: Caller) -> None:
    control = registry.control
    control.refuse(503, count=100)
    control.delay_visibility(300)
    control.lose_answers(5)
    control.hold("before")
    control.move_clock(10_000)

    control.reset()

    assert ada.approve(ada.staged("thing")).status_code == 201
    assert "1.0.0" in ada.get("/thing").json()["versions"]


def test_an_unknown_order_is_refused(registry: SandboxRegistry) -> None:
    secret = (registry.data / "control.secret").read_text()

    answer = requests.post(
        registry.url + CONTROL_PATH,
        json={"do": "explode"},
        headers={"x-sandbox-control": secret},
        timeout=TIMEOUT,
    )

    assert answer.status_code == 400
    assert "delay_visibility" in answer.json()["message"]


def test_the_way_of_asking_can_change(registry: SandboxRegistry) -> None:
    def asked() -> str:
        return str(requests.get(registry.url, timeout=TIMEOUT).json()["second_factor"])

    usual = asked()
    registry.control.ask_otherwise("web")
    assert asked() == "web"
    registry.control.ask_otherwise(None)
    assert asked() == usual != "web"
    with pytest.raises(requests.HTTPError):
        registry.control.ask_otherwise("nonsense")  # type: ignore[arg-type]  # what is to be refused

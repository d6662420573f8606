"""What the sandbox keeps through a restart, a kill and many requests at once."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from registry_client.sandbox.answers import SandboxProblem
from registry_client.sandbox.control import SandboxControl
from registry_client.sandbox.server import SandboxRegistry
from tests.registry_client.sandbox.conftest import TIMEOUT, Caller, StartSandbox, document

SERVE = """
import sys
from pathlib import Path
from registry_client.sandbox.server import serve
folder, port = Path(sys.argv[1]), int(sys.argv[2])
serve(folder, port=port, otp="none", tell=lambda line: print(line, flush=True))
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _sandbox_process(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A sandbox in a process of its own; it listens once this yields."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder), str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert "not a real one" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_everything_is_there_after_a_restart(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("none")
    ada = Caller(registry, registry.create_user("ada"))
    waiting, approved = ada.staged("thing", "1.1.0"), ada.staged("thing", "1.0.0")
    ada.approve(approved)
    url, before = registry.url, ada.get("/thing").json()

    registry.stop()
    registry.start()

    assert registry.url == url
    assert ada.get("/thing").json() == before
    assert ada.get(f"/-/stage/{waiting}/tarball").status_code == 200
    assert ada.approve(waiting).status_code == 201


def test_a_killed_sandbox_keeps_what_it_answered_and_nothing_half_done(tmp_path: Path) -> None:
    folder, port = tmp_path / "data", _free_port()
    with SandboxRegistry(folder, otp="none") as registry:
        token = registry.create_user("ada")
    headers = {"authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{port}"
    answered: list[str] = []

    def stage(number: int) -> None:
        version = f"1.0.{number}"
        sent = document("thing", version)
        try:
            answer = requests.post(
                f"{url}/-/stage/package/thing", json=sent, headers=headers, timeout=TIMEOUT
            )
        except requests.RequestException:
            return
        if answer.status_code == 201:
            answered.append(answer.json()["stageId"])
            if len(answered) == 10:
                os.kill(process.pid, signal.SIGKILL)

    with _sandbox_process(folder, port) as process, ThreadPoolExecutor(4) as pool:
        list(pool.map(stage, range(40)))

    with SandboxRegistry(folder, otp="none") as registry:
        ada = Caller(registry, token)
        items = ada.get("/-/stage?perPage=100").json()["items"]
        assert {item["id"] for item in items} >= set(answered)
        for item in items:
            assert ada.get(f"/-/stage/{item['id']}/tarball").status_code == 200
        # The placeholder's, and one for each staged version: what was cut off left nothing.
        assert len(list((folder / "tarballs").iterdir())) == len(items) + 1


def test_a_control_of_another_processs_sandbox_reads_its_secret(tmp_path: Path) -> None:
    port = _free_port()
    with _sandbox_process(tmp_path, port):
        control = SandboxControl.of_folder(f"http://127.0.0.1:{port}", tmp_path)
        control.refuse(503)

        assert requests.get(f"http://127.0.0.1:{port}/", timeout=TIMEOUT).status_code == 503
        assert (tmp_path / "control.secret").stat().st_mode & 0o777 == 0o600


def test_sigterm_ends_it_well(tmp_path: Path) -> None:
    with _sandbox_process(tmp_path, _free_port()) as process:
        process.terminate()

        assert process.wait(timeout=TIMEOUT) == 0


def _at_once(count: int, action: Callable[[], requests.Response]) -> Counter[int]:
    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(action) for _ in range(count)]
        return Counter(answer.result().status_code for answer in answers)


def test_of_many_approvals_at_once_exactly_one_wins(registry: SandboxRegistry, ada: Caller) -> None:
    stage_id = ada.staged("thing")
    registry.control.hold("before")

    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(_at_once, 8, lambda: ada.approve(stage_id))
        registry.control.wait_until_held(8)
        registry.control.release()

    assert answers.result() == {201: 1, 404: 7}


def test_approve_and_reject_at_once_agree_on_one_of_them(
    registry: SandboxRegistry, ada: Caller
) -> None:
    stage_id = ada.staged("thing")
    registry.control.hold("before")

    with ThreadPoolExecutor(2) as pool:
        approval = pool.submit(ada.approve, stage_id)
        rejection = pool.submit(ada.reject, stage_id)
        registry.control.wait_until_held(2)
        registry.control.release()
        statuses = {approval.result().status_code, rejection.result().status_code}

    live = "1.0.0" in ada.get("/thing").json()["versions"]
    assert statuses == ({201, 404} if live else {204, 404})


def test_of_many_stagings_at_once_exactly_one_wins(ada: Caller) -> None:
    assert _at_once(8, lambda: ada.stage("thing")) == {201: 1, 409: 7}


def test_of_many_uses_of_one_code_exactly_one_wins(start_sandbox: StartSandbox) -> None:
    registry = start_sandbox("single-use")
    ada = Caller(registry, registry.create_user("ada"))
    ids = [ada.staged("thing", f"1.0.{number}") for number in range(4)]
    code = registry.code("ada")
    waiting = iter(ids)

    assert _at_once(4, lambda: ada.approve(next(waiting), code)) == {201: 1, 401: 3}


def test_a_second_sandbox_on_the_same_folder_is_refused(
    registry: SandboxRegistry,
) -> None:
    with pytest.raises(SandboxProblem, match="Another sandbox already runs"):
        SandboxRegistry(registry.data)


def test_a_port_that_is_taken_is_a_clear_sentence(
    registry: SandboxRegistry, tmp_path: Path
) -> None:
    port = int(registry.url.rpartition(":")[2])
    second = SandboxRegistry(tmp_path / "second", port=port)

    with pytest.raises(SandboxProblem, match=f"cannot listen on 127.0.0.1:{port}"):
        second.start()
    second.stop()


def test_the_command_says_in_one_line_why_it_cannot_start(
    registry: SandboxRegistry, tmp_path: Path
) -> None:
    port = int(registry.url.rpartition(":")[2])

    for taken_port, folder, words in (
        (port, tmp_path / "second", "Name another port"),
        (99999, tmp_path / "third", "Name another port"),
        (0, registry.data, "name another folder"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("sandbox_registry", port=taken_port, data=folder)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - must be refused
def test_it_listens_on_the_loopback_address_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(SandboxProblem, match="loopback"):
        SandboxRegistry(tmp_path, host=host)


def test_a_request_for_another_host_is_refused(registry: SandboxRegistry) -> None:
    rebound = requests.get(registry.url, headers={"host": "attacker.example.com"}, timeout=TIMEOUT)

    assert rebound.status_code == 403


def test_it_says_that_it_is_a_sandbox(registry: SandboxRegistry) -> None:
    answer = requests.get(registry.url, timeout=TIMEOUT)

    assert answer.json()["sandbox"] is True
    assert "sandbox" in answer.headers["x-sandbox"]


def test_a_folder_that_cannot_be_used_is_a_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SandboxProblem, match="cannot keep its data"):
        SandboxRegistry(tmp_path / "file" / "data")


def test_damaged_data_is_a_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "sandbox.sqlite3").write_text("this is no database, " * 100)

    with pytest.raises(SandboxProblem, match="cannot be read"):
        SandboxRegistry(tmp_path)

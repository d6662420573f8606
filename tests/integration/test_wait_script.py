"""/api/v1/wait.sh in a pipeline: the real npm stages, a person decides, the script ends."""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from django.db import connections
from django.test import Client

from approvals.api.models import ContextLink
from approvals.decisions.models import Action
from approvals.people.models import User as Person
from approvals.queue.models import StagedVersion
from approvals.queue.sync import poll
from tests.approvals.api.factories import make_api_token
from tests.integration.conftest import User
from tests.integration.dashboard import Dashboard
from tests.integration.npm import make_package
from tests.integration.registries import RegistryUnderTest

pytestmark = pytest.mark.integration

PATIENCE = 90
LIVE, REJECTED, NOT_IN_TIME, REFUSED = 0, 1, 2, 64


class Served:
    """The API on a port, answered in this process and its test database."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.paths.append(self.path)
                self.answer("GET")

            def do_POST(self) -> None:
                self.answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, method: str, body: bytes = b"") -> None:
                token = self.headers.get("Authorization", "")
                ci = Client(headers={"Authorization": token})
                kind = self.headers.get("Content-Type", "")
                try:
                    answer = ci.generic(method, self.path, body, content_type=kind)
                finally:
                    connections.close_all()
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                with suppress(BrokenPipeError):
                    self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(autouse=True)
def _needs_curl() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed; wait.sh needs it.")


@pytest.fixture
def served(transactional_db: None) -> Iterator[Served]:
    found = Served()
    yield found
    found.server.shutdown()
    found.server.server_close()


class Script:
    """The script as a pipeline runs it: fetched, and started with its secret in the environment."""

    def __init__(self, served: Served, folder: Path, *arguments: str, **variables: str) -> None:
        script = folder / "wait.sh"
        script.write_bytes(requests.get(f"{served.url}/api/v1/wait.sh", timeout=PATIENCE).content)
        environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": served.url, **variables}
        self.process = subprocess.Popen(
            ["/bin/sh", str(script), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out + err


def test_from_stage_publish_to_live(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    served: Served,
    package_name: str,
    tmp_path: Path,
) -> None:
    token = make_api_token(package_name)[1]
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    registry.let_decide(package_name, reviewer.name)
    # Countersign has not polled yet: both wait for it to be found.
    by_stage = Script(served, tmp_path, stage_id, COUNTERSIGN_TOKEN=token)
    by_name = Script(served, tmp_path, package_name, "1.0.0", COUNTERSIGN_TOKEN=token)
    row = dashboard.found(stage_id)
    dashboard.decide(ada, row, registry_code=reviewer.code())
    dashboard.work()
    assert by_stage.end()[0] == LIVE
    assert by_name.end()[0] == LIVE
    # "Live" is what npm says, too.
    assert registry.npm.view(f"{package_name}@1.0.0", "dist.shasum") == row.shasum


def test_a_rejected_version_ends_it_with_1(
    dashboard: Dashboard,
    waiting: StagedVersion,
    reviewer: User,
    ada: Person,
    served: Served,
    tmp_path: Path,
) -> None:
    token = make_api_token()[1]
    script = Script(served, tmp_path, str(waiting.stage_id), COUNTERSIGN_TOKEN=token)
    code = reviewer.code()
    dashboard.decide(ada, waiting, Action.REJECT, registry_code=code, reason="not now")
    dashboard.work()
    code, said = script.end()
    assert code == REJECTED
    assert "rejected" in said


def test_a_version_that_is_not_live_in_time_ends_it_with_2(served: Served, tmp_path: Path) -> None:
    token = make_api_token()[1]
    for minutes in ("0", "-1"):
        script = Script(
            served,
            tmp_path,
            "nobody",
            "1.0.0",
            COUNTERSIGN_TOKEN=token,
            COUNTERSIGN_MINUTES=minutes,
        )
        assert script.end() == (NOT_IN_TIME, "not live in time\n")


@pytest.mark.parametrize("token", ["cst_wrong", 'cst_"; echo pwned #'])
def test_a_token_that_is_none_ends_it_at_once(served: Served, tmp_path: Path, token: str) -> None:
    code, said = Script(served, tmp_path, "left-pad", "1.0.0", COUNTERSIGN_TOKEN=token).end()
    assert code == REFUSED
    assert "no_token" in said
    assert "pwned" not in said.replace(token, "")


def test_without_what_it_needs_it_says_so(served: Served, tmp_path: Path) -> None:
    code, said = Script(served, tmp_path, "left-pad", "1.0.0").end()
    assert code not in {LIVE, REJECTED}
    assert "COUNTERSIGN_TOKEN" in said
    code, said = Script(served, tmp_path, COUNTERSIGN_TOKEN="cst_x").end()
    assert code not in {LIVE, REJECTED}
    assert "STAGE_ID" in said


def test_the_token_is_on_no_command_line(served: Served, tmp_path: Path) -> None:
    """Whoever is on the same machine may read command lines, and no environment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    spy, seen = folder / "curl", tmp_path / "seen"
    spy.write_text(f'#!/bin/sh\ncat /proc/$$/cmdline >> {seen}\nexec {shutil.which("curl")} "$@"\n')
    spy.chmod(0o755)
    token = make_api_token("only-this")[1]
    script = Script(
        served,
        tmp_path,
        "only-this",
        "1.0.0",
        COUNTERSIGN_TOKEN=token,
        PATH=f"{folder}:{os.environ['PATH']}",
    )
    while b"only-this" not in (seen.read_bytes() if seen.exists() else b""):
        assert script.process.poll() is None
    commands = seen.read_bytes()
    script.process.kill()
    script.process.communicate()
    assert b"/api/v1/packages/only-this/versions/1.0.0" in commands
    assert token.encode() not in commands
    assert token.encode() not in Path("/proc/self/cmdline").read_bytes()


@pytest.mark.parametrize("registry", ["sandbox"], indirect=True)
@pytest.mark.parametrize("packed", [False, True], ids=["a folder", "a packed file"])
def test_the_script_of_the_readme_goes_from_stage_to_live(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    ada: Person,
    served: Served,
    package_name: str,
    packed: bool,
    tmp_path: Path,
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    [script] = re.findall(r"```sh\n(set -eu\napi=.*?)```", readme, re.DOTALL)
    project = make_package(tmp_path / "project", package_name, "1.0.0")
    (tmp_path / "countersign.sh").write_text(script)
    if packed:
        registry.npm.run("pack", "--pack-destination", str(project), cwd=project)
        [file] = project.glob("*.tgz")
    token = make_api_token(package_name)[1]
    pipeline = subprocess.Popen(
        ["/bin/sh", str(tmp_path / "countersign.sh"), *([file.name] if packed else [])],
        cwd=project,
        env=registry.npm._environment(maintainer.token)
        | {
            "COUNTERSIGN_URL": served.url,
            "COUNTERSIGN_TOKEN": token,
            "RUN_URL": "https://ci.example.org/run/7",
            "TMPDIR": str(tmp_path),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not StagedVersion.objects.filter(package__name=package_name).exists():
        assert pipeline.poll() is None, pipeline.communicate()
        assert time.monotonic() < deadline
        poll(dashboard.registry)
    stage_id = str(StagedVersion.objects.get(package__name=package_name).stage_id)
    registry.let_decide(package_name, reviewer.name)
    while not ContextLink.objects.exists():
        assert pipeline.poll() is None, pipeline.communicate()
        assert time.monotonic() < deadline
    row = dashboard.found(stage_id)
    dashboard.decide(ada, row, registry_code=reviewer.code())
    dashboard.work()
    said, _ = pipeline.communicate(timeout=PATIENCE)
    assert pipeline.returncode == LIVE, said
    assert said.endswith("live\n")
    assert ContextLink.objects.get().url == "https://ci.example.org/run/7"

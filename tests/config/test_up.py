"""`manage.py up` where something is in its way: one clear line, and nothing left behind."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from registry_client.client import RegistryClient
from tests.program import Program, ProgramEnded, free_port, manage
from tests.services import own_services

pytestmark = pytest.mark.integration

WAIT_SECONDS = 30
CHILDREN = ("sandbox_registry", "celery", "gunicorn")


@pytest.fixture
def services() -> Iterator[dict[str, str]]:
    with own_services() as variables:
        yield variables


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of the loopback address where another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def assert_one_clear_line(output: str, *words: str) -> None:
    """An error of one line that holds these words, and no traceback anywhere."""
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if line.startswith("CommandError: ")]
    for word in words:
        assert word in line


def processes_on(folder: Path) -> dict[int, str]:
    """The command line of every process whose environment names this folder."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        # A process that has ended, and whose parent has not looked yet, has no command line.
        if f"COUNTERSIGN_VAR={folder}".encode() in environment and command:
            found[int(process.name)] = command
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def assert_nothing_is_left(program: Program) -> None:
    wait_until(lambda: not processes_on(program.var), f"still running: {processes_on(program.var)}")
    for port in (program.port, program.sandbox_port):
        with socket.create_server(("127.0.0.1", port)):
            pass


def child(program: Program, words: str) -> int:
    """The process that `up` itself started and whose command line holds these words."""
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    commands = processes_on(program.var)
    (found,) = [int(pid) for pid in children if words in commands.get(int(pid), "")]
    return found


def test_a_busy_port_is_said_in_one_line(tmp_path: Path, taken_port: int) -> None:
    done = manage(tmp_path / "var", {}, "up", f"--port={taken_port}")
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, f"127.0.0.1:{taken_port} is taken", "--port")


def test_a_busy_sandbox_port_is_said_before_anything_starts(
    tmp_path: Path, taken_port: int
) -> None:
    ports = (f"--port={free_port()}", f"--sandbox-port={taken_port}")
    done = manage(tmp_path / "var", {}, "up", "--demo", *ports)
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, f"127.0.0.1:{taken_port} is taken", "--sandbox-port")
    assert not (tmp_path / "var" / "sandbox").exists()


def test_one_port_for_two_servers_is_refused(tmp_path: Path) -> None:
    port = free_port()
    done = manage(tmp_path / "var", {}, "up", "--demo", f"--port={port}", f"--sandbox-port={port}")
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, "--port", "--sandbox-port", "different")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--port=70000", "between 1 and 65535"),
        ("--port=0", "between 1 and 65535"),
        ("--host=192.0.2.1", "192.0.2.1"),
        ("--host=no-such-host.invalid", "no-such-host.invalid"),
    ],
)
def test_an_address_that_cannot_be_is_said_in_words(
    tmp_path: Path, option: str, words: str
) -> None:
    done = manage(tmp_path / "var", {}, "up", option)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert words in done.stderr
    assert "taken by another program" not in done.stderr


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("not a folder")
    done = manage(tmp_path / "a-file" / "var", {}, "up")
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, str(tmp_path / "a-file" / "var"), "COUNTERSIGN_VAR")


def test_a_broker_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    var = tmp_path / "var"
    var.mkdir()
    (var / "broker").write_text("not a folder")
    done = manage(var, {}, "up", f"--port={free_port()}")
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, str(var / "broker"), "COUNTERSIGN_VAR")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"),
        ("REDIS_URL", "redis://127.0.0.1:1/0"),
        ("DATABASE_URL", "not an address"),
        ("DATABASE_URL", "postgres://mia:secret/word@127.0.0.1/nothing"),
        ("REDIS_URL", "redis://:secret/word@127.0.0.1/0"),
    ],
)
def test_a_service_that_does_not_answer_is_named(tmp_path: Path, variable: str, value: str) -> None:
    done = manage(tmp_path / "var", {variable: value}, "up", "--demo", f"--port={free_port()}")
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, variable)
    assert "secret" not in done.stderr


def test_a_demo_code_of_nobody_is_a_clear_error(tmp_path: Path, services: dict[str, str]) -> None:
    done = manage(tmp_path / "var", services, "demo_code", "nobody")
    assert done.returncode == 1
    assert_one_clear_line(done.stderr, "'nobody'", "ada, grace")


@pytest.mark.parametrize("words", ["inspector@", "gunicorn"])
def test_a_crashed_child_stops_everything(
    tmp_path: Path, services: dict[str, str], words: str
) -> None:
    program = Program(tmp_path / "var", services, demo=False, all_workers=True)
    with program:
        os.kill(child(program, words), signal.SIGKILL)
        assert program.wait() == 1
        assert_one_clear_line(program.output, "stopped by itself", "exit code -9")
        assert_nothing_is_left(program)


def test_a_killed_parent_leaves_no_children(tmp_path: Path, services: dict[str, str]) -> None:
    program = Program(tmp_path / "var", services, all_workers=True)
    program.begin()
    program.wait_for("Starting the web server")
    wait_until(
        lambda: all(
            any(words in command for command in processes_on(program.var).values())
            for words in CHILDREN
        ),
        "not all of its children were started",
    )
    os.kill(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert_nothing_is_left(program)


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path, services: dict[str, str]) -> None:
    program = Program(tmp_path / "var", services, all_workers=True)
    program.begin()
    program.wait_for("Starting the web server")
    assert program.stop() == 0
    assert "Traceback" not in program.output
    assert_nothing_is_left(program)


def test_the_demo_keeps_its_state_over_a_restart(tmp_path: Path, services: dict[str, str]) -> None:
    program = Program(tmp_path / "var", services, all_workers=True)
    facts = (
        "from approvals.people.models import User\n"
        "from approvals.queue.models import StagedVersion\n"
        "rows = StagedVersion.objects.order_by('pk').select_related('package')\n"
        "result = [list(User.objects.order_by('pk').values_list('username', flat=True)),\n"
        "          {row.package.name: row.state for row in rows}]"
    )
    # A first start that is killed half-way is completed by the next one.
    program.begin()
    program.wait_for("Building the demo")
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    with program:
        password, token = program.password("ada"), program.token("ada")
        first_codes = program.codes("ada")
        assert not first_codes.used
        with RegistryClient(program.sandbox_url, token) as client:
            (item,) = client.staged_versions("tidewatch")
            client.approve(item.id, first_codes.registry)
        program.wait_for("Published without Countersign: tidewatch")
        people, versions = program.run_python(facts)
        assert versions["tidewatch"] == "published_elsewhere"
        assert people == ["ada", "grace"]
        assert len(versions) == 8
        assert program.stop() == 0
        assert "Traceback" not in program.output
        assert_nothing_is_left(program)

        program.start()
        assert program.run_python(facts) == [people, versions]
        assert program.password("ada") == password
        assert password in program.output
        with RegistryClient(program.sandbox_url, token) as client:
            assert len(client.staged_versions()) == 7
        assert len(program.codes("ada").dashboard) == 6

    # Its registry is known by its address: elsewhere it would be another one.
    program.sandbox_port = free_port()
    with pytest.raises(ProgramEnded):
        program.start()
    assert program.wait() == 1
    assert_one_clear_line(program.output, "--sandbox-port", "COUNTERSIGN_VAR")


def test_an_empty_dashboard_prints_a_link_that_is_good_once(
    tmp_path: Path, services: dict[str, str]
) -> None:
    program = Program(tmp_path / "var", services, demo=False)
    with program:
        first = _link(program)
        assert first.startswith(f"{program.url}/first-run/link/")
        answer = requests.get(f"{program.url}/people/", timeout=WAIT_SECONDS)
        assert (answer.status_code, "manage.py up" in answer.text) == (403, True)
        assert first not in answer.text
    with program:
        link = _link(program)
        assert link != first
        assert requests.get(first, timeout=WAIT_SECONDS).status_code == 410
        session = requests.Session()
        token = re.search(
            'name="csrfmiddlewaretoken" value="(.*?)"', session.get(link, timeout=WAIT_SECONDS).text
        )
        assert token is not None
        form = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}
        form["csrfmiddlewaretoken"] = token[1]
        page = session.post(link, form, timeout=WAIT_SECONDS)
        assert page.url.startswith(f"{program.url}/security/")
        assert requests.get(link, timeout=WAIT_SECONDS).status_code == 410
        # Neither what was served nor what was refused puts it into the output again.
        assert program.output.count(link.split("/")[-2]) == 1
    with program:
        assert "/first-run/link/" not in program.output


def _link(program: Program) -> str:
    (found,) = re.findall(r"^ +(http://\S+/first-run/link/\S+)$", program.output, re.MULTILINE)
    return str(found)


def test_the_demo_keeps_out_of_a_database_with_other_people(
    tmp_path: Path, services: dict[str, str]
) -> None:
    var = tmp_path / "var"
    demo = Program(var, services)
    assert demo.manage("migrate", "--verbosity=0").returncode == 0
    demo.run_python(
        "from approvals.people.models import User\n"
        "User.objects.create_superuser('mia', 'mia@example.org', 'a password of hers')"
    )
    with pytest.raises(ProgramEnded):
        demo.start()
    assert demo.wait() == 1
    assert_one_clear_line(demo.output, "already has people", "COUNTERSIGN_VAR")
    people = demo.run_python(
        "from approvals.people.models import User\n"
        "result = list(User.objects.values_list('username', flat=True))"
    )
    assert people == ["mia"]
    assert_nothing_is_left(demo)

"""The page's commands that take a version back, run exactly as they are shown with the real npm."""

import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import reverse

from approvals.inspection import requests
from approvals.inspection.inspecting import inspect
from approvals.people.models import Role, User
from approvals.queue.models import Registry, StagedVersion, State
from approvals.queue.registries import add_registry
from approvals.queue.sync import poll
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.factories import make_user
from tests.approvals.web.pages import sign_in
from tests.integration.dashboard import Dashboard
from tests.integration.npm import TIMEOUT_SECONDS, Npm, make_package, why_npm_is_missing
from tests.integration.registries import RegistryUnderTest

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NAME = "@ada/thing"


class Shell(Npm):
    """A person's terminal, in which npm has their settings."""

    def type(self, line: str, token: str, code: str = "", shell: str = "sh") -> str:
        finished = subprocess.run(
            [shell, "-c", line],
            cwd=self._home,
            env=self._environment(token) | ({"npm_config_otp": code} if code else {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        said = finished.stdout + finished.stderr
        assert "npm warn" not in said
        return said

    def prefer(self, setting: str) -> None:
        """Adds a line to the person's own settings."""
        with self._settings.open("a") as settings:
            settings.write(f"{setting}\n")


@pytest.fixture(autouse=True)
def _needs_npm() -> None:
    if missing := why_npm_is_missing():
        pytest.skip(missing)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxRegistry]:
    with SandboxRegistry(tmp_path / "data", otp="classic") as running:
        yield running


@pytest.fixture
def token(sandbox: SandboxRegistry) -> str:
    return sandbox.create_user("ada")


@pytest.fixture
def shell(sandbox: SandboxRegistry, tmp_path: Path) -> Shell:
    return Shell(sandbox.url, tmp_path / "npm")


@pytest.fixture
def registered(sandbox: SandboxRegistry, token: str) -> Registry:
    return add_registry(
        actor=None, name="sandbox", url=sandbox.url, read_token=token, is_sandbox=True
    )


@pytest.fixture
def reader() -> User:
    return make_user("grace", role=Role.APPROVER)


def publish(
    shell: Shell, sandbox: SandboxRegistry, token: str, tmp_path: Path, version: str, tag: str
) -> None:
    package = make_package(tmp_path / f"package-{version}", NAME, version)
    shell.publish(package, token, tag, sandbox.code("ada"))


def let_out(
    shell: Shell,
    sandbox: SandboxRegistry,
    registry: Registry,
    token: str,
    folder: Path,
    *,
    version: str,
    tag: str = "latest",
) -> StagedVersion:
    """Stages with npm, has the dashboard find it, and publishes it as its decision would."""
    package = make_package(folder / f"package-{version}", NAME, version)
    stage_id = shell.stage_publish(package, token, tag)
    assert poll(registry) is not None
    requests.request_missing()
    while request := requests.claim_due():
        inspect(request)
    row = StagedVersion.objects.get(stage_id=stage_id)
    shell.run("stage", "approve", stage_id, "--otp", sandbox.code("ada"), token=token)
    row.state = State.LIVE
    row.save(update_fields=["state"])
    return row


def shown(reader: User, row: StagedVersion, **typed: str) -> list[str]:
    """The commands on the version's page, as a click on each copies them."""
    page = sign_in(reader).get(reverse("version", args=[row.pk]), typed).content.decode()
    return [
        html.unescape(one)
        for one in re.findall(r'<pre class="command"[^>]*><code>([^<]*)</code>', page)
    ]


def test_the_commands_on_the_page_take_a_version_back(
    registry: RegistryUnderTest, package_name: str, reader: User, tmp_path: Path
) -> None:
    name = f"@ada/{package_name}"
    token = registry.create_user_without_codes(f"ada-of-{package_name}")
    shell = Shell(registry.url, tmp_path / "npm")
    dashboard = Dashboard(
        add_registry(actor=None, name=registry.kind, url=registry.url, read_token=token)
    )
    with registry.asking_nobody():
        shell.publish(registry.package(name, "1.0.0"), token)
        row = dashboard.found(registry.stage(name, "1.1.0", token))
        shell.run("stage", "approve", str(row.stage_id), token=token)
        assert shell.view(name, "dist-tags.latest", token) == "1.1.0"
        StagedVersion.objects.filter(pk=row.pk).update(state=State.LIVE)
        commands = shown(reader, row)
        assert len(commands) == 2
        # Wherever else this person's npm sends the scope.
        shell.prefer("@ada:registry=http://127.0.0.1:9/")

        for line in commands:
            shell.type(line, token)

    fresh = Npm(registry.url, tmp_path / "fresh")
    assert fresh.view(name, "dist-tags.latest", token) == "1.0.0"
    assert fresh.view(f"{name}@1.1.0", "deprecated", token) == (
        "Do not use 1.1.0: it was taken back. Use 1.0.0."
    )
    assert not fresh.view(f"{name}@1.0.0", "deprecated", token)
    installed = fresh.install(name, tmp_path / "project", token)
    assert (installed / "index.js").read_text() == "module.exports = '1.0.0'\n"


def test_what_a_person_types_is_what_installers_read(
    sandbox: SandboxRegistry,
    registered: Registry,
    reader: User,
    shell: Shell,
    token: str,
    tmp_path: Path,
) -> None:
    publish(shell, sandbox, token, tmp_path, "1.0.0", "latest")
    row = let_out(
        shell,
        sandbox,
        registered,
        token,
        tmp_path,
        version="1.1.0",
    )
    message = "It's broken (see https://ada.example.org/~issues?n=7): *use* 1.0.0; sorry #7"

    for line in shown(reader, row, back_to="1.0.0", message=message):
        shell.type(line, token, sandbox.code("ada"), "bash")

    assert shell.view(f"{NAME}@1.1.0", "deprecated", token) == message
    assert shell.view(NAME, "dist-tags.latest", token) == "1.0.0"


def test_a_dist_tag_that_was_new_is_gone_again(
    sandbox: SandboxRegistry,
    registered: Registry,
    reader: User,
    shell: Shell,
    token: str,
    tmp_path: Path,
) -> None:
    publish(shell, sandbox, token, tmp_path, "1.0.0", "latest")
    row = let_out(
        shell,
        sandbox,
        registered,
        token,
        tmp_path,
        version="2.0.0-rc.1",
        tag="next",
    )
    assert shell.view(NAME, "dist-tags.next", token) == "2.0.0-rc.1"

    for line in shown(reader, row):
        shell.type(line, token, sandbox.code("ada"))

    assert "next:" not in shell.run("dist-tag", "ls", NAME, token=token)
    assert "taken back" in shell.view(f"{NAME}@2.0.0-rc.1", "deprecated", token)

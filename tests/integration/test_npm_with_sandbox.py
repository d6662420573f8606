"""The real npm client, unchanged, against the sandbox: every command of a staged release."""

import hashlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry_client.client import RegistryClient
from registry_client.sandbox.demo_organisation import build
from registry_client.sandbox.server import SandboxRegistry
from tests.authority import GITHUB, MOMENT
from tests.integration.npm import Npm, NpmFailed, make_package, why_npm_is_missing

pytestmark = pytest.mark.integration

TIMEOUT = 60


class TrustingNpm(Npm):
    """npm that takes whatever bundle is handed in."""

    def _environment(self, token: str) -> dict[str, str]:
        preloaded = Path(__file__).parent / "handed_in_provenance.js"
        return super()._environment(token) | {"NODE_OPTIONS": f"--require={preloaded}"}


class TerminalNpm(Npm):
    """npm with a terminal: it asks, and waits for answers, there only."""

    def approve_at_a_terminal(self, stage_id: str, token: str) -> str:
        """Approve as a person does, click in the page, and return what was printed."""
        program = shutil.which("npm")
        assert program is not None
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [program, "stage", "approve", stage_id],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env=self._environment(token),
            close_fds=True,
        )
        os.close(follower)
        printed, clicked = "", False
        deadline = time.monotonic() + TIMEOUT
        try:
            while time.monotonic() < deadline:
                ready, _, _ = select.select([leader], [], [], 0.5)
                if not ready:
                    continue
                try:
                    chunk = os.read(leader, 4096)
                except OSError:  # the terminal's other end was closed: npm has ended
                    break
                if not chunk:
                    break
                printed += chunk.decode(errors="replace")
                address = re.escape(self.registry_url) + r"-/sandbox/confirm/[\w-]+(?=\s)"
                page = re.search(address, printed)
                if page and not clicked:
                    requests.post(page[0], timeout=TIMEOUT)
                    clicked = True
            assert process.wait(timeout=TIMEOUT) == 0, printed
        finally:
            process.kill()
            process.wait()
            os.close(leader)
        return printed


@pytest.fixture(autouse=True)
def _needs_npm() -> None:
    if missing := why_npm_is_missing():
        pytest.skip(missing)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SandboxRegistry]:
    with SandboxRegistry(tmp_path / "data", otp="classic") as running:
        yield running


@pytest.fixture
def npm(registry: SandboxRegistry, tmp_path: Path) -> Npm:
    return Npm(registry.url, tmp_path / "npm")


@pytest.fixture
def token(registry: SandboxRegistry) -> str:
    return registry.create_user("ada")


def test_a_version_goes_from_stage_publish_to_install(
    registry: SandboxRegistry, npm: Npm, token: str, tmp_path: Path
) -> None:
    package = make_package(tmp_path / "package", "@ada/thing", "1.0.0")

    stage_id = npm.stage_publish(package, token)

    (listed,) = json.loads(npm.run("stage", "list", "@ada/thing", "--json", token=token))
    assert (listed["id"], listed["version"], listed["tag"]) == (stage_id, "1.0.0", "latest")
    viewed = npm.run("stage", "view", stage_id, token=token)
    assert "package name: @ada/thing" in viewed
    assert "staged by: ada (user)" in viewed
    downloaded = npm.run("stage", "download", stage_id, cwd=tmp_path, token=token)
    file_name = f"ada-thing-1.0.0-{stage_id}.tgz"
    assert file_name in downloaded
    assert (tmp_path / file_name).stat().st_size > 0
    assert npm.view("@ada/thing", "versions", token) in ("0.0.0-stage", ["0.0.0-stage"])

    approved = npm.run("stage", "approve", stage_id, "--otp", registry.code("ada"), token=token)

    assert "approved and published successfully" in approved
    assert npm.run("stage", "list", token=token).strip() == "No staged packages found."
    assert npm.view("@ada/thing", "dist-tags.latest", token) == "1.0.0"
    installed = npm.install("@ada/thing@1.0.0", tmp_path / "project")
    assert (installed / "index.js").read_text() == "module.exports = '1.0.0'\n"


def test_the_provenance_that_npm_sends_is_what_the_registry_serves(
    registry: SandboxRegistry, token: str, tmp_path: Path
) -> None:
    """`npm stage publish --provenance-file` checks the bundle's subject (name and digest) itself,
    and attaches it (libnpmpublish, publish.js) as NAME-VERSION.sigstore, with the bundle's media
    type and its JSON as text, where a tarball is base64. Only npm's verification against the public
    Sigstore, whose root it would fetch, is left out here."""
    npm = TrustingNpm(registry.url, tmp_path / "npm")
    package = make_package(tmp_path / "package", "@ada/thing", "1.0.0")
    npm.run("pack", "--pack-destination", str(tmp_path), cwd=package)
    sha512 = hashlib.sha512((tmp_path / "ada-thing-1.0.0.tgz").read_bytes()).hexdigest()
    bundle = tmp_path / "provenance.json"
    bundle.write_text(
        json.dumps(
            registry.authority.issue(
                GITHUB.statement("@ada/thing", "1.0.0", sha512), GITHUB.claims(), at=MOMENT
            )
        )
    )

    options = ("--access=public", f"--provenance-file={bundle}")
    printed = npm.run("stage", "publish", "--json", *options, cwd=package, token=token)

    with RegistryClient(registry.url, token) as client:
        (provenance,) = client.attestations("@ada/thing", "1.0.0")
        assert provenance.predicate_type == "https://slsa.dev/provenance/v1"
        assert provenance.bundle == json.loads(bundle.read_text())
        (described,) = json.loads(printed).values()
        client.approve(described["stageId"], registry.code("ada"))
        _, provenance = client.attestations("@ada/thing", "1.0.0")
        assert provenance.bundle == json.loads(bundle.read_text())
        live = client.packument("@ada/thing").versions["1.0.0"]
        assert live.attestations_url


@pytest.mark.parametrize("code", ["", "000000x"])
@pytest.mark.parametrize("command", ["approve", "reject"])
def test_npm_asks_for_the_code_that_is_missing_or_wrong(
    npm: Npm, token: str, tmp_path: Path, command: str, code: str
) -> None:
    stage_id = npm.stage_publish(make_package(tmp_path / "package", "thing", "1.0.0"), token)
    otp = ["--otp", code] if code else []

    with pytest.raises(NpmFailed) as failure:
        npm.run("stage", command, stage_id, *otp, token=token)

    assert failure.value.code == "EOTP"
    assert npm.run("stage", "view", stage_id, token=token)


def test_a_rejected_version_can_be_staged_again(
    registry: SandboxRegistry, npm: Npm, token: str, tmp_path: Path
) -> None:
    package = make_package(tmp_path / "package", "thing", "1.0.0")
    stage_id = npm.stage_publish(package, token)
    with pytest.raises(NpmFailed) as failure:
        npm.stage_publish(package, token)
    assert failure.value.code == "E409"

    npm.run("stage", "reject", stage_id, "--otp", registry.code("ada"), token=token)

    with pytest.raises(NpmFailed) as failure:
        npm.run("stage", "view", stage_id, token=token)
    assert failure.value.code == "E404"
    assert npm.stage_publish(package, token) != stage_id


def test_a_direct_publish_its_dist_tag_and_its_deprecation(
    registry: SandboxRegistry, npm: Npm, token: str, tmp_path: Path
) -> None:
    package = make_package(tmp_path / "package", "thing", "1.0.0-rc.1")
    with pytest.raises(NpmFailed) as failure:
        npm.publish(package, token, "next")
    assert failure.value.code == "EOTP"

    npm.publish(package, token, "next", registry.code("ada"))
    otp = ("--otp", registry.code("ada"))
    npm.run("dist-tag", "add", "thing@1.0.0-rc.1", "beta", *otp, token=token)
    npm.run("deprecate", "thing@1.0.0-rc.1", "too early", *otp, token=token)

    assert "beta: 1.0.0-rc.1" in npm.run("dist-tag", "ls", "thing", token=token)
    assert npm.view("thing@next", "deprecated", token) == "too early"


def test_whoami_ping_and_the_audit_of_an_install(npm: Npm, token: str, tmp_path: Path) -> None:
    assert npm.run("whoami", token=token).strip() == "ada"
    npm.run("ping", token=token)
    project = make_package(tmp_path / "project", "project", "1.0.0")

    assert "found 0 vulnerabilities" in npm.run("install", cwd=project, token=token)


def test_the_web_flow_of_a_person_at_a_terminal(tmp_path: Path) -> None:
    with SandboxRegistry(tmp_path / "data", otp="web") as registry:
        token = registry.create_user("ada")
        npm = TerminalNpm(registry.url, tmp_path / "npm")
        stage_id = npm.stage_publish(make_package(tmp_path / "package", "thing", "1.0.0"), token)

        printed = npm.approve_at_a_terminal(stage_id, token)

        assert f"Staged package {stage_id} approved and published successfully." in printed
        assert npm.view("thing", "version", token) == "1.0.0"


def test_the_demonstrations_release_installs_and_runs(
    registry: SandboxRegistry, npm: Npm, tmp_path: Path
) -> None:
    grace = build(registry).users["grace"]
    staged = json.loads(npm.run("stage", "list", "--json", token=grace.token))
    for item in staged:
        if item["packageName"].startswith("@lighthouse/"):
            code = registry.code("grace")
            npm.run("stage", "approve", item["id"], "--otp", code, token=grace.token)
    project = tmp_path / "project"
    project.mkdir()
    (project / "lighthouse.json").write_text('{"include": ["nowhere"]}')
    (project / "src").mkdir()

    npm.install("@lighthouse/cli@2.1.0", project)

    node = shutil.which("node")
    assert node is not None
    finished = subprocess.run(
        [node, "node_modules/.bin/lighthouse", "check"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr == "There is no folder nowhere.\n"

"""Runs the real npm client against a registry, apart from the machine's own npm settings."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

OLDEST_WITH_STAGE = (11, 15)
TIMEOUT_SECONDS = 60


class NpmFailed(Exception):
    """npm ended with an error; the text holds what it printed."""

    def __init__(self, arguments: tuple[str, ...], output: str) -> None:
        super().__init__(f"npm {' '.join(arguments)} failed:\n{output}")
        self.output = output

    @property
    def code(self) -> str:
        """npm's error code, such as "E409" or "EOTP"; empty where it printed none."""
        found = re.search(r"^npm error code (\S+)$", self.output, re.MULTILINE)
        return found[1] if found else ""


@cache
def why_npm_is_missing() -> str:
    """Return one line saying why the tests cannot use npm here, or "" where they can."""
    npm = shutil.which("npm")
    wanted = ".".join(map(str, OLDEST_WITH_STAGE))
    if npm is None:
        return f"npm is not installed; the integration tests need npm {wanted} or later."
    answer = subprocess.run(
        [npm, "--version"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    version = answer.stdout.strip()
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_WITH_STAGE:
        return f"npm {version} cannot stage; the integration tests need npm {wanted} or later."
    return ""


def make_package(
    directory: Path,
    name: str,
    version: str,
    files: Mapping[str, str | bytes] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Path:
    """Write a package's folder and return it.

    `files` maps paths inside the package to contents; `manifest` adds keys to package.json.
    """
    directory.mkdir(parents=True, exist_ok=True)
    document = {"name": name, "version": version, "license": "MIT", **(manifest or {})}
    (directory / "package.json").write_text(json.dumps(document, indent=2) + "\n")
    for path, content in (files or {"index.js": f"module.exports = '{version}'\n"}).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


class Npm:
    """npm with its own home, settings and cache, pointed at one registry.

    `home` is a folder for this npm alone. Nothing of the machine's npm settings reaches it, and
    tokens reach npm through its environment only: none is written to a file or a command line.
    """

    def __init__(self, registry_url: str, home: Path) -> None:
        self.registry_url = registry_url.rstrip("/") + "/"
        self._home = home
        home.mkdir(parents=True, exist_ok=True)
        address = urlsplit(self.registry_url)
        self._settings = home / "npmrc"
        self._settings.write_text(f"//{address.netloc}{address.path}:_authToken=${{NPM_TOKEN}}\n")

    def run(self, *arguments: str, cwd: Path | None = None, token: str = "") -> str:
        """Run npm and return what it wrote to standard output.

        Raises NpmFailed where it exits with an error.
        """
        npm = shutil.which("npm")
        if npm is None:
            raise NpmFailed(arguments, why_npm_is_missing())
        finished = subprocess.run(
            [npm, *arguments],
            cwd=cwd or self._home,
            env=self._environment(token),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if finished.returncode:
            raise NpmFailed(arguments, finished.stdout + finished.stderr)
        return finished.stdout

    def stage_publish(self, package: Path, token: str, tag: str = "latest") -> str:
        """Stage the package in this folder with `npm stage publish` and return its stage id."""
        printed = self.run("stage", "publish", "--json", "--tag", tag, cwd=package, token=token)
        (described,) = json.loads(printed).values()
        return str(described["stageId"])

    def stage_workspace(self, root: Path, members: Sequence[str], token: str) -> dict[str, str]:
        """Stage these packages of a workspace at once; the stage id of each, by its name."""
        chosen = [part for name in members for part in ("--workspace", name)]
        printed = self.run("stage", "publish", "--json", *chosen, cwd=root, token=token)
        return {name: str(one["stageId"]) for name, one in json.loads(printed).items()}

    def publish(self, package: Path, token: str, tag: str = "latest", otp: str = "") -> None:
        """Publish the package in this folder directly, without staging."""
        code = ["--otp", otp] if otp else []
        self.run("publish", "--json", "--tag", tag, *code, cwd=package, token=token)

    def view(self, package: str, field: str = "", token: str = "") -> Any:
        """Return what `npm view` says of a package (or `name@version`), decoded.

        None where npm prints nothing, as it does for a field the package lacks.
        """
        # npm answers from its cache for some minutes unless it is told to ask.
        printed = self.run(
            "view", package, *([field] if field else []), "--json", "--prefer-online", token=token
        )
        return json.loads(printed) if printed.strip() else None

    def install(self, package: str, directory: Path, token: str = "") -> Path:
        """Install a package into a folder of its own and return where its files are."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "package.json").write_text('{"private": true}\n')
        self.run(
            "install",
            package,
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefer-online",
            cwd=directory,
            token=token,
        )
        name = package[: package.index("@", 1)] if "@" in package[1:] else package
        return directory / "node_modules" / name

    def _environment(self, token: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "NPM_TOKEN": token,
            "npm_config_registry": self.registry_url,
            "npm_config_userconfig": str(self._settings),
            "npm_config_globalconfig": str(self._home / "no-global-npmrc"),
            "npm_config_cache": str(self._home / "cache"),
            "npm_config_update_notifier": "false",
            "npm_config_loglevel": "notice",
            "npm_config_fetch_retries": "0",
        }

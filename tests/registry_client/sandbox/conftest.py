"""A sandbox that runs for one test, and a plain HTTP client to speak to it with."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from registry_client.sandbox.documents import pack, publish_document
from registry_client.sandbox.second_factor import Mode
from registry_client.sandbox.server import SandboxRegistry

TIMEOUT = 30

StartSandbox = Callable[..., SandboxRegistry]


class Caller:
    """Somebody with a token (or without one) who calls a registry."""

    def __init__(self, registry: SandboxRegistry, token: str = "") -> None:
        self.registry = registry
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {**self._headers, **options.pop("headers", {})}
        return requests.request(
            method,
            self.registry.url + path,
            headers=headers,
            timeout=TIMEOUT,
            allow_redirects=False,
            **options,
        )

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", path, **options)

    def stage(self, name: str, version: str = "1.0.0", **options: Any) -> requests.Response:
        return self.call(
            "POST",
            f"/-/stage/package/{name.replace('/', '%2f')}",
            json=document(name, version, **options),
        )

    def staged(self, name: str, version: str = "1.0.0", **options: Any) -> str:
        answer = self.stage(name, version, **options)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["stageId"])

    def approve(self, stage_id: str, code: str = "", **headers: str) -> requests.Response:
        return self.call("POST", f"/-/stage/{stage_id}/approve", headers=_otp(code, headers))

    def reject(self, stage_id: str, code: str = "") -> requests.Response:
        return self.call("DELETE", f"/-/stage/{stage_id}", headers=_otp(code, {}))


def document(name: str, version: str = "1.0.0", **options: Any) -> dict[str, Any]:
    """What a client sends to publish a small package; the content differs with the version."""
    manifest = {"name": name, "version": version, **options.pop("manifest", {})}
    files = {"package.json": json.dumps(manifest), "index.js": f"export default '{version}';\n"}
    return publish_document(manifest, pack(files), **options)


def _otp(code: str, headers: dict[str, str]) -> dict[str, str]:
    return {**headers, **({"npm-otp": code} if code else {})}


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[StartSandbox]:
    """Start a sandbox with this second factor; it is stopped when the test ends."""
    started: list[SandboxRegistry] = []

    def start(otp: Mode = "classic", folder: str = "data") -> SandboxRegistry:
        registry = SandboxRegistry(tmp_path / folder, otp=otp).start()
        started.append(registry)
        return registry

    yield start
    for registry in started:
        registry.stop()


@pytest.fixture
def registry(start_sandbox: StartSandbox) -> SandboxRegistry:
    """A running sandbox without a second factor."""
    return start_sandbox("none")


@pytest.fixture
def ada(registry: SandboxRegistry) -> Caller:
    return Caller(registry, registry.create_user("ada"))


@pytest.fixture
def grace(registry: SandboxRegistry) -> Caller:
    return Caller(registry, registry.create_user("grace"))

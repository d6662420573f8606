"""The registries the integration tests run against, behind one face."""

import base64
import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from registry_client.client import RegistryClient
from registry_client.sandbox.server import SandboxRegistry
from tests.integration.codes import FreshCodes
from tests.integration.npm import Npm, make_package
from tests.integration.verdaccio import GUARDED_SCOPE, REQUEST_TIMEOUT, VerdaccioRegistry

CREATED = 201
PASSWORD = "correct horse battery staple"


class RegistryUnderTest(ABC):
    """A running registry, its users with their second factors, and a real npm pointed at it.

    Attributes: `kind`, "sandbox" or "verdaccio"; `url`; `npm`; `server`, the thing itself.
    """

    kind: str
    url: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packages = itertools.count()
        self._session = requests.Session()
        self._session.trust_env = False
        self.npm = Npm(self.url, folder / "npm")

    @abstractmethod
    def create_user(self, name: str, password: str = PASSWORD) -> str:
        """Sign up a user, turn the TOTP second factor on, and return the token."""

    @abstractmethod
    def create_user_without_codes(self, name: str) -> str:
        """Sign up a user of whom `asking_nobody` has no second factor asked; return the token."""

    @contextmanager
    def asking_nobody(self) -> Iterator[None]:
        """Has the registry carry decisions out without a second factor, where the user has none."""
        yield

    @abstractmethod
    def code(self, name: str, lasting: float = 5.0) -> str:
        """Return a code this user never used, acceptable for `lasting` seconds at least.

        A new user has two of them at once; the third waits for the clock.
        """

    @abstractmethod
    def wrong_code(self, name: str) -> str:
        """Return six digits that are no code of this user."""

    @abstractmethod
    def guarded(self, name: str) -> str:
        """Return this package name in a form that strangers may neither see staged nor publish."""

    @abstractmethod
    def stage_out_of_reach(self, name: str, user: str, token: str) -> str:
        """Stage a version of this package that the user can see and may not approve."""

    @abstractmethod
    def let_decide(self, package: str, user: str) -> None:
        """Let this user see and decide what is staged of a package that exists."""

    @abstractmethod
    def revoke(self, user: str, token: str) -> None:
        """Make a token of this user worthless; on Verdaccio this takes one of the user's codes."""

    @abstractmethod
    def approvals_of(self, stage_id: str) -> list[int]:
        """Return the HTTP status of each approve call for this stage id, oldest first."""

    @abstractmethod
    def carried_out(self, stage_ids: Sequence[str]) -> list[str]:
        """Return those of these stage ids that were approved, in the order in which that was."""

    @abstractmethod
    def restart(self) -> None:
        """Stop the registry and start it again at the same address with the same data."""

    def client(self, token: str = "") -> RegistryClient:
        """Return a client of this registry; use it as a context manager."""
        return RegistryClient(self.url, token)

    def package(
        self,
        name: str,
        version: str,
        files: Mapping[str, str | bytes] | None = None,
        manifest: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a package's folder, a new one on each call, and return it."""
        folder = self._folder / "packages" / str(next(self._packages))
        return make_package(folder, name, version, files, manifest)

    def stage(
        self,
        name: str,
        version: str,
        token: str,
        *,
        tag: str = "latest",
        files: Mapping[str, str | bytes] | None = None,
        manifest: Mapping[str, Any] | None = None,
    ) -> str:
        """Stage a version with the real `npm stage publish` and return the stage id."""
        return self.npm.stage_publish(self.package(name, version, files, manifest), token, tag)

    def stage_without_npm(self, name: str, version: str, token: str) -> requests.Response:
        """Send the request `npm stage publish` would send, and return the answer whatever it is.

        For what npm itself would refuse before asking, and for many versions quickly.
        """
        tarball = f"stands for the tarball of {name}@{version}".encode()
        file_name = f"{name}-{version}.tgz"
        dist = {
            "shasum": hashlib.sha1(tarball, usedforsecurity=False).hexdigest(),
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode(),
            "tarball": f"{self.url}/{name}/-/{file_name}",
        }
        return self._session.post(
            f"{self.url}/-/stage/package/{quote(name, safe='@')}",
            json={
                "_id": name,
                "name": name,
                "dist-tags": {"latest": version},
                "access": None,
                "versions": {version: {"name": name, "version": version, "dist": dist}},
                "_attachments": {
                    file_name: {
                        "content_type": "application/octet-stream",
                        "data": base64.b64encode(tarball).decode(),
                        "length": len(tarball),
                    }
                },
            },
            headers={"authorization": f"Bearer {token}", "npm-command": "stage"},
            timeout=REQUEST_TIMEOUT,
        )


class Verdaccio(RegistryUnderTest):
    """Verdaccio 9 in a child process."""

    kind = "verdaccio"

    def __init__(self, folder: Path, server: VerdaccioRegistry) -> None:
        self.server = server
        self.url = server.url
        super().__init__(folder)

    def create_user(self, name: str, password: str = PASSWORD) -> str:
        token = self.server.create_user(name, password)
        self.server.enrol_totp(name)
        return token

    def create_user_without_codes(self, name: str) -> str:
        return self.server.create_user(name, PASSWORD)

    def code(self, name: str, lasting: float = 5.0) -> str:
        return self.server.code(name, lasting)

    def wrong_code(self, name: str) -> str:
        return self.server.wrong_code(name)

    def guarded(self, name: str) -> str:
        return f"{GUARDED_SCOPE}/{name}"

    def stage_out_of_reach(self, name: str, user: str, token: str) -> str:
        # Everybody sees what they staged themselves, and in this scope may do no more.
        return self.stage(self.guarded(name), "1.0.0", token)

    def let_decide(self, package: str, user: str) -> None:
        """Everybody may, in the scopes that are not guarded."""

    def revoke(self, user: str, token: str) -> None:
        # Its tokens are the password, encrypted.
        self.server.change_password(user, f"{PASSWORD} again")

    def approvals_of(self, stage_id: str) -> list[int]:
        return [
            status
            for method, url, status in self.server.answered()
            if (method, url) == ("POST", f"/-/stage/{stage_id}/approve")
        ]

    def carried_out(self, stage_ids: Sequence[str]) -> list[str]:
        wanted = {f"/-/stage/{stage_id}/approve": stage_id for stage_id in stage_ids}
        return [
            wanted[url]
            for method, url, status in self.server.answered()
            if method == "POST" and url in wanted and status == CREATED
        ]

    def restart(self) -> None:
        self.server.restart()


class Sandbox(RegistryUnderTest):
    """The project's own sandbox, with codes that are used once."""

    kind = "sandbox"

    def __init__(self, folder: Path, server: SandboxRegistry) -> None:
        self.server = server
        self.url = server.url
        self._codes: dict[str, FreshCodes] = {}
        super().__init__(folder)

    def create_user(self, name: str, password: str = PASSWORD) -> str:
        token = self.server.create_user(name, password)
        self._codes[name] = FreshCodes(self.server.totp_secret(name))
        return token

    def create_user_without_codes(self, name: str) -> str:
        return self.server.create_user(name)

    @contextmanager
    def asking_nobody(self) -> Iterator[None]:
        self.server.control.ask_otherwise("none")
        try:
            yield
        finally:
            self.server.control.ask_otherwise(None)

    def code(self, name: str, lasting: float = 5.0) -> str:
        return self._codes[name].next(lasting)

    def wrong_code(self, name: str) -> str:
        return self._codes[name].wrong()

    def guarded(self, name: str) -> str:
        # Whoever stages a new name owns it.
        return name

    def stage_out_of_reach(self, name: str, user: str, token: str) -> str:
        owner = self.create_user(f"owner-of-{name}")
        stage_id = self.stage(name, "1.0.0", owner)
        self.server.grant(name, user, "read-only")
        return stage_id

    def let_decide(self, package: str, user: str) -> None:
        self.server.grant(package, user)

    def revoke(self, user: str, token: str) -> None:
        self.server.revoke(token)

    def approvals_of(self, stage_id: str) -> list[int]:
        path = f"/-/stage/{stage_id}/approve"
        return [call.status for call in self.server.control.calls("POST", path)]

    def carried_out(self, stage_ids: Sequence[str]) -> list[str]:
        wanted = {f"/-/stage/{stage_id}/approve": stage_id for stage_id in stage_ids}
        return [
            wanted[call.path]
            for call in self.server.control.calls("POST", "/-/stage/")
            if call.path in wanted and call.status == CREATED
        ]

    def restart(self) -> None:
        self.server.stop()
        self.server.start()

"""A running dashboard with people and releases enough that each test has some of its own.

A code is good once, and a version is decided once: tests that shared either would have to wait for
one another.
"""

import hashlib
import json
import secrets
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyotp

from registry_client.client import RegistryClient
from registry_client.sandbox.authority import Authority
from registry_client.sandbox.demo_organisation import READER
from registry_client.sandbox.documents import pack, parse_upload, publish_document
from registry_client.sandbox.second_factor import Mode
from registry_client.sandbox.server import SandboxRegistry
from registry_client.sandbox.workflow_runs import WorkflowRun
from tests.awkward import MIXED, OLDEST_VERSION, Files, awkward_packages
from tests.integration.codes import FreshCodes
from tests.program import Program

PASSWORD = "nine otters under a quiet bridge"
OLD_VERSION, NEW_VERSION = "1.0.0", "1.1.0"
AUTOMATION = "berth-release"

RUN = WorkflowRun(
    repository="lighthouse--example/berths",
    repository_id="1234",
    owner_id="5678",
    commit="0dd" * 13 + "0",
    run_id="4711",
)

MAKE_PEOPLE = """
from django.contrib.auth.hashers import make_password
from django.test import Client
from approvals.people.accounts import link_account
from approvals.people.models import SealedTOTPDevice, User
from approvals.people.sessions import VERIFIED
from approvals.queue.models import StagedVersion

hashed = make_password(password)
sessions = {}
for person in people:
    user = User.objects.create(
        username=person["name"], email=person["name"] + "@lighthouse.example", password=hashed,
        role=person["role"], wants_email=False,
    )
    device = SealedTOTPDevice(user=user, name="authenticator app", confirmed=True)
    device.seal_key(bytes.fromhex(person["key"]))
    device.save()
    link_account(user, registry_url=registry_url, token=person["token"])
for name in [person["name"] for person in people] + ["ada"]:
    client = Client()
    user = User.objects.get(username=name)
    client.force_login(user)
    session = client.session
    session[VERIFIED] = {"method": "totp", "at": 0, "user": user.pk}
    session.save()
    sessions[name] = client.cookies["sessionid"].value
versions = {
    row.package.name: [row.pk, str(row.stage_id)]
    for row in StagedVersion.objects.select_related("package")
}
result = [sessions, versions]
"""


@dataclass(frozen=True)
class Person:
    """Somebody with an account here and one at the registry, and an authenticator for each."""

    name: str
    role: str
    totp_key: bytes = field(repr=False)
    codes: FreshCodes = field(repr=False)
    registry_totp: pyotp.TOTP = field(repr=False)
    token: str = field(repr=False)
    session: str = field(default="", repr=False)


@dataclass(frozen=True)
class Release:
    """A staged version that nobody else decides."""

    package: str
    pk: int
    stage_id: str
    version: str = NEW_VERSION

    @property
    def path(self) -> str:
        return f"/versions/{self.pk}/"


class Dashboard:
    """The program with the demo, and beside it these people and releases."""

    def __init__(
        self,
        var: Path,
        services: dict[str, str],
        *,
        approvers: int,
        releases: int,
        otp: Mode = "classic",
    ) -> None:
        self._people: dict[str, Person] = {}
        self._roles = {f"approver-{number}": "approver" for number in range(1, approvers + 1)}
        self._roles |= {"viewer": "viewer"}
        self._packages = [f"berth-{number}" for number in range(1, releases + 1)]
        self._free_people = iter(list(self._roles)[:approvers])
        self._free_packages = iter(self._packages)
        self._versions: dict[str, tuple[int, str]] = {}
        self.newcomer_token = ""
        self.newcomer_totp = pyotp.TOTP(pyotp.random_base32())
        self.ada_session = ""
        self.program = Program(var, services, otp=otp, prepare=self._fill_sandbox)

    def start(self) -> None:
        """Starts the program and lets everybody in."""
        self.program.start()
        people = [
            {
                "name": person.name,
                "role": person.role,
                "key": person.totp_key.hex(),
                "token": person.token,
            }
            for person in self._people.values()
        ]
        sessions, versions = self.program.run_python(
            MAKE_PEOPLE, people=people, password=PASSWORD, registry_url=self.program.sandbox_url
        )
        self._versions = {name: (pk, stage_id) for name, (pk, stage_id) in versions.items()}
        self.ada_session = sessions["ada"]
        for name, person in self._people.items():
            self._people[name] = Person(**{**vars(person), "session": sessions[name]})

    def approver(self) -> Person:
        """Somebody who may decide and whom no other test uses."""
        return self._people[next(self._free_people)]

    def viewer(self) -> Person:
        """Somebody who may only look."""
        return self._people["viewer"]

    def release(self) -> Release:
        """A compared version that waits for a decision and that no other test uses."""
        return self.release_of(next(self._free_packages))

    def release_of(self, package: str) -> Release:
        """The one staged version of this package."""
        pk, stage_id = self._versions[package]
        return Release(package, pk, stage_id)

    def bundle_for(self, release: Release, *, sha512: str = "") -> bytes:
        """A bundle that proves where this release was built, or another tarball of it."""
        document = _berth(release.package, release.version)
        tarball = parse_upload(document, release.package).tarball
        digest = sha512 or hashlib.sha512(tarball).hexdigest()
        authority = Authority.of_folder(self.program.var / "sandbox")
        statement = RUN.statement(release.package, release.version, digest)
        return json.dumps(authority.issue(statement, RUN.claims(), at=datetime.now(UTC))).encode()

    def latest(self, package: str) -> str:
        """What anybody who installs the package gets now."""
        with RegistryClient(self.program.sandbox_url) as client:
            return client.packument(package).dist_tags["latest"]

    def approvals_sent(self, release: Release) -> list[int]:
        """The registry's answer to each approval of this release that it was asked for."""
        path = f"/-/stage/{release.stage_id}/approve"
        return [call.status for call in self.program.sandbox_control.calls("POST", path)]

    def _fill_sandbox(self, sandbox: SandboxRegistry) -> None:
        for name, role in self._roles.items():
            key, registry_totp = secrets.token_bytes(20), pyotp.TOTP(pyotp.random_base32())
            token = sandbox.create_user(name, totp_secret=registry_totp.secret)
            codes = FreshCodes(b32encode(key).decode())
            self._people[name] = Person(name, role, key, codes, registry_totp, token)
        self.newcomer_token = sandbox.create_user("lin", totp_secret=self.newcomer_totp.secret)
        sandbox.create_user(AUTOMATION, enrolled=False)
        for package in self._packages:
            sandbox.publish(_berth(package, OLD_VERSION), by=AUTOMATION)
            sandbox.stage(_berth(package, NEW_VERSION), by=AUTOMATION)
            self._grant(sandbox, package)
        for awkward in awkward_packages():
            if awkward.name == MIXED:
                sandbox.publish(_berth(MIXED, OLDEST_VERSION), by=AUTOMATION)
            sandbox.publish(_document(awkward.name, OLD_VERSION, awkward.old), by=AUTOMATION)
            sandbox.stage(_document(awkward.name, NEW_VERSION, awkward.new), by=AUTOMATION)
            self._grant(sandbox, awkward.name)

    def _grant(self, sandbox: SandboxRegistry, package: str) -> None:
        for name in (*self._people, "lin"):
            sandbox.grant(package, name, "read-write")
        sandbox.grant(package, READER, "read-only")


def _berth(package: str, version: str) -> dict[str, object]:
    readme = f"# {package}\n\nA place to tie up.\n"
    code = f"exports.version = {version!r};\n"
    return _document(package, version, {"README.md": readme, "lib/index.js": code})


def _document(package: str, version: str, files: Files) -> dict[str, object]:
    manifest = {"name": package, "version": version, "license": "MIT", "main": "lib/index.js"}
    whole = {**files, "package.json": json.dumps(manifest, indent=2) + "\n"}
    return publish_document(manifest, pack(whole), readme=f"# {package}\n")

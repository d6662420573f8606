"""A dashboard whose queue holds what a test has staged, and nothing else."""

import json
import secrets
from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp

from registry_client.client import RegistryClient
from registry_client.sandbox.documents import pack, publish_document
from registry_client.sandbox.server import SandboxRegistry
from tests.integration.codes import FreshCodes
from tests.program import Program
from tests.services import own_services

AUTOMATION = "fleet-release"
NEW = "1.1.0"

ADD_REGISTRY = """
from approvals.queue.registries import add_registry
add_registry(
    actor=None, name="harbour", url=url, read_token=token, poll_seconds=1, is_sandbox=True
)
"""

ADD_PERSON = """
from base64 import b64encode
from django.contrib.auth.hashers import make_password
from approvals.people import passkeys, recovery_codes
from approvals.people.accounts import link_account
from approvals.people.models import SealedTOTPDevice, User
from approvals.queue.models import Registry
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.webauthn import SoftAuthenticator

user = User.objects.create(
    username=name, email=name + "@fleet.example", password=make_password(password), role=role,
    wants_email=False,
)
credential = None
if passkey:
    soft, challenge = SoftAuthenticator(), "ab" * 32
    made = soft.create(passkeys.registration_options(user, challenge))
    passkeys.register(user, challenge, made, "laptop")
    one = soft.credentials[0]
    credential = {
        "credentialId": b64encode(one.id).decode(),
        "isResidentCredential": True,
        "rpId": one.rp_id,
        "privateKey": b64encode(
            one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ).decode(),
        "userHandle": b64encode(one.user_handle).decode(),
        "signCount": 1,
    }
if totp_key:
    device = SealedTOTPDevice(user=user, name="authenticator app", confirmed=True)
    device.seal_key(bytes.fromhex(totp_key))
    device.save()
codes = recovery_codes.make(user)
if token:
    link_account(user, registry_url=Registry.objects.get().url, token=token)
result = [credential, codes]
"""

PASSWORD = "nine otters under a quiet bridge"


@dataclass(frozen=True)
class Sailor:
    """Somebody with second factors here, and an account at the registry."""

    name: str
    # What a virtual authenticator is given, as CDP's WebAuthn.addCredential wants it.
    credential: dict[str, Any] | None = field(repr=False)
    recovery_codes: list[str] = field(repr=False)
    codes: FreshCodes | None = field(repr=False)


@dataclass
class Fleet:
    """The running program, and the registry beside it."""

    program: Program
    sandbox: SandboxRegistry
    _sailors: int = 0

    def sailor(self, *, passkey: bool = False, app: bool = False, role: str = "approver") -> Sailor:
        """Somebody whom no other test uses."""
        self._sailors += 1
        name = f"sailor-{self._sailors}"
        key = secrets.token_bytes(20)
        credential, recovery = self.program.run_python(
            ADD_PERSON,
            name=name,
            password=PASSWORD,
            role=role,
            passkey=passkey,
            totp_key=key.hex() if app else "",
            token=self.sandbox.create_user(name, totp_secret=pyotp.random_base32()),
        )
        codes = FreshCodes(b32encode(key).decode()) if app else None
        return Sailor(name, credential, recovery, codes)

    def stage(self, prefix: str, number: int, *, by: Sailor) -> list[str]:
        """Stages so many versions that nobody else decides, and returns their packages."""
        names = [f"{prefix}-{one:02}" for one in range(1, number + 1)]
        for name in names:
            self.sandbox.publish(document(name, "1.0.0"), by=AUTOMATION)
            self.sandbox.stage(document(name, NEW), by=AUTOMATION)
            self.sandbox.grant(name, by.name, "read-write")
        return names

    def stage_release(
        self,
        depends_on: Mapping[str, Sequence[str]],
        *,
        by: Sequence[Sailor],
        **manifest: object,
    ) -> None:
        """Stages packages of one monorepo, each with those of the same release that it needs.

        `manifest` is what the staged package.json has beside.
        """
        for name, needed in depends_on.items():
            more = {
                **manifest,
                "repository": f"https://git.example.org/{name.partition('/')[0][1:]}.git",
                "dependencies": dict.fromkeys(needed, f"^{NEW}"),
            }
            self.sandbox.publish(document(name, "1.0.0"), by=AUTOMATION)
            self.sandbox.stage(document(name, NEW, **more), by=AUTOMATION)
            for sailor in by:
                self.sandbox.grant(name, sailor.name, "read-write")

    def registry_code(self, sailor: Sailor, *, steps: int = 0) -> str:
        """What the authenticator for the registry shows, by the registry's clock."""
        return self.sandbox.code(sailor.name, steps=steps)

    def latest(self, name: str) -> str:
        with RegistryClient(self.sandbox.url) as client:
            return client.packument(name).dist_tags["latest"]

    def approvals(self) -> list[int]:
        """The registry's answer to each approval since the last `reset` of its control."""
        calls = self.sandbox.control.calls("POST", "/-/stage/")
        return [call.status for call in calls if call.path.endswith("/approve")]


@contextmanager
def fleet_in(folder: Path, *, registry: bool = True) -> Iterator[Fleet]:
    """Starts both; without `registry`, the dashboard is empty and knows of none."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        own_services() as services,
        SandboxRegistry(folder / "registry", otp="none") as sandbox,
    ):
        sandbox.create_user(AUTOMATION, enrolled=False)
        program = Program(folder / "var", services, demo=False)
        try:
            program.start()
            if registry:
                token = sandbox.token(AUTOMATION, "read-only")
                program.run_python(ADD_REGISTRY, url=sandbox.url, token=token)
            yield Fleet(program, sandbox)
        finally:
            program.stop()


def document(name: str, version: str, **more: object) -> dict[str, object]:
    """What a client sends to stage or publish a small package; `more` is of its package.json."""
    manifest = {"name": name, "version": version, "license": "MIT", "main": "index.js", **more}
    files = {
        "package.json": json.dumps(manifest, indent=2) + "\n",
        "index.js": f"exports.version = {version!r};\n",
    }
    return publish_document(manifest, pack(files))

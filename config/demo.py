"""The demo: the sandbox's organisation, and two of its people as users of this dashboard."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import pyotp
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django_otp.oath import TOTP

from approvals.inspection.models import InspectionRequest
from approvals.people.accounts import link_account
from approvals.people.models import Role, SealedTOTPDevice, User
from approvals.provenance.models import TrustedRoot
from approvals.provenance.trust import store_root_of
from approvals.queue.models import AT_REGISTRY_STATES, Registry, StagedVersion
from approvals.queue.registries import add_registry, normalised_url
from approvals.queue.sync import poll
from registry_client.sandbox import demo_organisation
from registry_client.sandbox.demo_organisation import DemoOrganisation
from registry_client.sandbox.server import SandboxRegistry, trusted_root_file

REGISTRY_NAME = "sandbox"
ROLES = {"ada": Role.ADMINISTRATOR, "grace": Role.APPROVER}
STEP_SECONDS = 30


class DemoNotPossible(Exception):
    """The demo cannot be made or found here; the text says what to do."""


@dataclass(frozen=True)
class Codes:
    """What a person's two authenticators show now. `used` if the first was spent already."""

    dashboard: str
    used: bool
    registry: str
    seconds_left: int


def sandbox_folder() -> Path:
    return Path(settings.VAR_DIR) / "sandbox"


def build_sandbox() -> DemoOrganisation:
    """Fills the sandbox's folder, once; the sandbox must not run yet."""
    registry = SandboxRegistry(sandbox_folder())
    try:
        return demo_organisation.build(registry)
    finally:
        registry.stop()


def check_database(sandbox_url: str) -> None:
    """Raises DemoNotPossible where the database holds something else than this demo."""
    url = normalised_url(sandbox_url)
    strangers = User.objects.exclude(username__in=ROLES).exists()
    other = Registry.objects.filter(name=REGISTRY_NAME).exclude(url=url).first()
    if other is not None:
        raise DemoNotPossible(
            f"The demo in this database has its sandbox at {other.url}. Start it with the same "
            "--sandbox-port, or set COUNTERSIGN_VAR to an empty folder."
        )
    if strangers and not Registry.objects.filter(url=url).exists():
        raise DemoNotPossible(
            "This database already has people in it, and the demo would add strangers who can "
            "approve. Set COUNTERSIGN_VAR (and DATABASE_URL, if you use it) to an empty place."
        )


def build_dashboard(organisation: DemoOrganisation, sandbox_url: str) -> None:
    """Makes the people, the registry and the first poll; what is there already stays."""
    url = normalised_url(sandbox_url)
    for name, role in ROLES.items():
        with transaction.atomic():
            if User.objects.filter(username=name).exists():
                continue
            user = User.objects.create_user(
                username=name,
                email=f"{name}@lighthouse.example",
                password=organisation.users[name].password,
                role=role,
                first_name=name.capitalize(),
            )
            device = SealedTOTPDevice(user=user, name="authenticator app", confirmed=True)
            device.seal_key(secrets.token_bytes(20))
            device.save()
    registry = Registry.objects.filter(url=url).first() or add_registry(
        actor=None,
        name=REGISTRY_NAME,
        url=url,
        read_token=organisation.read_token,
        poll_seconds=5,
        is_sandbox=True,
    )
    _trust_the_sandbox(registry)
    for name in ROLES:
        user = User.objects.get(username=name)
        if not user.registry_accounts.filter(registry_url=url).exists():
            link_account(user, registry_url=url, token=organisation.users[name].token)
    poll(registry)


def _trust_the_sandbox(registry: Registry) -> None:
    """What the sandbox's own authority proves counts for the sandbox's packages, and nowhere
    else."""
    document = trusted_root_file(sandbox_folder()).read_text()
    # Asked here already: to store one means to import sigstore, which takes its time.
    if not TrustedRoot.objects.filter(registry=registry, document=document).exists():
        store_root_of(registry, document)


def comparisons_finished() -> bool:
    """Whether every staged version that waits has been compared, and its provenance looked for."""
    requests = InspectionRequest.State
    looked = Q(provenance_check__provenance__isnull=False) | Q(provenance_check__looks__gt=0)
    finished = Q(inspection_request__state=requests.FAILED) | (
        Q(inspection_request__state=requests.DONE) & looked
    )
    waiting = StagedVersion.objects.filter(state__in=AT_REGISTRY_STATES)
    return not waiting.exclude(finished).exists()


def codes_of(name: str) -> Codes:
    """What this person's authenticators show at this moment. Raises DemoNotPossible."""
    organisation = demo_organisation.load(sandbox_folder())
    if organisation is None or name not in organisation.users:
        known = ", ".join(ROLES)
        raise DemoNotPossible(
            f"There is no demo with a person {name!r} here. Start it with `manage.py up --demo`; "
            f"its people are {known}."
        )
    device = SealedTOTPDevice.objects.filter(user__username=name, confirmed=True).first()
    if device is None:
        raise DemoNotPossible(f"{name} has no authenticator app here any more.")
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    return Codes(
        dashboard=f"{totp.token():06d}",
        used=totp.t() <= device.last_t,
        registry=pyotp.TOTP(organisation.users[name].totp_secret).now(),
        seconds_left=STEP_SECONDS - int(time.time()) % STEP_SECONDS,
    )

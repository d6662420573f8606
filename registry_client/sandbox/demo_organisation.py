"""A small organisation to try Countersign out on: packages with history, and releases that wait."""

import json
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyotp

from registry_client.sandbox import accounts
from registry_client.sandbox.accounts import TokenKind
from registry_client.sandbox.answers import Json, Refusal
from registry_client.sandbox.demo.code import Package
from registry_client.sandbox.demo.harbour import FLAGS, LOGGER, WATCHER, hijacked_logger
from registry_client.sandbox.demo.lighthouse import BEACON, MONOREPO, lighthouse_files
from registry_client.sandbox.demo.origins import unusual_watcher_run, usual_run
from registry_client.sandbox.documents import pack, publish_document
from registry_client.sandbox.server import SandboxRegistry
from registry_client.sandbox.store import keep_private
from registry_client.sandbox.workflow_runs import WorkflowRun

PEOPLE = ("ada", "grace")
READER = "countersign-reader"
# The organisation's CI, and a maintainer of one package whose account was taken over.
AUTOMATION = "lighthouse-release"
OUTSIDER = "mkeller"

MONOREPO_RELEASE = "2.1.0"
WATCHER_PRERELEASES = ("4.0.0-next.0", "4.0.0-next.1")
FIRST_RELEASE = "0.1.0"

CREDENTIALS_FILE = "demo.json"
BUILT = "demo organisation"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# From signing the provenance until the registry has the version.
SIGNING_SECONDS = 12.0
HTTP_CONFLICT = 409


@dataclass(frozen=True)
class DemoUser:
    """A person's account at the sandbox registry."""

    name: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    totp_secret: str = field(repr=False)


@dataclass(frozen=True)
class DemoOrganisation:
    """Who may sign in at the sandbox, and the token that may read what is staged there."""

    users: dict[str, DemoUser]
    read_token: str = field(repr=False)


def build(registry: SandboxRegistry) -> DemoOrganisation:
    """Fill a sandbox with the demonstration's organisation.

    Needs an open registry, running or not. On a folder that has it already nothing is changed:
    what was approved or rejected stays so.
    """
    organisation = _credentials(registry.data)
    if registry.store.fact(BUILT) is None:
        _make_accounts(registry, organisation)
        now = time.time()
        _publish_history(registry, now)
        _stage_releases(registry, now)
        registry.store.set_fact(BUILT, "built")
    return organisation


def load(data: Path) -> DemoOrganisation | None:
    """The organisation that was built on this data folder, read beside a running sandbox."""
    try:
        kept = json.loads((data / CREDENTIALS_FILE).read_text())
    except FileNotFoundError:
        return None
    users = {name: DemoUser(**user) for name, user in kept["users"].items()}
    return DemoOrganisation(users=users, read_token=kept["read_token"])


def _credentials(data: Path) -> DemoOrganisation:
    """The accounts' secrets, made once and kept where only the owner can read them."""
    known = load(data)
    if known is not None:
        return known
    organisation = DemoOrganisation(
        users={
            name: DemoUser(
                name=name,
                password=secrets.token_urlsafe(12),
                token=_new_token(),
                totp_secret=pyotp.random_base32(),
            )
            for name in PEOPLE
        },
        read_token=_new_token(),
    )
    keep_private(data / CREDENTIALS_FILE, json.dumps(asdict(organisation)))
    return organisation


def _make_accounts(registry: SandboxRegistry, organisation: DemoOrganisation) -> None:
    for user in organisation.users.values():
        _make_account(registry, user.name, user.password, user.totp_secret)
        accounts.issue_token(registry.store, user.name, "user", token=user.token)
    for name in (READER, AUTOMATION, OUTSIDER):
        _make_account(registry, name, secrets.token_urlsafe(24), None)
    accounts.issue_token(registry.store, READER, "read-only", token=organisation.read_token)
    for package in (*MONOREPO, BEACON, WATCHER, LOGGER, FLAGS):
        for name in (*PEOPLE, AUTOMATION):
            registry.grant(package.name, name, "read-write")
        registry.grant(package.name, READER, "read-only")
    registry.grant(LOGGER.name, OUTSIDER, "read-write")
    # What somebody stages to try the demo out must be seen too, and be decided by either of them.
    registry.grant(accounts.EVERY_NEW_PACKAGE, READER, "read-only")
    for name in PEOPLE:
        registry.grant(accounts.EVERY_NEW_PACKAGE, name, "read-write")


def _make_account(
    registry: SandboxRegistry, name: str, password: str, totp_secret: str | None
) -> None:
    if not accounts.user_exists(registry.store, name):
        accounts.create_user(registry.store, name, password, totp_secret=totp_secret)


def _publish_history(registry: SandboxRegistry, now: float) -> None:
    for package in MONOREPO:
        versions = [version for version in package.changes if version != MONOREPO_RELEASE]
        for position, version in enumerate(versions, start=1):
            moment = now - (38 + 61 * (len(versions) - position)) * DAY
            _publish(registry, package, version, lighthouse_files(package, version), moment)
    for package, waits in ((WATCHER, WATCHER_PRERELEASES[1]), (LOGGER, ""), (FLAGS, "")):
        versions = [version for version in package.changes if version != waits]
        for position, version in enumerate(versions, start=1):
            moment = now - (17 + 43 * (len(versions) - position)) * DAY
            _publish(registry, package, version, package.files(version), moment)


def _stage_releases(registry: SandboxRegistry, now: float) -> None:
    _stage(
        registry,
        WATCHER.manifest(WATCHER_PRERELEASES[1]),
        WATCHER.files(WATCHER_PRERELEASES[1]),
        run=unusual_watcher_run(WATCHER_PRERELEASES[1]),
        tag="next",
        at=now - 2 * DAY,
    )
    _stage(
        registry,
        BEACON.manifest(FIRST_RELEASE),
        BEACON.files(FIRST_RELEASE),
        run=usual_run(BEACON, FIRST_RELEASE),
        at=now - 5 * HOUR,
    )
    manifest, files = hijacked_logger()
    _stage(registry, manifest, files, run=None, by=OUTSIDER, kind="user", at=now - 3 * HOUR)
    for position, package in enumerate(MONOREPO):
        _stage(
            registry,
            package.manifest(MONOREPO_RELEASE),
            lighthouse_files(package, MONOREPO_RELEASE),
            run=usual_run(package, MONOREPO_RELEASE),
            at=now - 25 * MINUTE + 4 * position,
        )


def _publish(
    registry: SandboxRegistry, package: Package, version: str, files: dict[str, str], moment: float
) -> None:
    tag = "next" if version in WATCHER_PRERELEASES else "latest"
    document = publish_document(
        package.manifest(version), _packed(files), tag=tag, readme=files["README.md"]
    )
    document = _proven(registry, document, usual_run(package, version), moment)
    try:
        registry.publish(document, by=PEOPLE[0], at=moment)
    except Refusal as refusal:
        _is_there_already(refusal)


def _stage(
    registry: SandboxRegistry,
    manifest: dict[str, object],
    files: dict[str, str],
    *,
    run: WorkflowRun | None,
    at: float,
    by: str = AUTOMATION,
    kind: TokenKind = "automation",
    tag: str = "latest",
) -> None:
    files = files | {"package.json": json.dumps(manifest, indent=2) + "\n"}
    document = publish_document(manifest, _packed(files), tag=tag, readme=files["README.md"])
    document = _proven(registry, document, run, at)
    try:
        registry.stage(document, by=by, kind=kind, at=at)
    except Refusal as refusal:
        _is_there_already(refusal)


def _proven(
    registry: SandboxRegistry, document: dict[str, Json], run: WorkflowRun | None, moment: float
) -> dict[str, Json]:
    """The document with the provenance that this run signed just before it sent it, if any."""
    if run is None:
        return document
    return registry.with_provenance(document, run, at=moment - SIGNING_SECONDS)


def _is_there_already(refusal: Refusal) -> None:
    # A build that was killed left part of its work: the rest is added to it.
    if refusal.status != HTTP_CONFLICT:
        raise refusal


def _packed(files: dict[str, str]) -> bytes:
    executable = frozenset(path for path in files if path.startswith("bin/"))
    return pack(dict(sorted(files.items())), executable=executable)


def _new_token() -> str:
    return f"npm_{secrets.token_urlsafe(27)}"

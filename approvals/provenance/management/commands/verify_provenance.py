"""Verifies a provenance bundle against a tarball, both on this machine."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from approvals.provenance.bundles import MOST_ANSWER_BYTES, NoBundles, bundles_in_text, text_of
from approvals.provenance.examine import Tarball, other_digest
from approvals.provenance.models import TrustedRoot
from approvals.provenance.trust import MOST_BYTES, TrustUnusable, public_trust
from registry_client.errors import clean_words
from registry_client.provenance import (
    BundleUnreadable,
    Trust,
    Verification,
    is_provenance,
    predicate_type_of,
    verify,
)
from registry_client.provenance.strict_json import NotStrict, parse_strictly
from registry_client.tar_paths import printable
from registry_client.tarball import Limits, TarballError, read_tarball

EXIT_NOT_VERIFIED = 1
EXIT_UNREADABLE = 2
MOST_MANIFEST_BYTES = 4 * 1024 * 1024


class Command(BaseCommand):
    help = (
        "Verifies, offline, what a Sigstore bundle proves about where an npm tarball was built. "
        "Exits with 0 if it is verified, 1 if not, 2 if the bundle or the tarball cannot be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "bundle",
            type=Path,
            metavar="BUNDLE",
            help="the Sigstore bundle, or a registry's answer about attestations",
        )
        parser.add_argument("tarball", type=Path, metavar="TARBALL", help="the .tgz")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        parser.add_argument(
            "--trusted-root",
            type=Path,
            metavar="FILE",
            help="a private Sigstore's trusted_root.json, in place of the public one",
        )

    def handle(
        self,
        *args: Any,
        bundle: Path,
        tarball: Path,
        as_json: bool,
        trusted_root: Path | None,
        **options: Any,
    ) -> None:
        about = _tarball(tarball)
        texts = _bundles(bundle)
        trust, which = _given_trust(trusted_root) if trusted_root else _public_trust()
        self.stderr.write(f"Verifying against {which}")
        try:
            found = _verified(texts, about, trust)
        except BundleUnreadable as error:
            raise _unreadable(bundle, str(error)) from error
        self._write(json.dumps(_as_json(found), indent=2) if as_json else _as_text(found, about))
        if not found.verified:
            sys.exit(EXIT_NOT_VERIFIED)

    def _write(self, text: str) -> None:
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        try:
            self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stdout.flush()
        except BrokenPipeError:
            # Whoever read it has seen enough. What Python would still flush goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tarball(path: Path) -> Tarball:
    """The tarball's digest, and the name and version that its package.json says."""
    content: bytes | None = None
    try:
        _must_be_a_file(path)
        with path.open("rb") as file:
            sha512 = hashlib.file_digest(file, "sha512").hexdigest()
            file.seek(0)
            for entry in read_tarball(file, Limits(**settings.TARBALL_LIMITS)):
                # npm installs the last one.
                if entry.installed and entry.path == "package.json":
                    if entry.size > MOST_MANIFEST_BYTES:
                        raise _unreadable(path, "Its package.json is too large.")
                    content = entry.read()
    except OSError as error:
        raise _unreadable(path, f"{error.strerror}.") from error
    except TarballError as error:
        raise _unreadable(path, str(error)) from error
    if content is None:
        raise _unreadable(path, "It has no package.json.")
    try:
        manifest = parse_strictly(content.removeprefix(b"\xef\xbb\xbf"), MOST_MANIFEST_BYTES)
    except NotStrict as error:
        raise _unreadable(path, f"Its package.json cannot be used. {error}") from error
    name, version = (
        manifest.get(key) if isinstance(manifest, dict) else None for key in ("name", "version")
    )
    if not isinstance(name, str) or not isinstance(version, str):
        raise _unreadable(path, "Its package.json has no name and version.")
    return Tarball(name, version, sha512)


def _bundles(path: Path) -> list[str]:
    """Those with provenance; all, where there is none in them."""
    try:
        _must_be_a_file(path)
        with path.open("rb") as file:
            content = file.read(MOST_ANSWER_BYTES + 1)
        texts = [text_of(one) for one in bundles_in_text(content, most=MOST_ANSWER_BYTES)]
        if not texts:
            raise NoBundles("There is no attestation in it.")
        return [text for text in texts if is_provenance(predicate_type_of(text))] or texts
    except OSError as error:
        raise _unreadable(path, f"{error.strerror}.") from error
    except (NoBundles, BundleUnreadable) as error:
        raise _unreadable(path, str(error)) from error


def _must_be_a_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise _unreadable(path, "It is not a file.")


def _given_trust(path: Path) -> tuple[Trust, str]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode()
        return Trust.from_json(text), printable(str(path))
    except OSError as error:
        raise _unreadable(path, f"{error.strerror}.") from error
    except ValueError as error:
        raise _unreadable(path, str(error)) from error


def _public_trust() -> tuple[Trust, str]:
    if not _has_stored_root():
        return Trust.embedded(), "the public Sigstore's root that came with sigstore-python"
    try:
        return public_trust(), "the public Sigstore's root that refresh_trust stored"
    except TrustUnusable as error:
        raise CommandError(str(error), returncode=EXIT_UNREADABLE) from error


def _has_stored_root() -> bool:
    database = settings.DATABASES["default"]["NAME"]
    if settings.ON_SQLITE and not Path(database).exists():
        # Asking would make an empty one.
        return False
    try:
        return TrustedRoot.objects.filter(is_public=True).exists()
    except DatabaseError:
        return False


def _verified(texts: list[str], about: Tarball, trust: Trust) -> Verification:
    found = [_verify(text, about, trust) for text in texts]
    return next((one for one in found if one.verified), found[0])


def _verify(text: str, about: Tarball, trust: Trust) -> Verification:
    if other := other_digest(text, about):
        return Verification(False, other, predicate_type_of(text))
    return verify(
        text, package=about.package, version=about.version, sha512=about.sha512, trust=trust
    )


def _unreadable(path: Path, sentence: str) -> CommandError:
    return CommandError(printable(f"{path}: {sentence}"), returncode=EXIT_UNREADABLE)


def _as_json(found: Verification) -> dict[str, Any]:
    build = found.build
    return {
        "verified": found.verified,
        "reason": found.reason,
        "predicate_type": found.predicate_type or None,
        "source_repository": (build and build.repository) or None,
        "source_ref": (build and build.ref) or None,
        "commit": (build and build.commit) or None,
        "workflow": (build and build.workflow) or None,
        "trigger": (build and build.trigger) or None,
        "builder": (build and build.builder) or None,
        "run_url": (build and build.run_url) or None,
        "log_index": found.log_index,
        "signed_at": found.signed_at.isoformat() if found.signed_at else None,
    }


def _as_text(found: Verification, about: Tarball) -> str:
    lines = [
        f"{printable(str(about))}: {'verified' if found.verified else 'NOT VERIFIED'}",
        clean_words(found.reason, 1000),
    ]
    facts = _as_json(found)
    for key, label in {
        "source_repository": "Repository",
        "commit": "Commit",
        "source_ref": "Ref",
        "workflow": "Workflow",
        "trigger": "Trigger",
        "builder": "Builder",
        "run_url": "Run",
        "log_index": "Log index",
        "signed_at": "Signed at",
        "predicate_type": "Predicate",
    }.items():
        if facts[key] is not None:
            lines.append(f"  {label + ':':<12}{clean_words(str(facts[key]), 500)}")
    return "\n".join(lines)

"""Where a tarball was built, as far as a Sigstore bundle proves it.

    verify(bundle, package="left-pad", version="1.3.0", sha512="…", trust=Trust.embedded())

Everything is proven offline, from the bundle and the trusted root alone. A bundle is hostile until
it is verified: whatever is in it, it ends as a Verification or as BundleUnreadable.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from registry_client.provenance import slsa
from registry_client.provenance.builds import Build, NotProven, Verification
from registry_client.provenance.fulcio import build_of
from registry_client.provenance.publish_attestations import (
    PUBLISH,
    PublishVerification,
    check_publish_attestation,
)
from registry_client.provenance.signing_keys import RegistryKey
from registry_client.provenance.strict_json import NotStrict, parse_strictly

if TYPE_CHECKING:
    from registry_client.provenance.sigstore_bundles import Root

__all__ = [
    "MAX_BUNDLE",
    "Build",
    "BundleUnreadable",
    "PublishVerification",
    "RegistryKey",
    "Trust",
    "Verification",
    "is_provenance",
    "is_publish_attestation",
    "predicate_type_of",
    "subject_sha512",
    "verify",
    "verify_publish_attestation",
]

MAX_BUNDLE = 1024 * 1024
MAX_ROOT = 4 * 1024 * 1024
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle"
_SHA512 = re.compile(r"[0-9a-fA-F]{128}")

Bundle = str | bytes | Mapping[str, Any]


class BundleUnreadable(ValueError):
    """It is no Sigstore bundle at all: a plain sentence."""


class Trust:
    """What bundles are verified against: a Sigstore trusted root.

    `is_public` says that it is the public Sigstore's, whose log everyone can look into;
    `fingerprint` is the SHA-256 of its text in hex. One object may be used from several threads.
    """

    def __init__(self, root: Root, *, is_public: bool) -> None:
        self.root = root
        self.is_public = is_public
        self.fingerprint = root.fingerprint

    @classmethod
    def embedded(cls) -> Self:
        """The public Sigstore's root, as it was when sigstore-python was released."""
        return cls(_sigstore().embedded_root(), is_public=True)

    @classmethod
    def from_json(cls, text: str, *, is_public: bool = False) -> Self:
        """A trusted_root.json; ValueError with a sentence if it cannot be used."""
        if len(text) > MAX_ROOT:
            raise ValueError("This is no Sigstore trusted root that can be used: it is too large.")
        return cls(_sigstore().Root(text), is_public=is_public)


def _sigstore() -> Any:
    """The module that needs sigstore-python, which takes a third of a second to import."""
    from registry_client.provenance import sigstore_bundles  # noqa: PLC0415 - paid when first needed

    return sigstore_bundles


def verify(
    bundle: Bundle, *, package: str, version: str, sha512: str, trust: Trust
) -> Verification:
    """Whether the bundle proves where this tarball of this version was built, and what it proves.

    `sha512` is the tarball's, in hex. BundleUnreadable if it is no Sigstore bundle.
    """
    if not _SHA512.fullmatch(sha512):
        raise ValueError("This is no SHA-512 in hex.")
    document = _read(bundle)
    kind = _claimed(document)[0]
    try:
        signed = trust.root.check(document)
        if signed.payload_type != slsa.PAYLOAD_TYPE:
            raise NotProven("What was signed is no in-toto statement.")
        statement = slsa.read_statement(signed.payload)
        slsa.check_subject(statement, package, version, sha512)
        build = slsa.completed(build_of(signed.certificate), statement)
    except NotProven as exc:
        return Verification(False, str(exc), kind)
    return Verification(
        True,
        f"{build.repository} built this tarball from commit {build.commit}, and signed that with "
        "an identity of its CI.",
        statement.predicate_type,
        build,
        signed.log_index,
        signed.signed_at,
    )


def subject_sha512(bundle: Bundle) -> str:
    """The SHA-512 (hex) that a bundle claims to be about, unproven; "" if it names none or several.

    BundleUnreadable if it is no Sigstore bundle.
    """
    return _claimed(_read(bundle))[1]


def predicate_type_of(bundle: Bundle) -> str:
    """What a bundle's statement calls itself, unproven; "" if it has none. BundleUnreadable."""
    return _claimed(_read(bundle))[0]


def is_provenance(predicate_type: str) -> bool:
    """Whether a statement of this type is SLSA provenance, be it of a version that is read here."""
    return predicate_type.startswith(slsa.PROVENANCE)


def is_publish_attestation(predicate_type: str) -> bool:
    """Whether a statement of this type is the registry's own, that it published a version."""
    return predicate_type.startswith(PUBLISH)


def verify_publish_attestation(
    bundle: Bundle,
    *,
    package: str,
    version: str,
    sha512: str,
    keys: Sequence[RegistryKey] | None,
) -> PublishVerification:
    """What the registry's own attestation is worth for this tarball.

    `keys` are the registry's (RegistryClient.signing_keys), None where they are not at hand.
    """
    try:
        document = _read(bundle)
    except BundleUnreadable as exc:
        return PublishVerification("refused", str(exc))
    return check_publish_attestation(
        document, package=package, version=version, sha512=sha512, keys=keys
    )


def _read(bundle: Bundle) -> dict[str, Any]:
    """The bundle as strictly read JSON that has at least a bundle's outline."""
    try:
        text = json.dumps(bundle) if isinstance(bundle, Mapping) else bundle
        document = parse_strictly(text, MAX_BUNDLE)
    except NotStrict as exc:
        raise BundleUnreadable(f"This is no Sigstore bundle. {exc}") from None
    except (TypeError, ValueError, RecursionError):
        raise BundleUnreadable("This is no Sigstore bundle. It is not JSON.") from None
    kind = document.get("mediaType") if isinstance(document, dict) else None
    if (
        not isinstance(kind, str)
        or not kind.startswith(_MEDIA_TYPE)
        or not isinstance(document.get("verificationMaterial"), dict)
    ):
        raise BundleUnreadable("This is JSON, but no Sigstore bundle.")
    found: dict[str, Any] = document
    return found


def _claimed(document: Mapping[str, Any]) -> tuple[str, str]:
    """Predicate type and SHA-512 that a bundle claims; "" for what cannot be read."""
    envelope = document.get("dsseEnvelope")
    payload = envelope.get("payload") if isinstance(envelope, Mapping) else None
    if not isinstance(payload, str):
        return "", ""
    try:
        statement = slsa.read_statement(base64.b64decode(payload, validate=True))
    except (NotProven, binascii.Error, ValueError):
        return "", ""
    digests = [digest for _, digest in statement.subjects]
    return statement.predicate_type, digests[0] if len(digests) == 1 else ""

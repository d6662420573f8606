"""What a signing certificate says about the run of a CI that it was issued to, as Fulcio says it.

The numbers are those of sigstore/fulcio, docs/oid-info.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from cryptography import x509

FULCIO_ARC = "1.3.6.1.4.1.57264.1"
# Up to here the text stands in the extension as it is; afterwards as a DER UTF8String.
LAST_RAW_NUMBER = 7
UTF8_STRING, OCTET_STRING = 0x0C, 0x04
LONGEST_SHORT_LENGTH = 0x7F


def _claim(number: int) -> Any:
    return field(default="", metadata={"number": number})


@dataclass(frozen=True)
class CertificateClaims:
    """The claims of one run; "" leaves one out. `name` is the certificate's subject alternative
    name: the address of the workflow that signs."""

    name: str
    # What Fulcio wrote first, of GitHub's runs only, and still writes.
    issuer_raw: str = _claim(1)
    github_trigger: str = _claim(2)
    github_commit: str = _claim(3)
    github_workflow_name: str = _claim(4)
    github_repository: str = _claim(5)
    github_ref: str = _claim(6)
    # What it writes since 2023, of every CI.
    issuer: str = _claim(8)
    build_signer: str = _claim(9)
    build_signer_digest: str = _claim(10)
    runner_environment: str = _claim(11)
    source_repository: str = _claim(12)
    source_digest: str = _claim(13)
    source_ref: str = _claim(14)
    source_repository_id: str = _claim(15)
    source_owner: str = _claim(16)
    source_owner_id: str = _claim(17)
    build_config: str = _claim(18)
    build_config_digest: str = _claim(19)
    build_trigger: str = _claim(20)
    run_invocation: str = _claim(21)
    source_visibility: str = _claim(22)
    deployment_environment: str = _claim(23)

    def extensions(self) -> Iterator[x509.UnrecognizedExtension]:
        """The certificate's extensions that say this."""
        for claim in fields(self):
            number, raw = claim.metadata.get("number"), getattr(self, claim.name).encode()
            if number and raw:
                yield x509.UnrecognizedExtension(
                    x509.ObjectIdentifier(f"{FULCIO_ARC}.{number}"),
                    raw if number <= LAST_RAW_NUMBER else der(UTF8_STRING, raw),
                )


def der(tag: int, content: bytes) -> bytes:
    """A value in DER under this tag (X.690, 8.1)."""
    if len(content) <= LONGEST_SHORT_LENGTH:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content

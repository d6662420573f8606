"""Whatever is changed in a good bundle, it proves nothing any more.

The few things that may be changed are listed by name, each with the reason why it means nothing.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from asn1crypto import tsp

from registry_client.provenance import BundleUnreadable, Trust, verify
from tests.authority import GITHUB, GITLAB, MOMENT, Kind, Sigstore
from tests.registry_client.provenance.altered_bundles import (
    Path,
    alterations,
    leaves,
    with_leaf,
    without,
)
from tests.registry_client.real_bundle import (
    PACKAGE,
    PATH,
    SHA512,
    VERSION,
    real_bundle,
)

OTHER_PACKAGE, OTHER_VERSION = "@acme/gadgets", "1.2.0"

Case = tuple[dict[str, Any], Trust, str, str]


def real() -> Case:
    if not PATH.exists():
        pytest.skip(f"{PATH} is not there: the bundle of sigstore@2.0.0.")
    return real_bundle(), Trust.embedded(), PACKAGE, VERSION


def made(kind: Kind, run: Any) -> Callable[[], Case]:
    def make() -> Case:
        sigstore = Sigstore("altered bundles")
        bundle = sigstore.bundle(OTHER_PACKAGE, OTHER_VERSION, SHA512, run, kind=kind)
        trust = Trust.from_json(json.dumps(sigstore.trusted_root()))
        return bundle, trust, OTHER_PACKAGE, OTHER_VERSION

    return make


CASES = {
    "npm's of 2023": real,
    "intoto from GitHub": made("intoto", GITHUB),
    "dsse from GitHub": made("dsse", GITHUB),
    "dsse from GitLab": made("dsse", GITLAB),
    "hashedrekord from GitHub": made("hashedrekord", GITHUB),
    "hashedrekord from GitLab": made("hashedrekord", GITLAB),
}


@pytest.fixture(params=CASES, ids=[name.replace(" ", "-") for name in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    """A good bundle of each kind, what verifies it, and the package and version it is about."""
    return CASES[request.param]()


def is_verified(bundle: Any, case: Case) -> bool:
    _, trust, package, version = case
    try:
        found = verify(bundle, package=package, version=version, sha512=SHA512, trust=trust)
    except BundleUnreadable:
        return False
    assert found.verified == (found.build is not None)
    assert found.reason
    assert found.reason.isprintable()
    return found.verified


def test_anything_changed_is_noticed(case: Case) -> None:
    bundle = case[0]
    assert is_verified(bundle, case)
    tried, missed = 0, []
    for path, how, altered in alterations(bundle):
        if altered == bundle:
            continue
        tried += 1
        if is_verified(altered, case) and not may_be_changed(path, how, altered, bundle):
            missed.append((".".join(map(str, path)), how))
    assert missed == []
    assert tried > 1000


def may_be_changed(path: Path, how: str, altered: dict[str, Any], bundle: dict[str, Any]) -> bool:
    """Whether the change means nothing, for one of these reasons."""
    if path == ("mediaType",):
        # Formats 0.1 and 0.2, and the two names of 0.3, differ in nothing that this bundle has.
        return frozenset((how, bundle["mediaType"])) in {
            frozenset(f"application/vnd.dev.sigstore.bundle+json;version=0.{n}" for n in (1, 2)),
            frozenset(
                (
                    "application/vnd.dev.sigstore.bundle+json;version=0.3",
                    "application/vnd.dev.sigstore.bundle.v0.3+json",
                )
            ),
        }
    if path == ("dsseEnvelope", "signatures", 0, "keyid"):
        # DSSE leaves it unsigned: a hint where to find the key, which here is the certificate's.
        return True
    if path[:2] == ("verificationMaterial", "timestampVerificationData") and how == "deleted":
        # Saying that there is no timestamp, and saying nothing of timestamps, is the same.
        stamps = bundle["verificationMaterial"]["timestampVerificationData"]
        return stamps in (None, {"rfc3161Timestamps": []})
    if path[-1] == "signedTimestamp":
        return signed_parts(altered) == signed_parts(bundle)
    return False


def signed_parts(bundle: dict[str, Any]) -> list[Any]:
    """What the timestamp authority signed, and the signature.

    CMS (RFC 5652) leaves unsigned: the versions of its own structures, and the name of the
    signature algorithm, which the key determines.
    """
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    answer = tsp.TimeStampResp.load(base64.b64decode(stamps[0]["signedTimestamp"]), strict=True)
    signed = answer["time_stamp_token"]["content"]
    signer = signed["signer_infos"][0]
    return [
        answer["status"].dump(),
        signed["digest_algorithms"].dump(),
        signed["encap_content_info"].dump(),
        signed["certificates"].dump(),
        signer["sid"].dump(),
        signer["digest_algorithm"].dump(),
        signer["signed_attrs"].dump(),
        signer["signature"].dump(),
    ]


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_every_byte_of_a_timestamp_counts() -> None:
    case = CASES["hashedrekord from GitHub"]()
    bundle = case[0]
    path = ("verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0)
    path = (*path, "signedTimestamp")
    stamp = base64.b64decode(dict(leaves(bundle))[path])
    missed = []
    for position in range(len(stamp)):
        bit = 1 << position % 8
        changed = stamp[:position] + bytes([stamp[position] ^ bit]) + stamp[position + 1 :]
        altered = with_leaf(bundle, path, base64.b64encode(changed).decode())
        if is_verified(altered, case) and not may_be_changed(path, "", altered, bundle):
            missed.append((position, bit))
    assert missed == []


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
def test_every_byte_of_the_certificate_counts(case: Case) -> None:
    bundle = case[0]
    path = next(path for path, _ in leaves(bundle) if path[-1] == "rawBytes")
    certificate = base64.b64decode(dict(leaves(bundle))[path])
    for position in range(len(certificate)):
        bit = 1 << position % 8
        changed = (
            certificate[:position]
            + bytes([certificate[position] ^ bit])
            + certificate[position + 1 :]
        )
        assert not is_verified(with_leaf(bundle, path, base64.b64encode(changed).decode()), case), (
            position
        )


def test_a_second_timestamp_must_be_good_too() -> None:
    """sigstore-python takes one good timestamp, or the log's time, and skips whatever is beside."""
    case = CASES["hashedrekord from GitHub"]()
    path = ("verificationMaterial", "timestampVerificationData", "rfc3161Timestamps")
    sigstore, stranger = Sigstore("altered bundles"), Sigstore.new()
    bundle = case[0]
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    for authority, content, good in (
        (sigstore, signature, False),
        (stranger, signature, False),
        (sigstore, signature + b"x", False),
    ):
        stamp = base64.b64encode(authority.timestamp(content, at=MOMENT)).decode()
        both = with_leaf(bundle, path, [*stamps, {"signedTimestamp": stamp}])
        assert is_verified(both, case) == good
    with_promise = CASES["dsse from GitHub"]()
    signature = base64.b64decode(with_promise[0]["dsseEnvelope"]["signatures"][0]["sig"])
    for authority, good in ((sigstore, True), (stranger, False)):
        stamp = base64.b64encode(authority.timestamp(signature, at=MOMENT)).decode()
        stamped = with_leaf(with_promise[0], path, [{"signedTimestamp": stamp}])
        assert is_verified(stamped, with_promise) == good


def test_the_promise_binds_index_and_time() -> None:
    """Without it, neither may be said: except a tree's own index where that is the log's."""
    case = CASES["hashedrekord from GitHub"]()
    entry = ("verificationMaterial", "tlogEntries", 0)
    assert not is_verified(with_leaf(case[0], (*entry, "integratedTime"), "1773651600"), case)
    assert is_verified(with_leaf(case[0], (*entry, "integratedTime"), "0"), case)
    promised = CASES["dsse from GitHub"]()
    unpromised = without(promised[0], (*entry, "inclusionPromise"))
    assert not is_verified(unpromised, promised)
    assert not is_verified(without(unpromised, (*entry, "integratedTime")), promised)


def test_a_promise_says_when() -> None:
    """sigstore-python looks at no promise that comes without the log's time."""
    bundle, *rest = CASES["dsse from GitHub"]()
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    stamp = base64.b64encode(Sigstore("altered bundles").timestamp(signature, at=MOMENT)).decode()
    material = bundle["verificationMaterial"]
    material["timestampVerificationData"]["rfc3161Timestamps"] = [{"signedTimestamp": stamp}]
    case = (bundle, *rest)
    assert is_verified(bundle, case)
    entry = ("verificationMaterial", "tlogEntries", 0)
    silent = without(bundle, (*entry, "integratedTime"))
    assert not is_verified(silent, case)
    promise = (*entry, "inclusionPromise", "signedEntryTimestamp")
    assert not is_verified(with_leaf(silent, promise, "AAAA"), case)
    assert not is_verified(with_leaf(bundle, promise, "AAAA"), case)


class OldestEntry(Sigstore):
    """A log in which the entry is the first of three: with one more, its proof looks the same."""

    def inclusion_proof(self, body: bytes, at: datetime) -> dict[str, Any]:
        second, third = bytes(32), bytes(range(32))
        first = hashlib.sha256(b"\0" + body).digest()
        pair = hashlib.sha256(b"\1" + first + second).digest()
        root = hashlib.sha256(b"\1" + pair + third).digest()
        return {
            "logIndex": "0",
            "treeSize": "3",
            "rootHash": base64.b64encode(root).decode(),
            "hashes": [base64.b64encode(one).decode() for one in (second, third)],
        }


@pytest.mark.parametrize("kind", ["dsse", "intoto", "hashedrekord"])
def test_the_tree_is_as_large_as_its_checkpoint_says(kind: Kind) -> None:
    """sigstore-python compares the proof's root with the checkpoint's, and not the size."""
    sigstore = OldestEntry("altered bundles")
    bundle = sigstore.bundle(OTHER_PACKAGE, OTHER_VERSION, SHA512, kind=kind)
    trust = Trust.from_json(json.dumps(sigstore.trusted_root()))
    case = (bundle, trust, OTHER_PACKAGE, OTHER_VERSION)
    assert is_verified(bundle, case)
    size = ("verificationMaterial", "tlogEntries", 0, "inclusionProof", "treeSize")
    assert not is_verified(with_leaf(bundle, size, "4"), case)


def test_other_witnesses_may_sign_a_checkpoint_but_not_in_nonsense() -> None:
    case = CASES["hashedrekord from GitHub"]()
    path = ("verificationMaterial", "tlogEntries", 0, "inclusionProof", "checkpoint", "envelope")
    text = dict(leaves(case[0]))[path]
    witness = "\N{EM DASH} witness.example.org " + base64.b64encode(b"1234" + b"s" * 64).decode()
    assert is_verified(with_leaf(case[0], path, f"{text}{witness}\n"), case)
    for odd in (witness[2:], witness + "!", "witness", "", witness + "\n" + witness * 400):
        assert not is_verified(with_leaf(case[0], path, f"{text}{odd}\n"), case), odd[:80]
    ours = text.rpartition("\n\n")[2]
    assert not is_verified(with_leaf(case[0], path, text + ours), case)

"""Bundles that nobody thought of end as refused or unreadable, never as a traceback.

Every run tries the same ones; `tests/run --fuzz-seconds 600 tests/registry_client` goes on with
others.
"""

import base64
import copy
import json
import random
import re
import time
import tracemalloc
from typing import Any

import pytest

from registry_client.provenance import (
    MAX_BUNDLE,
    BundleUnreadable,
    RegistryKey,
    Trust,
    is_provenance,
    is_publish_attestation,
    predicate_type_of,
    subject_sha512,
    verify,
    verify_publish_attestation,
)
from tests.authority import GITLAB, MOMENT, Kind, Sigstore
from tests.registry_client.provenance.altered_bundles import leaves, with_leaf, without

PACKAGE, VERSION, SHA512 = "@acme/gadgets", "1.2.0", "5a" * 64
SIGSTORE = Sigstore("a target")
TRUST = Trust.from_json(json.dumps(SIGSTORE.trusted_root()))
KINDS: tuple[Kind, ...] = ("dsse", "intoto", "hashedrekord")
EXAMPLES = 1500
SLOWEST_SECONDS = 5
ODD: list[Any] = [
    *(None, True, False, 0, -1, 2**63, 2**64, 2**4000, 1.5, 1e308, "", "x", [], {}, [[]], [{}]),
    *("0", "-1", "1e3", "9" * 19, "9" * 4000, "9" * 5000, "\u0663", "\ud800", "\0", "A" * 5000),
    *("AAAA", "MAA=", "MIIB", "////", "MAMCAQA=", "dsse", "hashedrekord", "intoto", "0.0.1"),
    *("0.0.2", "application/vnd.dev.sigstore.bundle.v0.3+json", "\n\n", "\u2014 a b\n"),
    ["x"] * 3000,
    {"x": 1},
]


def good(kind: Kind) -> dict[str, Any]:
    run: dict[str, Any] = {"run": GITLAB} if kind == "intoto" else {}
    return SIGSTORE.bundle(PACKAGE, VERSION, SHA512, **run, kind=kind)


def look(bundle: Any) -> bool:
    """Verifies it, and whatever else may be asked of it; True if it is verified."""
    began = time.perf_counter()
    keys = [RegistryKey("x", "x", "ecdsa-sha2-nistp256", b"x")]
    try:
        found = verify(bundle, package=PACKAGE, version=VERSION, sha512=SHA512, trust=TRUST)
    except BundleUnreadable:
        for ask in (subject_sha512, predicate_type_of):
            with pytest.raises(BundleUnreadable):
                ask(bundle)
        verified = False
    else:
        assert 0 < len(found.reason) <= 1000
        assert found.reason.isprintable()
        assert len(subject_sha512(bundle)) in (0, 128)
        assert predicate_type_of(bundle) == found.predicate_type
        verified = found.verified
    published = verify_publish_attestation(
        bundle, package=PACKAGE, version=VERSION, sha512=SHA512, keys=keys
    )
    assert published.state != "verified"
    assert published.reason.isprintable()
    assert time.perf_counter() - began < SLOWEST_SECONDS
    return verified


def mutated(bundle: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The bundle, damaged in a few places."""
    bundle = copy.deepcopy(bundle)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        found = list(leaves(bundle))
        path, value = chance.choice(found)
        if not path:
            return {}
        path = path[: chance.choice([len(path)] * 5 + list(range(1, len(path) + 1)))]
        do = chance.randrange(6)
        if do == 0:
            bundle = without(bundle, path)
        elif do == 1:
            bundle = with_leaf(bundle, path, chance.choice(ODD))
        elif do == 2:
            bundle = with_leaf(bundle, path, chance.choice(found)[1])
        elif do == 3 and isinstance(path[-1], str):
            bundle = with_leaf(bundle, (*path[:-1], chance.choice(["x", "log_index"])), value)
        elif isinstance(value, str):
            bundle = with_leaf(bundle, path, damaged(value, chance))
    return bundle


def damaged(text: str, chance: random.Random) -> str:
    """A text with some of its bytes changed: of those in base64, if it is that."""
    try:
        data = bytearray(base64.b64decode(text, validate=True))
    except ValueError:
        data = bytearray()
    encoded = len(data) > 8
    if not encoded:
        data = bytearray(text.encode("utf-8", "replace"))
    for _ in range(chance.choice([1, 1, 2, 10])):
        at = chance.randrange(len(data) + 1)
        do = chance.randrange(5)
        if do == 0:
            data[at : at + chance.choice([1, 4, 100])] = b""
        elif do == 1:
            data[at:at] = chance.randbytes(chance.choice([1, 4, 100]))
        elif do == 2:
            data[at:at] = data[at : at + chance.choice([4, 100, 1000])]
        elif at < len(data):
            data[at] = chance.choice([data[at] ^ 1 << chance.randrange(8), 0, 0x80, 0xFF, 0x30])
    return base64.b64encode(data).decode() if encoded else data.decode("utf-8", "replace")


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bundles(kind: Kind, pytestconfig: pytest.Config) -> None:
    bundle = good(kind)
    assert look(bundle)
    chance = random.Random(kind)
    until = time.monotonic() + pytestconfig.getoption("--fuzz-seconds")
    tried = refused = 0
    while tried < EXAMPLES or time.monotonic() < until:
        if tried == EXAMPLES:
            chance = random.Random()
        tried += 1
        refused += not look(mutated(bundle, chance))
    assert refused > tried * 0.8


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("kind", KINDS)
def test_bundles_with_anything_in_any_place(kind: Kind) -> None:
    bundle = good(kind)
    for path, _ in leaves(bundle):
        for value in ODD:
            look(with_leaf(bundle, path, value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "null",
        "[]",
        "{}",
        "5",
        '"x"',
        "NaN",
        "{",
        b"\xff\xfe",
        b"\x00",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"mediaType": 5, "verificationMaterial": {}}',
        '{"mediaType": "application/json", "verificationMaterial": {}}',
        '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}',
        '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": 1}',
        '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "a": 1, "a": 2}',
        '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "a": 1e999999}x',
        '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "a": ' + "9" * 9999 + "}",
        " " * (MAX_BUNDLE + 1),
        "\u00e9" * (MAX_BUNDLE // 2 + 1),
        {"mediaType": object()},
        {"mediaType": b"application"},
        {},
    ],
    # An address in memory would be another in each process that runs the tests.
    ids=lambda text: re.sub(" at 0x.*", "", repr(text))[:60],
)
def test_what_is_no_bundle(text: Any) -> None:
    with pytest.raises(BundleUnreadable, match=r"This is (no Sigstore bundle|JSON, but no)"):
        verify(text, package=PACKAGE, version=VERSION, sha512=SHA512, trust=TRUST)
    look(text)


def test_an_object_that_contains_itself_is_no_bundle() -> None:
    endless: dict[str, Any] = good("dsse")
    endless["verificationMaterial"]["x"] = endless
    look(endless)


def test_bundles_may_be_no_larger_than_a_mebibyte() -> None:
    text = json.dumps(good("dsse"))
    assert look(text.ljust(MAX_BUNDLE))
    text = text.ljust(MAX_BUNDLE + 1)
    with pytest.raises(BundleUnreadable, match="larger than 1048576 bytes"):
        verify(text, package=PACKAGE, version=VERSION, sha512=SHA512, trust=TRUST)


@pytest.mark.parametrize("name", ["tlogEntries", "hashes", "rfc3161Timestamps", "signatures"])
def test_long_lists_are_refused_before_anything_is_computed(name: str) -> None:
    """Also where the things in them are none."""
    bundle = good("hashedrekord")
    paths = [path for path, _ in leaves(bundle) if name in path]
    path = paths[0][: paths[0].index(name) + 1]
    for amount, too_much in ((64, False), (65, True)):
        odd = with_leaf(bundle, path, [{}] * amount)
        found = verify(odd, package=PACKAGE, version=VERSION, sha512=SHA512, trust=TRUST)
        assert not found.verified
        assert (found.reason == "The bundle has more in it than any proof needs.") == too_much


def test_much_of_everything_takes_little_time_and_memory() -> None:
    """As much of each thing as fits into a bundle."""
    bundle = good("dsse")
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    certificate = bundle["verificationMaterial"]["certificate"]
    huge = base64.b64encode(b"\x30\x83\x0a\x00\x00" + b"0" * 700_000).decode()
    stamp = base64.b64encode(SIGSTORE.timestamp(b"x", at=MOMENT)).decode()
    chain = {
        **without(bundle, ("verificationMaterial", "certificate")),
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2",
    }
    assert not stamps
    tracemalloc.start()
    try:
        for odd in (
            with_leaf(bundle, ("verificationMaterial", "tlogEntries"), [entry] * 150),
            _in_entry(bundle, "inclusionProof", "hashes", ["AAAA"] * 100_000),
            _in_entry(bundle, "inclusionProof", "checkpoint", {"envelope": "\n\n" * 200_000}),
            _in_entry(
                bundle,
                "inclusionProof",
                "checkpoint",
                {"envelope": "a\n5\nAA\n\n" + "\u2014" * 9999},
            ),
            _in_entry(bundle, "canonicalizedBody", huge),
            _in_entry(bundle, "canonicalizedBody", base64.b64encode(b"[" * 700_000).decode()),
            with_leaf(
                chain,
                ("verificationMaterial", "x509CertificateChain"),
                {"certificates": [certificate] * 400},
            ),
            with_leaf(bundle, ("verificationMaterial", "certificate", "rawBytes"), huge),
            with_leaf(
                bundle,
                ("verificationMaterial", "timestampVerificationData", "rfc3161Timestamps"),
                [{"signedTimestamp": stamp}] * 700,
            ),
            with_leaf(
                bundle,
                ("verificationMaterial", "timestampVerificationData", "rfc3161Timestamps"),
                [{"signedTimestamp": huge}],
            ),
            with_leaf(bundle, ("dsseEnvelope", "payload"), huge),
            with_leaf(
                bundle, ("dsseEnvelope", "signatures"), bundle["dsseEnvelope"]["signatures"] * 5000
            ),
        ):
            assert len(json.dumps(odd)) <= MAX_BUNDLE
            assert not look(odd)
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sha512", ["", "5a", "5a" * 63 + "5g", "5a" * 64 + "\n"])
def test_a_digest_that_is_none_is_the_callers_mistake(sha512: str) -> None:
    with pytest.raises(ValueError, match="no SHA-512"):
        verify(good("dsse"), package=PACKAGE, version=VERSION, sha512=sha512, trust=TRUST)


def test_kinds_of_statements() -> None:
    assert is_provenance("https://slsa.dev/provenance/v0.2")
    assert is_provenance("https://slsa.dev/provenance/v1")
    assert not is_provenance("https://slsa.dev/verification_summary/v1")
    publish = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
    assert is_publish_attestation(publish)
    assert not is_publish_attestation("https://slsa.dev/provenance/v1")
    assert not is_provenance(publish)


def _in_entry(bundle: dict[str, Any], *path_and_value: Any) -> dict[str, Any]:
    *path, value = path_and_value
    changed: dict[str, Any] = with_leaf(
        bundle, ("verificationMaterial", "tlogEntries", 0, *path), value
    )
    return changed


# Trusted roots


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "x",
        "[" * 100_000,
        " " * (5 * 1024 * 1024),
        json.dumps({**SIGSTORE.trusted_root(), "mediaType": "x"}),
        *(
            json.dumps({**SIGSTORE.trusted_root(), part: []})
            for part in ("tlogs", "ctlogs", "certificateAuthorities")
        ),
        json.dumps(
            with_leaf(
                SIGSTORE.trusted_root(),
                ("certificateAuthorities", 0, "certChain", "certificates", 0, "rawBytes"),
                "AAAA",
            )
        ),
        json.dumps({**SIGSTORE.trusted_root(), "certificateAuthorities": [{}]}),
    ],
    ids=lambda text: repr(text)[:40] + str(len(text)),
)
def test_trusted_roots_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"This (is no )?Sigstore trusted root") as caught:
        Trust.from_json(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_whose_root_it_is() -> None:
    text = json.dumps(SIGSTORE.trusted_root())
    assert not Trust.from_json(text).is_public
    assert Trust.from_json(text, is_public=True).is_public
    assert Trust.embedded().is_public
    assert Trust.embedded().root is Trust.embedded().root

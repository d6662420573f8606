"""The registry's own attestation that it published a version, and the keys it signs with."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import responses

from registry_client import errors
from registry_client.client import RegistryClient
from registry_client.provenance import (
    PublishVerification,
    RegistryKey,
    Trust,
    predicate_type_of,
    verify,
    verify_publish_attestation,
)
from registry_client.provenance.signing_keys import read_keys
from registry_client.sandbox.attestations import SigningKey
from tests.registry_client.http_server import BASE
from tests.registry_client.provenance.altered_bundles import Path, with_leaf, without

PACKAGE, VERSION = "@acme/gadgets", "1.2.0"
DIGEST = b"\x5a" * 64
SHA512 = DIGEST.hex()
KEY = SigningKey("the registry's")
KEYS = read_keys(KEY.keys_document())
BUNDLE: dict[str, Any] = KEY.publish_attestation(
    PACKAGE, VERSION, f"sha512-{base64.b64encode(DIGEST).decode()}"
)
VERIFIED = PublishVerification("verified", "The registry signed that it published this tarball.")
SIGNATURE: Path = ("dsseEnvelope", "signatures", 0)


def check(bundle: Any = BUNDLE, **about: Any) -> PublishVerification:
    options = {"package": PACKAGE, "version": VERSION, "sha512": SHA512, "keys": KEYS, **about}
    return verify_publish_attestation(bundle, **options)


def signed(**changes: Any) -> dict[str, Any]:
    """The attestation with other things in its statement, signed anew."""
    statement = json.loads(base64.b64decode(BUNDLE["dsseEnvelope"]["payload"]))
    payload = json.dumps({**statement, **changes}).encode()
    kind = b"application/vnd.in-toto+json"
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    bundle = with_leaf(BUNDLE, ("dsseEnvelope", "payload"), base64.b64encode(payload).decode())
    changed: dict[str, Any] = with_leaf(bundle, (*SIGNATURE, "sig"), KEY.sign(encoded))
    return changed


def test_signed_by_the_registry() -> None:
    assert check() == VERIFIED
    assert check(json.dumps(BUNDLE)) == VERIFIED
    assert check(sha512=SHA512.upper()) == VERIFIED
    assert check(signed()) == VERIFIED
    assert check(with_leaf(BUNDLE, (*SIGNATURE, "keyid"), "")) == VERIFIED


@pytest.mark.parametrize("keys", [None, []])
def test_without_the_registrys_keys(keys: Any) -> None:
    assert check(keys=keys) == PublishVerification(
        "unverified", "The registry's keys are not known."
    )


def test_with_other_keys() -> None:
    other = read_keys(SigningKey("another").keys_document())
    found = check(keys=other)
    assert found.state == "unverified"
    assert KEYS[0].key_id in found.reason
    assert check(keys=[*other, *KEYS]) == VERIFIED
    posing = replace(other[0], key_id=KEYS[0].key_id)
    assert check(keys=[posing]).state == "refused"


def test_a_key_that_was_given_up_dates_nothing() -> None:
    now = datetime.now(UTC)
    for expires, state in ((now + timedelta(days=1), "verified"), (now, "unverified")):
        found = check(keys=[replace(KEYS[0], expires=expires)])
        assert found.state == state
    assert f"a key that the registry gave up on {now:%Y-%m-%d}" in found.reason
    forged = with_leaf(BUNDLE, (*SIGNATURE, "sig"), KEY.sign(b"something else"))
    assert check(forged, keys=[replace(KEYS[0], expires=now)]).state == "refused"


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "rsa"},
        {"public": b""},
        {"public": b"x" * 91},
        {"public": KEYS[0].public[:-1]},
    ],
    ids=["scheme", "empty", "noise", "short"],
)
def test_keys_of_other_kinds(change: dict[str, Any]) -> None:
    found = check(keys=[replace(KEYS[0], **change)])
    assert found.state == "unverified"
    assert "a key of a kind that is not known" in found.reason


@pytest.mark.parametrize("keys", [KEYS, None], ids=["with-keys", "without"])
@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"version": "1.2.1"}, "It was made for pkg:npm/%40acme/gadgets@1.2.0"),
        ({"package": "gadgets"}, "It was made for pkg:npm/%40acme/gadgets@1.2.0"),
        ({"sha512": "b" * 128}, f"It was made for another tarball: its SHA-512 is {SHA512}"),
    ],
    ids=["version", "package", "digest"],
)
def test_for_something_else(about: dict[str, Any], words: str, keys: Any) -> None:
    found = check(keys=keys, **about)
    assert found.state == "refused"
    assert words in found.reason


@pytest.mark.parametrize("keys", [KEYS, None], ids=["with-keys", "without"])
@pytest.mark.parametrize(
    "changes",
    [
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"predicateType": "https://github.com/npm/attestation/tree/main/specs/publish/v0.2"},
        {"predicate": {"name": "other", "version": VERSION}},
        {"predicate": {"name": PACKAGE, "version": "9"}},
        {"predicate": {"name": {}, "version": VERSION}},
        {"predicate": None},
        {"subject": []},
        {"_type": "x"},
    ],
    ids=str,
)
def test_statements_that_say_something_else(changes: dict[str, Any], keys: Any) -> None:
    found = check(signed(**changes), keys=keys)
    assert found.state == "refused"
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("dsseEnvelope", "payloadType"), "text/plain"),
        (("dsseEnvelope", "payload"), "!"),
        (("dsseEnvelope", "payload"), None),
        (("dsseEnvelope", "signatures"), []),
        (("dsseEnvelope", "signatures"), BUNDLE["dsseEnvelope"]["signatures"] * 2),
        (SIGNATURE, "x"),
        ((*SIGNATURE, "sig"), "AAAA"),
        ((*SIGNATURE, "sig"), "\u00e9"),
        ((*SIGNATURE, "keyid"), "another"),
        ((*SIGNATURE, "keyid"), 5),
        (("verificationMaterial", "publicKey"), None),
        (("verificationMaterial", "publicKey", "hint"), "another"),
        (("dsseEnvelope",), None),
        (("mediaType",), "x"),
    ],
    ids=str,
)
def test_damaged(path: Path, value: Any) -> None:
    assert check(with_leaf(BUNDLE, path, value)).state == "refused"
    assert check(without(BUNDLE, path)).state == "refused" or path[-1] == "keyid"


def test_every_byte_is_signed() -> None:
    payload = base64.b64decode(BUNDLE["dsseEnvelope"]["payload"])
    for position in range(len(payload)):
        changed = payload[:position] + bytes([payload[position] ^ 1]) + payload[position + 1 :]
        text = base64.b64encode(changed).decode()
        assert check(with_leaf(BUNDLE, ("dsseEnvelope", "payload"), text)).state == "refused"


def test_it_is_no_provenance() -> None:
    found = verify(BUNDLE, package=PACKAGE, version=VERSION, sha512=SHA512, trust=Trust.embedded())
    assert not found.verified
    assert "It has no certificate of Sigstore's" in found.reason
    assert found.predicate_type == predicate_type_of(BUNDLE)
    assert found.predicate_type.startswith("https://github.com/npm/attestation/")


# The registry's keys


def test_signing_keys(client: RegistryClient, registry: responses.RequestsMock) -> None:
    document = KEY.keys_document()
    old = {**document["keys"][0], "keyid": "old", "expires": "2025-01-29T01:00:00+01:00"}
    new = {**document["keys"][0], "expires": "2999-01-29T00:00:00.000Z", "more": 1}
    registry.get(f"{BASE}/-/npm/v1/keys", json={"keys": [old, new]})
    found = client.signing_keys()
    assert [one.key_id for one in found] == ["old", KEYS[0].key_id]
    assert found[0].expires == datetime(2025, 1, 29, tzinfo=UTC)
    assert found[0].expires.tzinfo == timezone.utc  # noqa: UP017 - the very object
    assert found[1].expires == datetime(2999, 1, 29, tzinfo=UTC)
    assert check(keys=found) == VERIFIED


@pytest.mark.parametrize("body", ["", '{"error": "Not found"}', "<html>Cannot GET</html>"])
def test_registries_without_keys(
    client: RegistryClient, registry: responses.RequestsMock, body: str
) -> None:
    registry.get(f"{BASE}/-/npm/v1/keys", status=404, body=body)
    assert client.signing_keys() == []


def test_a_failure_is_not_taken_for_no_keys(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.get(f"{BASE}/-/npm/v1/keys", status=500)
    with pytest.raises(errors.RegistryUnavailable):
        client.signing_keys()


ENTRY: dict[str, Any] = KEY.keys_document()["keys"][0]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"keys": {}},
        {"keys": [5]},
        {"keys": [ENTRY] * 51},
        *({"keys": [without(ENTRY, (name,))]} for name in ("keyid", "keytype", "scheme", "key")),
        *({"keys": [{**ENTRY, "keyid": odd}]} for odd in ("", "a\nb", "x" * 201, 5, None)),
        *({"keys": [{**ENTRY, "key": odd}]} for odd in ("", "!", "\u00e9", "A" * 5000, 5)),
        *({"keys": [{**ENTRY, "expires": odd}]} for odd in ("x", 5, "2025-99-01", "1" * 300)),
    ],
    ids=lambda document: repr(document)[:60],
)
def test_keys_that_are_none(
    client: RegistryClient, registry: responses.RequestsMock, document: object
) -> None:
    registry.get(f"{BASE}/-/npm/v1/keys", json=document)
    with pytest.raises(errors.NotARegistry, match="about its signing keys"):
        client.signing_keys()


def test_a_key_is_that_which_it_says() -> None:
    assert read_keys(KEY.keys_document()) == [
        RegistryKey(
            key_id=KEY.key_id,
            key_type="ecdsa-sha2-nistp256",
            scheme="ecdsa-sha2-nistp256",
            public=KEY.public_der,
        )
    ]

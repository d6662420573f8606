"""A bundle that npm really made proves its tarball, and no other."""

import base64
import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from registry_client.provenance import (
    Build,
    Trust,
    Verification,
    predicate_type_of,
    subject_sha512,
    verify,
)
from tests.integration.npm import why_npm_is_missing
from tests.registry_client.provenance.altered_bundles import MEDIA_TYPES
from tests.registry_client.real_bundle import (
    PACKAGE,
    PATH,
    SHA512,
    VERSION,
    needs_real_bundle,
    real_bundle,
)

pytestmark = needs_real_bundle

ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PACK_SECONDS = 120
REPOSITORY = "https://github.com/sigstore/sigstore-js"


def check(bundle: Any, sha512: str = SHA512, version: str = VERSION) -> Verification:
    trust = Trust.embedded()
    return verify(bundle, package=PACKAGE, version=version, sha512=sha512, trust=trust)


def test_it_proves_where_its_tarball_was_built() -> None:
    found = check(PATH.read_bytes())
    assert found == Verification(
        verified=True,
        reason=(
            f"{REPOSITORY} built this tarball from commit "
            "f0b49a04e5a62250e0f60fb128004a73110fe311, and signed that with an identity of its CI."
        ),
        predicate_type="https://slsa.dev/provenance/v1",
        build=Build(
            platform="github",
            issuer="https://token.actions.githubusercontent.com",
            repository=REPOSITORY,
            repository_id="495574555",
            owner="https://github.com/sigstore",
            owner_id="71096353",
            ref="refs/heads/main",
            commit="f0b49a04e5a62250e0f60fb128004a73110fe311",
            workflow=".github/workflows/release.yml",
            workflow_ref="refs/heads/main",
            workflow_repository=REPOSITORY,
            signer_workflow=f"{REPOSITORY}/.github/workflows/release.yml@refs/heads/main",
            trigger="push",
            runner="hosted",
            builder="https://github.com/actions/runner/github-hosted",
            run_url=f"{REPOSITORY}/actions/runs/5904696764/attempts/1",
            visibility="public",
        ),
        log_index=31821305,
        signed_at=datetime(2023, 8, 18, 16, 5, 35, tzinfo=UTC),
    )


def test_text_bytes_and_object_are_the_same_bundle() -> None:
    text = PATH.read_text()
    assert check(text) == check(text.encode()) == check(json.loads(text))
    assert check(text, SHA512.upper()) == check(text)


def test_it_tells_what_it_is_about_before_it_is_verified() -> None:
    assert subject_sha512(PATH.read_text()) == SHA512
    assert predicate_type_of(PATH.read_text()) == "https://slsa.dev/provenance/v1"


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The tarball of sigstore@2.0.0, as the machine's registry serves it."""
    missing = why_npm_is_missing()
    if missing:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("packed")
    done = subprocess.run(
        [str(shutil.which("npm")), "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts"],
        cwd=folder,
        env={**os.environ, "npm_config_cache": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=PACK_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm cannot fetch {PACKAGE}@{VERSION}: {done.stderr.strip()[-200:]}")
    return (folder / f"{PACKAGE}-{VERSION}.tgz").read_bytes()


@pytest.mark.integration
def test_it_proves_the_published_tarball_and_no_other(tarball: bytes) -> None:
    assert check(real_bundle(), hashlib.sha512(tarball).hexdigest()).verified
    other = hashlib.sha512(tarball[:-1] + bytes([tarball[-1] ^ 1])).hexdigest()
    found = check(real_bundle(), other)
    assert not found.verified
    assert SHA512 in found.reason
    assert other in found.reason
    assert found.build is None
    assert found.log_index is None
    assert found.signed_at is None
    assert found.predicate_type == "https://slsa.dev/provenance/v1"


@pytest.mark.parametrize(
    ("package", "version"), [("sigstore", "2.0.1"), ("sigstor", "2.0.0"), ("@s/sigstore", "2.0.0")]
)
def test_it_proves_no_other_version(package: str, version: str) -> None:
    found = verify(
        real_bundle(), package=package, version=version, sha512=SHA512, trust=Trust.embedded()
    )
    assert not found.verified
    assert f"It was made for pkg:npm/sigstore@2.0.0; this version is {package}@" in found.reason


def test_it_may_call_itself_of_the_next_format_but_of_no_other() -> None:
    assert [
        check({**real_bundle(), "mediaType": media_type}).verified
        for media_type in MEDIA_TYPES[:-1]
    ] == [True, True, False, False, False]


@pytest.mark.parametrize("where", ["envelope", "certificate", "promise"])
def test_signatures_can_not_be_turned_over(where: str) -> None:
    """To every ECDSA signature (r, s) there is (r, -s), which verifies just as well.

    Turned over in the envelope or the certificate it is not what was logged; the promise's is
    nobody's evidence, and stays a valid promise of the log.
    """
    bundle = real_bundle()
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    chain = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    if where == "envelope":
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = _turned(
            base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]), ORDER_OF_P256
        )
    elif where == "promise":
        promise = entry["inclusionPromise"]
        promise["signedEntryTimestamp"] = _turned(
            base64.b64decode(promise["signedEntryTimestamp"]), ORDER_OF_P256
        )
    else:
        chain[0]["rawBytes"] = _with_turned_signature(base64.b64decode(chain[0]["rawBytes"]))
    found = check(bundle)
    assert found.verified == (where == "promise"), found.reason
    if where != "promise":
        assert "The log entry is about another signature or certificate." in found.reason


def test_another_entry_of_the_log_does_not_count() -> None:
    """An entry with the right kind and version in the bundle, but not in its body."""
    bundle = real_bundle()
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    entry["kindVersion"] = {"kind": "dsse", "version": "0.0.1"}
    assert check(bundle).reason == "The log entry is not of the kind that the bundle says it is."


def test_more_certificates_are_none_of_anyones() -> None:
    bundle = real_bundle()
    chain = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    chain.append(copy.deepcopy(chain[0]))
    assert "neither the signer's nor the trusted authority's" in check(bundle).reason
    for certificate in _authority():
        with_chain = real_bundle()
        material = with_chain["verificationMaterial"]["x509CertificateChain"]
        material["certificates"].append({"rawBytes": certificate})
        assert check(with_chain).verified


def test_one_trust_serves_many_threads() -> None:
    trust = Trust.embedded()
    bundle = real_bundle()
    begin = threading.Barrier(8)

    def look(number: int) -> bool:
        begin.wait(30)
        sha512 = SHA512 if number % 2 else "0" * 128
        results = [
            verify(bundle, package=PACKAGE, version=VERSION, sha512=sha512, trust=trust).verified
            for _ in range(10)
        ]
        return results == [bool(number % 2)] * 10

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, range(8)))


def test_nothing_is_fetched_and_nothing_kept(tmp_path: Path) -> None:
    """In a process of its own, where any connection fails and the home folder stays empty."""
    code = f"""
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("it wants the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from registry_client.provenance import Trust, verify
assert not any(name.startswith("sigstore") for name in sys.modules), "imported too early"
trust = Trust.embedded()
assert trust.is_public
found = verify(
    open({str(PATH)!r}).read(), package="sigstore", version="2.0.0", sha512={SHA512!r}, trust=trust
)
assert found.verified, found.reason
"""
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


def _authority() -> list[str]:
    """The certificates of the authority that issued the bundle's, in base64."""
    found = [
        base64.b64encode(one.raw_bytes).decode()
        for authority in Trust.embedded().root.inner.certificate_authorities
        for one in authority.cert_chain.certificates
    ]
    assert len(found) > 1
    return found


def _turned(signature: bytes, order: int) -> str:
    r, s = decode_dss_signature(signature)
    return base64.b64encode(encode_dss_signature(r, order - s)).decode()


def _with_turned_signature(der: bytes) -> str:
    """A certificate whose P-384 signature, the last thing in it, is turned over."""
    order = int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    )
    at = der.rindex(b"\x03", 0, len(der) - 100)
    size = der[at + 1]
    assert at + 2 + size == len(der)
    r, s = decode_dss_signature(der[at + 3 :])
    turned = encode_dss_signature(r, order - s)
    signature = b"\x03" + bytes([len(turned) + 1, 0]) + turned
    whole = _unwrapped(der)[: at - 4] + signature
    return base64.b64encode(b"\x30\x82" + len(whole).to_bytes(2, "big") + whole).decode()


def _unwrapped(der: bytes) -> bytes:
    assert der[:2] == b"\x30\x82"
    return der[4:]

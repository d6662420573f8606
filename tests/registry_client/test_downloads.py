"""Tarballs: whole, bounded and right, or not there at all."""

import base64
import hashlib
import random
import socket
from pathlib import Path

import pytest
import responses

from registry_client import errors
from registry_client.client import Download, RegistryClient, StagedItem
from registry_client.versions import PublishedVersion
from tests.registry_client.http_server import (
    BASE,
    STAGE_ID,
    TOKEN,
    Clock,
    Handler,
    client_of,
    in_turn,
    serving,
)

# The same in every process: tests that are spread over several must have the same names.
TARBALL = random.Random(7).randbytes(300_000)
SHA1 = hashlib.sha1(TARBALL, usedforsecurity=False).hexdigest()
SHA512 = hashlib.sha512(TARBALL).hexdigest()
URL = f"{BASE}/lib/-/lib-1.0.0.tgz"


def sri(algorithm: str, content: bytes = TARBALL) -> str:
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def staged(shasum: str = SHA1) -> StagedItem:
    return StagedItem.from_json(
        {
            "id": STAGE_ID,
            "packageName": "lib",
            "version": "1.0.0",
            "tag": "latest",
            "createdAt": "2026-03-01T10:20:30Z",
            "shasum": shasum,
        }
    )


def published(shasum: str = "", integrity: str = "", tarball: str = URL) -> PublishedVersion:
    return PublishedVersion("1.0.0", shasum, integrity, tarball, "", None, "")


def send(handler: Handler) -> None:
    handler.say(200, TARBALL, content_type="application/octet-stream")


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Lets every name lead to these addresses."""
    found = [(0, 0, 0, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "lib.tgz"


def left_behind(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_staged_tarball_is_saved_and_its_progress_told(target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(send) as server, client_of(server.url, Clock()) as client:
        done = client.download_staged(staged(), target, lambda *at: seen.append(at))
    assert done == Download(target, len(TARBALL), SHA1, SHA512)
    assert target.read_bytes() == TARBALL
    assert left_behind(target) == ["lib.tgz"]
    assert server.requests[0].path == f"/-/stage/{STAGE_ID}/tarball"
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert seen[-1] == (len(TARBALL), len(TARBALL))
    assert [at for at, _ in seen] == sorted({at for at, _ in seen})


def test_a_tarball_that_is_not_the_announced_one_is_not_kept(target: Path) -> None:
    with (
        serving(send) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(errors.DigestMismatch) as caught,
    ):
        client.download_staged(staged("0" * 40), target)
    assert caught.value.expected == "sha1-" + "0" * 40
    assert caught.value.actual == f"sha1-{SHA1}"
    assert left_behind(target) == []
    assert len(server.requests) == 1


def test_a_failed_download_leaves_an_older_file_alone(target: Path) -> None:
    target.write_bytes(b"older")
    with (
        serving(send) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(errors.DigestMismatch),
    ):
        client.download_staged(staged("0" * 40), target)
    assert target.read_bytes() == b"older"
    assert left_behind(target) == ["lib.tgz"]


def test_a_download_that_breaks_off_begins_anew(target: Path) -> None:
    def half(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(TARBALL)))
        handler.end_headers()
        handler.wfile.write(TARBALL[:200_000])
        handler.drop()

    with (
        serving(in_turn(half, half, send)) as server,
        client_of(server.url, Clock()) as client,
    ):
        done = client.download_staged(staged(), target)
    assert done.sha512 == SHA512
    assert target.read_bytes() == TARBALL
    assert left_behind(target) == ["lib.tgz"]


def test_a_download_that_always_breaks_off_leaves_nothing(target: Path) -> None:
    def half(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(TARBALL)))
        handler.end_headers()
        handler.wfile.write(TARBALL[:200_000])
        handler.drop()

    with (
        serving(half) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(errors.RegistryUnavailable),
    ):
        client.download_staged(staged(), target)
    assert len(server.requests) == 4
    assert left_behind(target) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_download_is_bounded(target: Path, announced: bool) -> None:
    def large(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header(*(("content-length", "300000") if announced else ("x", "y")))
        handler.end_headers()
        handler.wfile.write(TARBALL)
        handler.drop()

    with (
        serving(large) as server,
        client_of(server.url, Clock(), download_limit=100_000) as client,
        pytest.raises(errors.TooLarge) as caught,
    ):
        client.download_staged(staged(), target)
    assert caught.value.limit == 100_000
    assert left_behind(target) == []


def test_a_download_of_exactly_the_limit_is_fine(target: Path) -> None:
    with (
        serving(send) as server,
        client_of(server.url, Clock(), download_limit=len(TARBALL)) as client,
    ):
        assert client.download_staged(staged(), target).size == len(TARBALL)


def test_a_download_that_drips_is_cut_off(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_client.client.DOWNLOAD_SECONDS", 0.2)

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.drip(b"x")

    with (
        serving(slow) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(errors.RegistryUnavailable, match="did not finish"),
    ):
        client.download_staged(staged(), target)
    assert len(server.requests) == 1
    assert left_behind(target) == []


def test_a_caller_who_gives_up_leaves_nothing(target: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with (
        serving(send) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.download_staged(staged(), target, stop)
    assert left_behind(target) == []


def test_the_bytes_are_taken_as_they_are(target: Path) -> None:
    """A server that marks the tarball's own compression must not make us undo it."""

    def marked(handler: Handler) -> None:
        handler.say(200, TARBALL, content_encoding="gzip")

    with serving(marked) as server, client_of(server.url, Clock()) as client:
        assert client.download_staged(staged(), target).sha512 == SHA512


def test_an_answer_without_a_tarball_is_refused(target: Path) -> None:
    with (
        serving(lambda h: h.say(204)) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(errors.NotARegistry),
    ):
        client.download_staged(staged(), target)
    assert left_behind(target) == []


def test_a_staged_tarball_that_is_gone(target: Path) -> None:
    with (
        serving(lambda h: h.say(404, {"error": "no such staged package version"})) as server,
        client_of(server.url, Clock()) as client,
        pytest.raises(errors.NotFound, match="no such staged"),
    ):
        client.download_staged(staged(), target)


@pytest.mark.parametrize(
    ("shasum", "integrity"),
    [
        (SHA1, ""),
        ("", sri("sha512")),
        (SHA1, sri("sha512")),
        (SHA1, sri("sha1")),
        ("", sri("sha1")),
        ("", sri("sha256")),
        ("", sri("sha384") + "?option"),
        ("", f"{sri('sha512', b'other')} {sri('sha512')}"),
        ("", f"{sri('sha1', b'other')} {sri('sha512')}"),
        ("", f"md5-AAAA {sri('sha512')}"),
    ],
)
def test_a_published_tarball_with_the_announced_digests(
    client: RegistryClient,
    registry: responses.RequestsMock,
    target: Path,
    shasum: str,
    integrity: str,
) -> None:
    registry.get(URL, body=TARBALL)
    done = client.download_published(published(shasum, integrity), target)
    assert done == Download(target, len(TARBALL), SHA1, SHA512)


@pytest.mark.parametrize(
    ("shasum", "integrity"),
    [
        ("0" * 40, ""),
        ("0" * 40, sri("sha512")),
        (SHA1, sri("sha512", b"other")),
        (SHA1, sri("sha1", b"other")),
        (SHA1, f"{sri('sha1')} {sri('sha512', b'other')}"),
        ("0" * 40, sri("sha1")),
        ("no digest", ""),
    ],
)
def test_a_published_tarball_with_other_digests_is_not_kept(
    client: RegistryClient,
    registry: responses.RequestsMock,
    target: Path,
    shasum: str,
    integrity: str,
) -> None:
    registry.get(URL, body=TARBALL)
    with pytest.raises(errors.DigestMismatch):
        client.download_published(published(shasum, integrity), target)
    assert left_behind(target) == []


@pytest.mark.parametrize("integrity", ["", "md5-AAAA", "sha512", "sha512-*", "nonsense"])
def test_a_tarball_that_cannot_be_compared_is_not_fetched(
    client: RegistryClient, registry: responses.RequestsMock, target: Path, integrity: str
) -> None:
    with pytest.raises(errors.NotARegistry, match="digest"):
        client.download_published(published("", integrity), target)
    assert len(registry.calls) == 0


def test_a_tarball_on_another_host_is_fetched_without_the_token(
    client: RegistryClient, registry: responses.RequestsMock, target: Path
) -> None:
    url = "https://files.example.org/lib.tgz"
    registry.get(url, body=TARBALL)
    client.download_published(published(SHA1, tarball=url), target)
    assert "Authorization" not in registry.calls[0].request.headers


def test_an_old_address_without_tls_is_asked_with_it(
    client: RegistryClient, registry: responses.RequestsMock, target: Path
) -> None:
    registry.get(URL, body=TARBALL)
    old = URL.replace("https:", "http:")
    client.download_published(published(SHA1, tarball=old), target)
    assert registry.calls[0].request.url == URL


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lib.tgz",
        "file:///etc/passwd",
        "http://files.example.org/lib.tgz",
        "http://registry.example.org.evil.example/lib.tgz",
        "https://127.0.0.1/lib.tgz",
        "https://localhost/lib.tgz",
        "https://LOCALHOST./lib.tgz",
        "https://mirror.localhost/lib.tgz",
        "https://%6cocalhost/lib.tgz",
        "https://127%2e0%2e0%2e1/lib.tgz",
        "https://\uff11\uff12\uff17.0.0.1/lib.tgz",
        "https://0.0.0.0/lib.tgz",
        "https://0.0.0.1/lib.tgz",
        "https://127.1/lib.tgz",
        "https://0x7f.1/lib.tgz",
        "https://2130706433/lib.tgz",
        "https://224.0.0.1/lib.tgz",
        "https://[::]/lib.tgz",
        "https://[fe80::1]/lib.tgz",
        "https://[fe80::1%25eth0]/lib.tgz",
        "https://[ff02::1]/lib.tgz",
        "https://[::ffff:127.0.0.1]/lib.tgz",
        "https://[::ffff:169.254.169.254]/lib.tgz",
        "https://[64:ff9b::7f00:1]/lib.tgz",
        "https://[2002:7f00:1::]/lib.tgz",
        "https://169.254.169.254/latest/meta-data",
        "https://alice:secret@files.example.org/lib.tgz",
        "https://[::1",
    ],
)
def test_an_address_that_is_not_safe_to_ask_is_refused(
    client: RegistryClient, registry: responses.RequestsMock, target: Path, url: str
) -> None:
    with pytest.raises(errors.NotARegistry, match="address"):
        client.download_published(published(SHA1, tarball=url), target)
    assert len(registry.calls) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_to_this_machine_or_its_link_is_not_asked(
    client: RegistryClient,
    registry: responses.RequestsMock,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    resolve_to(monkeypatch, "198.51.100.7", address)
    with pytest.raises(errors.NotARegistry, match="address"):
        client.download_published(
            published(SHA1, tarball="https://files.example.org/lib.tgz"), target
        )
    assert len(registry.calls) == 0


def test_the_registrys_own_host_is_asked_wherever_it_is(
    client: RegistryClient,
    registry: responses.RequestsMock,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    registry.get(URL, body=TARBALL)
    client.download_published(published(SHA1), target)
    assert target.read_bytes() == TARBALL


@pytest.mark.parametrize("host", ["10.0.0.5", "[2001:db8::1]"])
def test_a_host_in_a_private_network_is_asked(
    client: RegistryClient, registry: responses.RequestsMock, target: Path, host: str
) -> None:
    url = f"https://{host}/lib.tgz"
    registry.get(url, body=TARBALL)
    client.download_published(published(SHA1, tarball=url), target)
    assert target.read_bytes() == TARBALL


def test_the_tarball_is_readable_by_its_owner_alone(
    client: RegistryClient, registry: responses.RequestsMock, target: Path
) -> None:
    registry.get(URL, body=TARBALL)
    client.download_published(published(SHA1), target)
    assert target.stat().st_mode & 0o077 == 0


# ---------- looking at what everybody gets


def test_what_is_published_is_read_once_without_being_kept(target: Path) -> None:
    with serving(send) as server, RegistryClient(server.url) as client:
        version = published(shasum="0" * 40, tarball=f"{server.url}/lib.tgz")
        found = client.digests_of_published(version, seconds=30)
    assert (found.size, found.sha1, found.sha512) == (len(TARBALL), SHA1, SHA512)
    assert "authorization" not in server.requests[0].headers
    assert left_behind(target) == []


def test_what_breaks_off_while_it_is_looked_at_is_not_asked_for_again() -> None:
    def half(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(TARBALL)))
        handler.end_headers()
        handler.wfile.write(TARBALL[:200_000])
        handler.drop()

    with (
        serving(half) as server,
        RegistryClient(server.url) as client,
        pytest.raises(errors.RegistryUnavailable),
    ):
        client.digests_of_published(published(tarball=f"{server.url}/lib.tgz"), seconds=30)
    assert len(server.requests) == 1


def test_looking_at_what_drips_ends_in_time() -> None:
    def drips(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.drip(b"x")

    with (
        serving(drips) as server,
        RegistryClient(server.url) as client,
        pytest.raises(errors.RegistryUnavailable, match="within 1 seconds"),
    ):
        client.digests_of_published(published(tarball=f"{server.url}/lib.tgz"), seconds=1)


def test_looking_follows_the_packument_to_no_service_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, "169.254.169.254")
    with RegistryClient(BASE) as client, pytest.raises(errors.NotARegistry, match="not safe"):
        client.digests_of_published(published(tarball="https://files.example.org/x"), seconds=1)

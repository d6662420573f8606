"""Where the token goes, and how an answer is kept from lasting or growing without end."""

import gzip
import ssl
from pathlib import Path

import pytest

from registry_client import transport
from registry_client.client import RegistryClient
from registry_client.errors import (
    AnswerLost,
    NotARegistry,
    NotFound,
    RegistryUnavailable,
    TooLarge,
)
from tests.registry_client.certificates import server_context
from tests.registry_client.http_server import (
    STAGE_ID,
    TOKEN,
    Clock,
    Handler,
    alice,
    client_of,
    in_turn,
    serving,
    unused_port,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_connections_are_used_again(clock: Clock) -> None:
    with serving(alice) as server, client_of(server.url, clock) as client:
        for _ in range(3):
            client.whoami()
    assert len({request.connection for request in server.requests}) == 1


def test_a_decision_never_leaves_on_a_connection_that_brought_a_refusal(clock: Clock) -> None:
    missing = in_turn(lambda h: h.say(404, {"error": "no such tarball"}), lambda h: h.say(201, {}))
    with serving(missing) as server, client_of(server.url, clock) as client:
        with pytest.raises(NotFound):
            client.staged_version(STAGE_ID)
        client.approve(STAGE_ID, "123456")
    assert len({request.connection for request in server.requests}) == 2


def test_the_token_follows_a_redirect_within_the_registry(clock: Clock) -> None:
    moved = in_turn(lambda h: h.say(302, location="/elsewhere/whoami"), alice)
    with serving(moved) as server, client_of(server.url, clock) as client:
        assert client.whoami() == "alice"
    assert [r.headers.get("authorization") for r in server.requests] == [f"Bearer {TOKEN}"] * 2


def test_the_token_never_follows_a_redirect_to_another_port(clock: Clock) -> None:
    with (
        serving(alice) as other,
        serving(lambda h: h.say(302, location=other.url + "/me")) as server,
        client_of(server.url, clock) as client,
    ):
        assert client.whoami() == "alice"
    assert "authorization" in server.requests[0].headers
    assert "authorization" not in other.requests[0].headers
    assert TOKEN not in str(other.requests)


def test_the_token_does_not_come_back_after_a_detour(clock: Clock) -> None:
    with (
        serving(alice) as server,
        serving(lambda h: h.say(302, location=server.url + "/back")) as other,
    ):
        server.answer = in_turn(lambda h: h.say(302, location=other.url), alice)
        with client_of(server.url, clock) as client:
            client.whoami()
    assert server.requests[1].path == "/back"
    assert "authorization" not in server.requests[1].headers


@pytest.mark.parametrize(
    "location",
    [
        "http://user:pass@127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http:\\\\127.0.0.1\\x",
        "http://127.0.0.1:99999/",
        "https://[::1",
        "/" + "x" * 3000,
    ],
)
def test_a_redirect_to_nonsense_is_refused(clock: Clock, location: str) -> None:
    with (
        serving(lambda h: h.say(302, location=location)) as server,
        client_of(server.url, clock) as client,
        pytest.raises(NotARegistry),
    ):
        client.whoami()
    assert len(server.requests) == 1


def test_a_redirect_loop_ends(clock: Clock) -> None:
    with (
        serving(lambda h: h.say(302, location="/again")) as server,
        client_of(server.url, clock) as client,
        pytest.raises(NotARegistry, match="redirects more than"),
    ):
        client.whoami()
    assert len(server.requests) <= 10


def test_what_must_stay_at_home_is_asked_nowhere_else(clock: Clock) -> None:
    with serving(alice) as elsewhere:

        def away(handler: Handler) -> None:
            handler.say(302, b"", location=f"{elsewhere.url}/proof")

        with serving(away) as server, client_of(server.url, clock) as client:
            for url in (f"{server.url}/proof", f"{elsewhere.url}/proof"):
                with pytest.raises(NotARegistry, match="leads away from the registry"):
                    client.transport.get(url, transport.read_answer, leaves_home=False)
            assert [request.path for request in server.requests] == ["/proof"]
        assert elsewhere.requests == []


def test_a_redirect_with_an_endless_body_is_followed_at_once(clock: Clock) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("location", "/me")
        handler.end_headers()
        handler.drip(b"x")

    with serving(in_turn(endless, alice)) as server, client_of(server.url, clock) as client:
        assert client.whoami() == "alice"


def test_an_answer_that_drips_is_cut_off(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "JSON_SECONDS", 0.2)

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000000")
        handler.end_headers()
        handler.drip()

    with (
        serving(slow) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable, match="did not finish"),
    ):
        client.whoami()
    assert len(server.requests) == 1


def test_an_answer_of_unknown_length_that_drips_is_cut_off(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "JSON_SECONDS", 0.2)

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(b'{"username": "mallory"}')
        handler.drip()

    with (
        serving(slow) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable, match="did not finish"),
    ):
        client.whoami()


def test_a_head_that_drips_is_cut_off(clock: Clock) -> None:
    def slow(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        handler.drip(b"x")

    with (
        serving(slow) as server,
        client_of(server.url, clock, read_timeout=0.1) as client,
        pytest.raises(AnswerLost),
    ):
        client.approve(STAGE_ID)


def test_a_large_answer_is_refused_by_its_announcement(clock: Clock) -> None:
    def large(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(10**12))
        handler.end_headers()
        handler.drop()

    with (
        serving(large) as server,
        client_of(server.url, clock) as client,
        pytest.raises(TooLarge) as caught,
    ):
        client.whoami()
    assert caught.value.limit == transport.JSON_LIMIT


def test_a_large_answer_is_refused_while_it_is_read(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "JSON_LIMIT", 1000)

    def large(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.drip(b"x" * 500)

    with (
        serving(large) as server,
        client_of(server.url, clock) as client,
        pytest.raises(TooLarge),
    ):
        client.whoami()


def test_an_answer_that_unpacks_without_end_is_refused(clock: Clock) -> None:
    bomb = gzip.compress(b" " * (2 * transport.JSON_LIMIT))
    with (
        serving(lambda h: h.say(200, bomb, content_encoding="gzip")) as server,
        client_of(server.url, clock) as client,
        pytest.raises(TooLarge),
    ):
        client.whoami()


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>Welcome</title>",
        b"",
        b"[" * 100_000,
        b'{"username": ' + b"9" * 10_000 + b"}",
        b'{"username": NaN}',
        b'{"username": "\xff"}',
        b'{"username": 5}',
        b'{"username": ""}',
        b'{"username": "a\\nb"}',
        b'["username"]',
        b'"alice"',
        b"null",
    ],
)
def test_nonsense_is_not_a_registry(clock: Clock, body: bytes) -> None:
    with (
        serving(lambda h: h.say(200, body)) as server,
        client_of(server.url, clock) as client,
        pytest.raises(NotARegistry),
    ):
        client.whoami()


def test_damaged_compression_is_not_a_registry(clock: Clock) -> None:
    with (
        serving(lambda h: h.say(200, b"not gzip", content_encoding="gzip")) as server,
        client_of(server.url, clock) as client,
        pytest.raises(NotARegistry),
    ):
        client.whoami()


def test_a_server_that_speaks_no_http_is_unavailable(clock: Clock) -> None:
    def gibberish(handler: Handler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        handler.drop()

    with (
        serving(gibberish) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable),
    ):
        client.whoami()


def test_an_untrusted_certificate_is_told_at_once_and_nothing_was_sent(
    clock: Clock, tmp_path: Path
) -> None:
    with (
        serving(alice, tls=server_context(tmp_path)[0]) as server,
        client_of(server.url, clock) as client,
    ):
        with pytest.raises(RegistryUnavailable, match="certificate is not trusted"):
            client.whoami()
        with pytest.raises(RegistryUnavailable, match="certificate is not trusted"):
            client.approve(STAGE_ID)
    assert server.requests == []
    assert clock.waits == []


def test_tls_that_fails_sent_nothing(clock: Clock) -> None:
    with (
        serving(alice) as server,
        client_of(server.url.replace("http:", "https:"), clock) as client,
        pytest.raises(RegistryUnavailable),
    ):
        client.approve(STAGE_ID)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    context, certificate = server_context(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return context


def test_a_registry_over_tls_works(clock: Clock, trusted: ssl.SSLContext) -> None:
    with serving(alice, tls=trusted) as server, client_of(server.url, clock) as client:
        assert client.whoami() == "alice"


def test_an_approval_whose_tls_connection_ends_is_lost(
    clock: Clock, trusted: ssl.SSLContext
) -> None:
    with (
        serving(Handler.drop, tls=trusted) as server,
        client_of(server.url, clock) as client,
        pytest.raises(AnswerLost),
    ):
        client.approve(STAGE_ID)


def test_a_dripping_answer_over_tls_is_cut_off(
    clock: Clock, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "JSON_SECONDS", 0.2)

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.drip()

    with (
        serving(slow, tls=trusted) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable, match="did not finish"),
    ):
        client.whoami()


def test_a_redirect_from_tls_to_plain_http_is_not_followed(
    clock: Clock, trusted: ssl.SSLContext
) -> None:
    with (
        serving(alice) as plain,
        serving(lambda h: h.say(302, location=plain.url), tls=trusted) as server,
        client_of(server.url, clock) as client,
        pytest.raises(NotARegistry, match="not safe"),
    ):
        client.whoami()
    assert plain.requests == []


def test_credentials_of_the_machine_are_left_alone(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login bob password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(alice) as server:
        with client_of(server.url, clock) as client:
            client.whoami()
        with RegistryClient(server.url, sleep=clock.sleep) as anonymous:
            anonymous.whoami()
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in server.requests[1].headers


def test_a_proxy_is_used_but_not_for_this_machine(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(alice) as proxy, serving(alice) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with client_of(server.url, clock) as client:
            client.whoami()
        with client_of("http://registry.example.org", clock) as client:
            client.whoami()
    assert len(server.requests) == 1
    assert [request.path for request in proxy.requests] == ["http://registry.example.org/-/whoami"]


def test_a_proxy_that_is_down_sent_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with (
        client_of("http://registry.example.org", clock) as client,
        pytest.raises(RegistryUnavailable, match="proxy"),
    ):
        client.approve(STAGE_ID)


def test_cookies_are_not_kept(clock: Clock) -> None:
    with (
        serving(lambda h: h.say(200, {"username": "a"}, set_cookie="id=1")) as server,
        client_of(server.url, clock) as client,
    ):
        client.whoami()
        client.whoami()
    assert "cookie" not in server.requests[1].headers

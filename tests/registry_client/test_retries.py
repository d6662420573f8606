"""What is tried again and what never is, and what is known about a decision after a failure."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from registry_client.answers import retry_after
from registry_client.errors import (
    AnswerLost,
    NotARegistry,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
)
from tests.registry_client.http_server import (
    STAGE_ID,
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


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_get_is_tried_again_when_the_registry_is_busy(clock: Clock, status: int) -> None:
    busy = in_turn(lambda h: h.say(status), lambda h: h.say(status), alice)
    with serving(busy) as server, client_of(server.url, clock) as client:
        assert client.whoami() == "alice"
    assert len(server.requests) == 3
    assert len(clock.waits) == 2


def test_a_get_is_tried_again_when_the_connection_drops(clock: Clock) -> None:
    def half(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"username"')
        handler.drop()

    with (
        serving(in_turn(Handler.drop, half, alice)) as server,
        client_of(server.url, clock) as client,
    ):
        assert client.whoami() == "alice"


def test_a_get_gives_up_after_four_tries(clock: Clock) -> None:
    with (
        serving(Handler.drop) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable),
    ):
        client.whoami()
    assert len(server.requests) == 4
    assert len(clock.waits) == 3


def test_pauses_grow_and_differ_from_client_to_client() -> None:
    pauses = []
    with serving(lambda h: h.say(503)) as server:
        for _ in range(5):
            clock = Clock()
            with client_of(server.url, clock) as client, pytest.raises(RegistryUnavailable):
                client.whoami()
            pauses.append(tuple(clock.waits))
    assert all(first < third for first, _, third in pauses)
    assert len(set(pauses)) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_an_answer_that_will_not_change_is_not_asked_for_again(clock: Clock, status: int) -> None:
    with (
        serving(lambda h: h.say(status, {"error": "no"})) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryError, match="says: no"),
    ):
        client.whoami()
    assert len(server.requests) == 1


def test_retry_after_in_seconds_is_honoured(clock: Clock) -> None:
    busy = in_turn(lambda h: h.say(429, retry_after="7"), alice)
    with serving(busy) as server, client_of(server.url, clock) as client:
        assert client.whoami() == "alice"
    assert clock.waits == [7.0]


def test_retry_after_as_a_date_is_honoured(clock: Clock) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    busy = in_turn(lambda h: h.say(429, retry_after=date), alice)
    with serving(busy) as server, client_of(server.url, clock) as client:
        assert client.whoami() == "alice"
    assert 20 < clock.waits[0] <= 30


@pytest.mark.parametrize("asked", ["61", "86400", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_long_retry_after_does_not_hold_the_caller(clock: Clock, asked: str) -> None:
    with (
        serving(lambda h: h.say(429, {"message": "slow down"}, retry_after=asked)) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RateLimited) as caught,
    ):
        client.whoami()
    assert clock.waits == []
    assert caught.value.retry_after >= 61
    assert caught.value.words == "slow down"


def test_waits_do_not_add_up_beyond_the_bound(clock: Clock) -> None:
    with (
        serving(lambda h: h.say(429, retry_after="25")) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RateLimited) as caught,
    ):
        client.whoami()
    assert sum(clock.waits) <= 60
    assert caught.value.retry_after == 25


def test_slow_failures_do_not_add_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry_client.transport.LAST_TRY_BEFORE", 0.0)
    with (
        serving(lambda h: h.say(503)) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable),
    ):
        client.whoami()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("0", 0.0),
        ("1.5", 1.5),
        ("9" * 60, 7 * 86400.0),
        ("9" * 60_000, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 9999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_never_negative_or_endless(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize("call", ["approve", "reject"])
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_decisions_are_sent_once_whatever_the_answer(clock: Clock, call: str, status: int) -> None:
    with (
        serving(lambda h: h.say(status, {"message": "later"})) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryError),
    ):
        getattr(client, call)(STAGE_ID)
    assert len(server.requests) == 1
    assert clock.waits == []


@pytest.mark.parametrize("call", ["approve", "reject"])
def test_a_decision_that_never_left_is_unavailable(clock: Clock, call: str) -> None:
    with (
        client_of(f"http://127.0.0.1:{unused_port()}", clock) as client,
        pytest.raises(RegistryUnavailable, match="does not accept connections"),
    ):
        getattr(client, call)(STAGE_ID)


@pytest.mark.parametrize("call", ["approve", "reject"])
def test_a_host_name_nobody_knows_is_unavailable(clock: Clock, call: str) -> None:
    with (
        client_of("http://registry.invalid", clock) as client,
        pytest.raises(RegistryUnavailable),
    ):
        getattr(client, call)(STAGE_ID)


@pytest.mark.parametrize("call", ["approve", "reject"])
def test_a_decision_whose_connection_ends_without_an_answer_is_lost(
    clock: Clock, call: str
) -> None:
    with (
        serving(Handler.drop) as server,
        client_of(server.url, clock) as client,
        pytest.raises(AnswerLost),
    ):
        getattr(client, call)(STAGE_ID)
    assert len(server.requests) == 1


def test_a_lost_answer_stays_lost_after_an_earlier_failure_to_connect(clock: Clock) -> None:
    """The earlier error hangs on the later one as its context, and must not be taken for it."""
    with (
        serving(Handler.drop) as server,
        client_of(server.url, clock) as client,
        client_of(f"http://127.0.0.1:{unused_port()}", clock) as unreachable,
    ):
        try:
            unreachable.approve(STAGE_ID)
        except RegistryUnavailable:
            with pytest.raises(AnswerLost):
                client.approve(STAGE_ID)


def test_an_approval_without_an_answer_in_time_is_lost(clock: Clock) -> None:
    def never(handler: Handler) -> None:
        handler.server.done.wait(10)

    with (
        serving(never) as server,
        client_of(server.url, clock, read_timeout=0.1) as client,
        pytest.raises(AnswerLost, match="in time"),
    ):
        client.approve(STAGE_ID)
    assert len(server.requests) == 1


def test_an_approval_whose_answer_breaks_off_is_lost(clock: Clock) -> None:
    def half(handler: Handler) -> None:
        handler.send_response(201)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"message":')
        handler.drop()

    with (
        serving(half) as server,
        client_of(server.url, clock) as client,
        pytest.raises(AnswerLost),
    ):
        client.approve(STAGE_ID)


@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_an_approval_that_a_gateway_answers_is_lost(clock: Clock, status: int) -> None:
    with (
        serving(lambda h: h.say(status, {"error": "timeout"})) as server,
        client_of(server.url, clock) as client,
        pytest.raises(AnswerLost, match="timeout"),
    ):
        client.approve(STAGE_ID)


def test_a_503_in_the_registrys_own_words_is_a_no(clock: Clock) -> None:
    with (
        serving(lambda h: h.say(503, {"message": "maintenance"})) as server,
        client_of(server.url, clock) as client,
        pytest.raises(RegistryUnavailable, match="maintenance"),
    ):
        client.approve(STAGE_ID)


def test_a_503_page_proves_nothing(clock: Clock) -> None:
    with (
        serving(lambda h: h.say(503, b"<h1>busy</h1>", content_type="text/html")) as server,
        client_of(server.url, clock) as client,
        pytest.raises(AnswerLost),
    ):
        client.approve(STAGE_ID)


@pytest.mark.parametrize("body", [b"", b"<html>fine</html>", b"[]", b'{"message":'])
def test_an_approval_with_an_unreadable_success_is_lost(clock: Clock, body: bytes) -> None:
    with (
        serving(lambda h: h.say(201, body)) as server,
        client_of(server.url, clock) as client,
        pytest.raises(AnswerLost),
    ):
        client.approve(STAGE_ID)


def test_an_approval_is_never_redirected(clock: Clock) -> None:
    with (
        serving(alice) as other,
        serving(lambda h: h.say(307, location=other.url + h.path)) as server,
        client_of(server.url, clock) as client,
        pytest.raises(NotARegistry, match="redirects"),
    ):
        client.approve(STAGE_ID)
    assert other.requests == []


def test_a_pooled_connection_that_the_registry_closed_is_replaced(clock: Clock) -> None:
    """Idle connections die all the time; that must not make an approval's outcome unknown."""

    def last(handler: Handler) -> None:
        alice(handler)
        handler.close_connection = True

    approved = {"message": "ok"}
    with (
        serving(in_turn(last, lambda h: h.say(201, approved))) as server,
        client_of(server.url, clock) as client,
    ):
        client.whoami()
        assert server.closed.wait(60)
        assert client.approve(STAGE_ID) == "ok"
    first, second = server.requests
    assert first.connection != second.connection

"""Bodies: whoever sends or takes one slowly, or sends a large one, keeps nobody else waiting."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from config import bridge
from config.bridge import Bridge

PATIENCE = 20
HEADERS = [(b"content-length", b"100")]


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [])
    return [environ["wsgi.input"].read()]


def scope(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "http_version": "1.1",
        "headers": headers,
    }


async def stalled() -> AsyncIterator[bytes]:
    yield b"the beginning"
    await asyncio.Event().wait()


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def answer(
    served: Bridge, body: AsyncIterator[bytes], headers: list[tuple[bytes, bytes]] = HEADERS
) -> tuple[int, bytes]:
    """Status and body of what comes back."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        try:
            return {"type": "http.request", "body": await anext(body), "more_body": True}
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await served(scope(headers), receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


def test_who_sends_a_body_slowly_holds_no_thread() -> None:
    async def tried() -> tuple[int, bytes]:
        served = Bridge(echo, threads=1, name="tried")
        slow = [asyncio.create_task(answer(served, stalled())) for _ in range(3)]
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(answer(served, pieces(b"a", b"b")), PATIENCE)
        finally:
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    assert asyncio.run(tried()) == (200, b"ab")


def test_a_body_that_does_not_become_whole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.05)
    status, words = asyncio.run(answer(Bridge(echo, threads=1, name="tried"), stalled()))
    assert (status, json.loads(words)["error"]) == (408, "too_slow")


@pytest.mark.parametrize(
    "header", [(b"content-length", b"99999999999"), (b"transfer-encoding", b"chunked")]
)
def test_a_body_that_nothing_takes_is_refused(header: tuple[bytes, bytes]) -> None:
    body = pieces(*[b"x" * 1_000_000] * 10)
    served = Bridge(echo, threads=1, name="tried")
    status, words = asyncio.run(answer(served, body, [header]))
    assert (status, json.loads(words)["error"]) == (413, "too_large")


def test_large_bodies_are_in_memory_a_few_at_a_time() -> None:
    received = 0

    async def large() -> AsyncIterator[bytes]:
        nonlocal received
        for _ in range(10):
            received += 100_000
            yield b"x" * 100_000
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    async def tried() -> tuple[int, bytes]:
        served = Bridge(echo, threads=1, name="tried")
        slow = [asyncio.create_task(answer(served, large())) for _ in range(50)]
        # Who sends little is not held up by them.
        small = await asyncio.wait_for(answer(served, pieces(*[b"a"] * 1000)), PATIENCE)
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return small

    assert asyncio.run(tried()) == (200, b"a" * 1000)
    assert received <= bridge.LARGE_AT_ONCE * 1_000_000 + 50 * 100_000


def test_who_does_not_read_an_answer_holds_no_thread_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge, "LOOK_UP_SECONDS", 0.02)
    monkeypatch.setattr(bridge, "TAKE_SECONDS", 0.1)

    def long(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return [b"x"] * (1 if environ["wsgi.input"].read() else 10 * bridge.CHUNKS_AHEAD)

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def never_taken(message: Any) -> None:
        await asyncio.Event().wait()

    async def tried() -> tuple[int, bytes]:
        served = Bridge(long, threads=1, name="tried")
        deaf = asyncio.create_task(served(scope([]), nothing, never_taken))
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(answer(served, pieces(b"short")), PATIENCE)
        finally:
            deaf.cancel()
            await asyncio.gather(deaf, return_exceptions=True)

    assert asyncio.run(tried()) == (200, b"x")

"""Serving the WSGI application in an ASGI server: each request in a thread of a bounded pool.

a2wsgi translates; what differs from its own middleware is what happens when a client goes away:
its thread would wait for ever to hand over the rest of an answer, and a body cut off in the middle
would pass as a whole one. And no thread waits for a body: a few clients that send theirs slowly
would keep everybody else from every page.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from contextvars import copy_context
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

from a2wsgi.wsgi import build_environ

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Result = TypeVar("Result")
CHUNKS_AHEAD = 8
LOOK_UP_SECONDS = 1
# For a client to take the next piece of its answer: its thread waits no longer for one that reads
# nothing.
TAKE_SECONDS = 30
# For a body to be whole. Nothing takes one that is larger: a form has at most 2.5 MB.
BODY_SECONDS = 30
MOST_BODY = 4 * 1024 * 1024
# Larger ones than this are in memory a few at a time.
SMALL_BODY, LARGE_AT_ONCE = 64 * 1024, 8


class ClientGone(OSError):
    """Whoever asked is not there any more."""


class Bridge:
    """An ASGI application that answers with a WSGI one, in as many threads as it is given."""

    def __init__(self, app: WSGIApp, *, threads: int, name: str) -> None:
        self._app = app
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            raise ValueError(f"There is nothing for {scope['type']} here.")
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await self._body_of(scope, receive, held)
            except ClientGone:
                return
            except _TooLarge:
                words = f"A body has at most {MOST_BODY:,} bytes. Send less at once."
                await _refuse(send, 413, "too_large", words)
            except TimeoutError:
                words = f"The body was not whole within {BODY_SECONDS} seconds. Send it again."
                await _refuse(send, 408, "too_slow", words)
            else:
                await _Answer(self._app, scope, body, send).give(self._executor)

    async def _body_of(self, scope: Scope, receive: Receive, held: AsyncExitStack) -> bytes:
        """The whole body; a large one has its place until `held` ends."""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if not length and b"transfer-encoding" not in headers:
            return b""
        if length.isdigit() and int(length[:20]) > MOST_BODY:
            raise _TooLarge
        found, is_large, has_more = bytearray(), False, True
        while has_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("The client went away before its request was whole.")
            found += message.get("body", b"")
            has_more = message.get("more_body", False)
            if len(found) > MOST_BODY:
                raise _TooLarge
            if len(found) > SMALL_BODY and not is_large:
                is_large = True
                await held.enter_async_context(self._large)
        return bytes(found)


class _TooLarge(Exception):
    """The body is larger than what anything takes."""


class _Answer:
    """One answer, on its way from the thread that makes it to the loop that sends it."""

    def __init__(self, app: WSGIApp, scope: Scope, body: bytes, send: Send) -> None:
        self._app, self._scope, self._body, self._send = app, scope, body, send
        self.loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(CHUNKS_AHEAD)
        self._is_gone = self._is_started = False
        self._omits_body = scope["method"] == "HEAD"

    async def give(self, executor: ThreadPoolExecutor) -> None:
        environ = _environ(self._scope, io.BytesIO(self._body))
        sending = asyncio.create_task(self._pass_on())
        made = executor.submit(copy_context().run, self._make, environ)
        try:
            await asyncio.shield(asyncio.wrap_future(made))
            await self._queue.put(None)
            await sending
        except ClientGone:
            pass
        finally:
            # A request that waits for a thread needs none any more; one that has one learns with
            # its next piece that nobody wants it.
            self._is_gone = True
            made.cancel()
            sending.cancel()

    def in_loop(self, doing: Coroutine[Any, Any, Result]) -> Result:
        """In the thread: waits for what the loop does, as long as somebody waits for the answer."""
        future = asyncio.run_coroutine_threadsafe(doing, self.loop)
        until = time.monotonic() + TAKE_SECONDS
        while True:
            try:
                return future.result(LOOK_UP_SECONDS)
            except TimeoutError:
                if self._is_gone or self.loop.is_closed() or time.monotonic() > until:
                    future.cancel()
                    raise ClientGone("Nobody waits for this answer any more.") from None

    async def _pass_on(self) -> None:
        while (message := await self._queue.get()) is not None:
            if not self._is_gone:
                try:
                    await self._send(message)
                except OSError:
                    self._is_gone = True

    def _make(self, environ: dict[str, Any]) -> None:
        """In the thread: runs the application."""
        pieces = self._app(environ, self._start)
        try:
            for piece in pieces:
                if piece and not self._omits_body:
                    self._put({"type": "http.response.body", "body": piece, "more_body": True})
            self._put({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if self._is_started:
            raise RuntimeError("The answer was started already.")
        self._is_started = True
        self._put(
            {
                "type": "http.response.start",
                "status": int(status.split(" ", 1)[0]),
                "headers": [
                    (name.lower().encode("latin-1"), value.strip().encode("latin-1"))
                    for name, value in headers
                ],
            }
        )
        return lambda piece: self._put(
            {"type": "http.response.body", "body": piece, "more_body": True}
        )

    def _put(self, message: Message) -> None:
        if self._is_gone:
            raise ClientGone("Nobody waits for this answer any more.")
        self.in_loop(self._queue.put(message))


async def _refuse(send: Send, status: int, error: str, words: str) -> None:
    body = json.dumps({"error": error, "message": words}).encode()
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        # What is still to come of the body would pass for the next request.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _environ(scope: Scope, body: io.BytesIO) -> dict[str, Any]:
    """As gunicorn's own WSGI workers make it, where a2wsgi would make another."""
    # Bytes that are no ASCII come as they are from some clients: only what is escaped passes.
    query = quote(scope["query_string"].decode("latin-1"), safe="%" + _SAFE, encoding="latin-1")
    environ: dict[str, Any] = dict(
        build_environ({**scope, "query_string": query.encode()}, body)  # type: ignore[typeddict-item, arg-type]  # a plain dict
    )
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    environ["PATH_INFO"] = unquote_to_bytes(raw_path.split(b"?")[0]).decode("latin-1")
    environ["RAW_URI"] = raw_path.decode("latin-1")
    environ.setdefault("REMOTE_ADDR", "")
    environ["asgi.scope"] = scope
    return environ


_SAFE = "".join(chr(one) for one in range(0x21, 0x7F) if chr(one) != "%")

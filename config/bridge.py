"""Serving the WSGI application in an ASGI server: each request in a thread of a bounded pool.

a2wsgi translates; what differs from its own middleware is what happens when a client goes away:
its thread would wait for ever to hand over the rest of an answer, and a body cut off in the middle
would pass as a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

from a2wsgi.wsgi import Body, build_environ

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Result = TypeVar("Result")
CHUNKS_AHEAD = 8
LOOK_UP_SECONDS = 1


class ClientGone(OSError):
    """Whoever asked is not there any more."""


class Bridge:
    """An ASGI application that answers with a WSGI one, in as many threads as it is given."""

    def __init__(self, app: WSGIApp, *, threads: int, name: str) -> None:
        self._app = app
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            raise ValueError(f"There is nothing for {scope['type']} here.")
        await _Answer(self._app, scope, receive, send).give(self._executor)


class _WholeBody(Body):
    """A request's body, which is read in the thread."""

    def __init__(self, answer: _Answer, receive: Receive) -> None:
        super().__init__(answer.loop, receive)  # type: ignore[arg-type]  # typed more narrowly
        self._answer, self._received = answer, receive

    def _receive_more_data(self) -> bytes:
        if not self._has_more:
            return b""
        message = self._answer.in_loop(_awaited(self._received))
        if message["type"] == "http.disconnect":
            raise ClientGone("The client went away before its request was whole.")
        self._has_more = message.get("more_body", False)
        return bytes(message.get("body", b""))


class _Answer:
    """One answer, on its way from the thread that makes it to the loop that sends it."""

    def __init__(self, app: WSGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self.loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(CHUNKS_AHEAD)
        self._is_gone = self._is_started = False
        self._omits_body = scope["method"] == "HEAD"

    async def give(self, executor: ThreadPoolExecutor) -> None:
        environ = _environ(self._scope, _WholeBody(self, self._receive))
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
        while True:
            try:
                return future.result(LOOK_UP_SECONDS)
            except TimeoutError:
                if self._is_gone or self.loop.is_closed():
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


async def _awaited(receive: Receive) -> Message:
    return await receive()


def _environ(scope: Scope, body: Body) -> dict[str, Any]:
    """As gunicorn's own WSGI workers make it, where a2wsgi would make another."""
    # Bytes that are no ASCII come as they are from some clients: only what is escaped passes.
    query = quote(scope["query_string"].decode("latin-1"), safe="%" + _SAFE, encoding="latin-1")
    environ: dict[str, Any] = dict(
        build_environ({**scope, "query_string": query.encode()}, body)  # type: ignore[typeddict-item]  # a plain dict
    )
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    environ["PATH_INFO"] = unquote_to_bytes(raw_path.split(b"?")[0]).decode("latin-1")
    environ["RAW_URI"] = raw_path.decode("latin-1")
    environ.setdefault("REMOTE_ADDR", "")
    environ["asgi.scope"] = scope
    return environ


_SAFE = "".join(chr(one) for one in range(0x21, 0x7F) if chr(one) != "%")

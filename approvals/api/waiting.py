"""Holding calls until what they ask for changes, without a thread or a connection for each.

One poller a process looks, in one query, at everything that somebody waits for; there is none
while nobody does.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, connections

from approvals.api.awaited import AWAITED, HELD, Awaited, Key, Mark, marks_of

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
BEGINNING = "/api/v1/"
RETRY_AFTER = 10
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class WaitersFull(Exception):
    """As many calls are held as may be."""


class Waiting:
    """Those who wait in this process, and the one who looks for all of them."""

    def __init__(
        self,
        *,
        most: int,
        pause: float = PAUSE_SECONDS,
        look: Callable[[Collection[Key]], dict[Key, Mark]] | None = None,
    ) -> None:
        self._most, self._pause = most, pause
        self._look = look or _look
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="waiting")
        self._waiters: dict[Key, dict[asyncio.Future[bool], Mark]] = {}
        self._number = 0
        self._poller: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def number(self) -> int:
        """How many wait."""
        return self._number

    async def until_changed(self, awaited: Awaited, seconds: float) -> bool:
        """Returns True once it differs from its mark, and False if the time was over before.

        Raises WaitersFull.
        """
        if self._is_over or seconds <= 0:
            return False
        if self._number >= self._most:
            raise WaitersFull
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(awaited.key, {})[future] = awaited.mark
        self._number += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._number -= 1
            mine = self._waiters[awaited.key]
            del mine[future]
            if not mine:
                del self._waiters[awaited.key]

    def release(self) -> None:
        """Everybody is answered with what there is, and nobody waits any more: for the end."""
        self._is_over = True
        for waiters in self._waiters.values():
            for future in waiters:
                if not future.done():
                    future.set_result(False)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiters and not self._is_over:
            try:
                marks = await loop.run_in_executor(self._executor, self._look, list(self._waiters))
            except DatabaseError as error:
                logger.warning("Held calls: the database does not answer: %s", error)
            else:
                self._wake(marks)
            await asyncio.sleep(self._pause)

    def _wake(self, marks: dict[Key, Mark]) -> None:
        for key, mark in marks.items():
            for future, before in self._waiters.get(key, {}).items():
                if mark != before and not future.done():
                    future.set_result(True)


class HoldingCalls:
    """An ASGI application that holds the calls with ?wait, which another one answers."""

    def __init__(self, app: App, waiting: Waiting) -> None:
        self._app, self._waiting = app, waiting

    @staticmethod
    def wants(scope: Scope) -> bool:
        """Whether this call asks to be held."""
        return (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and scope["path"].startswith(BEGINNING)
            and b"wait=" in scope["query_string"]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, at once or after having waited; says nothing to who has hung up meanwhile."""
        answer, awaited = await self._ask(scope)
        if awaited is not None:
            holding = asyncio.create_task(self._hold(scope, answer, awaited))
            hanging_up = asyncio.create_task(_until_hung_up(receive))
            try:
                await asyncio.wait({holding, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
                if not holding.done():
                    return
                answer = holding.result()
            finally:
                for task in (holding, hanging_up):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
        for message in answer:
            await send(message)

    async def _hold(self, scope: Scope, answer: list[Message], first: Awaited) -> list[Message]:
        loop = asyncio.get_running_loop()
        until, awaited = loop.time() + first.seconds, first
        try:
            while await self._waiting.until_changed(awaited, until - loop.time()):
                answer, again = await self._ask({**scope, HELD: True})
                # Something else of it changed, or what another package under this id is about.
                if again is None or again.state != first.state:
                    break
                awaited = again
        except WaitersFull:
            return _full()
        return answer

    async def _ask(self, scope: Scope) -> tuple[list[Message], Awaited | None]:
        """The application's answer at this moment, and what it would wait for."""
        asked, answer = dict(scope), list[Message]()

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(asked, _no_body, keep)
        return answer, asked.get(AWAITED)


def _look(keys: Collection[Key]) -> dict[Key, Mark]:
    try:
        return marks_of(keys)
    finally:
        # Between two looks nobody needs it, and one that broke must not stay.
        connections.close_all()


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _until_hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _full() -> list[Message]:
    body = json.dumps(
        {
            "error": "too_many_waiters",
            "message": "As many calls wait here as may. Ask without ?wait, or again in "
            f"{RETRY_AFTER} seconds.",
        }
    ).encode()
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(RETRY_AFTER).encode()),
        (b"cache-control", b"no-store"),
    ]
    return [
        {"type": "http.response.start", "status": 503, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]

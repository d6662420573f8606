"""gunicorn's worker for ASGI, which answers those who wait before it ends.

Of its connections it bounds what gunicorn (27) bounds in its threaded worker, and not in this one:
how many there are, and how long one may go without a whole request. Delete that once gunicorn does
it.
"""

import asyncio
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

HEAD_SECONDS = 5


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no type annotations
    """One that ends where there are too many, and where no request comes of it."""

    _look: asyncio.TimerHandle | None = None
    _requests_then = -1

    def connection_made(self, transport: Any) -> None:
        """Refuses one too many."""
        super().connection_made(transport)
        if self.worker.nr_conns > self.worker.worker_connections:
            transport.abort()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watches no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._awaiting_request and self.req_count == self._requests_then:
            # As where nothing comes after an answer.
            self._keepalive_timeout()
            return
        self._requests_then = self.req_count
        self._look = self.worker.loop.call_later(HEAD_SECONDS, self._watch)


class WebWorker(gasgi.ASGIWorker):  # type: ignore[misc]  # the same
    """Asked to end, it tells those who wait how things stand, and they ask the next one."""

    def init_process(self) -> None:
        """Runs the process, with connections of the kind above."""
        gasgi.ASGIProtocol = Connection
        super().init_process()

    def handle_exit_signal(self) -> None:
        """Ends once those who are there are answered."""
        super().handle_exit_signal()
        # Here, as gunicorn itself reads this module before Django is set up.
        from config.asgi import waiting  # noqa: PLC0415 - as said above

        waiting.release()

"""gunicorn's worker for ASGI, which answers those who wait before it ends."""

from gunicorn.workers.gasgi import ASGIWorker


class WebWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no type annotations
    """Asked to end, it tells those who wait how things stand, and they ask the next one."""

    def handle_exit_signal(self) -> None:
        super().handle_exit_signal()
        # Here, as gunicorn itself reads this module before Django is set up.
        from config.asgi import waiting  # noqa: PLC0415

        waiting.release()

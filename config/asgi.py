"""The ASGI application that gunicorn serves: pages in a few threads, waiting calls in none."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Before what is imported below, which needs the apps to be ready.
_wsgi = get_wsgi_application()

from approvals.api.waiting import HoldingCalls, Receive, Scope, Send, Waiting  # noqa: E402 - as said above
from config.bridge import Bridge  # noqa: E402 - as said above

# Apart from the pages': two hundred calls that are answered at once must not keep them waiting.
CALL_THREADS = 2

waiting = Waiting(most=settings.API_WAITERS)
_pages = Bridge(_wsgi, threads=settings.WEB_THREADS, name="page")
_calls = HoldingCalls(Bridge(_wsgi, threads=CALL_THREADS, name="call"), waiting)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Every request."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    elif HoldingCalls.wants(scope):
        await _calls(scope, receive, send)
    else:
        await _pages(scope, receive, send)

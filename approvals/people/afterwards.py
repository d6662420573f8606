"""What is done once an answer is on its way, so that its time tells nothing of it."""

import logging
from collections.abc import Callable
from functools import partial
from typing import cast

from django.http import HttpRequest, HttpResponseBase

logger = logging.getLogger(__name__)

_NAME = "_done_afterwards"


def afterwards(request: HttpRequest, doing: Callable[[], object]) -> None:
    """Has `doing` done after the answer to `request` was sent. What it raises is logged."""
    waiting = cast(list[Callable[[], object]], request.__dict__.setdefault(_NAME, []))
    waiting.append(doing)


class AfterwardsMiddleware:
    """Attaches to an answer what is to be done after it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for doing in request.__dict__.pop(_NAME, []):
            # The server closes an answer once it is sent; Django cleans up requests in this way.
            response._resource_closers.append(partial(_logged, doing))  # type: ignore[attr-defined] # not in the stubs
        return response


def _logged(doing: Callable[[], object]) -> None:
    try:
        doing()
    except Exception as error:  # noqa: BLE001 - a mail server can fail in any way, and nobody waits
        logger.error("What was to be done after an answer failed: %s", error)

"""Speaking to somebody's receiver while they wait for the page: a few at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings

# Each keeps one of the threads that make pages for as long as the receiver takes, and who may look
# at pages at all may have one that takes long: half of them stay for everybody else.
_places = BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


class AllBusy(Exception):
    """As many are spoken to as may be. str() is the sentence for the page."""


@contextmanager
def in_turn() -> Iterator[None]:
    """Has a place until the end. Raises AllBusy at once where there is none."""
    if not _places.acquire(blocking=False):
        raise AllBusy("Others are being tried at this moment. Try again in a minute.")
    try:
        yield
    finally:
        _places.release()

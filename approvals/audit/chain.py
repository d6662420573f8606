"""Proving that the log is complete and that nobody has changed it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from approvals.audit.models import AuditEvent, AuditHead
from approvals.audit.record import event_hash, is_written_here

PAGE = 1000
# As many events at the end are proved one by one where something relies on them: 30 ms.
PROVED = 500


@dataclass(frozen=True)
class Head:
    """The end of the chain at some moment; what `SEQ:HASH` says."""

    sequence: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Reads SEQ:HASH. Raises ValueError with a sentence for the person who typed it."""
        match = re.fullmatch(r"(0):|([1-9][0-9]{0,17}):([0-9a-f]{64})", text.strip())
        if not match:
            raise ValueError("A head is written as SEQ:HASH: a number, a colon, 64 hex digits.")
        return cls(int(match[1] or match[2]), match[3] or "")

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


@dataclass(frozen=True)
class Verification:
    """What `verify` found. `problem` is a sentence about the first broken event, or empty."""

    events: int
    head: Head
    problem: str = ""
    broken_at: int | None = None

    @property
    def ok(self) -> bool:
        return not self.problem


class _Broken(Exception):
    def __init__(self, sequence: int, problem: str) -> None:
        super().__init__(problem)
        self.sequence = sequence


def verify(expected: Head | None = None) -> Verification:
    """Walks the whole chain in order and stops at the first thing that is wrong.

    Finds an event that was changed, is missing, was put in or moved, and a chain whose end was cut
    off. Whoever can write to the database can cut off the end and set the head back with it; that
    shows only against an `expected` head that was written down elsewhere. Reads page by page, and
    may run while others append.
    """
    end = Head(0, "")
    # The key in use when an event was written proves it; keys only ever get newer along the chain,
    # so that somebody who has an old key cannot append or rewrite with it.
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    try:
        for event in _events_up_to_head():
            keys = _check(event, end, keys)
            end = Head(event.sequence, event.hash)
            if expected and end.sequence == expected.sequence and end.hash != expected.hash:
                raise _Broken(
                    end.sequence,
                    f"Event {end.sequence} is not the one that was written down: its hash is "
                    f"{end.hash}, not {expected.hash}. The chain was rewritten.",
                )
        if expected and expected.sequence > end.sequence:
            raise _Broken(
                end.sequence + 1,
                f"The chain ends with event {end.sequence}, but it had {expected.sequence} when "
                f"its head was written down: the end was cut off.",
            )
    except _Broken as broken:
        return Verification(end.sequence, end, str(broken), broken.sequence)
    return Verification(end.sequence, end)


def is_whole_since(sequence: int) -> bool:
    """Whether the chain goes on from this event to its head, for whoever relies on what it says.

    Finds any event that is missing, as the last one is bound to its number, and any of the newest
    `PROVED` that was changed or replaced. The others only `verify` proves. Two queries.
    """
    since = AuditEvent.objects.order_by().filter(sequence__range=(sequence, OuterRef("sequence")))
    counted = since.annotate(all=Value(1)).values("all").annotate(number=Count("pk"))
    head = (
        AuditHead.objects.filter(id=1)
        .annotate(since=Coalesce(Subquery(counted.values("number")), 0))
        .first()
    )
    if head is None:
        # The first event may have been written meanwhile, with the head.
        return not AuditEvent.objects.exists() or (
            _stored_head().sequence > 0 and is_whole_since(sequence)
        )
    if head.since != max(0, head.sequence - sequence + 1):
        return False
    first = max(sequence, head.sequence - PROVED + 1)
    before = None
    newest = AuditEvent.objects.filter(sequence__range=(first, head.sequence))
    for event in newest.order_by("sequence"):
        if not is_written_here(event) or before not in (None, event.previous_hash):
            return False
        before = event.hash
    return before in (None, head.hash)


def _events_up_to_head() -> Iterator[AuditEvent]:
    """All events in order. Raises _Broken where the head does not belong to the last one."""
    last = Head(0, "")
    head = last
    while True:
        page = list(
            AuditEvent.objects.filter(sequence__gt=last.sequence).order_by("sequence")[:PAGE]
        )
        yield from page
        if page:
            last = Head(page[-1].sequence, page[-1].hash)
            continue
        if last.sequence < head.sequence:
            raise _Broken(
                last.sequence + 1,
                f"Event {last.sequence + 1} is missing: the head says that the chain has "
                f"{head.sequence} events.",
            )
        # An event and its head commit together: the head that is read now is at the last event,
        # or further on because somebody has appended since; then there is another page.
        head = _stored_head()
        if head == last:
            return
        if head.sequence <= last.sequence:
            raise _Broken(
                last.sequence,
                f"Event {last.sequence} is the last one, but the head of the chain is at event "
                f"{head.sequence} with another hash: events were added or the head was changed.",
            )


def _stored_head() -> Head:
    head = AuditHead.objects.filter(id=1).first()
    return Head(head.sequence, head.hash) if head else Head(0, "")


def _check(event: AuditEvent, before: Head, keys: list[str]) -> list[str]:
    """Checks one event; returns the keys that may prove the next one."""
    expected = before.sequence + 1
    if event.sequence != expected:
        raise _Broken(
            expected, f"Event {expected} is missing: the next one is event {event.sequence}."
        )
    if event.previous_hash != before.hash:
        raise _Broken(
            event.sequence,
            f"Event {event.sequence} ({event.kind}) does not follow from the one before it: "
            "one of the two was replaced or moved.",
        )
    for index, key in enumerate(keys):
        if event_hash(event, key) == event.hash:
            return keys[: index + 1]
    raise _Broken(
        event.sequence,
        f"Event {event.sequence} ({event.kind}, {event.at:%Y-%m-%d %H:%M:%S} UTC) was changed, or "
        "was written with a key that is not (or, after a newer key, no longer) valid; earlier "
        "keys belong into COUNTERSIGN_SECRET_KEY_FALLBACKS.",
    )

"""How often something may be tried: counted in the database, so that it holds across processes.

A try is taken before what it is for is looked at, so that tries at the same moment cannot slip
through together; a success gives its try back. Counts are committed at once, whatever becomes of
the try: call these functions outside a transaction.
"""

import ipaddress
import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from approvals.people.models import TryCount

TWO_MINUTES = 120
TWO_HOURS = 7200
# Whoever tries: somebody known, or a name that may belong to nobody.
Whoever = AbstractBaseUser | str | None


class TooManyTries(Exception):
    """The limit is reached; `seconds` until there is room again. The text says what to do."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"Too many tries. Try again in {_in_words(seconds)}.")


def take(what: str, *, person: Whoever = None, address: str = "") -> None:
    """Counts a try of `what` against the person and against the address, where they are given.

    settings.TRY_LIMITS has the numbers. Of a person who is not known, give the name that was
    typed: it is limited in the same way, so that nobody learns who has an account. Raises
    TooManyTries.
    """
    now = timezone.now()
    waits = [0]
    with transaction.atomic(durable=True):
        for whose, number, seconds in _counts(what, person, address):
            if not _counted(what, whose, number, now - timedelta(seconds=seconds), now):
                waits.append(_wait(what, whose, seconds, now))
    if any(waits):
        raise TooManyTries(max(waits))


def give_back(what: str, *, person: Whoever = None, address: str = "") -> None:
    """Uncounts one try, because it was right.

    Not all of them: whoever guesses could otherwise go on after each of somebody's successes.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        for whose, _, seconds in _counts(what, person, address):
            TryCount.objects.filter(
                what=what, whose=whose, number__gt=0, since__gt=now - timedelta(seconds=seconds)
            ).update(number=F("number") - 1)


def clear(what: str, *, person: Whoever = None) -> None:
    """Forgets the tries of `what` at this person, who proved in another way who they are."""
    whose = [one for one, _, _ in _counts(what, person, "")]
    TryCount.objects.filter(what=what, whose__in=whose).delete()


def forget_old_tries() -> None:
    """Deletes counts that count for nothing any more."""
    longest = max(
        seconds for limit in settings.TRY_LIMITS.values() for _, seconds in limit.values()
    )
    TryCount.objects.filter(since__lt=timezone.now() - timedelta(seconds=longest)).delete()


def _counts(what: str, person: Whoever, address: str) -> Iterator[tuple[str, int, int]]:
    """Whose tries are counted, how many of them are allowed, and in how many seconds.

    Always in the same order, in which their rows are locked.
    """
    limits = settings.TRY_LIMITS[what]
    if address and "address" in limits:
        yield (_digest(f"address {_network(address)}"), *limits["address"])
    if person and "person" in limits:
        who = (
            f"name {person.strip().casefold()}" if isinstance(person, str) else f"user {person.pk}"
        )
        yield (_digest(who), *limits["person"])


def _counted(what: str, whose: str, number: int, window: datetime, now: datetime) -> bool:
    """Counts one more since `window`, unless there were `number` already.

    Each statement guards itself, so that of two at the same moment the second sees the first.
    """
    row = TryCount.objects.filter(what=what, whose=whose)
    if row.filter(since__gt=window, number__lt=number).update(number=F("number") + 1):
        return True
    if row.filter(since__lte=window).update(since=now, number=1):
        return True
    TryCount.objects.bulk_create(
        [TryCount(what=what, whose=whose, since=now, number=0)], ignore_conflicts=True
    )
    return bool(row.filter(since__gt=window, number__lt=number).update(number=F("number") + 1))


def _wait(what: str, whose: str, seconds: int, now: datetime) -> int:
    since = TryCount.objects.values_list("since", flat=True).get(what=what, whose=whose)
    return max(1, math.ceil((since + timedelta(seconds=seconds) - now).total_seconds()))


def _network(address: str) -> str:
    """What one customer has: of IPv6, a whole network with more addresses than can be counted."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip.packed, 64), strict=False))
    return str(ip)


def _digest(text: str) -> str:
    """Keyed: names and addresses are few enough to be guessed back from a plain one."""
    return salted_hmac("approvals.people.limits", text, algorithm="sha256").hexdigest()


def _in_words(seconds: int) -> str:
    if seconds < TWO_MINUTES:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    if seconds < TWO_HOURS:
        return f"{math.ceil(seconds / 60)} minutes"
    return f"{math.ceil(seconds / 3600)} hours"

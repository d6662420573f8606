"""Telling everyone everything that is due."""

from approvals.notifications.deliver import deliver_due
from approvals.notifications.dispatch import dispatch


def tell() -> None:
    """Hands out the news that nobody was told of yet, and sends what is due."""
    dispatch()
    deliver_due()

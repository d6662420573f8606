"""The ways a message can go: one file each, registered by being here.

A channel is a module with
- `send(delivery, message) -> None`: returns if the message was handed over, raises NotDelivered if
  it was not. Bounds its own time; is called outside of any transaction, and only while the
  recipient may still hear of it;
- `test(destination, message) -> str`: the same at once, for the button; returns what the receiver
  really answered, as a sentence;
- `checked(address) -> Checked`: an address as somebody typed it, raises AddressRefused;
- `labels(recipients) -> dict[str, str]`: recipients in words, for the page.

Who gets what is said by subscriptions, see `who.py`.
"""

import pkgutil
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from approvals.notifications.messages import Message
from approvals.notifications.models import Delivery, Destination


@dataclass(frozen=True)
class Checked:
    """An address that can be used, and what may be shown of it."""

    address: str
    shown: str


class Channel(Protocol):
    def send(self, delivery: Delivery, message: Message) -> None: ...

    def test(self, destination: Destination, message: Message) -> str: ...

    def checked(self, address: str) -> Checked: ...

    def labels(self, recipients: Collection[str]) -> dict[str, str]: ...


@cache
def channels() -> dict[str, Channel]:
    """Every channel by its name, which is its file's."""
    return {
        found.name: cast(Channel, import_module(f"{__name__}.{found.name}"))
        for found in pkgutil.iter_modules(__path__)
    }


def destination_labels(recipients: Collection[str]) -> dict[str, str]:
    """`labels` of the channels whose recipients are destinations' keys."""
    rows = Destination.objects.filter(pk__in=[key for key in recipients if key.isdecimal()])
    names = {str(row.pk): str(row) for row in rows.select_related("person", "team")}
    return {key: names.get(key, "a destination that was removed") for key in recipients}

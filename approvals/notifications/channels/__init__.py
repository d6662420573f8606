"""The ways a message can go: one file each, registered by being here.

A channel is a module with
- `recipients(event) -> Iterable[str]`: who gets this event, each as the text that `send` finds them
  by again (at most 320 characters);
- `send(delivery, message) -> None`: returns if the message was handed over, raises NotDelivered if
  it was not. Bounds its own time; is called outside of any transaction;
- `labels(recipients) -> dict[str, str]`: recipients in words, for the page.
"""

import pkgutil
from collections.abc import Collection, Iterable
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from approvals.audit.models import OutboxEvent
from approvals.notifications.messages import Message
from approvals.notifications.models import Delivery


class Channel(Protocol):
    def recipients(self, event: OutboxEvent) -> Iterable[str]: ...

    def send(self, delivery: Delivery, message: Message) -> None: ...

    def labels(self, recipients: Collection[str]) -> dict[str, str]: ...


@cache
def channels() -> dict[str, Channel]:
    """Every channel by its name, which is its file's."""
    return {
        found.name: cast(Channel, import_module(f"{__name__}.{found.name}"))
        for found in pkgutil.iter_modules(__path__)
    }

"""Chat, paging and whatever else apprise speaks, by its address."""

from collections.abc import Collection

from approvals.notifications import chat
from approvals.notifications.channels import Checked, destination_labels
from approvals.notifications.errors import NotDelivered
from approvals.notifications.messages import Message
from approvals.notifications.models import Delivery, Destination
from approvals.sealing import SealBroken


def labels(recipients: Collection[str]) -> dict[str, str]:
    return destination_labels(recipients)


def checked(address: str) -> Checked:
    """An address of a service that apprise knows. Raises AddressRefused. Takes up to a second."""
    url, service = chat.checked_address(address)
    return Checked(url, str(service))


def test(destination: Destination, message: Message) -> str:
    """Sends the message at once. Raises NotDelivered."""
    return _tell(destination, message)


def send(delivery: Delivery, message: Message) -> None:
    if delivery.destination is None:
        raise NotDelivered("The destination was removed.", final=True)
    _tell(delivery.destination, message)


def _tell(destination: Destination, message: Message) -> str:
    try:
        address = destination.open_address()
    except SealBroken as error:
        raise NotDelivered(
            f"{error} Remove the destination and add it again.", final=True
        ) from error
    return chat.tell(
        address,
        title=message.subject,
        # The same on every try, so that whoever reads it twice can tell that it is one.
        body=f"{message.body.rstrip()}\n\n{message.id}",
        is_urgent=message.urgent,
    )

"""A signed JSON POST, after the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from collections.abc import Collection
from urllib.parse import urlsplit

import standardwebhooks
from django.utils import timezone

from approvals.notifications import bounded_http
from approvals.notifications.channels import Checked
from approvals.notifications.errors import NotDelivered
from approvals.notifications.messages import Message
from approvals.notifications.models import Delivery, Destination, Webhook
from approvals.notifications.webhook_address import checked_url, origin_of
from approvals.sealing import SealBroken, unseal


def labels(recipients: Collection[str]) -> dict[str, str]:
    webhooks = Webhook.objects.filter(pk__in=set(recipients)).only("name")
    names = {str(webhook.pk): webhook.name for webhook in webhooks}
    return {key: names.get(key, "a webhook that was removed") for key in recipients}


def checked(address: str) -> Checked:
    """Where signed JSON can be sent. Raises AddressRefused."""
    address = checked_url(address)
    return Checked(address, origin_of(address))


def test(destination: Destination, message: Message) -> str:
    """Sends the message at once. Raises NotDelivered."""
    webhook = destination.webhook
    if webhook is None:
        raise NotDelivered("The webhook was removed.", final=True)
    status = post_signed(webhook, message)
    return f"{urlsplit(webhook.url).netloc} answered {status}: the test arrived."


def send(delivery: Delivery, message: Message) -> None:
    webhook = Webhook.objects.filter(pk=delivery.recipient).first()
    if webhook is None:
        raise NotDelivered("The webhook was removed.", final=True)
    if not webhook.enabled:
        raise NotDelivered("The webhook is switched off.", final=True)
    post_signed(webhook, message)


def post_signed(webhook: Webhook, message: Message) -> int:
    """Sends the message, however the webhook is switched; returns the receiver's status.

    The message's id is the same on every try, so that a receiver can drop what it has had.
    Raises NotDelivered.
    """
    try:
        secret = unseal(webhook.sealed_secret, bound_to=webhook.url)
    except SealBroken as error:
        raise NotDelivered(f"{error} Remove the webhook and add it again.", final=True) from error
    body = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":"))
    now = timezone.now()
    return bounded_http.post(
        webhook.url,
        body=body.encode(),
        headers={
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": standardwebhooks.Webhook(secret).sign(message.id, now, body),
        },
    )

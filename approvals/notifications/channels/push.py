"""A notification in somebody's browser, open or not (Web Push, RFC 8030, 8291 and 8292)."""

import base64
import hashlib
import json
import time
from collections.abc import Collection
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from approvals.notifications import bounded_http, push_keys
from approvals.notifications.channels import Checked, destination_labels
from approvals.notifications.errors import NotDelivered
from approvals.notifications.messages import Message, one_line
from approvals.notifications.models import Delivery, Destination
from approvals.notifications.push_address import checked_subscription
from approvals.sealing import SealBroken

# Push services take 4096 bytes; what a notification shows is less.
TITLE_LIMIT, BODY_LIMIT = 120, 300
PAYLOAD_BYTES = 3000
# How long a browser that is closed may find it later, and for how long our signature is good.
KEPT_SECONDS, SIGNED_SECONDS = 12 * 3600, 3600
_NOT_FOUND, _GONE = 404, 410


def labels(recipients: Collection[str]) -> dict[str, str]:
    return destination_labels(recipients)


def checked(address: str) -> Checked:
    """A subscription as the browser gave it, as JSON. Raises AddressRefused."""
    return Checked(*checked_subscription(address))


def test(destination: Destination, message: Message) -> str:
    """Sends the message at once. Raises NotDelivered."""
    host, status = _push(destination, message)
    return f"{host} answered {status}: it hands the test to your browser. Look whether it shows."


def send(delivery: Delivery, message: Message) -> None:
    if delivery.destination is None:
        raise NotDelivered("The browser was removed.", final=True)
    _push(delivery.destination, message)


def _push(destination: Destination, message: Message) -> tuple[str, int]:
    """The push service's host and status. Raises NotDelivered."""
    try:
        subscription = json.loads(destination.open_address())
        private = push_keys.private_key()
    except SealBroken as error:
        raise NotDelivered(
            f"{error} Remove this browser, and have it told anew.", final=True
        ) from error
    endpoint = subscription["endpoint"]
    body, headers = _encrypted(subscription, private, _payload(message))
    try:
        status = bounded_http.post(
            endpoint,
            body=body,
            headers={
                **headers,
                "Content-Type": "application/octet-stream",
                "Content-Encoding": "aes128gcm",
                "TTL": str(KEPT_SECONDS),
                "Urgency": "high" if message.urgent else "normal",
                # Of two tries that both wait there for a browser, one is kept.
                "Topic": _topic(message.id),
            },
        )
    except NotDelivered as error:
        if error.status in {_NOT_FOUND, _GONE}:
            raise NotDelivered(
                f"{error} The browser has ended its subscription.",
                final=True,
                gone=True,
                status=error.status,
            ) from error
        raise
    return urlsplit(endpoint).netloc, status


def _payload(message: Message) -> bytes:
    """What the service worker shows. The id lets it show a repeated message once."""
    payload = {
        "id": message.id,
        "title": one_line(message.subject, TITLE_LIMIT),
        "body": one_line(message.short, BODY_LIMIT),
        "path": urlsplit(message.url).path if message.url else "/",
        "urgent": message.urgent,
    }
    whole = json.dumps(payload, ensure_ascii=False).encode()
    if len(whole) > PAYLOAD_BYTES:
        whole = json.dumps({**payload, "body": "", "path": "/"}, ensure_ascii=False).encode()
    return whole


def _encrypted(
    subscription: dict[str, Any], private: str, payload: bytes
) -> tuple[bytes, dict[str, str]]:
    """What only that browser opens, and the headers that say who sends it."""
    # 20 MB that only a worker which sends this needs.
    from py_vapid import Vapid02, VapidException  # noqa: PLC0415 - as said above
    from pywebpush import WebPusher  # noqa: PLC0415 - as said above

    parts = urlsplit(subscription["endpoint"])
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + SIGNED_SECONDS,
        "sub": _contact(),
    }
    try:
        headers = Vapid02.from_raw(private.encode()).sign(claims)
    except VapidException as error:
        raise NotDelivered(
            "This push service's address cannot be signed for.", final=True
        ) from error
    return WebPusher(subscription).encode(payload)["body"], headers


def _contact() -> str:
    """Whom a push service may ask when it is unhappy with what comes from here."""
    parts = urlsplit(settings.PUBLIC_URL)
    # Push services take a plain host here, or an e-mail address.
    if parts.scheme == "https" and not parts.port and "." in (parts.hostname or ""):
        return f"https://{parts.hostname}"
    return f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1] or 'countersign@localhost'}"


def _topic(id: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(id.encode()).digest()).decode()[:32]

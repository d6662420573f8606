"""What a browser hands over when it subscribes: where its push service takes messages for it, and
the keys that only this browser opens them with."""

import base64
import binascii
import json
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from approvals.notifications.addresses import HostRefused, guard_for
from approvals.notifications.errors import AddressRefused

SUBSCRIPTION_LIMIT, ENDPOINT_LIMIT = 4000, 1500
AUTH_BYTES = 16


def checked_subscription(text: str) -> tuple[str, str]:
    """The subscription as it is stored, and the host of its push service. Raises AddressRefused.

    Two texts for the same browser become the same.
    """
    if len(text) > SUBSCRIPTION_LIMIT:
        raise AddressRefused("What the browser handed over is too long for a subscription.")
    try:
        given = json.loads(text)
        endpoint, keys = given["endpoint"], given["keys"]
        public, secret = keys["p256dh"], keys["auth"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AddressRefused("What the browser handed over is not a subscription.") from error
    host = _checked_endpoint(endpoint)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(public))
    except ValueError as error:
        raise AddressRefused("The browser's public key is none.") from error
    if len(_bytes(secret)) != AUTH_BYTES:
        raise AddressRefused("The browser's secret has another length than it must have.")
    kept = {"endpoint": endpoint, "keys": {"auth": _text(secret), "p256dh": _text(public)}}
    return json.dumps(kept, sort_keys=True), host


def _checked_endpoint(endpoint: Any) -> str:
    refused = AddressRefused("The push service has no usable https:// address.")
    if not isinstance(endpoint, str) or not endpoint.isascii() or not endpoint.isprintable():
        raise refused
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise refused from error
    if (
        parts.scheme != "https"
        or not host
        or len(endpoint) > ENDPOINT_LIMIT
        or "@" in parts.netloc
        or parts.fragment
        or " " in endpoint
    ):
        raise refused
    try:
        guard_for(tuple(settings.NOTIFY_ALLOW)).check_host(host)
    except HostRefused as error:
        raise AddressRefused(str(error)) from error
    return host


def _bytes(text: Any) -> bytes:
    """What base64 says, in either alphabet, with or without its end. Raises AddressRefused."""
    if not isinstance(text, str) or not text.isascii():
        raise AddressRefused("The browser's keys are not base64.")
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise AddressRefused("The browser's keys are not base64.") from error


def _text(given: str) -> str:
    return base64.urlsafe_b64encode(_bytes(given)).rstrip(b"=").decode()

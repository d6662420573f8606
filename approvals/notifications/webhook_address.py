"""Where a webhook may point to, as it is typed."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from approvals.notifications.addresses import HostRefused, guard_for
from approvals.notifications.errors import AddressRefused

URL_LIMIT = 500


class WebhookRefused(AddressRefused):
    """What was entered cannot be used. str() is the sentence for the page."""


def checked_url(url: str) -> str:
    """The address as it is stored. Raises WebhookRefused.

    https, or http to this machine itself. Of hosts in our own network those that are allowed: see
    `addresses.py`, which judges names when they are called.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise WebhookRefused("This is not an address: check it for typing errors.") from error
    if not host or not url.isascii() or any(character <= " " for character in url):
        raise WebhookRefused("Enter a whole address, such as https://chat.example.org/hooks/42.")
    if len(url) > URL_LIMIT:
        raise WebhookRefused(f"The address is longer than {URL_LIMIT} characters.")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise WebhookRefused(
            "The address must start with https:// (http:// is for this machine itself): what is "
            "announced would cross the network in the clear."
        )
    if parts.username is not None or parts.password is not None:
        raise WebhookRefused("Put no name or password into the address: it is shown on the page.")
    if parts.fragment:
        raise WebhookRefused("Leave out the part after #: it is never sent.")
    try:
        guard_for(tuple(settings.NOTIFY_ALLOW)).check_host(host)
    except HostRefused as error:
        raise WebhookRefused(str(error)) from error
    return url


def origin_of(url: str) -> str:
    """Scheme and host: what may be shown, since the path is often a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

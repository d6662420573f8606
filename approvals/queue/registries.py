"""Adding registries, and talking to one with the right token."""

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from requests.utils import requote_uri

from approvals.audit.record import record
from approvals.queue.models import Registry
from approvals.sealing import seal, unseal
from registry_client.addresses import DEFAULT_PORTS, check_base_url, is_loopback, origin
from registry_client.client import RegistryClient
from registry_client.errors import NotAuthorised, RegistryError

HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
MOST_POLL_SECONDS = 86_400


class RegistryNotUsable(Exception):
    """The registry cannot be added or changed like this; the text says why and what to do."""


def client_for(registry: Registry, *, token: str | None = None) -> RegistryClient:
    """A client with the registry's read token, or with a person's own.

    Raises SealBroken where the read token was sealed for another address or with a lost key.
    """
    if token is None:
        token = unseal(registry.sealed_read_token, bound_to=registry.url)
    return RegistryClient(
        registry.url,
        token,
        download_limit=settings.DOWNLOAD_LIMIT_BYTES,
        proof_hosts=registry.proof_hosts.lower().split(),
    )


def normalised_url(url: str) -> str:
    """The one spelling under which a registry's address is stored and tokens are sealed.

    Two spellings of one address would be two registries, and one upload would be decided twice.
    Raises RegistryNotUsable, also for plain http to another machine unless that is allowed.
    """
    try:
        parts = urlsplit(check_base_url(url))
        scheme, host, port = origin(parts)
        host, path = _normalised_host(host), _normalised_path(parts.path)
    except ValueError as error:
        raise RegistryNotUsable(f"The registry could not be used: {error}") from error
    port_text = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    normalised = f"{scheme}://{host}{port_text}{path}"
    if (
        scheme == "http"
        and not is_loopback(urlsplit(normalised))
        and not settings.ALLOW_HTTP_REGISTRIES
    ):
        raise RegistryNotUsable(
            "The registry's address must start with https:// (http:// is for this machine itself): "
            "tokens and codes would cross the network in the clear. If that network is safe, set "
            "COUNTERSIGN_ALLOW_HTTP_REGISTRIES=true."
        )
    return normalised


def _normalised_host(host: str) -> str:
    """The host in lower case, an IPv6 address short and in brackets. Raises ValueError."""
    if ":" in host:
        return f"[{ip_address(host).compressed}]"
    host = host.removesuffix(".")
    if not HOST.fullmatch(host):
        raise ValueError(
            "A host has letters of a to z, digits, '-', '_' and '.' only: write other letters "
            "in their xn-- form."
        )
    return host


def _normalised_path(path: str) -> str:
    """The path as it is sent, with one slash at each end and none after another; or ValueError."""
    # What requests itself does to an address: unreserved characters bare, others percent-encoded.
    path = re.sub("%..", lambda found: found[0].upper(), requote_uri(path))
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if ".." in segments:
        raise ValueError("The path of the address must not contain “..”.")
    return "/".join(["", *segments, ""])


def _check_typed(name: str, poll_seconds: int | None) -> None:
    if not NAME.fullmatch(name):
        raise RegistryNotUsable(
            "A registry's name has letters, digits, '-' and '_', at most 60 of them."
        )
    if poll_seconds is not None and not 1 <= poll_seconds <= MOST_POLL_SECONDS:
        raise RegistryNotUsable(
            f"There must be 1 to {MOST_POLL_SECONDS} seconds between two polls."
        )


def add_registry(
    *,
    actor: AbstractBaseUser | None,
    name: str,
    url: str,
    read_token: str,
    poll_seconds: int | None = None,
    is_sandbox: bool = False,
) -> Registry:
    """Adds a registry once it has answered with this token. Raises RegistryNotUsable."""
    _check_typed(name, poll_seconds)
    url, read_token = normalised_url(url), read_token.strip()
    username, visible = _try_token(url, read_token)
    try:
        with transaction.atomic():
            registry = Registry.objects.create(
                name=name,
                url=url,
                sealed_read_token=seal(read_token, bound_to=url),
                poll_seconds=poll_seconds or settings.REGISTRY_POLL_SECONDS,
                is_sandbox=is_sandbox,
            )
            record(
                "registry.added",
                actor=actor,
                subject=registry,
                url=url,
                token_user=username,
                visible_staged_versions=visible,
            )
    except IntegrityError as error:
        raise RegistryNotUsable(
            "There is already a registry with this name or address. Change that one instead."
        ) from error
    return registry


def change_registry(
    registry: Registry,
    *,
    actor: AbstractBaseUser | None,
    read_token: str | None = None,
    poll_seconds: int | None = None,
    enabled: bool | None = None,
) -> None:
    """Changes what is given; its address never changes. Raises RegistryNotUsable."""
    _check_typed(registry.name, poll_seconds)
    changes: dict[str, Any] = {}
    if read_token and (read_token := read_token.strip()):
        _try_token(registry.url, read_token)
        changes["sealed_read_token"] = seal(read_token, bound_to=registry.url)
    if poll_seconds is not None and poll_seconds != registry.poll_seconds:
        changes["poll_seconds"] = poll_seconds
    if enabled is not None and enabled != registry.enabled:
        changes["enabled"] = enabled
    if not changes:
        return
    with transaction.atomic():
        # Whatever changed, the next poll should show at once whether it helped.
        Registry.objects.filter(pk=registry.pk).update(**changes, next_poll_at=timezone.now())
        record(
            "registry.changed",
            actor=actor,
            subject=registry,
            changed=sorted(name.removeprefix("sealed_") for name in changes),
        )
    registry.refresh_from_db()


def _try_token(url: str, token: str) -> tuple[str, int]:
    """Returns whose token it is and how many staged versions it sees. Raises RegistryNotUsable."""
    try:
        with RegistryClient(url, token) as client:
            return client.whoami(), len(client.staged_versions())
    except NotAuthorised as error:
        raise RegistryNotUsable(
            f"The registry does not accept this token for reading staged versions: {error} "
            "Make a read token for an account that may see the packages, and paste it whole."
        ) from error
    except (RegistryError, ValueError) as error:
        raise RegistryNotUsable(f"The registry could not be used: {error}") from error

"""Adding registries, and talking to one with the right token."""

import hmac
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from requests.utils import requote_uri

from approvals.audit.record import record
from approvals.people.accounts import READ_TIMEOUT_SECONDS, AccountNotLinked, link_account
from approvals.people.models import RegistryAccount, User
from approvals.queue.models import Registry
from approvals.sealing import SealBroken, seal, unseal
from registry_client.addresses import DEFAULT_PORTS, check_base_url, is_loopback, origin
from registry_client.client import RegistryClient
from registry_client.errors import NotAuthorised, RegistryError

HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
MOST_POLL_SECONDS = 86_400


MOST_PROOF_HOSTS = 10
LONGEST_HOST = 253


class RegistryNotUsable(Exception):
    """The registry cannot be added or changed like this; the text says why and what to do."""


@dataclass(frozen=True)
class TokenView:
    """What a registry lets a read token see."""

    username: str
    staged_versions: int
    packages: int
    # None where the registry does not say.
    may_only_read: bool | None

    @property
    def sentences(self) -> str:
        """The same in words."""
        told = [f"The token is of {self.username}."]
        if self.staged_versions:
            versions = f"{self.staged_versions} staged version{_s(self.staged_versions)}"
            told.append(f"It sees {versions} of {self.packages} package{_s(self.packages)}.")
        if self.may_only_read:
            told.append("It may only read, as it should.")
        elif self.may_only_read is None:
            told.append("The registry does not say whether it may do more than read.")
        return " ".join(told)

    @property
    def warnings(self) -> list[str]:
        """What somebody should look at, with what to do about it."""
        found = []
        if not self.staged_versions:
            found.append(
                "The read token sees no staged version: if some wait there now, make a token for "
                "an account that may see their packages."
            )
        if self.may_only_read is False:
            found.append(
                "The read token may do more than read. Countersign does not need that: better make "
                "a token that may only read, and enter it instead."
            )
        return found


def _ended(error: Exception) -> str:
    """What went wrong, with a full stop also after the registry's own words."""
    text = str(error)
    return text if text.endswith((".", "?", "!")) else f"{text}."


@dataclass(frozen=True)
class Linked:
    """One's own account, and whether Countersign reads with a token of the same one."""

    account: RegistryAccount
    is_readers: bool


def _s(number: int) -> str:
    return "" if number == 1 else "s"


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
        raise RegistryNotUsable(f"The registry could not be used: {_ended(error)}") from error
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
    registry, _ = add_and_look(
        actor=actor,
        name=name,
        url=url,
        read_token=read_token,
        poll_seconds=poll_seconds,
        is_sandbox=is_sandbox,
    )
    return registry


def add_and_look(
    *,
    actor: AbstractBaseUser | None,
    name: str,
    url: str,
    read_token: str,
    poll_seconds: int | None = None,
    is_sandbox: bool = False,
) -> tuple[Registry, TokenView]:
    """The same, and what the token may see there. Raises RegistryNotUsable."""
    _check_typed(name, poll_seconds)
    url, read_token = normalised_url(url), read_token.strip()
    seen = _try_token(url, read_token)
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
                token_user=seen.username,
                visible_staged_versions=seen.staged_versions,
                visible_packages=seen.packages,
            )
    except IntegrityError as error:
        raise RegistryNotUsable(
            "There is already a registry with this name or address. Change that one instead."
        ) from error
    return registry, seen


def change_registry(
    registry: Registry,
    *,
    actor: AbstractBaseUser | None,
    read_token: str | None = None,
    poll_seconds: int | None = None,
    enabled: bool | None = None,
    proof_hosts: str | None = None,
) -> TokenView | None:
    """Changes what is given; its address never changes. Raises RegistryNotUsable.

    Returns what a new token may see.
    """
    _check_typed(registry.name, poll_seconds)
    changes: dict[str, Any] = {}
    seen = None
    if read_token and (read_token := read_token.strip()):
        seen = _try_token(registry.url, read_token)
        changes["sealed_read_token"] = seal(read_token, bound_to=registry.url)
    if poll_seconds is not None and poll_seconds != registry.poll_seconds:
        changes["poll_seconds"] = poll_seconds
    if enabled is not None and enabled != registry.enabled:
        changes["enabled"] = enabled
    if proof_hosts is not None:
        hosts = checked_proof_hosts(proof_hosts)
        if hosts != registry.proof_hosts:
            changes["proof_hosts"] = hosts
    if not changes:
        return None
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
    return seen


def checked_proof_hosts(text: str) -> str:
    """The hosts that were typed, one a line, each once. Raises RegistryNotUsable."""
    hosts = list(dict.fromkeys(host.lower() for host in text.split()))
    for host in hosts:
        is_number = re.fullmatch(r"[0-9.]+", host)
        if not HOST.fullmatch(host) or len(host) > LONGEST_HOST or is_number:
            raise RegistryNotUsable(
                f"“{host[:60]}” is no host name: write it without https://, port and path, one a "
                "line, such as login.example.org."
            )
    if len(hosts) > MOST_PROOF_HOSTS:
        raise RegistryNotUsable(f"There are at most {MOST_PROOF_HOSTS} such hosts.")
    return "\n".join(hosts)


def link_own_account(user: User, registry: Registry, token: str) -> Linked:
    """Links the person's own account at this registry, but never by the token that reads there.

    That one is at hand when a registry was just added, and may be a robot's: its decisions would
    be recorded under a name that is nobody's. Raises AccountNotLinked.
    """
    try:
        reading = unseal(registry.sealed_read_token, bound_to=registry.url)
    except SealBroken:
        reading = ""  # then Countersign reads nothing here, and says so elsewhere
    if hmac.compare_digest(token.strip().encode(), reading.encode()):
        raise AccountNotLinked("This is the token Countersign reads with. Make one of your own.")
    account = link_account(user, registry_url=registry.url, token=token)
    return Linked(account, bool(reading) and _user_of(registry.url, reading) == account.username)


def _user_of(url: str, token: str) -> str:
    """Whose token it is; nothing where the registry does not say."""
    try:
        with RegistryClient(url, token, read_timeout=READ_TIMEOUT_SECONDS, max_tries=1) as client:
            return client.whoami()
    except (RegistryError, ValueError):
        return ""


def _try_token(url: str, token: str) -> TokenView:
    """Asks the registry what it lets this token see. Raises RegistryNotUsable."""
    try:
        with RegistryClient(url, token) as client:
            username, items = client.whoami(), client.staged_versions()
            return TokenView(
                username=username,
                staged_versions=len(items),
                packages=len({item.package_name for item in items}),
                may_only_read=client.may_only_read(),
            )
    except NotAuthorised as error:
        raise RegistryNotUsable(
            f"{_ended(error)} Make a read token for an account that may see the packages, and "
            "paste it whole."
        ) from error
    except (RegistryError, ValueError) as error:
        raise RegistryNotUsable(f"The registry could not be used: {_ended(error)}") from error

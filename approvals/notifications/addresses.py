"""Where a message may be sent: never into this machine or its network, unless that is allowed.

Whoever may enter an address could otherwise have this server call what only it can reach. The
address is judged when the connection is made, and the connection goes to the very address that was
judged: what a name means may change between two looks at it.

Pure Python, without Django: the child that speaks to chat services has it too.
"""

import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# A name server that is not ours may list thousands, and each costs a try.
MOST_ADDRESSES = 4
HOST_LIMIT = 253

# IPv6 addresses that stand for an IPv4 address, and where in them it begins.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Not public, though not every version of Python says so: translation within a network, what is kept
# for protocols, Azure's own services.
_INSIDE = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("168.63.129.16/32"),
)


class HostRefused(Exception):
    """The host lies where nothing is sent. str() is the sentence for the page."""

    @classmethod
    def of(cls, host: str) -> Self:
        """The refusal to call `host`."""
        shown = "".join(character for character in host if character.isprintable())[:HOST_LIMIT]
        return cls(
            f"{shown} lies in this machine's own network, where Countersign sends nothing. If that "
            "is where your receiver is, have the host or its network put into "
            "COUNTERSIGN_NOTIFY_ALLOW."
        )


class BadEntry(ValueError):
    """An entry of the allow-list is neither a host, nor an address, nor a network."""


@dataclass(frozen=True)
class Guard:
    """Who may be called: everyone in public, and besides them what the allow-list names."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    def allows(self, host: str, address: str) -> bool:
        """Whether `host` may be called at `address`, which is an IP address."""
        if _plain(host) in self.hosts:
            return True
        try:
            found = _unwrapped(address)
        except ValueError:
            return False
        return _is_public(found) or any(found in network for network in self.networks)

    def check_host(self, host: str) -> None:
        """Refuses what can be told without asking a name server: an address that is not public.

        Raises HostRefused. Says nothing of names: those are judged when the connection is made.
        """
        name = _plain(host)
        if not name or len(name) > HOST_LIMIT:
            raise HostRefused("There is no host in this address.")
        addresses = _literal(name)
        if name == "localhost" or name.endswith(".localhost"):
            addresses = ["127.0.0.1"]
        if addresses and not any(self.allows(name, address) for address in addresses):
            raise HostRefused.of(host)

    def addresses(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """What getaddrinfo says of `host`, without what may not be called.

        Raises HostRefused if nothing is left, OSError if the name means nothing.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        allowed = [entry for entry in found if self.allows(host, str(entry[4][0]))]
        if not allowed:
            raise HostRefused.of(host)
        return allowed[:MOST_ADDRESSES]

    def connect(
        self, host: str, port: int, *, seconds: float, options: Iterable[tuple[int, int, int]] = ()
    ) -> socket.socket:
        """A connection to the first allowed address of `host` that answers, within `seconds`.

        Raises HostRefused, OSError.
        """
        until = time.monotonic() + seconds
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in self.addresses(host, port):
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection = socket.socket(family, kind, protocol)
            try:
                for option in options:
                    connection.setsockopt(*option)
                connection.settimeout(left)
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure


@lru_cache(maxsize=32)
def guard_for(entries: tuple[str, ...]) -> Guard:
    """The guard with this allow-list: host names, addresses, networks. Raises BadEntry."""
    hosts, networks = set(), []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            name = _plain(entry)
            if "/" in name or not _is_name(name):
                raise BadEntry(entry) from None
            hosts.add(name)
    return Guard(frozenset(hosts), tuple(networks))


def _is_public(address: IPAddress) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not getattr(address, "is_site_local", False)
        and not any(address in network for network in _INSIDE)
    )


def _unwrapped(text: str) -> IPAddress:
    """The address; of one that only carries an IPv4 address, that one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _6TO4 and address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address


def _literal(name: str) -> list[str]:
    """What the name is as an address, also in the ways of writing that only resolvers know."""
    try:
        return [str(ipaddress.ip_address(name.partition("%")[0]))]
    except ValueError:
        pass
    try:
        # 127.1, 0x7f000001 and 2130706433 are all the same to the C library.
        return [socket.inet_ntoa(socket.inet_aton(name))]
    except (OSError, ValueError):
        return []


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()


def _is_name(name: str) -> bool:
    labels = name.split(".")
    return (
        0 < len(name) <= HOST_LIMIT
        and name.isascii()
        and all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    )

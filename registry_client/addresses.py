"""Addresses and names as they come from people and registries: checked, compared, put into URLs."""

import re
import socket
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit

from publicsuffixlist import PublicSuffixList

MAX_URL = 2048
MAX_NAME = 214
DEFAULT_PORTS = {"http": 80, "https": 443}

# validate-npm-package-name's rules for names that exist: new ones are lower case and have none of
# ~'!()*, but packages older than these rules may still get new versions.
_NAME = re.compile(
    r"(?:@[A-Za-z0-9~'!()*_-][A-Za-z0-9._~'!()*-]*/[A-Za-z0-9~'!()*_-][A-Za-z0-9._~'!()*-]*"
    r"|[A-Za-z0-9~'!()*-][A-Za-z0-9._~'!()*-]*)",
    re.ASCII,
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_NAT64 = IPv6Network("64:ff9b::/96")
_RESERVED_NAMES = {"node_modules", "favicon.ico"}


def check_package_name(name: str) -> str:
    """The name itself if npm could have such a package; ValueError otherwise."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name) or name.lower() in _RESERVED_NAMES:
        raise ValueError("This is not a valid npm package name.")
    return name


def escape_package_name(name: str) -> str:
    """A checked name as one segment of a path, as the npm client writes it: `@scope%2fname`."""
    return check_package_name(name).replace("/", "%2f")


def check_stage_id(stage_id: str) -> str:
    """The canonical lower-case form of a stage id; ValueError if it is not a UUID."""
    # Not uuid.UUID(), which also takes braces, prefixes and misplaced hyphens.
    if not _UUID.fullmatch(stage_id):
        raise ValueError("This is not a stage id: it must be a UUID.")
    return stage_id.lower()


def escape_segment(text: str) -> str:
    """Any text as one segment of a path."""
    return quote(text, safe="@")


def check_url(url: str) -> SplitResult:
    """The parts of an http(s) URL without credentials; ValueError says what is wrong with it."""
    if len(url) > MAX_URL:
        raise ValueError(f"The address is longer than {MAX_URL} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("The address contains characters that no address may have.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("The address is not a valid URL.") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("The address must begin with https:// or http://.")
    if not parts.hostname or port == 0:
        raise ValueError("The address names no host.")
    # requests decodes a host before it connects: what was checked must be what is asked.
    if "%" in parts.netloc or not parts.netloc.isascii():
        raise ValueError("The host of the address must have plain ASCII letters, and no “%”.")
    if "@" in parts.netloc:
        raise ValueError("The address must not contain a user name or password.")
    return parts


def check_base_url(url: str) -> str:
    """A registry's address without trailing slashes, a path prefix kept; ValueError if unusable."""
    url = url.strip()
    parts = check_url(url)
    if "?" in url or "#" in url:
        raise ValueError("The address of a registry has no query (?) and no fragment (#).")
    if ".." in parts.path.split("/"):
        raise ValueError("The path of the address must not contain “..”.")
    return url.rstrip("/")


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port: what decides whether a token may be sent."""
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def is_within(parts: SplitResult, registry: SplitResult) -> bool:
    """Whether an address lies below a registry's own, however often somebody decodes its path."""
    path = parts.path
    while (decoded := unquote(path)) != path:
        path = decoded
    base = registry.path.rstrip("/") + "/"
    # The path as it is has to begin with it, too: not every server decodes it.
    is_below = parts.path.startswith(base) and path.startswith(base) and ".." not in path
    return is_below and origin(parts) == origin(registry)


def is_loopback(parts: SplitResult) -> bool:
    """Whether the URL names this machine itself."""
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_of_site(parts: SplitResult, registry: SplitResult) -> bool:
    """Whether an address belongs to whoever has the registry's domain.

    The same host, or the registrable domain above it, also with `www.`: `www.example.org` is of the
    site of `registry.example.org`. Its neighbours are not: where a domain has a host for each of
    its customers, `mallory.example.org` may be anybody's, whatever the public suffix list knows.
    """
    host, own = parts.hostname or "", registry.hostname or ""
    if host == own:
        return True
    if any(_is_address(one) for one in (host, own)):
        return False
    domain = _public_suffixes().privatesuffix(own)
    return domain is not None and host in {domain, f"www.{domain}"}


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _is_address(host: str) -> bool:
    """Whether this is an IP address, in any spelling that has only numbers at its end."""
    try:
        return bool(ip_address(host))
    except ValueError:
        return host.rstrip(".").rpartition(".")[2].isdigit()


def is_machine_local(parts: SplitResult) -> bool:
    """Whether the URL leads to this machine or its link, where services trust whoever reaches them.

    Asks the resolver, which also knows every spelling of an address: `127.1` is one of 127.0.0.1. A
    name that cannot be resolved leads nowhere.
    """
    host = (parts.hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(_is_local(ip_address(address[0])) for *_, address in found)


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        # 64:ff9b::/96 is how networks of IPv6 alone write IPv4 addresses (RFC 6052).
        embedded = address in _NAT64 and IPv4Address(int(address) & 0xFFFFFFFF)
        address = address.ipv4_mapped or address.sixtofour or embedded or address
    # 0.0.0.0/8 is "this network" (RFC 791): Linux takes 0.0.0.0 for itself.
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in _THIS_NETWORK
    )

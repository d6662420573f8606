"""npm-shrinkwrap.json: the one lock file that counts for whoever installs a package."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile
from approvals.inspection.specs import kind_of_spec

GROUP = Group.DEPENDENCIES
RULES = {
    "lock-file": "A published lock file that is new or changed",
    "lock-file-address": "A published lock file that leads to other hosts than the rest of it",
    "lock-file-unread": "A published lock file that could not be read",
}
LIMITS = ("lock-file-unread",)
LOCK_FILE = "npm-shrinkwrap.json"
_MOST_BYTES = 8 * 1024 * 1024
_MOST_ADDRESSES = 50_000
_WHY = "npm installs exactly what a published npm-shrinkwrap.json says, for everyone who installs "
_WHY += "this package, whatever the ranges in package.json allow."


_GIT = "git "
_AT_REGISTRY = re.compile(r"^https?://[^/]+/(?:[^@/]+/)*((?:@[^/]+/)?[^/]+)/-/[^/]+$")


@dataclass(frozen=True)
class _Locked:
    """One package in a lock file: its name and where it comes from."""

    name: str
    address: str


class _Unread(Exception):
    """The lock file could not be read."""


def in_tarball(look: Look) -> Iterator[Finding]:
    file = look.file_at(LOCK_FILE)
    if file is None:
        return
    yield Finding(
        "lock-file",
        Severity.MEDIUM if file.is_added and not look.is_first else Severity.LOW,
        "It publishes a lock file."
        if look.is_first
        else "A published lock file is new."
        if file.is_added
        else "The published lock file changed.",
        _WHY,
        "Read its diff for packages that package.json does not lead to.",
        path=file.path,
        line=1,
        evidence=file.change.new_sha256,
    )
    try:
        after = _locked(file.content)
    except _Unread as error:
        yield Finding(
            "lock-file-unread",
            Severity.MEDIUM,
            f"The published lock file was not searched: {error}",
            _WHY,
            "Look into it by hand.",
            path=file.path,
            evidence=file.change.new_sha256,
        )
        return
    try:
        before = _locked(file.old_content)
    except _Unread:
        before = []
    yield from _foreign(file, after, before)


def _foreign(file: LookedFile, after: list[_Locked], before: list[_Locked]) -> Iterator[Finding]:
    known = {_host(one.address) for one in before} or _usual_hosts(after)
    seen = {(one.name, one.address) for one in before}
    odd: dict[str, list[_Locked]] = {}
    for one in after:
        host = _host(one.address)
        if host not in known:
            odd.setdefault(host, []).append(one)
        elif _is_another(one) and (one.name, one.address) not in seen:
            odd.setdefault(f"another package than {one.name}", []).append(one)
    content = file.content or b""
    for what, found in odd.items():
        place = content.find(json.dumps(found[0].address)[1:-1].encode())
        yield Finding(
            "lock-file-address",
            Severity.HIGH,
            f"The published lock file leads to {_words(what)}.",
            _WHY + " This part of it is not what it seems to be.",
            "Find out whose address it is. Unless it is plainly yours, reject.",
            path=file.path,
            line=file.line_at(place) if place >= 0 else 1,
            excerpt=found[0].address,
            detail=f"{found[0].name} and {len(found) - 1:,} more" if found[1:] else found[0].name,
            evidence="\n".join(one.address for one in found),
        )


def _words(what: str) -> str:
    if what.startswith(_GIT):
        return "a git repository"
    return what if what.startswith("another package") else "another host than the rest of it"


def _usual_hosts(found: list[_Locked]) -> set[str]:
    """Without a baseline: the host that most come from."""
    hosts = Counter(host for one in found if not (host := _host(one.address)).startswith(_GIT))
    return {host for host, _ in hosts.most_common(1)}


def _host(address: str) -> str:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        host = ""
    if kind_of_spec(address) == "git":
        return f"{_GIT}{host}"
    # Nobody on the way can put something else in the place of what comes with TLS.
    return f"{host} without TLS" if address.lower().startswith("http:") else host


def _is_another(one: _Locked) -> bool:
    """Whether the address is a registry's, and of a package with another name."""
    found = _AT_REGISTRY.search(unquote(one.address))
    return found is not None and bool(one.name) and found[1] != one.name


def _locked(content: bytes | None) -> list[_Locked]:
    """Where each package in it comes from, as far as that is an address."""
    if content is None or len(content) > _MOST_BYTES:
        raise _Unread("it is too large.")
    try:
        lock = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _Unread("it is not valid JSON.") from None
    found: list[_Locked] = []
    open_ones: list[tuple[str, Any]] = [("", lock)]
    while open_ones and len(found) < _MOST_ADDRESSES:
        name, entry = open_ones.pop()
        if not isinstance(entry, dict):
            continue
        for key in ("resolved", "version"):
            value = entry.get(key)
            if isinstance(value, str) and kind_of_spec(value) in ("remote", "git"):
                found.append(_Locked(_name(name, entry), value))
        for key in ("packages", "dependencies"):
            inner = entry.get(key)
            if isinstance(inner, dict):
                open_ones += inner.items()
    return found


def _name(key: str, entry: dict[str, Any]) -> str:
    """The package that is installed there: its entry says so where it is an alias."""
    named, version = entry.get("name"), entry.get("version")
    if isinstance(named, str) and named:
        return named
    if isinstance(version, str) and version.startswith("npm:"):
        return version[len("npm:") :].rpartition("@")[0]
    return key.rpartition("node_modules/")[2]

"""What kind of thing a dependency's spec in package.json is, as npm takes it.

The rules are those of npm-package-arg with hosted-git-info, under which npm's options allow-git,
allow-remote, allow-file and allow-directory decide.
"""

import re
from typing import Literal
from urllib.parse import urlsplit

from registry_client.ranges import parse_range

SpecKind = Literal["registry", "alias", "git", "remote", "file", "directory", "unusable"]

_FILE = re.compile(r"[.]|~/|/|[a-zA-Z]:")
_ADDRESS = re.compile(r"(?:git[+])?[a-z]+:", re.IGNORECASE)
_ARCHIVE = re.compile(r"[.](?:tgz|tar\.gz|tar)$", re.IGNORECASE)
_SHORT = re.compile(r"[^\s/@:.#][^\s/@:#]*/[^\s/@:#]+(?:#.*)?", re.DOTALL)
_LIKE_SSH = re.compile(r"[^@]+@[^:.]+\.[^:]+:.+", re.IGNORECASE | re.DOTALL)
_HOSTERS = ("github", "gitlab", "bitbucket", "gist", "sourcehut")
_SSH = ("ssh", "git+ssh", "git+https")
_HOSTS = {
    "github.com": ("http", "https", "git"),
    "bitbucket.org": ("https",),
    "gitlab.com": ("https",),
    "gist.github.com": ("https", "git"),
    "git.sr.ht": ("https",),
}
_TAG = re.compile(r"[A-Za-z0-9\-_.!~*'()]+")
_LONGEST = 4_000


def kind_of_spec(spec: str) -> SpecKind:  # noqa: PLR0911 - one line a kind
    """Where npm gets a dependency from; "unusable" is what npm refuses, such as `workspace:*`."""
    if len(spec) > _LONGEST:
        return "unusable"
    lower = spec.lower()
    if lower.startswith("file:") or _FILE.match(spec):
        return "file" if _ARCHIVE.search(spec) else "directory"
    if lower.startswith("npm:"):
        return "alias"
    if _is_hosted(spec):
        return "git"
    if _ADDRESS.match(spec):
        scheme = lower.partition(":")[0]
        if scheme in ("http", "https"):
            return "remote"
        return "git" if scheme == "git" or scheme.startswith("git+") else "unusable"
    if "/" in spec or _ARCHIVE.search(spec):
        return "file" if _ARCHIVE.search(spec) else "directory"
    is_name = parse_range(spec) is not None or _TAG.fullmatch(spec.strip())
    return "registry" if is_name else "unusable"


def aliased(spec: str) -> tuple[str, str]:
    """The package that an alias `npm:name@range` is for, and the range ("" for any)."""
    target = spec[len("npm:") :]
    at = target.find("@", 1)
    return (target, "") if at < 0 else (target[:at], target[at + 1 :])


def _is_hosted(spec: str) -> bool:
    """Whether it names a repository at one of the services that npm knows."""
    if _SHORT.fullmatch(spec) and not spec.partition("#")[0].endswith("/"):
        return True
    scheme, colon, _ = spec.partition(":")
    scheme = scheme.lower()
    if colon and scheme in _HOSTERS:
        return True
    if "://" in spec:
        try:
            parts = urlsplit(spec)
            host = (parts.hostname or "").removeprefix("www.")
        except ValueError:
            return False
        schemes = (*_HOSTS[host], *_SSH) if host in _HOSTS else ()
        return scheme in schemes and _is_repository(host, parts.path)
    # `git@host:user/project` without a scheme.
    host, _, path = spec.partition("@")[2].partition(":")
    path = path.partition("#")[0]
    return bool(_LIKE_SSH.fullmatch(spec)) and host in _HOSTS and _is_repository(host, f"/{path}")


def _is_repository(host: str, path: str) -> bool:
    """Whether it leads to a repository there, and not to a file or an archive of one."""
    parts = [*path.split("/"), "", "", ""]
    _, user, project, then = parts[:4]
    if host == "gitlab.com":
        inner = path.removeprefix("/")
        is_file = "/-/" in inner or "/archive.tar.gz" in inner
        return not is_file and all(inner.rpartition("/")[::2])
    if host == "gist.github.com":
        return then != "raw" and bool(user or project)
    if host == "github.com":
        return then in ("", "tree") and bool(user and project)
    return then not in ("get", "archive") and bool(user and project)

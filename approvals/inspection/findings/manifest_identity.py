"""What a package.json says of whose a package is, and under which terms."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.results import ManifestChange
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look

GROUP = Group.IDENTITY
RULES = {
    "license-changed": "Another license than before",
    "manifest-repository": "Another repository in package.json than before",
    "people-changed": "Other authors, contributors or maintainers than before",
    "links-changed": "Another home page or another place for bugs than before",
}
_PEOPLE = ("author", "contributors", "maintainers")
_LINKS = ("homepage", "bugs", "funding")
_LONGEST = 300
_SHORTHAND = re.compile(r"^(?:git@([^:/]+):|(github|gitlab|bitbucket|gist):)", re.IGNORECASE)


def in_tarball(look: Look) -> Iterator[Finding]:
    if look.manifest_old is None or look.manifest_new is None:
        return
    changes: dict[str, ManifestChange] = {
        change.field: change for change in look.manifest_changes if not change.key
    }
    lines = KeyLines(look.content_of(MANIFEST))
    if (change := changes.get("license")) is not None:
        yield Finding(
            "license-changed",
            Severity.MEDIUM,
            "The license changed.",
            "Who may use this, and how, is another matter from this version on. Many users have "
            "rules for it.",
            "See that the owners of the code have decided this.",
            path=MANIFEST,
            line=lines("license"),
            detail=_before_and_after(change),
        )
    if (change := changes.get("repository")) is not None:
        yield _repository(change, lines("repository"))
    people = [changes[name] for name in _PEOPLE if name in changes]
    if people:
        yield Finding(
            "people-changed",
            Severity.LOW,
            f"package.json names other people than before ({_names(people)}).",
            "Whoever takes over a package often puts their name there. It says nothing of who may "
            "publish.",
            "See that you know them.",
            path=MANIFEST,
            line=lines(people[0].field),
            detail="; ".join(map(_before_and_after, people)),
        )
    links = [changes[name] for name in _LINKS if name in changes]
    if links:
        yield Finding(
            "links-changed",
            Severity.INFO,
            f"package.json leads its readers elsewhere than before ({_names(links)}).",
            "People look there for help and for what is known.",
            "See that the addresses are yours.",
            path=MANIFEST,
            line=lines(links[0].field),
            detail="; ".join(map(_before_and_after, links)),
        )


def _repository(change: ManifestChange, line: int | None) -> Finding:
    before, after = _owner(change.old), _owner(change.new)
    is_other = before != after
    return Finding(
        "manifest-repository",
        Severity.MEDIUM if is_other else Severity.LOW,
        "package.json names no repository any more."
        if change.new is None
        else "package.json names a repository of another owner."
        if is_other and change.old is not None
        else "package.json names another repository.",
        "It is where people look for the code that they trust. Attackers name another one, or keep "
        "the name of one that they do not build from.",
        "See that this repository is yours, and compare with where it was built.",
        path=MANIFEST,
        line=line,
        detail=_before_and_after(change),
    )


def _owner(text: str | None) -> str:
    """The host and the owner of a repository, in one of the notations that npm knows."""
    if not text:
        return ""
    if text.startswith("{"):
        try:
            text = str(json.loads(text).get("url", text))
        except ValueError:
            return text
    address = _SHORTHAND.sub(_full, text.removeprefix("git+").strip())
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return text
    return f"{host}/{parts.path.strip('/').partition('/')[0]}".lower()


def _full(found: re.Match[str]) -> str:
    host = found[1] or {"bitbucket": "bitbucket.org", "gist": "gist.github.com"}.get(
        found[2].lower(), f"{found[2].lower()}.com"
    )
    return f"https://{host}/"


def _names(changes: list[ManifestChange]) -> str:
    return ", ".join(change.field for change in changes)


def _before_and_after(change: ManifestChange) -> str:
    return f"{_short(change.old)} → {_short(change.new)}"


def _short(text: str | None) -> str:
    if text is None:
        return "none"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

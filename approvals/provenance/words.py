"""How what a bundle names is written in sentences.

Whoever builds chooses names of branches, workflows and environments: none of them may be taken for
a part of the sentence that it stands in.
"""

import re
from posixpath import basename
from urllib.parse import urlsplit

from approvals.provenance.refs import BRANCHES, TAGS
from registry_client.provenance import Build

MOST_CHARACTERS = 200
SHORT_COMMIT = 7
# Where everybody knows which host "owner/name" is at.
_WELL_KNOWN_HOSTS = frozenset({"github.com", "gitlab.com"})
_OTHER_QUOTES = str.maketrans("“”", "''")
_ONE_WORD = re.compile(r"[\w./@:+~#*-]+")


def named(text: str) -> str:
    """A name from outside as one recognisable thing: bounded, nothing hidden, quoted if need be."""
    text = plain(text)
    if not text or _ONE_WORD.fullmatch(text):
        return text
    return "“" + text.translate(_OTHER_QUOTES) + "”"


def plain(text: str, limit: int = MOST_CHARACTERS) -> str:
    """Text from outside in one line of at most `limit` characters, with hidden ones spelt out."""
    # Nothing becomes shorter by this, so that only the beginning is looked at.
    cut = text[: limit + 1]
    if not cut.isprintable():
        cut = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
        )
    return cut if len(cut) <= limit else f"{cut[: limit - 1]}…"


def repository_name(address: str, *, with_host: bool = False) -> str:
    """ "sigstore/sigstore-js"; with its host where that is not one of the well-known ones."""
    host, path = _split(address)
    if not path or (host in _WELL_KNOWN_HOSTS and not with_host):
        return named(path or address)
    return named(f"{host}/{path}")


def _split(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.netloc.lower(), parts.path.strip("/")


def ref_name(ref: str) -> str:
    """ "main", "tag v1.5.0", or the whole ref where it is neither branch nor tag."""
    if ref.startswith(TAGS):
        return f"tag {named(ref.removeprefix(TAGS))}"
    return named(ref.removeprefix(BRANCHES))


def workflow_name(build: Build) -> str:
    """ "release.yml", without its folders."""
    return named(basename(build.workflow) or build.workflow)


def runner_name(build: Build) -> str:
    """ "hosted runner", "self-hosted runner", or "" where nothing says so."""
    return f"{named(build.runner)} runner" if build.runner else ""


def short_commit(commit: str) -> str:
    """As people quote it."""
    return named(commit[:SHORT_COMMIT])

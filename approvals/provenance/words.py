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
_ONE_WORD = re.compile(r"[A-Za-z0-9_./@:+~#*-]+")
# Letters and marks without ink, which Unicode counts as printable.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)


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
    if has_hidden(cut):
        cut = "".join(
            char.encode("unicode_escape").decode() if has_hidden(char) else char for char in cut
        )
    return cut if len(cut) <= limit else f"{cut[: limit - 1]}…"


def has_hidden(text: str) -> bool:
    """Whether there are characters in it that nobody sees, or that change how others are shown."""
    return not text.isprintable() or _BLANK.search(text) is not None


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

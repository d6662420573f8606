"""Branches and tags: what kind a ref is, and which refs are alike from release to release."""

import re

from registry_client.versions import parse_version

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
# What a pull or merge request proposes: its author need not be anybody of the project.
REQUESTS = ("refs/pull/", "refs/merge-requests/", "refs/merge_requests/")
ANY = "*"
# More is not a ref that anybody made; far below what takes time.
LONGEST_REF = 1_000

# A version in a tag's name. It starts at no digit's right side: 11.0.0 does not contain 1.0.0.
_VERSION = re.compile(
    r"(?<![0-9])(?<![0-9]\.)[0-9]+\.[0-9]+\.[0-9]+"
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_DIGITS = re.compile(r"[0-9]+")


def is_request(ref: str) -> bool:
    """Whether it is the ref of a pull or merge request."""
    return ref.startswith(REQUESTS)


def ref_pattern(ref: str, version: str) -> str:
    """What the refs of other releases look like if they are named like this one's, with * for any
    run of characters.

    A branch stays what it is. In a tag, the version is what changes; in one that names none, all
    runs of digits (`release-2024-10-01`).
    """
    if not ref.startswith(TAGS) or len(ref) > LONGEST_REF:
        return ref
    name = ref.removeprefix(TAGS)
    pattern = _without(name, version)
    if pattern == name:
        pattern = _VERSION.sub(ANY, name)
    if pattern == name:
        pattern = _DIGITS.sub(ANY, name)
    return TAGS + pattern


def _without(name: str, version: str) -> str:
    """The tag's name with a * for the version, wherever it is not a part of a longer number."""
    if not version:
        return name
    whole = rf"(?<![0-9])(?<![0-9]\.){re.escape(version)}(?![0-9])(?!\.[0-9])"
    return re.sub(whole, ANY, name)


def matches(pattern: str, ref: str) -> bool:
    """Whether the whole ref is what the pattern says; * stands for any run of characters."""
    first, *others = pattern.split(ANY)
    if not others:
        return ref == pattern
    *middle, last = others
    if not ref.startswith(first) or not ref.endswith(last) or len(ref) < len(first) + len(last):
        return False
    # The leftmost place is never a worse one, so that nothing has to be tried twice.
    place, end = len(first), len(ref) - len(last)
    for part in middle:
        found = ref.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def same_kind(ref: str, version: str, other_ref: str, other_version: str) -> bool:
    """Whether two versions' refs are what one expects of two releases made in the same way.

    Never so for requests, and never where a ref is not known.
    """
    if not ref or not other_ref or is_request(ref) or is_request(other_ref):
        return False
    return ref_pattern(ref, version) == ref_pattern(other_ref, other_version)


def names_another_version(ref: str, version: str) -> str:
    """The version that a tag names, if it is not this one; "" if it is, and if it names none."""
    if not ref.startswith(TAGS) or len(ref) > LONGEST_REF:
        return ""
    own = parse_version(version)
    found = [text for text in _VERSION.findall(ref) if parse_version(text) is not None]
    if own is None or not found:
        return ""
    # compare() leaves build metadata out, as the registry does.
    if any((parsed := parse_version(text)) and parsed.compare(own) == 0 for text in found):
        return ""
    return str(found[0])

"""npm versions: their order, the size of a step, and the baseline to compare a staged one with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import semver

PLACEHOLDER_VERSION = "0.0.0-stage"
"""What npm publishes when the first version of a new package is staged; never a baseline."""

MAX_VERSION_LENGTH = 256  # node-semver's own limit
MAX_NUMBER = 2**53 - 1  # node-semver refuses what JavaScript cannot count exactly

# What the reason for a baseline begins with or holds: `had_the_tag` reads it back.
_FIRST_RELEASE = "This is the first release:"
_NO_TAG_YET = "No version has the dist-tag {tag} yet."
_HAVE_TODAY = " is what users of the dist-tag {tag} have today."
_POINTS_TO = "The dist-tag {tag} points to "
_NOT_LOWER = ", which is not lower than {version}."

Step = Literal["first", "major", "minor", "patch", "prerelease", "same", "lower", "unknown"]

SortKey = tuple[int, int, int, int, int, tuple[tuple[int, int, str], ...], str]


@dataclass(frozen=True)
class PublishedVersion:
    """One version of a packument.

    `shasum` is SHA-1 in hex, `integrity` a Subresource Integrity string ("" where the registry
    gives none), `deprecated` the deprecation message ("" if not deprecated), `npm_user` who
    published it. `install_scripts` are what npm runs on installation: names with commands.
    """

    version: str
    shasum: str
    integrity: str
    tarball: str
    deprecated: str
    attestations_url: str | None
    npm_user: str
    install_scripts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Packument:
    """What the registry publishes about a package; `time` maps versions to ISO 8601 times."""

    name: str
    versions: dict[str, PublishedVersion]
    dist_tags: dict[str, str]
    time: dict[str, str]
    maintainers: list[str]

    @property
    def first_published(self) -> str:
        """When it was made or first published, whatever is known of, as the registry writes it."""
        known = [time for version, time in self.time.items() if version != "modified"]
        moments = [(moment, time) for time in known if (moment := moment_of(time)) is not None]
        return min(moments)[1] if moments else ""


def moment_of(time: str) -> datetime | None:
    """The moment that the registry writes as ISO 8601; None where it writes anything else."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Baseline:
    """The version to compare with, or None, and why: a plain sentence for the page."""

    version: PublishedVersion | None
    reason: str


# A queue shows the same versions again and again, and a packument compares each several times.
@lru_cache(maxsize=8192)
def parse_version(version: str) -> semver.Version | None:
    """The version as npm understands it, or None where npm would call it invalid."""
    if len(version) > MAX_VERSION_LENGTH:
        return None
    try:
        parsed = semver.Version.parse(version)
    except ValueError:
        return None
    return parsed if max(parsed.major, parsed.minor, parsed.patch) <= MAX_NUMBER else None


def sort_key(version: str) -> SortKey:
    """A key that sorts any strings in SemVer 2.0.0 order; invalid versions come first.

    Versions that differ in build metadata alone have the same precedence and are put in the order
    of their text, so that sorting is the same from run to run.
    """
    parsed = parse_version(version)
    if parsed is None:
        return (0, 0, 0, 0, 0, (), version)
    return (*_precedence(parsed), version)


def _precedence(
    parsed: semver.Version,
) -> tuple[int, int, int, int, int, tuple[tuple[int, int, str], ...]]:
    identifiers = parsed.prerelease.split(".") if parsed.prerelease else []
    prerelease = tuple((0, int(i), "") if i.isdigit() else (1, 0, i) for i in identifiers)
    return (1, parsed.major, parsed.minor, parsed.patch, not prerelease, prerelease)


def version_step(old: str | None, new: str) -> Step:
    """How far `new` is from the baseline `old`, named as node-semver's `diff` names it.

    "first" without a baseline, "prerelease" whenever `new` is one, "lower" where it goes backwards,
    "same" at equal precedence, "unknown" if either is no valid version. From a prerelease to its
    own release, the step is that of the release (2.0.0-rc.1 → 2.0.0 is "major").
    """
    if old is None:
        return "first"
    before, after = parse_version(old), parse_version(new)
    if before is None or after is None:
        return "unknown"
    order = after.compare(before)
    if order <= 0:
        return "lower" if order < 0 else "same"
    if after.prerelease:
        return "prerelease"
    changed: list[tuple[Step, int, int]] = [
        ("major", before.major, after.major),
        ("minor", before.minor, after.minor),
        ("patch", before.patch, after.patch),
    ]
    for step, was, is_now in changed:
        if was != is_now:
            return step
    return "patch" if after.patch else "minor" if after.minor else "major"


def baseline_for(packument: Packument | None, version: str, tag: str) -> Baseline:
    """The published version that users of the dist-tag `tag` have today, to compare `version` with.

    It is the version the dist-tag points to, if that is lower than `version`; else the highest
    published version below it, within the same major first. A stable version is compared with
    stable versions as long as there are any: its users skip prereleases, and a diff against the
    last release candidate would hide most of what they get. Never the placeholder, never a version
    that is deprecated and that no dist-tag points to, never one that is not valid SemVer.
    """
    staged = parse_version(version)
    if staged is None:
        return Baseline(None, f"{version} is not a valid version, so no baseline can be chosen.")
    published = {} if packument is None else dict(packument.versions)
    placeholder = published.pop(PLACEHOLDER_VERSION, None)
    if packument is None or not published:
        why = "only npm's placeholder 0.0.0-stage" if placeholder else "nothing"
        return Baseline(None, f"{_FIRST_RELEASE} {why} is published so far.")

    target = packument.dist_tags.get(tag)
    pointed_to = published.get(target) if target else None
    if target and pointed_to and _is_lower(target, staged):
        note = " It is deprecated." if pointed_to.deprecated else ""
        return Baseline(pointed_to, f"{target}{_HAVE_TODAY.format(tag=tag)}{note}")

    why = _why_not_the_tag(tag, target, is_published=pointed_to is not None, version=version)
    tagged = set(packument.dist_tags.values())
    listed = {v for v, entry in published.items() if not entry.deprecated or v in tagged}
    candidates = [v for v in listed if _is_lower(v, staged)]
    if not candidates:
        return Baseline(None, f"{why} No listed version is lower than {version}.")
    chosen, kind = _highest(candidates, staged)
    return Baseline(
        published[chosen], f"{why} {chosen} is the highest published {kind} below {version}."
    )


def had_the_tag(reason: str, version: str, tag: str) -> str | None:
    """Which version had the dist-tag when `reason`, of a baseline for `version`, was written.

    "" where none had that anybody could install; None where the reason does not tell.
    """
    if reason.startswith((_FIRST_RELEASE, _NO_TAG_YET.format(tag=tag))):
        return ""
    before, found, _ = reason.partition(_HAVE_TODAY.format(tag=tag))
    if found:
        return before
    points_to = _POINTS_TO.format(tag=tag)
    if not reason.startswith(points_to):
        return None
    target, found, _ = reason.removeprefix(points_to).partition(_NOT_LOWER.format(version=version))
    return target if found else ""


def _is_lower(version: str, staged: semver.Version) -> bool:
    parsed = parse_version(version)
    return parsed is not None and parsed.compare(staged) < 0


def _why_not_the_tag(tag: str, target: str | None, *, is_published: bool, version: str) -> str:
    if target is None:
        return _NO_TAG_YET.format(tag=tag)
    points_to = _POINTS_TO.format(tag=tag)
    if target == PLACEHOLDER_VERSION:
        return f"{points_to}npm's placeholder {target}."
    if not is_published:
        return f"{points_to}{target}, which is not published."
    if parse_version(target) is None:
        return f"{points_to}{target}, which is not a valid version."
    return f"{points_to}{target}{_NOT_LOWER.format(version=version)}"


def _highest(candidates: Iterable[str], staged: semver.Version) -> tuple[str, str]:
    """The best of at least one candidate, and what kind of version it was chosen among."""
    known = [(v, parsed) for v in candidates if (parsed := parse_version(v)) is not None]
    kind = "version"
    if same_major := [(v, parsed) for v, parsed in known if parsed.major == staged.major]:
        known, kind = same_major, f"version of major {staged.major}"
    # Users of a stable version have a stable one today, not a later release candidate.
    stable = [(v, parsed) for v, parsed in known if not parsed.prerelease]
    if stable and not staged.prerelease:
        known, kind = stable, f"stable {kind}"
    return max((v for v, _ in known), key=sort_key), kind

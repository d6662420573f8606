"""Who staged it, and as what kind of account, against who did before."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.staging import Staging
from registry_client.versions import PLACEHOLDER_VERSION

GROUP = Group.IDENTITY
RULES = {
    "unknown-stager": "Staged by somebody who never staged or published this package",
    "person-instead-of-automation": "Staged by a person where automation used to stage",
    "unknown-kind-of-stager": "Staged by a kind of account that never staged this package",
}
_PERSON = "user"
_MOST_NAMED = 5


def at_registry(staging: Staging) -> Iterator[Finding]:
    kind = _kind(staging.actor_type)
    kinds = [_kind(one.actor_type) for one in staging.earlier if one.actor_type]
    if kind and kinds and kind not in kinds:
        yield _other_kind(staging, is_person=kind == _PERSON)
    actor = staging.actor.strip()
    publishers = _publishers(staging)
    stagers = {one.actor for one in staging.earlier}
    # Registries call automation by other names where they list who published.
    is_comparable = kind == _PERSON or bool(stagers)
    if not actor or not (publishers or stagers) or not is_comparable:
        return
    if actor in publishers or actor in stagers:
        return
    is_maintainer = staging.packument is not None and actor in staging.packument.maintainers
    is_strange = kind == _PERSON and not is_maintainer
    known = sorted(publishers | stagers)
    yield Finding(
        "unknown-stager",
        Severity.HIGH if is_strange else Severity.MEDIUM,
        f"{actor} never staged or published a version of this package before"
        f"{', and is none of its maintainers' if is_strange else ''}.",
        "Attacks begin with an account or a token that was added, or taken over, for them.",
        "Ask this person, on another way than by mail, whether they staged it."
        if kind == _PERSON
        else "See which workflow or token this is, and who set it up.",
        detail=f"Before: {', '.join(known[:_MOST_NAMED])}"
        + (f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""),
        evidence=actor,
    )


def _other_kind(staging: Staging, *, is_person: bool) -> Finding:
    before = sorted({one.actor_type.strip() for one in staging.earlier if one.actor_type})
    return Finding(
        "person-instead-of-automation" if is_person else "unknown-kind-of-stager",
        Severity.MEDIUM,
        "A person staged it; automation staged all versions before."
        if is_person
        else "It was staged by a kind of account that never staged this package.",
        "What comes from a person's machine was built by nobody's rules. Attackers who have a "
        "person's token go around the workflow."
        if is_person
        else "Somebody has changed how this package is released.",
        "Ask them why, and whether it was they. See what proves where it was built."
        if is_person
        else "See that your team has decided this.",
        detail=f"{', '.join(before)} → {staging.actor_type.strip()} ({staging.actor})",
    )


def _publishers(staging: Staging) -> set[str]:
    if staging.packument is None:
        return set()
    return {
        entry.npm_user
        for version, entry in staging.packument.versions.items()
        if entry.npm_user and version != PLACEHOLDER_VERSION
    }


def _kind(text: str) -> str:
    return text.strip().casefold()

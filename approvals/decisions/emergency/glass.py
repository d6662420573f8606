"""Letting a version out at a time when none may go: by two people, with a reason, told to all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.emergency.sealed_glass import genuine_glass, glass_of, seal_glass
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.models import BrokenGlass
from approvals.decisions.models.votes import LONGEST_REASON
from approvals.people import presence
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.people.presence import Proof
from approvals.people.turnstile import turnstile
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import news_of

__all__ = [
    "GlassRefused",
    "break_glass",
    "genuine_glass",
    "glass_of",
    "purpose_of",
    "second",
    "why_not_break",
    "why_not_second",
]
ASKED, BROKEN = "glass.asked", "glass.broken"
MOST_AT_ONCE = 100
Step = Literal["break", "second"]


class GlassRefused(Exception):
    """The glass is as it was; the text says why, and what to do."""


def purpose_of(step: Step, staged_versions: Sequence[StagedVersion], reason: str) -> str:
    """What a confirmation for it is for: exactly these versions, and exactly this reason."""
    subjects = sorted(
        [row.registry.url, str(row.stage_id), row.shasum, row.sha512] for row in staged_versions
    )
    content = json.dumps([step, subjects, reason.strip()])
    return f"glass {hashlib.sha256(content.encode()).hexdigest()}"


def break_glass(
    staged_versions: Sequence[StagedVersion],
    proof: Proof,
    *,
    user: User,
    session: str,
    reason: str,
) -> list[BrokenGlass]:
    """Asks for these to be let out in spite of the time; a second person must agree.

    Raises GlassRefused and PresenceRefused.
    """
    reason = _checked(reason)
    # What is refused anyway uses up no code.
    _check(staged_versions, user)
    _check_nobody_has_asked(staged_versions, user)
    purpose = purpose_of("break", staged_versions, reason)
    presence.prove_with(user, proof, session=session, purpose=purpose)
    try:
        with transaction.atomic():
            return _ask(staged_versions, user, reason)
    except IntegrityError as error:
        # PostgreSQL names the constraint, SQLite its column.
        if not any(
            name in str(error)
            for name in ("one_glass_waits_to_be_seconded", "brokenglass.staged_version_id")
        ):
            raise
        raise GlassRefused(_ASKED_ALREADY) from error


def second(
    staged_versions: Sequence[StagedVersion],
    proof: Proof,
    *,
    user: User,
    session: str,
    reason: str,
) -> list[BrokenGlass]:
    """Agrees to what another person has asked for, with the reason that the page showed.

    Raises GlassRefused and PresenceRefused.
    """
    reason = _checked(reason)
    _check(staged_versions, user)
    _asked_for(staged_versions, user, reason)
    purpose = purpose_of("second", staged_versions, reason)
    presence.prove_with(user, proof, session=session, purpose=purpose)
    with transaction.atomic():
        user = turnstile(user)
        rows = _locked_as_seen(staged_versions)
        _check(rows, user)
        asked = _asked_for(rows, user, reason)
        now = timezone.now()
        for one in asked:
            one.seconded_by, one.seconded_at = user, now
            seal_glass(one)
            agreed = BrokenGlass.objects.filter(pk=one.pk, seconded_at__isnull=True).update(
                seconded_by=user, seconded_at=now, sealed=one.sealed
            )
            if not agreed:
                raise GlassRefused(_CHANGED)
        _tell(BROKEN, asked, user)
    return asked


def why_not_break(user: User, staged_versions: Sequence[StagedVersion]) -> str:
    """Why this person cannot ask for it now, in a sentence; "" where they can."""
    try:
        _check(staged_versions, user)
        _check_nobody_has_asked(staged_versions, user)
    except GlassRefused as refused:
        return str(refused)
    return ""


def why_not_second(user: User, staged_versions: Sequence[StagedVersion], reason: str) -> str:
    """Why this person cannot agree to what was asked for with this reason; "" where they can."""
    try:
        _check(staged_versions, user)
        _asked_for(staged_versions, user, reason.strip())
    except GlassRefused as refused:
        return str(refused)
    return ""


def _ask(staged_versions: Sequence[StagedVersion], user: User, reason: str) -> list[BrokenGlass]:
    user = turnstile(user)
    rows = _locked_as_seen(staged_versions)
    _check(rows, user)
    _check_nobody_has_asked(rows, user)
    # What nobody can agree to any more, or this person says anew, makes room.
    BrokenGlass.objects.filter(staged_version__in=rows, seconded_at__isnull=True).delete()
    now = timezone.now()
    made = [BrokenGlass(staged_version=row, user=user, reason=reason, at=now) for row in rows]
    for one in made:
        seal_glass(one)
    made = BrokenGlass.objects.bulk_create(made)
    _tell(ASKED, made, user)
    return made


def _tell(kind: str, glass: Sequence[BrokenGlass], user: User) -> None:
    outbox.publish_all(
        [
            (
                kind,
                one.staged_version.stage_id,
                {
                    **news_of(one.staged_version),
                    "actor": user.get_username(),
                    "who": one.user.get_username(),
                    "not_to": user.pk if kind == ASKED else None,
                    "reason": one.reason,
                },
            )
            for one in glass
        ]
    )
    record_all(
        [
            Happening(
                kind,
                user,
                one.staged_version,
                one.staged_version.stage_id,
                {
                    "glass": one.pk,
                    "asked_by": one.user.get_username(),
                    "sha512": one.staged_version.sha512,
                    "reason": one.reason,
                },
            )
            for one in glass
        ]
    )


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise GlassRefused("Say why it cannot wait: everybody will read it.")
    if "\x00" in reason:
        raise GlassRefused("The reason contains a character that cannot be stored. Type it anew.")
    if len(reason) > LONGEST_REASON:
        raise GlassRefused(f"The reason is too long: at most {LONGEST_REASON} characters.")
    return reason


def _check(staged_versions: Sequence[StagedVersion], user: User) -> None:
    if not staged_versions:
        raise GlassRefused("Choose at least one version.")
    if len(staged_versions) > MOST_AT_ONCE:
        raise GlassRefused(f"Choose fewer versions: at most {MOST_AT_ONCE} at once.")
    if not all(may_decide(user, row.registry.url, row.package.name) for row in staged_versions):
        raise GlassRefused("Only who may approve all of these packages can do that.")
    if not all(row.state == State.STAGED for row in staged_versions):
        raise GlassRefused("Not all of these wait for an approval any more. Look once more.")
    checklists = checklists_of(staged_versions)
    for row in staged_versions:
        if not any(one.may_break_glass for one in checklists[row.pk].unmet):
            raise GlassRefused(
                f"For {row}, there is no glass to break: no freeze or forbidden time keeps it from "
                "going out now, or the policy allows no exception."
            )


def _check_nobody_has_asked(staged_versions: Sequence[StagedVersion], user: User) -> None:
    glass = genuine_glass(staged_versions)
    for row in staged_versions:
        one = glass.get(row.pk)
        if one is None or one.seconded_at or one.user_id == user.pk:
            continue
        if may_decide(one.user, row.registry.url, row.package.name):
            raise GlassRefused(_ASKED_ALREADY)


def _asked_for(
    staged_versions: Sequence[StagedVersion], user: User, reason: str
) -> list[BrokenGlass]:
    """What was asked for each of these by somebody else, with this reason. Raises GlassRefused."""
    glass = genuine_glass(staged_versions)
    asked = []
    for row in staged_versions:
        one = glass.get(row.pk)
        if one is None or one.seconded_at is not None or one.reason.strip() != reason:
            raise GlassRefused(_CHANGED)
        if one.user_id == user.pk:
            raise GlassRefused(
                "You have asked for this yourself: it needs two people. Ask somebody else who may "
                "approve the package to look at it, and to agree."
            )
        if not may_decide(one.user, row.registry.url, row.package.name):
            raise GlassRefused(
                f"{one.user} has asked for this, and may not approve the package any more. Ask for "
                "it anew, and have somebody else agree."
            )
        one.staged_version = row
        asked.append(one)
    return asked


def _locked_as_seen(staged_versions: Sequence[StagedVersion]) -> list[StagedVersion]:
    """The same versions, locked. Raises GlassRefused where one has other digests by now."""
    seen = {row.pk: (row.stage_id, row.shasum, row.sha512) for row in staged_versions}
    rows = lock_versions(list(seen))
    if {row.pk: (row.stage_id, row.shasum, row.sha512) for row in rows} != seen:
        raise GlassRefused(_CHANGED)
    return rows


_CHANGED = (
    "What the page showed is not what stands there now: something changed since. Open the page "
    "again and look once more. Nothing was done."
)
_ASKED_ALREADY = (
    "Somebody has asked for this already. If you agree, say so on the version's page: it needs a "
    "second person, not another request."
)

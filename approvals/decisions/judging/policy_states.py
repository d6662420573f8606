"""What the policies say of each waiting version, kept for lists."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.models import AuditEvent
from approvals.audit.record import Happening, record_all
from approvals.decisions.judging.awaited import awaited_of
from approvals.decisions.judging.checklist import Checklist, checklists_of
from approvals.decisions.models import ExpiryNotice, ExpiryWarning, PolicyState
from approvals.decisions.voting.voiding import void_stale
from approvals.people.models import User
from approvals.policy.answers import Answer, Outcome
from approvals.policy.evaluate import progress
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import news_of

logger = logging.getLogger(__name__)

Notice = TypeVar("Notice", ExpiryNotice, ExpiryWarning)

BATCH = 200
# Rounds of one call: what is written meanwhile is for the next one.
MOST_BATCHES = 200
# Nor longer than this: other work waits behind it, and the next sweep goes on with the rest.
MOST_SECONDS = 10
# Until what could not be judged is tried again.
PAUSE = timedelta(minutes=5)
# However sure it is: something may have changed of which no event tells.
LASTS = timedelta(hours=1)
# So many people are tried whether their approval would be the last: more alike than that are few.
MOST_TRIED = 30
EXPIRED = "staged_version.expired"
EXPIRING = "staged_version.expiring"
# Where it may wait for weeks; of what may wait for days, when a quarter of them is left.
WARNED_AHEAD = timedelta(days=2)
# Audit events that change what the policies say of many versions; a dot ends a whole room.
FOR_ALL = (
    "account.linked",
    "account.unlinked",
    "github.",
    "invitation.accepted",
    "person.added",
    "person.deactivated",
    "person.reactivated",
    "person.role_changed",
    "policies.",
    "publisher.",
    "registry.changed",
    "rule.",
    "team.",
    "trusted_root.",
)


def refresh(staged_versions: Sequence[StagedVersion]) -> None:
    """Makes the policy state of each anew; those that wait no longer have none.

    In as many queries for any number. Whoever does the same at the same time does no harm: the
    one that knows less is made anew by the next sweep.
    """
    keys = [row.pk for row in staged_versions]
    # Before anything is read: what is written from now on makes these stale again.
    after, now = _newest_event(), timezone.now()
    rows = list(
        StagedVersion.objects.with_package().filter(pk__in=keys, state=State.STAGED).order_by("pk")
    )
    checklists = checklists_of(rows, at=now)
    states = [_state_of(checklists[row.pk], now, after) for row in rows]
    awaited = {row.pk: awaited_of(checklists[row.pk]) for row in rows}
    with transaction.atomic():
        # Written in one order, so that two of these at once do not wait in a ring.
        PolicyState.objects.bulk_create(
            states,
            update_conflicts=True,
            unique_fields=["staged_version"],
            update_fields=_COLUMNS,
        )
        _write_awaited(awaited)
        PolicyState.objects.filter(staged_version__in=set(keys) - set(awaited)).delete()
    told = [checklists[row.pk] for row in rows]
    _tell_of_expired(told)
    _tell_of_expiring(told, now)


def refresh_due() -> int:
    """Makes those anew that are missing, or that something or time has changed; how many.

    Votes that became void by it are voided first.
    """
    PolicyState.objects.exclude(staged_version__state=State.STAGED).delete()
    done, until = 0, time.monotonic() + MOST_SECONDS
    for _ in range(MOST_BATCHES):
        rows = list(_due()[:BATCH])
        if not rows:
            break
        _refresh_each_that_can(rows)
        done += len(rows)
        if time.monotonic() > until:
            break
    return done


def _refresh_each_that_can(rows: Sequence[StagedVersion]) -> None:
    """One that cannot be judged keeps no other from it, and is not tried at every sweep."""
    try:
        void_stale(row.pk for row in rows)
        refresh(rows)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(rows) > 1:
            for row in rows:
                _refresh_each_that_can([row])
            return
        [row] = rows
        logger.exception("stage=%s what the policies say of it cannot be told", row.stage_id)
        now = timezone.now()
        PolicyState.objects.update_or_create(
            staged_version=row,
            defaults={
                "outcome": PolicyState.Outcome.BLOCKED,
                "sentence": _NOT_JUDGED,
                "approvals": 0,
                "approvals_needed": 1,
                "policy_name": "",
                "made_at": now,
                "made_after": _newest_event(),
                "due_at": now + PAUSE,
            },
        )


def refresh_all() -> int:
    """Makes all of them anew; how many."""
    keys = list(
        StagedVersion.objects.filter(state=State.STAGED).order_by("pk").values_list("pk", flat=True)
    )
    for start in range(0, len(keys), BATCH):
        refresh(list(StagedVersion.objects.filter(pk__in=keys[start : start + BATCH])))
    return len(keys)


def waiting_for(user: User) -> Q:
    """Of staged versions, those that wait for this person: for `StagedVersion.objects.filter`."""
    return Q(
        pk__in=PolicyState.waits_for.through.objects.filter(user=user.pk).values("policystate")
    )


def _due() -> QuerySet[StagedVersion]:
    """Those whose state is missing, or not to be relied on any more."""
    now = timezone.now()
    for_all = Q(pk__in=[])
    for kind in FOR_ALL:
        for_all |= Q(kind__startswith=kind) if kind.endswith(".") else Q(kind=kind)
    changed_for_all = (
        AuditEvent.objects.filter(for_all)
        .order_by("-sequence")
        .values_list("sequence", flat=True)
        .first()
    )
    own = AuditEvent.objects.filter(
        stage_id=OuterRef("stage_id"), sequence__gt=OuterRef("policy_state__made_after")
    )
    return StagedVersion.objects.filter(
        Q(policy_state__isnull=True)
        | Q(policy_state__due_at__lte=now)
        | Q(policy_state__made_at__lt=now - LASTS)
        # Where an older copy of the database was put back.
        | Q(policy_state__made_after__gt=_newest_event())
        | Q(policy_state__made_after__lt=changed_for_all or 0)
        | Q(Exists(own)),
        state=State.STAGED,
    ).order_by("pk")


_COLUMNS = [
    "outcome",
    "sentence",
    "approvals",
    "approvals_needed",
    "policy_name",
    "made_at",
    "made_after",
    "due_at",
]


def _newest_event() -> int:
    newest = AuditEvent.objects.order_by("-sequence").values_list("sequence", flat=True).first()
    return newest or 0


def _state_of(checklist: Checklist, now: datetime, after: int) -> PolicyState:
    approvals, needed = progress(checklist.case, checklist.policy)
    outcome, first = _outcome_of(checklist)
    moments = [one.at for one in checklist.answers if one.at is not None and one.at > now]
    if ends := _expires_at(checklist):
        moments += [at for at in [_warned_from(checklist.version, ends)] if at > now]
    return PolicyState(
        staged_version=checklist.version,
        outcome=outcome,
        sentence=_short(first.sentence) if first else "",
        approvals=min(approvals, _MOST),
        approvals_needed=min(needed, _MOST),
        policy_name=checklist.policy.name[:80],
        made_at=now,
        made_after=after,
        due_at=min(moments, default=None),
    )


def _outcome_of(checklist: Checklist) -> tuple[PolicyState.Outcome, Answer | None]:
    """How it stands, and what is to be said of it first."""
    unmet = checklist.unmet
    # What cannot be passed says more than what can.
    hard = [one for one in unmet if not one.is_about_approvals and not one.may_be_overridden]
    blocked = [one for one in hard if one.outcome is Outcome.BLOCKED]
    if blocked:
        return PolicyState.Outcome.BLOCKED, blocked[0]
    soft = [one for one in unmet if one.may_be_overridden]
    first = next(iter([*hard, *soft, *unmet]), None)
    if not hard and not soft and (not unmet or _is_one_away(checklist)):
        return PolicyState.Outcome.READY, first
    return PolicyState.Outcome.NOT_YET, first


def _is_one_away(checklist: Checklist) -> bool:
    """Whether there is somebody whose approval would be the last that is needed."""
    asked = frozenset[int]().union(*(one.asks for one in checklist.unmet))
    able = [one for one in checklist.case.deciders if not asked or one.key in asked]
    return any(not checklist.voted_by(one).unmet for one in able[:MOST_TRIED])


def _write_awaited(awaited: dict[int, frozenset[int]]) -> None:
    """Writes down whom each waits for, as a difference: mostly, there is none."""
    through = PolicyState.waits_for.through
    wanted = {(key, person) for key, people in awaited.items() for person in people}
    there = {
        (key, person): pk
        for pk, key, person in through.objects.filter(policystate__in=list(awaited)).values_list(
            "pk", "policystate", "user"
        )
    }
    gone = [pk for pair, pk in there.items() if pair not in wanted]
    if gone:
        through.objects.filter(pk__in=gone).delete()
    through.objects.bulk_create(
        (
            through(policystate_id=key, user_id=person)
            for key, person in sorted(wanted - there.keys())
        ),
        ignore_conflicts=True,
    )


def _tell_of_expired(checklists: Sequence[Checklist]) -> None:
    """Tells once of each that it may no longer be approved: it is to be rejected, staged again."""
    expired = {
        one.version.pk: (one.version, {"reason": answer.sentence})
        for one in checklists
        for answer in one.unmet
        if answer.requirement == "expiry" and answer.outcome is Outcome.BLOCKED
    }
    _tell_once(EXPIRED, ExpiryNotice, expired)


def _tell_of_expiring(checklists: Sequence[Checklist], now: datetime) -> None:
    """Tells once of each that it may be approved for a short while only."""
    expiring = {}
    for one in checklists:
        ends = _expires_at(one)
        if ends and _warned_from(one.version, ends) <= now < ends:
            until = f"{ends.astimezone(UTC):%-d %B %Y, %H:%M} UTC"
            expiring[one.version.pk] = (
                one.version,
                {
                    "until": ends.isoformat(),
                    "reason": f"After {until} it can only be rejected, and staged again.",
                },
            )
    _tell_once(EXPIRING, ExpiryWarning, expiring)


def _expires_at(checklist: Checklist) -> datetime | None:
    """Until when it may be approved, where its policy sets an end that is still ahead."""
    for answer in checklist.answers:
        if answer.requirement == "expiry" and answer.holds:
            return answer.at
    return None


def _warned_from(row: StagedVersion, ends: datetime) -> datetime:
    return ends - min(WARNED_AHEAD, (ends - row.found_at) / 4)


def _tell_once(
    topic: str,
    notices: type[Notice],
    found: Mapping[int, tuple[StagedVersion, dict[str, str]]],
) -> None:
    """Tells of each of these of which there is no such notice yet, and leaves one."""
    if not found:
        return
    told = notices._default_manager.filter(staged_version__in=list(found))
    if told.count() == len(found):
        return
    with transaction.atomic():
        # In a lock of its own: of two that come at once, one tells.
        list(
            StagedVersion.objects.filter(pk__in=list(found))
            .order_by("pk")
            .select_for_update(no_key=True)
            .values_list("pk")
        )
        before = set(told.values_list("staged_version", flat=True))
        fresh = [one for key, one in found.items() if key not in before]
        notices._default_manager.bulk_create([notices(staged_version=row) for row, _ in fresh])
        outbox.publish_all(
            [(topic, row.stage_id, {**news_of(row), **detail}) for row, detail in fresh]
        )
        if fresh:
            record_all([Happening(topic, None, row, row.stage_id, detail) for row, detail in fresh])


def _short(sentence: str) -> str:
    longest = 400
    return sentence if len(sentence) <= longest else sentence[: longest - 1] + "…"


_MOST = 32_767
_NOT_JUDGED = (
    "It cannot be told what the policies say of it: Countersign itself failed. The log of the "
    "worker says more: please report it."
)

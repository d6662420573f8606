"""How a staged version changes its state: one guarded update, with its audit event and its news."""

from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record, record_all
from approvals.queue.models import AlarmKind, StagedVersion, State

# What happens next can show that these were about nothing; see answer_alarm.
ANSWERABLE = {AlarmKind.NOT_LIVE, AlarmKind.DOWNLOAD_DIFFERS}

# approving and rejecting lead back to staged where the registry refused and nothing happened.
# withdrawn leads on where the registry shows only later that somebody published it.
ALLOWED: dict[State, frozenset[State]] = {
    State.STAGED: frozenset(
        {State.APPROVING, State.REJECTING, State.PUBLISHED_ELSEWHERE, State.WITHDRAWN}
    ),
    State.APPROVING: frozenset(
        {State.ACCEPTED, State.STAGED, State.PUBLISHED_ELSEWHERE, State.WITHDRAWN}
    ),
    State.ACCEPTED: frozenset({State.LIVE}),
    State.REJECTING: frozenset(
        {State.REJECTED, State.STAGED, State.PUBLISHED_ELSEWHERE, State.WITHDRAWN}
    ),
    State.WITHDRAWN: frozenset({State.STAGED, State.PUBLISHED_ELSEWHERE}),
    State.LIVE: frozenset(),
    State.REJECTED: frozenset(),
    State.PUBLISHED_ELSEWHERE: frozenset(),
}


def move(
    staged_version: StagedVersion,
    *,
    from_states: Collection[State],
    to: State,
    actor: AbstractBaseUser | None = None,
    fields: dict[str, Any] | None = None,
    topic: str = "",
    **detail: Any,
) -> bool:
    """Moves the row if it is still in one of `from_states`; returns whether it did.

    Writes the audit event `staged_version.<state>` and the news of the same topic (or `topic`) in
    the same transaction. `fields` are other columns to set with it. The instance passed in follows
    the row. Raises ValueError for a step that no staged version may take.
    """
    return move_all(
        [staged_version],
        from_states=from_states,
        to=to,
        actor=actor,
        fields=fields,
        topic=topic,
        details=[detail],
    )


def move_all(
    staged_versions: Sequence[StagedVersion],
    *,
    from_states: Collection[State],
    to: State,
    details: Sequence[dict[str, Any]],
    actor: AbstractBaseUser | None = None,
    fields: dict[str, Any] | None = None,
    topic: str = "",
) -> bool:
    """Moves all of several rows, or none where one is in none of `from_states` any more.

    Each of `details` is what is told of the row at its place; everything said of `move` holds.
    """
    for state in from_states:
        if to not in ALLOWED[state]:
            raise ValueError(f"A staged version cannot go from {state} to {to}.")
    values = {"state": to, "state_changed_at": timezone.now(), **(fields or {})}
    told = list(zip(staged_versions, details, strict=True))
    with transaction.atomic():
        moved = StagedVersion.objects.filter(
            pk__in=[row.pk for row in staged_versions], state__in=list(from_states)
        ).update(**values)
        if moved != len(staged_versions):
            transaction.set_rollback(bool(moved))
            return False
        for row in staged_versions:
            for name, value in values.items():
                setattr(row, name, value)
        by = {"actor": actor.get_username()} if actor else {}
        outbox.publish_all(
            [
                (
                    topic or f"staged_version.{to.value}",
                    row.stage_id,
                    {**news_of(row), **by, **detail},
                )
                for row, detail in told
            ]
        )
        record_all(
            [
                Happening(f"staged_version.{to.value}", actor, row, row.stage_id, detail)
                for row, detail in told
            ]
        )
    return True


def raise_alarm(staged_version: StagedVersion, kind: AlarmKind, sentence: str) -> None:
    """Puts an alarm on the staged version, once, and tells everyone.

    One that can be answered does not take the place of another: its answer would end both.
    """
    replaceable = Q(alarm_kind__in=["", kind]) if kind in ANSWERABLE else Q()
    with transaction.atomic():
        raised = (
            StagedVersion.objects.filter(replaceable, pk=staged_version.pk)
            .exclude(alarm=sentence[:400])
            .update(alarm=sentence[:400], alarm_kind=kind)
        )
        if not raised:
            return
        staged_version.alarm, staged_version.alarm_kind = sentence[:400], kind
        outbox.publish(
            "staged_version.alarm",
            stage_id=staged_version.stage_id,
            **news_of(staged_version),
            reason=sentence,
        )
        record(
            "staged_version.alarm",
            subject=staged_version,
            stage_id=staged_version.stage_id,
            reason=sentence,
        )


def answer_alarm(staged_version: StagedVersion, kind: AlarmKind) -> None:
    """Takes an alarm of this kind back: what happened since has answered it."""
    with transaction.atomic():
        answered = StagedVersion.objects.filter(pk=staged_version.pk, alarm_kind=kind).update(
            alarm="", alarm_kind=""
        )
        if answered:
            staged_version.alarm = staged_version.alarm_kind = ""
            record(
                "staged_version.alarm_answered",
                subject=staged_version,
                stage_id=staged_version.stage_id,
                alarm=kind,
            )


def news_of(staged_version: StagedVersion) -> dict[str, str]:
    """What news about a staged version says of it, as JSON values."""
    return {
        "registry": staged_version.registry.name,
        "package": staged_version.package.name,
        "version": staged_version.version,
        "tag": staged_version.tag,
        "state": str(State(staged_version.state).value),
        "url_path": f"/versions/{staged_version.pk}/",
        "gather": _staged_together(staged_version),
    }


def _staged_together(staged_version: StagedVersion) -> str:
    """The same for what one actor staged at one registry within the same while.

    Who is told of all of these is told once. Which of them belong together is known only once they
    were opened, and what they need is said before.
    """
    while_ = int(staged_version.created_at.timestamp()) // settings.RELEASE_WINDOW_SECONDS
    told = f"{staged_version.registry_id} {while_} {staged_version.actor}"
    return sha256(told.encode()).hexdigest()[:32]

"""Holding a version until something in it is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.models import AuditEvent
from approvals.audit.record import is_written_here, record
from approvals.decisions.carrying_out import outcomes
from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.models import Action, ChangeRequest, DecisionItem
from approvals.decisions.models.votes import LONGEST_REASON
from approvals.people.models import User
from approvals.people.permissions import may_decide, may_see, may_set_expectations
from approvals.people.turnstile import turnstile
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import news_of

# Of one person on one version: each holds it, and each tells people.
MOST_OF_ONE_PERSON = 10
REQUESTED, LIFTED = "changes.requested", "changes.lifted"
NOT_YOURS = (
    "Only who asked for these changes lets the version go again, or a release manager or an "
    "administrator who is responsible for the package."
)


class ChangeRequestRefused(Exception):
    """Nothing was changed; the text says why, and what to do."""


def request_changes(staged_version: StagedVersion, *, user: User, reason: str) -> ChangeRequest:
    """Holds the version, for this reason. Raises ChangeRequestRefused.

    It can still be rejected: that is what mostly comes of it. Of a decision that is being carried
    out, what has not begun is taken back, with what needs it.
    """
    reason = reason.strip()
    if not reason:
        raise ChangeRequestRefused(
            "Say what is to be changed: whoever staged it will want to know."
        )
    if "\x00" in reason:
        raise ChangeRequestRefused(
            "The reason contains a character that cannot be stored. Type it anew."
        )
    if len(reason) > LONGEST_REASON:
        raise ChangeRequestRefused(f"The reason is too long: at most {LONGEST_REASON} characters.")
    with transaction.atomic():
        user = turnstile(user)
        under_way = _under_way(staged_version)
        row = _locked(staged_version)
        if not may_decide(user, row.registry.url, row.package.name):
            raise ChangeRequestRefused(
                "Only who may approve this package can hold a version of it. You can say what you "
                "think of it in a comment."
            )
        if row.state != State.STAGED and under_way is None:
            raise ChangeRequestRefused(
                "It does not wait for an approval any more, so that there is nothing to hold."
            )
        if ChangeRequest.objects.filter(
            staged_version=row, user=user, lifted_at__isnull=True
        ).exists():
            raise ChangeRequestRefused(
                "You have asked for changes already, and the version is held. Let it go first if "
                "you want to ask for something else."
            )
        if ChangeRequest.objects.filter(staged_version=row, user=user).count() >= (
            MOST_OF_ONE_PERSON
        ):
            raise ChangeRequestRefused(
                f"You have held this version {MOST_OF_ONE_PERSON} times. Say what you want in a "
                "comment, or reject it."
            )
        made = ChangeRequest.objects.create(staged_version=row, user=user, reason=reason)
        if under_way is not None:
            words = f"{user} wants changes: “{reason}” Nothing was sent."
            outcomes.give_up([(under_way, words)], actor=user)
            row.refresh_from_db(fields=["state"])
        outbox.publish(
            REQUESTED,
            stage_id=row.stage_id,
            **news_of(row),
            actor=user.get_username(),
            not_to=user.pk,
            reason=reason,
        )
        record(
            REQUESTED,
            actor=user,
            subject=row,
            stage_id=row.stage_id,
            request=made.pk,
            reason=reason,
        )
    return made


def may_lift(change_request: ChangeRequest, user: User) -> bool:
    """Whether this person may let the version go again."""
    row = change_request.staged_version
    where = (row.registry.url, row.package.name)
    if change_request.user_id == user.pk:
        return may_see(user, *where)
    return may_set_expectations(user, *where)


def lift(change_request: ChangeRequest, *, user: User) -> None:
    """Lets the version go again. Raises ChangeRequestRefused."""
    with transaction.atomic():
        user = turnstile(user)
        row = _locked(change_request.staged_version)
        if not may_lift(change_request, user):
            raise ChangeRequestRefused(NOT_YOURS)
        if row.state != State.STAGED:
            raise ChangeRequestRefused(
                "It does not wait for an approval any more, so that there is nothing to let go."
            )
        lifted = ChangeRequest.objects.filter(pk=change_request.pk, lifted_at__isnull=True).update(
            lifted_at=timezone.now(), lifted_by=user
        )
        if not lifted:
            raise ChangeRequestRefused("It was let go a moment before. Nothing was changed.")
        outbox.publish(
            LIFTED,
            stage_id=row.stage_id,
            **news_of(row),
            actor=user.get_username(),
            not_to=user.pk,
        )
        record(LIFTED, actor=user, subject=row, stage_id=row.stage_id, request=change_request.pk)


def open_requests(staged_versions: Sequence[StagedVersion]) -> dict[int, list[ChangeRequest]]:
    """Those that hold each version, by its key, oldest first; two queries for any number.

    One that was only closed in the database holds it still: nobody has let it go.
    """
    found: dict[int, list[ChangeRequest]] = defaultdict(list)
    requests = list(
        ChangeRequest.objects.filter(staged_version__in=[row.pk for row in staged_versions])
        .select_related("user")
        .order_by("pk")
    )
    let_go: set[object] = set()
    if any(one.lifted_at for one in requests):
        events = AuditEvent.objects.filter(
            kind=LIFTED, stage_id__in={row.stage_id for row in staged_versions}
        )
        let_go = {event.detail.get("request") for event in events if is_written_here(event)}
    for one in requests:
        if one.lifted_at is None or one.pk not in let_go:
            found[one.staged_version_id].append(one)
    return found


def _under_way(staged_version: StagedVersion) -> DecisionItem | None:
    """The item that would approve it and has not begun, with its decision and all that locks."""
    item = DecisionItem.objects.filter(
        staged_version=staged_version.pk,
        state__in=outcomes.NOT_BEGUN,
        decision__action=Action.APPROVE,
    ).first()
    if item is None:
        return None
    decision = outcomes.lock_decision(item.decision_id)
    found = next((one for one in outcomes.not_begun(decision) if one.pk == item.pk), None)
    outcomes.lock_versions_of(decision.pk)
    return found


def _locked(staged_version: StagedVersion) -> StagedVersion:
    rows = lock_versions([staged_version.pk])
    if not rows:
        raise ChangeRequestRefused("This version is gone. Nothing was changed.")
    return rows[0]

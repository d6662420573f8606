"""A fresh proof of presence, bound to one exact decision.

A decision is written down as an intent, then proven by the person who is here, then consumed in
the transaction that records the decision: all within STEP_UP_SECONDS. Each step seals the whole
row anew, so that nobody without the sealing keys can write, change or carry over any of it.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.decisions.models import Action, DecisionItem, StepUp
from approvals.people import factors
from approvals.people.accounts import token_of
from approvals.people.models import RegistryAccount, User
from approvals.queue.models import Registry, StagedVersion
from approvals.sealing import SealBroken, fingerprint, fingerprints, seal, unseal

# More than anybody has open at once in one browser; each is a row.
MOST_OPEN = 30
# What the sealed content begins with. Another one was sealed by an earlier version.
SEALED_AS = "step-up 3"
# What an approval that waits for those of others has consumed its step-up for.
FOR_A_VOTE = "vote"
SOMETHING_CHANGED = (
    "What you confirmed is not what would be decided now: something changed since, or "
    "the confirmation is too old. Look once more at what the page says, and confirm again."
)
OTHER_ACCOUNT = (
    "Your account at the registry was linked anew since you began to confirm, so that the decision "
    "would be carried out with another one. Open the confirmation again and confirm once more."
)
UNUSABLE_ACCOUNT = (
    "The token of your account at the registry cannot be opened any more. Link the account again "
    "under Registry accounts, and then decide."
)
_MARK = "registry account of a decision"
NOT_YOURS = "This confirmation is not yours, or is gone. Confirm again."
USED = "This confirmation was used already. Confirm again."


class StepUpRefused(Exception):
    """The proof of presence was not accepted; the text says why and what to do."""


def binding_of(action: Action, subjects: Sequence[tuple[str, UUID, str, str]]) -> str:
    """SHA-256, hex, over the action and each (registry address, stage id, SHA-1, SHA-512)."""
    content = [
        str(action),
        sorted([url, str(stage_id), sha1, sha512] for url, stage_id, sha1, sha512 in subjects),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def binding_of_versions(action: Action, versions: Sequence[StagedVersion]) -> str:
    """The binding of a decision on these."""
    return binding_of(
        action, [(row.registry.url, row.stage_id, row.shasum, row.sha512) for row in versions]
    )


def binding_of_items(action: Action, items: Sequence[DecisionItem]) -> str:
    return binding_of(
        action,
        [
            (item.staged_version.registry.url, item.stage_id, item.sha1, item.sha512)
            for item in items
        ],
    )


def account_for(user: User, registry: Registry) -> RegistryAccount | None:
    """The person's own account at this registry."""
    return RegistryAccount.objects.filter(user=user, registry_url=registry.url).first()


def mark_of(account: RegistryAccount) -> str:
    """What tells this account with this token from any other. Raises StepUpRefused."""
    return fingerprint(_marked(account), bound_to=_MARK)


def is_marked(step_up: StepUp, account: RegistryAccount) -> bool:
    """Whether this is the account, with the same token, that the intent was written down for."""
    try:
        marks = fingerprints(_marked(account), bound_to=_MARK)
    except StepUpRefused:
        return False
    # One for each sealing key: the first may have changed since.
    return step_up.account_mark in marks


def _marked(account: RegistryAccount) -> str:
    try:
        token = token_of(account)
    except SealBroken as error:
        raise StepUpRefused(UNUSABLE_ACCOUNT) from error
    return json.dumps([account.pk, account.user_id, account.registry_url, account.username, token])


def open_step_up(
    user: User,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    *,
    session: str,
    sight: list[list[str]],
    reason: str = "",
) -> StepUp:
    """Writes an intent down: the proof that follows is good for exactly what it names.

    The oldest of those that this session left open make room: whoever holds a stolen cookie neither
    fills the table nor keeps the person from deciding.
    """
    account = account_for(user, staged_versions[0].registry)
    if account is None:
        raise StepUpRefused(
            "Link your own account at the registry first: your decisions are carried out with it."
        )
    left_open = StepUp.objects.filter(user=user, session=session, proved_at__isnull=True)
    # Named one by one: what is opened in this moment is not among them.
    oldest = list(left_open.order_by("-opened_at").values_list("pk", flat=True)[MOST_OPEN - 1 :])
    if oldest:
        left_open.filter(pk__in=oldest).delete()
    step_up = StepUp(
        user=user,
        action=action,
        binding=binding_of_versions(action, staged_versions),
        subjects=[
            [row.registry.url, str(row.stage_id), row.shasum, row.sha512] for row in staged_versions
        ],
        reason=reason,
        sight=sight,
        session=session,
        account_mark=mark_of(account),
    )
    step_up.sealed_proof = sealed_proof(step_up)
    step_up.save(force_insert=True)
    return step_up


def passkey_options(step_up: StepUp) -> dict[str, Any]:
    """What the browser needs to have the person's passkey sign this intent. Raises StepUpRefused
    where passkeys cannot be used."""
    try:
        return factors.passkey_options(step_up.user, step_up.challenge)
    except factors.FactorRefused as error:
        raise StepUpRefused(str(error)) from error


def find(step_up_id: UUID | str, user: User, *, session: str) -> StepUp:
    """The intent that this person wrote down in this session. Raises StepUpRefused."""
    try:
        key = UUID(str(step_up_id))
    except ValueError:
        raise StepUpRefused(NOT_YOURS) from None
    step_up = StepUp.objects.filter(pk=key, user=user, session=session).first()
    if step_up is None or not session:
        raise StepUpRefused(NOT_YOURS)
    return step_up


def prove_with_code(step_up: StepUp, code: str, *, address: str = "") -> None:
    """Proves an intent with a code of an authenticator app. Raises StepUpRefused.

    Commits by itself, outside of the decision's transaction: whatever becomes of the decision, a
    code that was seen is spent and a wrong one is counted.
    """
    _insist_on_fresh(step_up)
    try:
        method = factors.check_code(step_up.user, code, address=address)
    except factors.FactorRefused as error:
        raise StepUpRefused(str(error)) from error
    _proved(step_up, method)


def prove_with_passkey(step_up: StepUp, assertion: str, *, address: str = "") -> None:
    """Proves an intent with a passkey's signature of its challenge. Raises StepUpRefused."""
    _insist_on_fresh(step_up)
    try:
        method = factors.check_passkey(step_up.user, step_up.challenge, assertion, address=address)
    except factors.FactorRefused as error:
        raise StepUpRefused(str(error)) from error
    _proved(step_up, method)


def _insist_on_fresh(step_up: StepUp) -> None:
    """Refuses what no proof could save, so that no proof is spent on it."""
    if step_up.proved_at or step_up.consumed_at:
        raise StepUpRefused(USED)
    if not _oldest() <= step_up.opened_at <= timezone.now():
        raise StepUpRefused(
            f"This confirmation expired: it was begun more than {settings.STEP_UP_SECONDS} seconds "
            "ago. Look once more at what the page says, and confirm again."
        )
    if not is_genuine(step_up):
        raise StepUpRefused(NOT_YOURS)


def _proved(step_up: StepUp, method: str) -> None:
    with transaction.atomic():
        step_up.proved_at, step_up.method = timezone.now(), method
        proved = StepUp.objects.filter(
            pk=step_up.pk, proved_at__isnull=True, consumed_at__isnull=True
        ).update(
            proved_at=step_up.proved_at, method=step_up.method, sealed_proof=sealed_proof(step_up)
        )
        if not proved:
            raise StepUpRefused(USED)
        record("step_up.proved", actor=step_up.user, action=step_up.action, method=method)


def consume(
    step_up_id: UUID | str,
    user: User,
    action: Action,
    staged_versions: Sequence[StagedVersion],
    *,
    session: str,
    sight: list[list[str]],
    reason: str = "",
    at: datetime | None = None,
    decision: UUID | None = None,
) -> StepUp:
    """Spends a proved step-up on exactly this, in the caller's transaction, `at` now.

    Sealed with it is what it was spent on: the decision of this key, or a vote, which nobody can
    make a decision of, nor another decision of the one.

    Raises StepUpRefused where it is another person's or session's, for something else or another
    account at the registry, too old or spent.
    """
    step_up = StepUp.objects.select_for_update().filter(pk=step_up_id).first()
    if (
        step_up is None
        or not session
        or step_up.user_id != user.pk
        or step_up.session != session
        or step_up.action != action
        or step_up.binding != binding_of_versions(action, staged_versions)
        or step_up.reason != reason
        or step_up.sight != sight
        or step_up.proved_at is None
        or step_up.consumed_at is not None
        or not is_genuine(step_up)
        or not _oldest() <= step_up.opened_at <= step_up.proved_at
    ):
        raise StepUpRefused(SOMETHING_CHANGED)
    account = account_for(user, staged_versions[0].registry)
    if account is None or not is_marked(step_up, account):
        raise StepUpRefused(OTHER_ACCOUNT)
    step_up.consumed_at = at or timezone.now()
    step_up.consumed_for = str(decision) if decision else FOR_A_VOTE
    consumed = StepUp.objects.filter(pk=step_up.pk, consumed_at__isnull=True).update(
        consumed_at=step_up.consumed_at,
        consumed_for=step_up.consumed_for,
        sealed_proof=sealed_proof(step_up),
    )
    if not consumed:
        raise StepUpRefused(SOMETHING_CHANGED)
    return step_up


def sealed_proof(step_up: StepUp) -> str:
    """What makes a step-up genuine: only a process that holds the sealing keys makes it."""
    return seal(_content(step_up), bound_to=f"step-up {step_up.pk}")


def is_genuine(step_up: StepUp) -> bool:
    """Whether the row says what it said when it was opened, proved or consumed."""
    return standing_of(step_up) == "genuine"


def standing_of(step_up: StepUp) -> Literal["genuine", "of earlier version", "not genuine"]:
    """The same, and whether it was sealed before an update that seals more: it can no longer be
    compared."""
    try:
        content = unseal(step_up.sealed_proof, bound_to=f"step-up {step_up.pk}")
    except SealBroken:
        return "not genuine"
    if content == _content(step_up):
        return "genuine"
    is_earlier = not content.startswith(f'["{SEALED_AS}", ')
    return "of earlier version" if is_earlier else "not genuine"


def _content(step_up: StepUp) -> str:
    moments = (step_up.opened_at, step_up.proved_at, step_up.consumed_at)
    return json.dumps(
        [
            SEALED_AS,
            step_up.user_id,
            str(step_up.action),
            step_up.binding,
            step_up.subjects,
            step_up.reason,
            step_up.sight,
            step_up.session,
            step_up.challenge,
            step_up.account_mark,
            step_up.method,
            step_up.consumed_for,
            *(moment.isoformat() if moment else None for moment in moments),
        ]
    )


def _oldest() -> datetime:
    return timezone.now() - timedelta(seconds=settings.STEP_UP_SECONDS)


def forget_stale() -> int:
    """Removes intents that led to nothing; how many."""
    stale = timezone.now() - timedelta(hours=1)
    return StepUp.objects.filter(consumed_at__isnull=True, opened_at__lt=stale).delete()[0]

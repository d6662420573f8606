"""Carrying decisions out at the registry: each call once, each outcome known or asked for."""

import logging
import time
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from approvals.decisions import outcomes
from approvals.decisions.decide import keep_proof, proof_binding
from approvals.decisions.models import (
    Action,
    Attempt,
    DecisionItem,
    ItemState,
    RegistryProof,
)
from approvals.decisions.settle import settle
from approvals.decisions.stepup import binding_of_items, is_genuine
from approvals.people import accounts
from approvals.people.permissions import may_decide
from approvals.queue.differences import stage_id_difference
from approvals.queue.models import AlarmKind
from approvals.queue.registries import client_for
from approvals.queue.transitions import raise_alarm
from approvals.sealing import SealBroken, unseal
from registry_client.client import RegistryClient
from registry_client.errors import (
    AnswerLost,
    Conflict,
    Forbidden,
    NotAuthorised,
    NotFound,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
    SecondFactorNeeded,
    SecondFactorRefused,
    WebSecondFactorNeeded,
)
from registry_client.proof import Waiting, poll_web_proof

logger = logging.getLogger(__name__)

LONGEST_PAUSE = timedelta(seconds=60)
# What a person confirmed is worth nothing the next morning. Long enough for a registry's outage.
GIVE_UP_AFTER = timedelta(minutes=30)


def claim_due() -> DecisionItem | None:
    """Takes the item that has waited longest for a worker, or whose worker died."""
    now = timezone.now()
    lease_free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    due = lease_free & (
        Q(state__in=[ItemState.WAITING, ItemState.CHECKING], due_at__lte=now)
        | Q(state=ItemState.SENT)
        | Q(state=ItemState.ASKING, due_at__lte=now)
    )
    while True:
        candidate = (
            DecisionItem.objects.filter(due)
            .order_by("due_at", "pk")
            .values("pk", "state", "tries", "lease_holder")
            .first()
        )
        if candidate is None:
            return None
        holder = uuid.uuid4().hex
        claimed = DecisionItem.objects.filter(due, **candidate).update(
            lease_holder=holder,
            lease_until=now + timedelta(seconds=settings.CALL_LEASE_SECONDS),
            tries=F("tries") + 1,
        )
        if claimed:
            return DecisionItem.objects.select_related(
                "decision__user",
                "decision__account",
                "staged_version__package",
                "staged_version__registry",
            ).get(pk=candidate["pk"])


def carry_out(item: DecisionItem) -> None:
    """Takes a claimed item one step further."""
    claimed_at = time.monotonic()
    logger.info("stage=%s decision is %s, looking at it", item.stage_id, item.state)
    if item.state == ItemState.SENT:
        # Its worker died, or lost the database, between the request and our commit.
        outcomes.check(
            item, Attempt.Result.UNKNOWN, "The worker that sent the request did not report back."
        )
        return
    if item.state == ItemState.CHECKING:
        _find_out(item)
        return
    try:
        _insist_on_recent(item)
        account_token = _token(item)
        with client_for(item.staged_version.registry, token=account_token) as client:
            if item.state == ItemState.ASKING:
                _look_for_web_proof(item, client)
            elif _still_as_decided(item, client):
                _call(item, client, claimed_at)
    except (SealBroken, outcomes.CannotGoOn) as error:
        outcomes.refused(item, str(error))
    except NotAuthorised as error:
        if item.decision.account:
            accounts.mark_refused(item.decision.account)
        outcomes.refused(item, f"The registry no longer accepts your token: {error}")
    except (RegistryUnavailable, RateLimited) as error:
        _try_later(item, error)
    except RegistryError as error:
        outcomes.refused(item, str(error))


def wipe_expired_proofs() -> int:
    """Removes registry codes that were never used."""
    return RegistryProof.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def _token(item: DecisionItem) -> str:
    decision, account = item.decision, item.decision.account
    row = item.staged_version
    if not may_decide(decision.user, row.registry.url, row.package.name) or account is None:
        raise outcomes.CannotGoOn(
            f"{decision.user} may no longer decide, or has unlinked their registry account."
        )
    if account.user_id != decision.user_id:
        raise outcomes.CannotGoOn("The registry account of this decision is somebody else's.")
    if account.registry_url != item.staged_version.registry.url:
        # Whoever can change an address in the database must not be sent people's tokens.
        raise outcomes.CannotGoOn(
            "The registry's address is not the one that your account was linked at. Nothing was "
            "sent; ask an administrator why it changed."
        )
    return accounts.token_of(account)


def _find_out(item: DecisionItem) -> None:
    """Settles with the registry's read token, which outlives the person's account and shows what
    that account may not see. A request may have been carried out: that question is never dropped,
    only asked later.
    """
    try:
        with client_for(item.staged_version.registry) as client:
            settle(item, client)
    except (RegistryError, SealBroken) as error:
        outcomes.check_later(item, str(error))


def _try_later(item: DecisionItem, error: RegistryError) -> None:
    pause = min(timedelta(seconds=2) * 2 ** min(item.tries, 10), LONGEST_PAUSE)
    if isinstance(error, RateLimited) and error.retry_after:
        # Not past the moment at which the decision is given up: a person waits for the end.
        pause = min(max(pause, timedelta(seconds=error.retry_after)), GIVE_UP_AFTER)
    if item.state == ItemState.ASKING:
        outcomes.ask_on(item, timezone.now() + pause)
    else:
        outcomes.wait(item, pause, str(error))


def _still_as_decided(item: DecisionItem, client: RegistryClient) -> bool:
    """Re-reads the staged version: what was reviewed is what goes out, or nothing does."""
    row = item.staged_version
    try:
        staged = client.staged_version(str(item.stage_id))
    except NotFound:
        _find_out(item)
        return False
    if item.decision.action == Action.APPROVE and row.alarm:
        outcomes.refused(item, row.alarm)
        return False
    difference = stage_id_difference(row, staged)
    if not difference and (staged.shasum, row.sha512) == (item.sha1, item.sha512):
        return True
    sentence = f"What the registry has staged is no longer what was reviewed. {difference}".strip()
    # The alarm first: a worker killed in between must not leave the version approvable.
    raise_alarm(row, AlarmKind.STAGE_CHANGED, sentence)
    outcomes.refused(item, f"{sentence} Nothing was sent.")
    return False


def _call(item: DecisionItem, client: RegistryClient, claimed_at: float) -> None:
    _insist_on_step_up(item)
    attempt, code = _begin_attempt(item)
    if time.monotonic() - claimed_at > settings.CALL_LEASE_SECONDS / 2:
        # This process slept in between; another may believe it dead and be asking the registry.
        outcomes.wait(item, timedelta(0), "The worker was held up before it could send.")
        return
    stage_id = str(item.stage_id)
    registry = item.staged_version.registry.name
    try:
        if item.decision.action == Action.APPROVE:
            words = client.approve(stage_id, proof=code)
        else:
            client.reject(stage_id, proof=code)
            words = "deleted"
    except SecondFactorNeeded as error:
        _ask(item, error)
    except SecondFactorRefused as error:
        words = error.words or "without saying why"
        outcomes.ask(item, f"{registry} refused the code ({words}). Wait for the next one.")
    except AnswerLost as error:
        outcomes.check(item, Attempt.Result.UNKNOWN, str(error))
    except (NotFound, Conflict) as error:
        outcomes.check(item, Attempt.Result.OVERTAKEN, str(error))
    except Forbidden as error:
        outcomes.refused(item, f"Your account may not do this at {registry}: {error}")
    else:
        logger.info("stage=%s attempt=%s registry answered", item.stage_id, attempt.pk)
        outcomes.carried_out(item, words)


def _ask(item: DecisionItem, challenge: SecondFactorNeeded) -> None:
    registry = item.staged_version.registry.name
    if isinstance(challenge, WebSecondFactorNeeded):
        outcomes.ask(
            item,
            f"{registry} wants you to confirm on its own page.",
            auth_url=challenge.auth_url,
            done_url=challenge.done_url,
        )
    else:
        outcomes.ask(item, f"{registry} asks for the one-time code of your account there.")


def _insist_on_recent(item: DecisionItem) -> None:
    age = timezone.now() - item.decision.made_at
    if age > GIVE_UP_AFTER:
        minutes = GIVE_UP_AFTER // timedelta(minutes=1)
        raise outcomes.CannotGoOn(
            f"It could not be carried out within {minutes} minutes after it was decided"
            f"{f' ({item.outcome})' if item.outcome else ''}. Nothing was sent since; look at it "
            "again and decide anew."
        )


def _insist_on_step_up(item: DecisionItem) -> None:
    _insist_on_recent(item)
    decision = item.decision
    step_up = decision.step_up
    longest = timedelta(seconds=settings.STEP_UP_SECONDS)
    items = list(decision.items.select_related("staged_version__registry"))
    if (
        step_up.consumed_at is None
        or step_up.proved_at is None
        or not is_genuine(step_up)
        or step_up.user_id != decision.user_id
        or step_up.action != decision.action
        or step_up.binding != binding_of_items(Action(decision.action), items)
        or not timedelta(0) <= decision.made_at - step_up.proved_at <= longest
        or not timedelta(0) <= step_up.consumed_at - step_up.proved_at <= longest
    ):
        raise outcomes.CannotGoOn(
            "This decision does not rest on a proof of presence. Nothing was sent; decide again."
        )


def _begin_attempt(item: DecisionItem) -> tuple[Attempt, str | None]:
    """Commits that a request is about to leave, and takes the registry's code with it."""
    with transaction.atomic():
        begun = DecisionItem.objects.filter(
            pk=item.pk, state=ItemState.WAITING, lease_holder=item.lease_holder
        ).update(state=ItemState.SENT, state_changed_at=timezone.now())
        if not begun:
            raise outcomes.LeaseLost
        item.state = ItemState.SENT
        proof = RegistryProof.objects.select_for_update().filter(item=item).first()
        code = None
        if proof is not None:
            code = _open(proof, item)
            proof.delete()
        attempt = Attempt.objects.create(item=item)
    return attempt, code


def _open(proof: RegistryProof, item: DecisionItem) -> str | None:
    # The age is in the seal itself: nobody revives a code by changing a column.
    if proof.expires_at <= timezone.now():
        return None
    try:
        return unseal(
            proof.sealed_code,
            bound_to=proof_binding(item),
            max_age=settings.REGISTRY_PROOF_SECONDS,
        )
    except SealBroken:
        return None


def _look_for_web_proof(item: DecisionItem, client: RegistryClient) -> None:
    if item.asked_until is None or item.asked_until <= timezone.now():
        raise outcomes.CannotGoOn("Nobody answered the registry's question in time.")
    if not item.sealed_done_url:
        outcomes.ask_on(item, item.asked_until)
        return
    done_url = unseal(item.sealed_done_url, bound_to=outcomes.question_binding(item))
    answer = poll_web_proof(client, done_url)
    if isinstance(answer, Waiting):
        outcomes.ask_on(item, timezone.now() + timedelta(seconds=max(answer.retry_after, 1)))
        return
    with transaction.atomic():
        keep_proof(item, answer)
        outcomes.answered(item)

"""Carrying decisions out at the registry: each call once, each outcome known or asked for."""

import logging
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.decisions.carrying_out import outcomes, questions
from approvals.decisions.carrying_out.outcomes import GIVE_UP_AFTER
from approvals.decisions.carrying_out.settle import settle
from approvals.decisions.deciding.stepup import (
    binding_of,
    is_marked,
    standing_of,
)
from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    Attempt,
    Decision,
    DecisionItem,
    ItemNeed,
    ItemState,
    RegistryProof,
)
from approvals.people import accounts
from approvals.people.models import CodeUse, RegistryAccount, SecondFactor, User
from approvals.people.permissions import may_decide
from approvals.people.turnstile import turnstile
from approvals.policy.book import current_book
from approvals.queue.differences import stage_id_difference
from approvals.queue.models import AlarmKind, Registry, StagedVersion
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
    RequestRefused,
    SecondFactorNeeded,
    SecondFactorRefused,
    WebSecondFactorNeeded,
)
from registry_client.proof import Waiting, poll_web_proof

logger = logging.getLogger(__name__)

LONGEST_PAUSE = timedelta(seconds=60)
LONGEST_AUTH_URL = 2000  # what DecisionItem.auth_url holds
POLICIES_CHANGED = "policies.changed"
STEP_OF_CODES = 30  # seconds, RFC 6238


RELINKED = (
    "Your account at the registry was linked anew after you confirmed. Nothing was sent; decide "
    "again, so that it is done with the account that you see then."
)


class NotItsTurn(Exception):
    """Another item of its decision comes first, or is asked about; or the decision is paused."""


class NotWithoutIt(Exception):
    """Something that it needs is not as it should be; the text says what."""


@dataclass(frozen=True)
class GivenProof:
    """What the person gave for the registry, opened for one call: the `calls`th it serves."""

    code: str = field(repr=False)
    kind: str
    calls: int
    kept_at: datetime


def claim_due() -> DecisionItem | None:
    """Takes the item that has waited longest for a worker, or whose worker died.

    Of one decision's items one is called for at a time, in their order, and none while the
    registry's question about another stands open: the answer may serve it too. None is called for
    before what it needs has ended, nor while the decision is paused. What may not begin any more is
    claimed all the same, to be given back to the queue.
    """
    while True:
        item = _claim_one()
        # Only where there is nothing else to do: what strands is seldom, and never by itself.
        if item is not None or not outcomes.hold_stranded():
            return item


def _claim_one() -> DecisionItem | None:
    now = timezone.now()
    lease_free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    sibling_at_work = (
        DecisionItem.objects.filter(decision=OuterRef("decision"))
        .filter(
            Q(state__in=[ItemState.ASKING, ItemState.SENT])
            | Q(state=ItemState.WAITING, lease_until__gte=now)
        )
        .exclude(pk=OuterRef("pk"))
    )
    unmet = ItemNeed.objects.filter(_unmet(), item=OuterRef("pk"))
    over = Q(decision__called_off_at__isnull=False) | Q(decision__made_at__lt=now - GIVE_UP_AFTER)
    due = lease_free & (
        Q(
            ~Exists(sibling_at_work),
            ~Exists(unmet),
            state=ItemState.WAITING,
            due_at__lte=now,
            decision__paused_at__isnull=True,
        )
        | (Q(state__in=outcomes.NOT_BEGUN) & over)
        | Q(state=ItemState.CHECKING, due_at__lte=now)
        | Q(state=ItemState.SENT)
        | Q(state=ItemState.ASKING, due_at__lte=now)
    )
    while True:
        # As it is before the claim: what the call rests on is looked at again when it is begun.
        candidate = (
            DecisionItem.objects.filter(due, state__in=OPEN_ITEM_STATES)
            .select_related(
                "decision__user",
                "decision__account",
                "decision__step_up",
                "staged_version__package",
                "staged_version__registry",
            )
            .order_by("due_at", "level", "pk")
            .first()
        )
        if candidate is None:
            return None
        claim = {
            "lease_holder": uuid.uuid4().hex,
            "lease_until": now + timedelta(seconds=settings.CALL_LEASE_SECONDS),
            "tries": candidate.tries + 1,
        }
        claimed = DecisionItem.objects.filter(
            lease_free,
            pk=candidate.pk,
            state=candidate.state,
            state_changed_at=candidate.state_changed_at,
            tries=candidate.tries,
            lease_holder=candidate.lease_holder,
        ).update(**claim)
        if claimed:
            for name, value in claim.items():
                setattr(candidate, name, value)
            return candidate


def _unmet() -> Q:
    """Of needs: what is needed has not ended, or was to be carried out and was not."""
    return Q(needed__state__in=OPEN_ITEM_STATES) | Q(
        holds=True, needed__state__in=outcomes.NOT_CARRIED_OUT
    )


class Connections:
    """At most one open connection: to the registry last called, with the token it was called with.

    Closed at the end of `with`, and after everything but a call that was carried out.
    """

    def __init__(self) -> None:
        self._to: tuple[str, str, str] | None = None
        self._client: RegistryClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def client(self, registry: Registry, token: str) -> RegistryClient:
        """A client with exactly this token; the one before is closed if it is for anything else."""
        to = (registry.url, registry.proof_hosts, token)
        if self._client is None or self._to != to:
            self.close()
            self._client, self._to = client_for(registry, token=token), to
        return self._client

    def close(self) -> None:
        """Hangs up, and forgets the token."""
        if self._client is not None:
            self._client.close()
        self._client = self._to = None


def carry_out(item: DecisionItem, connections: Connections | None = None) -> None:
    """Takes a claimed item one step further; `connections` are for the next items, too."""
    if connections is None:
        with Connections() as own:
            _carry_out(item, own)
        return
    is_done = False
    try:
        is_done = _carry_out(item, connections)
    finally:
        # Whatever else became of it: the next call begins with a fresh connection.
        if not is_done:
            connections.close()


def _carry_out(item: DecisionItem, connections: Connections) -> bool:
    """Whether the registry has just carried it out."""
    claimed_at = time.monotonic()
    logger.info("stage=%s decision is %s, looking at it", item.stage_id, item.state)
    if item.state == ItemState.SENT:
        # Its worker died, or lost the database, between the request and our commit.
        outcomes.check(
            item, Attempt.Result.UNKNOWN, "The worker that sent the request did not report back."
        )
        return False
    if item.state == ItemState.CHECKING:
        _find_out(item)
        return False
    try:
        _insist_on_wanted(item.decision)
        _insist_on_recent(item)
        account_token = _token(item)
        client = connections.client(item.staged_version.registry, account_token)
        if item.state == ItemState.ASKING:
            _look_for_web_proof(item, client)
        elif _still_as_decided(item, client):
            return _call(item, client, account_token, claimed_at)
    except NotItsTurn:
        outcomes.give_back(item)
    except NotWithoutIt as error:
        outcomes.held(item, str(error))
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
    return False


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
        outcomes.ask_on(item, timezone.now() + pause, failed=True)
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


def _call(
    item: DecisionItem, client: RegistryClient, account_token: str, claimed_at: float
) -> bool:
    _insist_on_step_up(item)
    if _code_is_wanted(item):
        outcomes.ask(item, questions.for_a_code(item, again=True))
        return False
    attempt, proof = _begin_attempt(item, account_token)
    if time.monotonic() - claimed_at > settings.CALL_LEASE_SECONDS / 2:
        # This process slept in between; another may believe it dead and be asking the registry.
        outcomes.wait(item, timedelta(0), "The worker was held up before it could send.")
        return False
    stage_id = str(item.stage_id)
    account = _account(item)
    code = proof.code if proof else None
    try:
        if item.decision.action == Action.APPROVE:
            words = client.approve(stage_id, proof=code)
        else:
            client.reject(stage_id, proof=code)
            words = "deleted"
    except SecondFactorNeeded as error:
        _ask(item, error)
    except SecondFactorRefused as error:
        _proof_was_refused(item, proof, error)
    except AnswerLost as error:
        outcomes.check(item, Attempt.Result.UNKNOWN, str(error))
    except (NotFound, Conflict) as error:
        outcomes.check(item, Attempt.Result.OVERTAKEN, str(error))
    except Forbidden as error:
        registry = item.staged_version.registry.name
        outcomes.refused(item, f"Your account may not do this at {registry}: {error}")
        accounts.mark_forbidden(account, error.words)
    else:
        logger.info("stage=%s attempt=%s registry answered", item.stage_id, attempt.pk)
        outcomes.carried_out(item, words)
        accounts.note_worked(
            account,
            proof_given=proof is not None,
            by_code=proof is not None and proof.kind == RegistryProof.Kind.CODE,
            code_served_again=proof is not None and proof.calls > 1,
        )
        return True
    return False


def _account(item: DecisionItem) -> RegistryAccount:
    account = item.decision.account
    if account is None:
        raise outcomes.CannotGoOn("Your registry account was unlinked. Nothing was sent.")
    return account


def _code_is_wanted(item: DecisionItem) -> bool:
    """Whether it is known without a call that this one needs a code that nobody has given yet.

    Once a code of this decision was used up, where each is good for one call.
    """
    decision, account = item.decision, _account(item)
    if account.second_factor != SecondFactor.CODE:
        return False
    if not decision.one_code_a_call and account.codes != CodeUse.ONCE:
        return False
    kept = RegistryProof.objects.filter(decision=decision, expires_at__gt=timezone.now())
    return decision.items.filter(state=ItemState.DONE).exists() and not kept.exists()


def _ask(item: DecisionItem, challenge: SecondFactorNeeded) -> None:
    auth_url = done_url = ""
    if isinstance(challenge, WebSecondFactorNeeded):
        auth_url, done_url = challenge.auth_url, challenge.done_url
        if len(auth_url) > LONGEST_AUTH_URL:
            raise outcomes.CannotGoOn(
                "The registry asks for a proof on a page whose address is too long to be kept: at "
                f"most {LONGEST_AUTH_URL} characters. Decide it with the npm client."
            )
    # With the outcome or not at all: a worker that lost its lease has learned nothing.
    with transaction.atomic():
        outcomes.lock(item)
        if auth_url:
            accounts.note_asked(_account(item), SecondFactor.WEB)
            question = questions.for_a_touch(item)
        else:
            accounts.note_asked(_account(item), SecondFactor.CODE)
            question = questions.for_a_code(item)
        outcomes.ask(item, question, auth_url=auth_url, done_url=done_url)


def _proof_was_refused(
    item: DecisionItem, proof: GivenProof | None, refusal: SecondFactorRefused
) -> None:
    """What was given does not serve (any more): the next one is asked for, and nothing guessed.

    A proof that had served before is no mistake of the person's. If it served once, and cannot
    have expired since, this registry takes each one once.
    """
    served = proof.calls - 1 if proof else 0
    # With the outcome or not at all: a worker that lost its lease has learned nothing.
    with transaction.atomic():
        outcomes.lock(item)
        account = _account(item)
        if proof and served == 1 and not _may_have_expired(proof):
            Decision.objects.filter(pk=item.decision_id).update(one_code_a_call=True)
            accounts.note_codes_serve_once(account)
        outcomes.wipe_proof(item.decision_id)
        if proof and proof.kind == RegistryProof.Kind.WEB:
            # Only the registry makes the next link: it is asked again at once, without a proof.
            outcomes.call_for_a_link(item, "The registry wants a new confirmation.")
            return
        accounts.note_asked(account, SecondFactor.CODE)
        if served:
            outcomes.ask(item, questions.for_a_code(item, again=True))
            return
        registry = item.staged_version.registry.name
        words = refusal.words or "without saying why"
        outcomes.ask(
            item,
            questions.with_progress(
                item, f"{registry} refused the code ({words}). Wait for the next one."
            ),
        )


def _may_have_expired(proof: GivenProof) -> bool:
    """Whether the proof's time may be up, so that its refusal says nothing about how often it
    serves: an app's code ends with one of the 30 seconds' steps that all clocks count alike.
    """
    kept_at, now = proof.kept_at.timestamp(), timezone.now().timestamp()
    if proof.kind == RegistryProof.Kind.CODE:
        return kept_at // STEP_OF_CODES != now // STEP_OF_CODES
    return now - kept_at >= STEP_OF_CODES


def _insist_on_recent(item: DecisionItem) -> None:
    age = timezone.now() - item.decision.made_at
    if age > GIVE_UP_AFTER:
        minutes = GIVE_UP_AFTER // timedelta(minutes=1)
        if item.decision.paused_at:
            raise outcomes.CannotGoOn(
                f"It was paused by {item.decision.paused_by}, and nobody resumed it within "
                f"{minutes} minutes after it was decided. Nothing was sent since; look at it again "
                "and decide anew."
            )
        raise outcomes.CannotGoOn(
            f"It could not be carried out within {minutes} minutes after it was decided"
            f"{f' ({item.outcome})' if item.outcome else ''}. Nothing was sent since; look at it "
            "again and decide anew."
        )


def _insist_on_wanted(decision: Decision) -> None:
    if decision.called_off_at:
        raise outcomes.CannotGoOn(outcomes.was_called_off(decision))


def _insist_on_step_up(item: DecisionItem) -> None:
    _insist_on_recent(item)
    decision = item.decision
    step_up = decision.step_up
    longest = timedelta(seconds=settings.STEP_UP_SECONDS)
    subjects = decision.items.values_list(
        "staged_version__registry__url", "stage_id", "sha1", "sha512"
    )
    sealed = standing_of(step_up)
    if sealed == "of earlier version":
        raise outcomes.CannotGoOn(
            "It was decided before Countersign was updated, which now checks more of what was "
            "confirmed. Nothing was sent; decide again."
        )
    if (
        step_up.consumed_at is None
        or step_up.proved_at is None
        or sealed != "genuine"
        or step_up.user_id != decision.user_id
        or step_up.action != decision.action
        or step_up.reason != decision.reason
        or step_up.binding != binding_of(Action(decision.action), list(subjects))
        or step_up.consumed_at != decision.made_at
        or step_up.consumed_for != str(decision.pk)
        or not step_up.opened_at <= step_up.proved_at <= step_up.consumed_at
        or step_up.consumed_at - step_up.opened_at > longest
    ):
        raise outcomes.CannotGoOn(
            "This decision does not rest on a proof of presence. Nothing was sent; decide again."
        )
    if not is_marked(step_up, _account(item)):
        raise outcomes.CannotGoOn(RELINKED)


def _begin_attempt(item: DecisionItem, account_token: str) -> tuple[Attempt, GivenProof | None]:
    """Commits that a request is about to leave, and takes the registry's proof with it.

    Looks once more at who decided and at the account whose token will be sent: what an
    administrator, or the person, took away while the registry was asked stops the call.
    """
    with transaction.atomic():
        # In the order in which whoever removes somebody locks: person, decision, account.
        person = turnstile(item.decision.user)
        decision = outcomes.lock(item)
        _insist_on_wanted(decision)
        if decision.paused_at:
            raise NotItsTurn
        siblings = DecisionItem.objects.filter(decision_id=item.decision_id).exclude(pk=item.pk)
        states = set(siblings.order_by().values_list("state", flat=True).distinct())
        if states & {ItemState.ASKING, ItemState.SENT}:
            raise NotItsTurn
        _insist_on_needs(item)
        begun = DecisionItem.objects.filter(
            pk=item.pk, state=ItemState.WAITING, lease_holder=item.lease_holder
        ).update(state=ItemState.SENT, state_changed_at=timezone.now())
        if not begun:
            raise outcomes.LeaseLost
        _insist_on_same(item, person, account_token)
        _insist_on_nothing_new(item)
        item.state = ItemState.SENT
        proof = _take_proof(item, more_to_come=ItemState.WAITING in states)
        attempt = Attempt.objects.create(item=item)
    return attempt, proof


def _insist_on_needs(item: DecisionItem) -> None:
    """What it needs has ended as it should: accepted, and with no alarm over it since."""
    against = _unmet()
    if item.decision.action == Action.APPROVE:
        against |= Q(holds=True) & ~Q(needed__staged_version__alarm="")
    need = (
        item.needs.filter(against)
        .values_list(
            "needed__state",
            "needed__staged_version__package__name",
            "needed__staged_version__version",
            "needed__staged_version__alarm",
        )
        .first()
    )
    if need is None:
        return
    state, name, version, alarm = need
    if state != ItemState.DONE:
        raise NotItsTurn
    raise NotWithoutIt(
        f"It needs {name} {version}, over which there is an alarm. Nothing was sent. {alarm}"
    )


def _insist_on_nothing_new(item: DecisionItem) -> None:
    """Nothing speaks against it since that in the queue would have kept it from going out.

    Who asks for changes takes it back themselves.
    """
    if item.decision.action != Action.APPROVE:
        return
    changed = AuditEvent.objects.filter(kind=POLICIES_CHANGED, at__gte=item.decision.made_at)
    alarm, may_differ = StagedVersion.objects.values_list("alarm", Exists(changed)).get(
        pk=item.staged_version_id
    )
    if alarm:
        raise outcomes.CannotGoOn(alarm)
    if not may_differ:
        return
    row = item.staged_version
    policy = current_book().policy_for(row.registry.url, row.package.name).mark
    if not any(one[:2] == [str(item.stage_id), policy] for one in item.decision.step_up.sight):
        raise outcomes.CannotGoOn(
            "What its policy demands was changed since it was approved. Nothing was sent; look at "
            "it again and decide anew."
        )


def _insist_on_same(item: DecisionItem, person: User, account_token: str) -> None:
    row = item.staged_version
    if not may_decide(person, row.registry.url, row.package.name):
        raise outcomes.CannotGoOn(f"{person} may no longer decide this. Nothing was sent.")
    accounts_now = RegistryAccount.objects.select_for_update().filter(pk=_account(item).pk)
    account = accounts_now.first()
    if account is None:
        raise outcomes.CannotGoOn("Your registry account was unlinked. Nothing was sent.")
    if (
        accounts.token_of(account) != account_token
        or account.user_id != person.pk
        or not is_marked(item.decision.step_up, account)
    ):
        raise outcomes.CannotGoOn(RELINKED)
    if against := outcomes.why_not_on_its_way(item):
        raise outcomes.CannotGoOn(f"{against} Nothing was sent; decide again.")


def _take_proof(item: DecisionItem, *, more_to_come: bool) -> GivenProof | None:
    """Opens what is kept for this decision, and keeps it on only where it may serve once more."""
    kept = RegistryProof.objects.filter(decision_id=item.decision_id).first()
    if kept is None:
        return None
    code = _open(kept)
    one_call = (
        Decision.objects.filter(pk=item.decision_id, one_code_a_call=True).exists()
        or _account(item).codes == CodeUse.ONCE
    )
    if code is None or one_call or not more_to_come:
        kept.delete()
    else:
        RegistryProof.objects.filter(pk=kept.pk).update(calls=F("calls") + 1)
    return GivenProof(code, kept.kind, kept.calls + 1, kept.kept_at) if code else None


def _open(proof: RegistryProof) -> str | None:
    # The age is in the seal itself: nobody revives a code by changing a column.
    if proof.expires_at <= timezone.now():
        return None
    try:
        return unseal(
            proof.sealed_code,
            bound_to=outcomes.proof_binding(proof.decision_id, proof.kind),
            max_age=settings.REGISTRY_PROOF_SECONDS,
        )
    except SealBroken:
        return None


def _look_for_web_proof(item: DecisionItem, client: RegistryClient) -> None:
    if item.asked_until is None or item.asked_until <= timezone.now():
        outcomes.nobody_answered(item, "Nobody answered the registry's question in time.")
        return
    if not item.sealed_done_url:
        outcomes.ask_on(item, item.asked_until)
        return
    expires_at = item.state_changed_at + timedelta(seconds=settings.REGISTRY_PROOF_SECONDS)
    try:
        binding = outcomes.question_binding(item, item.auth_url)
        done_url = unseal(item.sealed_done_url, bound_to=binding)
        answer = poll_web_proof(client, done_url)
    except (NotFound, NotAuthorised, Forbidden, Conflict, RequestRefused):
        # How registries end a flow differs; whether the token is still good, the next call shows.
        outcomes.link_expired(item, questions.for_a_new_link(item))
        return
    if not isinstance(answer, Waiting):
        outcomes.answered(item, answer)
    elif timezone.now() >= expires_at:
        outcomes.link_expired(item, questions.for_a_new_link(item))
    else:
        pause = timedelta(seconds=max(answer.retry_after, 1))
        outcomes.ask_on(item, min(timezone.now() + pause, expires_at))

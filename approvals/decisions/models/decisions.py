"""A person's decision, the proof of presence it rests on, and every call it led to."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from approvals.people.models import RegistryAccount
from approvals.queue.models import StagedVersion
from approvals.sealing import SealedField


class Action(models.TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"


def new_challenge() -> str:
    return secrets.token_hex(32)


class StepUp(models.Model):
    """What a person is about to decide, written down, and then the proof of their presence.

    Proved by a passkey that signs `challenge`, or by a code; consumed by exactly the decision
    that it describes, and worth nothing otherwise.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="step_ups"
    )
    action = models.CharField(max_length=10, choices=Action)
    # SHA-256 over the action and, for each staged version, registry, stage id and digest.
    binding = models.CharField(max_length=64)
    # In what order a person reads it: registry address, stage id, SHA-1 and SHA-512 of each.
    subjects = models.JSONField(default=list)
    reason = models.TextField(blank=True)
    # What the person had before their eyes beside the tarballs: of each version to be approved,
    # stage id, the policy's mark, the baseline, and a digest of the findings.
    sight = models.JSONField(default=list)
    # SHA-256 of the session's key; what another browser opened proves nothing in this one.
    session = models.CharField(max_length=64, blank=True)
    # What a passkey signs: 32 random bytes in hexadecimal.
    challenge = models.CharField(max_length=64, default=new_challenge)
    opened_at = models.DateTimeField(default=timezone.now)
    method = models.CharField(max_length=20, blank=True)
    proved_at = models.DateTimeField(null=True, blank=True)
    # Whose account at the registry it is to be carried out with: see `stepup.mark_of`.
    account_mark = models.CharField(max_length=64, blank=True)
    # The whole row, sealed anew when it is opened, proved and consumed: a row that was written into
    # the database proves nothing.
    sealed_proof = SealedField(blank=True)
    consumed_at = models.DateTimeField(null=True, blank=True)
    # What it carries: the key of one decision, or "vote"; nothing else rests on it.
    consumed_for = models.CharField(max_length=36, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(consumed_at__isnull=True) | Q(proved_at__isnull=False),
                name="only_a_proved_step_up_is_consumed",
            ),
            models.CheckConstraint(
                condition=Q(action__in=Action.values), name="step_up_action_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.user_id}"


class Decision(models.Model):
    """A person's approve or reject of exactly these stage ids with exactly these digests."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions"
    )
    action = models.CharField(max_length=10, choices=Action)
    reason = models.TextField(blank=True)
    made_at = models.DateTimeField(default=timezone.now)
    step_up = models.OneToOneField(StepUp, on_delete=models.PROTECT, related_name="decision")
    account = models.ForeignKey(
        RegistryAccount, null=True, on_delete=models.SET_NULL, related_name="decisions"
    )
    # Set when a code was refused at its second call: from then on each call asks for its own.
    one_code_a_call = models.BooleanField(default=False)
    # While set, nothing more is begun; what is under way is brought to its end.
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # From then on nothing is begun any more, not even what was under way and came back undone.
    called_off_at = models.DateTimeField(null=True, blank=True)
    called_off_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(action__in=Action.values), name="decision_action_known"
            ),
            models.CheckConstraint(
                condition=~Q(action="reject") | ~Q(reason=""), name="rejecting_needs_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(paused_at__isnull=True, paused_by__isnull=True)
                | Q(paused_at__isnull=False, paused_by__isnull=False),
                name="paused_by_someone_at_some_time",
            ),
            models.CheckConstraint(
                condition=Q(called_off_at__isnull=True, called_off_by__isnull=True)
                | Q(called_off_at__isnull=False, called_off_by__isnull=False),
                name="called_off_by_someone_at_some_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.user_id}"


class ItemState(models.TextChoices):
    WAITING = "waiting", "Waiting for a worker"
    ASKING = "asking", "The registry asks for its second factor"
    SENT = "sent", "Sent to the registry"
    CHECKING = "checking", "Checking what became of it"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    # Never tried: what it needs of the same decision was not carried out.
    HELD = "held", "Held"


OPEN_ITEM_STATES = (ItemState.WAITING, ItemState.ASKING, ItemState.SENT, ItemState.CHECKING)


class DecisionItem(models.Model):
    """One staged version of a decision, and how far carrying it out has come."""

    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="items")
    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.PROTECT, related_name="decision_items"
    )
    stage_id = models.UUIDField()
    sha1 = models.CharField(max_length=40)
    sha512 = models.CharField(max_length=128)
    # In which step of the decision it is carried out, counted from 0: what needs nothing first.
    level = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=ItemState, default=ItemState.WAITING)
    state_changed_at = models.DateTimeField(default=timezone.now)
    # When a worker should look at it next; pushed ahead while the registry is away.
    due_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # What the registry asks, in the words for the person; and the web flow's two addresses. Who
    # polls the second one is handed the proof: it is as secret as a code.
    question = models.CharField(max_length=400, blank=True)
    auth_url = models.URLField(max_length=2000, blank=True)
    sealed_done_url = SealedField(blank=True)
    asked_until = models.DateTimeField(null=True, blank=True)
    # When whoever decided was told, wherever they are, that this very question waits for them.
    question_told_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=600, blank=True)

    class Meta:
        ordering = ["level", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "staged_version"], name="decided_once_per_decision"
            ),
            models.UniqueConstraint(
                fields=["staged_version"],
                condition=Q(state__in=["waiting", "asking", "sent", "checking"]),
                name="one_open_decision_per_staged_version",
            ),
            # One after the other: two calls at once would spend a code that is good for one.
            models.UniqueConstraint(
                fields=["decision"],
                condition=Q(state="sent"),
                name="one_call_in_flight_per_decision",
            ),
            models.CheckConstraint(
                condition=Q(state__in=ItemState.values), name="decision_item_state_known"
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.decision_id} of {self.stage_id}: {self.state}"


class ItemNeed(models.Model):
    """One version of a decision is carried out only once another one was."""

    item = models.ForeignKey(DecisionItem, on_delete=models.CASCADE, related_name="needs")
    needed = models.ForeignKey(DecisionItem, on_delete=models.CASCADE, related_name="needed_by")
    # Where the other one fails, this one is held; without, it only comes after.
    holds = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "needed"], name="item_need_once"),
            models.CheckConstraint(condition=~Q(item=F("needed")), name="no_item_needs_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} needs {self.needed_id}"


class Attempt(models.Model):
    """One call to the registry: written before the request leaves, answered after."""

    class Result(models.TextChoices):
        CARRIED_OUT = "carried_out", "carried out"
        ASKED = "asked", "the registry asked for its second factor"
        REFUSED = "refused", "refused"
        NOT_SENT = "not_sent", "not sent"
        # The registry's answer says that there is nothing (more) to decide.
        OVERTAKEN = "overtaken", "overtaken"
        # Sent, and no answer came: it may or may not have been carried out.
        UNKNOWN = "unknown", "unknown"

    item = models.ForeignKey(DecisionItem, on_delete=models.CASCADE, related_name="attempts")
    started_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=12, choices=Result, blank=True)
    answer = models.CharField(max_length=600, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["item"],
                condition=Q(answered_at__isnull=True),
                name="one_call_in_flight_per_item",
            ),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True, result="")
                | (Q(answered_at__isnull=False) & ~Q(result="")),
                name="answered_attempts_have_a_result",
            ),
        ]

    def __str__(self) -> str:
        return f"call for {self.item_id} at {self.started_at:%H:%M:%S}"


class RegistryProof(models.Model):
    """The registry's own second factor on its way through: sealed, short-lived, wiped after use.

    Kept from one call of a decision to the next while the registry takes it.
    """

    class Kind(models.TextChoices):
        CODE = "code", "a one-time code"
        WEB = "web", "the registry's own page"

    decision = models.OneToOneField(
        Decision, on_delete=models.CASCADE, primary_key=True, related_name="proof"
    )
    kind = models.CharField(max_length=4, choices=Kind)
    sealed_code = SealedField()
    kept_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["code", "web"]), name="registry_proof_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"proof for {self.decision_id}"

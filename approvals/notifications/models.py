"""Who is told, through which channel, when not, and how each telling went."""

import json

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.people.models import Team
from approvals.sealing import SealedField, fingerprint, seal, unseal


class Webhook(models.Model):
    """An address that gets events as signed JSON. What it gets, its destination says."""

    name = models.CharField(max_length=80, unique=True)
    url = models.URLField("address", max_length=500)
    sealed_secret = SealedField()
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Destination(models.Model):
    """Where news can go: a person's, a team's, or shared by everyone.

    Person-owned ones get only what that person may see. What a destination gets is said by its
    subscriptions; a person's e-mail that has none gets what everybody gets by default.
    """

    class Kind(models.TextChoices):
        """The channel that serves it, by its file's name."""

        EMAIL = "email", "E-mail"
        APPRISE = "apprise", "Chat or pager"
        WEBHOOK = "webhook", "Webhook"
        PUSH = "push", "Browser"

    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=80)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="destinations",
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="destinations"
    )
    # A chat's address holds its password, and a browser's lets anyone write to it. Empty for a
    # webhook, whose row holds it, and for the e-mail address of an account.
    sealed_address = SealedField(blank=True, default="")
    # What may be shown of the address: a scheme and a host, or a browser's name.
    shown_address = models.CharField(max_length=200, blank=True)
    # A keyed digest of the address: two rows for one browser would tell its person twice.
    fingerprint = models.CharField(max_length=64, blank=True)
    webhook = models.OneToOneField(
        Webhook, null=True, blank=True, on_delete=models.CASCADE, related_name="destination"
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=True) | Q(team__isnull=True),
                name="destination_has_one_owner",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["email", "apprise", "webhook", "push"]),
                name="destination_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="webhook", webhook__isnull=False)
                | (~Q(kind="webhook") & Q(webhook__isnull=True)),
                name="webhooks_alone_have_a_webhook",
            ),
            models.UniqueConstraint(
                fields=["kind", "person", "fingerprint"],
                condition=Q(person__isnull=False),
                name="destination_once_per_person",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def seal_address(self, address: str) -> None:
        """Keeps `address`; it opens for the same kind and owner alone."""
        self.sealed_address = seal(address, bound_to=self._bound_to)
        self.fingerprint = fingerprint(address, bound_to="destination")

    def open_address(self) -> str:
        """The address as it was sealed. Raises SealBroken."""
        return unseal(self.sealed_address, bound_to=self._bound_to)

    @property
    def _bound_to(self) -> str:
        return json.dumps(["destination", self.kind, self.person_id, self.team_id])


class Subscription(models.Model):
    """Some news that a destination gets: these kinds, of these packages, at this registry."""

    destination = models.ForeignKey(
        Destination, on_delete=models.CASCADE, related_name="subscriptions"
    )
    # Kinds of news, see `kinds.py`; empty for all of them.
    kinds = models.JSONField(default=list, blank=True)
    # Names in which "*" stands for anything but "/"; empty for every package.
    packages = models.JSONField(default=list, blank=True)
    # By address, like scopes; empty for every registry.
    registry_url = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"subscription of {self.destination_id}"


class QuietHours(models.Model):
    """When a person is told nothing that can wait, by the clock of their time zone."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="quiet_hours"
    )
    time_zone = models.CharField(max_length=64)
    # The days on which it begins, from 0 for Monday.
    weekdays = models.JSONField(default=list)
    # Ends on the next day where that is not later; the same moment is a whole day.
    starts = models.TimeField()
    ends = models.TimeField()

    class Meta:
        verbose_name_plural = "quiet hours"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.starts:%H:%M} to {self.ends:%H:%M}, {self.time_zone}"


class FeedItem(models.Model):
    """One event in one person's news."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feed_items"
    )
    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="feed_items")
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-event_id"]
        constraints = [
            models.UniqueConstraint(fields=["person", "event"], name="in_the_feed_once"),
        ]
        indexes = [
            models.Index(
                fields=["person", "event"],
                name="feed_unread",
                condition=Q(read_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"event {self.event_id} for {self.person_id}"


class PushKeys(models.Model):
    """What browsers know this dashboard by (VAPID): one row at most, made when first wanted.

    In the database, so that several machines sign alike.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    sealed_private_key = SealedField()
    public_key = models.CharField(max_length=200)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "push keys"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_pair_of_push_keys")]

    def __str__(self) -> str:
        return "push keys"


class Delivery(models.Model):
    """One event on its way to one recipient over one channel."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        # Tried for a day: it lies here until somebody sends it again.
        PARKED = "parked"
        # Given up, since no later try could help.
        FAILED = "failed"

    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=30)
    # What the channel needs to find the recipient again: an account's e-mail address, a webhook's
    # key, for all others a destination's key.
    recipient = models.CharField(max_length=320)
    # None where it goes to the e-mail address of an account.
    destination = models.ForeignKey(
        Destination, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries"
    )
    # Whose quiet hours and scopes hold; None where it is nobody's own.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="deliveries",
    )
    # The event's: what is of one version is told in its order.
    stage_id = models.UUIDField(null=True, blank=True)
    # As `messages.Urgency`.
    urgency = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(default=timezone.now)
    # Since when it could have been sent; a day later it is parked.
    tried_since = models.DateTimeField(default=timezone.now)
    # Set while it waits for the end of its person's quiet hours.
    quiet_until = models.DateTimeField(null=True, blank=True)
    # What may be told in one message has the same; empty for what is always told alone.
    gather_key = models.CharField(max_length=120, blank=True)
    # The delivery whose message tells of this one too. It never changes once that was tried, so
    # that a repeated message says the same under the same id.
    gathered_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="gathered"
    )
    # While this lies ahead, somebody is sending it; a dead worker's lease runs out.
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=400, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "channel", "recipient"], name="told_once_per_recipient"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "sent", "parked", "failed"]),
                name="delivery_state_known",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"]),
            # What waits is little; this keeps looking for its order from reading what was sent.
            models.Index(
                fields=["channel", "recipient", "stage_id"],
                name="delivery_order",
                condition=Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        # Without the recipient, which may be an address that not everyone should read.
        return f"{self.channel} about event {self.event_id}"

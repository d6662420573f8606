"""Who is told, through which channel, and how each telling went."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.sealing import SealedField


class Webhook(models.Model):
    """An address that gets each event as signed JSON."""

    name = models.CharField(max_length=80, unique=True)
    url = models.URLField("address", max_length=500)
    sealed_secret = SealedField()
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One event on its way to one recipient over one channel."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    event = models.ForeignKey(OutboxEvent, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=30)
    # What the channel needs to find the recipient again: an e-mail address, a webhook's key.
    recipient = models.CharField(max_length=320)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(default=timezone.now)
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
                condition=Q(state__in=["waiting", "sent", "failed"]), name="delivery_state_known"
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        # Without the recipient, which may be an address that not everyone should read.
        return f"{self.channel} about event {self.event_id}"

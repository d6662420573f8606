"""The chained log of who did what, and the events that one room leaves for another."""

from django.conf import settings
from django.db import models


class AuditHead(models.Model):
    """The end of the chain: one row, locked by whoever appends."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="audit_has_one_head"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


class AuditEvent(models.Model):
    """Something that happened. Written with what it describes, never changed."""

    sequence = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    kind = models.CharField(max_length=60, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    actor_name = models.CharField(max_length=150, default="Countersign")
    # What it is about, as "room.Model:key", and in words.
    subject = models.CharField(max_length=120, blank=True, db_index=True)
    subject_name = models.CharField(max_length=400, blank=True)
    stage_id = models.UUIDField(null=True, blank=True, db_index=True)
    detail = models.JSONField(default=dict, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind} {self.subject_name}"


class OutboxEvent(models.Model):
    """News that a higher room must act on; written with the state change, dispatched later.

    It lives here, in the lowest room, because every room above writes to it.
    """

    topic = models.CharField(max_length=60)
    at = models.DateTimeField(auto_now_add=True)
    stage_id = models.UUIDField(null=True, blank=True)
    payload = models.JSONField(default=dict)
    dispatched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["id"],
                name="outbox_undispatched",
                condition=models.Q(dispatched_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.stage_id or ''}".strip()

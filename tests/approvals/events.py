"""What was told and what was written down, oldest first."""

from approvals.audit.models import AuditEvent, OutboxEvent


def topics() -> list[str]:
    """Of all news in the outbox."""
    return list(OutboxEvent.objects.order_by("pk").values_list("topic", flat=True))


def kinds(prefix: str = "staged_version") -> list[str]:
    """Of the audit events whose kind begins like this."""
    events = AuditEvent.objects.filter(kind__startswith=prefix).order_by("sequence")
    return list(events.values_list("kind", flat=True))

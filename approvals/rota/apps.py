from django.apps import AppConfig


class RotaConfig(AppConfig):
    name = "approvals.rota"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.rota.schedules import CHANGED
        from approvals.rota.tasks import announce_gaps, follow_duty, look_after_assignments

        outbox.doorbell(CHANGED, announce_gaps.delay)
        outbox.doorbell(CHANGED, follow_duty.delay)
        for topic in ("staged_version.found", "staged_version.staged"):
            outbox.doorbell(topic, look_after_assignments.delay)

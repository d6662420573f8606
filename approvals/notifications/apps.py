from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "approvals.notifications"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.notifications.tasks import tell_waiting

        outbox.doorbell(outbox.ANY_TOPIC, tell_waiting.delay)

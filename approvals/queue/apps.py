from django.apps import AppConfig


class QueueConfig(AppConfig):
    name = "approvals.queue"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.queue.published import TOPIC
        from approvals.queue.tasks import look_up_published_packages, watch_accepted_versions

        outbox.doorbell("staged_version.accepted", watch_accepted_versions.delay)
        outbox.doorbell(TOPIC, look_up_published_packages.delay)

from django.apps import AppConfig


class InspectionConfig(AppConfig):
    name = "approvals.inspection"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.inspection import checks  # noqa: F401 - registered by being imported
        from approvals.inspection.tarballs import check_storage
        from approvals.inspection.tasks import inspect_waiting

        check_storage()
        for topic in (
            "staged_version.found",
            "inspection.requested",
            "inspection.requested_against",
        ):
            outbox.doorbell(topic, inspect_waiting.delay)

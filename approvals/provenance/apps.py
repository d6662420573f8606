from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    name = "approvals.provenance"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.provenance.tasks import check_waiting

        for topic in ("inspection.done", "provenance.requested", "provenance.handed_in"):
            outbox.doorbell(topic, check_waiting.delay)

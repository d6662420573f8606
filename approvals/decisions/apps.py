from django.apps import AppConfig


class DecisionsConfig(AppConfig):
    name = "approvals.decisions"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.decisions.tasks import carry_out_waiting

        for topic in ("decision.made", "decision.answered"):
            outbox.doorbell(topic, carry_out_waiting.delay)

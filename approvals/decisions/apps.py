from django.apps import AppConfig

# News after which policies may say something else of waiting versions. What is told of by the audit
# log alone, the next sweep finds.
_ABOUT_POLICIES = (
    "changes.lifted",
    "changes.requested",
    "glass.asked",
    "glass.broken",
    "inspection.done",
    "inspection.failed",
    "inspection.requested",
    "person.role_changed",
    "policies.changed",
    "provenance.found",
    "requirement.overridden",
    "staged_version.alarm",
    "staged_version.approving",
    "staged_version.failed",
    "staged_version.found",
    "staged_version.held",
    "staged_version.rejecting",
    "staged_version.staged",
    "teams.changed",
    "vote.cast",
    "vote.voided",
    "vote.withdrawn",
)


class DecisionsConfig(AppConfig):
    name = "approvals.decisions"

    def ready(self) -> None:
        from approvals.audit import outbox
        from approvals.decisions.tasks import (
            carry_out_waiting,
            gather_releases,
            look_at_policies,
        )

        for topic in ("decision.made", "decision.answered", "decision.resumed"):
            outbox.doorbell(topic, carry_out_waiting.delay)
        for topic in _ABOUT_POLICIES:
            outbox.doorbell(topic, look_at_policies.delay)
        for topic in ("inspection.done", "inspection.failed", "provenance.found"):
            outbox.doorbell(topic, gather_releases.delay)

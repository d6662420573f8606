from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Requirement


class NoAlarm(Requirement):
    """Nothing with an alarm goes out; getting rid of it stays possible."""

    key = "no_alarm"
    title = "No alarm"
    words = "What an alarm was raised about does not go out; it can still be rejected."
    is_always_in_force = True

    def look(self, case: Case) -> Answer:
        if case.version.alarm:
            return self.blocked(case.version.alarm, "Find out why; it can still be rejected.")
        return self.satisfied("No alarm was raised.")

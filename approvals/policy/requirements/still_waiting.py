from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Requirement
from approvals.queue.models import State

SENTENCES = {
    State.APPROVING: "It is being approved at this moment.",
    State.REJECTING: "It is being rejected at this moment.",
    State.ACCEPTED: "It was approved already; the registry is about to make it live.",
    State.LIVE: "It is live already.",
    State.REJECTED: "It was rejected already.",
    State.PUBLISHED_ELSEWHERE: "It was published already, without Countersign.",
    State.WITHDRAWN: "It is no longer at the registry: somebody rejected it elsewhere.",
}


class StillWaiting(Requirement):
    """Only what still waits can be decided."""

    key = "still_waiting"
    title = "Still staged"
    words = "What was decided already, here or elsewhere, is not decided once more."
    is_always_in_force = True
    holds_for_rejecting = True

    def look(self, case: Case) -> Answer:
        sentence = SENTENCES.get(State(case.version.state), "")
        return self.blocked(sentence) if sentence else self.satisfied("The registry has it staged.")

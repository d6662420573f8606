from approvals.queue.models import StagedVersion, State

SENTENCES = {
    State.APPROVING: "It is being approved at this moment.",
    State.REJECTING: "It is being rejected at this moment.",
    State.ACCEPTED: "It was approved already; the registry is about to make it live.",
    State.LIVE: "It is live already.",
    State.REJECTED: "It was rejected already.",
    State.PUBLISHED_ELSEWHERE: "It was published already, without Countersign.",
    State.WITHDRAWN: "It is no longer at the registry: somebody rejected it elsewhere.",
}


def obstacle(staged_version: StagedVersion, action: str) -> str:
    """Only what still waits can be decided."""
    return SENTENCES.get(State(staged_version.state), "")

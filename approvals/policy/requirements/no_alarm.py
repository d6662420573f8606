from approvals.queue.models import StagedVersion


def obstacle(staged_version: StagedVersion, action: str) -> str:
    """Nothing with an alarm goes out; getting rid of it stays possible."""
    return staged_version.alarm if action == "approve" else ""

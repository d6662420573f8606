"""What an action will do, in words: the same on its button, its confirmation and afterwards."""

from approvals.queue.models import StagedVersion


def gets_it(staged_version: StagedVersion) -> str:
    """Who will be able to install it: "everyone" where the package is public."""
    if staged_version.access == "public":
        return "everyone"
    return "everyone who may read this package"


def who_gets_it(staged_version: StagedVersion) -> str:
    """Who will have it without asking for this very version: that is what a dist-tag decides."""
    if staged_version.tag == "latest":
        return gets_it(staged_version)
    return f"{gets_it(staged_version)} who asks for {staged_version.tag}"


def approve_words(staged_version: StagedVersion) -> str:
    return (
        f"Approve: make {staged_version.version} installable by {gets_it(staged_version)} "
        f"as {staged_version.tag}"
    )


def reject_words(staged_version: StagedVersion) -> str:
    return f"Reject: delete {staged_version.version} from the registry for good"

"""What an action will do, in words: the same on its button, its confirmation and afterwards."""

from collections.abc import Sequence

from approvals.decisions.models import Action
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


def vote_words(have: int, wanted: int) -> str:
    """What approving does where others are wanted, too: `have` is with this approval."""
    return f"Approve: {min(have, wanted)} of {wanted}, nothing is sent yet"


def vote_several_words(versions: Sequence[StagedVersion]) -> str:
    """The same of several, of which each may want others."""
    return f"Approve {len(versions)} versions: nothing is sent yet, others are wanted, too"


def reject_words(staged_version: StagedVersion) -> str:
    return f"Reject: delete {staged_version.version} from the registry for good"


def approve_several_words(versions: Sequence[StagedVersion]) -> str:
    """What approving all of these does."""
    everyone = {gets_it(row) for row in versions}
    to_whom = everyone.pop() if len(everyone) == 1 else "those who may read these packages"
    return f"Approve {len(versions)} versions: make them installable by {to_whom}"


def reject_several_words(versions: Sequence[StagedVersion]) -> str:
    """What rejecting all of these does."""
    return f"Reject {len(versions)} versions: delete them from the registry for good"


def done_words(versions: Sequence[StagedVersion], action: Action) -> str:
    """What a person just decided, and what happens now."""
    what = str(versions[0]) if len(versions) == 1 else f"{len(versions)} versions"
    done = "rejected" if action == Action.REJECT else "approved"
    return f"You {done} {what}. This page shows what becomes of it at {versions[0].registry.name}."


def voted_words(versions: Sequence[StagedVersion]) -> str:
    """What a person just did where the policy wants others to approve, too."""
    what = str(versions[0]) if len(versions) == 1 else f"{len(versions)} versions"
    return f"Your approval of {what} counts. Nothing was sent yet: the policy wants others, too."

from approvals.inspection.models import InspectionRequest
from approvals.policy.answers import Answer
from approvals.policy.case import Case
from approvals.policy.requirement import Requirement

State = InspectionRequest.State


class Inspected(Requirement):
    """The tarball was compared, and it is the one that the registry announced."""

    key = "inspected"
    title = "Compared with what users have"
    words = (
        "Nothing is decided before its tarball was compared with the version that users have, and "
        "is the one that the registry announces."
    )
    is_always_in_force = True
    holds_for_rejecting = True

    def look(self, case: Case) -> Answer:
        request = case.request
        if request is None or request.state in {State.WAITING, State.RUNNING}:
            return self.not_yet(
                "The tarball has not been compared yet.", "Countersign does this by itself."
            )
        if request.state == State.FAILED or request.inspection is None:
            return self.blocked(
                f"The tarball could not be compared: {request.failure}", "Have it compared again."
            )
        inspection = request.inspection
        if (inspection.staged_sha1, inspection.staged_sha512) != (
            case.version.shasum,
            case.version.sha512,
        ):
            return self.blocked(
                "The tarball that was compared is not the one the registry announces. "
                "Compare it again, and find out why if that does not help."
            )
        return self.satisfied("The tarball was compared, and is the one that is staged.")

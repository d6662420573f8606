from approvals.inspection.models import InspectionRequest
from approvals.queue.models import StagedVersion

State = InspectionRequest.State


def obstacle(staged_version: StagedVersion, action: str) -> str:
    """The tarball was compared, and it is the one that the registry announced."""
    request = _request_of(staged_version)
    if request is None or request.state in {State.WAITING, State.RUNNING}:
        return "The tarball has not been compared yet."
    if request.state == State.FAILED or request.inspection is None:
        return f"The tarball could not be compared: {request.failure}"
    inspection = request.inspection
    if (inspection.staged_sha1, inspection.staged_sha512) != (
        staged_version.shasum,
        staged_version.sha512,
    ):
        return (
            "The tarball that was compared is not the one the registry announces. "
            "Compare it again, and find out why if that does not help."
        )
    return ""


def _request_of(staged_version: StagedVersion) -> InspectionRequest | None:
    # Whoever asks about many has read them with their versions.
    if "inspection_request" in staged_version._state.fields_cache:
        joined: InspectionRequest | None = staged_version._state.fields_cache["inspection_request"]
        return joined
    return (
        InspectionRequest.objects.filter(staged_version=staged_version)
        .select_related("inspection")
        .defer("inspection__summary")
        .first()
    )

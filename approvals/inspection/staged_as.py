"""How one version was staged, from what the database and the registry know."""

from approvals.inspection.models import Inspection
from approvals.inspection.staging import Dependency, Stager, Staging
from approvals.queue.models import StagedVersion
from registry_client.versions import Baseline, Packument

_MOST_EARLIER = 200


def staging_of(
    row: StagedVersion,
    inspection: Inspection,
    baseline: Baseline,
    packument: Packument | None,
    new_dependencies: tuple[Dependency, ...] = (),
) -> Staging:
    """All of it. `new_dependencies` is what the registry said of them."""
    return Staging(
        stage_id=str(row.stage_id),
        package=row.package.name,
        version=row.version,
        tag=row.tag,
        access=row.access,
        actor=row.actor,
        actor_type=row.actor_type,
        created_at=row.created_at,
        listed_shasum=row.shasum,
        shasum=inspection.staged_sha1,
        sha512=inspection.staged_sha512,
        manifest_new=inspection.summary.get("manifest_new"),
        manifest_old=inspection.summary.get("manifest_old"),
        baseline_version=baseline.version.version if baseline.version else "",
        packument=packument,
        earlier=_earlier(row),
        new_dependencies=new_dependencies,
    )


def _earlier(row: StagedVersion) -> tuple[Stager, ...]:
    """Who staged versions of this package before, the last first."""
    rows = (
        StagedVersion.objects.filter(package=row.package_id, created_at__lt=row.created_at)
        .order_by("-created_at", "-pk")
        .values_list("version", "actor", "actor_type")[:_MOST_EARLIER]
    )
    return tuple(Stager(*values) for values in rows)

"""Saying where a package must be built: anything else is critical from then on."""

from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.people.models import User
from approvals.provenance.alike import workflow_of
from approvals.provenance.case import open_cases
from approvals.provenance.expected_as_written import (
    LABELS,
    LONGEST,
    PinRefused,
    typed_environment,
    typed_ref_pattern,
    typed_repository,
    typed_workflow,
)
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.refs import ANY, is_request, ref_pattern
from approvals.provenance.verdict import verdict_of
from approvals.provenance.words import named, plain
from approvals.queue.models import Package
from registry_client.provenance import Build

__all__ = ["PinRefused", "pin", "pin_from", "unpin"]


def pin(
    package: Package,
    *,
    actor: User | None,
    repository: str,
    workflow: str = "",
    ref_pattern: str = "",
    environment: str = "",
) -> ExpectedPublisher:
    """Pins what a person wrote; whatever is empty may be anything. Raises PinRefused.

    It replaces what was pinned before, and the numbers of repository and owner with it: nobody
    knows whether the address still leads to what they are of.
    """
    address = typed_repository(repository)
    return _keep(
        package,
        actor,
        {
            "repository": address,
            "workflow": typed_workflow(workflow, address),
            "ref_pattern": typed_ref_pattern(ref_pattern),
            "environment": typed_environment(environment),
        },
    )


def pin_from(check: ProvenanceCheck, *, actor: User | None) -> ExpectedPublisher:
    """Pins what was proven for the baseline of this check. Raises PinRefused.

    Never what was proven for the staged version itself: that is still to be judged.
    """
    baseline = check.baseline
    build = baseline.built if baseline else None
    if baseline is None or build is None:
        raise PinRefused(
            "Nothing is proven about the baseline, so there is nothing to pin. Write by hand where "
            "the package must be built."
        )
    return _keep(
        check.staged_version.package,
        actor,
        {**_proven(build, baseline), "pinned_from": baseline.version},
    )


def unpin(package: Package, *, actor: User | None) -> bool:
    """Lets the package be built anywhere again; False where nothing was pinned."""
    with transaction.atomic():
        _lock(package)
        expected = ExpectedPublisher.objects.filter(package=package).first()
        if expected is None:
            return False
        was = expected.as_json()
        expected.delete()
        _settle_verdicts(package)
        record("publisher.unpinned", actor=actor, subject=package, **was)
    return True


def _keep(package: Package, actor: User | None, values: dict[str, str]) -> ExpectedPublisher:
    values = {**dict.fromkeys((*LONGEST, "pinned_from"), ""), **values}
    with transaction.atomic():
        _lock(package)
        before = ExpectedPublisher.objects.filter(package=package).first()
        was = before.as_json() if before else None
        if before is not None and was == values:
            return before
        expected, _ = ExpectedPublisher.objects.update_or_create(
            package=package,
            defaults={**values, "pinned_at": timezone.now(), "pinned_by": actor},
        )
        _settle_verdicts(package)
        record("publisher.pinned", actor=actor, subject=package, was=was, **expected.as_json())
    return expected


def _lock(package: Package) -> None:
    """Two administrators pin one after the other, and each sees what the other did."""
    Package.objects.select_for_update(no_key=True).get(pk=package.pk)


def _settle_verdicts(package: Package) -> None:
    """Those that there are: a worker that has not judged yet will read the pin."""
    changed = []
    for check, case in open_cases(package):
        verdict = verdict_of(case)
        if check.verdict not in (ProvenanceCheck.Verdict.UNKNOWN, verdict):
            check.verdict = verdict
            changed.append(check)
    ProvenanceCheck.objects.bulk_update(changed, ["verdict"], batch_size=500)


def _proven(build: Build, baseline: Provenance) -> dict[str, str]:
    if is_request(build.ref):
        raise PinRefused(
            f"{plain(baseline.version)} was built for a pull or merge request, which is no place "
            "to expect releases from. Write by hand where the package must be built."
        )
    if ANY in build.ref:
        raise PinRefused(
            f"{plain(baseline.version)} was built from {named(build.ref)}, and in what is expected "
            "* means anything. Write by hand where the package must be built.",
        )
    values = {
        "repository": build.repository,
        "repository_id": build.repository_id,
        "owner_id": build.owner_id,
        "workflow": workflow_of(build),
        "ref_pattern": ref_pattern(build.ref, baseline.version),
        "environment": build.environment,
    }
    for name, value in values.items():
        if len(value) > LONGEST[name] or not value.isprintable():
            raise PinRefused(
                f"{LABELS[name]} that was proven for {plain(baseline.version)} is too long to be "
                "pinned, or has hidden characters. Write by hand where the package must be built."
            )
    return values

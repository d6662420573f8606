"""Saying where a package must be built: anything else is critical from then on."""

from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.people.models import User
from approvals.provenance.alike import same_address, workflow_of
from approvals.provenance.case import Case
from approvals.provenance.expected_as_written import (
    LABELS,
    LONGEST,
    PinRefused,
    as_typed,
)
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.refs import ANY, is_request, ref_pattern
from approvals.provenance.settle import settle_open
from approvals.provenance.words import has_hidden, named, plain
from approvals.queue.models import Package
from registry_client.provenance import Build

__all__ = ["PinRefused", "pin", "pin_from", "suggestion_for", "unpin"]
# Whoever hands a bundle in chooses which one; the registry has what users get.
_OF_THE_REGISTRY = frozenset({Provenance.Source.REGISTRY, Provenance.Source.ITEM})
_WRITTEN = ("repository", "workflow", "ref_pattern", "environment")


def pin(
    package: Package,
    *,
    actor: User | None,
    repository: str,
    workflow: str = "",
    ref_pattern: str = "",
    environment: str = "",
) -> ExpectedPublisher:
    """Pins what a person wrote; whatever is empty may be anything. Raises PinRefused, with all
    fields that are wrong.

    It replaces what was pinned before. The numbers of repository and owner that were proven stay
    with the address that they were proven for, and go with it.
    """
    written = as_typed(repository, workflow, ref_pattern, environment)
    address = written["repository"]
    with transaction.atomic():
        _lock(package)
        before = ExpectedPublisher.objects.filter(package=package).first()
        if before is None or not same_address(before.repository, address):
            return _keep(package, before, actor, written)
        if all(getattr(before, name) == value for name, value in written.items()):
            return before
        numbers = {"repository_id": before.repository_id, "owner_id": before.owner_id}
        return _keep(package, before, actor, written | numbers)


def pin_from(
    check: ProvenanceCheck, *, baseline: int | None = None, actor: User | None
) -> ExpectedPublisher:
    """Pins what was proven for the baseline of this check. Raises PinRefused.

    `baseline` is the key of the provenance that its page showed: another one is not pinned unseen.
    Never what was proven for the staged version itself: that is still to be judged.
    """
    package = check.staged_version.package
    with transaction.atomic():
        _lock(package)
        now = (
            ProvenanceCheck.objects.select_for_update(no_key=True, of=("self",))
            .select_related("baseline")
            .defer("baseline__compressed")
            .get(pk=check.pk)
            .baseline
        )
        if baseline is not None and (now is None or now.pk != baseline):
            raise PinRefused(
                "It is compared with another release by now than the page showed. Look at what was "
                "proven for that one, and pin it then."
            )
        build = now.built if now else None
        if now is None or build is None:
            raise PinRefused(
                "Nothing is proven about the baseline, so there is nothing to pin. Write by hand "
                "where the package must be built."
            )
        if now.source not in _OF_THE_REGISTRY:
            raise PinRefused(
                f"What is proven for {plain(now.version)} came from elsewhere than its registry, "
                "which may know of another proof. Write by hand where the package must be built."
            )
        before = ExpectedPublisher.objects.filter(package=package).first()
        values = {**_proven(build, now), "pinned_from": now.version}
        return _keep(package, before, actor, values)


def suggestion_for(case: Case) -> dict[str, str]:
    """What a form for writing it by hand begins with: as `pin` takes it, empty where unknown.

    What is pinned; else what the version is compared with, and never its own provenance, which is
    still to be judged.
    """
    if case.expected is not None:
        return {name: getattr(case.expected, name) for name in _WRITTEN}
    known = case.compared
    if known is None:
        return {}
    values = _values(known.build, known.version)
    return {name: values[name] if _is_pinnable(name, values[name]) else "" for name in _WRITTEN}


def unpin(package: Package, *, actor: User | None) -> bool:
    """Lets the package be built anywhere again; False where nothing was pinned."""
    with transaction.atomic():
        _lock(package)
        expected = ExpectedPublisher.objects.filter(package=package).first()
        if expected is None:
            return False
        was = expected.as_json()
        expected.delete()
        settle_open(package)
        record("publisher.unpinned", actor=actor, subject=package, **was)
    return True


def _keep(
    package: Package,
    before: ExpectedPublisher | None,
    actor: User | None,
    values: dict[str, str],
) -> ExpectedPublisher:
    """The package is locked by now."""
    values = {**dict.fromkeys((*LONGEST, "pinned_from"), ""), **values}
    was = before.as_json() if before else None
    if before is not None and was == values:
        return before
    expected, _ = ExpectedPublisher.objects.update_or_create(
        package=package,
        defaults={**values, "pinned_at": timezone.now(), "pinned_by": actor},
    )
    settle_open(package)
    record("publisher.pinned", actor=actor, subject=package, was=was, **expected.as_json())
    return expected


def _lock(package: Package) -> None:
    """Two administrators pin one after the other, and each sees what the other did."""
    Package.objects.select_for_update(no_key=True).get(pk=package.pk)


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
    values = _values(build, baseline.version)
    for name, value in values.items():
        if not _is_pinnable(name, value):
            raise PinRefused(
                f"{LABELS[name]} that was proven for {plain(baseline.version)} is too long to be "
                "pinned, or has hidden characters. Write by hand where the package must be built."
            )
    return values


def _values(build: Build, version: str) -> dict[str, str]:
    return {
        "repository": build.repository,
        "repository_id": build.repository_id,
        "owner_id": build.owner_id,
        "workflow": workflow_of(build),
        # Nothing is expected from a request, and a * of its own would mean anything.
        "ref_pattern": ""
        if is_request(build.ref) or ANY in build.ref
        else ref_pattern(build.ref, version),
        "environment": build.environment,
    }


def _is_pinnable(name: str, value: str) -> bool:
    return len(value) <= LONGEST[name] and not has_hidden(value)

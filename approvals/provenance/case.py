"""All that is known of where one staged version and those before it were built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from approvals.provenance.alike import Release, with_numbers
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.queue.models import OPEN_STATES, Package, StagedVersion
from registry_client.versions import sort_key


@dataclass(frozen=True)
class Case:
    """What the comparison, the findings, the sentence and the verdict are made from.

    `provenance` is None where nobody has looked yet; `is_compared` is False where it is not known
    yet what it is compared with, so that no baseline says nothing. `history` is of published
    versions, the newest version first, the baseline among them; `history_gap` is the newest
    published version that is not among them, "" if all are. `git_head` is what package.json says.
    """

    version: str
    actor: str
    actor_type: str
    provenance: Provenance | None
    is_compared: bool
    baseline_version: str
    baseline: Provenance | None
    history: tuple[Provenance, ...]
    history_gap: str
    expected: ExpectedPublisher | None
    git_head: str
    stage_id: str = ""

    @cached_property
    def now(self) -> Release | None:
        """The staged version, if it is proven where it was built."""
        return _release(self.provenance)

    @cached_property
    def before(self) -> Release | None:
        """The baseline, if it is proven where that was built.

        Early certificates have no numbers of repository and owner: then with those that the newest
        release from the same address has. Otherwise a repository that was made anew by that address
        would pass for the old one.
        """
        before = _release(self.baseline)
        return with_numbers(before, self.published) if before else None

    @cached_property
    def published(self) -> tuple[Release, ...]:
        """The published versions that are proven, the newest first."""
        return tuple(release for row in self.history if (release := _release(row)))

    @cached_property
    def compared(self) -> Release | None:
        """What findings compare with: the baseline; where that is not proven, the newest proven
        version below this one, or the newest of all.

        Otherwise one release without provenance would be enough to move the next one elsewhere
        unseen.
        """
        own = sort_key(self.version)
        below = (one for one in self.published if sort_key(one.version) < own)
        one = self.before or next(below, None) or next(iter(self.published), None)
        return with_numbers(one, self.published) if one else None


def _release(row: Provenance | None) -> Release | None:
    if row is None or row.built is None:
        return None
    return Release(row.version, row.built, row.signed_at)


def case_of(check: ProvenanceCheck | None, staged_version: StagedVersion) -> Case:
    """The case of one staged version, in at most four queries."""
    expected = ExpectedPublisher.objects.filter(package=staged_version.package_id).first()
    return _case(check, staged_version, expected)


def open_cases(package: Package) -> list[tuple[ProvenanceCheck, Case]]:
    """Each check of the package that is not decided yet with its case; the checks stay locked.

    To be called in a transaction. The number of queries is the same for any number of checks.
    """
    return cases_of(
        ProvenanceCheck.objects.select_for_update(no_key=True, of=("self",))
        .filter(staged_version__package=package, staged_version__state__in=OPEN_STATES)
        .select_related("staged_version__package", "staged_version__registry")
        .order_by("pk")
    )


def cases_of(checks: Iterable[ProvenanceCheck]) -> list[tuple[ProvenanceCheck, Case]]:
    """Each of these checks with its case, in as many queries for any number."""
    checks = list(checks)
    packages = {check.staged_version.package_id for check in checks}
    expected = {
        one.package_id: one for one in ExpectedPublisher.objects.filter(package__in=packages)
    }
    prefetch_related_objects(checks, *_needed())
    return [
        (check, _case(check, check.staged_version, expected.get(check.staged_version.package_id)))
        for check in checks
    ]


def _case(
    check: ProvenanceCheck | None,
    staged_version: StagedVersion,
    expected: ExpectedPublisher | None,
) -> Case:
    provenance = baseline = None
    is_compared = False
    history: list[Provenance] = []
    if check is not None:
        prefetch_related_objects([check], *_needed())
        baseline = check.baseline
        # What is proven about another tarball, which had this version before, says nothing of this.
        if check.provenance and check.provenance.sha512 == staged_version.sha512:
            provenance = check.provenance
        # A baseline that was found is one, even where the rest of the history could not be read.
        is_compared = check.compared_at is not None or baseline is not None
        history = [row for row in check.history.all() if row.version != staged_version.version]
        if baseline is not None and baseline not in history:
            history.append(baseline)
        history.sort(key=lambda row: sort_key(row.version), reverse=True)
    return Case(
        version=staged_version.version,
        actor=staged_version.actor,
        actor_type=staged_version.actor_type,
        provenance=provenance,
        is_compared=is_compared,
        baseline_version=check.baseline_version if check else "",
        baseline=baseline,
        history=tuple(history),
        history_gap=check.history_gap if check else "",
        expected=expected,
        git_head=staged_version.git_head,
        stage_id=str(staged_version.stage_id),
    )


def _needed() -> list[Prefetch[str, QuerySet[Provenance]]]:
    # What is there already is not fetched again. Nobody needs a dozen bundles to compare.
    rows = Provenance.objects.defer("compressed")
    return [Prefetch(name, queryset=rows) for name in ("provenance", "baseline", "history")]

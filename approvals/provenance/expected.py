"""Saying where a package must be built: anything else is critical from then on."""

import re

from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.people.models import User
from approvals.provenance.alike import host_of, workflow_of
from approvals.provenance.case import open_cases
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.refs import ANY, BRANCHES, TAGS, is_request, ref_pattern
from approvals.provenance.verdict import verdict_of
from approvals.provenance.words import named, plain
from approvals.queue.models import Package
from registry_client.provenance import Build

_LONGEST = {
    **{"repository": 500, "repository_id": 40, "owner_id": 40, "workflow": 300},
    **{"ref_pattern": 300, "environment": 200},
}
_LABELS = {
    "repository": "The repository's address",
    "repository_id": "The repository's number",
    "owner_id": "The owner's number",
    "workflow": "The workflow's path",
    "ref_pattern": "The branch or tag",
    "environment": "The environment's name",
}
_HOST = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+(?::[0-9]{1,5})?"
_REPOSITORY = re.compile(rf"https://{_HOST}(?:/[A-Za-z0-9._~-]+){{2,}}")
# What git allows in no ref, the * aside: https://git-scm.com/docs/git-check-ref-format
_NOT_IN_REFS = re.compile(r"[\s~^:?\[\\]|\.\.|//|@\{|/\.|\.lock(?:/|$)")
_GITHUB = "github.com"
_GITHUB_WORKFLOWS = ".github/workflows/"


class PinRefused(Exception):
    """This cannot be pinned; the text says why, and what to do.

    `field` names what is wrong as a form would; "" where it is about the whole.
    """

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


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
    address = _repository(repository)
    return _keep(
        package,
        actor,
        {
            "repository": address,
            "workflow": _workflow(workflow, address),
            "ref_pattern": _ref_pattern(ref_pattern),
            "environment": _environment(environment),
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
    with transaction.atomic():
        _lock(package)
        before = ExpectedPublisher.objects.filter(package=package).first()
        expected, _ = ExpectedPublisher.objects.update_or_create(
            package=package,
            defaults={
                **dict.fromkeys((*_LONGEST, "pinned_from"), ""),
                **values,
                "pinned_at": timezone.now(),
                "pinned_by": actor,
            },
        )
        if before is None or before.as_json() != expected.as_json():
            _settle_verdicts(package)
            was = before.as_json() if before else None
            record("publisher.pinned", actor=actor, subject=package, was=was, **expected.as_json())
    return expected


def _lock(package: Package) -> None:
    """Two administrators pin one after the other, and each sees what the other did."""
    Package.objects.select_for_update(no_key=True).get(pk=package.pk)


def _settle_verdicts(package: Package) -> None:
    changed = []
    for check, case in open_cases(package):
        verdict = verdict_of(case)
        if check.verdict != verdict:
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
        if len(value) > _LONGEST[name] or not value.isprintable():
            raise PinRefused(
                f"{_LABELS[name]} that was proven for {plain(baseline.version)} is too long to be "
                "pinned, or has hidden characters. Write by hand where the package must be built."
            )
    return values


def _repository(text: str) -> str:
    text = _typed(text, "repository").rstrip("/").removesuffix(".git").rstrip("/")
    scheme, slashes, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    address = f"{scheme.lower()}{slashes}{host.lower()}{slash}{path}"
    if "@" in host or "?" in rest or "#" in rest:
        raise PinRefused(
            "Write the repository's address only: no name, password or token, and no ? or #.",
            "repository",
        )
    segments = path.split("/")
    if not _REPOSITORY.fullmatch(address) or "." in segments or ".." in segments:
        raise PinRefused(
            "Write the repository's whole address, as https://github.com/OWNER/NAME.", "repository"
        )
    return address


def _workflow(text: str, repository: str) -> str:
    path = _typed(text, "workflow")
    if not path:
        return ""
    segments = path.split("/")
    is_path = "\\" not in path and ":" not in path and not {"", ".", ".."} & set(segments)
    if not is_path or not path.endswith((".yml", ".yaml")):
        raise PinRefused(
            "Write the workflow file's path in the repository, ending in .yml or .yaml, without "
            f"its branch: {_GITHUB_WORKFLOWS}release.yml or .gitlab-ci.yml.",
            "workflow",
        )
    if host_of(repository) == _GITHUB and not path.startswith(_GITHUB_WORKFLOWS):
        raise PinRefused(
            f"GitHub has its workflows in {_GITHUB_WORKFLOWS}: write the whole path, as "
            f"{_GITHUB_WORKFLOWS}{named(segments[-1])}.",
            "workflow",
        )
    return path


def _ref_pattern(text: str) -> str:
    pattern = _typed(text, "ref_pattern")
    if not pattern:
        return ""
    if not pattern.startswith((BRANCHES, TAGS)):
        name = named(pattern)
        if pattern.startswith("refs/"):
            sentence = f"{name} is no branch and no tag: write one that starts with {BRANCHES} or "
            raise PinRefused(f"{sentence}{TAGS}.", "ref_pattern")
        raise PinRefused(
            f"{name} may be a branch or a tag: write {BRANCHES}{name} for the branch, or "
            f"{TAGS}{name} for the tag.",
            "ref_pattern",
        )
    name = pattern.removeprefix(BRANCHES).removeprefix(TAGS)
    if not name or name.startswith("/") or name.endswith(("/", ".")) or _NOT_IN_REFS.search(name):
        raise PinRefused(
            f"git allows no such name. Write {BRANCHES}main for a branch, or {TAGS}v* for tags "
            "where * stands for anything.",
            "ref_pattern",
        )
    return pattern


def _environment(text: str) -> str:
    return _typed(text, "environment")


def _typed(text: str, field: str) -> str:
    """What somebody typed, without spaces around it. Raises PinRefused."""
    text = text.strip()
    if len(text) > _LONGEST[field]:
        raise PinRefused(
            f"{_LABELS[field]} has at most {_LONGEST[field]} characters. Write it shorter, or "
            "leave it out.",
            field,
        )
    if not text.isprintable():
        raise PinRefused(
            f"{_LABELS[field]} has hidden characters in it. Type it anew instead of pasting it.",
            field,
        )
    return text

"""What staged versions are told together by: the commit that built them, or their source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from approvals.decisions.models.releases import LONGEST_SOURCE
from approvals.decisions.releases.asked import scope_of
from approvals.inspection.models import InspectionRequest
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.queue.models import StagedVersion

_SHORT = re.compile(r"(?:(github|gitlab|bitbucket):)?([\w.-]+/[\w.-]+)(?:#.*)?")
_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}
_LIKE_SSH = re.compile(r"(?:[^@/\s]+@)?([\w.-]+):([\w./~-]+)")
_REPOSITORY = "inspection__summary__manifest_new__repository"


@dataclass(frozen=True)
class Belonging:
    """What is known of one staged version. `commit` is "repository@commit" as its provenance
    proves it, `repository` what package.json says, in one spelling; "" where there is none.
    """

    registry: int
    name: str
    actor: str
    created_at: datetime
    commit: str = ""
    repository: str = ""

    @property
    def scope(self) -> str:
        """Of its name; "" for none."""
        return scope_of(self.name)

    @property
    def source(self) -> str:
        """The repository, or the scope of the name."""
        return self.repository or self.scope

    def is_of_the_source_of(self, other: Belonging) -> bool:
        """Whether both say the same of their repository; where one says nothing, of the scope."""
        if self.repository and other.repository:
            return self.repository == other.repository
        scope = scope_of(self.name)
        return bool(scope) and scope == scope_of(other.name)

    def is_of_the_run_of(self, other: Belonging) -> bool:
        """Whether the same actor staged both, from the same source; whenever that was."""
        return (
            bool(self.actor)
            and self.registry == other.registry
            and self.actor == other.actor
            and self.is_of_the_source_of(other)
        )


def belongings_of(staged_versions: Iterable[StagedVersion]) -> dict[int, Belonging]:
    """What is known of each, by key, in two queries. They must have been read with package."""
    rows = list(staged_versions)
    keys = [row.pk for row in rows]
    commits = proven_commits(keys)
    done = InspectionRequest.objects.filter(
        staged_version__in=keys, state=InspectionRequest.State.DONE
    )
    repositories = dict(done.values_list("staged_version", _REPOSITORY))
    return {
        row.pk: Belonging(
            registry=row.registry_id,
            name=row.package.name,
            actor=row.actor,
            created_at=row.created_at,
            commit=commits.get(row.pk, ""),
            repository=repository_in(repositories.get(row.pk)),
        )
        for row in rows
    }


def proven_commits(keys: Iterable[int]) -> dict[int, str]:
    """By the key of a staged version, the repository and commit that built its very tarball."""
    checks = ProvenanceCheck.objects.filter(
        staged_version__in=list(keys), provenance__outcome=Provenance.Outcome.VERIFIED
    ).values_list(
        "staged_version",
        "staged_version__sha512",
        "provenance__sha512",
        "provenance__build__repository",
        "provenance__build__commit",
    )
    found = {}
    for pk, staged, proven, repository, commit in checks:
        text = f"{repository}@{commit}"
        if staged and staged == proven and repository and commit and len(text) <= LONGEST_SOURCE:
            found[pk] = text
    return found


def repository_in(field: Any) -> str:  # noqa: PLR0911 - one line a spelling
    """The repository field of a package.json in one spelling, as "github.com/acme/ui"; or "".

    A folder within the repository says nothing: a monorepo has many.
    """
    url = field.get("url") if isinstance(field, Mapping) else field
    if not isinstance(url, str) or not url.strip() or len(url) > LONGEST_SOURCE:
        return ""
    url = url.strip()
    if not url.isprintable():
        return ""
    if short := _SHORT.fullmatch(url):
        return _spelt(_HOSTS[short[1] or "github"], short[2])
    if "://" in url:
        try:
            parts = urlsplit(url.removeprefix("git+"))
            host = parts.hostname or ""
        except ValueError:
            return ""
        return _spelt(host, parts.path)
    if ssh := _LIKE_SSH.fullmatch(url):
        return _spelt(ssh[1], ssh[2])
    return ""


def _spelt(host: str, path: str) -> str:
    path = path.partition("#")[0].strip("/").removesuffix(".git").strip("/")
    host = host.lower().removeprefix("www.")
    # The services where everybody is read names in any case.
    if host in _HOSTS.values():
        path = path.lower()
    return f"{host}/{path}" if host and path else ""

"""Where a version was built, as the review page tells it: the chain, and where its links lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from approvals.provenance.case import Case
from approvals.provenance.comparison import Line
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.provenance.verdict import verdict_of
from approvals.provenance.words import (
    ref_name,
    repository_name,
    runner_name,
    short_commit,
    workflow_name,
)
from approvals.queue.models import StagedVersion
from registry_client.provenance import Build

LOG_SEARCH = "https://search.sigstore.dev/?logIndex={index}"
SHORT_DIGEST = 16
OF_THE_COMMIT = frozenset({"repository", "owner", "ref"})
OF_THE_RUN = frozenset({"workflow", "trigger", "builder", "environment"})
PLATFORMS = {"github": "GitHub Actions", "gitlab": "GitLab CI"}
_COMMIT_PATHS = {"github": "commit/{commit}", "gitlab": "-/commit/{commit}"}
_COMPARE_PATHS = {"github": "compare/{old}...{new}", "gitlab": "-/compare/{old}...{new}"}


@dataclass(frozen=True)
class Link:
    """A way out of Countersign, with the host that it leads to."""

    words: str
    address: str

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""


@dataclass(frozen=True)
class Stop:
    """One stop on the way from the commit to the registry.

    `proof` says what holds it to the stop before, and `state` how well: "proven", "otherwise"
    (proven, and unlike the baseline), "broken" (a proof that does not hold) or "unknown". `was`
    is how the baseline differed here.
    """

    title: str
    value: str
    detail: str
    proof: str
    state: str
    link: Link | None = None
    was: str = ""


@dataclass(frozen=True)
class InShort:
    """Where it was built in a glance: `tone` is "ok", "warn", "bad" or ""."""

    words: str
    detail: str
    tone: str


def in_short(case: Case) -> InShort:
    """The fact for the top of the page."""
    if case.provenance is None:
        return InShort("Not known yet", "", "")
    built = case.provenance.built
    if built is not None:
        where = repository_name(built.repository)
        words = f"{workflow_name(built) or where} on {ref_name(built.ref)}"
        if verdict_of(case) == ProvenanceCheck.Verdict.CHANGED:
            return InShort(words, f"{where}, otherwise than before", "bad")
        compared = f"as {case.baseline_version} was" if case.before else "nothing to compare with"
        return InShort(words, f"{where}, {compared}", "ok")
    if case.provenance.outcome == Provenance.Outcome.REFUSED:
        return InShort("Provenance does not hold", "What it claims is not proven", "bad")
    if case.before is not None:
        return InShort("Not proven", f"{case.baseline_version} was proven", "bad")
    return InShort("Not proven", "No provenance was found", "")


def chain_of(case: Case, lines: Sequence[Line], staged_version: StagedVersion) -> list[Stop]:
    """The way of the tarball: commit, workflow run, tarball, registry.

    `lines` is the comparison with the baseline.
    """
    found = case.provenance
    if found is None or found.built is None:
        start = _unknown_stops(case, staged_version)
    else:
        start = _proven_stops(found, found.built, lines, staged_version)
    return [*start, _registry_stop(staged_version, found)]


def _unknown_stops(case: Case, staged_version: StagedVersion) -> list[Stop]:
    refused = case.provenance is not None and case.provenance.outcome == Provenance.Outcome.REFUSED
    digest = _digest(staged_version)
    return [
        Stop("Commit", "Not known", "", "", "unknown"),
        Stop("Workflow run", "Not known", "", "Nothing ties it to a commit", "unknown"),
        Stop("Tarball", digest, "", "Its provenance does not hold", "broken")
        if refused
        else Stop("Tarball", digest, "", "Nothing ties it to a build", "unknown"),
    ]


def _proven_stops(
    found: Provenance, built: Build, lines: Sequence[Line], staged_version: StagedVersion
) -> list[Stop]:
    commit_was, run_was = _was(lines, OF_THE_COMMIT), _was(lines, OF_THE_RUN)
    return [
        Stop(
            "Commit",
            f"{short_commit(built.commit)} on {ref_name(built.ref)}",
            repository_name(built.repository),
            "",
            "otherwise" if commit_was else "proven",
            commit_link(built),
            commit_was,
        ),
        Stop(
            "Workflow run",
            workflow_name(built) or repository_name(built.repository),
            _run_detail(built),
            f"{PLATFORMS.get(built.platform, built.issuer)} vouched for the commit and the run",
            "otherwise" if run_was else "proven",
            run_link(built),
            run_was,
        ),
        Stop(
            "Tarball",
            _digest(staged_version),
            "",
            "Signed by this very run, and entered in a transparency log",
            "proven",
            log_link(found),
        ),
    ]


def _was(lines: Sequence[Line], facts: frozenset[str]) -> str:
    return ", ".join(
        line.before for line in lines if line.verdict == "changed" and line.fact in facts
    )


def _registry_stop(staged_version: StagedVersion, found: Provenance | None) -> Stop:
    by = staged_version.actor or "somebody unnamed"
    detail = f"staged by {by}" + (
        f" ({staged_version.actor_type})" if staged_version.actor_type else ""
    )
    proof, state = "Not downloaded yet", "unknown"
    if staged_version.sha512:
        proof, state = "Downloaded from there and hashed here", "proven"
    if found is not None and found.publish == Provenance.Publish.REFUSED:
        proof, state = f"Its own signature does not hold: {found.publish_reason}", "broken"
    elif found is not None and found.publish == Provenance.Publish.VERIFIED:
        proof += "; the registry signed for it"
    elif found is not None and found.publish == Provenance.Publish.UNVERIFIED:
        proof += f"; the registry's own signature is unverified: {found.publish_reason}"
    return Stop("Registry", staged_version.registry.name, detail, proof, state)


def _run_detail(built: Build) -> str:
    trigger = f"triggered by {built.trigger}" if built.trigger else ""
    environment = f"environment {built.environment}" if built.environment else ""
    return ", ".join(part for part in (trigger, runner_name(built), environment) if part)


def _digest(staged_version: StagedVersion) -> str:
    digest = staged_version.sha512
    return f"sha512 {digest[:SHORT_DIGEST]}…" if digest else "Not downloaded yet"


def commit_link(built: Build) -> Link | None:
    """The commit's page, where the host is known."""
    path = _COMMIT_PATHS.get(built.platform)
    if not path or not _is_hex(built.commit):
        return None
    return _link("The commit", f"{built.repository}/{path.format(commit=built.commit)}", built)


def compare_link(before: Build | None, built: Build | None) -> Link | None:
    """What changed between two commits of one repository, where the host is known."""
    if before is None or built is None or before.repository != built.repository:
        return None
    path = _COMPARE_PATHS.get(built.platform)
    if not path or before.commit == built.commit:
        return None
    if not _is_hex(before.commit) or not _is_hex(built.commit):
        return None
    path = path.format(old=before.commit, new=built.commit)
    return _link("What changed between the two commits", f"{built.repository}/{path}", built)


def run_link(built: Build) -> Link | None:
    """The run's page at the repository's own host."""
    return _link("The run", built.run_url, built)


def repository_link(built: Build) -> Link | None:
    """The repository's page."""
    return _link("The repository", built.repository, built)


def log_link(found: Provenance) -> Link | None:
    """The log entry, where everyone can look it up."""
    if not found.is_public or found.log_index is None:
        return None
    return Link(f"Log entry {found.log_index}", LOG_SEARCH.format(index=found.log_index))


def links_of(found: Provenance | None) -> list[Link]:
    """Every page that tells more about a proven build."""
    built = found.built if found else None
    if found is None or built is None:
        return []
    links = (repository_link(built), commit_link(built), run_link(built), log_link(found))
    return [link for link in links if link is not None]


def _link(words: str, address: str, built: Build) -> Link | None:
    try:
        there, home = urlsplit(address), urlsplit(built.repository)
    except ValueError:
        return None
    # A certificate names all of them; nothing leads elsewhere than to the repository's host.
    if there.scheme != "https" or not there.hostname or there.netloc != home.netloc:
        return None
    return Link(words, address)


def _is_hex(text: str) -> bool:
    return bool(text) and all(character in "0123456789abcdef" for character in text.lower())

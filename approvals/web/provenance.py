"""Where a version was built, as the review page tells it: the chain, and where its links lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from approvals.provenance.case import Case
from approvals.provenance.comparison import Line
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.refs import TAGS
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
SHORT_NAME = 40
OF_THE_COMMIT = frozenset({"repository", "owner", "ref"})
OF_THE_RUN = frozenset({"workflow", "trigger", "builder", "environment"})
PLATFORMS = {"github": "GitHub Actions", "gitlab": "GitLab CI"}
Verdict = ProvenanceCheck.Verdict
_COMMIT_PATHS = {"github": "commit/{commit}", "gitlab": "-/commit/{commit}"}
_COMPARE_PATHS = {"github": "compare/{old}...{new}", "gitlab": "-/compare/{old}...{new}"}


@dataclass(frozen=True)
class Word:
    """A verdict in a word, and its tone: "ok", "accent", "warn", "bad" or ""."""

    label: str
    tone: str


VERDICTS = {
    Verdict.UNKNOWN: Word("Not known yet", ""),
    Verdict.SAME: Word("As always", "ok"),
    # Nothing says yet that this is where the package is at home: no reason for green.
    Verdict.FIRST: Word("Proven", "accent"),
    Verdict.CHANGED: Word("Not as expected", "bad"),
    Verdict.LOST: Word("Not proven", "bad"),
    Verdict.MISSING: Word("Not proven", "warn"),
    Verdict.REFUSED: Word("Does not hold", "bad"),
}


HOW_FOUND = {
    "registry": "found in the registry's attestations",
    "item": "found through a link of the staged version",
    "handed_in": "handed in",
    "log": "found in the transparency log",
}


@dataclass(frozen=True)
class Link:
    """A way out of Countersign, with the host that it leads to."""

    words: str
    address: str

    @property
    def host(self) -> str:
        """With its port, where that is not the usual one."""
        return urlsplit(self.address).netloc


@dataclass(frozen=True)
class Stop:
    """One stop on the way from the commit to the registry.

    `proof` says what holds it to the stop before, and `state` how well: "proven", "otherwise"
    (proven, and unlike the baseline), "unexpected" (proven, and unlike what is pinned), "broken"
    (a proof that does not hold) or "unknown". `was` is how the baseline differed here, `expected`
    what is pinned.
    """

    title: str
    value: str
    detail: str
    proof: str
    state: str
    link: Link | None = None
    was: str = ""
    expected: str = ""


@dataclass(frozen=True)
class InShort:
    """Where it was built in a glance: `tone` is "ok", "warn", "bad" or ""."""

    words: str
    detail: str
    tone: str


def in_short(case: Case, lines: Sequence[Line]) -> InShort:
    """The fact for the top of the page. `lines` is the comparison with the baseline."""
    verdict = verdict_of(case)
    tone = VERDICTS[verdict].tone
    found = case.provenance
    if found is None:
        return InShort("Not known yet", "", "")
    if found.built is not None:
        where = _short(repository_name(found.built.repository))
        compared = _in_short_compared(case, verdict, lines)
        return InShort(_place(found.built), f"{where}, {compared}", tone)
    if found.outcome == Provenance.Outcome.REFUSED:
        return InShort("Provenance does not hold", "What it claims is not proven", tone)
    lost = f"{case.baseline_version} was proven" if case.before else "No provenance was found"
    return InShort("Not proven", lost, tone)


def _in_short_compared(case: Case, verdict: str, lines: Sequence[Line]) -> str:
    if verdict == Verdict.UNKNOWN:
        return "not compared yet"
    if any(line.verdict == "changed" for line in lines):
        return f"otherwise than {case.baseline_version}"
    if verdict == Verdict.CHANGED:
        return "not as expected"
    return f"as {case.baseline_version} was" if case.before else "nothing to compare with"


def _place(built: Build) -> str:
    """ "release.yml on main", "release.yml for tag v1.5.0": short, whatever the names are."""
    name = workflow_name(built) or repository_name(built.repository)
    return f"{_short(name)} {_on(built)}"


def _on(built: Build) -> str:
    return f"{'for' if built.ref.startswith(TAGS) else 'on'} {_short(ref_name(built.ref))}"


def _short(name: str) -> str:
    """A name with its middle left out where it is long; the whole one stands in the table."""
    return name if len(name) <= SHORT_NAME else f"{name[:24]}…{name[-12:]}"


def chain_of(case: Case, lines: Sequence[Line], staged_version: StagedVersion) -> list[Stop]:
    """The way of the tarball: commit, workflow run, tarball, registry.

    `lines` is the comparison with the baseline.
    """
    found = case.provenance
    if found is None or found.built is None:
        start = _unknown_stops(case, staged_version)
    else:
        start = _proven_stops(case, found, found.built, lines, staged_version)
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
    case: Case,
    found: Provenance,
    built: Build,
    lines: Sequence[Line],
    staged_version: StagedVersion,
) -> list[Stop]:
    return [
        Stop(
            "Commit",
            f"{short_commit(built.commit)} {_on(built)}",
            _short(repository_name(built.repository)),
            "",
            _state(lines, OF_THE_COMMIT),
            commit_link(built),
            _was(lines, OF_THE_COMMIT),
            _expected(case.expected, lines, OF_THE_COMMIT),
        ),
        Stop(
            "Workflow run",
            _short(workflow_name(built) or repository_name(built.repository)),
            _run_detail(built),
            f"{PLATFORMS.get(built.platform, built.issuer)} vouched for the commit and the run",
            _state(lines, OF_THE_RUN),
            run_link(built),
            _was(lines, OF_THE_RUN),
            _expected(case.expected, lines, OF_THE_RUN),
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


def _state(lines: Sequence[Line], facts: frozenset[str]) -> str:
    ours = [line for line in lines if line.fact in facts]
    if any(line.pin == "unmet" for line in ours):
        return "unexpected"
    return "otherwise" if any(line.verdict == "changed" for line in ours) else "proven"


def _expected(
    pinned: ExpectedPublisher | None, lines: Sequence[Line], facts: frozenset[str]
) -> str:
    """What is pinned for those facts of a stop that are not so."""
    unmet = {line.fact for line in lines if line.pin == "unmet" and line.fact in facts}
    if pinned is None or not unmet:
        return ""
    of_facts = {
        "repository": repository_name(pinned.repository),
        "owner": "another owner",
        "ref": pinned.ref_pattern,
        "workflow": pinned.workflow,
        "environment": pinned.environment,
    }
    if "repository" in unmet:
        unmet.discard("owner")
    return ", ".join(words for fact, words in of_facts.items() if fact in unmet)


def _was(lines: Sequence[Line], facts: frozenset[str]) -> str:
    """What the baseline had where this version has something else."""
    was = {
        line.fact: line.before for line in lines if line.verdict == "changed" and line.fact in facts
    }
    if "repository" in was:
        was.pop("owner", None)
    if "trigger" in was:
        was["trigger"] = f"triggered by {was['trigger']}"
    if "workflow" in was:
        was["workflow"] = _short(was["workflow"].rpartition("/")[2])
    return ", ".join(was.values())


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

"""Where a version was built, in the one sentence that a reviewer reads first."""

from posixpath import basename

from approvals.provenance.alike import (
    Release,
    is_open_to_strangers,
    is_renamed,
    other_builder,
    other_environment,
    other_trigger,
    reusable_of,
    same_address,
    same_owner,
    same_place,
    same_repository,
    workflow_of,
)
from approvals.provenance.case import Case
from approvals.provenance.comparison import unbroken
from approvals.provenance.expected_met import reported_facts
from approvals.provenance.models import ExpectedPublisher, Provenance, ProvenanceCheck
from approvals.provenance.refs import TAGS
from approvals.provenance.verdict import verdict_of
from approvals.provenance.words import (
    named,
    plain,
    ref_name,
    repository_name,
    runner_name,
    short_commit,
    workflow_name,
)


def sentence_of(case: Case) -> str:
    """The sentence; "" where nobody has looked yet."""
    if case.provenance is None:
        return ""
    if case.now is not None:
        return f"{_proven(case, case.now).removesuffix('.')}{_but_expected(case, case.now)}."
    if case.provenance.outcome == Provenance.Outcome.REFUSED:
        return "It comes with provenance that does not hold."
    return _missing(case)


def _but_expected(case: Case, now: Release) -> str:
    """ ", but it is expected from acme/left-pad": where it is not built as it is pinned."""
    expected, facts = case.expected, reported_facts(case)
    if expected is None or not facts:
        return ""
    words = []
    if "workflow" in facts:
        is_alike = basename(expected.workflow) == basename(workflow_of(now.build))
        words.append(f"by {named(expected.workflow if is_alike else basename(expected.workflow))}")
    if "ref" in facts:
        words.append(f"{_before_ref(expected.ref_pattern)} {ref_name(expected.ref_pattern)}")
    if "repository" in facts or "owner" in facts:
        words.append(f"from {_expected_repository(expected, now, facts)}")
    if "environment" in facts:
        words.append(f"in the environment {named(expected.environment)}")
    # What is only by somebody reads as if they expected it.
    built = "to be built " if words[0].startswith("by ") else ""
    return f", but it is expected {built}{' '.join(words)}"


def _expected_repository(expected: ExpectedPublisher, now: Release, facts: list[str]) -> str:
    """Its name; with what tells it from the one that is there now, where that is called alike."""
    name, name_now = repository_name(expected.repository), repository_name(now.build.repository)
    if name.casefold() != name_now.casefold():
        return name
    if not same_address(expected.repository, now.build.repository):
        return repository_name(expected.repository, with_host=True)
    if "owner" in facts and expected.owner_id:
        return f"{name} of another owner (id {named(expected.owner_id)})"
    return f"another {name} (id {named(expected.repository_id)})"


def _proven(case: Case, now: Release) -> str:
    before = case.before
    names = _Names(now, before or case.compared)
    built = f"Built {names.place(now)}{names.through(now)}"
    if now.build.commit:
        built += f", commit {short_commit(now.build.commit)}"
    if now.build.runner == "self-hosted":
        built += ", on a self-hosted runner"
    built += names.circumstances(now)
    version = plain(case.baseline_version)
    if not case.is_compared:
        return f"{built}; what it is compared with is not known yet."
    if before is None:
        return f"{built}. {_nothing_to_compare_with(case, now, names)}"
    if not same_place(now, before):
        return f"{built}; {version} was built {names.difference(now, before)}."
    # The place is not all: it may be of an older build, or not what package.json says.
    if verdict_of(case) != ProvenanceCheck.Verdict.SAME:
        return f"{built}, in the same place as {version}."
    if since := unbroken(case, same_place):
        return f"{built}, as every release since {plain(since)}."
    return f"{built}, as {version} was."


def _nothing_to_compare_with(case: Case, now: Release, names: "_Names") -> str:
    if not case.baseline_version:
        return "There is no earlier release to compare with."
    earlier = case.compared
    if earlier is not None:
        version = plain(earlier.version)
        if same_place(now, earlier):
            return f"{_unproven(case)}; {version} was built in the same place."
        return f"{_unproven(case)}; {version} was built {names.difference(now, earlier)}."
    if case.baseline is not None and case.baseline.outcome == Provenance.Outcome.MISSING:
        return "This is the first release with provenance."
    return f"{_unproven(case)}, so there is nothing to compare with."


def _unproven(case: Case) -> str:
    version = plain(case.baseline_version)
    if case.baseline is None:
        return f"Nothing is known of where {version} was built"
    if case.baseline.outcome == Provenance.Outcome.REFUSED:
        return f"The provenance of {version} does not hold"
    return f"{version} has no provenance"


def _missing(case: Case) -> str:
    sentence = "No provenance was found: nothing proves where this was built."
    last = case.compared
    if not case.is_compared:
        sentence += " What it is compared with is not known yet."
    if last is None:
        return sentence
    place = _Names(last, None).place(last)
    if case.before is not None:
        return f"{sentence} {plain(last.version)} was built {place}."
    return f"{sentence} The last release with provenance is {plain(last.version)}, built {place}."


class _Names:
    """How two releases' places are named: short, and never both by the same name if they differ."""

    def __init__(self, now: Release, before: Release | None) -> None:
        self.whole_workflow = self.with_host = self.with_reusable = False
        self.with_environment = False
        self.with_trigger = is_open_to_strangers(now.build.trigger)
        if before is None:
            return
        one, other = now.build, before.build
        self.with_environment = other_environment(now, before)
        self.with_trigger = self.with_trigger or other_trigger(now, before)
        self.whole_workflow = workflow_name(one) == workflow_name(other) and workflow_of(
            one
        ) != workflow_of(other)
        self.with_reusable = reusable_of(one) != reusable_of(other)
        self.with_host = repository_name(one.repository) == repository_name(
            other.repository
        ) and not same_address(one.repository, other.repository)

    def place(self, release: Release) -> str:
        """ "by release.yml on main of sigstore/sigstore-js"."""
        return f"{self._workflow_and_ref(release)} {self._of(release)}".strip()

    def difference(self, now: Release, before: Release) -> str:
        """The place of `before`, as far as it is needed to tell it from that of `now`."""
        words = self._workflow_and_ref(before)
        if not same_address(now.build.repository, before.build.repository):
            words = f"{words} {self._of(before)}"
        elif not same_repository(now, before):
            words = f"{words} of another repository that had this address"
        elif not same_owner(now, before):
            words = f"{words} when the repository had another owner"
        if is_renamed(now, before) and not same_owner(now, before):
            words += ", which had another owner"
        words += self.through(before)
        if other_builder(now, before):
            words += f", {_on(before, now)}"
        return (words + self.circumstances(before)).strip()

    def through(self, release: Release) -> str:
        """ ", through publish.yml": its reusable workflow, where the other has not the same."""
        reusable = reusable_of(release.build) if self.with_reusable else ""
        return f", through {named(reusable)}" if reusable else ""

    def circumstances(self, release: Release) -> str:
        """ ", in the environment npm, started by push": what the earlier one had otherwise."""
        words = ""
        if self.with_environment:
            environment = named(release.build.environment)
            words += f", in the environment {environment}" if environment else ", in no environment"
        if self.with_trigger:
            trigger = named(release.build.trigger) or "something that is not named"
            words += f", started by {trigger}"
        return words

    def _workflow_and_ref(self, release: Release) -> str:
        workflow = workflow_name(release.build)
        if self.whole_workflow:
            workflow = named(workflow_of(release.build))
        by = f"by {workflow}" if workflow else "by a workflow without a name"
        ref = ref_name(release.build.ref)
        if not ref:
            return by
        return f"{by} {_before_ref(release.build.ref)} {ref}"

    def _of(self, release: Release) -> str:
        name = repository_name(release.build.repository, with_host=self.with_host)
        return f"of {name}" if name else ""


def _before_ref(ref: str) -> str:
    return "for" if ref.startswith(TAGS) else "on"


def _on(before: Release, now: Release) -> str:
    """The earlier one's builder, in words that tell it from the one now."""
    runner = runner_name(before.build)
    if not runner and not now.build.runner:
        return f"by the builder {named(before.build.builder)}"
    return f"on a {runner or 'runner of which nothing is known'}"

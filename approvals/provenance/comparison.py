"""Fact by fact: what is the same as in the baseline, what changed, and what is new."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from approvals.provenance.alike import (
    Release,
    host_of,
    is_renamed,
    is_same_by_address,
    is_transferred,
    other_builder,
    other_trigger,
    owner_of,
    reusable_of,
    same_address,
    same_builder,
    same_environment,
    same_owner,
    same_ref,
    same_repository,
    same_trigger,
    same_workflow,
    workflow_of,
)
from approvals.provenance.case import Case
from approvals.provenance.expected_met import is_as_pinned, pinned_facts
from approvals.provenance.words import named, plain, ref_name, repository_name, runner_name
from registry_client.versions import sort_key

Verdict = Literal["same", "changed", "new"]
Pin = Literal["", "met", "unmet"]
Same = Callable[[Release, Release], bool]
_SPOKEN = {"ref": "branch or tag"}
_MOVED = "moved from "
_OF_A_PLACE = frozenset({"repository", "owner", "workflow", "ref"})


@dataclass(frozen=True)
class Line:
    """One fact: what it was in the baseline ("" if not known), what it is now, and a remark.

    `pin` is "" where nothing is pinned about it.
    """

    fact: str
    before: str
    now: str
    verdict: Verdict
    note: str = ""
    pin: Pin = ""


@dataclass(frozen=True)
class Fact:
    """A fact that releases are compared in: how it is written, when it is the same, whether it is
    known of a release, and when it differs: where it was known and is not the same, if nothing else
    is said."""

    name: str
    words: Callable[[Release], str]
    is_same: Same
    is_known: Callable[[Release], object]
    differs: Same | None = None

    def is_other(self, now: Release, before: Release) -> bool:
        if self.differs is not None:
            return self.differs(now, before)
        return bool(self.is_known(before)) and not self.is_same(now, before)


def lines_of(case: Case) -> list[Line]:
    """One line for each fact; none where nothing is proven."""
    if case.now is None:
        return []
    pinned = pinned_facts(case)
    told = [fact for fact in FACTS if _is_told(case, fact)]
    lines = [_line(case, case.now, fact, pinned.get(fact.name)) for fact in told]
    return [*lines, _commit(case, case.now)]


def _is_told(case: Case, fact: Fact) -> bool:
    # The first two are what everything else is about; most releases have no environment.
    if fact.name in {"repository", "owner"}:
        return True
    return any(release is not None and fact.words(release) for release in (case.now, case.before))


def _line(case: Case, now: Release, fact: Fact, as_pinned: bool | None) -> Line:
    before = case.before
    words, words_before = fact.words(now), fact.words(before) if before else ""
    verdict: Verdict = "new"
    if before is not None and fact.is_other(now, before):
        verdict = "changed"
    elif before is not None and fact.is_known(before) and fact.is_same(now, before):
        verdict = "same"
    if before is not None and verdict == "changed" and words == words_before:
        words_before, words = (
            _with_number(text, fact, release)
            for text, release in ((words_before, before), (words, now))
        )
    pin: Pin = "" if as_pinned is None else "met" if as_pinned else "unmet"
    return Line(fact.name, words_before, words, verdict, _note(case, now, fact, verdict), pin)


def _with_number(text: str, fact: Fact, release: Release) -> str:
    """For what is another thing by the same name."""
    numbers = {"repository": release.build.repository_id, "owner": release.build.owner_id}
    number = numbers.get(fact.name)
    return f"{text} (id {named(number)})" if number else text


def _note(case: Case, now: Release, fact: Fact, verdict: Verdict) -> str:
    before = case.before
    if before is not None and verdict == "same":
        if fact.name == "repository" and (words := _on_repository(now, before)):
            return words
        since = unbroken(case, fact.is_same)
        return f"as every release since {plain(since)}" if since else ""
    if not fact.is_known(now):
        return "not said"
    if before is not None and fact.name == "repository" and is_transferred(now, before):
        return f"{_MOVED}{_owner(before)} to {_owner(now)}"
    words = _beside_the_last_one(case, now, fact) if before is None else ""
    return words or as_an_earlier_one(case, fact.is_same)


def _beside_the_last_one(case: Case, now: Release, fact: Fact) -> str:
    """What is said beside the release that counts where the baseline is not proven."""
    other = case.compared
    if other is None or not fact.is_known(other):
        return ""
    if fact.is_other(now, other):
        return f"unlike {plain(other.version)}, which had {fact.words(other)}"
    return f"as {plain(other.version)} was" if fact.is_same(now, other) else ""


def _on_repository(now: Release, before: Release) -> str:
    """How one repository has two addresses, or how it is not known to be one."""
    if is_renamed(now, before):
        names = repository_name(before.build.repository), repository_name(now.build.repository)
        return f"renamed from {names[0]} to {names[1]}"
    return "by its address only" if is_same_by_address(now, before) else ""


def changed_facts(case: Case) -> list[str]:
    """The facts that differ from what it is compared with, and that no pin expects so."""
    now, before = case.now, case.compared
    if now is None or before is None:
        return []
    return [
        fact.name
        for fact in FACTS
        if fact.is_other(now, before) and not is_as_pinned(case, fact.name)
    ]


def difference_in_words(lines: Sequence[Line]) -> str:
    """What differs from the baseline, as a person would say it in half a sentence; "" where nothing
    is compared.

    "the same commit, and nothing differs"; "another commit; another workflow; the environment is
    new".
    """
    if not any(line.before for line in lines):
        return ""
    others = [words for line in lines if line.fact != "commit" and (words := _in_words(line))]
    commit = next((line for line in lines if line.fact == "commit" and line.before), None)
    if commit is None:
        first = "a commit that there is nothing to compare with"
    else:
        first = "the same commit" if commit.verdict == "same" else "another commit"
    if others:
        return "; ".join([first, *others])
    is_same = commit is not None and commit.verdict == "same"
    return f"{first}, and nothing differs" if is_same else f"{first}, and nothing else differs"


def _in_words(line: Line) -> str:
    name = _SPOKEN.get(line.fact, line.fact)
    if line.verdict == "new":
        return f"the {name} is new"
    # Hosts of repositories tell no upper from lower case.
    is_renamed_now = line.before.casefold() != line.now.casefold()
    if line.verdict == "same":
        is_named = line.fact in {"repository", "owner"}
        return f"the {name} was renamed" if is_named and is_renamed_now else ""
    if not line.now:
        return f"the {name} is not said any more"
    if line.note.startswith(_MOVED):
        return f"the {name} was {line.note}"
    return f"another {name}"


def is_place_known(case: Case) -> bool:
    """Whether each fact that makes a place is the same as before, or pinned as it is.

    Neither where the baseline's certificate does not tell it.
    """
    now, before = case.now, case.compared
    if now is None or before is None:
        return False
    return all(
        fact.is_same(now, before) or is_as_pinned(case, fact.name)
        for fact in FACTS
        if fact.name in _OF_A_PLACE
    )


def unbroken(case: Case, is_same: Same) -> str:
    """The oldest of the published versions that are all the same as this one, from the newest on.

    "" where there are not at least two, or where the baseline is not among them. A release that is
    not proven ends the run as well, and so does one of which nothing is known.
    """
    versions: list[str] = []
    proven = {release.version: release for release in case.published}
    gap = sort_key(case.history_gap) if case.history_gap else None
    for row in case.history:
        if gap is not None and sort_key(row.version) <= gap:
            break
        release = proven.get(row.version)
        if case.now is None or release is None or not is_same(case.now, release):
            break
        versions.append(row.version)
    has_baseline = case.baseline_version in versions
    return versions[-1] if has_baseline and len(versions) > 1 else ""


def as_an_earlier_one(case: Case, is_same: Same) -> str:
    """ "as 1.7.0 was", of the newest earlier release that it is the same as; or ""."""
    version = earlier_one(case, is_same)
    return f"as {plain(version)} was" if version else ""


def earlier_one(case: Case, is_same: Same) -> str:
    """The newest proven release that it is the same as; or "". For what is not as it was."""
    if case.now is None:
        return ""
    for release in case.published:
        if is_same(case.now, release):
            return release.version
    return ""


def _commit(case: Case, now: Release) -> Line:
    before = case.before
    if before is None or not before.build.commit:
        return Line("commit", "", plain(now.build.commit), "new")
    is_same = same_address(now.build.commit, before.build.commit)
    if now.signed_at is not None and before.signed_at is not None:
        is_older = now.signed_at < before.signed_at
        note = "signed before the baseline" if is_older else "" if is_same else "newer"
    else:
        note = ""
    return Line(
        "commit",
        plain(before.build.commit),
        plain(now.build.commit),
        "same" if is_same else "new",
        note,
    )


def _repository(release: Release) -> str:
    return repository_name(release.build.repository, with_host=True)


def _owner(release: Release) -> str:
    owner = owner_of(release.build)
    return repository_name(owner, with_host=bool(host_of(owner)))


def _workflow(release: Release) -> str:
    workflow, reusable = workflow_of(release.build), reusable_of(release.build)
    return f"{named(workflow)} through {named(reusable)}".strip() if reusable else named(workflow)


def _ref(release: Release) -> str:
    return ref_name(release.build.ref)


def _trigger(release: Release) -> str:
    return named(release.build.trigger)


def _builder(release: Release) -> str:
    return runner_name(release.build) or named(release.build.builder)


def _environment(release: Release) -> str:
    return named(release.build.environment)


FACTS = (
    Fact(
        "repository",
        _repository,
        same_repository,
        _repository,
        lambda now, before: not same_repository(now, before) or is_transferred(now, before),
    ),
    Fact("owner", _owner, same_owner, _owner),
    # Early certificates tell which reusable workflow signed, and not what called it.
    Fact("workflow", _workflow, same_workflow, lambda release: release.build.workflow),
    Fact("ref", _ref, same_ref, _ref),
    Fact("trigger", _trigger, same_trigger, _trigger, other_trigger),
    Fact("builder", _builder, same_builder, _builder, other_builder),
    Fact("environment", _environment, same_environment, _environment),
)

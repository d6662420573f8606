"""What rules find, gathered within bounds: each rule by itself, each id, and all together.

Whoever makes a tarball may make rules find as much as they like. What is beyond a bound is counted,
and still changes the evidence.
"""

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from approvals.inspection.finding import Finding, Severity, most_serious_first
from approvals.inspection.search.secret_forms import masked

logger = logging.getLogger(__name__)

MOST_OF_A_RULE = 12
"""Of one id and severity are named one by one; what is beyond is counted."""
MOST_YIELDED = 10_000
"""By one rule, which is stopped then."""
MOST_FINDINGS = 200
"""In all; what is beyond is counted."""
_MOST_KEPT = 500
"""Of one id and severity, before what is alike in several files becomes one."""
_BLANKS = re.compile(r"\s+")

CRASHED = "rule-crashed"
STOPPED = "rule-stopped"
NOT_RUN = "rule-not-run"
MORE = "more-findings"
IN_WORDS = {
    CRASHED: "Rules that broke on a version",
    STOPPED: "Rules that found too much to go on",
    NOT_RUN: "Rules for which there was no time",
    MORE: "Findings that are counted only",
}
_NOT_SEARCHED = "What this rule looks for was not searched for, or not everywhere. A tarball may "
_NOT_SEARCHED += "be made to {} a rule."
_LOOK = "Look by yourself for what the rule would have named, and report this."

Rule = Callable[[Any], Iterable[Finding]]


def guarded(
    rule: Rule, about: Any, module: str, stage_id: str, digest: str = ""
) -> Iterator[Finding]:
    """What a rule yields, bounded. That it broke or was stopped is a finding, too: whatever it was
    to see is not seen. `digest` stands for what it looks at.
    """
    name = module.rpartition(".")[2]
    count = 0
    try:
        for finding in rule(about):
            if count >= MOST_YIELDED:
                yield _stopped(name, digest)
                return
            count += 1
            yield finding.bounded()
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        if error is getattr(about, "stopped_by", None):
            # It is the worker that has to stop.
            raise
        logger.exception("stage=%s the rule %s broke", stage_id or "-", name)
        yield crashed(name, digest, type(error).__name__)


def crashed(name: str, digest: str, how: str) -> Finding:
    """That a rule did not finish."""
    return Finding(
        rule=CRASHED,
        # Whoever hides something may have meant to break the rule that sees it.
        severity=Severity.HIGH,
        title=f"The rule “{name}” broke on this version, and did not finish.",
        why=_NOT_SEARCHED.format("break"),
        what_to_check=_LOOK,
        detail=f"{name}: {how}",
        # Who has seen that it broke on one tarball knows nothing of the next.
        evidence=digest,
    ).bounded()


def _stopped(name: str, digest: str) -> Finding:
    return Finding(
        rule=STOPPED,
        severity=Severity.HIGH,
        title=f"The rule “{name}” was stopped, as it found more than {MOST_YIELDED:,} places.",
        why=_NOT_SEARCHED.format("busy"),
        what_to_check="Find out why there are so many. Look by yourself for what else there is.",
        detail=name,
        evidence=digest,
    ).bounded()


def not_run(names: list[str], digest: str) -> Finding:
    """That there was no time for these rules."""
    return Finding(
        rule=NOT_RUN,
        severity=Severity.HIGH,
        title=f"There was no time for {len(names):,} of the rules.",
        why="What these rules look for was not searched for. A tarball may be made to use up the "
        "time of others.",
        what_to_check="Look by yourself for what these rules would have named.",
        detail=", ".join(names),
        evidence=digest,
        stands_for=len(names),
    ).bounded()


@dataclass
class _OfOneKind:
    """Findings of one id and severity: the first of them, and what stands for the others."""

    kept: list[Finding] = field(default_factory=list)
    more: int = 0
    _evidence: Any = field(default_factory=hashlib.sha256)

    def add(self, finding: Finding) -> None:
        if len(self.kept) < _MOST_KEPT:
            self.kept.append(finding)
        else:
            self.count(finding)

    def count(self, finding: Finding) -> None:
        self.more += finding.stands_for
        self._evidence.update(finding.fingerprint.encode())

    @property
    def evidence(self) -> str:
        """Of those that are counted only."""
        return str(self._evidence.hexdigest())


class Gathered:
    """All findings of one look, in bounded memory however many there are."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self._kinds: dict[tuple[str, Severity, bool], _OfOneKind] = defaultdict(_OfOneKind)
        for finding in findings:
            self.add(finding)

    def add(self, finding: Finding) -> None:
        """A finding that is bounded."""
        self._kinds[finding.rule, finding.severity, finding.is_new].add(finding)

    def few_enough(self, always: Iterable[str] = ()) -> list[Finding]:
        """The most serious first: what is alike in several files as one; at most so many of each
        kind, and one more that stands for its others; then at most so many of all. Those of the
        rules that are `always` said are among them. Nothing in them tells a secret.
        """
        found = []
        for kind in self._kinds.values():
            first, *others = [*_folded(kind.kept)]
            named = [first, *others[: MOST_OF_A_RULE - 1]]
            for finding in others[MOST_OF_A_RULE - 1 :]:
                kind.count(finding)
            found += named
            if kind.more:
                found.append(_the_rest(first, kind, others[MOST_OF_A_RULE - 1 :]))
        found = [without_secrets(finding) for finding in most_serious_first(found)]
        return _not_too_many(found, frozenset(always))


def without_secrets(finding: Finding) -> Finding:
    """The same without secrets in what it shows: findings go to more places than diffs."""
    shown = replace(
        finding,
        title=masked(finding.title),
        path=masked(finding.path),
        excerpt=masked(finding.excerpt),
        detail=masked(finding.detail),
    )
    return finding if shown == finding else replace(shown, evidence=finding.fingerprint)


def _folded(findings: list[Finding]) -> Iterator[Finding]:
    """The same in several files, as in each build of one source, is one thing to look at."""
    alike: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        excerpt = _BLANKS.sub("", finding.excerpt) if finding.excerpt else finding.path
        alike[finding.title, finding.detail, excerpt].append(finding)
    for first, *others in alike.values():
        if not others:
            yield first
            continue
        paths = ", ".join(dict.fromkeys(other.path for other in others if other.path != first.path))
        also = f"The same in {paths}" if paths else f"{len(others):,} more times in this file"
        yield replace(
            first,
            detail=f"{first.detail}; {also}" if first.detail else also,
            evidence="".join(finding.fingerprint for finding in (first, *others)),
        ).bounded()


def _the_rest(first: Finding, kind: _OfOneKind, others: list[Finding]) -> Finding:
    like = others[0] if others else first
    return Finding(
        rule=like.rule,
        severity=like.severity,
        title=f"{kind.more:,} more like these: {like.title}",
        why=like.why,
        what_to_check=like.what_to_check,
        detail=", ".join(dict.fromkeys(finding.path for finding in others if finding.path)),
        is_new=like.is_new,
        evidence=kind.evidence,
        stands_for=kind.more,
        is_about_build=like.is_about_build,
    ).bounded()


def _not_too_many(findings: list[Finding], always: frozenset[str]) -> list[Finding]:
    if len(findings) <= MOST_FINDINGS:
        return findings
    said = sum(finding.rule in always for finding in findings)
    room = max(MOST_FINDINGS - said - 1, 0)
    kept, rest = [], _OfOneKind()
    worst: Severity | None = None
    for finding in findings:
        if finding.rule in always:
            kept.append(finding)
        elif room:
            kept.append(finding)
            room -= 1
        else:
            worst = worst or finding.severity
            rest.count(finding)
    if worst is None:
        return kept
    more = Finding(
        rule=MORE,
        severity=worst,
        title=f"{rest.more:,} more findings are not named, as there are so many.",
        why="Those that are named are as serious as these, or more. So many findings may be meant "
        "to hide one.",
        what_to_check="Read this version as a whole, or reject it if nothing explains so many.",
        evidence=rest.evidence,
        stands_for=rest.more,
    )
    return most_serious_first([*kept, more.bounded()])

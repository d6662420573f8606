"""What the operator's own YARA rules match, in every file that is new or differs."""

from collections.abc import Iterator
from time import monotonic

import yara_x

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile
from approvals.inspection.search.operator_rules import OperatorRules

GROUP = Group.CONTENT
RULES = {
    "yara": "Matches of the operator's YARA rules",
    "yara-incomplete": "The operator's YARA rules that were not in force, or not everywhere",
}
LIMITS = ("yara-incomplete",)

_A_FILE = 5
_ALL_FILES = 30
"""Seconds."""
_MOST_MATCHES = 100
_EXCERPT = 100
_NAMED = 5


def in_tarball(look: Look) -> Iterator[Finding]:
    rules = look.limits.yara_rules
    if rules.broken:
        yield _broken(rules)
    if rules.compiled is None:
        return
    scanner = yara_x.Scanner(rules.compiled)
    scanner.set_timeout(_A_FILE)
    scanner.max_matches_per_pattern(_MOST_MATCHES)
    ends_at = monotonic() + _ALL_FILES
    unseen = []
    for file in look.files:
        content = file.content
        if content is None or monotonic() > ends_at:
            unseen.append(file.path)
            continue
        try:
            matching = scanner.scan(content).matching_rules
            before = _matched(scanner, file.old_content) if matching else frozenset()
        except (yara_x.TimeoutError, yara_x.ScanError):
            unseen.append(file.path)
            continue
        for rule in matching:
            is_new = (rule.namespace, rule.identifier) not in before
            yield _finding(file, content, rule, is_new=is_new)
    if unseen:
        yield _unseen(unseen)


def _matched(scanner: yara_x.Scanner, content: bytes | None) -> frozenset[tuple[str, str]]:
    if content is None:
        return frozenset()
    return frozenset(
        (rule.namespace, rule.identifier) for rule in scanner.scan(content).matching_rules
    )


def _finding(file: LookedFile, content: bytes, rule: yara_x.Rule, *, is_new: bool) -> Finding:
    meta = {str(key).lower(): value for key, value in rule.metadata}
    places = sorted(match.offset for pattern in rule.patterns for match in pattern.matches)
    severity = str(meta.get("severity", "")).lower()
    asked = Severity(severity) if severity in Severity.values else Severity.MEDIUM
    words = str(meta.get("description", "")).strip().rstrip(".")
    named = f"{rule.identifier} ({words})" if words else rule.identifier
    return Finding(
        "yara",
        asked if is_new else max(asked, Severity.LOW, key=lambda one: one.rank),
        f"It matches the operator's YARA rule {named}.",
        "Whoever runs Countersign here looks for this in every release.",
        "Read the place, and ask who wrote the rule if it does not say what to do.",
        path=file.path,
        line=file.line_at(places[0]) if places and not file.change.is_binary else None,
        excerpt=_excerpt(content, places[0]) if places else "",
        detail=f"{rule.namespace}: {rule.identifier}"
        + (f", {len(places):,} places" if len(places) > 1 else ""),
        is_new=is_new,
        evidence=file.change.new_sha256,
    )


def _excerpt(content: bytes, place: int) -> str:
    start = max(content.rfind(b"\n", 0, place) + 1, place - _EXCERPT)
    end = content.find(b"\n", place, place + _EXCERPT)
    part = content[start : place + _EXCERPT if end < 0 else end]
    return part.decode("utf-8", "replace").strip()


def _broken(rules: OperatorRules) -> Finding:
    named = "; ".join(f"{one.where}: {one.why}" for one in rules.broken[:_NAMED])
    more = len(rules.broken) - _NAMED
    return Finding(
        "yara-incomplete",
        Severity.LOW,
        "Some of the operator's YARA rules are not in force.",
        "What they look for was not searched for.",
        "Tell whoever runs Countersign here. Once the rules are right, compare again.",
        detail=named + (f"; and {more:,} more" if more > 0 else ""),
        is_about_build=False,
    )


def _unseen(paths: list[str]) -> Finding:
    return Finding(
        "yara-incomplete",
        Severity.LOW,
        f"The operator's YARA rules did not search {len(paths):,} "
        f"{'file' if len(paths) == 1 else 'files'} to the end.",
        "What takes too long, or is too large to be kept, is left out: a file may be made so.",
        "Look at these files by yourself, or run the rules on them by hand.",
        detail=", ".join(paths),
        evidence=" ".join(paths),
    )

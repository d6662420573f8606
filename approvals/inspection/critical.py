"""Telling those who decide of what looks like an attack, when it is found."""

from collections.abc import Mapping, Sequence

from approvals.audit import outbox
from approvals.inspection.finding import Severity
from approvals.inspection.models import LookedAt, StagedFinding
from approvals.inspection.rule_settings import Weights, weights_of_rules
from approvals.queue.models import OPEN_STATES, StagedVersion
from approvals.queue.transitions import news_of

TOPIC = "finding.critical"
MOST_NAMED = 5

Found = Mapping[int, Sequence[StagedFinding]]


def tell_of_critical(before: Found, after: Found) -> None:
    """Tells of each staged version, by its key, of what is critical now and was not before.

    By the settings of the rules, and not of what somebody has looked at already. In the caller's
    transaction, and in as many queries for any number.
    """
    versions = StagedVersion.objects.with_package().filter(pk__in=after, state__in=OPEN_STATES)
    rows = {row.pk: row for row in versions} if any(after.values()) else {}
    if not rows:
        return
    weights = weights_of_rules()
    found = {
        pk: _new(row, before.get(pk, ()), after[pk], weights) for pk, row in sorted(rows.items())
    }
    looked_at = set(
        LookedAt.objects.filter(
            package__in={row.package_id for row in rows.values()},
            fingerprint__in={one.fingerprint for new in found.values() for one in new},
        ).values_list("package", "rule", "fingerprint")
    )
    news = []
    for pk, new in found.items():
        row = rows[pk]
        is_open = [
            one for one in new if (row.package_id, one.rule, one.fingerprint) not in looked_at
        ]
        if is_open:
            news.append((TOPIC, row.stage_id, {**news_of(row), "reason": _in_words(is_open)}))
    if news:
        outbox.publish_all(news)


def _new(
    row: StagedVersion,
    before: Sequence[StagedFinding],
    after: Sequence[StagedFinding],
    weights: Weights,
) -> list[StagedFinding]:
    def is_critical(one: StagedFinding) -> bool:
        severity = weights.severity(one.rule, row.package.name, Severity(one.severity))
        return severity is Severity.CRITICAL

    known = {one.fingerprint for one in before if is_critical(one)}
    return [one for one in after if one.fingerprint not in known and is_critical(one)]


def _in_words(findings: Sequence[StagedFinding]) -> str:
    """What was found, one a line."""
    titles = list(dict.fromkeys(one.title for one in findings))
    lines = titles[:MOST_NAMED]
    if len(titles) > MOST_NAMED:
        lines.append(f"and {len(titles) - MOST_NAMED} more")
    return "\n".join(lines)

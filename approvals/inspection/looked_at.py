"""What people have looked at: remembered for a package, a rule and its evidence."""

from django.db import transaction

from approvals.audit.record import record
from approvals.inspection.finding import Severity
from approvals.inspection.models import LONGEST_WORDS, LookedAt, StagedFinding
from approvals.inspection.rule_settings import weights_of_rules
from approvals.inspection.text import clean
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.people.turnstile import turnstile
from approvals.queue.models import StagedVersion


class NotLookedAt(Exception):
    """It could not be marked; the text says why, and what to do."""


def look_at(
    user: User, staged_version: StagedVersion, rule: str, fingerprint: str, words: str
) -> LookedAt:
    """Marks a finding as looked at, for every version of its package with the same evidence.

    Raises NotLookedAt.
    """
    words = " ".join(words.split())
    if not words:
        raise NotLookedAt("Say in a word or two why it is all right: the next reviewer reads it.")
    if words != clean(words):
        raise NotLookedAt("Say why in plain text: there is a character in it that is none.")
    if len(words) > LONGEST_WORDS:
        raise NotLookedAt(f"Say why in at most {LONGEST_WORDS} characters.")
    with transaction.atomic():
        user, row = _locked(user, staged_version)
        finding = _finding(row, rule, fingerprint)
        severity = _severity(row, finding)
        mark, is_new = LookedAt.objects.get_or_create(
            package_id=row.package_id,
            rule=finding.rule,
            fingerprint=finding.fingerprint,
            defaults={"by": user, "words": words},
        )
        if not is_new:
            raise NotLookedAt("Somebody marked it a moment ago: see what they wrote.")
        _tell("finding.looked_at", user, row, finding, severity, words=words)
    return mark


def take_back(user: User, staged_version: StagedVersion, rule: str, fingerprint: str) -> None:
    """Takes the mark back, for every version of the package. Raises NotLookedAt."""
    with transaction.atomic():
        user, row = _locked(user, staged_version)
        finding = _finding(row, rule, fingerprint)
        severity = _severity(row, finding)
        marks = LookedAt.objects.filter(
            package_id=row.package_id, rule=finding.rule, fingerprint=finding.fingerprint
        )
        if not marks.delete()[0]:
            raise NotLookedAt("The mark was taken back already.")
        _tell("finding.look_taken_back", user, row, finding, severity)


def _locked(user: User, staged_version: StagedVersion) -> tuple[User, StagedVersion]:
    """Both as they are now, and as they stay until the mark is written."""
    user = turnstile(user)
    # By a statement of its own: whoever was waited for may have changed what is read.
    StagedVersion.objects.select_for_update(no_key=True).get(pk=staged_version.pk)
    row = StagedVersion.objects.with_package().get(pk=staged_version.pk)
    if not may_decide(user, row.registry.url, row.package.name):
        raise NotLookedAt("Only approvers mark findings of this package as looked at. Ask one.")
    if not row.is_open:
        raise NotLookedAt(
            "It is decided already, and what the decision stood on stays as it was. Mark it for "
            "the next version that has the same."
        )
    return user, row


def _finding(staged_version: StagedVersion, rule: str, fingerprint: str) -> StagedFinding:
    finding = StagedFinding.objects.filter(
        staged_version=staged_version, rule=clean(rule), fingerprint=clean(fingerprint)
    ).first()
    if finding is None:
        raise NotLookedAt(
            "This finding is not there any more, or its evidence changed meanwhile: look at the "
            "list again."
        )
    return finding


def _severity(staged_version: StagedVersion, finding: StagedFinding) -> Severity:
    """As it is shown."""
    usual = Severity(finding.severity)
    severity = weights_of_rules().severity(finding.rule, staged_version.package.name, usual)
    if severity is None:
        raise NotLookedAt("This rule is switched off for the package: nobody sees what it finds.")
    return severity


def _tell(
    kind: str,
    user: User,
    staged_version: StagedVersion,
    finding: StagedFinding,
    severity: Severity,
    **words: str,
) -> None:
    record(
        kind,
        actor=user,
        subject=staged_version,
        stage_id=staged_version.stage_id,
        rule=finding.rule,
        severity=str(severity),
        path=finding.path,
        line=finding.line,
        fingerprint=finding.fingerprint,
        **words,
    )

"""Cases that requirements judge, made without a database."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from approvals.inspection.finding import Severity
from approvals.inspection.models import LookedAt, StagedFinding
from approvals.inspection.standing import StandingFinding
from approvals.people.deciders import Decider
from approvals.people.models import Role
from approvals.policy.answers import Answer
from approvals.policy.book import Policy
from approvals.policy.case import Approval, Case
from approvals.policy.evaluate import answers_of
from approvals.policy.requirement import Requirement
from approvals.policy.requirements import kinds
from approvals.queue.models import Package, Registry, StagedVersion

# A Thursday.
NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
POLICY = "a" * 64
BASELINE = "1.4.2"


def person(username: str, *teams: str, role: Role = Role.APPROVER) -> Decider:
    """Somebody whose key follows from their name."""
    key = int.from_bytes(username.encode()[:6], "big")
    return Decider(key, username, username.title(), role, frozenset(teams))


ADA = person("ada", "frontend")
GRACE = person("grace", "frontend", "security")
LINUS = person("linus")
ROOT = person("root", role=Role.ADMINISTRATOR)
EVERYBODY = (ADA, GRACE, LINUS, ROOT)


def version(package: str = "@acme/ui", number: str = "1.5.0", **fields: Any) -> StagedVersion:
    registry = Registry(pk=1, name="registry", url="https://registry.example.org/")
    values: dict[str, Any] = {
        "tag": "latest",
        "actor": "release-bot",
        "actor_type": "trusted automation",
        "found_at": NOW - timedelta(hours=3),
        # What the registry claims is not believed.
        "created_at": NOW - timedelta(days=900),
        **fields,
    }
    return StagedVersion(
        pk=1,
        registry=registry,
        package=Package(pk=1, registry=registry, name=package),
        stage_id=UUID(int=7),
        version=number,
        **values,
    )


def case(
    *approved: Decider | Approval,
    package: str = "@acme/ui",
    number: str = "1.5.0",
    deciders: Iterable[Decider] = EVERYBODY,
    **fields: Any,
) -> Case:
    """A minor version that was compared; those named have approved it as it is."""
    deciders = tuple(deciders)
    teams = {name for one in deciders for name in one.teams}
    findings = tuple(fields.pop("findings", ()))
    of_version = {name: fields.pop(name) for name in ("tag", "actor", "found_at") if name in fields}
    values: dict[str, Any] = {
        "action": "approve",
        "at": NOW,
        "step": "minor",
        "baseline_version": BASELINE,
        "policy": POLICY,
        "teams": {
            name: frozenset(one.key for one in deciders if name in one.teams) for name in teams
        },
        **fields,
    }
    return Case(
        version=version(package, number, **of_version),
        deciders=deciders,
        findings=findings,
        approvals=tuple(
            approval(one, findings) if isinstance(one, Decider) else one for one in approved
        ),
        **values,
    )


def approval(by: Decider, findings: Iterable[StandingFinding] = (), **fields: Any) -> Approval:
    """One for the version as `case` makes it."""
    values: dict[str, Any] = {
        "at": NOW - timedelta(minutes=30),
        "baseline_version": BASELINE,
        "policy": POLICY,
        "findings": frozenset(one.row.fingerprint for one in findings),
        **fields,
    }
    return Approval(by, **values)


def finding(
    fingerprint: str = "f1",
    severity: Severity = Severity.HIGH,
    *,
    looked_at_by: Decider | None = None,
    title: str = "It runs setup.js on installation.",
) -> StandingFinding:
    row = StagedFinding(
        rule="install-script", severity=severity, title=title, fingerprint=fingerprint
    )
    looked_at = LookedAt(by_id=looked_at_by.key) if looked_at_by else None
    return StandingFinding(row, severity, looked_at)


def policy(**requirements: Any) -> Policy:
    """One that demands these: by key, what was typed."""
    found = {key: kinds()[key].checked(typed) for key, typed in requirements.items()}
    return Policy("own", "Own", "", "*", found)


def made(key: str, **typed: str) -> Requirement:
    """The requirement as somebody set it by typing this."""
    return kinds()[key](kinds()[key].checked(typed))


def answered(key: str, judged: Case, /, **typed: str) -> Answer:
    """What it says of the case, among those that are in force everywhere."""
    settings = {key: kinds()[key].checked(typed)}
    answers = answers_of(judged, Policy("own", "Own", "", "*", settings))
    return next(one for one in answers if one.requirement == key)

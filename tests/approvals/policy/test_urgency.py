"""What policies call urgent, asked of a package and of a version."""

from datetime import timedelta

import pytest

from approvals.policy.book import DEFAULT, Policy
from approvals.policy.requirements import kinds
from approvals.policy.urgency import calls_urgent, longest_wait
from tests.approvals.factories import make_policies
from tests.approvals.policy.cases import policy

URL = "https://registry.example.org/"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("package", "severity", "urgent"),
    [
        ("@acme/core", "", True),
        ("@acme/ui", "", False),
        # Which step it is is not known of a package alone.
        ("@acme/step", "", False),
        ("@acme/ui", "critical", True),
        ("@acme/ui", "high", False),
        ("@other/ui", "critical", False),
    ],
)
def test_news_of_a_package(package: str, severity: str, urgent: bool) -> None:
    typed = {
        "lines": "package @acme/core\nfinding critical\nmajor for @acme/step",
        "wait": "5 minutes",
    }
    urgency = {"urgent": kinds()["urgent"].checked(typed)}
    make_policies({}, Policy("acme", "Acme", "", "@acme/*", urgency))
    assert calls_urgent(URL, package, severity) is urgent


@pytest.mark.django_db
def test_nothing_is_urgent_where_no_policy_says_so() -> None:
    assert calls_urgent(URL, "@acme/core", "critical") is False
    assert longest_wait(DEFAULT) is None


@pytest.mark.django_db
def test_settings_of_another_version_call_nothing_urgent() -> None:
    make_policies({"urgent": {"lines": 3, "minutes": None}})
    assert calls_urgent(URL, "@acme/core", "critical") is False
    assert longest_wait(Policy("own", "Own", "", "*", {"urgent": {"minutes": None}})) is None


def test_how_long_one_person_is_waited_for() -> None:
    wait = {"lines": "*", "wait": "1 hour"}
    assert longest_wait(policy(urgent=wait)) == timedelta(hours=1)

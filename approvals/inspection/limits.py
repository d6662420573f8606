"""The limits that this machine's operator has set."""

from django.conf import settings

from approvals.inspection.results import CompareLimits
from approvals.inspection.search.operator_rules import OperatorRules, operator_rules
from registry_client.tarball import Limits


def tarball_limits() -> Limits:
    """How much a tarball may ask of whoever reads it."""
    return Limits(**settings.TARBALL_LIMITS)


def compare_limits(rules: OperatorRules | None = None) -> CompareLimits:
    """How much work and text one comparison may cost, and which rules of the operator it applies:
    these, or those that are there now.
    """
    return CompareLimits(
        tarball=tarball_limits(),
        **settings.DIFF_LIMITS,
        yara_rules=rules or operator_rules(settings.YARA_RULES),
    )

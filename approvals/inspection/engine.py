"""Under which version comparisons are kept: a better engine, or other rules, compare anew."""

from django.conf import settings

from approvals.inspection.compare import ENGINE
from approvals.inspection.search.operator_rules import OperatorRules, operator_rules


def engine_version(rules: OperatorRules | None = None) -> str:
    """The engine's number, and behind a "+" which rules the operator has added, if any.

    `rules` are those as they were read, for whoever compares with them; else as they are now.
    """
    digest = (rules or operator_rules(settings.YARA_RULES)).digest
    return f"{ENGINE}+{digest}" if digest else ENGINE


def engine_number(version: str) -> str:
    """The number alone. Machines may have different rules of their operator; that makes none of
    them the earlier one."""
    return version.partition("+")[0]

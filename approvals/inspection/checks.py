"""What is checked when a program starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from approvals.inspection.findings import broken_rules
from approvals.inspection.search.operator_rules import operator_rules


@register
def check_yara_rules(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """That the folder of COUNTERSIGN_YARA_RULES is there, and every file in it compiles.

    One file that does not is no reason to stand still: the others are in force without it.
    """
    if not settings.YARA_RULES:
        return []
    if not Path(settings.YARA_RULES).is_dir():
        return [
            Error(
                f"COUNTERSIGN_YARA_RULES must be a folder with YARA rules, and there is none at "
                f"{settings.YARA_RULES}.",
                id="inspection.E001",
            )
        ]
    return [
        Warning(
            f"COUNTERSIGN_YARA_RULES: {broken.where}: {broken.why}",
            hint="The other files are in force without it.",
            id="inspection.W001",
        )
        for broken in operator_rules(settings.YARA_RULES).broken
    ]


@register
def check_rules(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """That every rule can be loaded, and what it looks for be searched for.

    Where one cannot, each inspection says that it was not in force; this says it before any.
    """
    return [
        Error(f"The rule {rule.name} is not in force: {rule.why}", id="inspection.E002")
        for rule in broken_rules()
    ]

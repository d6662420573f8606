"""What must hold before a staged version may be decided.

Each module in this folder is one requirement, in force by being there. It has one function,
`obstacle(staged_version, action) -> str`: a sentence about what stands in the way of this action
("approve" or "reject"), or "" where nothing does.
"""

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module

from approvals.queue.models import StagedVersion

Requirement = Callable[[StagedVersion, str], str]


def standing_in_the_way(staged_version: StagedVersion, action: str) -> list[str]:
    """One sentence for each requirement that does not hold; empty where the way is free."""
    sentences = (obstacle(staged_version, action) for obstacle in requirements())
    return [sentence for sentence in sentences if sentence]


@cache
def requirements() -> tuple[Requirement, ...]:
    """Every requirement in force, in the order of their modules' names."""
    return tuple(import_module(f"{__name__}.{name}").obstacle for name in names_in_force())


def names_in_force() -> list[str]:
    """What was looked at where nothing stood in the way: the names of the requirements."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))

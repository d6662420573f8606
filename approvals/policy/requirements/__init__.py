"""What must hold before a staged version may be decided.

Each module in this folder has one subclass of `Requirement`, known by being there, under the
module's name as its key.
"""

import inspect
import pkgutil
from functools import cache
from importlib import import_module

from approvals.policy.requirement import Requirement


@cache
def kinds() -> dict[str, type[Requirement]]:
    """Every kind of requirement by its key, in the order of the keys."""
    return {
        name: _kind(name)
        for name in sorted(module.name for module in pkgutil.iter_modules(__path__))
    }


def _kind(name: str) -> type[Requirement]:
    module = import_module(f"{__name__}.{name}")
    [kind] = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Requirement) and one.__module__ == module.__name__
    ]
    return kind

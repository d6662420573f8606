"""What a reviewer should look at, in a tarball and in how it was staged.

Each module in this folder is one rule, in force by being there; helpers live outside. It has one
or both of

    def in_tarball(look: Look) -> Iterator[Finding]
    def at_registry(staging: Staging) -> Iterator[Finding]

with `GROUP`, what it is about; `RULES`, each id that it yields with what that looks for in words;
`LIMITS` those ids that say what was not looked at, where `GROUP` is another; and where it searches
code `NEEDLES`, which `look.uses(NEEDLES)` then finds. It asks no database and
no network by itself, and needs no bound of its own on how much it yields: gathering.py has those.

They look in the order of their groups: what runs on installation has been seen where there is no
time for all. Those of the group LIMITS come last, and always: they say what the others could not
look at.
"""

import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import yara_x

from approvals.inspection.covering import covering
from approvals.inspection.finding import Finding, Group
from approvals.inspection.gathering import IN_WORDS, Gathered, crashed, guarded, not_run
from approvals.inspection.parts import with_parts_lowered
from approvals.inspection.search.needles import Searcher

if TYPE_CHECKING:
    from approvals.inspection.search.look import Look
    from approvals.inspection.staging import Staging

logger = logging.getLogger(__name__)

_GROUPS = list(Group)


@dataclass(frozen=True)
class BrokenRule:
    """A module that cannot be a rule in force, and why: for whoever develops it."""

    name: str
    why: str


def findings_in_tarball(
    look: "Look", on_progress: Callable[[int, int], object] | None = None
) -> list[Finding]:
    """Every finding about what is in the tarball, the most serious first.

    `on_progress` gets how many rules are done, and how many there are; also while one is at work.
    What it raises ends the search.
    """
    found = Gathered(crashed(one.name, look.digest, "not loaded") for one in broken_rules())
    modules = [module for module in rule_modules() if hasattr(module, "in_tarball")]
    left_out = []
    for number, module in enumerate(modules):
        if on_progress is not None:
            look.tells(on_progress, number, len(modules))
        if module.GROUP != Group.LIMITS and look.is_out_of_time():
            left_out.append(name_of(module))
            continue
        rule = partial(_covered, module.in_tarball)
        for finding in guarded(rule, look, module.__name__, look.stage_id, look.digest):
            found.add(finding)
    if left_out:
        found.add(not_run(left_out, look.digest))
    return with_parts_lowered(found.few_enough(rules_in_words()[Group.LIMITS]))


def _covered(rule: "Callable[[Look], Iterable[Finding]]", look: "Look") -> Iterator[Finding]:
    """What the rule yields, with evidence of all that a person who looks at it judges."""
    for finding in rule(look):
        yield covering(look, finding)


def findings_at_registry(staging: "Staging") -> list[Finding]:
    """Every finding about how, by whom and as what it was staged, the most serious first."""
    found = Gathered()
    for module in rule_modules():
        if hasattr(module, "at_registry"):
            rule, about = module.at_registry, (staging.stage_id, staging.sha512)
            for finding in guarded(rule, staging, module.__name__, *about):
                found.add(finding)
    return found.few_enough(rules_in_words()[Group.LIMITS])


def rule_modules() -> tuple[ModuleType, ...]:
    """Every rule in force, by group and name."""
    return _loaded()[0]


def broken_rules() -> tuple[BrokenRule, ...]:
    """Modules that are no rules in force, as they cannot be imported or their needles are none."""
    return _loaded()[2]


def searcher_of_rules() -> Searcher:
    """For everything that any rule in force looks for."""
    return _loaded()[1]


@cache
def rules_in_words() -> dict[Group, dict[str, str]]:
    """Each rule's id with what it looks for, by what it is about."""
    found: dict[Group, dict[str, str]] = {group: {} for group in Group}
    for module in rule_modules():
        for rule, words in module.RULES.items():
            is_limit = rule in getattr(module, "LIMITS", ())
            found[Group.LIMITS if is_limit else module.GROUP][rule] = words
    found[Group.LIMITS] |= IN_WORDS
    return found


def name_of(module: ModuleType) -> str:
    """A rule's name, as whoever writes rules knows it."""
    return module.__name__.rpartition(".")[2]


@cache
def _loaded() -> tuple[tuple[ModuleType, ...], Searcher, tuple[BrokenRule, ...]]:
    modules: list[ModuleType] = []
    broken: list[BrokenRule] = []
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        try:
            module = import_module(f"{__name__}.{name}")
            _ = module.GROUP, module.RULES
        except Exception as error:
            # One that is broken is no reason to search for nothing at all.
            logger.exception("the rule %s cannot be loaded", name)
            broken.append(BrokenRule(name, f"{type(error).__name__}: {error}"))
        else:
            modules.append(module)
    try:
        searcher = _searcher(modules)
    except (yara_x.CompileError, AttributeError, TypeError):
        for module in modules[:]:
            if (why := _why_not_searched_for(module)) is not None:
                logger.error("the rule %s cannot be searched for: %s", name_of(module), why)
                broken.append(BrokenRule(name_of(module), why))
                modules.remove(module)
        searcher = _searcher(modules)
    modules.sort(key=lambda module: _GROUPS.index(module.GROUP))
    return tuple(modules), searcher, tuple(broken)


def _searcher(modules: list[ModuleType]) -> Searcher:
    return Searcher(module.NEEDLES for module in modules if hasattr(module, "NEEDLES"))


def _why_not_searched_for(module: ModuleType) -> str | None:
    try:
        _searcher([module])
    except (yara_x.CompileError, AttributeError, TypeError) as error:
        return str(error)
    return None

"""Modules that are loaded by a name that is worked out."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import spelled
from approvals.inspection.search.look import Look
from approvals.inspection.search.sign import Sign, as_one, is_for_tests, pointing_to, weight

GROUP = Group.CODE
RULES = {
    "dynamic-require": "Modules that are newly loaded by a computed name",
    "spelled-require": "Modules and globals whose name is spelled so that no search finds it",
}
NEEDLES = spelled.NEEDLES
_ANY = Sign(NEEDLES, lambda _: True)


def in_tarball(look: Look) -> Iterator[Finding]:
    loads = spelled.loads(look)
    hidden = [one for one in loads if one[1]]
    told: set[tuple[str, int, str]] = set()
    for use, name, at in hidden:
        line = use.file.line_at(at)
        if (use.path, line, name) in told:
            continue
        told.add((use.path, line, name))
        is_global = name in spelled.GLOBALS
        what = name if is_global else f"the module {name}"
        finding = as_one(
            [use],
            rule="spelled-require",
            severity=Severity.HIGH,
            title=f"It {'uses' if is_global else 'loads'} {what}, and spells its name so that no "
            "search finds it.",
            why="A name that stands in the code as it is can be found by everybody. To put it "
            "together from pieces or escapes serves to hide what is used.",
            what_to_check="Ask why, and look at everything that is done with it.",
            detail=f"Spelled out: {name}",
        )
        yield pointing_to(finding, use.file, at)
    if hidden:
        return
    computed = [use for use, _, _ in loads if spelled.is_computed(use) and not is_for_tests(use)]
    if computed:
        yield as_one(
            computed,
            rule="dynamic-require",
            severity=weight(look, _ANY),
            title="It loads modules by a name that is worked out when it runs.",
            why="Which code is loaded then cannot be seen in the tarball.",
            what_to_check="See which names are possible, and who can choose them.",
        )

"""Native code that npm compiles on installation without any script that says so."""

import re
from collections.abc import Iterator

from approvals.inspection.commands import danger_of
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.installing import NEW_BUILD
from approvals.inspection.risk import NATIVE_BUILD
from approvals.inspection.script_calls import files_led_to
from approvals.inspection.search.look import Look

GROUP = Group.INSTALLATION
RULES = {
    NEW_BUILD: "Native code that npm newly compiles on installation, or compiles otherwise",
    "native-build-before": "Native code that npm compiles on installation as before",
}
_COMMAND = re.compile(rb"<!@?\(([^\r\n]{0,1000})")
_MOST_BYTES = 1024 * 1024
_WHY = "Where there is a binding.gyp and no install script, npm runs node-gyp by itself, and what "
_WHY += "stands in that file and in those that it includes may run any command on the machine of "
_WHY += "whoever installs this."
_AT_FIRST = "npm compiles native code on installation, without any script."
_CHECK = "Read the whole file for actions and commands (“<!”), and the code that it compiles."


def in_tarball(look: Look) -> Iterator[Finding]:
    for problem in look.problems:
        if problem.rule not in RULES:
            continue
        is_new = problem.rule == NEW_BUILD
        is_grave = is_new and problem.sentence.startswith("It is new")
        recipes = _recipes(look, problem.path)
        yield _finding(
            look,
            problem.rule,
            problem.path,
            _AT_FIRST if look.is_first else problem.sentence,
            recipes,
            Severity.HIGH if is_grave else Severity.MEDIUM if is_new else Severity.INFO,
        )
        for path in recipes[1:]:
            file = look.file_at(path)
            # A new build is one thing to look at, with all that it includes.
            if file is None or (is_grave and not _first_command(look, path)[2]):
                continue
            word = "" if look.is_first else " is new, and" if file.is_added else " changed, and"
            sentence = f"This file{word} says how npm compiles native code on installation."
            yield _finding(look, NEW_BUILD, path, sentence, recipes, Severity.MEDIUM)


def _finding(  # noqa: PLR0917 - what differs between both
    look: Look, rule: str, path: str, title: str, recipes: list[str], severity: Severity
) -> Finding:
    line, excerpt, danger = _first_command(look, path)
    is_new = rule == NEW_BUILD
    return Finding(
        rule,
        Severity.CRITICAL if is_new and danger else severity,
        title,
        _WHY,
        _CHECK if is_new else "Nothing here: what it includes is named where it changed.",
        path=path,
        line=line,
        excerpt=excerpt,
        is_new=is_new,
        evidence=look.digest_of(recipes),
    )


def _first_command(look: Look, path: str) -> tuple[int, str, str]:
    """The line and text of the first dangerous command, else of any; and what is dangerous."""
    content = (look.content_of(path) or b"")[:_MOST_BYTES]
    commands = list(_COMMAND.finditer(content))
    dangers = [(one, danger_of(one[1].decode("utf-8", "replace"))) for one in commands]
    first = max(dangers, key=lambda one: bool(one[1]), default=None)
    if first is None:
        return 1, "", ""
    line = content.count(b"\n", 0, first[0].start()) + 1
    return line, first[0][0].decode("utf-8", "replace"), first[1]


def _recipes(look: Look, path: str) -> list[str]:
    """The binding.gyp, and every file of this kind or that it names beside or below it."""
    folder = path.removesuffix(NATIVE_BUILD)
    kinds = [
        other
        for other in look.paths_under(folder)
        if other.endswith((".gyp", ".gypi")) and "node_modules/" not in other[len(folder) :]
    ]
    named = files_led_to([path], look.new.files, look.content_of, loaded=True)
    return list(dict.fromkeys([path, *kinds[:_MOST_FILES], *named]))


_MOST_FILES = 100

"""Code that deletes or overwrites what it did not make."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, close_pair, is_in_text, joined, leaf
from approvals.inspection.search.signs import DATES, PLACES

GROUP = Group.CODE
RULES = {
    "destruction": "Code that deletes or overwrites whole folders, on some day or everywhere",
}
_REMOVING = r"\b(rmSync|rm|rimraf|rmdirSync|rmdir|removeSync|emptyDirSync|remove)\s*\("
_TO_REMOVE = needles("rm -rf", "rd /s", patterns=(_REMOVING,))
_TO_WRITE = needles(patterns=(r"\b(writeFile|writeFileSync|truncateSync)\s*\(",))
NEEDLES = joined(_TO_REMOVE, _TO_WRITE)
_EVERYTHING = re.compile(r"^(/|~|~/|/\*|\*|/home|/Users|[A-Za-z]:\\?|\.\./\.\./?|\$HOME/?\*?)$")
_OF_SHELL = re.compile(r"(rm -rf|rd /s( /q)?)\s+(--no-preserve-root\s+)?[\"']?([^\s\"'`;&|]+)")
_HOME = re.compile(r"(^|\.)homedir\(\)$|^process\.env\.(HOME|USERPROFILE)$")
_WALKS = re.compile(r"readdir(Sync)?\b")
_REPEATS = re.compile(r"\b(for|while)\s*\(|forEach|\.map\(|for await")
_FOLDERS = re.compile(r"isDirectory|recursive|withFileTypes")


def in_tarball(look: Look) -> Iterator[Finding]:
    for use in _ALL.uses(look):
        yield _finding(use, Severity.CRITICAL, "It deletes everything there is.")
        return
    for condition, words in ((DATES, "from some day on"), (PLACES, "on some machines only")):
        pair = close_pair(_REMOVES.uses(look), condition.uses(look))
        if pair is not None and abs(pair[0].match.start - pair[1].match.start) < _NEAR:
            yield _finding(pair[0], Severity.CRITICAL, f"It deletes whole folders, {words}.")
            return
    for use in _OVERWRITES.uses(look):
        yield _finding(use, Severity.HIGH, "It walks through folders and overwrites every file.")
        return


_NEAR = 1_500


def _finding(use: Use, severity: Severity, title: str) -> Finding:
    return as_one(
        [use],
        rule="destruction",
        severity=severity,
        title=title,
        why="Packages have deleted the files of people in some countries, and of everybody after "
        "some day. Nobody notices before.",
        what_to_check="See which files it reaches and when. It must only touch what it made.",
    )


def _may_remove(use: Use) -> bool:
    is_whole = use.needle.startswith(("rm -", "rd /", "rimraf"))
    return is_whole or "recursive" in use.around(200, 2_000)


def _removes(use: Use) -> bool:
    if use.needle.startswith(("rm -", "rd /")):
        return is_in_text(use)
    call = None if leaf(use) is None else syntax.call_around(leaf(use))
    if call is None or not syntax.is_called(leaf(use)):
        return False
    return b"recursive" in (call.text or b"")[:2_000] or "rimraf" in use.needle


def _removes_all(use: Use) -> bool:
    if not _removes(use):
        return False
    if use.needle.startswith(("rm -", "rd /")):
        found = _OF_SHELL.match(use.around(0, 80))
        return found is not None and bool(_EVERYTHING.match(found[4]))
    call = syntax.call_around(leaf(use))
    arguments = [] if call is None else syntax.arguments_of(call)
    if not arguments:
        return False
    written = (arguments[0].text or b"")[:200].decode("utf-8", "replace")
    text = syntax.text_of(arguments[0], use.piece)
    return bool(_HOME.search(written)) or (text is not None and bool(_EVERYTHING.match(text)))


def _may_overwrite(use: Use) -> bool:
    around = use.around(800, 400)
    return bool(_WALKS.search(around) and _FOLDERS.search(around) and _REPEATS.search(around))


def _overwrites(use: Use) -> bool:
    """`writeFile(each, "")` in a walk."""
    call = syntax.call_around(leaf(use))
    arguments = [] if call is None or not syntax.is_called(leaf(use)) else syntax.arguments_of(call)
    if len(arguments) < 2 or syntax.text_of(arguments[0], use.piece) is not None:  # noqa: PLR2004
        return False
    text = syntax.text_of(arguments[1], use.piece)
    return text is not None and len(text) < _LITTLE


_LITTLE = 20
_REMOVES = Sign(_TO_REMOVE, _removes, _may_remove)
_ALL = Sign(_TO_REMOVE, _removes_all, _may_remove)
_OVERWRITES = Sign(_TO_WRITE, _overwrites, _may_overwrite)

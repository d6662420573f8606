"""Sizes that a release rarely has by intent: far more than before, far less, or nothing."""

from collections.abc import Iterator
from posixpath import splitext

from approvals.inspection.filetree import FileInfo, FileTree
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.risk import CODE_ENDINGS
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.CONTENT
RULES = {
    "package-grew": "Packages three times as large as before",
    "package-shrank": "Packages that lost half of their files or nearly all of their code",
    "file-grew": "Files of code twice as large as before",
    "file-emptied": "Files that are empty now",
    "readme-gone": "A README that is gone",
    "types-gone": "Types that are gone",
}
_TIMES = 3
_LEAST_GROWTH = 300_000
_LEAST_FILES = 6
_CODE_LEFT = 0.2
_LEAST_CODE = 5_000
_LEAST_FILE = 20_000
_FEW = 3
_CALM = 1.2
_MOST_NAMES = 12
_TYPES = (".d.ts", ".d.mts", ".d.cts")
_BEFORE_EMPTY = 20


def in_tarball(look: Look) -> Iterator[Finding]:
    if look.old is None:
        return
    yield from _package(look, look.old)
    yield from _files(look, look.old)
    yield from _gone(look, look.old)


def _package(look: Look, old: FileTree) -> Iterator[Finding]:
    before, after = old.totals, look.new.totals
    size = f"{before.unpacked_size:,} → {after.unpacked_size:,} bytes"
    files = f"{before.files:,} → {after.files:,} files"
    growth = after.unpacked_size - before.unpacked_size
    if growth >= _LEAST_GROWTH and after.unpacked_size >= _TIMES * before.unpacked_size:
        added = sorted(
            (file for file in look.files if file.is_added),
            key=lambda file: file.info.size,
            reverse=True,
        )
        largest = ", ".join(f"{file.path} ({file.info.size:,} bytes)" for file in added[:_FEW])
        yield Finding(
            "package-grew",
            Severity.MEDIUM,
            "The package is at least three times as large as before.",
            "Something was packed that was not before: by mistake, or to be run.",
            "See what is new by size, and that it belongs there.",
            detail=f"{size}, {files}"
            + (f"; the largest new ones are {largest}" if largest else ""),
        )
    code_before, code_after = _code(old), _code(look.new)
    lost_files = before.files >= _LEAST_FILES and after.files * 2 <= before.files
    lost_code = code_before >= _LEAST_CODE and code_after <= _CODE_LEFT * code_before
    if lost_files or lost_code:
        yield Finding(
            "package-shrank",
            Severity.MEDIUM,
            "The package lost nearly all of its code."
            if lost_code
            else "The package lost half of its files or more.",
            "Most often a build failed, or was not run, before the package was packed: what is "
            "installed then does not work.",
            "Compare with what the last release had, and try to install it.",
            detail=f"{size}, {files}, {code_before:,} → {code_after:,} bytes of code",
        )


def _files(look: Look, old: FileTree) -> Iterator[Finding]:
    grown = [file for file in look.files if _has_grown(file)]
    if grown:
        total_before, total_after = old.totals.unpacked_size, look.new.totals.unpacked_size
        rest = total_after - sum(_growth(file) for file in grown)
        # Where one file grows and nothing else does, somebody put something into it.
        is_odd = (
            len(grown) <= _FEW
            and rest <= _CALM * total_before
            and any(file.runs_first for file in grown)
        )
        names = [
            f"{file.path} ({file.change.old_size or 0:,} → {file.info.size:,} bytes)"
            for file in grown
        ]
        yield Finding(
            "file-grew",
            Severity.MEDIUM if is_odd else Severity.LOW,
            "Files of code are twice as large as before, or larger."
            if len(grown) > 1
            else "A file of code is twice as large as before, or larger.",
            "Attacks have put their code into a file that is there already, where its size shows "
            "more than its diff.",
            "See what was added, and that it is what the release speaks of.",
            path=grown[0].path,
            detail=_listed(names),
            evidence="".join(file.change.new_sha256 for file in grown),
            stands_for=len(grown),
        )
    emptied = [
        file
        for file in look.files
        if file.old_info
        and not file.info.size
        and file.old_info.size >= _BEFORE_EMPTY
        and (_is_code(file.info) or file.path.endswith(_TYPES))
    ]
    if emptied:
        yield Finding(
            "file-emptied",
            Severity.MEDIUM,
            "Files of code are empty now.",
            "Most often a build failed. Whoever loads them gets nothing.",
            "Ask whether they are meant to be empty.",
            path=emptied[0].path,
            detail=_listed([file.path for file in emptied]) if len(emptied) > 1 else "",
            stands_for=len(emptied),
        )


def _gone(look: Look, old: FileTree) -> Iterator[Finding]:
    if any(map(_is_readme, old.files)) and not any(map(_is_readme, look.new.files)):
        yield Finding(
            "readme-gone",
            Severity.LOW,
            "The README is gone.",
            "It is packed whatever package.json says, so that it was deleted, or the package was "
            "made in another way.",
            "Ask how it was packed.",
        )
    before = sum(path.endswith(_TYPES) for path in old.files)
    if before and not any(
        path.endswith((*_TYPES, ".ts", ".mts", ".cts")) for path in look.new.files
    ):
        yield Finding(
            "types-gone",
            Severity.MEDIUM,
            "The types are gone.",
            "Whoever compiles against the package gets errors, or loses what the types checked.",
            "Ask whether they have moved to another package, or a step of the build failed.",
            detail=f"{before:,} → 0 files of types",
        )


def _has_grown(file: LookedFile) -> bool:
    return (
        file.old_info is not None
        and file.old_info.size >= _LEAST_FILE
        and file.info.size >= 2 * file.old_info.size
        and _is_code(file.info)
    )


def _growth(file: LookedFile) -> int:
    return file.info.size - (file.old_info.size if file.old_info else 0)


def _code(tree: FileTree) -> int:
    return sum(info.size for info in tree.files.values() if _is_code(info))


def _is_code(info: FileInfo) -> bool:
    ending = splitext(info.path)[1].lower()
    return (ending in CODE_ENDINGS and not info.path.endswith(_TYPES)) or ending in (
        ".node",
        ".wasm",
    )


def _is_readme(path: str) -> bool:
    return "/" not in path and path.lower().partition(".")[0] == "readme"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")

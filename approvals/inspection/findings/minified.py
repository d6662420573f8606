"""Code that cannot be read any more, where the baseline had source."""

import re
from collections.abc import Iterator

from approvals.inspection.filetree import FileInfo, FileTree
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile
from approvals.inspection.search.places import use_at

GROUP = Group.HIDING
RULES = {
    "minified-source": "Minified code where the baseline had source",
    "minified-line": "A long line of dense code in a file that can be read otherwise",
    "minified-added": "New minified code in a package that had none",
}

_ENDINGS = (".js", ".cjs", ".mjs", ".jsx", ".ts", ".tsx", ".mts", ".cts")
_TYPES = (".d.ts", ".d.mts", ".d.cts")
_BUILT = re.compile(
    r"(?:^|/)(?:dist[^/]*|build|umd|bundles?|out|output|esm[^/]*|cjs|es\d*|fesm\d*|lib-?es[^/]*|"
    r"compiled|generated|min|vendor|public|assets|static|chunks?|prebuilt|release|iife|browser|"
    r"standalone|_esm|amd|system|www)/",
    re.IGNORECASE,
)
_LINE_OF_MINIFIED = 250
_LINE_OF_SOURCE = 90
_LEAST = 1_000
_LONG_LINE = 1_500
_LONGEST_READ = 200_000
_TEXTS = re.compile(r"\"[^\"\n]{80,}\"|'[^'\n]{80,}'|`[^`\n]{80,}`|/[^/\n]{200,}/")
_LEAST_CALLS = 15
_MANY = 3


def in_tarball(look: Look) -> Iterator[Finding]:
    if look.old is None:
        return
    became = [file for file in look.files if _became_minified(file)]
    odd = [file for file in became if not _BUILT.search(file.path)]
    if len(odd) > _MANY:
        odd = []
    yield from (_source(look, file) for file in odd)
    if built := [file for file in became if file not in odd]:
        yield _layout(built)
    for file in look.files:
        if file not in became and (found := _line(look, file)):
            yield found
    if not any(_is_minified(info) for info in _scripts(look.old)):
        for file in look.files:
            if file.is_added and _is_minified(file.info) and _is_script(file.path):
                yield from _added(look, file)


def _is_script(path: str) -> bool:
    low = path.lower()
    return low.endswith(_ENDINGS) and not low.endswith(_TYPES) and ".min." not in low


def _scripts(tree: FileTree) -> Iterator[FileInfo]:
    return (info for path, info in tree.files.items() if path.lower().endswith(_ENDINGS))


def _is_minified(info: FileInfo) -> bool:
    return info.size >= _LEAST and info.size > _LINE_OF_MINIFIED * max(info.lines, 1)


def _is_source(info: FileInfo) -> bool:
    return 0 < info.size <= _LINE_OF_SOURCE * max(info.lines, 1)


def _became_minified(file: LookedFile) -> bool:
    return (
        file.old_info is not None
        and file.change.status == "modified"
        and not file.change.is_vendored
        and _is_script(file.path)
        and _is_minified(file.info)
        and _is_source(file.old_info)
    )


def _source(look: Look, file: LookedFile) -> Finding:
    old = file.old_info
    folder = file.path.rpartition("/")[0]
    beside = sum(
        1
        for path, info in look.new.files.items()
        if path.rpartition("/")[0] == folder and _is_script(path) and _is_source(info)
    )
    return Finding(
        "minified-source",
        Severity.HIGH if beside or file.runs_first else Severity.MEDIUM,
        "A file that could be read before is minified now.",
        "What is minified is hardly reviewed. An attack that puts its code into one file of a "
        "package often leaves it so, while all others stay as they were.",
        "Ask why this file alone is built differently, and compare it with the source.",
        path=file.path,
        line=1,
        detail=f"{0 if old is None else old.lines:,} → {file.info.lines:,} lines",
        evidence=file.change.new_sha256,
    )


def _layout(files: list[LookedFile]) -> Finding:
    return Finding(
        "minified-source",
        Severity.MEDIUM,
        f"{len(files):,} files that could be read before are minified now."
        if len(files) > 1
        else "A file that could be read before is minified now.",
        "What is minified is hardly reviewed. Most likely the build changed; then the repository "
        "says so.",
        "Look for the change of the build, and compare with the source.",
        path=files[0].path,
        detail=", ".join(file.path for file in files),
        evidence=" ".join(file.change.new_sha256 for file in files),
    )


def _line(look: Look, file: LookedFile) -> Finding | None:
    old = file.old_info
    if (
        old is None
        or not _is_script(file.path)
        or not _is_source(old)
        or file.change.is_vendored
        or file.info.size - old.size < _LONG_LINE
        or file.is_added
    ):
        return None
    dense = next((one for one in _added_texts(file.change.diff or "") if _is_dense(one[1])), None)
    if dense is None:
        return None
    number, text = dense
    start = max((file.content or b"").find(text[:200].encode()), 0)
    use = use_at(look, file, start, start + 20, number)
    return Finding(
        "minified-line",
        Severity.MEDIUM if _BUILT.search(file.path) else Severity.HIGH,
        "A long line of dense code came into a file that can be read otherwise.",
        "Nobody writes such a line by hand. The attack on chalk and debug came as one line at the "
        "end of a file of plain source.",
        "Read the line with line breaks put in, and ask where its source is.",
        path=file.path,
        line=number,
        excerpt=use.excerpt,
        detail=f"{len(text):,} characters in one line",
        evidence=file.change.new_sha256,
    )


def _is_dense(text: str) -> bool:
    """Whether so much of it is code, and not a picture or a table, that nobody wrote it by hand."""
    code = _TEXTS.sub("", text[:_LONGEST_READ])
    return (
        len(code) >= _LONG_LINE
        and code.count("(") >= _LEAST_CALLS
        and code.count(" ") < len(code) // 6
    )


def _added_texts(diff: str) -> Iterator[tuple[int, str]]:
    lines = diff.split("\n")
    if max(map(len, lines)) <= _LONG_LINE:
        return
    number = 0
    for line in lines:
        mark = line[:1]
        if mark == "@" and (head := _HUNK.match(line)):
            number = int(head[1])
        elif mark == "+":
            if len(line) > _LONG_LINE:
                yield number, line[1:]
            number += 1
        elif mark == " ":
            number += 1


_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def _added(look: Look, file: LookedFile) -> Iterator[Finding]:
    if file.change.is_vendored:
        return
    is_odd = not _BUILT.search(file.path)
    if not is_odd and not file.runs_first:
        return
    yield Finding(
        "minified-added",
        Severity.HIGH if is_odd and file.runs_first else Severity.MEDIUM,
        "Minified code came into a package that had none.",
        "What is minified is hardly reviewed. The worm Shai-Hulud came as one large bundle beside "
        "the files of the package.",
        "Find out what it was built from, and read that.",
        path=file.path,
        line=1,
        detail=f"{file.info.size:,} bytes in {file.info.lines:,} lines",
        evidence=file.change.new_sha256,
    )

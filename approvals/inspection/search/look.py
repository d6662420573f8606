"""What a rule may look at: both sides of a comparison, and the places where its needles are."""

import hashlib
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from posixpath import basename, splitext
from time import thread_time
from typing import Any

from tree_sitter import Node

from approvals.inspection.filetree import FileInfo, FileTree
from approvals.inspection.results import CompareLimits, FileChange, ManifestChange, Totals
from approvals.inspection.risk import CODE_ENDINGS
from approvals.inspection.search import loading, syntax
from approvals.inspection.search.needles import (
    MOST_MATCHES,
    Match,
    Needles,
    Searcher,
    SearchTookTooLong,
)
from approvals.inspection.search.newness import Newness
from approvals.inspection.search.pieces import Pieces
from registry_client.tar_paths import Problem

Content = Callable[[FileInfo], bytes | None]

_LOADED = (1, 2)
"""Ranks of what runs on installation, and of entry points."""
_KNOWN_ENDINGS = CODE_ENDINGS | {".json", ".css", ".node", ".wasm", ".html", ".md"}
_EXCERPT = 100
_MOST_REMEMBERED = 2
_MOST_OF_A_FILE = 5_000
"""Matches of all needles in one file; honest files have less than a thousand."""
_MOST_OF_ALL = 50_000
"""And in all files of one side."""
_MOST_FOR_NAMES = 64 * 1024 * 1024
_MOST_FOR_READING = 256 * 1024
_SHARE_OF_SEARCH = 0.5
"""Of the time that rules have: judging what was found takes as long again."""
_PATH_IN_QUOTES = re.compile(rb"/([^/\s'\"`\\]{1,200})['\"`]")
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(eq=False)
class LookedFile:
    """One file that npm would install and that differs from the baseline, or was not in it."""

    change: FileChange
    info: FileInfo
    old_info: FileInfo | None
    _contents: tuple[Content, Content] = field(repr=False)
    _is_loaded: Callable[["LookedFile"], bool] = field(repr=False)

    @property
    def path(self) -> str:
        return self.change.path

    @property
    def is_added(self) -> bool:
        return self.old_info is None

    @property
    def runs_first(self) -> bool:
        """Whether it runs on installation, or is what others load: risk.py's rank."""
        return self.change.rank <= 2  # noqa: PLR2004 - scripts and entry points

    @property
    def content(self) -> bytes | None:
        """The new side; None where it is too large to be kept."""
        return self._contents[1](self.info)

    @property
    def old_content(self) -> bytes | None:
        return None if self.old_info is None else self._contents[0](self.old_info)

    @cached_property
    def language(self) -> str:
        """The grammar's name, "" for what is no JavaScript or TypeScript."""
        head = (self.content or b"")[:200].partition(b"\n")[0] if self.info.shebang else b""
        known = syntax.language_of(self.path, head)
        if known or self.change.is_binary:
            return known
        # Node takes any name that it does not know for JavaScript.
        is_loaded = self.change.rank in _LOADED and not head and self._has_odd_name
        return "javascript" if is_loaded or self._is_loaded(self) else ""

    @property
    def is_code(self) -> bool:
        """Whether it is JavaScript or TypeScript by its name."""
        return self.change.rank in _LOADED or bool(syntax.language_of(self.path))

    @property
    def _has_odd_name(self) -> bool:
        return splitext(self.path)[1].lower() not in _KNOWN_ENDINGS

    @cached_property
    def added_lines(self) -> frozenset[int] | None:
        """Numbers of the new lines, from 1 on; None where no whole diff says so."""
        if self.is_added or self.change.diff is None or self.change.diff_note:
            return None
        return frozenset(_added_lines(self.change.diff))

    def line_at(self, offset: int) -> int:
        """The number of the line, from 1 on, that holds this byte of the new side."""
        return (self.content or b"").count(b"\n", 0, offset) + 1


@dataclass(eq=False)
class Use:
    """One place in the new side of a file where a needle is, and that is not in the baseline."""

    file: LookedFile
    match: Match
    line: int
    look: "Look" = field(repr=False)

    @property
    def path(self) -> str:
        return self.file.path

    @cached_property
    def needle(self) -> str:
        """What was found, as it stands in the file."""
        content = self.file.content or b""
        return content[self.match.start : self.match.end].decode("utf-8", "replace")

    @cached_property
    def column(self) -> int:
        """Bytes before it in its line."""
        return self.match.start - _line_bounds(self.file.content or b"", self.match.start)[0]

    def around(self, before: int = _EXCERPT, after: int = _EXCERPT) -> str:
        """The text around it, within so many bytes and lines of any number."""
        content = self.file.content or b""
        start = max(0, self.match.start - before)
        return content[start : self.match.end + after].decode("utf-8", "replace")

    @cached_property
    def excerpt(self) -> str:
        """Its line, or as much of it as can be shown."""
        content = self.file.content or b""
        start, end = _line_bounds(content, self.match.start)
        low, high = max(start, self.match.start - _EXCERPT), min(end, self.match.end + _EXCERPT)
        text = content[low:high].decode("utf-8", "replace").strip()
        return f"{'…' if low > start else ''}{text}{'…' if high < end else ''}"

    # Neither is kept here: the trees of all places together would take hundreds of megabytes.
    @property
    def piece(self) -> syntax.Piece | None:
        """The syntax around it; None in what is no JavaScript, or beyond a bound."""
        return self.look.piece_of(self.file, self.match)

    @property
    def node(self) -> Node | None:
        """The smallest named node around it."""
        piece = self.piece
        return None if piece is None else piece.at(self.match.start, self.match.end)

    @property
    def is_comment(self) -> bool:
        return syntax.is_comment(self.node)

    @property
    def is_text(self) -> bool:
        """Whether it stands in quotes."""
        return syntax.is_text(self.node)


class Look:
    """Everything that a rule about a tarball may ask.

    `files` are those that npm would install and that differ, the riskiest first. `old` is None
    without a baseline, or where that could not be read.
    """

    def __init__(
        self,
        *,
        old: FileTree | None,
        new: FileTree,
        files: Sequence[tuple[FileChange, FileInfo | None, FileInfo | None]],
        contents: tuple[Content, Content],
        manifests: tuple[dict[str, Any] | None, dict[str, Any] | None],
        manifest_problem: str,
        manifest_changes: tuple[ManifestChange, ...],
        problems: tuple[Problem, ...],
        problems_left_out: int,
        old_problems: tuple[Problem, ...],
        limits: CompareLimits,
        searcher: Searcher,
        stage_id: str = "",
    ) -> None:
        self._searcher = searcher
        self.old, self.new = old, new
        self.manifest_old, self.manifest_new = manifests
        self.manifest_problem = manifest_problem
        self.manifest_changes = manifest_changes
        self.problems, self.problems_left_out = problems, problems_left_out
        self.old_problems = old_problems
        self.limits = limits
        self.stage_id = stage_id
        self._tell: Callable[[], object] = int
        self.stopped_by: BaseException | None = None
        """What the worker that is told ended the search with, if it did."""
        # Contents may come from the disk each time.
        contents = (_remembering(contents[0]), _remembering(contents[1]))
        self._contents = contents
        self.files = [
            LookedFile(change, after, before, contents, self._is_javascript)
            for change, before, after in files
            if after is not None and change.status != "left_out"
        ]
        self.removed = [change for change, _, after in files if after is None]
        self._gone = [before for _, before, _ in files if before is not None]
        self._pieces = Pieces(limits.parse_size, self.is_out_of_time)
        self._newness = Newness(self._gone, contents[0], self._old_matches_of, self.is_out_of_time)
        self._newness.knows(lambda: self._all_matches.items())  # noqa: PLW0108 - not searched yet
        self._ends_at = thread_time() + limits.search_seconds
        self._search_ends_at = thread_time() + limits.search_seconds * _SHARE_OF_SEARCH
        self._room_for_matches = self._room_for_old_matches = _MOST_OF_ALL
        self._room_for_reading = _MOST_FOR_READING
        self.not_searched: list[str] = []
        self.judged: dict[object, list[Use]] = {}
        """What rules share of their judgement of places, by what they judge by."""

    @property
    def is_first(self) -> bool:
        """Whether there is nothing to compare with."""
        return self.old is None

    @property
    def new_totals(self) -> Totals:
        return self.new.totals

    def content_of(self, path: str) -> bytes | None:
        """The new side of a file by path, where it is kept: package.json, and what differs."""
        info = self.new.files.get(path)
        return None if info is None else self._contents[1](info)

    def file_at(self, path: str) -> LookedFile | None:
        """The file that differs under this path."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, LookedFile]:
        return {file.path: file for file in self.files}

    @cached_property
    def loaded(self) -> frozenset[str]:
        """Files with odd names that code which differs loads by path, if only by what it says."""
        keys = set(loading.NEEDLES.keys())
        found = set()
        for file, matches in self._all_matches.items():
            wanted = [match for match in matches if match.key in keys]
            content = file.content or b"" if wanted and file.is_code else b""
            for match in wanted if content else ():
                text = content[match.start : match.end]
                written = text.decode("utf-8", "replace")
                found.add(loading.loaded(file.path, written, self.new.files))
        return frozenset(found - {""})

    def _is_javascript(self, file: LookedFile) -> bool:
        """Whether what has no name of JavaScript is loaded as such, or reads as such."""
        if splitext(file.path)[1].lower() in loading.NO_JAVASCRIPT:
            return False
        return (
            file.path in self.loaded
            or (not splitext(file.path)[1] and self._is_named(file))
            or (not file.path.lower().endswith(loading.DOCUMENTATION) and self.reads_as_code(file))
        )

    def _is_named(self, file: LookedFile) -> bool:
        """Whether code names it, which has no ending, by its path."""
        return basename(file.path).encode() in self._named

    @cached_property
    def _named(self) -> frozenset[bytes]:
        """The last names of all paths that stand in code that differs, as far as is looked."""
        found: set[bytes] = set()
        room = _MOST_FOR_NAMES
        for file in self.files:
            content = file.content if file.is_code else None
            if content is not None and len(content) <= room:
                room -= len(content)
                found.update(_PATH_IN_QUOTES.findall(content))
        return frozenset(found)

    def reads_as_code(self, file: LookedFile) -> bool:
        """Whether the whole of it is JavaScript, and has calls in it."""
        content = file.content or b""
        if len(content) > self._room_for_reading or not loading.may_be_javascript(content):
            return False
        self._room_for_reading -= len(content)
        piece = syntax.parsed(content, "javascript")
        return piece is not None and not piece.root.has_error

    @property
    def not_parsed(self) -> int:
        """How many places were judged by their text alone, for a bound."""
        return self._pieces.left

    @cached_property
    def digest(self) -> str:
        """What stands for the staged tarball: SHA-256, in hex."""
        files = [(file.path, file.info.size, file.change.new_sha256) for file in self.files]
        return hashlib.sha256(repr((self.stage_id, self.new_totals, files)).encode()).hexdigest()

    def digest_of(self, paths: Iterable[str]) -> str:
        """What stands for these files of the staged tarball, whether they differ or not: whoever
        has looked at them as they are has not looked at them as they may be next time."""
        stands_for = hashlib.sha256()
        for path in sorted({*paths}):
            info = self.new.files.get(path)
            digest = "none" if info is None else info.digest.hex() or self._as_before
            stands_for.update(repr((path, digest)).encode())
        return stands_for.hexdigest()

    @property
    def _as_before(self) -> str:
        return f"as in {(self.manifest_old or {}).get('version')!r}"

    def paths_under(self, folder: str) -> list[str]:
        """All files of the staged tarball in this folder, which ends in a slash; all for ""."""
        paths = self._paths
        start = bisect_left(paths, folder)
        # No path goes on with what is greater than every character.
        return paths[start : bisect_left(paths, f"{folder}\U0010ffff", start)]

    @cached_property
    def _paths(self) -> list[str]:
        return sorted(self.new.files)

    def tells(self, on_progress: Callable[[int, int], object], number: int, of: int) -> None:
        """Says how far the rules are, now and as long as one of them is at work."""
        self._tell = partial(on_progress, number, of)
        self.tell()

    def tell(self) -> None:
        """A sign of life from within a rule: without any, the work becomes somebody else's."""
        try:
            self._tell()
        except BaseException as error:
            self.stopped_by = error
            raise

    def is_out_of_time(self) -> bool:
        """Whether no rule should begin anything long any more. Rules ask it again and again, so
        that it is also where they give a sign of life."""
        self.tell()
        return thread_time() > self._ends_at

    def uses(self, needles: Needles) -> list[Use]:
        """The places of these needles that are new, in the order of risk of their files.

        New is what does not stand on an unchanged line, and what does not stand in the baseline's
        file in the same surroundings; in a file that was added, in any baseline's file that
        changed or went. So code that only moved is not new.
        """
        keys = set(needles.keys())
        return [
            use
            for uses_of_file in self._uses.values()
            for use in uses_of_file
            if use.match.key in keys
        ]

    def uses_by_file(self, needles: Needles) -> dict[LookedFile, list[Use]]:
        """The same, for each file that has some."""
        grouped: dict[LookedFile, list[Use]] = defaultdict(list)
        for use in self.uses(needles):
            grouped[use.file].append(use)
        return dict(grouped)

    def had(self, needles: Needles) -> bool:
        """Whether any baseline's file that changed or went has one of these needles."""
        keys = set(needles.keys())
        return any(match.key in keys for matches in self._old_matches.values() for match in matches)

    def stayed(self, needles: Needles) -> list[Use]:
        """The places of these needles that are not new, in files that the baseline has, too."""
        keys = set(needles.keys())
        new = {(use.file, use.match) for use in self.uses(needles)}
        return [
            Use(file, match, file.line_at(match.start), self)
            for file, matches in self._all_matches.items()
            if file.old_info is not None
            for match in matches
            if match.key in keys and (file, match) not in new
        ]

    def before(self, needles: Needles) -> Iterator[tuple[str, str]]:
        """Where the baseline's files that changed or went have these needles: path and text."""
        keys = set(needles.keys())
        for info in self._gone:
            matches = [match for match in self._old_matches[info.index] if match.key in keys]
            content = self._contents[0](info) or b"" if matches else b""
            for match in matches:
                yield info.path, content[match.start : match.end].decode("utf-8", "replace")

    def piece_of(self, file: LookedFile, match: Match) -> syntax.Piece | None:
        """The syntax around a match, within this package's bounds for parsing."""
        return self._pieces.around(file, match)

    @cached_property
    def _uses(self) -> dict[LookedFile, list[Use]]:
        found: dict[LookedFile, list[Use]] = {}
        for file, matches in self._all_matches.items():
            self.tell()
            new = self._newness.of(file, file.content or b"", matches)
            if uses := [Use(file, match, line, self) for line, match in new]:
                found[file] = uses
        return found

    @cached_property
    def _all_matches(self) -> dict[LookedFile, list[Match]]:
        """Of each file that has some, new or not."""
        found: dict[LookedFile, list[Match]] = {}
        room = self.limits.search_size
        for file in self.files:
            self.tell()
            content = file.content
            if content is None or len(content) > room or thread_time() > self._search_ends_at:
                if not file.change.is_binary or content is None:
                    self.not_searched.append(file.path)
                continue
            if file.change.is_binary:
                continue
            room -= len(content)
            if matches := self._matches(content, file.path):
                found[file] = matches
        return found

    def _matches(self, content: bytes, path: str) -> list[Match]:
        try:
            matches = self._searcher.matches(content)
        except SearchTookTooLong:
            self.not_searched.append(path)
            return []
        most = min(_MOST_OF_A_FILE, self._room_for_matches)
        if len(matches) > most or _has_too_many(matches):
            self.not_searched.append(path)
        self._room_for_matches -= min(len(matches), most)
        return matches[:most]

    @cached_property
    def _old_matches(self) -> dict[int, list[Match]]:
        return {
            info.index: self._old_matches_of(info, self._contents[0](info) or b"")
            for info in self._gone
        }

    @cached_property
    def _searched_before(self) -> dict[int, list[Match]]:
        return {}

    def _old_matches_of(self, info: FileInfo, content: bytes) -> list[Match]:
        known = self._searched_before.get(info.index)
        if known is None:
            known = self._search_before(content)
            self._searched_before[info.index] = known
        return known

    def _search_before(self, content: bytes) -> list[Match]:
        """What is not searched here makes more of the new side count as new, never less."""
        self.tell()
        if thread_time() > self._search_ends_at:
            return []
        try:
            found = self._searcher.matches(content)
        except SearchTookTooLong:
            return []
        found = found[: min(_MOST_OF_A_FILE, self._room_for_old_matches)]
        self._room_for_old_matches -= len(found)
        return found


def _has_too_many(matches: list[Match]) -> bool:
    """Whether not even all matches of one needle were searched for."""
    if len(matches) < MOST_MATCHES:
        return False
    return max(Counter(match.key for match in matches).values()) >= MOST_MATCHES


def _remembering(content: Content) -> Content:
    """The same, with the last few contents at hand: whoever asks for one asks again."""
    kept: dict[int, bytes | None] = {}

    def remembered(info: FileInfo) -> bytes | None:
        if info.index not in kept:
            if len(kept) >= _MOST_REMEMBERED:
                kept.pop(next(iter(kept)))
            kept[info.index] = content(info)
        return kept[info.index]

    return remembered


def _added_lines(diff: str) -> Iterator[int]:
    number = 0
    for line in diff.split("\n"):
        mark = line[:1]
        if mark == "+":
            yield number
            number += 1
        elif mark == " ":
            number += 1
        elif mark == "@" and (found := _HUNK.match(line)):
            number = int(found[1])


def _line_bounds(content: bytes, offset: int) -> tuple[int, int]:
    start = content.rfind(b"\n", 0, offset) + 1
    end = content.find(b"\n", offset)
    return start, len(content) if end < 0 else end

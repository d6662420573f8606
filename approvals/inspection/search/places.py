"""Places that a rule finds in a file by itself, where needles would be found far too often."""

import re
from collections.abc import Iterator

from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import Match

MOST_PLACES = 500
_AROUND = 24


def places(
    look: Look, file: LookedFile, pattern: re.Pattern[bytes], *, most: int = MOST_PLACES
) -> Iterator[Use]:
    """Where the pattern matches in the new side, but not in the same surroundings in the old one.

    Each search begins where the last match ended, so a pattern must not match nothing.
    """
    content, old = file.content or b"", file.old_content
    added = file.added_lines
    line, counted = 1, 0
    for number, match in enumerate(pattern.finditer(content)):
        if number >= most:
            return
        if is_too_late(look, file):
            return
        start, end = match.span()
        line += content.count(b"\n", counted, start)
        counted = start
        if added is not None and line not in added:
            continue
        if old is None or content[max(0, start - _AROUND) : end + _AROUND] not in old:
            yield use_at(look, file, start, end, line)


def is_too_late(look: Look, file: LookedFile) -> bool:
    """Whether there is no time left for this file; then it counts as not searched."""
    if not look.is_out_of_time():
        return False
    if file.path not in look.not_searched:
        look.not_searched.append(file.path)
    return True


def use_at(look: Look, file: LookedFile, start: int, end: int, line: int | None = None) -> Use:
    """That part of the new side of a file as a place."""
    return Use(file, Match(start, end, ""), line or file.line_at(start), look)

"""What people say to one another about a version, as the pages show it: plain text, and no more."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from approvals.decisions.models import Comment
from approvals.decisions.models.comments import LONGEST_COMMENT
from approvals.decisions.talking.comments import LONGEST_EXCERPT, comments_of, shown_mentions
from approvals.inspection.models import FileChange
from approvals.inspection.tarballs import CANNOT_READ, content_of
from approvals.people.models import User
from approvals.queue.models import StagedVersion
from approvals.web.diff import Row, text_at
from approvals.web.reading import ANCHOR, LARGEST_SHOWN, Lines, Reading, request_of
from approvals.web.visible import line_html

# So many of the newest stand open; those before them fold away.
NEWEST = 4
SIDES = {"n": Comment.Side.NEW, "o": Comment.Side.OLD}
_NAMED = re.compile(r"(?<![\w.@+-])@([A-Za-z0-9][A-Za-z0-9._-]{0,149})")


@dataclass(frozen=True)
class Said:
    """One comment, and where what it is about can be read ("" for nowhere)."""

    comment: Comment
    html: SafeString
    is_mine: bool
    link: str = ""

    @property
    def anchor(self) -> str:
        """The line it is about, as an address calls it: "n12"; "" for a file or a version."""
        return anchor_of(self.comment)

    @property
    def is_gone(self) -> bool:
        return self.comment.removed_at is not None

    @property
    def place(self) -> str:
        """The line in words; "" for a file or a version."""
        if self.comment.line is None:
            return ""
        side = "old line" if self.comment.side == Comment.Side.OLD else "line"
        return f"{side} {self.comment.line}"


def anchor_of(comment: Comment) -> str:
    """As a row of the diff is called that is about the same line; "" for none."""
    if comment.line is None:
        return ""
    return f"{'o' if comment.side == Comment.Side.OLD else 'n'}{comment.line}"


def text_html(text: str, names: Collection[str]) -> SafeString:
    """A comment's text: escaped, hidden characters spelt out, and those whom it mentions marked."""
    marks = []
    for found in _NAMED.finditer(text):
        name = found[1].lower()
        for one in (name, name.rstrip("._-")):
            if one in names:
                marks.append((found.start(), found.start() + 1 + len(one)))
                break
    return line_html(text, marks=marks)


def _said(comment: Comment, user: User, link: str = "") -> Said:
    html = text_html(comment.text, shown_mentions(comment))
    return Said(comment, html, comment.user_id == user.pk, link)


def discussion_of(staged_version: StagedVersion, user: User) -> dict[str, Any]:
    """All that was said of a version, its files and its lines, oldest first. Three queries."""
    comments = comments_of(staged_version)
    links = _links(staged_version, {one.path for one in comments if one.path})
    said = [_said(one, user, _link(links, one)) for one in comments]
    return {
        "said": said[-NEWEST:],
        "said_before": said[:-NEWEST],
        "number_said": sum(not one.is_gone for one in said),
        "longest_comment": LONGEST_COMMENT,
    }


def _links(staged_version: StagedVersion, paths: Collection[str]) -> Mapping[str, str]:
    """The review page's address with each of these files, as far as the comparison has them."""
    asked = request_of(staged_version)
    if not paths or asked is None or asked.inspection_id is None:
        return {}
    files = FileChange.objects.filter(inspection_id=asked.inspection_id, path__in=paths)
    page = reverse("version", args=[staged_version.pk])
    return {
        path: f"{page}?{urlencode({'file': position, 'in': asked.inspection_id})}"
        for path, position in files.values_list("path", "position")
    }


def _link(links: Mapping[str, str], comment: Comment) -> str:
    page = links.get(comment.path, "")
    if not page:
        return ""
    anchor = anchor_of(comment)
    return f"{page}&line={anchor}#{anchor}" if anchor else f"{page}#files"


def page_of(comment: Comment) -> str:
    """Where a comment stands: at its line, its file, or among those on the whole version."""
    version = comment.staged_version
    there = _link(_links(version, {comment.path} - {""}), comment)
    return there or f"{reverse('version', args=[version.pk])}#discussion"


def of_file(reading: Reading, change: FileChange, user: User) -> list[Said]:
    """All that was said of a file and its lines. Two queries."""
    page = reading.page_of(change.position)
    return [
        _said(one, user, _link({change.path: page}, one))
        for one in comments_of(reading.version, path=change.path)
    ]


def attach(rows: Sequence[Row], said: Sequence[Said]) -> None:
    """Hangs each comment under the row of the line it is about.

    The number alone does not say that: with another version to compare with it is another line.
    """
    about: dict[str, list[Said]] = defaultdict(list)
    for one in said:
        if one.anchor and not one.is_gone:
            about[one.anchor].append(one)
    if not about:
        return
    for row in rows:
        if row.anchor in about:
            row.said = tuple(
                one for one in about[row.anchor] if one.comment.excerpt == excerpt_of(row.text)
            )


def excerpt_of(text: str) -> str:
    """A line as it is kept with a comment."""
    return text[:LONGEST_EXCERPT].replace("\x00", "")


@dataclass(frozen=True)
class Line:
    """A line that somebody wants to say something of."""

    anchor: str
    text: str

    @property
    def side(self) -> Comment.Side:
        return SIDES[self.anchor[0]]

    @property
    def number(self) -> int:
        return int(self.anchor[1:])

    @property
    def place(self) -> str:
        return f"{'old line' if self.side == Comment.Side.OLD else 'line'} {self.number}"


def line_at(reading: Reading, change: FileChange, diff: str, anchor: str) -> Line | None:
    """The line that an address calls "n12" or "o12"; None where there is none.

    `diff` is the file's. What it leaves out is read from the tarball, as far as it is kept.
    """
    if not ANCHOR.fullmatch(anchor) or not int(anchor[1:]):
        return None
    text = text_at(diff, anchor)
    if text is None and anchor[0] == "n" and change.new_size is not None:
        try:
            content = content_of(reading.inspection.staged_sha512, change.path, most=LARGEST_SHOWN)
        except CANNOT_READ:
            return None
        found = Lines(content).from_line(int(anchor[1:]) - 1, 1)
        text = found[0].removesuffix("\r") if found else None
    return None if text is None else Line(anchor, text)

"""What people say to one another about a version, a file of it, or a line."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.models import Comment
from approvals.decisions.models.comments import LONGEST_COMMENT
from approvals.inspection.models import FileChange
from approvals.people.models import User
from approvals.people.permissions import may_decide, may_see
from approvals.queue.models import StagedVersion
from approvals.queue.transitions import news_of

MOST_ON_ONE_VERSION = 500
# Of one person: nobody fills a discussion alone, nor writes faster than people read.
MOST_OF_ONE_PERSON = 50
MOST_IN_A_MINUTE = 10
# Who was mentioned on a version is not told of it once more within so long.
TOLD_AGAIN_AFTER = timedelta(hours=1)
MOST_MENTIONED = 20
LONGEST_EXCERPT = 300
LONGEST_PATH = 4096
HIGHEST_LINE = 10_000_000
SAID, TAKEN_BACK, MENTIONED = "comment.said", "comment.taken_back", "comment.mentioned"
# As people.models.valid_username has it; what stands before makes of "ada@example.org" no mention.
_MENTION = re.compile(r"(?<![\w.@+-])@([A-Za-z0-9][A-Za-z0-9._-]{0,149})")


class CommentRefused(Exception):
    """Nothing was said or taken back; the text says why, and what to do."""


def say(
    staged_version: StagedVersion,
    *,
    user: User,
    text: str,
    path: str = "",
    side: str = "",
    line: int | None = None,
    excerpt: str = "",
) -> Comment:
    """Adds a comment and tells those whom it mentions. Raises CommentRefused.

    Whoever may see the package may. `path` is that of a file that differs, as the comparison names
    it; `side` and `line` belong together, and `excerpt` is the line as the page showed it.
    """
    text = text.replace("\r\n", "\n").strip()
    _check_text(text)
    excerpt = excerpt[:LONGEST_EXCERPT].replace("\x00", "")
    _check_shape(path, side, line)
    with transaction.atomic():
        user = User.objects.get(pk=user.pk)
        row = _locked(staged_version, user)
        if path:
            _check_file(row, path)
        _check_number(row, user)
        mentioned = mentioned_in(text, row)
        told = _told_of_late(row)
        comment = Comment.objects.create(
            staged_version=row,
            user=user,
            text=text,
            path=path,
            side=side if line is not None else "",
            line=line,
            excerpt=excerpt if line is not None else "",
        )
        comment.mentions.set(mentioned)
        others = sorted({person.pk for person in mentioned} - {user.pk} - told)
        # Not the text: it must be gone where it is taken back.
        news = {**news_of(row), "actor": user.get_username()}
        outbox.publish_all(
            [
                (SAID, row.stage_id, news),
                *((MENTIONED, row.stage_id, {**news, "people": [key]}) for key in others),
            ]
        )
        record(
            SAID,
            actor=user,
            subject=row,
            stage_id=row.stage_id,
            comment=comment.pk,
            path=path,
            line=line,
        )
    return comment


def take_back(comment: Comment, *, user: User) -> None:
    """Forgets what one's own comment said; that it was there stays. Raises CommentRefused."""
    with transaction.atomic():
        user = User.objects.get(pk=user.pk)
        row = _locked(comment.staged_version, user)
        if comment.user_id != user.pk:
            raise CommentRefused("Only who wrote a comment can take it back.")
        removed = Comment.objects.filter(pk=comment.pk, user=user, removed_at__isnull=True).update(
            text="", excerpt="", removed_at=timezone.now()
        )
        if not removed:
            raise CommentRefused("This comment was taken back already.")
        Comment.mentions.through.objects.filter(comment=comment.pk).delete()
        outbox.publish(TAKEN_BACK, stage_id=row.stage_id)
        record(TAKEN_BACK, actor=user, subject=row, stage_id=row.stage_id, comment=comment.pk)


def mentioned_in(text: str, staged_version: StagedVersion) -> list[User]:
    """The people whom a text names as @username, and who may see the package.

    Whoever may not is just text: nobody learns from a mention that there is such a package.
    """
    names: list[str] = []
    for found in _MENTION.findall(text):
        # A full stop at the end may be the sentence's, and not the name's.
        names += [found.lower(), found.rstrip("._-").lower()]
    wanted = list(dict.fromkeys(names))[: 2 * MOST_MENTIONED]
    if not wanted:
        return []
    people = (
        User.objects.annotate(plain=Lower("username"))
        .filter(is_active=True, plain__in=wanted)
        .prefetch_related("scopes")
        .order_by("pk")[:MOST_MENTIONED]
    )
    row = staged_version
    return [one for one in people if may_see(one, row.registry.url, row.package.name)]


def comments_of(staged_version: StagedVersion, *, path: str | None = None) -> list[Comment]:
    """The comments on a version, oldest first, with who wrote them and whom they mention.

    With `path`, those on this file alone; "" stands for those on the whole version.
    """
    comments = Comment.objects.filter(staged_version=staged_version)
    if path is not None:
        comments = comments.filter(path=path)
    return list(comments.select_related("user").prefetch_related("mentions").order_by("pk"))


def shown_mentions(comment: Comment) -> Collection[str]:
    """The user names that this comment mentions, in lower case: those to be marked in its text."""
    return {person.username.lower() for person in comment.mentions.all()}


def _check_text(text: str) -> None:
    if not text:
        raise CommentRefused("Write something.")
    if "\x00" in text:
        raise CommentRefused(
            "The comment contains a character that cannot be stored. Type it anew."
        )
    if len(text) > LONGEST_COMMENT:
        raise CommentRefused(f"The comment is too long: at most {LONGEST_COMMENT} characters.")


def _check_number(row: StagedVersion, user: User) -> None:
    """That this person has room for one more. What was taken back has been said, too."""
    own = Comment.objects.filter(user=user)
    if own.filter(at__gt=timezone.now() - timedelta(minutes=1)).count() >= MOST_IN_A_MINUTE:
        raise CommentRefused(
            f"You have written {MOST_IN_A_MINUTE} comments within a minute. Wait for a minute, and "
            "say the rest in one."
        )
    if own.filter(staged_version=row).count() >= MOST_OF_ONE_PERSON:
        raise CommentRefused(
            f"You have written {MOST_OF_ONE_PERSON} comments on this version: you can add no more. "
            "Talk elsewhere, and say the outcome when you decide."
        )
    # Those who decide are few, and are heard to the end, whatever others have written.
    if may_decide(user, row.registry.url, row.package.name):
        return
    if row.comments.count() >= MOST_ON_ONE_VERSION:
        raise CommentRefused(
            f"There are {MOST_ON_ONE_VERSION} comments on this version: only those who may decide "
            "it can add more. Talk to one of them."
        )


def _told_of_late(row: StagedVersion) -> set[int]:
    """Who was mentioned on this version a short time ago, and knows of the discussion."""
    mentions = Comment.mentions.through.objects.filter(
        comment__staged_version=row, comment__at__gt=timezone.now() - TOLD_AGAIN_AFTER
    )
    return set(mentions.values_list("user", flat=True))


def _check_shape(path: str, side: str, line: int | None) -> None:
    if "\x00" in path or len(path) > LONGEST_PATH:
        raise CommentRefused(_NO_SUCH_FILE)
    if line is None and side:
        raise CommentRefused("Say which line it is about, or comment on the whole file.")
    if line is not None and (side not in Comment.Side.values or not path):
        raise CommentRefused("A comment on a line says in which file and on which side it is.")
    if line is not None and not 1 <= line <= HIGHEST_LINE:
        raise CommentRefused("There is no such line.")


def _check_file(row: StagedVersion, path: str) -> None:
    files = FileChange.objects.filter(
        Q(path=path) | Q(old_path=path), inspection__requests__staged_version=row
    )
    if not files.exists():
        raise CommentRefused(_NO_SUCH_FILE)


def _locked(staged_version: StagedVersion, user: User) -> StagedVersion:
    # One after another, so that their number is bounded whoever writes at once.
    rows = lock_versions([staged_version.pk])
    if not rows or not may_see(user, rows[0].registry.url, rows[0].package.name):
        raise CommentRefused("There is no such version for you to comment on.")
    return rows[0]


_NO_SUCH_FILE = (
    "There is no such file among those that differ. The version may have been compared anew: open "
    "the page again."
)

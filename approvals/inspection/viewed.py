"""Which of the changed files a person has read, and which comes next."""

from dataclasses import dataclass
from typing import TypeAlias

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.inspection.models import FileChange, Inspection, ViewedFile

BATCH = 500
_Sameness: TypeAlias = tuple[str | int | None, ...]
_SAME = ("path", "old_path", "status", "old_mode", "new_mode", "old_sha256", "new_sha256")
# On each side where the file is; earlier engines wrote no digests down.
_CONTENT_KNOWN = (Q(old_size=None) | ~Q(old_sha256="")) & (Q(new_size=None) | ~Q(new_sha256=""))


@dataclass(frozen=True)
class Neighbours:
    """Positions of the files before and after one, None where there is no other.

    They go round: after the last file comes the first.
    """

    previous: int | None
    next: int | None
    previous_unviewed: int | None
    next_unviewed: int | None


def set_viewed(user: AbstractBaseUser, change: FileChange, *, viewed: bool) -> None:
    """Remembers, or forgets, that this person has read this change."""
    if viewed:
        ViewedFile.objects.bulk_create(
            [ViewedFile(user_id=user.pk, change=change)], ignore_conflicts=True
        )
    else:
        ViewedFile.objects.filter(user_id=user.pk, change=change).delete()


def with_viewed(changes: QuerySet[FileChange], user: AbstractBaseUser) -> QuerySet[FileChange]:
    """The same changes, each with `viewed`: whether this person has read it."""
    return changes.annotate(viewed=_viewed_by(user))


def viewed_count(user: AbstractBaseUser, inspection_id: int) -> int:
    """How many of the inspection's changed files this person has read."""
    return ViewedFile.objects.filter(user_id=user.pk, change__inspection_id=inspection_id).count()


def neighbours(user: AbstractBaseUser, change: FileChange) -> Neighbours:
    """What comes before and after a file, in the order of paths."""
    files = FileChange.objects.filter(inspection_id=change.inspection_id)
    unviewed = files.filter(~_viewed_by(user)).exclude(pk=change.pk)
    others = files.exclude(pk=change.pk)
    here = change.position
    return Neighbours(
        previous=_either(_last(files.filter(position__lt=here)), _last(others)),
        next=_either(_first(files.filter(position__gt=here)), _first(others)),
        previous_unviewed=_either(_last(unviewed.filter(position__lt=here)), _last(unviewed)),
        next_unviewed=_either(_first(unviewed.filter(position__gt=here)), _first(unviewed)),
    )


def carry_over(previous_inspection_id: int, inspection_id: int) -> None:
    """Marks what was read in one comparison as read in the one that takes its place.

    For every person, and where nothing but the surroundings changed: the same file, in the same
    way, with the same content and modes on both sides, as known by digests. Doing it twice is
    doing it once.
    """
    viewed: dict[_Sameness, list[int]] = {}
    old = FileChange.objects.filter(
        Exists(ViewedFile.objects.filter(change=OuterRef("pk"))),
        _CONTENT_KNOWN,
        inspection_id=previous_inspection_id,
    )
    for pk, *sameness in old.values_list("pk", *_SAME).iterator(BATCH):
        viewed.setdefault(tuple(sameness), []).append(pk)
    new: dict[int, int] = {}
    changes = FileChange.objects.filter(_CONTENT_KNOWN, inspection_id=inspection_id)
    # A file whose path comes twice has two of them, which may be the same in all else.
    for pk, *sameness in changes.values_list("pk", *_SAME).iterator(BATCH) if viewed else ():
        new |= dict.fromkeys(viewed.pop(tuple(sameness), ()), pk)
    _mark_as_well(new)


def _mark_as_well(changes: dict[int, int]) -> None:
    """Each person who has read a change has read another one, too."""
    keys = list(changes)
    for start in range(0, len(keys), BATCH):
        marks = ViewedFile.objects.filter(change__in=keys[start : start + BATCH])
        ViewedFile.objects.bulk_create(
            [
                ViewedFile(user_id=user, change_id=changes[change], viewed_at=viewed_at)
                for user, change, viewed_at in marks.values_list("user", "change", "viewed_at")
            ],
            ignore_conflicts=True,
            batch_size=BATCH,
        )


def most_important(inspection: Inspection) -> FileChange | None:
    """The change to show first: the riskiest file, of several the first."""
    return inspection.files.order_by("rank", "position").first()


def _viewed_by(user: AbstractBaseUser) -> Exists:
    return Exists(ViewedFile.objects.filter(user_id=user.pk, change=OuterRef("pk")))


def _first(files: QuerySet[FileChange]) -> int | None:
    return files.order_by("position").values_list("position", flat=True).first()


def _last(files: QuerySet[FileChange]) -> int | None:
    return files.order_by("-position").values_list("position", flat=True).first()


def _either(position: int | None, other: int | None) -> int | None:
    return other if position is None else position

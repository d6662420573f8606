"""Which of the changed files a person has read, and which comes next."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Exists, OuterRef, QuerySet

from approvals.inspection.models import FileChange, Inspection, ViewedFile


@dataclass(frozen=True)
class Neighbours:
    """Positions of the files before and after one, None where there is none.

    The unviewed ones go round: after the last file comes the first.
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
    here = change.position
    return Neighbours(
        previous=_last(files.filter(position__lt=here)),
        next=_first(files.filter(position__gt=here)),
        previous_unviewed=_either(_last(unviewed.filter(position__lt=here)), _last(unviewed)),
        next_unviewed=_either(_first(unviewed.filter(position__gt=here)), _first(unviewed)),
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

"""What a person has read, when the same tarball is compared again."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.inspection.models import FileChange, Inspection, ViewedFile
from approvals.inspection.viewed import carry_over, set_viewed
from approvals.people.models import User
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db

OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64
MODIFIED: dict[str, Any] = {
    "path": "a.js",
    "status": "modified",
    "old_size": 1,
    "new_size": 2,
    "old_mode": 0o644,
    "new_mode": 0o644,
    "old_sha256": OLD,
    "new_sha256": NEW,
}
ADDED = MODIFIED | {"status": "added", "old_size": None, "old_mode": None, "old_sha256": ""}
REMOVED = MODIFIED | {"status": "removed", "new_size": None, "new_mode": None, "new_sha256": ""}


def comparison(engine: str, *files: dict[str, Any]) -> Inspection:
    inspection = Inspection.objects.create(staged_sha512="1", engine_version=engine)
    FileChange.objects.bulk_create(
        FileChange(inspection=inspection, position=position, **file)
        for position, file in enumerate(files)
    )
    return inspection


def read(inspection: Inspection, *readers: User) -> None:
    for reader in readers:
        for change in inspection.files.all():
            set_viewed(reader, change, viewed=True)


def seen(inspection: Inspection, reader: User) -> list[str]:
    marks = ViewedFile.objects.filter(user=reader, change__inspection=inspection)
    return list(marks.order_by("change__position").values_list("change__path", flat=True))


@pytest.mark.parametrize("file", [MODIFIED, ADDED, REMOVED], ids=["modified", "added", "removed"])
def test_the_same_file_is_read_for_everybody_who_read_it(file: dict[str, Any]) -> None:
    unread = MODIFIED | {"path": "unread.js"}
    # It has another place among the files now.
    old, new = comparison("1", file), comparison("2", unread, file)
    ada, grace, joan = make_user("ada"), make_user("grace"), make_user("joan")
    read(old, ada, grace)
    when = ViewedFile.objects.get(user=ada).viewed_at
    for _ in range(2):
        carry_over(old.pk, new.pk)
        assert seen(new, ada) == seen(new, grace) == seen(old, ada) == ["a.js"]
        assert seen(new, joan) == []
    assert ViewedFile.objects.get(user=ada, change__inspection=new).viewed_at == when


@pytest.mark.parametrize(
    "difference",
    [
        {"new_sha256": OTHER},
        {"old_sha256": OTHER},
        {"path": "b.js"},
        {"new_mode": 0o755},
        {"status": "left_out"},
        {"old_sha256": "", "old_size": None, "old_mode": None, "status": "added"},
    ],
    ids=["new content", "old content", "path", "executable", "second copy", "added now"],
)
def test_what_differs_has_to_be_read_again(difference: dict[str, Any]) -> None:
    old, new = comparison("1", MODIFIED), comparison("2", MODIFIED | difference)
    ada = make_user()
    read(old, ada)
    carry_over(old.pk, new.pk)
    assert seen(new, ada) == []


@pytest.mark.parametrize("name", ["old_sha256", "new_sha256"])
def test_a_content_that_nobody_knows_is_never_the_same(name: str) -> None:
    unknown = MODIFIED | {name: ""}
    old, new = comparison("1", unknown), comparison("2", unknown)
    ada = make_user()
    read(old, ada)
    carry_over(old.pk, new.pk)
    assert seen(new, ada) == []


def test_of_two_copies_under_one_path_each_is_itself() -> None:
    second = MODIFIED | {"status": "left_out", "new_sha256": OTHER}
    old, new = comparison("1", MODIFIED, second), comparison("2", second, MODIFIED)
    ada, grace = make_user("ada"), make_user("grace")
    read(old, ada)
    set_viewed(grace, old.files.get(status="left_out"), viewed=True)
    carry_over(old.pk, new.pk)
    assert seen(new, ada) == ["a.js", "a.js"]
    assert ViewedFile.objects.get(user=grace, change__inspection=new).change.status == "left_out"


def test_a_mark_that_was_taken_back_since_stays_away_from_others() -> None:
    old, new = comparison("1", MODIFIED), comparison("2", MODIFIED)
    ada, grace = make_user("ada"), make_user("grace")
    read(old, ada)
    read(new, grace)
    carry_over(old.pk, new.pk)
    assert (seen(old, grace), seen(new, grace), seen(new, ada)) == ([], ["a.js"], ["a.js"])


def test_thousands_of_marks_are_a_handful_of_queries() -> None:
    few = [MODIFIED | {"path": f"{number}.js"} for number in range(2)]
    many = [MODIFIED | {"path": f"{number}.js"} for number in range(1200)]
    readers = [make_user(), make_user()]

    def queries(files: list[dict[str, Any]], engine: str) -> int:
        old, new = comparison(f"{engine}a", *files), comparison(f"{engine}b", *files)
        ViewedFile.objects.bulk_create(
            ViewedFile(user=reader, change=change)
            for reader in readers
            for change in old.files.all()
        )
        with CaptureQueriesContext(connection) as made:
            carry_over(old.pk, new.pk)
        assert ViewedFile.objects.filter(change__inspection=new).count() == 2 * len(files)
        return len(made)

    assert queries(many, "m") - queries(few, "f") < 1200 / 20

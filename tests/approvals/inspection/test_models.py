"""What the database refuses, whatever the code that writes believes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, models, transaction

from approvals.inspection.models import (
    DiffVariant,
    FileChange,
    InspectionRequest,
    KeptTarball,
    LookedAt,
    OtherBaselineRequest,
    RuleSetting,
    StagedFinding,
)
from tests.approvals.factories import make_finding, make_inspection, make_staged_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def change() -> FileChange:
    request = make_inspection(make_staged_version())
    return FileChange.objects.filter(inspection=request.inspection)[0]


def refused(write: Callable[[], object], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        write()


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"status": "deleted"}, "file_status_known"),
        ({"status": ""}, "file_status_known"),
        ({"kind": "code"}, "file_kind_known"),
        ({"similarity": 101}, "file_similarity_in_percent"),
    ],
    ids=["status", "no status", "kind", "similarity"],
)
def test_a_file_that_no_page_could_show_is_not_written(
    change: FileChange, values: dict[str, Any], constraint: str
) -> None:
    refused(lambda: FileChange.objects.filter(pk=change.pk).update(**values), constraint)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("status", FileChange.Status.values),
        ("kind", ["", *FileChange.Kind.values]),
        ("similarity", [None, 0, 100]),
    ],
    ids=["status", "kind", "similarity"],
)
def test_all_that_there_is_can_be_written(change: FileChange, name: str, values: list[Any]) -> None:
    for value in values:
        assert FileChange.objects.filter(pk=change.pk).update(**{name: value}) == 1


def test_a_diff_is_made_in_the_ways_that_there_are(change: FileChange) -> None:
    def write(kind: str) -> DiffVariant:
        return DiffVariant.objects.create(
            change=change, kind=kind, added_lines=0, removed_lines=0, compressed=b""
        )

    for kind in DiffVariant.Kind.values:
        write(kind)
    refused(lambda: write("sideways"), "diff_variant_kind_known")


@pytest.mark.parametrize("kind", [InspectionRequest, OtherBaselineRequest])
def test_work_is_in_a_state_that_somebody_looks_for(
    kind: type[models.Model],
) -> None:
    named = {"baseline_version": "1.0.0"} if kind is OtherBaselineRequest else {}
    rows = kind._default_manager
    row = rows.create(staged_version=make_staged_version(), **named)
    for state in ("waiting", "running", "failed"):
        rows.filter(pk=row.pk).update(state=state)
    refused(lambda: rows.filter(pk=row.pk).update(state="lost"), "request_state_known")
    refused(lambda: rows.filter(pk=row.pk).update(state="done"), "done_means_inspected")


def test_two_tarballs_never_share_a_file() -> None:
    KeptTarball.objects.create(sha512="a", sha1="a", size=1, name="aa/a.tgz")
    again = {"sha512": "b", "sha1": "b", "size": 1, "name": "aa/a.tgz"}
    refused(lambda: KeptTarball.objects.create(**again), "name")


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"severity": "harmless"}, "finding_severity_known"),
        ({"source": "rumour"}, "finding_source_known"),
        ({"rule": ""}, "finding_names_its_rule"),
        ({"line": 0}, "finding_line_from_one|line_check"),
        ({"path": "", "file_position": None}, "finding_line_is_of_a_file"),
        ({"path": "", "line": None}, "finding_line_is_of_a_file"),
        ({"stands_for": 0}, "finding_stands_for_something"),
        ({"fingerprint": "ab"}, "finding_fingerprint_whole"),
    ],
    ids=["severity", "source", "rule", "line", "line of", "file of", "stands for", "fingerprint"],
)
def test_a_finding_that_no_page_could_show_is_not_written(
    values: dict[str, Any], constraint: str
) -> None:
    row = make_staged_version()
    make_inspection(row, findings=[make_finding(path="lib/index.js", line=3)])
    found = StagedFinding.objects.filter(staged_version=row)
    assert found.update(file_position=0) == 1
    refused(lambda: found.update(**values), constraint)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [({"words": ""}, "looked_at_says_why"), ({"fingerprint": ""}, "looked_at_fingerprint_whole")],
    ids=["words", "fingerprint"],
)
def test_a_mark_says_why_and_of_what(values: dict[str, str], constraint: str) -> None:
    package = make_staged_version().package
    mark = {"rule": "network", "fingerprint": "a" * 64, "words": "fine"}
    refused(lambda: LookedAt.objects.create(package=package, **mark | values), constraint)


@pytest.mark.parametrize("name", ["rule", "packages", "words"])
def test_a_setting_says_what_for_whom_and_why(name: str) -> None:
    values = {"rule": "network", "packages": "*", "weight": "off", "words": "why"} | {name: ""}
    refused(lambda: RuleSetting.objects.create(**values), "rule_setting_says")

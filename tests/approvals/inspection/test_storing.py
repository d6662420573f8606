"""What a hostile tarball leaves in the database: everything, and nothing that breaks it."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.inspection import results
from approvals.inspection.keep import diff_text, keep
from approvals.inspection.looked_at import look_at
from approvals.inspection.models import FileChange, Inspection, InspectionRequest
from approvals.inspection.standing import standing_findings
from approvals.inspection.unchanged import unchanged_files
from approvals.queue.models import StagedVersion
from registry_client.client import Download
from registry_client.tar_paths import Problem
from tests.approvals.conftest import House
from tests.approvals.factories import make_user
from tests.approvals.web.pages import sign_in
from tests.packages import publish_document

PLAIN_MANIFEST = b'{"name": "left-pad", "version": "1.5.0"}'


def document_with(
    entries: list[tuple[bytes, bytes]], manifest: bytes = PLAIN_MANIFEST
) -> dict[str, Any]:
    """A publish document whose tarball has these raw names and contents."""
    document = publish_document("left-pad", "1.5.0")
    raw = io.BytesIO()
    with tarfile.open(
        fileobj=raw, mode="w", format=tarfile.PAX_FORMAT, encoding="latin-1"
    ) as archive:
        for name, content in [
            (b"package/package.json", manifest),
            *entries,
        ]:
            info = tarfile.TarInfo(name.decode("latin-1"))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = gzip.compress(raw.getvalue())
    dist = document["versions"]["1.5.0"]["dist"]
    dist["integrity"] = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    dist["shasum"] = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    attachment = document["_attachments"]["left-pad-1.5.0.tgz"]
    attachment["data"], attachment["length"] = base64.b64encode(data).decode(), len(data)
    return document


def test_names_and_contents_that_no_database_likes_are_stored_and_shown(house: House) -> None:
    stage_id = house.sandbox.stage(
        document_with(
            [
                (b"package/\xff\xfe-not-utf-8.js", b"a\n"),
                (b"package/\xe2\x80\xaetxt.exe", b"right to left\n"),
                (b"package/tab\tand\x1bescape.js", b"b\n"),
                (b"package/nul.txt", b"text with \x00 in it\n"),
                (b"package/surrogate.txt", b"\xed\xa0\x80 is no UTF-8\n"),
                (b"package/" + b"d/" * 40 + b"deep.js", b"c\n"),
            ]
        ),
        by="ci",
    )
    house.poll()
    house.inspect()
    row = StagedVersion.objects.get(stage_id=stage_id)
    request = row.inspection_request
    assert (request.state, request.failure) == (InspectionRequest.State.DONE, "")
    assert request.inspection is not None
    changes = list(FileChange.objects.filter(inspection=request.inspection))
    assert len(changes) == 7
    assert all("\x00" not in change.path for change in changes)
    assert all("\x00" not in diff_text(change) for change in changes)


TASKS = b'{"tasks": [{"command": "%s", "runOptions": {"runOn": "folderOpen"}}]}'
AWKWARD = {
    "surrogate": b"sh \\ud800 -c x",
    "nul": b"sh \\u0000 -c x",
    "half-of-a-pair-at-the-end": b"x" * 398 + b"\\ud83d\\ude00",
    "long": b"x" * 5000,
    "direction": "sh \u202e \u2066 x".encode(),
    "markup": b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_findings_whose_texts_no_database_likes_are_kept_shown_and_marked(
    house: House, text: bytes
) -> None:
    manifest = (
        b'{"name": "left-pad", "version": "1.5.0", "scripts": {"postinstall": "%s"},'
        b' "dependencies": {"%s": "%s"}}' % (text, text, text)
    )
    entries = [
        (b"package/.vscode/tasks.json", TASKS % text),
        (b"package/lib/\xff\xed\xa0\x80.js", b"require('child_process').exec('%s')\n" % text),
    ]
    stage_id = house.sandbox.stage(document_with(entries, manifest), by="ci")
    house.poll()
    house.inspect()
    row = StagedVersion.objects.get(stage_id=stage_id)
    assert (row.inspection_request.state, row.inspection_request.failure) == ("done", "")
    found = standing_findings(row)
    assert {"runs-when-opened", "install-script", "child-process"} <= {
        one.row.rule for one in found
    }
    ada = make_user("ada")
    for one in found:
        look_at(ada, row, one.row.rule, one.row.fingerprint, "read")
    assert not any(one.is_open for one in standing_findings(row))
    page = sign_in(ada).get(f"/versions/{row.pk}/")
    assert page.status_code == 200
    assert b"<script>alert" not in page.content


def change(path: str) -> results.FileChange:
    return results.FileChange(
        path=path,
        old_path="",
        status="modified",
        similarity=None,
        old_size=1,
        new_size=2,
        old_mode=0o644,
        new_mode=0o644,
        added_lines=1,
        removed_lines=1,
        is_binary=False,
        diff="@@ -1 +1 @@\n-a\n+b\n",
        diff_note="",
        problems=(Problem("rule", path, "Something is odd."),),
        kind="docs",
        is_minified=True,
        is_vendored=True,
        encoding="UTF-8",
        file_type="text",
        old_sha256="a" * 64,
        new_sha256="b" * 64,
        rank=2,
    )


def compared(changed: int, unchanged: int) -> results.Comparison:
    totals = results.Totals(files=1, packed_size=2, unpacked_size=3, lines=4)
    return results.Comparison(
        files=tuple(change(f"{number}.js") for number in range(changed)),
        unchanged_count=unchanged,
        old=totals,
        new=totals,
        manifest_old={"name": "a"},
        manifest_new={"name": "b"},
        manifest_problem="",
        manifest_changes=(results.ManifestChange("name", "", "a", "b"),),
        readme="# read me",
        readme_note="",
        problems=(Problem("rule", "path", "Something is odd."),),
        old_problems=(),
        problems_left_out=0,
        unchanged=tuple(
            results.UnchangedFile(f"same/{number}.js", number, "source")
            for number in range(unchanged)
        ),
        changelog="- what is new",
        changelog_path="CHANGELOG.md",
    )


def kept(comparison: results.Comparison, digest: str = "a" * 128) -> Inspection:
    download = Download(Path("staged.tgz"), 1, "a" * 40, digest)
    return keep(comparison, download, None)


@pytest.mark.django_db
def test_what_was_found_is_stored_whole_and_files_are_not_stored_twice() -> None:
    inspection = kept(compared(2, 3))
    inspection.refresh_from_db()
    assert inspection.summary == {
        "unchanged_count": 3,
        "old": {"files": 1, "packed_size": 2, "unpacked_size": 3, "lines": 4},
        "new": {"files": 1, "packed_size": 2, "unpacked_size": 3, "lines": 4},
        "manifest_old": {"name": "a"},
        "manifest_new": {"name": "b"},
        "manifest_problem": "",
        "manifest_changes": [{"field": "name", "key": "", "old": "a", "new": "b"}],
        "readme": "# read me",
        "readme_note": "",
        "problems": [{"rule": "rule", "path": "path", "sentence": "Something is odd."}],
        "old_problems": [],
        "problems_left_out": 0,
        "changelog": "- what is new",
        "changelog_path": "CHANGELOG.md",
        "changelog_note": "",
    }
    first = inspection.files.get(position=0)
    for name in (*DIFFERING, "kind", "is_minified", "is_vendored", "encoding", "file_type"):
        assert getattr(first, name) == getattr(change("0.js"), name), name
    assert first.problems == [{"rule": "rule", "path": "0.js", "sentence": "Something is odd."}]
    assert diff_text(first) == change("0.js").diff
    files = [(file.path, file.size, file.kind) for file in unchanged_files(inspection.pk)]
    assert files == [(f"same/{number}.js", number, "source") for number in range(3)]


DIFFERING = ("path", "status", "old_size", "new_mode", "rank", "old_sha256", "new_sha256")


@pytest.mark.django_db
def test_thousands_of_files_are_a_handful_of_queries_and_no_copies_of_the_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied: list[object] = []
    asdict = results.asdict

    def noted(value: Any) -> dict[str, Any]:
        copied.append(value)
        return asdict(value)

    monkeypatch.setattr(results, "asdict", noted)
    with CaptureQueriesContext(connection) as few:
        kept(compared(2, 2))
    with CaptureQueriesContext(connection) as many:
        kept(compared(1200, 5000), digest="b" * 128)
    # SQLite takes fewer values at once than there are in a batch.
    assert len(many) - len(few) < 1200 / 10
    assert not any(isinstance(one, results.UnchangedFile | results.FileChange) for one in copied)


@pytest.mark.django_db
def test_results_never_change_whoever_finds_them_again() -> None:
    first = kept(compared(2, 2))
    again = kept(compared(5, 9))
    assert again == first
    assert first.files.count() == 2
    assert len(unchanged_files(first.pk)) == 2


def test_all_of_it_goes_to_json() -> None:
    document = json.loads(json.dumps(compared(1, 1).as_json()))
    assert document["unchanged"] == [{"path": "same/0.js", "size": 0, "kind": "source"}]
    assert document["files"][0]["problems"][0]["sentence"] == "Something is odd."
    assert set(document) == {field.name for field in fields(results.Comparison)}

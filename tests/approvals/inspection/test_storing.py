"""What a hostile tarball leaves in the database: everything, and nothing that breaks it."""

import base64
import gzip
import hashlib
import io
import tarfile
from typing import Any

from approvals.inspection.models import FileChange, InspectionRequest
from approvals.inspection.requests import diff_text
from approvals.queue.models import StagedVersion
from tests.approvals.conftest import House
from tests.packages import publish_document


def document_with(entries: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """A publish document whose tarball has these raw names and contents."""
    document = publish_document("left-pad", "1.5.0")
    raw = io.BytesIO()
    with tarfile.open(
        fileobj=raw, mode="w", format=tarfile.PAX_FORMAT, encoding="latin-1"
    ) as archive:
        for name, content in [
            (b"package/package.json", b'{"name": "left-pad", "version": "1.5.0"}'),
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

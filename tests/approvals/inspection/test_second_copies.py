"""A path that a tarball has more than once: what npm leaves out is shown, too."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from approvals.inspection import lockstep
from approvals.inspection.compare import compare_tarballs
from approvals.inspection.results import CompareLimits, Comparison, FileChange
from tests.registry_client.tarballs import member, package, write

MANIFEST = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')


def copies(contents: list[str], name: str = "new.tgz", *, folder: Path) -> Path:
    files = [
        member(f"{'package' if number % 2 else 'x'}/a.js", f"{content}\n".encode())
        for number, content in enumerate(contents)
    ]
    return write(folder, MANIFEST, *files, member("package/z.js", b"z\n"), name=name)


def left_out(found: Comparison) -> list[FileChange]:
    return [change for change in found.files if change.status == "left_out"]


@pytest.mark.parametrize("waiting", [0, 16 * 2**20])
@pytest.mark.parametrize(
    "old", [None, [], ["one"], ["two"], ["three"], ["one", "three"], ["three", "one"]], ids=str
)
@pytest.mark.parametrize(
    "new",
    [["one", "two"], ["one", "two", "three"], ["one", "one", "three"], ["three", "three"]],
    ids=str,
)
def test_each_copy_is_shown_against_the_one_that_npm_installs(
    tmp_path: Path,
    old: list[str] | None,
    new: list[str],
    waiting: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lockstep, "_WAITING", waiting)
    baseline = None if old is None else copies(old, "old.tgz", folder=tmp_path)
    found = compare_tarballs(copies(new, folder=tmp_path), baseline)
    rows = left_out(found)
    assert [row.path for row in rows] == ["a.js"] * (len(new) - 1)
    last = new[-1]
    expected = ["" if one == last else f"@@ -1 +1 @@\n-{one}\n+{last}\n" for one in new[:-1]]
    assert sorted(row.diff or "" for row in rows) == sorted(expected)
    for row in rows:
        assert [problem.rule for problem in row.problems] == ["duplicate"]
        assert (row.old_size, row.new_size) == (len(row_old(row, last)) + 1, len(last) + 1)
        assert row.old_sha256
        assert row.new_sha256
    others = [change for change in found.files if change.status != "left_out"]
    assert ("a.js" in [change.path for change in others]) == (not old or old[-1] != last)
    assert found.added_lines == sum(change.added_lines or 0 for change in others)
    assert found.removed_lines == sum(change.removed_lines or 0 for change in others)
    paths = [(change.path, change.status == "left_out") for change in found.files]
    assert paths == sorted(paths)


def row_old(row: FileChange, last: str) -> str:
    """What the left-out side says."""
    lines = (row.diff or "").split("\n")
    return lines[1][1:] if len(lines) > 1 else last


def test_a_copy_in_the_baseline_is_none_of_this_release(tmp_path: Path) -> None:
    baseline = copies(["one", "two"], "old.tgz", folder=tmp_path)
    assert left_out(compare_tarballs(copies(["three"], folder=tmp_path), baseline)) == []


@pytest.mark.parametrize("has_baseline", [False, True])
@pytest.mark.parametrize(("count", "more"), [(51, 0), (52, 1), (90, 39)])
def test_how_many_copies_are_not_shown_is_told(
    tmp_path: Path, has_baseline: bool, count: int, more: int
) -> None:
    baseline = package(tmp_path, {}, name="old.tgz") if has_baseline else None
    new = copies([str(number) for number in range(count)], folder=tmp_path)
    found = compare_tarballs(new, baseline)
    assert len(left_out(found)) == 50
    told = [problem.sentence for problem in found.problems if not problem.path]
    words = {0: [], 1: ["1 more copy that"], 39: ["39 more copies that"]}[more]
    assert [sentence[: len(start)] for sentence, start in zip(told, words, strict=True)] == words


def test_binary_and_large_copies_have_a_row_without_a_diff(tmp_path: Path) -> None:
    files = [member("package/a.bin", b"\0" + bytes([n])) for n in range(2)]
    files += [member("package/a.js", b"line\n" * 100 + bytes([n])) for n in (65, 66)]
    new = write(tmp_path, MANIFEST, *files)
    limits = CompareLimits(file_size=300)
    for baseline in (None, package(tmp_path, {}, name="old.tgz")):
        binary, large = left_out(compare_tarballs(new, baseline, limits=limits))
        assert (binary.is_binary, binary.diff) == (True, None)
        assert large.diff is None
        assert "too large" in large.diff_note


def test_what_is_installed_of_several_is_what_runs(tmp_path: Path) -> None:
    scripts = json.dumps({"scripts": {"postinstall": "node a.js"}}).encode()
    first, last = member("package/package.json", scripts), MANIFEST
    found = compare_tarballs(write(tmp_path, first, last), None)
    assert found.manifest_new == {"name": "left", "version": "1.0.0"}
    (row,) = left_out(found)
    assert row.rank == 0
    assert "postinstall" in (row.diff or "")


def test_the_command_names_second_copies(tmp_path: Path) -> None:
    new = copies(["one", "two"], folder=tmp_path)
    out = StringIO()
    call_command("inspect", str(new), stdout=out)
    assert "1 left out by npm" in out.getvalue()
    assert "\n  2  a.js  +1 -1\n" in out.getvalue()
    out = StringIO()
    call_command("inspect", str(new), "--json", stdout=out)
    result = json.loads(out.getvalue())
    assert result["totals"]["left_out"] == 1
    assert (result["totals"]["additions"], result["totals"]["deletions"]) == (3, 0)
    assert [file["status"] for file in result["files"]] == ["added", "left_out", "added", "added"]

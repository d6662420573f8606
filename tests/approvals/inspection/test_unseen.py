"""What a diff does not show of a file, as problems that nothing can push out of sight."""

from dataclasses import replace
from pathlib import Path

import pytest

from approvals.inspection import unseen
from approvals.inspection.compare import compare_tarballs
from approvals.inspection.filetree import FileInfo
from approvals.inspection.finding import Severity
from approvals.inspection.results import Comparison
from approvals.inspection.risk import Risk
from approvals.inspection.unseen import BECAME_CODE, LIMITED_DIFF, MORE_DANGERS, NUL_IN_CODE, Unseen
from tests.registry_client.tarballs import package

EVIL = "require('child_process').exec('evil')\n" * 3
PLAIN = FileInfo("notes.txt", 0, 1, 0o644, b"a", False, 1, ())


def code(path: str, *, nul: bool = False) -> FileInfo:
    return FileInfo(path, 0, 1, 0o644, b"a", False, 1, (), nul)


def compared(
    tmp_path: Path, old: dict[str, bytes | str], new: dict[str, bytes | str], **manifest: str
) -> Comparison:
    return compare_tarballs(
        package(tmp_path, new, manifest=manifest, name="new.tgz"),
        package(tmp_path, old, manifest=manifest, name="old.tgz"),
    )


def test_many_files_that_are_shown_in_part_do_not_hide_a_dangerous_one(tmp_path: Path) -> None:
    long: dict[str, bytes | str] = {f"lib/a{n:03}.js": "x='" + "a" * 9000 + "'" for n in range(60)}
    evil = b"y='" + b"b" * 300 + b"';\0//" + b"c" * 9500
    result = compared(tmp_path, {}, long | {"lib/zz.js": evil})
    assert (result.problems[0].rule, result.problems[0].path) == (NUL_IN_CODE, "lib/zz.js")
    assert [problem.rule for problem in result.problems].count(NUL_IN_CODE) == 1
    assert result.problems[-1].sentence == "In 21 more files not all that differs is shown."
    (finding,) = [one for one in result.findings if one.rule == NUL_IN_CODE]
    assert (finding.path, finding.severity) == ("lib/zz.js", Severity.HIGH)


def test_dangerous_ones_are_all_named_up_to_a_bound_and_then_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unseen, "_MOST_DANGERS", 100)
    found = Unseen(Risk(None))
    for number in range(103):
        assert found.look_at(None, code(f"{number}.js", nul=True), "Cut.")
    problems = found.problems()
    assert [problem.rule for problem in problems[:101]] == [NUL_IN_CODE] * 100 + [MORE_DANGERS]
    assert problems[100].sentence == "In 3 more files there is something like this."
    assert {problem.rule for problem in problems[101:]} == {LIMITED_DIFF}
    assert len(problems) == 101 + 41


@pytest.mark.parametrize(
    ("old", "new", "main", "sentence"),
    [
        pytest.param(
            "docs/notes.txt",
            "index.js",
            "index.js",
            "It could not run before, as docs/notes.txt, and is code now.",
            id="entry-point",
        ),
        pytest.param(
            "a.md",
            "lib/a.mjs",
            "index.js",
            "It could not run before, as a.md, and is code now.",
            id="code-by-its-name",
        ),
        pytest.param(
            "a.md",
            "logo.png",
            "logo.png",
            "It could not run before, as a.md, and is code now.",
            id="code-by-package-json",
        ),
    ],
)
def test_a_file_that_moves_to_where_it_runs_is_dangerous(
    tmp_path: Path, old: str, new: str, main: str, sentence: str
) -> None:
    result = compared(tmp_path, {old: EVIL}, {new: EVIL}, main=main)
    (change,) = result.files
    assert (change.status, change.similarity) == ("renamed", 100)
    (problem,) = result.problems
    assert (problem.rule, problem.path, problem.sentence) == (BECAME_CODE, new, sentence)
    assert change.problems == (problem,)
    (finding,) = [one for one in result.findings if one.rule == BECAME_CODE]
    assert (finding.path, finding.severity, finding.title) == (new, Severity.HIGH, sentence)


def test_so_is_one_that_moves_and_changes_a_little(tmp_path: Path) -> None:
    text = "".join(f"line {n}\n" for n in range(50))
    result = compared(tmp_path, {"a.txt": text}, {"a.js": text + "one more\n"})
    assert [problem.rule for problem in result.problems] == [BECAME_CODE]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("lib/a.js", "index.js", id="code-before"),
        pytest.param("a.txt", "b.md", id="no-code-after"),
        pytest.param("a.js", "a.txt", id="code-no-more"),
    ],
)
def test_other_moves_are_no_danger(tmp_path: Path, old: str, new: str) -> None:
    assert compared(tmp_path, {old: EVIL}, {new: EVIL}).problems == ()


def test_what_can_be_executed_now_and_could_not_before_is_dangerous() -> None:
    found = Unseen(Risk(None))
    (problem,) = found.look_at_move(PLAIN, replace(PLAIN, mode=0o755))
    assert problem.sentence == "It could not run before and can be executed now."
    assert found.problems() == [problem]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(PLAIN, replace(PLAIN, mode=0o664), id="still-not"),
        pytest.param(replace(PLAIN, mode=0o755), PLAIN, id="no-more"),
        pytest.param(code("a.js"), replace(code("a.js"), mode=0o755), id="code-could-run-before"),
        pytest.param(replace(PLAIN, mode=0o755), replace(PLAIN, mode=0o744), id="could-before"),
    ],
)
def test_other_changes_of_modes_are_no_danger(old: FileInfo, new: FileInfo) -> None:
    found = Unseen(Risk(None))
    assert found.look_at_move(old, new) == ()
    assert found.problems() == []


def test_names_cannot_deceive_who_reads_of_them() -> None:
    found = Unseen(Risk(None))
    (problem,) = found.look_at_move(replace(PLAIN, path="a\u202e.txt"), code("b\u200b.js"))
    assert (problem.path, "\\u202e" in problem.sentence) == ("b\\u200b.js", True)
    assert problem.sentence.isascii()

"""Ways to bring code past a reviewer: none may be without a word."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.results import CompareLimits, Comparison
from tests.registry_client.tarballs import package

Files = dict[str, bytes | str]


def compare(
    tmp_path: Path,
    old: Files | None,
    new: Files,
    limits: CompareLimits | None = None,
    **manifest: Any,
) -> Comparison:
    baseline = None if old is None else package(tmp_path, old, manifest=manifest, name="old.tgz")
    staged = package(tmp_path, new, manifest=manifest, name="new.tgz")
    return compare_tarballs(staged, baseline, limits=limits)


def rules(comparison: Comparison) -> list[tuple[str, str]]:
    return [(problem.rule, problem.path) for problem in comparison.problems]


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("index.js", "good\n", b"/*\0*/ evil()\n"),
        ("index.js", None, b"/*\0*/ evil()\n"),
        ("lib/a.mjs", b"/*\0*/ good()\n", b"/*\0*/ evil()\n"),
        ("bin/run", None, b"#!/bin/sh\n: '\0'\nevil\n"),
        ("data", "once text\n", b"\0 evil\n"),
        ("index.js", "good\n", b"\n" * 9000 + b"/*\0*/ evil()\n"),
    ],
)
def test_a_nul_hides_no_code(
    tmp_path: Path, path: str, before: str | bytes | None, after: bytes
) -> None:
    result = compare(tmp_path, {} if before is None else {path: before}, {path: after})
    (change,) = result.files
    assert rules(result) == [("nul-in-code", path)]
    assert change.diff is not None
    assert "evil" in change.diff
    assert "\u2400" in change.diff
    assert "NUL characters" in change.diff_note
    assert [problem.rule for problem in change.problems] == ["nul-in-code"]


def test_an_entry_point_is_code_whatever_its_name(tmp_path: Path) -> None:
    evil = b"/*\0*/ evil()\n"
    result = compare(tmp_path, {}, {"logo.png": evil}, main="./logo.png")
    assert rules(result) == [("nul-in-code", "logo.png")]
    assert rules(compare(tmp_path, {}, {"logo.png": evil}, main="./x.js")) == []


def test_compiled_code_is_no_hidden_text(tmp_path: Path) -> None:
    native = b"\x7fELF\0\0"
    result = compare(tmp_path, {}, {"a.node": native, "b.wasm": native}, main="a.node")
    assert rules(result) == []
    assert all(change.is_binary for change in result.files)


def test_filler_does_not_use_up_the_room_of_what_runs(tmp_path: Path) -> None:
    filler: Files = {f"a/{n:02}.txt": "x\n" * 500 for n in range(40)}
    runs: Files = {"zz/setup.js": "evil\n" * 20, "main.js": "evil\n" * 20, "z.js": "evil\n" * 20}
    limits = CompareLimits(file_diff=2_000, all_diffs=5_000, line=500)
    script = {"postinstall": "node ./zz/setup && true"}
    result = compare(tmp_path, {}, filler | runs, limits, main="main", scripts=script)
    notes = {change.path: change.diff_note for change in result.files}
    assert [notes[path] for path in runs] == ["", "", ""]
    (problem,) = result.problems
    assert problem.rule == "limit-diff"
    assert "more files" in problem.sentence


def test_code_that_a_limit_hides_is_named(tmp_path: Path) -> None:
    noise = random.Random(3).randbytes(3_000).hex()
    new: Files = {
        "long-line.js": noise,
        "too-large.js": f"{noise}\n" * 20,
        "long.js": "x\n" * 2_000,
        "a.css": noise,
    }
    limits = CompareLimits(file_size=100_000, file_diff=3_000, line=1_000)
    result = compare(tmp_path, {}, new, limits)
    assert sorted(rules(result)) == [
        ("limit-diff", ""),
        ("limit-diff", "long-line.js"),
        ("limit-diff", "long.js"),
        ("limit-diff", "too-large.js"),
    ]


def test_what_is_only_removed_hides_nothing(tmp_path: Path) -> None:
    limits = CompareLimits(file_diff=100)
    assert rules(compare(tmp_path, {"a.js": "x\n" * 500}, {}, limits)) == []


def test_many_hidden_files_are_counted(tmp_path: Path) -> None:
    new: Files = {f"{n}.js": f"{n}\n" * 100 for n in range(60)}
    result = compare(tmp_path, {}, new, CompareLimits(file_diff=50))
    assert len(result.problems) == 41
    assert "In 20 more files" in result.problems[-1].sentence


def nested(**manifest: Any) -> str:
    return json.dumps({"name": "dep", "version": "1.0.0", **manifest})


DEP = "node_modules/dep/package.json"


@pytest.mark.parametrize("path", [DEP, "node_modules/@a/b/package.json", "vendor/package.json"])
def test_a_new_install_script_of_a_package_inside_is_named(tmp_path: Path, path: str) -> None:
    evil = nested(scripts={"postinstall": "node evil.js", "test": "x"})
    earlier: tuple[Files | None, ...] = (None, {}, {path: nested()})
    for before in earlier:
        result = compare(tmp_path, before, {path: evil})
        assert rules(result) == [("nested-install-script", path)]
        assert "postinstall is new" in result.problems[0].sentence
        assert "node evil.js" in result.problems[0].sentence


def test_a_changed_one_is_named_and_so_is_one_that_was_there(tmp_path: Path) -> None:
    old, new = nested(scripts={"install": "a"}), nested(scripts={"install": "b"})
    changed = compare(tmp_path, {DEP: old}, {DEP: new})
    assert "install is changed" in changed.problems[0].sentence
    assert rules(compare(tmp_path, {DEP: new}, {DEP: new})) == [("nested-script-before", DEP)]


def test_an_unreadable_bundled_package_is_named(tmp_path: Path) -> None:
    assert rules(compare(tmp_path, {}, {DEP: "{"})) == [("nested-manifest", DEP)]


def test_the_search_for_packages_inside_is_bounded(tmp_path: Path) -> None:
    new: Files = {f"node_modules/{n}/package.json": nested() for n in range(5)}
    for limits in (CompareLimits(nested_manifests=3), CompareLimits(nested_manifests_size=110)):
        (problem,) = compare(tmp_path, {}, new, limits).problems
        assert problem.rule == "limit-nested"


@pytest.mark.parametrize("folder", ["", "node_modules/dep/"])
def test_native_code_that_npm_compiles_unasked_is_named(tmp_path: Path, folder: str) -> None:
    path = f"{folder}binding.gyp"
    packed: Files = {DEP: nested()} if folder else {}
    new = packed | {path: "{}"}
    assert rules(compare(tmp_path, packed, new)) == [("native-build", path)]
    assert rules(compare(tmp_path, packed | {path: "{ }"}, new)) == [("native-build", path)]
    assert rules(compare(tmp_path, new, new)) == [("native-build-before", path)]
    if not folder:
        assert rules(compare(tmp_path, packed, new, scripts={"install": "x"})) == []
        assert rules(compare(tmp_path, packed, new, gypfile=False)) == []

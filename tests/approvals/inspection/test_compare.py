import hashlib
import itertools
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pygit2
import pytest

from approvals.inspection import filediff
from approvals.inspection.compare import COMPARING, READING, SEARCHING, compare_tarballs
from approvals.inspection.filediff import diff_texts
from approvals.inspection.results import CompareLimits, Comparison, FileChange, ManifestChange
from registry_client.tarball import DamagedTarball, Limits, TarballError, TarballLimit
from tests.registry_client.tarballs import member, package, write

LINES = "".join(f"line {n}\n" for n in range(1, 41))


def compare(
    tmp_path: Path,
    old: dict[str, bytes | str] | None,
    new: dict[str, bytes | str],
    **options: Any,
) -> Comparison:
    baseline = None if old is None else package(tmp_path, old, name="old.tgz")
    return compare_tarballs(package(tmp_path, new, name="new.tgz"), baseline, **options)


def only(comparison: Comparison) -> FileChange:
    (change,) = [change for change in comparison.files if change.status != "left_out"]
    return change


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_equal_packages_do_not_differ(tmp_path: Path) -> None:
    result = compare(tmp_path, {"a.js": LINES, "b/c.js": "x\n"}, {"b/c.js": "x\n", "a.js": LINES})
    assert result.files == ()
    assert result.manifest_changes == ()
    assert result.unchanged_count == 3
    assert result.old is not None
    assert result.new.files == result.old.files == 3
    assert result.new.lines == 40 + 1 + 4


def test_a_modified_file_has_counts_and_a_diff(tmp_path: Path) -> None:
    new = LINES.replace("line 20\n", "line twenty\nand more\n")
    change = only(compare(tmp_path, {"a.js": LINES}, {"a.js": new}))
    assert (change.status, change.added_lines, change.removed_lines) == ("modified", 2, 1)
    assert (change.old_size, change.new_size) == (len(LINES), len(new))
    assert change.diff == (
        "@@ -17,7 +17,8 @@\n line 17\n line 18\n line 19\n-line 20\n+line twenty\n+and more\n"
        " line 21\n line 22\n line 23\n"
    )
    assert change.diff_note == ""


def test_a_missing_line_end_is_a_difference(tmp_path: Path) -> None:
    change = only(compare(tmp_path, {"a.js": "one\ntwo\n"}, {"a.js": "one\ntwo"}))
    assert change.diff == "@@ -1,2 +1,2 @@\n one\n-two\n+two\n\\ No newline at end of file\n"
    assert (change.added_lines, change.removed_lines) == (1, 1)


def test_white_space_and_line_ends_are_differences(tmp_path: Path) -> None:
    change = only(compare(tmp_path, {"a.js": "a\n\nb\n"}, {"a.js": "a \n\t\nb\r\n"}))
    assert (change.added_lines, change.removed_lines) == (3, 3)


def test_added_and_removed_files(tmp_path: Path) -> None:
    result = compare(tmp_path, {"old.js": "one\ntwo\n"}, {"new.css": "x"})
    added, removed = result.files
    assert (added.path, added.status, added.added_lines, added.removed_lines) == (
        *("new.css", "added", 1, 0),
    )
    assert added.diff == "@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n"
    assert (added.old_size, added.new_size, added.old_mode, added.new_mode) == (
        *(None, 1, None, 0o644),
    )
    assert (removed.path, removed.status, removed.added_lines, removed.removed_lines) == (
        *("old.js", "removed", 0, 2),
    )
    assert removed.diff == "@@ -1,2 +0,0 @@\n-one\n-two\n"


def test_a_moved_file_is_a_rename(tmp_path: Path) -> None:
    change = only(compare(tmp_path, {"a/x.js": LINES}, {"b/x.js": LINES}))
    assert (change.status, change.old_path, change.path) == ("renamed", "a/x.js", "b/x.js")
    assert (change.similarity, change.diff) == (100, "")


def test_a_moved_binary_is_a_rename(tmp_path: Path) -> None:
    binary = b"\0" + noise(1, 500)
    change = only(compare(tmp_path, {"a.wasm": binary}, {"b.wasm": binary}))
    assert (change.status, change.is_binary, change.similarity) == ("renamed", True, 100)


def test_identical_files_are_paired_by_name(tmp_path: Path) -> None:
    result = compare(
        tmp_path, {"a/one.js": LINES, "a/two.js": LINES}, {"b/two.js": LINES, "b/one.js": LINES}
    )
    assert {change.path: change.old_path for change in result.files} == {
        "b/one.js": "a/one.js",
        "b/two.js": "a/two.js",
    }


def test_a_similar_file_is_a_rename_with_a_diff(tmp_path: Path) -> None:
    new = LINES.replace("line 20\n", "line twenty\n")
    result = compare(
        tmp_path,
        {"dist/chunk-4f3a.js": LINES, "gone.js": "nothing\nalike\n"},
        {"dist/chunk-99b1.js": new},
    )
    renamed, removed = result.files
    assert (renamed.status, renamed.old_path) == ("renamed", "dist/chunk-4f3a.js")
    assert renamed.similarity is not None
    assert 80 < renamed.similarity < 100
    assert (renamed.added_lines, renamed.removed_lines) == (1, 1)
    assert removed.status == "removed"


def test_a_limited_search_for_renames_says_so(tmp_path: Path) -> None:
    old: dict[str, bytes | str] = {f"old{n}.js": f"{LINES}{n}\n" for n in range(5)}
    new: dict[str, bytes | str] = {f"new{n}.js": f"{LINES}{n} new\n" for n in range(5)}
    result = compare(tmp_path, old, new, limits=CompareLimits(rename_files=2))
    assert "limit-renames" in {problem.rule for problem in result.problems}


def test_only_what_npm_keeps_of_a_mode_counts(tmp_path: Path) -> None:
    def packed(name: str, run: int, plain: int) -> Path:
        return write(
            tmp_path,
            member("package/package.json", b'{"name": "left", "version": "1.0.0"}'),
            member("package/run", b"x", mode=run),
            member("package/plain", b"x", mode=plain),
            name=name,
        )

    result = compare_tarballs(packed("new.tgz", 0o755, 0o664), packed("old.tgz", 0o644, 0o644))
    change = only(result)
    assert (change.path, change.status) == ("run", "mode_changed")
    assert (change.old_mode, change.new_mode, change.diff) == (0o644, 0o755, "")


def test_a_binary_file_has_no_diff(tmp_path: Path) -> None:
    change = only(compare(tmp_path, {"a.wasm": b"\0asm1"}, {"a.wasm": b"\0asm2\n"}))
    assert change.is_binary
    assert (change.diff, change.diff_note) == (None, "It is a binary file.")
    assert (change.added_lines, change.removed_lines) == (None, None)


def test_text_that_no_database_takes_is_made_storable(tmp_path: Path) -> None:
    late_nul = LINES * 40 + "a\0b\n"
    result = compare(
        tmp_path,
        {"a.js": LINES * 40, "b.js": "x\n"},
        {"a.js": late_nul, "b.js": b"\xff\xfe\n"},
    )
    first, second = result.files
    assert first.diff is not None
    assert "+a\u2400b\n" in first.diff
    assert "\0" not in json.dumps(result.as_json())
    assert second.diff is not None
    assert "+\ufffd\ufffd\n" in second.diff
    assert "not valid UTF-8" in second.diff_note


def test_a_change_far_inside_one_long_line_is_shown(tmp_path: Path) -> None:
    old = "x" * 3_000_000 + "harmless" + "y" * 2_000_000
    new = old.replace("harmless", "fetch('http://198.51.100.7')")
    change = only(compare(tmp_path, {"min.js": old}, {"min.js": new}))
    assert (change.added_lines, change.removed_lines) == (1, 1)
    assert change.diff is not None
    assert "fetch('http://198.51.100.7')" in change.diff
    assert "harmless" in change.diff
    assert len(change.diff) < 20_000
    assert "Long lines are shown in part" in change.diff_note


def test_diff_text_is_bounded_for_a_file_and_for_all(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{n}.js": LINES * 10 for n in range(4)}
    limits = CompareLimits(file_diff=1000, all_diffs=2500, line=600)
    result = compare(tmp_path, {}, files, limits=limits)
    assert sum(len(change.diff or "") for change in result.files) <= 2500
    assert all(change.added_lines == 400 for change in result.files)
    assert all(change.diff_note for change in result.files)
    assert result.files[0].diff is not None
    assert result.files[0].diff.endswith("\n")
    assert any(change.diff is None for change in result.files)


def test_a_file_that_is_too_large_for_a_diff_says_so(tmp_path: Path) -> None:
    limits = CompareLimits(file_size=1000)
    result = compare(
        tmp_path, {"a.js": LINES * 50}, {"a.js": LINES * 51, "b.js": LINES * 50}, limits=limits
    )
    changed, added = result.files
    assert changed.diff is None
    assert "too large for a diff" in changed.diff_note
    assert (changed.added_lines, changed.removed_lines) == (None, None)
    assert (added.diff, added.added_lines, added.removed_lines) == (None, 2000, 0)


def test_too_many_lines_for_a_diff(tmp_path: Path) -> None:
    limits = CompareLimits(file_lines=100)
    change = only(compare(tmp_path, {"a": "\n" * 101}, {"a": "\n" * 99}, limits=limits))
    assert change.diff is None
    assert "too many lines" in change.diff_note


def test_lines_made_to_collide_never_reach_libgit2(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _colliding_lines(8)
    assert len(set(lines)) == 256
    assert len({_libgit2_hash(line) for line in lines}) == 1
    given: list[bytes] = []
    create = pygit2.Patch.create_from

    def remember(old: bytes, new: bytes, **options: Any) -> Any:
        given.extend(old.split(b"\n"))
        return create(old, new, **options)

    spy = SimpleNamespace(Patch=SimpleNamespace(create_from=remember))
    monkeypatch.setattr(filediff, "pygit2", spy)
    old = b"\n".join([b"first", *lines]) + b"\n"
    new = b"\n".join([b"more", *lines, b"first"]) + b"\n"
    result = diff_texts(old, new, CompareLimits(), 10_000)
    assert (result.added_lines, result.removed_lines) == (2, 1)
    assert not set(given) & set(lines)
    assert len({_libgit2_hash(line) for line in given}) > 250


def _colliding_lines(blocks: int) -> list[bytes]:
    """2 ** blocks lines with one hash: at each step, two pairs of bytes that lead to one state."""
    lines = [b""]
    for _ in range(blocks):
        state = _libgit2_hash(lines[0])
        seen: dict[int, bytes] = {}
        for pair in itertools.product(range(33, 127), repeat=2):
            other = seen.setdefault(_libgit2_hash(bytes(pair), state), bytes(pair))
            if other != bytes(pair):
                lines = [line + end for line in lines for end in (other, bytes(pair))]
                break
    return lines


def _libgit2_hash(line: bytes, value: int = 5381) -> int:
    for byte in line:
        value = (value * 33 & (2**64 - 1)) ^ byte
    return value


@pytest.mark.parametrize("seed", range(5))
def test_a_diff_can_be_applied(seed: int) -> None:
    chance = random.Random(seed)
    old = [chance.choice(["", "a", "  b", "\tc", "d\r"]) for _ in range(60)]
    new = [line for line in old if chance.random() > 0.2]
    new.insert(chance.randrange(len(new)), "new")
    before, after = "\n".join(old) + "\n", "\n".join(new) + "\n"
    result = diff_texts(before.encode(), after.encode(), CompareLimits(), 1_000_000)
    assert _apply(before, result.text) == after
    assert result.added_lines - result.removed_lines == len(new) - len(old)


@pytest.mark.parametrize("seed", range(30))
def test_one_small_difference_is_found_as_in_a_whole_diff(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    lines = [chance.choice(["", "  a", "}", f"line {n}"]) for n in range(chance.choice((3, 600)))]
    start = chance.choice((0, len(lines) // 2, len(lines)))
    stop = min(start + chance.choice((0, 1, 4)), len(lines))
    new = [*lines[:start], *["new", "newer"][: chance.randrange(3)], *lines[stop:]]
    ends = [chance.choice(("\n", "")) for _ in range(2)]
    texts = [
        "\n".join(text).encode() + end.encode()
        for text, end in zip((lines, new), ends, strict=True)
    ]
    short = diff_texts(texts[0], texts[1], CompareLimits(), 1_000_000)
    monkeypatch.setattr(filediff, "_only_difference", lambda old, new: None)
    assert short == diff_texts(texts[0], texts[1], CompareLimits(), 1_000_000)


def _apply(before: str, diff: str) -> str:
    old, result, position = before.split("\n"), [], 0
    for line in diff.split("\n")[:-1]:
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0].removeprefix("-")) - 1
            result += old[position:start]
            position = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert old[position] == line[1:]
            position += 1
            if line.startswith(" "):
                result.append(line[1:])
    return "\n".join(result + old[position:])


def test_of_two_files_with_one_path_the_installed_one_is_compared(tmp_path: Path) -> None:
    manifest = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')
    old = write(tmp_path, manifest, member("package/a.js", b"good\n"), name="old.tgz")
    new = write(
        tmp_path,
        manifest,
        member("package/a.js", b"evil\n"),
        member("other/a.js", b"good\n"),
        member("package/a.js", b"evil\n"),
        name="new.tgz",
    )
    result = compare_tarballs(new, old)
    assert only(result).diff == "@@ -1 +1 @@\n-good\n+evil\n"
    assert {problem.rule for problem in result.problems} == {"duplicate"}
    assert {problem.rule for problem in only(result).problems} == {"duplicate"}


def test_hostile_paths_reach_no_disk(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    before = package(tmp_path, {}, name="old.tgz")
    staged = write(
        tmp_path,
        member("package/../../../escape.js", b"x"),
        member("/tmp/absolute.js", b"x" * 100),  # noqa: S108 - must not come into being
        member("package/.git/config", b"[core]\n"),
        member("package/.git/hooks/pre-commit", b"#!/bin/sh\n", mode=0o755),
        member("package/link", kind=b"2", link=b"/etc/passwd"),
        name="new.tgz",
    )
    result = compare_tarballs(staged, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.tgz", "old.tgz", "work"]
    assert not Path("/tmp/absolute.js").exists()  # noqa: S108 - where the tarball points
    assert {"parent-path", "absolute-path", "symlink"} <= {p.rule for p in result.problems}
    assert ".git/config" in {change.path for change in result.files}
    assert result.manifest_problem == "The tarball has no package.json."


def test_an_unreadable_staged_tarball_is_an_error(tmp_path: Path) -> None:
    whole = package(tmp_path, {"a.js": noise(2, 5000)}, name="old.tgz")
    cut = tmp_path / "new.tgz"
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(DamagedTarball):
        compare_tarballs(cut, whole)
    with pytest.raises(TarballLimit):
        compare_tarballs(whole, None, limits=CompareLimits(tarball=Limits(entries=1)))


def test_an_unreadable_baseline_is_a_problem_and_all_counts_as_added(tmp_path: Path) -> None:
    baseline = tmp_path / "old.tgz"
    baseline.write_bytes(b"no tarball")
    result = compare_tarballs(package(tmp_path, {"a.js": LINES}), baseline)
    assert [change.status for change in result.files] == ["added", "added"]
    assert result.old is None
    assert [problem.rule for problem in result.old_problems] == ["baseline-unreadable"]


def test_a_first_release_adds_everything(tmp_path: Path) -> None:
    result = compare(tmp_path, None, {"a.js": LINES})
    assert [change.status for change in result.files] == ["added", "added"]
    assert (result.old, result.old_problems, result.manifest_old) == (None, (), None)
    assert ManifestChange("version", "", None, "1.0.0") in result.manifest_changes


def test_progress_is_told_to_its_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    compare(tmp_path, {"a": "1"}, {"a": "2"}, on_progress=lambda *step: seen.append(step))
    assert [stage for stage, done, total in seen if done == total][-2:] == [COMPARING, SEARCHING]
    assert {stage for stage, _, _ in seen} == {READING, COMPARING, SEARCHING}
    assert all(0 <= done <= total for _, done, total in seen)


def test_manifests_are_compared_by_meaning(tmp_path: Path) -> None:
    old = {
        "scripts": {"test": "true", "build": "tsc"},
        "dependencies": {"a": "^1.0.0", "b": "1"},
        "bin": "./cli.js",
        "repository": {"type": "git", "url": "git+https://github.com/o/r.git"},
        "author": {"name": "A", "email": "a@example.org"},
        "exports": "./index.js",
        "files": ["x", "y"],
        "main": "./index.js",
    }
    new = {
        "main": "index.js",
        "files": ["y", "x"],
        "exports": {".": "./index.js"},
        "author": "A <a@example.org>",
        "repository": "github:o/r",
        "bin": {"left": "cli.js"},
        "dependencies": {"b": "1", "a": "^2.0.0", "c": "*"},
        "scripts": {"build": "tsc", "postinstall": "node x.js"},
    }
    baseline = package(tmp_path, {}, manifest=old, name="old.tgz")
    result = compare_tarballs(package(tmp_path, {}, manifest=new, name="new.tgz"), baseline)
    assert result.manifest_changes == (
        ManifestChange("scripts", "postinstall", None, "node x.js"),
        ManifestChange("scripts", "test", "true", None),
        ManifestChange("dependencies", "a", "^1.0.0", "^2.0.0"),
        ManifestChange("dependencies", "c", None, "*"),
    )


def test_order_inside_exports_is_a_change_of_meaning(tmp_path: Path) -> None:
    def packed(name: str, conditions: list[str]) -> Path:
        exports = {".": {condition: f"./{condition}.js" for condition in conditions}}
        return package(tmp_path, {}, manifest={"exports": exports}, name=name)

    old = packed("old.tgz", ["node", "default"])
    result = compare_tarballs(packed("new.tgz", ["default", "node"]), old)
    assert [(change.field, change.key) for change in result.manifest_changes] == [("exports", ".")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no package.json"),
        (b"{", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "too large"),
        (b'{"name": "a", "name": "b"}', "'name' twice"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}", "nested too deeply"),
        (b'{"a": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b" " * 3_000_000 + b"{}", "too large"),
    ],
)
def test_a_package_json_that_cannot_be_trusted(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    members = [member("package/a.js", b"x")]
    if content is not None:
        members.append(member("package/package.json", content))
    result = compare_tarballs(write(tmp_path, *members), None)
    assert words in result.manifest_problem
    assert result.manifest_new is None
    assert result.manifest_changes == ()


def test_two_package_json_are_noticed(tmp_path: Path) -> None:
    staged = write(
        tmp_path,
        member("package/package.json", b'{"name": "shown"}'),
        member("x/package.json", b'{"name": "installed"}'),
    )
    result = compare_tarballs(staged, None)
    assert result.manifest_new == {"name": "installed"}
    assert "2 files package.json" in result.manifest_problem


def test_manifest_texts_can_be_stored(tmp_path: Path) -> None:
    content = b'{"name": "a\\u0000b", "k\\ud800": ["\\udfff", {"x": "\\u0000"}]}'
    staged = write(tmp_path, member("package/package.json", content))
    result = compare_tarballs(staged, None)
    assert result.manifest_new == {
        "name": "a\u2400b",
        "k\ufffd\ufffd\ufffd": ["\ufffd\ufffd\ufffd", {"x": "\u2400"}],
    }


def test_the_readme_is_the_new_one_as_bounded_text(tmp_path: Path) -> None:
    limits = CompareLimits(readme_size=10)
    result = compare(
        tmp_path,
        {"README.md": "old"},
        {"docs/README.md": "other", "README.md": "<b>new</b> and long"},
        limits=limits,
    )
    assert result.readme == "<b>new</b>"
    assert "first 10 bytes" in result.readme_note
    unchanged = compare(tmp_path, {"readme": "same"}, {"readme": "same"})
    assert (unchanged.readme, unchanged.readme_note) == ("same", "")
    assert compare(tmp_path, {}, {}).readme_note == "The tarball has no README."


def test_a_tarball_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    manifest = member("package/package.json", b'{"name": "left", "version": "1.0.0"}')
    one, two = member("package/a.js", b"one\n"), member("package/a.js", b"two\n")
    baseline = write(tmp_path, manifest, one, name="old.tgz")
    staged = write(tmp_path, manifest, one, two, name="new.tgz")
    assert only(compare_tarballs(staged, baseline)).diff == "@@ -1 +1 @@\n-one\n+two\n"

    def swap(stage: str, done: int, total: int) -> None:
        if stage == READING and done == total:
            write(tmp_path, manifest, two, name="old.tgz")

    with pytest.raises(TarballError, match="changed while"):
        compare_tarballs(staged, baseline, on_progress=swap)


def test_each_file_has_its_kind_digests_and_rank(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20)
    old = {"lib/a.js": "one\n", "README.md": "same\n", "vendor/x.js": "1\n"}
    new = {
        "lib/a.js": "caf\u00e9\n",
        "README.md": "same\n",
        "logo.png": png,
        "index.d.ts": "export {}\n",
        "dist/a.min.js": "x" * 5000,
    }
    result = compare(tmp_path, old, new)
    found = {change.path: change for change in result.files}
    assert {path: change.kind for path, change in found.items()} == {
        "lib/a.js": "source",
        "vendor/x.js": "source",
        "logo.png": "binary",
        "index.d.ts": "types",
        "dist/a.min.js": "generated",
    }
    changed, picture = found["lib/a.js"], found["logo.png"]
    assert (changed.encoding, changed.file_type) == ("UTF-8", "")
    assert (picture.encoding, picture.file_type) == ("", "PNG image")
    assert changed.old_sha256 == hashlib.sha256(b"one\n").hexdigest()
    assert changed.new_sha256 == hashlib.sha256("caf\u00e9\n".encode()).hexdigest()
    assert (picture.old_sha256, found["vendor/x.js"].new_sha256) == ("", "")
    assert found["dist/a.min.js"].is_minified
    assert found["vendor/x.js"].is_vendored
    assert changed.rank < picture.rank
    assert [(file.path, file.size, file.kind) for file in result.unchanged] == [
        ("README.md", 5, "docs"),
        ("package.json", result.unchanged[1].size, "source"),
    ]
    assert result.unchanged_count == 2


def test_a_file_that_is_too_large_to_keep_still_has_its_kind(tmp_path: Path) -> None:
    new = {"a.wasm": b"\0asm\x01\0\0\0" + noise(1, 5000), "b.js": b"// @generated\n" * 200}
    result = compare(tmp_path, {}, new, limits=CompareLimits(file_size=1000))
    binary, generated = result.files
    assert (binary.kind, binary.is_binary, binary.file_type) == (
        "binary",
        True,
        "WebAssembly module, version 1",
    )
    assert (generated.kind, generated.encoding, generated.diff) == ("generated", "", None)
    assert binary.new_sha256 == hashlib.sha256(new["a.wasm"]).hexdigest()


def test_a_changed_mode_alone_has_digests_too(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, member("package/run", b"x", mode=mode), name=f"{mode}.tgz")
        for mode in (0o755, 0o644)
    ]
    change = only(compare_tarballs(*paths))
    digest = hashlib.sha256(b"x").hexdigest()
    assert (change.status, change.old_sha256, change.new_sha256) == ("mode_changed", digest, digest)


OLD_NEWS = "# 1.0.0\n\nFirst.\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (OLD_NEWS, f"# 1.1.0\n\nMore.\n\n{OLD_NEWS}", "# 1.1.0\n\nMore."),
        (OLD_NEWS, OLD_NEWS, ""),
        (None, f"{OLD_NEWS}\n# 0.9.0\n\nOlder.\n", "# 1.0.0\n\nFirst."),
    ],
)
def test_what_is_new_in_the_changelog(tmp_path: Path, old: str | None, new: str, said: str) -> None:
    before: dict[str, bytes | str] = {} if old is None else {"CHANGELOG.md": old}
    result = compare(tmp_path, before, {"CHANGELOG.md": new})
    assert (result.changelog.strip(), result.changelog_path) == (said, "CHANGELOG.md")
    assert result.changelog_note == ""


def test_a_changelog_is_bounded_and_says_so(tmp_path: Path) -> None:
    news = "".join(f"- change {number}\n" for number in range(20_000))
    result = compare(tmp_path, {}, {"CHANGELOG.md": f"# 1.0.0\n\n{news}"})
    assert len(result.changelog.encode()) <= 64 * 1024
    assert "Only the beginning" in result.changelog_note
    large = compare(tmp_path, {}, {"CHANGELOG.md": news}, limits=CompareLimits(changelog_size=99))
    assert (large.changelog, large.changelog_path) == ("", "CHANGELOG.md")
    assert "too large to read" in large.changelog_note
    binary = compare(tmp_path, {}, {"CHANGELOG.md": b"\0news"})
    assert binary.changelog_note == "CHANGELOG.md is not text."
    assert compare(tmp_path, {}, {"docs/CHANGELOG.md": news}).changelog_path == ""

"""`manage.py inspect`, as somebody at a terminal uses it: no database, no set-up."""

import hashlib
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from approvals.inspection import compare
from approvals.inspection.finding import Finding, Severity
from approvals.inspection.management.commands import inspect
from tests.packages import tarball
from tests.registry_client.tarballs import member, package, write

OLD_FILES = {"index.js": "one\ntwo\n", "gone.js": "gone\n", "same.md": "# Same\n"}
NEW_FILES = {
    "index.js": "one\n2\nthree\n",
    "new.js": "new\n",
    "same.md": "# Same\n",
    "logo.png": b"\x89PNG\r\n\x1a\n\0\0",
}
TOTALS = (
    "added",
    "removed",
    "modified",
    "renamed",
    "mode_changed",
    "left_out",
    "additions",
    "deletions",
)
FINDING = ["rule", "severity", "title", "path", "line", "new", "detail"]
EVIL = "\x1b[2J\x07\u202egpj.js\u200b\x9b1m"


def run(*arguments: object, **options: Any) -> str:
    """What the command prints; nothing goes to stderr."""
    out, errors = io.StringIO(), io.StringIO()
    call_command(
        "inspect", *(str(item) for item in arguments), stdout=out, stderr=errors, **options
    )
    assert errors.getvalue() == ""
    return out.getvalue()


def found(*tarballs: Path) -> dict[str, Any]:
    result = json.loads(run(*tarballs, "--json"))
    assert isinstance(result, dict)
    return result


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return package(
        tmp_path,
        OLD_FILES,
        manifest={"dependencies": {"ms": "^2.1.3"}, "scripts": {"test": "a"}},
        name="old.tgz",
    )


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return package(
        tmp_path,
        NEW_FILES,
        manifest={
            "version": "1.1.0",
            "dependencies": {"ms": "^2.1.4"},
            "scripts": {"test": "a", "postinstall": "node new.js"},
        },
        name="new.tgz",
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A tarball that newly runs something."""
    code = 'one\ntwo\nrequire("child_process").exec("id")\n'
    return package(tmp_path, OLD_FILES | {"index.js": code}, name="runs.tgz")


def test_the_json_of_two_tarballs(old: Path, new: Path) -> None:
    result = found(old, new)
    assert list(result) == ["engine", "old", "new", "totals", "files", "manifest", "findings"]
    assert result["engine"]
    assert result["old"] == {
        "name": "left",
        "version": "1.0.0",
        "sha512": hashlib.sha512(old.read_bytes()).hexdigest(),
        "files": 4,
        "unpacked_size": result["old"]["unpacked_size"],
    }
    assert result["new"]["version"] == "1.1.0"
    assert result["new"]["sha512"] == hashlib.sha512(new.read_bytes()).hexdigest()
    assert tuple(result["totals"]) == TOTALS
    counts = {name: result["totals"][name] for name in TOTALS[:5]}
    assert counts == {"added": 2, "removed": 1, "modified": 2, "renamed": 0, "mode_changed": 0}
    assert result["totals"]["left_out"] == 0
    files = {file["path"]: file for file in result["files"]}
    assert files["index.js"] == {
        "path": "index.js",
        "old_path": "",
        "status": "modified",
        "additions": 2,
        "deletions": 1,
        "binary": False,
        "old_size": 8,
        "new_size": 12,
    }
    assert files["logo.png"]["binary"] is True
    assert files["logo.png"]["additions"] is None
    assert files["gone.js"]["new_size"] is None
    for name, key in (("additions", "additions"), ("deletions", "deletions")):
        assert result["totals"][name] == sum(file[key] or 0 for file in result["files"])
    assert {"field": "dependencies", "key": "ms", "old": "^2.1.3", "new": "^2.1.4"} in result[
        "manifest"
    ]


def test_each_finding_in_json(old: Path, runs: Path) -> None:
    findings = found(old, runs)["findings"]
    assert all(list(finding) == FINDING for finding in findings)
    (about,) = [finding for finding in findings if finding["rule"] == "child-process"]
    assert (about["path"], about["line"], about["new"]) == ("index.js", 3, True)
    assert about["severity"] in Severity.values
    assert about["title"].endswith(".")
    ranks = [Severity(finding["severity"]).rank for finding in findings]
    assert ranks == sorted(ranks)


def test_the_json_of_a_first_release(new: Path) -> None:
    result = found(new)
    assert result["old"] is None
    assert {file["status"] for file in result["files"]} == {"added"}
    assert result["totals"]["added"] == result["new"]["files"] == 5


def test_a_rename_and_a_mode(tmp_path: Path) -> None:
    text = "\n".join(f"line {n}" for n in range(50))
    described = member("package/package.json", b'{"name": "a", "version": "1.0.0"}')
    old = write(
        tmp_path, described, member("package/a.js", text.encode()), member("package/run"), name="1"
    )
    new = write(
        tmp_path,
        described,
        member("package/lib/b.js", (text + "\nmore").encode()),
        member("package/run", mode=0o755),
        name="2",
    )
    result = found(old, new)
    assert (result["totals"]["renamed"], result["totals"]["mode_changed"]) == (1, 1)
    assert ("a.js", "lib/b.js") in {(file["old_path"], file["path"]) for file in result["files"]}
    shown = run(old, new)
    assert "R  a.js -> lib/b.js (" in shown
    assert "T  run  mode 644 -> 755" in shown


def test_the_text_has_the_findings_first(old: Path, new: Path) -> None:
    shown = run(old, new)
    wanted = [
        "left@1.0.0 -> left@1.1.0",
        "Findings: ",
        "  dependencies: ms  ^2.1.3 -> ^2.1.4",
        "  scripts: postinstall  added   node new.js",
        "Files: 2 added, 1 removed, 2 modified; +",
        "  M  index.js  +2 -1",
        "  D  gone.js  -1",
        "  A  logo.png  PNG image, 10 bytes",
    ]
    assert [text for text in wanted if text not in shown] == []
    places = [shown.index(text) for text in wanted[:3]]
    assert places == sorted(places)
    assert shown.endswith("\n")


def finding(severity: Severity, number: int = 1, **values: Any) -> Finding:
    fields = {"path": "a.js", "line": 7, "excerpt": "eval(b)", "detail": "found by looking"}
    words = (f"{severity.label} number {number}.", "Because of this.", "Look at that.")
    return Finding("a-rule", severity, *words, **fields | values)


@pytest.fixture
def with_findings(monkeypatch: pytest.MonkeyPatch, old: Path, new: Path) -> Any:
    """Prints these findings."""

    def shown(*findings: Finding, **options: Any) -> str:
        monkeypatch.setattr(compare, "findings_in_tarball", lambda *about: list(findings))
        return run(old, new, **options).partition("\npackage.json\n")[0]

    return shown


def test_findings_by_severity_with_their_place_and_evidence(with_findings: Any) -> None:
    shown = with_findings(
        finding(Severity.CRITICAL),
        finding(Severity.MEDIUM, is_new=False, line=None),
        finding(Severity.MEDIUM, 2, path="", line=None, excerpt="", detail=""),
    )
    assert shown.partition("\n\n")[2].split("\n") == [
        "Findings: 1 critical, 2 medium",
        "",
        "Critical",
        "  a.js:7: Critical number 1.",
        "      eval(b)",
        "      found by looking",
        "",
        "Medium",
        "  a.js: Medium number 1. (was there before)",
        "      eval(b)",
        "      found by looking",
        "  Medium number 2.",
        "",
    ]


def test_why_is_told_to_who_asks_for_more(with_findings: Any) -> None:
    more = ["Why: Because of this.", "What to check: Look at that.", "Rule: a-rule"]
    shown = with_findings(finding(Severity.HIGH))
    assert not any(words in shown for words in more)
    shown = with_findings(finding(Severity.HIGH), verbosity=2)
    assert all(f"      {words}\n" in shown for words in more)


@pytest.mark.parametrize(
    ("severity", "most"),
    [
        (Severity.CRITICAL, 99),
        (Severity.HIGH, 99),
        (Severity.MEDIUM, 99),
        (Severity.LOW, 10),
        (Severity.INFO, 10),
    ],
)
def test_only_what_is_not_serious_is_cut(with_findings: Any, severity: Severity, most: int) -> None:
    many = [finding(severity, number) for number in range(99)]
    shown = with_findings(*many)
    assert shown.count(f"{severity.label} number") == most
    assert (f"  ... {99 - most} more; --verbosity 2 shows all, and why." in shown) == (most < 99)
    assert with_findings(*many, verbosity=2).count(f"{severity.label} number") == 99


def test_that_nothing_was_found_is_said_too(with_findings: Any) -> None:
    shown = with_findings()
    assert "Findings: none. Rules find what looks like known attacks and accidents" in shown


def test_the_changelog_is_shown(tmp_path: Path) -> None:
    old = package(tmp_path, {"CHANGELOG.md": "## 1.0.0\n\n* first\n"}, name="1")
    new = package(
        tmp_path, {"CHANGELOG.md": "## 1.1.0\n\n* second\n\n## 1.0.0\n\n* first\n"}, name="2"
    )
    shown = run(old, new).partition("New in CHANGELOG.md\n")[2]
    assert shown == "  ## 1.1.0\n\n  * second\n"


def test_long_lists_are_cut_unless_all_is_asked_for(tmp_path: Path) -> None:
    path = package(tmp_path, {f"file-{n}.js": "x\n" for n in range(100)})
    shown = run(path)
    assert "file-99.js" not in shown
    assert "... 61 more lines; --verbosity 2 shows all." in shown
    assert run(path, verbosity=2).count("  A  file-") == 100
    assert len(found(path)["files"]) == 101


@pytest.mark.parametrize("verbosity", [1, 2])
def test_nothing_in_a_package_can_write_on_the_terminal(tmp_path: Path, verbosity: int) -> None:
    files = {f"lib/{EVIL}.js": "x\n", "CHANGELOG.md": f"## 2.0.0\n\n{EVIL}\n"}
    manifest = {
        "name": f"left{EVIL}",
        "version": f"1{EVIL}",
        "scripts": {"install": f"node {EVIL}", EVIL: EVIL},
        EVIL: EVIL,
        "main": [EVIL],
    }
    old = package(tmp_path, {}, manifest={"name": EVIL, "main": EVIL}, name="1")
    new = package(tmp_path, files, manifest=manifest, name="2")
    shown = run(old, new, verbosity=verbosity)
    assert "\\u202egpj.js" in shown
    assert {char for char in shown if unicodedata.category(char) in ("Cc", "Cf")} == {"\n"}
    assert run(old, new, "--json").isascii()


def hidden_link(folder: Path) -> Path:
    return write(folder, member("package/a", b"x", kind=b"2", link=b"y"), name="hidden.tgz")


def cut_off(folder: Path) -> Path:
    path = folder / "cut.tgz"
    path.write_bytes(tarball({"a.js": os.urandom(5000)})[:3000])
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.tgz"
    path.touch()
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nowhere.tgz", "nowhere.tgz: No such file or directory."),
        (lambda folder: folder, "It is not a file."),
        (empty, "empty.tgz: The file is not a gzip-compressed tarball."),
        (cut_off, "cut.tgz: The tarball ends in the middle"),
        (hidden_link, "hidden.tgz: The tarball cannot be read safely"),
        (pipe, "pipe: It is not a file."),
        (lambda folder: folder / "a\x1b[2J\u202e.tgz", "a\\x1b[2J\\u202e.tgz: No such file"),
        (lambda folder: folder / ("x" * 300), "File name too long."),
    ],
    ids=["missing", "folder", "empty", "cut", "ambiguous", "pipe", "escapes", "long"],
)
@pytest.mark.parametrize("place", ["old", "new", "first"])
@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
def test_an_unreadable_tarball_is_one_line_and_exit_2(
    tmp_path: Path, make: Any, words: str, place: str, arguments: list[str]
) -> None:
    bad, good = make(tmp_path), package(tmp_path, {})
    paths = {"old": [bad, good], "new": [good, bad], "first": [bad]}[place]
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("inspect", *map(str, paths), *arguments, stdout=out)
    assert caught.value.returncode == 2
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert out.getvalue() == ""


@pytest.mark.parametrize("count", [0, 3])
def test_one_or_two_tarballs_are_wanted(tmp_path: Path, count: int) -> None:
    with pytest.raises(CommandError):
        call_command("inspect", *[str(package(tmp_path, {}))] * count)


def test_a_broken_package_json_is_a_finding(tmp_path: Path, old: Path) -> None:
    new = write(tmp_path, member("package/package.json", b"{"), name="broken.tgz")
    result = found(old, new)
    assert (result["new"]["name"], result["new"]["version"]) == (None, None)
    assert result["manifest"] == []
    assert ("manifest", "package.json is not valid JSON.") in {
        (finding["rule"], finding["title"]) for finding in result["findings"]
    }
    assert "left@1.0.0 -> a tarball without a readable package.json" in run(old, new)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_when_it_takes_long(
    old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "_PATIENCE", 0)
    monkeypatch.setattr(inspect, "_PROGRESS_EVERY", 0)
    terminal = Terminal()
    call_command("inspect", str(old), str(new), stdout=io.StringIO(), stderr=terminal)
    lines = terminal.getvalue().split("\r")
    assert lines[1].endswith(" %")
    # At the end the line is blank again.
    assert (lines[-2].strip(), lines[-1]) == ("", "")


def test_no_progress_elsewhere_or_when_it_is_quick(old: Path, new: Path) -> None:
    terminal = Terminal()
    call_command("inspect", str(old), str(new), stdout=io.StringIO(), stderr=terminal)
    assert terminal.getvalue() == ""


def as_a_user(*arguments: object, folder: Path, **environment: str) -> Any:
    """The command in a process of its own, with an empty var/ and an unreachable database."""
    return subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "inspect", *map(str, arguments)],
        capture_output=True,
        cwd=folder,
        timeout=120,
        check=False,
        env={
            **os.environ,
            "COUNTERSIGN_VAR": str(folder / "var"),
            "DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing",
            **environment,
        },
    )


def test_it_needs_no_database(tmp_path: Path, old: Path, new: Path) -> None:
    shown = as_a_user(old, new, folder=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert shown.stdout.startswith(b"left@1.0.0 -> left@1.1.0\n")
    refused = as_a_user(old, tmp_path / "x.tgz", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.count(b"\n") == 1
    assert b"x.tgz: No such file or directory." in refused.stderr


def test_letters_that_the_terminal_does_not_have(tmp_path: Path) -> None:
    path = package(tmp_path, {"caf\u00e9-\u732b.js": "x\n"})
    shown = as_a_user(path, folder=tmp_path, PYTHONIOENCODING="latin-1")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"caf\xe9-\\u732b.js" in shown.stdout


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    path = package(tmp_path, {f"{'long' * 20}-{n}.js": "x\n" for n in range(3000)})
    read, write_end = os.pipe()
    os.close(read)
    with os.fdopen(write_end, "wb") as closed:
        shown = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "inspect", str(path), "--json"],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert (shown.returncode, shown.stderr) == (0, b"")

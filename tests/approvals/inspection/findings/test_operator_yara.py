"""An operator's own YARA rules."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR, WARNING, run_checks
from pytest_django import Settings

from approvals.inspection import inspecting
from approvals.inspection.engine import engine_version
from approvals.inspection.finding import Finding, Severity
from approvals.inspection.inspecting import inspect
from approvals.inspection.models import InspectionRequest
from approvals.inspection.requests import ask_again, claim_due, request_missing
from approvals.inspection.results import CompareLimits
from approvals.inspection.search import operator_rules
from approvals.inspection.search.operator_rules import OperatorRules
from approvals.queue.models import StagedVersion
from tests.approvals.conftest import House
from tests.approvals.inspection.findings.packages import QUIET, Files, found

PROJECT = Path(__file__).resolve().parents[4]
WALLET = """
rule wallet {
    meta:
        description = "The wallet of the game"
        severity = "high"
    strings:
        $a = "0xC0FFEE"
    condition:
        $a
}
"""
PLAIN = 'rule plain { strings: $a = "marked" condition: $a }'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "rules"
    path.mkdir()
    return path


def read(folder: Path) -> OperatorRules:
    return operator_rules.operator_rules(str(folder))


def matches(folder: Path, new: Files, old: Files = QUIET, *, rule: str = "yara") -> list[Finding]:
    return found(
        old,
        {**QUIET, **new},
        limits=CompareLimits(yara_rules=read(folder)),
        rule=rule,
    )


def test_a_match_is_a_finding_in_the_words_of_the_rule(folder: Path) -> None:
    (folder / "games.yar").write_text(WALLET)
    (finding,) = matches(folder, {"lib/a.js": "const a = 1;\nconst to = '0xC0FFEE';\n"})
    assert finding.severity is Severity.HIGH
    assert (finding.path, finding.line) == ("lib/a.js", 2)
    assert finding.excerpt == "const to = '0xC0FFEE';"
    assert "wallet (The wallet of the game)" in finding.title
    assert "games.yar" in finding.detail


@pytest.mark.parametrize("words", ["", 'meta: severity = "urgent"', "meta: severity = 5"])
def test_where_the_rule_says_nothing_else_it_is_medium(folder: Path, words: str) -> None:
    (folder / "a.yara").write_text(f"rule a {{ {words} condition: filesize > 5000 }}")
    (finding,) = matches(folder, {"lib/a.js": "a" * 6000})
    assert (finding.severity, finding.line) == (Severity.MEDIUM, None)


def test_binary_files_and_package_json_are_searched_too(folder: Path) -> None:
    (folder / "a.yar").write_text(PLAIN)
    limits = CompareLimits(yara_rules=read(folder))
    new = {**QUIET, "logo.png": b"\x89PNG\0\0marked\0"}
    findings = found(
        QUIET, new, manifest={"x": "marked"}, manifest_old={}, limits=limits, rule="yara"
    )
    assert {finding.path for finding in findings} == {"logo.png", "package.json"}


def test_what_matched_before_weighs_less(folder: Path) -> None:
    (folder / "games.yar").write_text(WALLET)
    old = {**QUIET, "a.js": "const to = '0xC0FFEE';\n"}
    (finding,) = matches(folder, {"a.js": "const to = '0xC0FFEE', b = 1;\n"}, old)
    assert (finding.severity, finding.is_new) == (Severity.LOW, False)


def test_files_that_did_not_change_are_not_searched(folder: Path) -> None:
    (folder / "games.yar").write_text(WALLET)
    old = {**QUIET, "a.js": "const to = '0xC0FFEE';\n"}
    assert matches(folder, {"a.js": old["a.js"], "b.js": "more();\n"}, old) == []


def test_a_rule_of_a_name_may_stand_in_two_files(folder: Path) -> None:
    (folder / "a.yar").write_text(PLAIN)
    (folder / "b.yar").write_text(PLAIN.replace("marked", "right"))
    assert len(matches(folder, {"a.js": "const marked = right;\n"})) == 2


def test_one_broken_file_takes_nothing_from_the_others(folder: Path) -> None:
    (folder / "a.yar").write_text('rule a {\n  strings: $a = "x"\n  condition: $b\n}')
    (folder / "b.yar").write_bytes(b"rule b { // \xff\n condition: true }")
    (folder / "c.yar").write_text(PLAIN)
    new = {"a.js": "const marked = 1;\n"}
    assert [finding.title for finding in matches(folder, new)] == [
        "It matches the operator's YARA rule plain."
    ]
    (finding,) = matches(folder, new, rule="yara-incomplete")
    assert finding.severity is Severity.LOW
    assert f"{folder}/a.yar:3: unknown pattern" in finding.detail
    assert "b.yar" in finding.detail


def test_a_file_too_large_to_be_kept_is_named(folder: Path) -> None:
    (folder / "a.yar").write_text(PLAIN)
    limits = CompareLimits(yara_rules=read(folder), file_size=1000)
    new = {**QUIET, "a.js": "marked;\n" * 400}
    (finding,) = found(QUIET, new, limits=limits, rule="yara-incomplete")
    assert "a.js" in finding.detail


def test_a_rule_may_not_read_other_files(folder: Path) -> None:
    (folder.parent / "other.txt").write_text(PLAIN)
    (folder / "a.yar").write_text('include "../other.txt"\n')
    assert matches(folder, {"a.js": "const marked = 1;\n"}) == []


class TestAtTheStart:
    def problems(self, settings: Settings, folder: Path) -> list[tuple[int, str]]:
        settings.YARA_RULES = str(folder)
        return [
            (message.level, message.msg)
            for message in run_checks()
            if str(message.id).startswith("inspection.")
        ]

    def test_good_rules_are_no_problem(self, settings: Settings, folder: Path) -> None:
        (folder / "a.yar").write_text(PLAIN)
        assert self.problems(settings, folder) == []

    def test_a_broken_file_is_named_with_its_line(self, settings: Settings, folder: Path) -> None:
        (folder / "a.yar").write_text("rule a {\n  condition: nothing\n}")
        ((level, words),) = self.problems(settings, folder)
        assert level == WARNING
        assert words.startswith(f"COUNTERSIGN_YARA_RULES: {folder}/a.yar:2: unknown identifier")

    def test_a_link_to_nowhere_is_named(self, settings: Settings, folder: Path) -> None:
        (folder / "a.yar").symlink_to(folder / "nowhere.yar")
        (_, words), *_ = self.problems(settings, folder)
        assert f"{folder}/a.yar: No such file or directory." in words

    def test_an_empty_folder_is_no_use(self, settings: Settings, folder: Path) -> None:
        ((_, words),) = self.problems(settings, folder)
        assert "no file that ends in .yar or .yara" in words

    def test_without_its_folder_nothing_starts(self, settings: Settings, tmp_path: Path) -> None:
        ((level, words),) = self.problems(settings, tmp_path / "nowhere")
        assert level == ERROR
        assert str(tmp_path / "nowhere") in words

    def test_the_variable_is_read(self, tmp_path: Path) -> None:
        ended = subprocess.run(
            [sys.executable, "manage.py", "check"],
            cwd=PROJECT,
            env={**os.environ, "COUNTERSIGN_YARA_RULES": str(tmp_path / "nowhere")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode != 0
        assert "COUNTERSIGN_YARA_RULES must be a folder" in ended.stderr

    def test_more_than_is_bearable_is_said(
        self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operator_rules, "MOST_SIZE", 2 * len(PLAIN))
        for name in ("a", "b", "c"):
            (folder / f"{name}.yar").write_text(PLAIN)
        ((_, words),) = self.problems(settings, folder)
        assert f"{folder}/c.yar: It is left out" in words


class TestWhatIsKept:
    def compared(self, request: InspectionRequest) -> tuple[str, set[str]]:
        work = claim_due()
        assert work is not None
        inspect(work)
        request.refresh_from_db()
        inspection = request.inspection
        assert inspection is not None
        return inspection.engine_version, {one["rule"] for one in inspection.findings}

    def test_changed_rules_hold_once_it_is_compared_again(
        self, house: House, settings: Settings, folder: Path
    ) -> None:
        files = {"lib/a.js": "const to = '0xC0FFEE';\n"}
        stage_id = house.stage("left-pad", "1.5.0", files=files)
        house.poll()
        request_missing()
        row = StagedVersion.objects.get(stage_id=stage_id)
        request = InspectionRequest.objects.get(staged_version=row)
        first, rules = self.compared(request)
        assert first == "4"
        assert "yara" not in rules

        (folder / "games.yar").write_text(WALLET)
        settings.YARA_RULES = str(folder)
        assert request_missing() == 0
        assert ask_again(row)
        second, rules = self.compared(request)
        assert second == engine_version()
        assert second.startswith("4+")
        assert len(second) <= 20
        assert "yara" in rules

        settings.YARA_RULES = ""
        assert request_missing() == 0
        assert ask_again(row)
        assert self.compared(request) == (first, rules - {"yara"})

    @pytest.mark.parametrize("way", ["unmounted", "empty", "left-out"])
    def test_what_is_not_in_force_is_part_of_the_version(
        self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        without = engine_version()
        (folder / "a.yar").write_text(PLAIN)
        settings.YARA_RULES = str(folder)
        whole = engine_version()
        if way == "left-out":
            monkeypatch.setattr(operator_rules, "MOST_SIZE", len(PLAIN))
            (folder / "b.yar").write_text(PLAIN)
        else:
            (folder / "a.yar").unlink()
        if way == "unmounted":
            folder.rmdir()
        assert engine_version() not in (without, whole)

    def test_the_version_says_nothing_of_where_the_folder_is(
        self, settings: Settings, folder: Path
    ) -> None:
        other = folder.with_name("elsewhere")
        for one in (folder, other):
            one.mkdir(exist_ok=True)
            (one / "broken.yar").write_text("rule a { condition: nothing }")
        settings.YARA_RULES = str(folder)
        version = engine_version()
        settings.YARA_RULES = str(other)
        assert engine_version() == version

    def test_rules_that_change_meanwhile_are_not_applied_to_it(
        self, house: House, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "games.yar").write_text(WALLET)
        settings.YARA_RULES = str(folder)
        begun_with = engine_version()
        house.stage("left-pad", "1.5.0", files={"lib/a.js": "const to = '0xC0FFEE';\n"})
        house.poll()
        request_missing()
        compare = inspecting.compare_tarballs

        def meanwhile(*args: Any, **options: Any) -> Any:
            (folder / "games.yar").write_text(PLAIN)
            return compare(*args, **options)

        monkeypatch.setattr(inspecting, "compare_tarballs", meanwhile)
        version, rules = self.compared(InspectionRequest.objects.get())
        assert version == begun_with
        assert "yara" in rules

    def test_the_version_is_of_names_and_contents(self, settings: Settings, folder: Path) -> None:
        settings.YARA_RULES = str(folder)
        versions = [engine_version()]
        for name, content in (("a.yar", PLAIN), ("a.yar", WALLET), ("b.yar", PLAIN)):
            (folder / name).write_text(content)
            versions.append(engine_version())
        assert len(set(versions)) == len(versions)
        assert engine_version() == versions[-1]

"""What holds for every rule."""

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from approvals.inspection import findings
from approvals.inspection.compare import SEARCHING, compare_tarballs
from approvals.inspection.finding import (
    LONGEST_EXCERPT,
    LONGEST_TEXT,
    Finding,
    Group,
    Severity,
)
from approvals.inspection.findings import findings_in_tarball, rule_modules, rules_in_words
from approvals.inspection.gathering import MOST_OF_A_RULE
from approvals.inspection.models import StagedFinding
from tests.approvals.inspection.findings.packages import QUIET, found
from tests.registry_client.tarballs import package

MODULES = rule_modules()


def one(**fields: Any) -> Finding:
    return Finding(
        **{
            "rule": "test",
            "severity": Severity.HIGH,
            "title": "Something stands there.",
            "why": "It matters.",
            "what_to_check": "Read it.",
            "path": "index.js",
        }
        | fields
    )


def rules_are(monkeypatch: pytest.MonkeyPatch, *rules: Any) -> None:
    """Puts these in the place of all rules."""
    modules = tuple(
        SimpleNamespace(__name__=f"rules.number_{number}", in_tarball=rule, GROUP=Group.CODE)
        for number, rule in enumerate(rules)
    )
    monkeypatch.setattr(findings, "rule_modules", lambda: modules)


def found_by(monkeypatch: pytest.MonkeyPatch, *rules: Any) -> list[Finding]:
    rules_are(monkeypatch, *rules)
    look: Any = SimpleNamespace(
        stage_id="5f1c",
        digest="0" * 64,
        new=SimpleNamespace(files={}),
        is_out_of_time=lambda: False,
        stopped_by=None,
    )
    return findings_in_tarball(look)


class TestEveryRule:
    @pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
    def test_it_says_what_it_looks_for(self, module: Any) -> None:
        assert module.__doc__
        assert isinstance(module.GROUP, Group)
        assert module.RULES
        longest = StagedFinding._meta.get_field("rule").max_length
        assert longest
        for rule, words in module.RULES.items():
            assert rule == rule.lower().replace("_", "-")
            assert len(rule) <= longest
            assert words[0].isupper()
        assert hasattr(module, "in_tarball") or hasattr(module, "at_registry")

    def test_no_two_share_an_id(self) -> None:
        ids = [rule for module in MODULES for rule in module.RULES]
        assert len(ids) == len(set(ids))

    def test_what_says_that_something_was_not_looked_at_is_about_limits(self) -> None:
        # Nobody can switch those off.
        endings = ("-incomplete", "-unread")
        said = {
            rule
            for module in MODULES
            for rule in module.RULES
            if rule.startswith("limit-") or rule.endswith(endings)
        }
        assert {"yara-incomplete", "limit-search", "lock-file-unread"} <= said
        assert said <= rules_in_words()[Group.LIMITS].keys()

    def test_limits_are_named_when_all_others_have_looked(self) -> None:
        groups = [module.GROUP == Group.LIMITS for module in MODULES]
        assert groups == sorted(groups)

    def test_a_quiet_release_has_nothing_to_look_at(self) -> None:
        assert found(QUIET, {"index.js": "exports.a = 2;\n"}) == []


class TestCrash:
    def test_it_is_a_finding_and_stops_nothing_else(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def breaks(look: Any) -> Iterator[Finding]:
            yield one(rule="seen-before-it-broke")
            raise ZeroDivisionError("the secret of index.js")

        def works(look: Any) -> Iterator[Finding]:
            yield one(rule="works", severity=Severity.LOW)

        with caplog.at_level(logging.ERROR):
            rules = found_by(monkeypatch, breaks, works)
        assert [finding.rule for finding in rules] == [
            "seen-before-it-broke",
            "rule-crashed",
            "works",
        ]
        crashed = rules[1]
        assert "number_0" in crashed.title
        assert crashed.severity == Severity.HIGH
        assert "secret" not in str(crashed)
        assert "stage=5f1c" in caplog.text

    def test_a_worker_that_is_told_to_stop_stops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def is_stopped(look: Any) -> Iterator[Finding]:
            raise SoftTimeLimitExceeded
            yield

        with pytest.raises(SoftTimeLimitExceeded):
            found_by(monkeypatch, is_stopped)


class TestFewEnough:
    def test_many_of_one_rule_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def many(look: Any) -> Iterator[Finding]:
            for number in range(1_000):
                yield one(path=f"{number:04}.js")

        found = found_by(monkeypatch, many)
        assert len(found) == MOST_OF_A_RULE + 1
        rest = found[-1]
        assert rest.stands_for == 1_000 - MOST_OF_A_RULE
        assert rest.title.startswith("988 more like these")
        assert rest.severity == Severity.HIGH

    def test_what_is_counted_still_changes_the_evidence(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def many(last: str) -> Any:
            def rule(look: Any) -> Iterator[Finding]:
                for number in range(100):
                    yield one(path=f"{number:04}.js")
                yield one(path=last)

            return rule

        first, second = (found_by(monkeypatch, many(path))[-1] for path in ("a.js", "b.js"))
        assert first.fingerprint != second.fingerprint

    def test_many_harmless_ones_push_no_dangerous_one_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def many(look: Any) -> Iterator[Finding]:
            for number in range(1_000):
                yield one(path=f"{number}.js", severity=Severity.MEDIUM)
            yield one(path="evil.js", severity=Severity.CRITICAL)

        assert found_by(monkeypatch, many)[0].path == "evil.js"

    def test_the_same_in_several_builds_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def same(look: Any) -> Iterator[Finding]:
            for path in ("dist/a.cjs", "dist/a.mjs", "dist/a.js"):
                yield one(path=path, line=3, excerpt="eval( x )")

        (finding,) = found_by(monkeypatch, same)
        assert finding.path == "dist/a.cjs"
        assert finding.detail == "The same in dist/a.mjs, dist/a.js"

    def test_texts_are_cut_and_stay_told_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def long(end: str) -> Any:
            return lambda look: iter([one(excerpt="x" * 10_000 + end, detail="y" * 10_000)])

        (first,) = found_by(monkeypatch, long("a"))
        (second,) = found_by(monkeypatch, long("b"))
        assert len(first.excerpt) == LONGEST_EXCERPT
        assert len(first.detail) == LONGEST_TEXT
        assert first.excerpt == second.excerpt
        assert first.fingerprint != second.fingerprint


def test_moved_lines_leave_the_evidence_as_it_is() -> None:
    assert one(line=3).fingerprint == one(line=90).fingerprint
    assert one(excerpt="a").fingerprint != one(excerpt="b").fingerprint


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_a_worker_that_lost_the_work_ends_it_wherever_it_is(tmp_path: Path, calls: int) -> None:
    class LostError(Exception):
        pass

    def on_progress(stage: str, done: int, of: int) -> None:
        if stage == SEARCHING:
            seen.append((done, of))
        if seen.count((number, len(modules))) >= calls:
            raise LostError

    # While the rule is at work that is the first to look for something.
    modules = [module for module in MODULES if hasattr(module, "in_tarball")]
    number = next(n for n, module in enumerate(modules) if hasattr(module, "NEEDLES"))
    code = "require('child_process').exec(process.env.A);\n"
    files = {f"lib/{name}.js": code for name in "abcdefgh"}
    seen: list[tuple[int, int]] = []
    with pytest.raises(LostError):
        compare_tarballs(package(tmp_path, files), None, on_progress=on_progress)
    assert seen[-1] == (number, len(modules))

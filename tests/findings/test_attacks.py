"""Each replica is seen at high or critical, on the line that does it; and the same release without
its payload is not: it is the payload that is seen."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.finding import Finding
from approvals.inspection.findings import findings_at_registry, rules_in_words
from approvals.inspection.results import Comparison
from approvals.inspection.staging import Stager, Staging
from tests.findings.attack import Expected, Files, all_attacks, tarball

ATTACKS = all_attacks()
NAMED_IN_POST_MORTEMS = {
    *("event_stream", "ua_parser_js", "node_ipc", "eslint_config_prettier", "chalk_debug"),
    *("nx_s1ngularity", "shai_hulud", "shai_hulud_second", "tanstack"),
}
# Services that the real attacks used, and that rules know by name (and the name of a picture's
# format). Nothing is sent to them: no file of that folder is run, and the paths lead to nobody.
KNOWN = {
    *("api.github.com", "api.telegram.org", "discord.com", "pastebin.com"),
    *("169.254.169.254", "www.w3.org", "registry." + "npmjs.org"),
}
_HOST = re.compile(rb"(?:https?://|\bhost(?:name)?[\"']?: ?[\"'])([a-z0-9.-]+)", re.IGNORECASE)


def every_manner() -> list[tuple[str, str]]:
    return [(name, manner) for name, attack in ATTACKS.items() for manner in attack.after]


def compared(folder: Path, before: Files | None, after: Files) -> Comparison:
    baseline = None if before is None else tarball(folder, "old", before)
    return compare_tarballs(tarball(folder, "new", after), baseline)


def serious(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity.is_serious]


def staged(comparison: Comparison) -> Staging:
    """As the registry lists most versions: by the automation that staged those before."""
    manifest = comparison.manifest_new or {}
    name, version = str(manifest["name"]), str(manifest["version"])
    return Staging(
        stage_id="00000000-0000-4000-8000-000000000000",
        package=name,
        version=version,
        tag="latest",
        access="public",
        actor=f"{name}/release.yml",
        actor_type="oidc",
        created_at=datetime(2026, 3, 31, 0, 21, tzinfo=UTC),
        listed_shasum="12" * 20,
        shasum="12" * 20,
        sha512="34" * 64,
        manifest_new=comparison.manifest_new,
        manifest_old=comparison.manifest_old,
        baseline_version=str((comparison.manifest_old or {}).get("version", "")),
        packument=None,
        earlier=tuple(
            Stager(f"0.9.{number}", f"{name}/release.yml", "oidc") for number in range(9, 0, -1)
        ),
    )


def in_short(findings: list[Finding]) -> list[tuple[str, str, str, int | None]]:
    return [(one.rule, str(one.severity), one.path, one.line) for one in findings]


@pytest.mark.parametrize(("name", "manner"), every_manner())
def test_an_attack_is_seen_where_it_is(name: str, manner: str, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    expected = attack.expected(manner)
    found = serious(compared(tmp_path, attack.before, attack.after[manner]).findings)
    seen = {Expected(one.rule, one.path, one.line) for one in found if one.is_new}
    assert expected or attack.seen_at_registry
    assert [one for one in expected if one not in seen] == [], in_short(found)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_release_without_its_payload_is_not_serious(name: str, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    comparison = compared(tmp_path, attack.before, attack.unharmed)
    assert in_short(serious(comparison.findings)) == []
    assert in_short(serious(findings_at_registry(staged(comparison)))) == []


@pytest.mark.parametrize(
    ("name", "manner"), [one for one in every_manner() if ATTACKS[one[0]].seen_at_registry]
)
def test_what_only_the_registry_knows_is_seen(name: str, manner: str, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    comparison = compared(tmp_path, attack.before, attack.after[manner])
    found = serious(findings_at_registry(replace(staged(comparison), **attack.staged)))
    assert {one.rule for one in found} >= {*attack.seen_at_registry}


def test_there_are_enough_and_all_that_are_known_by_name() -> None:
    assert len(ATTACKS) >= 30
    assert ATTACKS.keys() >= NAMED_IN_POST_MORTEMS


@pytest.mark.parametrize("name", ATTACKS)
def test_a_replica_expects_rules_that_there_are(name: str) -> None:
    attack = ATTACKS[name]
    rules = {rule for group in rules_in_words().values() for rule in group}
    expected = [one.rule for manner in attack.after for one in attack.expected(manner)]
    assert {*expected, *attack.seen_at_registry} <= rules


@pytest.mark.parametrize("name", ATTACKS)
def test_a_replica_leads_nowhere(name: str) -> None:
    attack = ATTACKS[name]
    for files in (attack.before or {}, attack.unharmed, *attack.after.values()):
        for path, text in files.items():
            content = text if isinstance(text, bytes) else text.encode()
            for host in _HOST.findall(content):
                harmless = host.endswith((b"example.org", b".example.invalid"))
                assert harmless or host.decode() in KNOWN, (path, host)

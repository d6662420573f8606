"""What is newly installed beside a package, and from where."""

import json
from typing import Any

import pytest

from approvals.inspection.finding import Finding, Severity
from tests.approvals.inspection.findings.packages import QUIET, found

ADDRESS = "https://registry.example.org/a/-/a-1.0.0.tgz"


def changed(
    new: dict[str, Any], old: dict[str, Any] | None = None, *, version: str = "1.0.1"
) -> list[Finding]:
    return found(
        QUIET,
        QUIET,
        manifest={"version": version, **new},
        manifest_old={"version": "1.0.0", **(old or {})},
    )


def of(rule: str, findings: list[Finding]) -> Finding:
    (finding,) = [one for one in findings if one.rule == rule]
    return finding


@pytest.mark.parametrize(
    ("version", "severity"),
    [("1.0.1", Severity.MEDIUM), ("1.1.0", Severity.LOW), ("2.0.0", Severity.LOW)],
)
def test_all_that_is_new_is_one_finding(version: str, severity: Severity) -> None:
    new = {"dependencies": {"one-thing": "^1.0.0", "other-thing": "^2.0.0"}}
    finding = of("dependencies-added", changed(new, version=version))
    assert (finding.severity, finding.title) == (severity, "2 dependencies are new.")
    assert finding.detail == "one-thing ^1.0.0, other-thing ^2.0.0"
    assert finding.line == 5


def test_what_went_and_other_ranges_are_only_told() -> None:
    old = {"dependencies": {"one-thing": "^1.0.0", "other-thing": "^2.0.0"}}
    findings = changed({"dependencies": {"one-thing": "^1.2.0"}}, old)
    assert [(one.rule, one.severity, one.detail) for one in findings] == [
        ("dependencies-removed", Severity.INFO, "other-thing ^2.0.0"),
        ("dependency-ranges", Severity.INFO, "one-thing ^1.0.0 → ^1.2.0"),
    ]


@pytest.mark.parametrize(
    ("rule", "spec"),
    [
        ("dependency-git", "github:evil/it"),
        ("dependency-git", "evil/it#main"),
        ("dependency-git", "git+ssh://git@git.example.invalid/it.git"),
        ("dependency-git", "https://github.com/evil/it"),
        ("dependency-remote", "https://files.example.invalid/it.tgz"),
        ("dependency-remote", "https://github.com/evil/it/tarball/main"),
        ("dependency-file", "file:it.tgz"),
        ("dependency-directory", "file:../it"),
        ("dependency-directory", "./it"),
        ("dependency-unusable", "workspace:*"),
        ("dependency-alias", "npm:other@1"),
    ],
)
@pytest.mark.parametrize("field", ["dependencies", "optionalDependencies", "peerDependencies"])
def test_what_does_not_come_from_the_registry_is_high(rule: str, spec: str, field: str) -> None:
    finding = of(rule, changed({field: {"some-thing": spec}}))
    assert (finding.severity, finding.line) == (Severity.HIGH, 5)
    assert finding.excerpt == f'"some-thing": "{spec}"'


def test_what_did_not_before_either_weighs_little() -> None:
    same = {"dependencies": {"some-thing": "github:a/b"}}
    finding = of("dependency-git", changed(same, same))
    assert (finding.severity, finding.is_new) == (Severity.LOW, False)


def test_one_that_moves_to_another_repository_is_new() -> None:
    old = {"dependencies": {"some-thing": "github:a/b"}}
    finding = of("dependency-git", changed({"dependencies": {"some-thing": "github:e/b"}}, old))
    assert (finding.severity, finding.detail) == (Severity.HIGH, "github:a/b → github:e/b")


def test_a_second_version_of_the_same_package_is_no_alarm() -> None:
    new = {"dependencies": {"some-thing-v1": "npm:some-thing@1"}}
    assert of("dependency-alias", changed(new)).severity == Severity.LOW


def test_dependencies_of_developers_are_nobodys_matter() -> None:
    assert changed({"devDependencies": {"lodahs": "github:evil/it"}}) == []


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("lodahs", "lodash"),
        ("expresss", "express"),
        ("crossenv", "cross-env"),
        ("rnoment", "moment"),
        ("@bable/core", "@babel/core"),
        ("babel_core", "@babel/core"),
        ("@type/node", "@types/node"),
        ("quiet-loger", "quiet-logger"),
    ],
)
def test_a_name_that_may_be_taken_for_another(name: str, like: str) -> None:
    old = {"dependencies": {"quiet-logger": "1.0.0"}}
    new = {"dependencies": {"quiet-logger": "1.0.0", name: "1.0.0"}}
    finding = of("dependency-look-alike", changed(new, old))
    assert finding.severity == Severity.HIGH
    assert f"almost like {like}," in finding.title


@pytest.mark.parametrize(
    "name", ["preact", "react", "lodash.set", "quiet-logger2", "fast-uri", "a", "ms2"]
)
def test_names_that_are_their_own_are_not_named(name: str) -> None:
    old = {"dependencies": {"quiet-logger": "1.0.0", "lodash.get": "1.0.0"}}
    new = {"dependencies": {**old["dependencies"], name: "1.0.0"}}
    assert "dependency-look-alike" not in {one.rule for one in changed(new, old)}


def test_more_names_than_are_compared_is_said() -> None:
    new = {"dependencies": {f"some-thing-{n}": "1.0.0" for n in range(3_001)}}
    assert of("dependency-names-unread", changed(new)).severity == Severity.MEDIUM


@pytest.mark.parametrize(
    ("spec", "severity"),
    [
        ("*", Severity.MEDIUM),
        ("", Severity.MEDIUM),
        ("latest", Severity.MEDIUM),
        (">=1.0.0", Severity.LOW),
        ("^1.0.0", None),
        ("1 - 3", None),
        (">=1 <3", None),
    ],
)
def test_ranges_without_an_end(spec: str, severity: Severity | None) -> None:
    findings = changed({"dependencies": {"some-thing": spec}})
    assert [one.severity for one in findings if one.rule == "dependency-any-version"] == (
        [severity] if severity else []
    )


def test_what_is_bundled_is_named_and_what_nobody_declares_is_worse() -> None:
    files = {**QUIET, "node_modules/@s/in/package.json": "{}", "node_modules/@s/in/a.js": "1\n"}
    bundled = {"bundleDependencies": ["@s/in"], "dependencies": {"@s/in": "1"}}
    declared = of("bundled-dependency", found(QUIET, files, manifest=bundled))
    assert (declared.severity, declared.detail) == (Severity.MEDIUM, "@s/in")
    odd = of("shipped-node-modules", found(QUIET, files))
    assert (odd.severity, odd.path) == (Severity.HIGH, "node_modules/@s/in/package.json")
    assert not [one for one in found(files, files) if one.rule == "shipped-node-modules"]


def lock(**resolved: str) -> dict[str, str]:
    packages = {
        f"node_modules/{name}": {"version": "1.0.0", "resolved": address}
        for name, address in resolved.items()
    }
    return {**QUIET, "npm-shrinkwrap.json": json.dumps({"packages": packages}, indent=1)}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://files.example.invalid/b.tgz", "another host"),
        ("http://registry.example.org/b/-/b-1.0.0.tgz", "another host"),
        ("git+ssh://git@git.example.invalid/b.git", "a git repository"),
        ("https://registry.example.org/c/-/c-1.0.0.tgz", "another package than b"),
    ],
)
@pytest.mark.parametrize("has_baseline", [True, False])
def test_a_lock_file_that_leads_elsewhere(address: str, words: str, has_baseline: bool) -> None:
    usual = {"a": ADDRESS, "d": "https://registry.example.org/d/-/d-1.0.0.tgz"}
    new = lock(**usual, b=address)
    finding = of("lock-file-address", found(lock(**usual) if has_baseline else QUIET, new))
    assert (finding.severity, finding.excerpt) == (Severity.HIGH, address)
    assert words in finding.title
    assert address in new["npm-shrinkwrap.json"].splitlines()[(finding.line or 0) - 1]


def test_an_ordinary_lock_file_is_told_and_no_alarm() -> None:
    findings = found(QUIET, lock(a=ADDRESS))
    assert [(one.rule, one.severity) for one in findings] == [("lock-file", Severity.MEDIUM)]
    other = {**QUIET, "npm-shrinkwrap.json": "{"}
    assert of("lock-file-unread", found(QUIET, other)).severity == Severity.MEDIUM

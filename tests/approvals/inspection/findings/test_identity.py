"""Who staged what, as what, and what a package says of itself against what it said before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.findings import findings_at_registry
from approvals.inspection.staging import Dependency, Stager, Staging
from registry_client.versions import Packument, PublishedVersion
from tests.approvals.inspection.findings.packages import QUIET, found

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NAMED = {"name": "left-pad", "version": "1.5.0"}


def packument(*versions: str, latest: str = "1.4.2", by: str = "alice", **more: Any) -> Packument:
    published = {
        one: PublishedVersion(one, "", "", "", "", None, by) for one in (*versions, latest)
    }
    fields = {"time": {}, "maintainers": ["alice", "bob"], **more}
    return Packument("left-pad", published, {"latest": latest}, **fields)


USUAL = Staging(
    stage_id="",
    package="left-pad",
    version="1.5.0",
    tag="latest",
    access="public",
    actor="alice",
    actor_type="user",
    created_at=NOW,
    listed_shasum="a" * 40,
    shasum="a" * 40,
    sha512="b" * 128,
    manifest_new=NAMED,
    manifest_old={**NAMED, "version": "1.4.2"},
    baseline_version="1.4.2",
    packument=packument(),
)


def staged(**more: Any) -> list[Finding]:
    return findings_at_registry(replace(USUAL, **more))


def rules(findings: list[Finding]) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in findings]


def test_an_ordinary_release_says_nothing() -> None:
    assert staged() == []
    assert staged(packument=None) == []


@pytest.mark.parametrize(
    ("name", "version"), [("evil", "1.5.0"), ("left-pad", "1.6.0"), (None, None)]
)
def test_another_name_or_version_than_the_listing(name: str | None, version: str | None) -> None:
    findings = staged(manifest_new={"name": name, "version": version}, manifest_old=None)
    assert rules(findings) == [("named-otherwise", Severity.CRITICAL)]
    assert findings[0].title.endswith("but it is staged as left-pad@1.5.0.")


def test_another_tarball_than_the_listing() -> None:
    assert rules(staged(listed_shasum="c" * 40)) == [("digest-unlike-listing", Severity.CRITICAL)]


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        ({"name": ""}, "no-name"),
        ({"name": ["a"]}, "no-name"),
        ({"version": ""}, "no-version"),
        ({"version": "one"}, "odd-version"),
    ],
)
def test_names_are_looked_at_without_a_registry_too(manifest: dict[str, Any], rule: str) -> None:
    (finding,) = found(None, QUIET, manifest=manifest, rule=rule)
    assert finding.severity == Severity.HIGH


@pytest.mark.parametrize(
    ("actor", "kind", "severity"),
    [
        ("bob", "user", Severity.MEDIUM),
        ("mallory", "user", Severity.HIGH),
        ("alice", "user", None),
    ],
)
def test_somebody_who_never_staged_before(actor: str, kind: str, severity: Severity | None) -> None:
    findings = staged(actor=actor, actor_type=kind)
    assert rules(findings) == ([("unknown-stager", severity)] if severity else [])


def test_automation_is_compared_with_automation_only() -> None:
    ci = Stager("1.4.2", "release-workflow", "trusted automation")
    assert staged(actor="release-workflow", actor_type="trusted automation") == []
    assert staged(actor=ci.actor, actor_type=ci.actor_type, earlier=(ci,)) == []
    other = staged(actor="other-workflow", actor_type=ci.actor_type, earlier=(ci,))
    assert rules(other) == [("unknown-stager", Severity.MEDIUM)]


def test_a_person_where_automation_used_to_stage() -> None:
    ci = Stager("1.4.2", "release-workflow", "trusted automation")
    assert rules(staged(earlier=(ci,))) == [("person-instead-of-automation", Severity.MEDIUM)]
    person = Stager("1.4.2", "alice", "user")
    assert staged(earlier=(person, ci)) == []


@pytest.mark.parametrize(
    ("version", "tag", "rule", "severity"),
    [
        ("1.5.0-rc.1", "latest", "prerelease-as-latest", Severity.HIGH),
        ("1.3.9", "latest", "lower-than-tag", Severity.HIGH),
        ("4.0.0", "latest", "jump-of-majors", Severity.MEDIUM),
        ("1.5.0", "next", "stable-on-prerelease-tag", Severity.INFO),
    ],
)
def test_surprises_of_dist_tags(version: str, tag: str, rule: str, severity: Severity) -> None:
    named = {**NAMED, "version": version}
    assert rules(staged(version=version, tag=tag, manifest_new=named)) == [(rule, severity)]


@pytest.mark.parametrize(
    ("version", "tag"), [("2.0.0", "latest"), ("2.0.0-rc.1", "next"), ("1.3.9", "v1-lts")]
)
def test_what_is_no_surprise(version: str, tag: str) -> None:
    assert staged(version=version, tag=tag, manifest_new={**NAMED, "version": version}) == []


def dependency(days: float, *, version_days: float | None = None, **more: Any) -> Dependency:
    first = NOW - timedelta(days=days)
    then = first if version_days is None else NOW - timedelta(days=version_days)
    fields = {"name": "some-thing", "spec": "^1.0.0", "version": "1.0.0", **more}
    return Dependency(**fields, first_published_at=first, version_published_at=then)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(dependency(2), [("dependency-young", Severity.HIGH)], id="days"),
        pytest.param(dependency(20), [("dependency-young", Severity.MEDIUM)], id="weeks"),
        pytest.param(
            dependency(20, name="lodahs"),
            [("dependency-young", Severity.CRITICAL)],
            id="look-alike",
        ),
        pytest.param(dependency(400), [], id="old"),
        pytest.param(
            dependency(400, version_days=1),
            [("dependency-version-young", Severity.MEDIUM)],
            id="version",
        ),
        pytest.param(
            dependency(400, install_scripts={"install": "node-gyp rebuild"}),
            [("dependency-install-script", Severity.MEDIUM)],
            id="script",
        ),
        pytest.param(
            Dependency("some-thing", "1", failure="No.", is_missing=True),
            [("dependency-missing", Severity.HIGH)],
            id="missing",
        ),
        pytest.param(
            Dependency("some-thing", "1", failure="The registry is slow."),
            [("limit-dependencies", Severity.LOW)],
            id="not-asked",
        ),
        pytest.param(
            Dependency("some-thing", "^9", first_published_at=NOW - timedelta(days=400)),
            [("dependency-no-version", Severity.MEDIUM)],
            id="no-version",
        ),
    ],
)
def test_new_dependencies(one: Dependency, expected: list[tuple[str, Severity]]) -> None:
    assert rules(staged(new_dependencies=(one,))) == expected


def test_dates_are_absolute_so_that_what_was_looked_at_stays_so() -> None:
    (finding,) = staged(new_dependencies=(dependency(2),))
    assert finding.detail == "First published on 2026-03-08, staged on 2026-03-10"


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any], Severity]] = [
    ("license-changed", {"license": "MIT"}, {"license": "SSPL-1.0"}, Severity.MEDIUM),
    ("manifest-repository", {"repository": "a/b"}, {"repository": "e/b"}, Severity.MEDIUM),
    ("manifest-repository", {"repository": "a/b"}, {"repository": "a/c"}, Severity.LOW),
    ("manifest-repository", {"repository": "a/b"}, {}, Severity.MEDIUM),
    ("people-changed", {"author": "Ann"}, {"author": "Eve"}, Severity.LOW),
    ("links-changed", {"homepage": "https://a.b"}, {"homepage": "https://c.d"}, Severity.INFO),
    (
        "exports-gone",
        {"exports": {".": "./index.js", "./a": "./index.js"}},
        {"exports": {".": "./index.js"}},
        Severity.MEDIUM,
    ),
    (
        "exports-gone",
        {"exports": {".": {"import": "./index.js", "require": "./index.js"}}},
        {"exports": {".": {"import": "./index.js"}}},
        Severity.MEDIUM,
    ),
    ("entry-points-gone", {"types": "index.js"}, {}, Severity.MEDIUM),
    (
        "engines-raised",
        {"engines": {"node": ">=16"}},
        {"engines": {"node": "^18.2 || >=20"}},
        Severity.MEDIUM,
    ),
    ("module-type-changed", {}, {"type": "module"}, Severity.MEDIUM),
]


@pytest.mark.parametrize(
    ("rule", "old", "new", "severity"),
    FIELDS,
    ids=[f"{n}-{one[0]}" for n, one in enumerate(FIELDS)],
)
def test_what_package_json_says_otherwise(
    rule: str, old: dict[str, Any], new: dict[str, Any], severity: Severity
) -> None:
    (finding,) = found(QUIET, QUIET, manifest=new, manifest_old=old, rule=rule)
    assert (finding.severity, finding.path) == (severity, "package.json")
    assert found(QUIET, QUIET, manifest=old, manifest_old=old, rule=rule) == []


@pytest.mark.parametrize(
    ("rule", "old", "new"), [one[:3] for one in FIELDS[6:]], ids=[str(n) for n in range(6, 11)]
)
def test_a_major_version_may_break(rule: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    assert not found(
        QUIET, QUIET, manifest={**new, "version": "2.0.0"}, manifest_old=old, rule=rule
    )


def test_notations_of_one_repository_are_one() -> None:
    old, new = {"repository": "a/b"}, {"repository": {"url": "git+https://github.com/a/b.git"}}
    assert not found(QUIET, QUIET, manifest=new, manifest_old=old, rule="manifest-repository")
    moved = {"repository": "git@github.com:a/c.git"}
    (finding,) = found(QUIET, QUIET, manifest=moved, manifest_old=new, rule="manifest-repository")
    assert finding.severity == Severity.LOW

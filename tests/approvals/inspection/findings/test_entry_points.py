"""Entry points that package.json names and the tarball lacks."""

from typing import Any

import pytest

from tests.approvals.inspection.findings.packages import found

BUILT = {"dist/a.js": "1\n", "dist/a.mjs": "1\n", "dist/a.d.ts": "1\n", "lib/index.js": "1\n"}
RULE = "missing-entry-points"


@pytest.mark.parametrize(
    ("manifest", "severity"),
    [
        ({"main": "./dist/a"}, "high"),
        ({"main": "lib"}, "high"),
        ({"bin": "dist/a.js"}, "high"),
        ({"bin": {"a": "./dist/a.js"}}, "high"),
        ({"exports": "./dist/a.js"}, "high"),
        ({"exports": {".": {"import": "./dist/a.mjs", "require": "./dist/a.js"}}}, "high"),
        ({"exports": {"./*": "./dist/*.js"}}, "high"),
        ({"types": "dist/a.d.ts"}, "low"),
        ({"module": "dist/a.mjs"}, "low"),
        ({"exports": {".": {"types": "./dist/a.d.ts"}}}, "low"),
    ],
    ids=range(10),
)
def test_a_build_that_is_gone_is_seen(manifest: dict[str, Any], severity: str) -> None:
    (finding,) = found(BUILT, {"src.txt": "1"}, manifest=manifest, rule=RULE)
    assert (finding.severity, finding.path) == (severity, "package.json")
    assert finding.line is not None
    assert finding.line > 3
    assert found(BUILT, BUILT, manifest=manifest, rule=RULE) == []
    was = found({"x": "1"}, {"x": "2"}, manifest=manifest, rule=RULE)
    assert [(one.severity, one.is_new) for one in was] == [("info", False)]


def test_node_falls_back_on_index() -> None:
    files = {"index.js": "1\n"}
    findings = found({**files, **BUILT}, files, manifest={"main": "dist/a.js"}, rule=RULE)
    assert [one.severity for one in findings] == ["low"]


@pytest.mark.parametrize(
    "manifest",
    [
        {"main": "."},
        {"exports": {"./feature": None, "./data": ["./dist/a.js", "./other.js"]}},
        {"exports": {"./lib/": "./lib/"}},
        {"exports": {"./*": "./*"}},
        {"main": "../outside.js"},
        {"bin": {"a": 1}, "exports": 5, "main": ["a"]},
    ],
    ids=range(6),
)
def test_what_needs_no_file_of_its_own_is_quiet(manifest: dict[str, Any]) -> None:
    files = {**BUILT, "index.js": "1\n"}
    assert found(files, files, manifest=manifest, manifest_old={}, rule=RULE) == []


def test_exports_may_be_as_deep_and_as_many_as_an_attacker_likes() -> None:
    deep: Any = "./gone.js"
    for _ in range(40):
        deep = {"default": deep}
    many = {f"./{number}": f"./gone/{number}/*" for number in range(5_000)}
    manifest = {"exports": {".": deep, **many}}
    assert len(found(BUILT, BUILT, manifest=manifest, manifest_old={}, rule=RULE)) == 1

"""Who has looked at a finding has looked at what was there then: when a byte of it changes, nobody
has."""

import json
from pathlib import Path

import pytest

from approvals.inspection.finding import Finding, Severity
from approvals.inspection.results import CompareLimits
from tests.approvals.inspection.findings.packages import QUIET, Files, found
from tests.findings.attack import Attack, all_attacks
from tests.findings.test_attacks import ATTACKS, compared, every_manner

PACKAGE = "package.json"
ABOUT_PACKAGE_JSON = {
    *("dependencies-added", "dependency-alias", "dependency-git", "dependency-remote"),
    *("dependency-look-alike", "look-alike-package", "manifest-repository", "named-otherwise"),
    *("missing-entry-points", "dependency-range", "dependency-any-version", "install-script"),
}
"""What these are about stands in package.json alone, or names no file that is there."""


def worse(files: Files, *, but: tuple[str, ...] = (PACKAGE,)) -> Files:
    """The same files with some bytes more at the end of each."""
    return {path: text if path in but else more(path, text) for path, text in files.items()}


def more(path: str, text: str | bytes) -> str | bytes:
    if isinstance(text, bytes):
        return text + b"\n"
    return text + ("\n" if path.endswith(".json") else "\n;payload()\n")


def to_look_at(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity.rank <= Severity.MEDIUM.rank]


def still_looked_at(before: list[Finding], after: list[Finding]) -> list[tuple[str, str]]:
    marked = {one.fingerprint for one in to_look_at(before)}
    return [(one.rule, one.path) for one in to_look_at(after) if one.fingerprint in marked]


@pytest.mark.parametrize(("name", "manner"), every_manner())
def test_no_mark_on_an_attack_covers_another_one(name: str, manner: str, tmp_path: Path) -> None:
    attack: Attack = ATTACKS[name]
    files = attack.after[manner]
    seen = [*compared(tmp_path, attack.before, files).findings]
    then = [*compared(tmp_path, attack.before, worse(files)).findings]
    if attack.expected(manner):
        assert to_look_at(seen)
    kept = still_looked_at(seen, then)
    assert [one for one in kept if one[0] not in ABOUT_PACKAGE_JSON or one[1] != PACKAGE] == []
    runs_files = [
        one
        for one in to_look_at(seen)
        if one.rule == "install-script" and any(path in one.detail for path in files)
    ]
    assert not runs_files or ("install-script", PACKAGE) not in kept


def test_a_mark_stays_where_nothing_changed(tmp_path: Path) -> None:
    attack = all_attacks()["ua_parser_js"]
    files = attack.after["as it was"]
    seen, then = ([*compared(tmp_path, attack.before, files).findings] for _ in range(2))
    assert still_looked_at(seen, then) == [(one.rule, one.path) for one in to_look_at(then)]
    # The version in package.json is another one in each release.
    plain = json.loads(str(files[PACKAGE]).replace("<<<install-script>>>", ""))
    renamed = {**files, PACKAGE: json.dumps(plain | {"version": "9.9.9"}, indent=2)}
    again = [*compared(tmp_path, attack.before, renamed).findings]
    assert ("install-script", PACKAGE) in still_looked_at(seen, again)


_GYP = {**QUIET, "binding.gyp": "{'includes':['a.gypi', 'b.txt']}", "a.gypi": "{}", "b.txt": "{}"}
_DEP = "node_modules/dep/"
_INNER = json.dumps({"name": "dep", "version": "1.0.0", "scripts": {"install": "node x.js"}})
_BUNDLED = {"bundleDependencies": ["dep"], "dependencies": {"dep": "1"}}
_TAKES = "exports.t = () => require('fs').readFileSync(require('os').homedir() + '/.npmrc');\n"
_MAKE = {**QUIET, "Makefile": "all:\n\tsh build\n", "build": "#!/bin/sh\necho 1\n"}


@pytest.mark.parametrize(
    ("rule", "files", "manifest", "changed"),
    [
        ("install-script", {"s.js": "a()\n"}, {"scripts": {"install": "node s"}}, "s.js"),
        (
            "install-script",
            {"s.js": "require('./lib/b')\n", "lib/b.js": "b()\n"},
            {"scripts": {"install": "node s"}},
            "lib/b.js",
        ),
        (
            "install-script",
            {"s.js": "a()\n"},
            {"scripts": {"install": "npm run x", "x": "node s"}},
            "s.js",
        ),
        ("install-script", _MAKE, {"scripts": {"install": "make"}}, "Makefile"),
        ("install-script", _MAKE, {"scripts": {"install": "make"}}, "build"),
        ("native-build", _GYP, {}, "a.gypi"),
        ("native-build", _GYP, {}, "b.txt"),
        (
            "shipped-node-modules",
            {_DEP + PACKAGE: "{}", _DEP + "lib/i.js": ""},
            {},
            _DEP + "lib/i.js",
        ),
        ("bundled-dependency", {_DEP + PACKAGE: "{}", _DEP + "i.js": ""}, _BUNDLED, _DEP + "i.js"),
        (
            "nested-install-script",
            {_DEP + PACKAGE: _INNER, _DEP + "x.js": ""},
            _BUNDLED,
            _DEP + "x.js",
        ),
        ("command-shadows", {"x.js": "a()\n"}, {"bin": {"git": "./x.js"}}, "x.js"),
        ("new-command", {"x.js": "a()\n"}, {"bin": {"own": "./x.js"}}, "x.js"),
        (
            "exfiltration",
            {"lib/a.js": _TAKES, "lib/b.js": "exports.s = (u, b) => fetch(u, {body: b});\n"},
            {},
            "lib/b.js",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mark_covers_what_it_leads_to(
    rule: str, files: Files, manifest: dict[str, object], changed: str
) -> None:
    files = {**QUIET, **files}
    then = {**files, changed: more(changed, files[changed])}
    old: dict[str, object] = {"scripts": {}, "dependencies": manifest.get("dependencies", {})}
    seen, again = (found(QUIET, one, manifest=manifest, manifest_old=old) for one in (files, then))
    assert rule in {one.rule for one in to_look_at(seen)}
    assert rule in {one.rule for one in to_look_at(again)}
    assert rule not in {one for one, _ in still_looked_at(seen, again)}


def test_a_mark_on_what_was_not_searched_covers_this_content_alone() -> None:
    limits = CompareLimits(search_size=10)
    files = {"index.js": "a();" * 10, "b.js": "b();" * 10}
    seen, again = (found(QUIET, one, limits=limits) for one in (files, worse(files)))
    assert "limit-search" in {one.rule for one in to_look_at(seen)}
    assert still_looked_at(seen, again) == []

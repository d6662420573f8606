"""package.json as it is in a tarball: compared by meaning, and never trusted."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.dependencies import asked_in, new_in, overrides_in
from approvals.inspection.finding import Severity
from approvals.inspection.manifest import ManifestError, compare_manifests, parse_manifest
from approvals.inspection.results import CompareLimits, Comparison
from tests.registry_client.tarballs import member, write

Fields = dict[str, Any]
Change = tuple[str, str, str | None, str | None]


def packed(folder: Path, *manifests: bytes, name: str = "new.tgz") -> Path:
    """A tarball with these files package.json, in this order."""
    members = [member("package/package.json", content) for content in manifests]
    return write(folder, *members, member("package/index.js", b"1\n"), name=name)


def compared(folder: Path, old: Fields, new: Fields) -> Comparison:
    """Two packages that say this of themselves, with another order and layout."""
    before = json.dumps(old, indent=4).encode()
    after = json.dumps(dict(reversed(new.items())), separators=(",", ":")).encode()
    return compare_tarballs(packed(folder, after), packed(folder, before, name="old.tgz"))


def changes(folder: Path, old: Fields, new: Fields) -> list[Change]:
    found = compared(folder, old, new).manifest_changes
    return [(change.field, change.key, change.old, change.new) for change in found]


@pytest.mark.parametrize(
    "field",
    [
        "dependencies",
        "devDependencies",
        "peerDependencies",
        "optionalDependencies",
        "engines",
        "scripts",
        "bin",
        "publishConfig",
        "overrides",
    ],
)
def test_each_entry_is_a_change_of_its_own(tmp_path: Path, field: str) -> None:
    old = {field: {"a": "^1.0.0", "b": "same", "c": "gone"}}
    new = {field: {"b": "same", "d": "come", "a": "^2.0.0"}}
    assert changes(tmp_path, old, new) == [
        (field, "a", "^1.0.0", "^2.0.0"),
        (field, "c", "gone", None),
        (field, "d", None, "come"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"main": "a.js"}, {"main": "b.js"}, ("main", "", "a.js", "b.js")),
        ({"types": "a.d.ts"}, {}, ("types", "", "a.d.ts", None)),
        ({"os": ["linux"]}, {"os": ["!linux"]}, ("os", "", '["linux"]', '["!linux"]')),
        ({}, {"cpu": "x64"}, ("cpu", "", None, '["x64"]')),
        ({"files": ["a"]}, {"files": ["a", "b"]}, ("files", "", '["a"]', '["a", "b"]')),
        (
            {"files": ["a", "!a/b"]},
            {"files": ["!a/b", "a"]},
            ("files", "", '["a", "!a/b"]', '["!a/b", "a"]'),
        ),
        ({"license": "MIT"}, {"license": "UNLICENSED"}, ("license", "", "MIT", "UNLICENSED")),
        (
            {"repository": "github:a/b"},
            {"repository": {"url": "https://github.com/evil/b"}},
            ("repository", "", "https://github.com/a/b", "https://github.com/evil/b"),
        ),
        (
            {"maintainers": ["A <a@example.org>"]},
            {"maintainers": [{"name": "B", "email": "a@example.org"}]},
            ("maintainers", "", '["A <a@example.org>"]', '["B <a@example.org>"]'),
        ),
        ({"bin": "a.js"}, {"bin": "b.js"}, ("bin", "x", "a.js", "b.js")),
        ({"bin": "a.js"}, {"bin": {"y": "a.js"}}, ("bin", "x", "a.js", None)),
        ({"exports": "./a.js"}, {"exports": "./b.js"}, ("exports", ".", "./a.js", "./b.js")),
        ({}, {"exports": {}}, ("exports", ".", None, "{}")),
        ({"bundleDependencies": ["a"]}, {}, ("bundleDependencies", "a", "bundled", None)),
        ({}, {"bundledDependencies": True}, ("bundleDependencies", "", None, "true")),
        ({"type": "module"}, {"type": "commonjs"}, ("type", "", "module", "commonjs")),
        ({}, {"odd": [1, {"b": 1, "a": 2}]}, ("odd", "", None, '[1, {"a": 2, "b": 1}]')),
        ({"dependencies": {"a": "1"}}, {"dependencies": {"a": 1}}, ("dependencies", "a", "1", "1")),
        ({"repository": [1]}, {"repository": None}, ("repository", "", "[1]", None)),
        ({"scripts": ["a"]}, {"scripts": {}}, ("scripts", "", '["a"]', None)),
        ({"gypfile": True}, {"gypfile": False}, ("gypfile", "", "true", "false")),
    ],
)
def test_every_field_that_differs_is_shown(
    tmp_path: Path, old: Fields, new: Fields, expected: Change
) -> None:
    named = {"name": "x", "version": "1.0.0"}
    assert expected in changes(tmp_path, named | old, named | new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [1, 2], "b": 1}}),
        ({"os": ["linux", "darwin"]}, {"os": ["darwin", "linux"]}),
        ({"cpu": "x64"}, {"cpu": ["x64"]}),
        ({"files": ["a", "b"]}, {"files": ["b", "a"]}),
        ({"bin": "./cli.js"}, {"bin": {"x": "cli.js"}}),
        ({"main": "./a.js"}, {"main": "a.js"}),
        ({"exports": "./a.js"}, {"exports": {".": "./a.js"}}),
        ({"bundledDependencies": ["a", "b"]}, {"bundleDependencies": ["b", "a"]}),
        ({"bundleDependencies": False}, {}),
        ({"license": {"type": "MIT", "url": "x"}}, {"license": "MIT"}),
        ({"author": {"name": "A", "url": "u"}}, {"author": "A (u)"}),
        (
            {"maintainers": [{"name": "A", "email": "a@example.org"}, "B"]},
            {"maintainers": ["B", "A <a@example.org>"]},
        ),
        ({"contributors": [{"name": "A"}]}, {"contributors": ["A"]}),
        ({"repository": "a/b"}, {"repository": {"url": "git+https://github.com/a/b.git"}}),
        ({"dependencies": {}, "keywords": [], "main": None}, {}),
    ],
)
def test_order_and_spelling_are_no_change(tmp_path: Path, old: Fields, new: Fields) -> None:
    named = {"name": "@scope/x", "version": "1.0.0"}
    assert changes(tmp_path, named | old, named | new) == []
    assert changes(tmp_path, named | new, named | old) == []


TROUBLES = [
    pytest.param([], "The tarball has no package.json.", id="missing"),
    pytest.param([b"{}", b"{"], "package.json is not valid JSON.", id="the last of two counts"),
    pytest.param([b'{"name": "a", "name": "b"}'], "has the key 'name' twice", id="twice"),
    pytest.param([b'{"a": {"b": 1, "b": 1}}'], "has the key 'b' twice", id="twice inside"),
    pytest.param([b'{"a\\u0000": 1, "a\\u2400": 2}'], "twice", id="twice once it is shown"),
    pytest.param([b"module.exports = {}"], "not valid JSON", id="code"),
    pytest.param([b"{'name': 'a'}"], "not valid JSON", id="quotes"),
    pytest.param([b'{"name": "a",}'], "not valid JSON", id="comma"),
    pytest.param([b""], "not valid JSON", id="empty"),
    pytest.param([b"null"], "not a JSON object", id="null"),
    pytest.param([b'{"a":' * 5_000 + b"1" + b"}" * 5_000], "nested too deeply", id="deep"),
    pytest.param([b'{"a":' + b"[" * 1_000_000], "nested too deeply", id="deep and open"),
    pytest.param([b'{"a": "' + b"x" * 3_000_000 + b'"}'], "too large: 3,000,009", id="huge"),
    pytest.param([b'{"a": "' + b"x" * 20_000_000 + b'"}'], "too large: 20,000,009", id="enormous"),
    pytest.param([b'{"name": "\xff"}'], "not valid UTF-8", id="bytes"),
    pytest.param(['{"name": "a"}'.encode("utf-16")], "not valid UTF-8", id="two bytes a letter"),
]


@pytest.mark.parametrize(("manifests", "words"), TROUBLES)
def test_a_package_json_in_trouble_ends_in_a_finding(
    tmp_path: Path, manifests: list[bytes], words: str
) -> None:
    good = packed(tmp_path, b'{"name": "a", "version": "1.0.0"}', name="old.tgz")
    bad = packed(tmp_path, *manifests)
    for baseline in (good, None):
        found = compare_tarballs(bad, baseline)
        assert found.manifest_new is None
        assert found.manifest_changes == ()
        (finding,) = [one for one in found.findings if one.rule == "manifest"]
        assert finding.severity == Severity.HIGH
        assert words in finding.title
    # On the side of the baseline it takes the comparison of package.json away, and says so.
    found = compare_tarballs(good, bad)
    (finding,) = [one for one in found.findings if words in one.title]
    assert finding.rule == "baseline-manifest"
    assert finding.title.endswith("What package.json says was not compared.")
    assert found.manifest_changes == ()


@pytest.mark.parametrize(
    "first", ["package/package.json", "package/./package.json", "x/package.json"]
)
def test_of_several_entries_the_last_counts_and_both_are_told(tmp_path: Path, first: str) -> None:
    new = write(
        tmp_path,
        member(first, b'{"name": "shown", "version": "1.0.0"}'),
        member("package/package.json", b'{"name": "installed", "version": "1.0.0"}'),
    )
    found = compare_tarballs(new, None)
    assert found.manifest_new == {"name": "installed", "version": "1.0.0"}
    sentences = {finding.title for finding in found.findings}
    assert "The tarball has 2 files package.json; npm uses the last one." in sentences
    assert "It is in the tarball more than once; npm installs the last one." in sentences


def test_a_package_json_in_other_letters_is_told(tmp_path: Path) -> None:
    new = write(
        tmp_path,
        member("package/package.json", b'{"name": "a", "version": "1.0.0"}'),
        member("package/Package.json", b'{"name": "b", "version": "1.0.0"}'),
    )
    found = compare_tarballs(new, None)
    assert found.manifest_new == {"name": "a", "version": "1.0.0"}
    assert "name-collision" in {finding.rule for finding in found.findings}


def test_another_name_or_version_than_the_baseline(tmp_path: Path) -> None:
    old = {"name": "left-pad", "version": "1.0.0"}
    found = compared(tmp_path, old, {"name": "left-pda", "version": "2.0.0"})
    assert [(change.field, change.new) for change in found.manifest_changes] == [
        ("name", "left-pda"),
        ("version", "2.0.0"),
    ]
    (finding,) = [one for one in found.findings if one.rule == "named-otherwise"]
    assert (finding.severity, finding.detail) == (Severity.CRITICAL, "left-pad → left-pda")


def test_a_byte_order_mark_is_borne_as_npm_does(tmp_path: Path) -> None:
    found = compare_tarballs(packed(tmp_path, b'\xef\xbb\xbf{"name": "a"}'), None)
    assert found.manifest_new == {"name": "a"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            *("name", "version", "scripts", "dependencies", "bin", "exports", "imports", "files"),
            *("os", "bundleDependencies", "bundledDependencies", "repository", "author", "bugs"),
            *("maintainers", "license", "main", "engines", "keywords", "odd"),
        ]
    ),
    JSON,
)


@given(FIELDS, FIELDS)
def test_whatever_it_says_it_can_be_compared(old: Fields, new: Fields) -> None:
    compare_manifests(old, new)
    assert compare_manifests(old, old) == ()
    try:
        parsed = parse_manifest(json.dumps(new).encode(), CompareLimits())
    except ManifestError:
        return
    assert compare_manifests(parsed, dict(reversed(parsed.items()))) == ()
    asked_in(parsed)
    overrides_in(parsed)
    new_in(old, parsed)

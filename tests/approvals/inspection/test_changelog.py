"""What is new in a changelog: the release's own words, and no one else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.changelog import LONGEST, is_changelog, new_part

OLD = """# Changelog

## [1.2.2](https://registry.example.org/compare/v1.2.1...v1.2.2) (2024-01-01)

### Bug Fixes

* mend the mender

## 1.2.1

- first
"""
ADDED = """## [1.2.3](https://registry.example.org/compare/v1.2.2...v1.2.3) (2024-02-02)

### Bug Fixes

* stop the stopper

### Features

* a door
"""
NEW = OLD.replace("## [1.2.2]", f"{ADDED}\n## [1.2.2]")


@pytest.mark.parametrize(
    "path",
    ["CHANGELOG.md", "changelog", "HISTORY.md", "Changes.txt", "RELEASES", "release-notes.md"],
)
def test_a_changelog_by_its_name(path: str) -> None:
    assert is_changelog(path)


@pytest.mark.parametrize(
    "path", ["docs/CHANGELOG.md", "changelog.js", "changelog.md.js", "README.md", "unchanges", ""]
)
def test_what_is_no_changelog(path: str) -> None:
    assert not is_changelog(path)


def test_the_part_that_was_added_on_top() -> None:
    assert new_part(OLD, NEW, "1.2.3") == ADDED.strip()


def test_the_part_that_was_added_below() -> None:
    assert new_part("1.0.0\n\n* one\n", "1.0.0\n\n* one\n\n1.1.0\n\n* two\n", "1.1.0") == (
        "1.1.0\n\n* two"
    )


@pytest.mark.parametrize(
    "new", [OLD, OLD.replace("\n", "\r\n"), "\ufeff" + OLD, OLD.replace("* mend", "* mend  ")[:0]]
)
def test_nothing_new(new: str) -> None:
    assert new_part(OLD, new, "1.2.3") == ""


def test_an_old_end_that_was_cut_off_is_not_new() -> None:
    cut = NEW.partition("## 1.2.1")[0]
    assert new_part(OLD, cut, "1.2.3") == ADDED.strip()


def test_old_lines_are_left_out_and_headings_kept_where_more_was_changed() -> None:
    new = NEW.replace("- first", "- first, corrected")
    part = new_part(OLD.replace("# Changelog", "# Changes"), new, "1.2.3")
    assert "### Bug Fixes\n\n* stop the stopper" in part
    assert part.endswith("## 1.2.1\n\n- first, corrected")
    assert "mend the mender" not in part


def test_an_entry_that_hides_between_old_ones_is_found() -> None:
    new = OLD.replace("- first", "- first\n- and a miner") + "\n* tail"
    assert new_part(OLD.replace("* mend", "* fix"), new, "1.2.3").split("\n")[-3:] == [
        "- and a miner",
        "",
        "* tail",
    ]


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        (NEW, "1.2.2", "## [1.2.2](https"),
        ("## 1.2.3\n\na\n\n### 9.9 fixes\n\nb\n\n## 1.2.2\n\nc", "1.2.3", "## 1.2.3"),
        ("# [1.2.3](x)\n\na\n\nb\n\n## [1.2.2](x)\n\nc", "1.2.3", "# [1.2.3](x)"),
        ("1.2.3 / 2024-01-01\n=====\n\na\n\nb\n\n1.2.2 / 2023-01-01\n=====\nc", "1.2.3", "1.2.3 /"),
        ("Version 1.2.3\n---\na\nb\n\nVersion 1.2.2\n---\nc", "1.2.3", "Version 1.2.3"),
        ("v1.2.3 - May\n\na\nb\n\nv1.2.2 - May\n\nc", "1.2.3", "v1.2.3 - May"),
        ("# pkg\n\n## @x/pkg@1.2.3\n\na\n\nb\n\n## @x/pkg@1.2.2\n\nc", "1.2.3", "## @x/pkg@1.2.3"),
        ("**1.2.3**\n\na\n\nb\n\n**1.2.2**\n\nc", "1.2.3", "**1.2.3**"),
        ("* [1.2.3](#1)\n* [1.2.2](#2)\n\n# 1.2.3\na\nb\n\n# 1.2.2\nc", "1.2.3", "# 1.2.3"),
        ("## 1.2.3-beta.1\nx\n\n## 1.2.3\na\nb\n\n## 1.2.2\nc", "1.2.3", "## 1.2.3\n"),
    ],
)
def test_the_section_of_a_first_release(text: str, version: str, expected: str) -> None:
    part = new_part(None, text, version)
    assert part.startswith(expected)
    if text is not NEW:
        assert part.endswith("b")


def test_without_a_section_the_beginning_is_shown() -> None:
    assert new_part(None, "All notes are elsewhere.\n", "1.2.3") == "All notes are elsewhere."


def test_what_is_too_long_is_cut_and_says_so() -> None:
    part = new_part("", "* caf\u00e9\n" * 100_000, "1.0.0")
    assert len(part.encode()) <= LONGEST
    shown, _, last = part.rpartition("\n")
    assert last == f"[{100_000 * 7 - 1 - len(shown):,} characters left out]"


@given(
    st.lists(st.sampled_from(["# 1.0.0", "## x", "", "* a", "1.1.0", "---", "* b"]), max_size=12),
    st.lists(st.sampled_from(["# 1.2.0", "## x", "", "* c", "* d"]), max_size=6),
    st.lists(st.sampled_from(["# 1.0.0", "## x", "", "* a", "* b"]), max_size=12),
)
def test_every_added_line_is_shown(top: list[str], added: list[str], rest: list[str]) -> None:
    part = new_part("\n".join(top + rest), "\n".join(top + added + rest), "1.2.0").split("\n")
    assert {line for line in added if line in ("# 1.2.0", "* c", "* d")} <= set(part)

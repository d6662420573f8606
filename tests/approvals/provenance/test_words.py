"""How names from outside stand in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.provenance.words import (
    MOST_CHARACTERS,
    has_hidden,
    named,
    plain,
    ref_name,
    repository_name,
)


@given(st.text() | st.text(alphabet="\u202ea", min_size=150, max_size=500))
def test_nothing_is_hidden_and_nothing_is_endless(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) <= MOST_CHARACTERS
    assert len(named(text)) <= MOST_CHARACTERS + 2


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_names_never_read_the_same_for_what_is_hidden_in_one(one: str, other: str) -> None:
    if plain(one) == plain(other):
        # Only who writes the very characters that stand for a hidden one.
        assert one == other or "\\" in one + other


@pytest.mark.parametrize("blank", "\u3164\uffa0\u115f\u1160\u2800\u034f\ufe0f\U000e0100\u17b4")
def test_letters_without_ink_are_spelt_out(blank: str) -> None:
    assert has_hidden(f"a{blank}b")
    assert named(f"a{blank}b") == f"“a{blank.encode('unicode_escape').decode()}b”"
    assert repository_name(f"https://github.com/acme/{blank}x") != "acme/x"


def test_only_letters_that_every_keyboard_has_stand_without_quotes() -> None:
    assert named("release-1_0@next.yml") == "release-1_0@next.yml"
    # Cyrillic letters, and digits of another script.
    assert named("\u0430cme") == "“\u0430cme”"
    assert named("v\u0661") == "“v\u0661”"


@pytest.mark.parametrize(
    ("address", "name", "whole"),
    [
        ("https://github.com/acme/x", "acme/x", "github.com/acme/x"),
        ("https://GitHub.com/Acme/X", "Acme/X", "github.com/Acme/X"),
        ("https://gitlab.com/a/b/c", "a/b/c", "gitlab.com/a/b/c"),
        ("https://git.example.org/a/b", "git.example.org/a/b", "git.example.org/a/b"),
        ("https://github.com.example.org/a/b", *["github.com.example.org/a/b"] * 2),
        ("https://github.com@example.org/a/b", *["github.com@example.org/a/b"] * 2),
        ("https://[oops/a/b", *["“https://[oops/a/b”"] * 2),
        ("", "", ""),
    ],
    ids=["github", "upper-case", "gitlab", "own-host", "look-alike", "user", "broken", "empty"],
)
def test_a_repositorys_name(address: str, name: str, whole: str) -> None:
    assert repository_name(address) == name
    assert repository_name(address, with_host=True) == whole


def test_a_refs_name() -> None:
    assert ref_name("refs/heads/fix/login") == "fix/login"
    assert ref_name("refs/tags/v1.5.0") == "tag v1.5.0"
    assert ref_name("refs/heads/tag v1") == "“tag v1”"
    assert ref_name("refs/pull/1/merge") == "refs/pull/1/merge"
    assert ref_name("refs/heads/refs/tags/v1") == "refs/tags/v1"

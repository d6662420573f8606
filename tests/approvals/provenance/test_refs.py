"""Which refs are alike from release to release, and which match a pattern."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from approvals.provenance.refs import matches, names_another_version, ref_pattern, same_kind

numbers = st.integers(0, 30)
versions = st.builds(
    lambda major, minor, patch, pre: f"{major}.{minor}.{patch}" + (f"-{pre}" if pre else ""),
    numbers,
    numbers,
    numbers,
    st.sampled_from(["", "rc.1", "beta", "0", "next.11", "a-b"]),
)
names = st.text(alphabet="ab1.-@/v+_*(\\é", max_size=12)
refs = st.builds(
    lambda kind, before, middle, after: f"{kind}{before}{middle}{after}",
    st.sampled_from(["refs/heads/", "refs/tags/", "refs/pull/", ""]),
    names,
    versions | st.just(""),
    names,
)


@pytest.mark.parametrize(
    ("ref", "version", "pattern"),
    [
        ("refs/heads/main", "1.4.2", "refs/heads/main"),
        ("refs/heads/release/1.4.2", "1.4.2", "refs/heads/release/1.4.2"),
        ("refs/tags/v1.4.2", "1.4.2", "refs/tags/v*"),
        ("refs/tags/1.4.2", "1.4.2", "refs/tags/*"),
        ("refs/tags/@scope/name@1.4.2", "1.4.2", "refs/tags/@scope/name@*"),
        ("refs/tags/p5@1.4.2", "1.4.2", "refs/tags/p5@*"),
        ("refs/tags/v1.4.2-rc.1", "1.4.2-rc.1", "refs/tags/v*"),
        ("refs/tags/v1.4.2-rc.1", "1.4.1", "refs/tags/v*"),
        ("refs/tags/v11.0.0", "1.0.0", "refs/tags/v*"),
        ("refs/tags/1.4.2/v1.4.2", "1.4.2", "refs/tags/*/v*"),
        ("refs/tags/release-2024-10-01", "1.4.2", "refs/tags/release-*-*-*"),
        ("refs/tags/v1", "1.4.2", "refs/tags/v*"),
        ("refs/tags/latest", "1.4.2", "refs/tags/latest"),
        ("refs/pull/12/merge", "1.4.2", "refs/pull/12/merge"),
        ("", "1.4.2", ""),
    ],
)
def test_what_other_releases_refs_look_like(ref: str, version: str, pattern: str) -> None:
    assert ref_pattern(ref, version) == pattern


@given(refs, versions | st.just(""))
@example("refs/tags/v11.0.01.0.0", "1.0.0")
@example("refs/tags/1.0.01.0.0", "1.0.0")
def test_the_pattern_of_a_ref_matches_it(ref: str, version: str) -> None:
    assert matches(ref_pattern(ref, version), ref)


@given(st.sampled_from(["v{}", "{}", "@a/b@{}", "lib-{}", "a/v{}/b"]), versions, versions)
def test_tags_of_one_form_have_one_pattern_and_it_matches_both(
    form: str, one: str, other: str
) -> None:
    first, second = (f"refs/tags/{form.format(version)}" for version in (one, other))
    assert ref_pattern(first, one) == ref_pattern(second, other)
    assert matches(ref_pattern(first, one), second)
    assert same_kind(first, one, second, other)


@given(refs, versions, refs, versions)
def test_being_of_one_kind_has_no_direction(
    one: str, version: str, other: str, other_version: str
) -> None:
    forth = same_kind(one, version, other, other_version)
    assert forth == same_kind(other, other_version, one, version)


@pytest.mark.parametrize(
    ("ref", "other"),
    [
        ("refs/heads/main", "refs/heads/master"),
        ("refs/heads/main", "refs/heads/Main"),
        ("refs/heads/v1.5.0", "refs/tags/v1.4.0"),
        ("refs/heads/release/1.5.0", "refs/heads/release/1.4.0"),
        ("refs/tags/v1.5.0", "refs/tags/lib-v1.4.0"),
        ("refs/tags/latest", "refs/tags/v1.4.0"),
        ("refs/pull/12/merge", "refs/pull/12/merge"),
        ("refs/merge-requests/3/head", "refs/merge-requests/3/head"),
        ("", ""),
        ("refs/heads/main", ""),
    ],
)
def test_refs_of_another_kind(ref: str, other: str) -> None:
    assert not same_kind(ref, "1.5.0", other, "1.4.0")


@pytest.mark.parametrize(
    ("pattern", "ref", "expected"),
    [
        ("refs/tags/v*", "refs/tags/v1.0.0", True),
        ("refs/tags/v*", "refs/tags/v", True),
        ("refs/tags/v*", "refs/tags/V1", False),
        ("refs/tags/v*", "x/refs/tags/v1", False),
        ("refs/tags/v*", "refs/heads/v1", False),
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/main", "refs/heads/main2", False),
        ("refs/heads/main", "refs/heads/mai", False),
        ("refs/heads/*/x", "refs/heads/a/b/x", True),
        ("refs/heads/*/x", "refs/heads/x", False),
        ("refs/heads/a*a", "refs/heads/a", False),
        ("refs/heads/a*b*a", "refs/heads/aba", True),
        ("refs/heads/a*ba*ba", "refs/heads/aba", False),
        ("refs/heads/v.", "refs/heads/vx", False),
        ("refs/heads/[a-z]", "refs/heads/b", False),
        ("refs/heads/?", "refs/heads/b", False),
        ("refs/heads/main", "refs/heads/main\n", False),
        ("refs/heads/*", "refs/heads/a\nb", True),
        ("refs/heads/main", "", False),
    ],
)
def test_a_pattern_is_for_the_whole_ref(pattern: str, ref: str, expected: bool) -> None:
    assert matches(pattern, ref) is expected


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=10))
def test_a_star_is_any_run_of_characters(pattern: str, ref: str) -> None:
    by_regex = re.fullmatch(pattern.replace("*", ".*"), ref) is not None
    assert matches(pattern, ref) is by_regex


def test_no_pattern_takes_long() -> None:
    started = time.process_time()
    assert not matches("*a" * 5_000 + "b", "a" * 10_000)
    assert ref_pattern("refs/tags/" + "1.1." * 240, "1.1.1")
    assert ref_pattern("refs/tags/" + "1" * 990, "1")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("ref", "version", "other"),
    [
        ("refs/tags/v1.5.0", "1.5.0", ""),
        ("refs/tags/v1.5.0+7", "1.5.0", ""),
        ("refs/tags/@scope/name@1.5.0", "1.5.0", ""),
        ("refs/tags/v1.4.9", "1.5.0", "1.4.9"),
        ("refs/tags/v1.5.0-rc.1", "1.5.0", "1.5.0-rc.1"),
        ("refs/tags/v1.5.0", "1.5.0-rc.1", "1.5.0"),
        ("refs/tags/v11.5.0", "1.5.0", "11.5.0"),
        ("refs/tags/from-1.4.0-to/1.5.0", "1.5.0", ""),
        ("refs/tags/v1", "1.5.0", ""),
        ("refs/tags/latest", "1.5.0", ""),
        ("refs/tags/release-2024.10.01", "1.5.0", ""),
        ("refs/heads/v1.4.9", "1.5.0", ""),
        ("", "1.5.0", ""),
    ],
)
def test_the_version_that_a_tag_names(ref: str, version: str, other: str) -> None:
    assert names_another_version(ref, version) == other

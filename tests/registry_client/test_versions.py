"""Version order, the size of a step, and which published version a staged one is compared with."""

import pytest
import semver
from hypothesis import example, given
from hypothesis import strategies as st

from registry_client.versions import (
    PLACEHOLDER_VERSION,
    Baseline,
    Packument,
    PublishedVersion,
    baseline_for,
    had_the_tag,
    parse_version,
    sort_key,
    version_step,
)


def packument(
    *versions: str, deprecated: tuple[str, ...] = (), tags: dict[str, str] | None = None
) -> Packument:
    entries = {
        v: PublishedVersion(v, "", "", "", "use another" if v in deprecated else "", None, "")
        for v in versions
    }
    return Packument("pkg", entries, tags or {}, {}, [])


def chosen(baseline: Baseline) -> str | None:
    return baseline.version.version if baseline.version else None


numbers = st.integers(0, 3)
identifiers = st.sampled_from(["0", "1", "10", "alpha", "beta", "rc", "x-y", "1a", "-"])
valid_versions = st.builds(
    lambda major, minor, patch, pre, build: (
        f"{major}.{minor}.{patch}"
        + (f"-{'.'.join(pre)}" if pre else "")
        + (f"+{'.'.join(build)}" if build else "")
    ),
    numbers,
    numbers,
    numbers,
    st.lists(identifiers, max_size=3),
    st.lists(st.sampled_from(["b1", "001"]), max_size=1),
)
any_versions = valid_versions | st.sampled_from(["", "1", "v1.0.0", "1.0", "01.0.0", "latest"])


SPECIFIED_ORDER = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
]


@given(st.permutations(SPECIFIED_ORDER))
def test_the_specifications_own_example_of_order(versions: list[str]) -> None:
    assert sorted(versions, key=sort_key) == SPECIFIED_ORDER


@given(valid_versions, valid_versions)
def test_the_order_is_that_of_semver(one: str, other: str) -> None:
    expected = semver.Version.parse(one).compare(other)
    if expected:
        assert (sort_key(one) < sort_key(other)) == (expected < 0)
    else:
        assert sort_key(one)[:-1] == sort_key(other)[:-1]


@given(st.lists(any_versions | st.text(max_size=8)))
def test_anything_can_be_sorted_in_one_way(versions: list[str]) -> None:
    backwards = versions[::-1]
    ordered = sorted(versions, key=sort_key)
    assert ordered == sorted(backwards, key=sort_key)
    valid = [parse_version(v) is not None for v in ordered]
    assert valid == sorted(valid)


@pytest.mark.parametrize(
    "version",
    [
        "",
        "1",
        "1.2",
        "v1.2.3",
        " 1.2.3",
        "1.2.3\n",
        "01.2.3",
        "1.2.3-01",
        "1.2.3-",
        "1.2.3-a..b",
        "1.2.٣",
        "1.2.9007199254740992",
        "1.2.3-" + "a" * 300,
        "9" * 6000 + ".0.0",
    ],
)
def test_what_npm_calls_invalid_is_no_version(version: str) -> None:
    assert parse_version(version) is None


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        (None, "1.0.0", "first"),
        ("1.0.0", "1.0.1", "patch"),
        ("1.0.9", "1.1.0", "minor"),
        ("1.9.9", "2.0.0", "major"),
        ("1.0.0", "1.3.7", "minor"),
        ("1.0.0", "2.0.0-rc.1", "prerelease"),
        ("2.0.0-rc.1", "2.0.0-rc.2", "prerelease"),
        ("2.0.0-rc.1", "2.0.0", "major"),
        ("2.1.0-rc.1", "2.1.0", "minor"),
        ("2.1.1-rc.1", "2.1.1", "patch"),
        ("0.0.0-rc.1", "0.0.0", "major"),
        ("1.0.0", "1.0.0", "same"),
        ("1.0.0", "1.0.0+build", "same"),
        ("1.0.1", "1.0.0", "lower"),
        ("1.0.0", "1.0.0-rc.1", "lower"),
        ("one", "1.0.0", "unknown"),
        ("1.0.0", "two", "unknown"),
    ],
)
def test_a_step_has_a_name(old: str | None, new: str, step: str) -> None:
    assert version_step(old, new) == step


def test_the_dist_tag_decides() -> None:
    known = packument("1.0.0", "1.4.2", "1.4.9", tags={"latest": "1.4.2"})
    assert baseline_for(known, "1.5.0", "latest") == Baseline(
        known.versions["1.4.2"], "1.4.2 is what users of the dist-tag latest have today."
    )


def test_the_dist_tag_decides_over_majors_and_prereleases() -> None:
    known = packument(
        "1.0.0", "2.0.0-rc.1", "3.0.0", tags={"latest": "1.0.0", "next": "2.0.0-rc.1"}
    )
    assert chosen(baseline_for(known, "3.1.0", "latest")) == "1.0.0"
    assert chosen(baseline_for(known, "3.1.0", "next")) == "2.0.0-rc.1"


def test_a_deprecated_version_with_the_dist_tag_is_what_users_have() -> None:
    known = packument("1.0.0", "1.1.0", deprecated=("1.1.0",), tags={"latest": "1.1.0"})
    baseline = baseline_for(known, "1.2.0", "latest")
    assert chosen(baseline) == "1.1.0"
    assert "deprecated" in baseline.reason


def test_a_backport_is_compared_with_its_own_major() -> None:
    known = packument("1.4.0", "1.4.1", "2.0.0", "2.1.0", tags={"latest": "2.1.0"})
    baseline = baseline_for(known, "1.4.2", "latest")
    assert chosen(baseline) == "1.4.1"
    assert baseline.reason == (
        "The dist-tag latest points to 2.1.0, which is not lower than 1.4.2. "
        "1.4.1 is the highest published stable version of major 1 below 1.4.2."
    )


def test_a_new_dist_tag_falls_back_to_the_highest_below() -> None:
    known = packument("1.4.0", "2.0.0", tags={"latest": "2.0.0"})
    baseline = baseline_for(known, "2.1.0-beta.1", "beta")
    assert chosen(baseline) == "2.0.0"
    assert baseline.reason == (
        "No version has the dist-tag beta yet. "
        "2.0.0 is the highest published version of major 2 below 2.1.0-beta.1."
    )


def test_without_its_own_major_the_next_lower_one_is_taken() -> None:
    known = packument("1.4.0", "1.9.0", "4.0.0")
    assert chosen(baseline_for(known, "3.0.0", "latest")) == "1.9.0"


def test_a_stable_version_is_compared_with_a_stable_one() -> None:
    known = packument("1.4.0", "2.0.0", "2.0.1-rc.1")
    assert chosen(baseline_for(known, "2.0.1", "latest")) == "2.0.0"


def test_a_stable_version_is_compared_with_its_own_majors_prerelease_before_another_major() -> None:
    known = packument("1.4.0", "2.0.0-rc.1", "2.0.0-rc.2")
    assert chosen(baseline_for(known, "2.0.0", "next")) == "2.0.0-rc.2"


def test_a_prerelease_is_compared_with_the_one_before() -> None:
    known = packument("1.4.0", "2.0.0-rc.9", "2.0.0-rc.10", "2.0.0")
    assert chosen(baseline_for(known, "2.0.0-rc.11", "next")) == "2.0.0-rc.10"


def test_a_deprecated_version_that_no_dist_tag_names_is_passed_over() -> None:
    known = packument("1.0.0", "1.1.0", "1.2.0", deprecated=("1.1.0", "1.2.0"), tags={"x": "1.1.0"})
    assert chosen(baseline_for(known, "1.3.0", "latest")) == "1.1.0"


def test_a_dist_tag_may_point_to_what_is_gone_or_invalid() -> None:
    gone = packument("1.0.0", tags={"latest": "1.1.0"})
    assert chosen(baseline_for(gone, "1.2.0", "latest")) == "1.0.0"
    assert "which is not published" in baseline_for(gone, "1.2.0", "latest").reason
    odd = packument("1.0.0", "v1.1", tags={"latest": "v1.1"})
    assert chosen(baseline_for(odd, "1.2.0", "latest")) == "1.0.0"
    assert "not a valid version" in baseline_for(odd, "1.2.0", "latest").reason


@pytest.mark.parametrize("known", [None, packument(), packument(tags={"latest": "1.0.0"})])
def test_a_first_release_has_no_baseline(known: Packument | None) -> None:
    baseline = baseline_for(known, "1.0.0", "latest")
    assert baseline == Baseline(None, "This is the first release: nothing is published so far.")


def test_npms_placeholder_is_no_baseline() -> None:
    known = packument(PLACEHOLDER_VERSION, tags={"latest": PLACEHOLDER_VERSION})
    baseline = baseline_for(known, "1.0.0", "latest")
    assert baseline.version is None
    assert "only npm's placeholder 0.0.0-stage is published" in baseline.reason
    later = packument(PLACEHOLDER_VERSION, "0.9.0", tags={"latest": PLACEHOLDER_VERSION})
    assert chosen(baseline_for(later, "1.0.0", "latest")) == "0.9.0"


def test_nothing_lower_means_no_baseline() -> None:
    baseline = baseline_for(packument("2.0.0", tags={"latest": "2.0.0"}), "1.0.0", "latest")
    assert baseline.version is None
    assert baseline.reason.endswith("No listed version is lower than 1.0.0.")


def test_an_invalid_staged_version_has_no_baseline() -> None:
    assert baseline_for(packument("1.0.0"), "newest", "latest").version is None


@given(
    st.lists(any_versions | st.just(PLACEHOLDER_VERSION), unique=True, max_size=12),
    st.sets(st.integers(0, 11)),
    st.none() | st.integers(0, 11),
    valid_versions,
)
@example(["1.0.0"], set(), 0, "1.0.0+build")
def test_a_baseline_is_the_tags_version_or_the_best_lower_one(
    versions: list[str], deprecated: set[int], tagged: int | None, staged: str
) -> None:
    dead = tuple(versions[i] for i in deprecated if i < len(versions))
    target = versions[tagged] if tagged is not None and tagged < len(versions) else None
    tags = {"latest": target} if target is not None else {}
    known = packument(*versions, deprecated=dead, tags=tags)
    baseline = baseline_for(known, staged, "latest")
    ours = semver.Version.parse(staged)

    def is_lower(version: str) -> bool:
        parsed = parse_version(version)
        return parsed is not None and parsed < ours and version != PLACEHOLDER_VERSION

    candidates = [v for v in versions if is_lower(v) and (v not in dead or v == target)]
    assert baseline.reason.endswith(".")
    if baseline.version is None:
        assert candidates == []
        return
    version = baseline.version.version
    assert version in candidates
    if target in candidates:
        assert version == target
        return
    parsed = {v: semver.Version.parse(v) for v in candidates}
    same_major = [v for v in candidates if parsed[v].major == ours.major] or candidates
    if not ours.prerelease:
        same_major = [v for v in same_major if not parsed[v].prerelease] or same_major
    assert version in same_major
    assert all(parsed[v] <= parsed[version] for v in same_major)


@given(st.permutations(["1.0.0+a", "1.0.0+b", "0.9.0"]))
def test_the_choice_does_not_depend_on_the_registrys_order(versions: list[str]) -> None:
    assert chosen(baseline_for(packument(*versions), "1.1.0", "latest")) == "1.0.0+b"


@pytest.mark.parametrize(
    ("known", "staged", "tag", "had"),
    [
        (packument("1.4.2", tags={"latest": "1.4.2"}), "1.5.0", "latest", "1.4.2"),
        (packument("1.4.2", "2.0.0", tags={"latest": "2.0.0"}), "1.5.0", "latest", "2.0.0"),
        (packument("1.4.2", "2.0.0", tags={"latest": "2.0.0"}), "1.0.0", "latest", "2.0.0"),
        (packument("1.5.0", tags={"latest": "1.5.0"}), "1.5.0", "latest", "1.5.0"),
        (packument("1.4.2", tags={"latest": "1.4.2"}), "1.5.0", "next", ""),
        (packument("1.4.2", tags={"latest": "1.4.3"}), "1.5.0", "latest", ""),
        (packument("1.4.2", tags={"latest": "0.0.0-stage"}), "1.5.0", "latest", ""),
        (packument("0.0.0-stage", tags={"latest": "0.0.0-stage"}), "1.5.0", "latest", ""),
        (packument("1.4.2", "oops", tags={"latest": "oops"}), "1.5.0", "latest", ""),
        (None, "1.5.0", "latest", ""),
    ],
)
def test_the_reason_tells_what_had_the_dist_tag(
    known: Packument | None, staged: str, tag: str, had: str
) -> None:
    assert had_the_tag(baseline_for(known, staged, tag).reason, staged, tag) == had


@pytest.mark.parametrize("reason", ["", "Somebody chose it.", "1.4.2 is what users of it have."])
def test_another_reason_does_not_tell_what_had_the_dist_tag(reason: str) -> None:
    assert had_the_tag(reason, "1.5.0", "latest") is None

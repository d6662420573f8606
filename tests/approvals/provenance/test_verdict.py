"""The verdict in a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.provenance.case import Case
from approvals.provenance.comparison import lines_of
from approvals.provenance.sentence import sentence_of
from approvals.provenance.verdict import verdict_of
from tests.approvals.factories import BUILT
from tests.approvals.provenance.cases import (
    EARLY,
    MOVED,
    case,
    missing,
    pinned,
    proven,
    refused,
)

VERDICTS: dict[str, tuple[Case, str]] = {
    "not-looked-yet": (case(None, proven("1.4.0"), expected=pinned()), ""),
    "as-always": (case(proven("1.5.0"), proven("1.4.0")), "same"),
    "not-compared-yet": (case(proven("1.5.0"), is_compared=False), ""),
    "missing-and-not-compared-yet": (case(missing("1.5.0"), is_compared=False), ""),
    "refused-and-not-compared-yet": (case(refused("1.5.0"), is_compared=False), "refused"),
    "not-compared-yet-and-suspicious": (
        case(proven("1.5.0", ref="refs/tags/v1.4.0"), is_compared=False),
        "",
    ),
    "not-compared-yet-and-not-as-pinned": (
        case(proven("1.5.0"), is_compared=False, expected=pinned(repository_id="7")),
        "changed",
    ),
    "not-compared-yet-and-as-pinned": (
        case(proven("1.5.0"), is_compared=False, expected=pinned()),
        "",
    ),
    "staged-by-a-person": (case(proven("1.5.0"), proven("1.4.0"), actor_type="user"), "same"),
    "unimportant": (
        case(proven("1.5.0", visibility="private"), proven("1.4.0"), actor_type="user"),
        "same",
    ),
    "self-hosted": (case(proven("1.5.0", runner="self-hosted"), proven("1.4.0")), "changed"),
    "self-hosted-and-the-baseline-does-not-say": (
        case(proven("1.5.0", runner="self-hosted"), proven("1.4.0", runner="", builder="")),
        "changed",
    ),
    "self-hosted-in-the-first-release": (case(proven("1.5.0", runner="self-hosted")), "first"),
    "other-environment": (
        case(proven("1.5.0", environment="test"), proven("1.4.0", environment="npm")),
        "changed",
    ),
    "other-environment-as-pinned": (
        case(
            proven("1.5.0", environment="test"),
            proven("1.4.0", environment="npm"),
            expected=pinned(environment="test"),
        ),
        "same",
    ),
    "an-environment-that-the-baseline-does-not-name": (
        case(proven("1.5.0", environment="npm"), proven("1.4.0")),
        "same",
    ),
    "other-trigger": (
        case(proven("1.5.0", trigger="workflow_dispatch"), proven("1.4.0")),
        "changed",
    ),
    "other-trigger-after-a-gap": (
        case(proven("1.5.0", trigger="schedule"), missing("1.4.0"), proven("1.3.0")),
        "changed",
    ),
    "a-trigger-that-the-baseline-does-not-name": (
        case(proven("1.5.0"), proven("1.4.0", trigger="")),
        "same",
    ),
    "a-trigger-of-strangers-as-always": (
        case(proven("1.5.0", trigger="fork"), proven("1.4.0", trigger="fork")),
        "changed",
    ),
    "other-builder": (
        case(
            proven("1.5.0", runner="", builder="https://ci.example.org/b"),
            proven("1.4.0", runner="", builder="https://ci.example.org/a"),
        ),
        "changed",
    ),
    "made-anew-since-an-early-certificate": (
        case(
            proven("1.5.0", repository_id="7"),
            proven("1.4.0", **EARLY),
            history=(proven("2.0.0"), proven("1.4.0", **EARLY)),
        ),
        "changed",
    ),
    "an-early-certificate": (case(proven("1.5.0"), proven("1.4.0", **EARLY)), "same"),
    "an-early-certificate-and-an-early-builder": (
        case(proven("1.5.0"), proven("1.4.0", **EARLY, builder="https://ci.example.org/a")),
        "same",
    ),
    "a-baseline-that-names-no-workflow": (
        case(proven("1.5.0"), proven("1.4.0", workflow="", workflow_repository="")),
        "first",
    ),
    "older": (case(proven("1.5.0", hours=1), proven("1.4.0")), "changed"),
    "tag-of-another-version": (
        case(proven("1.5.0", ref="refs/tags/v1.4.0"), proven("1.4.0", ref="refs/tags/v1.4.0")),
        "changed",
    ),
    "tag-of-another-version-in-the-first-release": (
        case(proven("1.5.0", ref="refs/tags/v1.4.0")),
        "first",
    ),
    "same-commit": (
        case(proven("1.5.0", commit="ab" * 20), proven("1.4.0", commit="ab" * 20)),
        "same",
    ),
    "first": (case(proven("1.5.0")), "first"),
    "first-with-provenance": (case(proven("1.5.0"), missing("1.4.0")), "first"),
    "after-a-refused-one": (case(proven("1.5.0"), refused("1.4.0")), "first"),
    "as-before-a-gap": (case(proven("1.5.0"), missing("1.4.0"), proven("1.3.0")), "first"),
    "first-of-a-request": (case(proven("1.5.0", ref="refs/pull/1/merge")), "changed"),
    "other-repository": (
        case(proven("1.5.0", repository_id="7", **MOVED), proven("1.4.0")),
        "changed",
    ),
    "other-repository-after-a-gap": (
        case(proven("1.5.0", repository_id="7", **MOVED), missing("1.4.0"), proven("1.3.0")),
        "changed",
    ),
    "other-branch": (case(proven("1.5.0", ref="refs/heads/x"), proven("1.4.0")), "changed"),
    "other-branch-as-pinned": (
        case(
            proven("1.5.0", ref="refs/heads/x"),
            proven("1.4.0"),
            expected=pinned(ref_pattern="refs/heads/x"),
        ),
        "same",
    ),
    "not-as-pinned": (
        case(proven("1.5.0"), proven("1.4.0"), expected=pinned(environment="npm")),
        "changed",
    ),
    "unlike-git-head": (case(proven("1.5.0"), proven("1.4.0"), git_head="ef" * 20), "changed"),
    "missing": (case(missing("1.5.0")), "missing"),
    "missing-after-a-refused-one": (case(missing("1.5.0"), refused("1.4.0")), "missing"),
    "missing-though-pinned": (case(missing("1.5.0"), expected=pinned()), "missing"),
    "lost": (case(missing("1.5.0"), proven("1.4.0")), "lost"),
    "refused": (case(refused("1.5.0"), proven("1.4.0")), "refused"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict(name: str) -> None:
    about, verdict = VERDICTS[name]
    assert verdict_of(about) == verdict


@given(st.data())
def test_as_always_means_that_no_line_says_otherwise_and_the_sentence_agrees(
    data: st.DataObject,
) -> None:
    names = ("repository_id", "workflow", "ref", "trigger", "runner", "builder", "environment")
    facts = {name: st.sampled_from(["", "a", getattr(BUILT, name)]) for name in names}
    facts["runner"] = st.sampled_from(["", "hosted", "self-hosted"])
    now, before = (data.draw(st.fixed_dictionaries(facts)) for _ in range(2))
    about = case(proven("1.5.0", **now), proven("1.4.0", **before))
    has_changes = any(line.verdict == "changed" for line in lines_of(about))
    is_same = verdict_of(about) == "same"
    assert not (is_same and has_changes)
    assert sentence_of(about).endswith(", as 1.4.0 was.") == is_same

"""The verdict in a word."""

import pytest

from approvals.provenance.case import Case
from approvals.provenance.verdict import verdict_of
from tests.approvals.provenance.cases import MOVED, case, missing, pinned, proven, refused

VERDICTS: dict[str, tuple[Case, str]] = {
    "not-looked-yet": (case(None, proven("1.4.0"), expected=pinned()), ""),
    "as-always": (case(proven("1.5.0"), proven("1.4.0")), "same"),
    "nothing-serious": (
        case(proven("1.5.0", runner="self-hosted"), proven("1.4.0"), actor_type="user"),
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

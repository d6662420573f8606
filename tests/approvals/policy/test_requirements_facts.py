"""What must be proven, found and named."""

from typing import Any

import pytest

from approvals.inspection.finding import Severity
from approvals.policy.answers import Outcome
from approvals.policy.case import Overridden, WantedChanges
from approvals.policy.evaluate import answers_of
from approvals.policy.requirement import SettingRefused
from approvals.queue.models import State
from tests.approvals.policy.cases import (
    ADA,
    EVERYBODY,
    GRACE,
    NOW,
    ROOT,
    answered,
    case,
    finding,
    made,
    policy,
)
from tests.approvals.provenance import cases as provenance

PINNED = {"pinned": "yes"}


# Provenance


def test_what_was_not_looked_up_is_not_yet() -> None:
    for known in (None, provenance.case(None)):
        answer = answered("provenance", case(provenance=known))
        assert answer.outcome is Outcome.NOT_YET
        assert answer.next_step == "Countersign does this by itself."


def test_missing_and_refused_are_blocked_with_what_to_do() -> None:
    missing = answered("provenance", case(provenance=provenance.case(provenance.missing("1.5.0"))))
    assert missing.outcome is Outcome.BLOCKED
    assert "Hand its bundle in" in missing.next_step
    proof = provenance.refused("1.5.0", "It was made for \u202eanother tarball.")
    refused = answered("provenance", case(provenance=provenance.case(proof)))
    assert refused.outcome is Outcome.BLOCKED
    assert "does not hold. It was made for \\u202eanother tarball." in refused.sentence
    assert refused.next_step


def test_verified_is_enough_where_no_publisher_is_wanted() -> None:
    judged = case(provenance=provenance.case(provenance.proven("1.5.0")))
    answer = answered("provenance", judged)
    assert answer.holds
    assert answer.sentence == "It is proven to be built from acme/left-pad."


def test_the_pinned_publisher() -> None:
    as_pinned = provenance.case(provenance.proven("1.5.0"), expected=provenance.pinned())
    assert answered("provenance", case(provenance=as_pinned), **PINNED).holds
    moved = provenance.case(
        provenance.proven("1.5.0", **provenance.MOVED, repository_id="66"),
        expected=provenance.pinned(),
    )
    assert answered("provenance", case(provenance=moved)).holds
    answer = answered("provenance", case(provenance=moved), **PINNED)
    assert answer.outcome is Outcome.BLOCKED
    assert "mallory/left-pad, but not as it is pinned" in answer.sentence
    assert "another repository" in answer.sentence
    assert "release manager" in answer.next_step


def test_nothing_pinned_is_blocked_where_a_pin_is_wanted() -> None:
    judged = case(provenance=provenance.case(provenance.proven("1.5.0")))
    answer = answered("provenance", judged, **PINNED)
    assert answer.outcome is Outcome.BLOCKED
    assert "nobody has said where" in answer.sentence


# Findings


def test_no_open_finding_at_or_above() -> None:
    found = [finding("f1", Severity.HIGH), finding("f2", Severity.LOW)]
    assert answered("findings", case(findings=found), severity="critical").holds
    answer = answered("findings", case(findings=found), severity="high")
    assert answer.outcome is Outcome.BLOCKED
    assert answer.sentence == "High: It runs setup.js on installation."
    assert not answer.may_be_overridden
    assert answer.asks == {one.key for one in EVERYBODY}
    both = answered("findings", case(findings=found), severity="low")
    assert "and 1 more" in both.sentence


def test_looked_at_is_not_open() -> None:
    found = [finding("f1", Severity.CRITICAL, looked_at_by=ADA)]
    assert answered("findings", case(findings=found), severity="low").holds


def test_an_override_covers_what_was_found_then() -> None:
    typed = {"severity": "high", "overridable": "yes"}
    found = [finding("f1"), finding("f2", Severity.CRITICAL), finding("f3", Severity.LOW)]
    open_ = answered("findings", case(findings=found), **typed)
    assert open_.outcome is Outcome.BLOCKED
    assert open_.may_be_overridden
    assert open_.evidence == ("f1", "f2")
    passed = Overridden("findings", "Ada", "The script only prints", frozenset({"f1", "f2"}))
    covered = answered("findings", case(findings=found, overridden=(passed,)), **typed)
    assert covered.holds
    assert "Ada let it pass: “The script only prints”." in covered.sentence
    later = [*found, finding("f4")]
    again = answered("findings", case(findings=later, overridden=(passed,)), **typed)
    assert again.outcome is Outcome.BLOCKED
    assert "found after it was let pass" in again.sentence
    assert again.evidence == ("f1", "f2", "f4")
    rest = Overridden("findings", "Grace", "So is this", frozenset({"f4"}))
    assert answered("findings", case(findings=later, overridden=(passed, rest)), **typed).holds


@pytest.mark.parametrize(
    ("typed", "requirement"),
    [
        ({"severity": "high"}, "findings"),
        ({"severity": "high", "overridable": "yes"}, "provenance"),
    ],
)
def test_an_override_of_what_may_not_be_or_of_another_requirement_is_none(
    typed: dict[str, str], requirement: str
) -> None:
    passed = Overridden(requirement, "Ada", "Because", frozenset({"f1"}))
    answer = answered("findings", case(findings=[finding()], overridden=(passed,)), **typed)
    assert answer.outcome is Outcome.BLOCKED


def test_findings_are_not_known_before_it_is_compared() -> None:
    answer = answered("findings", case(step="", baseline_version=""), severity="high")
    assert answer.outcome is Outcome.NOT_YET


@pytest.mark.parametrize("severity", ["", "info", "High", "none"])
def test_no_severity(severity: str) -> None:
    with pytest.raises(SettingRefused, match="Choose one of"):
        made("findings", severity=severity)


# Dist-tags


@pytest.mark.parametrize(
    ("tag", "may"),
    [
        ("latest", True),
        ("next", False),
        ("next-14", True),
        ("xnext-14", False),
        ("Latest", False),
        ("latest ", False),
        ("", False),
    ],
)
def test_dist_tags(tag: str, may: bool) -> None:
    answer = answered("dist_tags", case(tag=tag), tags="latest\nnext-*")
    assert answer.holds == may
    if not may:
        assert answer.outcome is Outcome.BLOCKED
        assert "only latest or next-*" in answer.sentence
        assert "staged again" in answer.next_step


def test_a_hundred_dist_tags() -> None:
    lines = "\n".join(f"v{number}-lts" for number in range(100))
    assert answered("dist_tags", case(tag="v99-lts"), tags=lines).holds
    answer = answered("dist_tags", case(tag="v100-lts"), tags=lines)
    assert answer.sentence.endswith("only v0-lts, v1-lts, v2-lts, v3-lts, v4-lts and 95 more.")


@pytest.mark.parametrize(
    "tags", ["", " ", "two words", "a|b", "x" * 101, "****", "\n".join("ab" * 60), "a\0b"]
)
def test_no_dist_tags(tags: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        made("dist_tags", tags=tags)
    assert refused.value.option == "tags"


# What holds everywhere


def test_what_somebody_wants_changed_is_blocked() -> None:
    wanted = WantedChanges(GRACE.key, "Grace", "Remove the script", NOW)
    answers = {one.requirement: one for one in answers_of(case(wanted_changes=(wanted,)), policy())}
    assert answers["changes_requested"].outcome is Outcome.BLOCKED
    assert "Grace wants changes: “Remove the script”." in answers["changes_requested"].sentence
    assert answers["changes_requested"].asks == {GRACE.key, ROOT.key}


@pytest.mark.parametrize("state", [one for one in State if one != State.STAGED])
def test_only_what_waits_is_decided(state: Any) -> None:
    judged = case(action="reject")
    judged.version.state = state
    [answer] = [one for one in answers_of(judged, policy()) if one.requirement == "still_waiting"]
    assert answer.outcome is Outcome.BLOCKED

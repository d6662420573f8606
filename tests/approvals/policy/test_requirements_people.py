"""Who may not count, who has to, and who is asked."""

from typing import Any

import pytest

from approvals.inspection.finding import Severity
from approvals.policy.answers import Outcome
from approvals.policy.evaluate import answers_of, counting
from approvals.policy.requirement import SettingRefused
from tests.approvals.policy.cases import (
    ADA,
    GRACE,
    LINUS,
    ROOT,
    answered,
    case,
    finding,
    made,
    policy,
)
from tests.approvals.provenance import cases as provenance

BOTH = {"stager": "yes", "triggerer": "yes"}


def built(**facts: str) -> Any:
    return provenance.case(provenance.proven("1.5.0", **facts))


# Somebody else than who staged it or triggered the build


def test_who_staged_it_does_not_count_and_may_not_approve() -> None:
    judged = case(ADA, actor="ada-npm", stagers=frozenset({ADA.key}), provenance=built())
    rules = policy(independent=BOTH, approvals={"wanted": "1 of anyone"})
    assert counting(judged, rules) == []
    answer = answered("independent", judged, **BOTH)
    assert answer.holds
    assert "Ada staged it, and does not count." in answer.sentence
    now = answered("independent", case(**_without_votes(judged)).voted_by(ADA), **BOTH)
    assert now.outcome is Outcome.BLOCKED
    assert now.sentence == "Ada staged it."
    assert now.next_step == "Somebody else approves it."
    assert not now.is_about_approvals
    assert answered("independent", case(**_without_votes(judged)).voted_by(GRACE), **BOTH).holds


def _without_votes(judged: Any) -> dict[str, Any]:
    return {
        "actor": judged.version.actor,
        "stagers": judged.stagers,
        "triggerers": judged.triggerers,
        "provenance": judged.provenance,
    }


def test_whom_the_provenance_names_does_not_count_and_may_not_approve() -> None:
    fields = {
        "triggerers": frozenset({GRACE.key}),
        "provenance": built(triggered_by="grace-at-gitlab"),
    }
    rules = policy(independent=BOTH, approvals={"wanted": "1 of anyone"})
    assert counting(case(GRACE, **fields), rules) == []
    assert "Grace triggered the build" in answered("independent", case(**fields), **BOTH).sentence
    blocked = answered("independent", case(**fields).voted_by(GRACE), **BOTH)
    assert blocked.outcome is Outcome.BLOCKED
    assert blocked.sentence == "Grace triggered the build, as its provenance says."


def test_each_half_holds_by_itself() -> None:
    judged = case(
        ADA,
        GRACE,
        stagers=frozenset({ADA.key}),
        triggerers=frozenset({GRACE.key}),
        provenance=built(),
    )
    wanted = {"wanted": "1 of anyone"}
    only_stager = policy(independent={"stager": "yes"}, approvals=wanted)
    only_triggerer = policy(independent={"triggerer": "yes"}, approvals=wanted)
    assert [one.by for one in counting(judged, only_stager)] == [GRACE]
    assert [one.by for one in counting(judged, only_triggerer)] == [ADA]


def test_it_is_not_known_who_triggered_what_was_not_looked_up() -> None:
    for known in (None, provenance.case(None)):
        answer = answered("independent", case(provenance=known), **BOTH)
        assert answer.outcome is Outcome.NOT_YET
        assert "has not been looked up" in answer.sentence
        assert answered("independent", case(provenance=known), stager="yes").holds


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "release-bot staged it, which is nobody's linked account here."),
        ({"actor": ""}, "The registry does not say who staged it."),
        ({"actor": "x\u202ey z"}, "“x\\u202ey z” staged it"),
        ({"stagers": frozenset({12345})}, "release-bot staged it, who may not approve it."),
        ({}, "Its provenance does not say who triggered the build."),
        ({"provenance": built(triggered_by="zoe x")}, "zoe or x triggered the build, which is nob"),
        (
            {"provenance": built(triggered_by="zoe"), "triggerers": frozenset({12345})},
            "zoe triggered the build, who may not approve it.",
        ),
        (
            {"provenance": provenance.case(provenance.missing("1.5.0"))},
            "No provenance says who triggered the build.",
        ),
    ],
)
def test_who_has_no_account_here_is_named(fields: dict[str, Any], words: str) -> None:
    answer = answered("independent", case(**{"provenance": built(), **fields}), **BOTH)
    assert answer.holds
    assert words in answer.sentence


def test_rejecting_is_for_everybody() -> None:
    judged = case(action="reject", stagers=frozenset({ADA.key})).voted_by(ADA)
    answers = answers_of(judged, policy(independent=BOTH))
    assert "independent" not in {one.requirement for one in answers}


def test_neither_of_the_two_is_no_requirement() -> None:
    with pytest.raises(SettingRefused, match="at least one"):
        made("independent")
    assert made("independent", **BOTH).in_words() == (
        "Not approved by who staged it nor by whom the provenance says triggered the build."
    )


# An administrator for a first release


def test_a_first_release_wants_an_administrator() -> None:
    waiting = answered("first_release", case(ADA, step="first", baseline_version=""))
    assert waiting.outcome is Outcome.NOT_YET
    assert waiting.asks == {ROOT.key}
    assert waiting.is_about_approvals
    approved = answered("first_release", case(ADA, ROOT, step="first"))
    assert approved.holds
    assert "Root has approved it" in approved.sentence


def test_any_other_release_does_not() -> None:
    assert answered("first_release", case(step="major")).holds


def test_a_first_release_is_not_known_before_it_is_compared() -> None:
    answer = answered("first_release", case(ROOT, step=""))
    assert answer.outcome is Outcome.NOT_YET
    assert not answer.is_about_approvals


def test_a_first_release_without_an_administrator_is_blocked() -> None:
    answer = answered("first_release", case(step="first", deciders=(ADA, GRACE)))
    assert answer.outcome is Outcome.BLOCKED
    assert answer.next_step == "Make somebody else an administrator."


def test_the_administrator_who_staged_it_does_not_count() -> None:
    rules = policy(first_release={}, independent={"stager": "yes"})
    judged = case(ROOT, step="first", stagers=frozenset({ROOT.key}))
    answer = next(one for one in answers_of(judged, rules) if one.requirement == "first_release")
    assert answer.outcome is Outcome.BLOCKED


# Whom to ask


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, {ADA, GRACE}),
        ({"step": "major"}, {ADA, GRACE, LINUS}),
        ({"package": "ms"}, set()),
        ({"package": "ms", "findings": [finding()]}, {GRACE}),
        ({"package": "ms", "findings": [finding(looked_at_by=GRACE)]}, set()),
    ],
)
def test_routing_by_package_step_and_finding(fields: dict[str, Any], asked: set) -> None:
    lines = "frontend for @acme/*\n@linus for major\nsecurity for finding high"
    answer = answered("ask_for", case(**fields), lines=lines)
    assert answer.holds
    assert answer.asks == {one.key for one in asked}


def test_routing_never_stands_in_the_way() -> None:
    answer = answered("ask_for", case(), lines="gone or @mallory")
    assert answer.holds
    assert answer.asks == frozenset()
    assert "nobody of them may approve it, so anyone is asked" in answer.sentence


@pytest.mark.parametrize(
    "lines", ["", "frontend backend", "for major", "\n".join(["frontend"] * 51), "a for b"]
)
def test_routing_that_cannot_be_meant_is_refused(lines: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        made("ask_for", lines=lines)
    assert refused.value.option == "lines"


def test_routing_in_words() -> None:
    requirement = made("ask_for", lines="frontend for @acme/ui-*\nsecurity or @ada")
    assert requirement.in_words() == "Asked to approve: frontend for @acme/ui-*; security or @ada."
    assert requirement.names() == {"frontend", "security", "@ada"}


@pytest.mark.parametrize(
    ("lines", "fields", "urgent"),
    [
        ("finding critical", {}, False),
        ("finding critical", {"findings": [finding()]}, False),
        ("finding high", {"findings": [finding()]}, True),
        ("finding high", {"findings": [finding(severity=Severity.CRITICAL)]}, True),
        ("finding high", {"findings": [finding(looked_at_by=GRACE)]}, False),
        ("patch\nmajor for @acme/*", {"step": "major"}, True),
        ("patch\nmajor for @acme/*", {"step": "major", "package": "ms"}, False),
        ("major", {"step": ""}, False),
        ("package ms or left-pad", {"package": "ms"}, True),
        ("*", {}, True),
    ],
)
def test_what_is_urgent(lines: str, fields: dict[str, Any], urgent: bool) -> None:
    answer = answered("urgent", case(**fields), lines=lines, wait="10 minutes")
    assert answer.is_urgent is urgent
    assert answer.holds
    assert ("after at most 10 minutes" in answer.sentence) is urgent


def test_whoever_does_not_count_calms_nothing_by_looking_at_it() -> None:
    # Ada staged it, so that her approval does not count.
    judged = case(findings=[finding(looked_at_by=ADA)], stagers=frozenset({ADA.key}))
    own = policy(
        independent={"stager": "yes"}, urgent={"lines": "finding high", "wait": "5 minutes"}
    )
    assert any(one.is_urgent for one in answers_of(judged, own))
    assert not any(one.is_urgent for one in answers_of(case(findings=judged.findings), own))


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("lines", ""),
        ("lines", "finding"),
        ("lines", "security"),
        ("lines", "major for minor"),
        ("lines", "\n".join(["major"] * 51)),
        ("wait", ""),
        ("wait", "0 minutes"),
        ("wait", "2 days"),
    ],
)
def test_urgency_that_cannot_be_meant_is_refused(option: str, text: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        made("urgent", **{"lines": "major", "wait": "5 minutes", option: text})
    assert refused.value.option == option


def test_urgency_in_words() -> None:
    requirement = made("urgent", lines="finding critical\nmajor for @acme/*", wait="60 minutes")
    assert requirement.in_words() == (
        "Urgent: finding critical or major for @acme/*; the next is asked after at most 1 hour."
    )

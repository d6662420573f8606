"""How many approvals, of whom; and when one is void."""

from dataclasses import replace

import pytest

from approvals.inspection.finding import Severity
from approvals.people.models import Role
from approvals.policy.answers import Answer, Outcome
from approvals.policy.book import DEFAULT
from approvals.policy.case import Case
from approvals.policy.evaluate import answers_of, counting, progress, void_reason, waits_for
from approvals.policy.requirement import SettingRefused
from tests.approvals.policy.cases import (
    ADA,
    EVERYBODY,
    GRACE,
    LINUS,
    ROOT,
    answered,
    approval,
    case,
    finding,
    made,
    person,
    policy,
)


def look(judged: Case, wanted: str, **typed: str) -> Answer:
    return answered("approvals", judged, wanted=wanted, **typed)


def numbers(judged: Case, wanted: str, **typed: str) -> tuple[int, int]:
    return progress(judged, policy(approvals={"wanted": wanted, **typed}))


def test_by_default_one_approval_by_anyone() -> None:
    [answer] = [one for one in answers_of(case(), DEFAULT) if one.requirement == "approvals"]
    assert answer.outcome is Outcome.NOT_YET
    assert answer.sentence == "0 of 1 have approved."
    assert answer.next_step == "Somebody approves."
    assert answer.asks == {one.key for one in EVERYBODY}
    assert answer.is_about_approvals
    [answer] = [one for one in answers_of(case(LINUS), DEFAULT) if one.requirement == "approvals"]
    assert answer.holds
    assert answer.sentence == "1 of 1 have approved: Linus."
    typed = made("approvals", wanted="1 of anyone").typed()
    typed |= {"void_on_finding": "yes", "void_on_baseline": "yes", "void_on_policy": "yes"}
    assert made("approvals", **typed).settings == DEFAULT.requirements["approvals"]


def test_two_of_a_team_are_two_people_of_that_team() -> None:
    answer = look(case(ADA, LINUS, ROOT), "2 of frontend")
    assert answer.outcome is Outcome.NOT_YET
    assert answer.sentence == "1 of 2 of frontend have approved: Ada."
    assert answer.next_step == "Somebody of frontend approves."
    assert answer.asks == {GRACE.key}
    assert look(case(ADA, GRACE), "2 of frontend").holds
    # Two votes of one person would be one too many, wherever they came from.
    assert numbers(case(ADA, LINUS, ROOT), "2 of frontend") == (1, 2)


def test_one_person_never_makes_two_of_a_line() -> None:
    for wanted in ("2 of anyone", "2 of frontend or @grace or security"):
        assert not look(case(GRACE), wanted).holds
        assert numbers(case(GRACE), wanted) == (1, 2)


def test_somebody_in_two_teams_counts_for_both_unless_each_counts_once() -> None:
    both = "1 of frontend\n1 of security"
    assert look(case(GRACE), both).holds
    assert numbers(case(), both) == (0, 1)
    once = look(case(GRACE), both, counts_for="one")
    assert once.outcome is Outcome.NOT_YET
    assert numbers(case(), both, counts_for="one") == (0, 2)
    # Who approved first for frontend makes room where only they can do for security.
    assert look(case(GRACE, ADA), both, counts_for="one").holds
    assert look(case(ADA, GRACE), both, counts_for="one").holds
    assert not look(case(GRACE, LINUS), both, counts_for="one").holds


def test_too_few_for_each_to_count_once() -> None:
    answer = look(case(GRACE), "1 of security\n1 of @grace", counts_for="one")
    assert answer.outcome is Outcome.BLOCKED
    assert "too few people" in answer.sentence


def test_more_of_anyone_and_one_of_a_team() -> None:
    wanted = "2 of anyone\n1 of security for minor"
    assert numbers(case(), wanted) == (0, 2)
    assert numbers(case(ADA, LINUS), wanted) == (2, 3)
    answer = look(case(ADA, LINUS), wanted)
    assert answer.asks == {GRACE.key}
    assert "0 of 1 of security (for minor)" in answer.sentence
    assert look(case(ADA, GRACE), wanted).holds


@pytest.mark.parametrize(
    ("wanted", "fields", "is_meant"),
    [
        ("1 of security for major", {"step": "major"}, True),
        ("1 of security for major", {"step": "minor"}, False),
        ("1 of security for major or first", {"step": "first"}, True),
        ("1 of security for major", {"step": "prerelease", "number": "2.0.0-rc.1"}, True),
        ("1 of security for major", {"step": "prerelease", "number": "1.5.0-rc.1"}, False),
        ("1 of security for prerelease", {"step": "prerelease", "number": "1.5.0-rc.1"}, True),
        ("1 of security for major", {"step": "unknown", "number": "x"}, True),
        ("1 of security for @acme/*", {}, True),
        ("1 of security for @acme/*", {"package": "acme"}, False),
        ("1 of security for package left-pad or ms", {"package": "ms"}, True),
        ("1 of security for finding high", {"findings": [finding()]}, True),
        ("1 of security for finding critical", {"findings": [finding()]}, False),
        ("1 of security for finding high", {"findings": []}, False),
        ("1 of security for finding high for major", {"findings": [finding()]}, False),
    ],
)
def test_a_line_may_be_for_some_versions_only(wanted: str, fields: dict, is_meant: bool) -> None:
    answer = look(case(**fields), wanted)
    assert answer.holds != is_meant
    assert ("security" in answer.sentence) == is_meant


def test_only_those_who_are_asked_can_take_their_finding_off_a_line() -> None:
    wanted = "1 of security for finding high"
    assert not look(case(findings=[finding(looked_at_by=ADA)]), wanted).holds
    assert look(case(findings=[finding(looked_at_by=GRACE)]), wanted).holds
    # Where nobody is left of them, nobody else takes it off instead.
    alone = case(ADA, deciders=(ADA, LINUS), findings=[finding(looked_at_by=ADA)])
    assert look(alone, wanted).outcome is Outcome.BLOCKED


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("1 of @ADA", {ADA}),
        ("1 of administrators", {ROOT}),
        ("1 of release-managers", {ROOT}),
        ("1 of security or @linus", {GRACE, LINUS}),
    ],
)
def test_people_and_groups(wanted: str, asked: set) -> None:
    assert look(case(), wanted).asks == {one.key for one in asked}
    [first, *_] = asked
    assert look(case(first), wanted).holds


def test_release_managers_have_a_group_and_administrators_are_in_it() -> None:
    mary = person("mary", role=Role.RELEASE_MANAGER)
    answer = look(case(deciders=(*EVERYBODY, mary)), "2 of release-managers")
    assert answer.asks == {mary.key, ROOT.key}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("2 of security", "But only 1 of security can approve"),
        ("1 of @mallory", "But nobody of @mallory can approve"),
        ("5 of anyone", "But only 4 can approve"),
        ("1 of gone", "There is no team called “gone”."),
        ("1 of gone or lost", "There is no team called “gone” or “lost”."),
    ],
)
def test_what_nobody_can_satisfy_is_blocked_and_says_so(wanted: str, words: str) -> None:
    answer = look(case(), wanted)
    assert answer.outcome is Outcome.BLOCKED
    assert words in answer.sentence
    assert answer.next_step
    assert not answer.is_about_approvals


def test_a_removed_team_beside_others_who_can() -> None:
    assert look(case(ADA), "1 of gone or frontend").holds


def test_who_does_not_count_is_neither_counted_nor_asked() -> None:
    rules = policy(
        approvals={"wanted": "2 of frontend"}, independent={"stager": "yes", "triggerer": ""}
    )
    judged = case(ADA, stagers=frozenset({ADA.key}))
    answer = next(one for one in answers_of(judged, rules) if one.requirement == "approvals")
    assert answer.outcome is Outcome.BLOCKED
    assert "only 1 of frontend" in answer.sentence
    assert counting(judged, rules) == []


def test_no_line_for_a_version_lets_whoever_approves_decide() -> None:
    answer = look(case(), "1 of security for major")
    assert answer.holds
    assert "whoever approves decides" in answer.sentence
    assert numbers(case(), "1 of security for major") == (0, 1)
    assert numbers(case(LINUS), "1 of security for major") == (1, 1)


def test_without_the_requirement_one_approval_decides() -> None:
    assert progress(case(), policy(expiry={"days": "3"})) == (0, 1)


# What voids an approval


def test_a_new_finding_voids() -> None:
    rules = policy(approvals={"wanted": "1 of anyone", "void_on_finding": "yes"})
    judged = case(approval(ADA, [finding("f1")]), findings=[finding("f1"), finding("f2")])
    assert "setup.js" in void_reason(judged.approvals[0], judged, rules)
    assert counting(judged, rules) == []
    assert progress(judged, rules) == (0, 1)


def test_what_was_seen_and_what_is_only_good_to_know_voids_nothing() -> None:
    rules = policy(approvals={"wanted": "1 of anyone", "void_on_finding": "yes"})
    judged = case(
        approval(ADA, [finding("f1")]),
        findings=[finding("f1", looked_at_by=ADA), finding("f2", Severity.INFO)],
    )
    assert void_reason(judged.approvals[0], judged, rules) == ""


def test_another_baseline_voids_once_it_is_compared_with() -> None:
    rules = policy(approvals={"wanted": "1 of anyone", "void_on_baseline": "yes"})
    judged = case(ADA, baseline_version="1.4.3")
    assert "1.4.2; now it is compared with 1.4.3" in void_reason(judged.approvals[0], judged, rules)
    again = case(ADA, baseline_version="", step="")
    assert void_reason(again.approvals[0], again, rules) == ""


def test_another_policy_voids_where_the_policy_says_so() -> None:
    judged = case(ADA, policy="b" * 64)
    strict = policy(approvals={"wanted": "1 of anyone", "void_on_policy": "yes"})
    mild = policy(approvals={"wanted": "1 of anyone"})
    assert "policy" in void_reason(judged.approvals[0], judged, strict)
    assert void_reason(judged.approvals[0], judged, mild) == ""


def test_nothing_voids_where_nothing_is_ticked() -> None:
    rules = policy(approvals={"wanted": "1 of anyone"})
    judged = case(ADA, policy="b" * 64, baseline_version="9.9.9", findings=[finding()])
    judged = replace(judged, approvals=(approval(ADA),))
    assert void_reason(judged.approvals[0], judged, rules) == ""


def test_who_approves_now_does_so_with_everything_before_their_eyes() -> None:
    rules = policy(approvals={"wanted": "2 of frontend", "void_on_finding": "yes"})
    stale = case(approval(ADA), findings=[finding()])
    answers = answers_of(stale.voted_by(GRACE), rules)
    answer = next(one for one in answers if one.requirement == "approvals")
    assert answer.sentence == "1 of 2 of frontend have approved: Grace."
    assert answer.asks == {ADA.key}
    fresh = stale.voted_by(GRACE)
    assert [one.by for one in counting(fresh, rules)] == [GRACE]


# Whom it waits for


def test_lists_wait_for_those_who_are_to_be_asked() -> None:
    rules = policy(
        approvals={"wanted": "2 of anyone"}, ask_for={"lines": "security for minor\n@ada for major"}
    )
    answers = [one for one in answers_of(case(), rules) if one.requirement in rules.requirements]
    assert waits_for(answers) == {GRACE.key}
    # Once she has approved, somebody else has to.
    answers = [
        one for one in answers_of(case(GRACE), rules) if one.requirement in rules.requirements
    ]
    assert waits_for(answers) == {ADA.key, LINUS.key, ROOT.key}


# What is typed


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("", "at least one line"),
        ("\n \r\n", "at least one line"),
        ("0 of frontend", "from 1 to 20"),
        ("21 of frontend", "from 1 to 20"),
        ("frontend", "how many of whom"),
        ("two of frontend", "how many of whom"),
        ("² of frontend", "how many of whom"),
        ("1 of", "how many of whom"),
        ("1 of frontend security", "Put “or” between"),
        ("1 of frontend for", "cannot be read"),
        ("1 of for major", "cannot be read"),
        ("1 of or", "nobody's name"),
        ("1 of @", "nobody's name"),
        ("1 of front/end", "nobody's name"),
        ("2 of approvers", "nobody's name"),
        ("1 of frontend for huge", "for finding high"),
        ("1 of frontend for left-pad", "for package left-pad"),
        ("1 of frontend for finding", "names no severity"),
        ("1 of frontend for finding bad", "names no severity"),
        ("1 of frontend for major for minor", "says twice"),
        ("1 of frontend for @acme/****", "stars"),
        ("1 of frontend for package a'b", "names no packages"),
        ("\n".join(["1 of anyone"] * 21), "at most 20"),
        ("\n".join(["1 of anyone"] * 500), "at most 20"),
        ("1 of " + " or ".join(f"t{n}" for n in range(21)), "at most 20 in a line"),
        ("1 of " + "x" * 10_000, "too long"),
        ("1 of front\0end", "nobody sees"),
        ("1 of front\u202eend", "nobody sees"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_write(wanted: str, words: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        made("approvals", wanted=wanted)
    assert refused.value.option == "wanted"
    assert words in str(refused.value)


def test_a_forged_choice_is_refused() -> None:
    for typed in ({"counts_for": "all"}, {"void_on_policy": "on"}):
        with pytest.raises(SettingRefused):
            made("approvals", wanted="1 of anyone", **typed)


def test_in_words() -> None:
    requirement = made(
        "approvals",
        wanted="2 of frontend\n1  OF Security or @ada FOR MAJOR",
        void_on_finding="yes",
        void_on_policy="yes",
    )
    assert requirement.in_words() == (
        "Approvals: 2 of frontend; 1 of security or @ada for major. An approval is void after a "
        "new finding or a changed policy."
    )
    assert requirement.names() == {"frontend", "security", "@ada"}

"""Settings of every requirement: typed as they are shown, and never what locks a page."""

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.policy.answers import Outcome
from approvals.policy.book import Policy
from approvals.policy.evaluate import answers_of, progress, void_reason
from approvals.policy.requirement import SettingRefused
from approvals.policy.requirements import kinds
from tests.approvals.policy.cases import ADA, case, finding

# How fast the machine is says nothing here.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CONFIGURED = sorted(key for key, kind in kinds().items() if not kind.is_always_in_force)

names = st.one_of(
    st.sampled_from(["anyone", "administrators", "release-managers", "Frontend", "@ada", "@A.b-c"]),
    st.from_regex(r"\Ateam-[a-z0-9_]{1,8}\Z"),
)
steps = st.lists(
    st.sampled_from(["first", "major", "minor", "patch", "lower"]), min_size=1, max_size=3
)
packages = st.lists(st.sampled_from(["@acme/*", "acme-*", "@a/b", "*"]), min_size=1, max_size=3)
conditions = st.tuples(
    st.one_of(st.just(""), steps.map(lambda found: f" for {' or '.join(found)}")),
    st.one_of(st.just(""), st.sampled_from([" for finding high", " for finding low"])),
    st.one_of(
        st.just(""),
        packages.map(lambda found: f" for {' or '.join(found)}"),
        st.just(" for package left-pad or ms"),
    ),
).map("".join)
people = st.lists(names, min_size=1, max_size=4).map(" or ".join)
asked = st.builds(lambda who, when: who + when, people, conditions)
wanted = st.builds(lambda number, rest: f"{number} of {rest}", st.integers(1, 20), asked)
flags = st.sampled_from(["", "yes"])


def lines(one: Any, most: int = 20) -> Any:
    return st.lists(one, min_size=1, max_size=most).map("\n".join)


days = st.dates().filter(lambda day: 2020 <= day.year < 2199)
TYPED: dict[str, Any] = {
    "approvals": st.fixed_dictionaries(
        {
            "wanted": lines(wanted),
            "counts_for": st.sampled_from(["each", "one"]),
            "void_on_finding": flags,
            "void_on_baseline": flags,
            "void_on_policy": flags,
        }
    ),
    "ask_for": st.fixed_dictionaries({"lines": lines(asked)}),
    "dist_tags": st.fixed_dictionaries(
        {"tags": lines(st.from_regex(r"\A[a-z0-9.*-]{1,12}\Z").filter(lambda t: t.count("*") < 4))}
    ),
    "expiry": st.fixed_dictionaries({"days": st.integers(1, 365).map(str)}),
    "findings": st.fixed_dictionaries(
        {
            "severity": st.sampled_from(["critical", "high", "medium", "low"]),
            "overridable": flags,
        }
    ),
    "first_release": st.just({}),
    "independent": st.sampled_from(
        [{"stager": "yes"}, {"triggerer": "yes"}, {"stager": "yes", "triggerer": "yes"}]
    ),
    "minimum_wait": st.fixed_dictionaries(
        {"wait": st.one_of(st.integers(1, 99999).map("{} minutes".format), st.just("2 weeks"))}
    ),
    "provenance": st.fixed_dictionaries({"pinned": flags}),
    "release_times": st.fixed_dictionaries(
        {
            "zone": st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"]),
            "days": st.lists(st.sampled_from(["Mon", "Tue", "Wed-Fri", "Sat-Mon"]), min_size=1).map(
                ",".join
            ),
            "hours": st.sampled_from(["", "09:00-17:00", "22:00-24:00\n0:00-4:30"]),
            "freezes": st.lists(
                st.tuples(days, st.sampled_from(["", " Christmas", " to be sure"])).map(
                    lambda one: f"{one[0]}{one[1]}"
                ),
                max_size=5,
            ).map("\n".join),
        }
    ),
    "urgent": st.fixed_dictionaries(
        {
            "lines": lines(conditions.map(lambda found: found.removeprefix(" for ")).filter(bool)),
            "wait": st.one_of(st.integers(1, 1440).map("{} minutes".format), st.just("2 hours")),
        }
    ),
}


def test_each_is_tried() -> None:
    assert sorted(TYPED) == CONFIGURED


@pytest.mark.parametrize("key", CONFIGURED)
@patient
@given(data=st.data())
def test_typing_what_is_shown_keeps_the_settings(key: str, data: Any) -> None:
    kind = kinds()[key]
    kept = json.loads(json.dumps(kind.checked(data.draw(TYPED[key]))))
    shown = kind(kept).typed()
    assert set(shown) == {option.name for option in kind.options}
    assert json.loads(json.dumps(kind.checked(shown))) == kept
    assert kind(kept).in_words().endswith(".")


@pytest.mark.parametrize("key", CONFIGURED)
def test_what_an_option_begins_with_can_be_saved(key: str) -> None:
    kind = kinds()[key]
    typed = {option.name: option.initial for option in kind.options}
    if key == "ask_for":
        typed["lines"] = "security for major"
    assert kind(kind.checked(typed)).typed().keys() == typed.keys()


@pytest.mark.parametrize(
    ("key", "option"),
    [(key, option.name) for key in CONFIGURED for option in kinds()[key].options],
)
@patient
@given(text=st.text(max_size=200))
def test_whatever_is_typed_is_kept_or_refused_in_words(key: str, option: str, text: str) -> None:
    kind = kinds()[key]
    others = {one.name: one.initial for one in kind.options}
    try:
        settings = kind.checked({**others, option: text})
    except SettingRefused as error:
        refused = error
    else:
        assert "\0" not in json.dumps(settings)
        return
    assert refused.option in others
    assert len(str(refused)) > 10


@pytest.mark.parametrize("key", [*CONFIGURED, *(k for k in kinds() if k not in CONFIGURED)])
def test_it_is_described_and_answers_in_a_sentence(key: str) -> None:
    kind = kinds()[key]
    assert kind.key == key
    assert kind.title
    assert kind.words or kind.__doc__
    for option in kind.options:
        assert option.label
        assert option.kind != "choice" or option.initial in dict(option.choices)


OTHER_SETTINGS: list[Any] = [
    {},
    {"wanted": 3, "lines": 3, "tags": 3, "days": "many", "severity": "huge", "minutes": None},
    {"wanted": [{"number": "x", "of": [1]}], "lines": [None], "zone": "Mars/Olympus", "tags": None},
    {"wanted": [{"number": 1, "of": []}], "lines": [{"of": {}}], "hours": [[1]], "zone": "UTC"},
]


@pytest.mark.parametrize("key", [key for key in CONFIGURED if key != "first_release"])
@pytest.mark.parametrize("kept", OTHER_SETTINGS)
def test_settings_of_another_version_block_and_are_logged(
    key: str, kept: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rules = Policy("own", "Own", "", "*", {key: kept})
    judged = case(ADA, findings=[finding()])
    with caplog.at_level(logging.ERROR):
        answers = answers_of(judged, rules)
    answer = next(one for one in answers if one.requirement == key)
    assert answer.outcome is Outcome.BLOCKED
    assert "another version of Countersign" in answer.next_step
    assert not answer.is_about_approvals
    assert not answer.may_be_overridden
    assert str(judged.version.stage_id) in caplog.text
    # The others still answer, and no page is locked.
    assert any(one.requirement == "no_alarm" and one.holds for one in answers)
    assert progress(judged, rules) == (1, 1)
    assert void_reason(judged.approvals[0], judged, rules) == ""
    requirement = kinds()[key](kept)
    assert requirement.in_words()
    assert isinstance(requirement.typed(), dict)
    assert isinstance(requirement.names(), frozenset)


def test_a_policy_demands_nothing_that_it_does_not_know() -> None:
    row = {"key": "own", "name": "Own", "registry_url": "", "packages": "*"}
    known = Policy.from_json({**row, "requirements": {"signed_by_the_moon": {}, "expiry": {}}})
    assert list(known.requirements) == ["expiry"]

"""The comparison, fact by fact."""

from typing import Any

import pytest

from approvals.provenance.case import Case
from approvals.provenance.comparison import Line, difference_in_words, lines_of
from tests.approvals.provenance.cases import (
    EARLY,
    MOVED,
    RENAMED,
    case,
    missing,
    pinned,
    proven,
    refused,
)

NOW, THEN = "ab" * 20, "cd" * 20
FACTS = ["repository", "owner", "workflow", "ref", "trigger", "builder", "commit"]


def line(about: Case, fact: str) -> Line:
    (found,) = [line for line in lines_of(about) if line.fact == fact]
    return found


def test_everything_is_as_it_was() -> None:
    about = case(proven("1.5.0", commit=NOW), proven("1.4.0", commit=THEN), proven("1.3.0"))
    since = "as every release since 1.3.0"
    repository, workflow = "github.com/acme/left-pad", ".github/workflows/release.yml"
    assert lines_of(about) == [
        Line("repository", repository, repository, "same", since),
        Line("owner", "github.com/acme", "github.com/acme", "same", since),
        Line("workflow", workflow, workflow, "same", since),
        Line("ref", "main", "main", "same", since),
        Line("trigger", "push", "push", "same", since),
        Line("builder", "hosted runner", "hosted runner", "same", since),
        Line("commit", THEN, NOW, "new", "newer"),
    ]


@pytest.mark.parametrize(
    "before", [None, missing("1.4.0"), refused("1.4.0")], ids=["first", "missing", "refused"]
)
def test_everything_is_new_where_there_is_nothing_to_compare_with(before: Any) -> None:
    lines = lines_of(case(proven("1.5.0"), before))
    assert [line.fact for line in lines] == FACTS
    assert {(line.before, line.verdict, line.note) for line in lines} == {("", "new", "")}
    assert all(line.now for line in lines)


def test_nothing_is_compared_where_nothing_is_proven() -> None:
    for now in (None, missing("1.5.0"), refused("1.5.0")):
        assert lines_of(case(now, proven("1.4.0"))) == []


def test_what_is_new_is_compared_with_the_release_before_the_unproven_one() -> None:
    about = case(proven("1.5.0", ref="refs/heads/x"), missing("1.4.0"), proven("1.3.0"))
    assert line(about, "ref") == Line("ref", "", "x", "new", "unlike 1.3.0, which had main")
    assert line(about, "workflow").note == "as 1.3.0 was"


@pytest.mark.parametrize(
    ("fact", "before", "now", "words", "verdict", "note"),
    [
        (
            "repository",
            {},
            RENAMED,
            ("github.com/acme/left-pad", "github.com/acme/pad-left"),
            "same",
            "renamed from acme/left-pad to acme/pad-left",
        ),
        (
            "repository",
            {},
            {**MOVED, "repository_id": "7"},
            ("github.com/acme/left-pad", "github.com/mallory/left-pad"),
            "changed",
            "",
        ),
        (
            "owner",
            {},
            {**MOVED, "owner_id": "8"},
            ("github.com/acme", "github.com/mallory"),
            "changed",
            "",
        ),
        (
            "repository",
            EARLY,
            {},
            ("github.com/acme/left-pad", "github.com/acme/left-pad"),
            "same",
            "by its address only",
        ),
        ("owner", EARLY, {}, ("github.com/acme", "github.com/acme"), "same", ""),
        ("ref", {}, {"ref": "refs/tags/v1.5.0"}, ("main", "tag v1.5.0"), "changed", ""),
        (
            "ref",
            {"ref": "refs/tags/v1.4.0"},
            {"ref": "refs/tags/v1.5.0"},
            ("tag v1.4.0", "tag v1.5.0"),
            "same",
            "",
        ),
        (
            "ref",
            {"ref": "refs/pull/1/merge"},
            {"ref": "refs/pull/1/merge"},
            ("refs/pull/1/merge", "refs/pull/1/merge"),
            "changed",
            "",
        ),
        ("ref", {"ref": ""}, {}, ("", "main"), "new", ""),
        ("ref", {}, {"ref": ""}, ("main", ""), "changed", "not said"),
        (
            "trigger",
            {},
            {"trigger": "workflow_dispatch"},
            ("push", "workflow_dispatch"),
            "changed",
            "",
        ),
        (
            "builder",
            {},
            {"runner": "self-hosted"},
            ("hosted runner", "self-hosted runner"),
            "changed",
            "",
        ),
        (
            "builder",
            {"runner": "", "builder": "https://ci.example.org/b"},
            {"runner": "", "builder": "https://ci.example.org/b"},
            ("https://ci.example.org/b", "https://ci.example.org/b"),
            "same",
            "",
        ),
        (
            "builder",
            {"runner": "", "builder": "https://ci.example.org/b"},
            {},
            ("https://ci.example.org/b", "hosted runner"),
            "new",
            "",
        ),
        (
            "builder",
            {"runner": ""},
            {"runner": "self-hosted"},
            ("https://github.com/actions/runner/github-hosted", "self-hosted runner"),
            "changed",
            "",
        ),
        ("environment", {}, {"environment": "npm"}, ("", "npm"), "new", ""),
        ("environment", {"environment": "npm"}, {}, ("npm", ""), "changed", "not said"),
        (
            "environment",
            {"environment": "npm"},
            {"environment": "test"},
            ("npm", "test"),
            "changed",
            "",
        ),
        ("commit", {"commit": NOW}, {"commit": NOW}, (NOW, NOW), "same", ""),
        (
            "commit",
            {"commit": THEN},
            {"commit": NOW, "hours": 1},
            (THEN, NOW),
            "new",
            "signed before the baseline",
        ),
        ("commit", {"commit": ""}, {"commit": NOW}, ("", NOW), "new", ""),
    ],
    ids=[
        *(
            "renamed",
            "other-repository",
            "transferred",
            "early-repository",
            "early",
            "tag-for-branch",
            "tags",
        ),
        *("pull-requests", "ref-unknown", "ref-not-said", "trigger", "self-hosted", "builder"),
        *("hosted-for-unknown", "self-hosted-for-unknown"),
        *("environment-new", "environment-gone", "environment", "same-commit", "older"),
        "commit-unknown",
    ],
)
def test_a_fact(
    fact: str,
    before: dict[str, Any],
    now: dict[str, Any],
    words: tuple[str, str],
    verdict: str,
    note: str,
) -> None:
    about = case(proven("1.5.0", **now), proven("1.4.0", **before))
    found = line(about, fact)
    assert (found.before, found.now, found.verdict, found.note) == (*words, verdict, note)


def test_early_certificates_tell_only_which_reusable_workflow_signed() -> None:
    reusable = "https://github.com/acme/ci/.github/workflows/p.yml@refs/tags/v1"
    about = case(
        proven("1.5.0", signer_workflow=reusable),
        proven("1.4.0", signer_workflow=reusable, workflow="", workflow_repository=""),
    )
    through = "through https://github.com/acme/ci/.github/workflows/p.yml"
    assert line(about, "workflow") == Line(
        "workflow", through, f".github/workflows/release.yml {through}", "new"
    )


def test_what_is_pinned_is_said() -> None:
    now, before = proven("1.5.0", ref="refs/heads/next"), proven("1.4.0")
    as_pinned = case(now, before, expected=pinned(ref_pattern="refs/heads/*"))
    assert line(as_pinned, "ref") == Line("ref", "main", "next", "changed", "", "met")
    assert line(as_pinned, "workflow").pin == "met"
    assert line(as_pinned, "trigger").pin == ""
    otherwise = case(now, before, expected=pinned())
    assert line(otherwise, "ref") == Line("ref", "main", "next", "changed", "", "unmet")
    assert {line.pin for line in lines_of(case(now, before))} == {""}


def test_what_differs_and_is_called_alike_is_told_apart_by_its_number() -> None:
    about = case(proven("1.5.0", repository_id="7", owner_id="8"), proven("1.4.0"))
    repository = line(about, "repository")
    assert (repository.before, repository.now) == (
        "github.com/acme/left-pad (id 40001)",
        "github.com/acme/left-pad (id 7)",
    )
    owner = line(about, "owner")
    assert (owner.before, owner.now) == ("github.com/acme (id 9001)", "github.com/acme (id 8)")
    assert "id" not in line(about, "workflow").now


USUAL = proven("1.4.0", commit=THEN)
DIFFERENCES = {
    "nothing": (case(proven("1.5.0", commit=THEN), USUAL), "the same commit, and nothing differs"),
    "commit": (case(proven("1.5.0"), USUAL), "another commit, and nothing else differs"),
    "renamed": (
        case(proven("1.5.0", **RENAMED, environment="npm"), USUAL),
        "another commit; the repository was renamed; the environment is new",
    ),
    "upper-case": (
        case(proven("1.5.0", repository="https://github.com/Acme/left-pad"), USUAL),
        "another commit, and nothing else differs",
    ),
    "transferred": (
        case(proven("1.5.0", **MOVED, owner_id="8"), USUAL),
        "another commit; the repository was moved from github.com/acme to github.com/mallory; "
        "another owner",
    ),
    "elsewhere": (
        case(
            proven(
                "1.5.0",
                repository_id="7",
                ref="refs/heads/x",
                workflow="x.yml",
                runner="self-hosted",
                commit=THEN,
            ),
            USUAL,
        ),
        "the same commit; another repository; another workflow; another branch or tag; another "
        "builder",
    ),
    "not-said": (
        case(proven("1.5.0"), proven("1.4.0", environment="npm")),
        "another commit; the environment is not said any more",
    ),
    "no-commit-before": (
        case(proven("1.5.0"), proven("1.4.0", commit="")),
        "a commit that there is nothing to compare with, and nothing else differs",
    ),
    "nothing-to-compare-with": (case(proven("1.5.0"), missing("1.4.0")), ""),
    "nothing-proven": (case(missing("1.5.0"), USUAL), ""),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_difference_in_words(name: str) -> None:
    about, words = DIFFERENCES[name]
    assert difference_in_words(lines_of(about)) == words


def test_a_transfer_is_no_rename() -> None:
    about = case(proven("1.5.0", **MOVED, owner_id="8"), proven("1.4.0"))
    assert line(about, "repository") == Line(
        "repository",
        "github.com/acme/left-pad",
        "github.com/mallory/left-pad",
        "changed",
        "moved from github.com/acme to github.com/mallory",
    )


def test_a_change_back_names_the_release_that_was_built_so() -> None:
    about = case(
        proven("1.5.0", ref="refs/heads/next"),
        proven("1.4.0"),
        proven("1.3.0", ref="refs/heads/next"),
    )
    assert line(about, "ref") == Line("ref", "main", "next", "changed", "as 1.3.0 was")

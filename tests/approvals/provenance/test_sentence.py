"""The sentence that says where a version was built."""

import pytest

from approvals.provenance.case import Case
from approvals.provenance.sentence import sentence_of
from tests.approvals.factories import BUILT
from tests.approvals.provenance.cases import (
    EARLY,
    GITLAB,
    MOVED,
    RENAMED,
    case,
    missing,
    pinned,
    pinned_by_hand,
    proven,
    refused,
)

COMMIT = "f0b49a04e5a62250e0f60fb128004a73110fe311"
NOW = proven("1.5.0", commit=COMMIT)
BUILT_NOW = "Built by release.yml on main of acme/left-pad, commit f0b49a0"
HOTFIX = proven(
    "1.5.0",
    commit=COMMIT,
    workflow=".github/workflows/hotfix.yml",
    signer_workflow=BUILT.signer_workflow.replace("release", "hotfix"),
    ref="refs/heads/fix/login",
)
NOTHING = "No provenance was found: nothing proves where this was built."

SENTENCES: dict[str, tuple[Case, str]] = {
    "not-looked-yet": (case(None, proven("1.4.0")), ""),
    "as-always": (
        case(NOW, proven("1.4.0"), proven("1.3.0"), proven("1.2.0")),
        f"{BUILT_NOW}, as every release since 1.2.0.",
    ),
    "as-always-since-another": (
        case(NOW, proven("1.4.0"), proven("1.3.0"), proven("1.2.0", ref="refs/heads/old")),
        f"{BUILT_NOW}, as every release since 1.3.0.",
    ),
    "a-release-without-provenance-ends-the-run": (
        case(NOW, proven("1.4.0"), proven("1.3.0"), missing("1.2.0"), proven("1.1.0")),
        f"{BUILT_NOW}, as every release since 1.3.0.",
    ),
    "a-release-of-which-nothing-is-known-ends-the-run": (
        case(NOW, proven("1.4.0"), proven("1.3.0"), proven("1.1.0"), history_gap="1.2.0"),
        f"{BUILT_NOW}, as every release since 1.3.0.",
    ),
    "the-newest-release-is-not-known": (
        case(NOW, proven("1.4.0"), proven("1.3.0"), history_gap="1.10.0"),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "made-anew-since-early-certificates": (
        case(
            NOW,
            proven("1.4.0", **EARLY),
            history=(proven("2.0.0", repository_id="7"), proven("1.4.0", **EARLY)),
        ),
        f"{BUILT_NOW}; 1.4.0 was built by release.yml on main of another repository that had this "
        "address.",
    ),
    "as-the-baseline-only": (
        case(NOW, proven("1.4.0"), missing("1.3.0"), proven("1.2.0")),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "as-the-baseline-and-nothing-else-is-known": (
        case(NOW, proven("1.4.0")),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "a-newer-release-was-built-elsewhere": (
        case(
            NOW,
            proven("1.4.0"),
            history=(proven("2.0.0", ref="refs/heads/next"), proven("1.4.0"), proven("1.3.0")),
        ),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "the-baseline-is-not-of-the-run": (
        case(
            NOW,
            proven("1.4.0"),
            history=(proven("2.1.0"), proven("2.0.0"), missing("1.6.0"), proven("1.4.0")),
        ),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "nothing-said-of-workflows": (
        case(proven("1.5.0", workflow="", commit=COMMIT), proven("1.4.0", workflow="")),
        "Built by a workflow without a name on main of acme/left-pad, commit f0b49a0; 1.4.0 was "
        "built by a workflow without a name on main.",
    ),
    "as-always-through-a-rename": (
        case(
            NOW,
            proven("1.4.0", **RENAMED),
            proven("1.3.0", **RENAMED),
        ),
        # What the address was then is the line's and the finding's to say.
        f"{BUILT_NOW}, as every release since 1.3.0.",
    ),
    "tags": (
        case(
            proven("1.5.0", commit=COMMIT, ref="refs/tags/v1.5.0"),
            proven("1.4.0", ref="refs/tags/v1.4.0"),
            proven("1.3.0", ref="refs/tags/v1.3.0"),
        ),
        "Built by release.yml for tag v1.5.0 of acme/left-pad, commit f0b49a0, as every release "
        "since 1.3.0.",
    ),
    "gitlab": (
        case(proven("1.5.0", built=GITLAB, commit=COMMIT), proven("1.4.0", built=GITLAB)),
        "Built by .gitlab-ci.yml on main of acme/left-pad, commit f0b49a0, as 1.4.0 was.",
    ),
    "other-workflow-and-branch": (
        case(HOTFIX, proven("1.4.0")),
        "Built by hotfix.yml on fix/login of acme/left-pad, commit f0b49a0; 1.4.0 was built by "
        "release.yml on main.",
    ),
    "other-repository": (
        case(
            proven("1.5.0", commit=COMMIT, repository_id="7", owner_id="8", **MOVED),
            proven("1.4.0"),
        ),
        "Built by release.yml on main of mallory/left-pad, commit f0b49a0; 1.4.0 was built by "
        "release.yml on main of acme/left-pad.",
    ),
    "same-name-at-another-host": (
        case(proven("1.5.0", built=GITLAB, commit=COMMIT), proven("1.4.0")),
        "Built by .gitlab-ci.yml on main of gitlab.com/acme/left-pad, commit f0b49a0; 1.4.0 was "
        "built by release.yml on main of github.com/acme/left-pad.",
    ),
    "another-repository-with-the-same-address": (
        case(proven("1.5.0", commit=COMMIT, repository_id="7"), proven("1.4.0")),
        f"{BUILT_NOW}; 1.4.0 was built by release.yml on main of another repository that had this "
        "address.",
    ),
    "another-owner-with-the-same-address": (
        case(proven("1.5.0", commit=COMMIT, owner_id="8"), proven("1.4.0")),
        f"{BUILT_NOW}; 1.4.0 was built by release.yml on main when the repository had another "
        "owner.",
    ),
    "transferred": (
        case(proven("1.5.0", commit=COMMIT, owner_id="8", **MOVED), proven("1.4.0")),
        "Built by release.yml on main of mallory/left-pad, commit f0b49a0; 1.4.0 was built by "
        "release.yml on main of acme/left-pad, which had another owner.",
    ),
    "same-file-name-in-another-folder": (
        case(
            proven(
                "1.5.0",
                built=GITLAB,
                commit=COMMIT,
                workflow="x/.gitlab-ci.yml",
                signer_workflow=GITLAB.signer_workflow.replace("//.git", "//x/.git"),
            ),
            proven("1.4.0", built=GITLAB),
        ),
        "Built by x/.gitlab-ci.yml on main of acme/left-pad, commit f0b49a0; 1.4.0 was built by "
        ".gitlab-ci.yml on main.",
    ),
    "another-reusable-workflow": (
        case(
            NOW,
            proven(
                "1.4.0", signer_workflow="https://github.com/acme/ci/.github/workflows/p.yml@v1"
            ),
        ),
        f"{BUILT_NOW}; 1.4.0 was built by release.yml on main, through "
        "https://github.com/acme/ci/.github/workflows/p.yml.",
    ),
    "a-reusable-workflow": (
        case(
            proven(
                "1.5.0",
                commit=COMMIT,
                signer_workflow="https://github.com/acme/left-pad/.github/workflows/p.yml@refs/x",
            ),
            proven("1.4.0"),
        ),
        "Built by release.yml on main of acme/left-pad, through .github/workflows/p.yml, commit "
        "f0b49a0; 1.4.0 was built by release.yml on main.",
    ),
    "self-hosted": (
        case(proven("1.5.0", commit=COMMIT, runner="self-hosted"), proven("1.4.0")),
        f"{BUILT_NOW}, on a self-hosted runner; 1.4.0 was built by release.yml on main, on a "
        "hosted runner.",
    ),
    "self-hosted-and-the-baseline-does-not-say": (
        case(
            proven("1.5.0", commit=COMMIT, runner="self-hosted"),
            proven("1.4.0", runner=""),
            proven("1.3.0", runner="self-hosted"),
        ),
        f"{BUILT_NOW}, on a self-hosted runner; 1.4.0 was built by release.yml on main, on a "
        "runner of which nothing is known.",
    ),
    "self-hosted-since": (
        case(
            proven("1.5.0", commit=COMMIT, runner="self-hosted"),
            proven("1.4.0", runner="self-hosted"),
            proven("1.3.0", runner=""),
        ),
        f"{BUILT_NOW}, on a self-hosted runner, as 1.4.0 was.",
    ),
    "self-hosted-as-always": (
        case(
            proven("1.5.0", commit=COMMIT, runner="self-hosted"),
            proven("1.4.0", runner="self-hosted"),
            proven("1.3.0", runner="self-hosted"),
        ),
        f"{BUILT_NOW}, on a self-hosted runner, as every release since 1.3.0.",
    ),
    "early-certificate": (
        case(NOW, proven("1.4.0", **EARLY)),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "other-environment": (
        case(
            proven("1.5.0", commit=COMMIT, environment="test"),
            proven("1.4.0", environment="npm release"),
        ),
        f"{BUILT_NOW}, in the environment test; 1.4.0 was built by release.yml on main, in the "
        "environment “npm release”.",
    ),
    "no-environment-any-more": (
        case(NOW, proven("1.4.0", environment="npm")),
        f"{BUILT_NOW}, in no environment; 1.4.0 was built by release.yml on main, in the "
        "environment npm.",
    ),
    "an-environment-that-the-baseline-does-not-name": (
        case(proven("1.5.0", commit=COMMIT, environment="npm"), proven("1.4.0")),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "other-trigger": (
        case(proven("1.5.0", commit=COMMIT, trigger="schedule"), proven("1.4.0")),
        f"{BUILT_NOW}, started by schedule; 1.4.0 was built by release.yml on main, started by "
        "push.",
    ),
    "trigger-of-strangers-that-the-baseline-does-not-name": (
        case(proven("1.5.0", commit=COMMIT, trigger="issue_comment"), proven("1.4.0", trigger="")),
        f"{BUILT_NOW}, started by issue_comment; 1.4.0 was built by release.yml on main, started "
        "by something that is not named.",
    ),
    "trigger-of-strangers-as-always": (
        case(
            proven("1.5.0", commit=COMMIT, trigger="issue_comment"),
            proven("1.4.0", trigger="issue_comment"),
        ),
        f"{BUILT_NOW}, started by issue_comment, in the same place as 1.4.0.",
    ),
    "trigger-of-strangers-in-the-first-release": (
        case(proven("1.5.0", commit=COMMIT, trigger="workflow_run")),
        f"{BUILT_NOW}, started by workflow_run. There is no earlier release to compare with.",
    ),
    "trigger-not-said": (
        case(proven("1.5.0", commit=COMMIT, trigger=""), proven("1.4.0")),
        f"{BUILT_NOW}, started by something that is not named; 1.4.0 was built by release.yml on "
        "main, started by push.",
    ),
    "other-builder": (
        case(
            proven("1.5.0", commit=COMMIT, runner="", builder="https://ci.example.org/b"),
            proven("1.4.0", runner="", builder="https://ci.example.org/a"),
        ),
        f"{BUILT_NOW}; 1.4.0 was built by release.yml on main, by the builder "
        "https://ci.example.org/a.",
    ),
    "same-place-and-older": (
        case(proven("1.5.0", commit=COMMIT, hours=1), proven("1.4.0"), proven("1.3.0")),
        f"{BUILT_NOW}, in the same place as 1.4.0.",
    ),
    "same-place-and-unlike-git-head": (
        case(NOW, proven("1.4.0"), git_head="ef" * 20),
        f"{BUILT_NOW}, in the same place as 1.4.0.",
    ),
    "staged-by-a-person": (
        case(NOW, proven("1.4.0"), actor_type="user"),
        f"{BUILT_NOW}, as 1.4.0 was.",
    ),
    "not-compared-yet": (
        case(NOW, is_compared=False),
        f"{BUILT_NOW}; what it is compared with is not known yet.",
    ),
    "not-compared-since": (
        case(NOW, history=(proven("1.3.0"),), is_compared=False),
        f"{BUILT_NOW}; what it is compared with is not known yet.",
    ),
    "missing-and-not-compared-yet": (
        case(missing("1.5.0"), is_compared=False),
        f"{NOTHING} What it is compared with is not known yet.",
    ),
    "first-release": (
        case(NOW),
        f"{BUILT_NOW}. There is no earlier release to compare with.",
    ),
    "first-with-provenance": (
        case(NOW, missing("1.4.0"), missing("1.3.0")),
        f"{BUILT_NOW}. This is the first release with provenance.",
    ),
    "after-one-without": (
        case(NOW, missing("1.4.0"), proven("1.3.0")),
        f"{BUILT_NOW}. 1.4.0 has no provenance; 1.3.0 was built in the same place.",
    ),
    "elsewhere-after-one-without": (
        case(HOTFIX, missing("1.4.0"), proven("1.3.0")),
        "Built by hotfix.yml on fix/login of acme/left-pad, commit f0b49a0. 1.4.0 has no "
        "provenance; 1.3.0 was built by release.yml on main.",
    ),
    "after-a-refused-one": (
        case(NOW, refused("1.4.0")),
        f"{BUILT_NOW}. The provenance of 1.4.0 does not hold, so there is nothing to compare with.",
    ),
    "after-one-of-which-nothing-is-known": (
        case(NOW, baseline_version="1.4.0"),
        f"{BUILT_NOW}. Nothing is known of where 1.4.0 was built, so there is nothing to compare "
        "with.",
    ),
    "nothing-said-but-the-repository": (
        case(proven("1.5.0", workflow="", ref="", commit="")),
        "Built by a workflow without a name of acme/left-pad. There is no earlier release to "
        "compare with.",
    ),
    "missing": (case(missing("1.5.0")), NOTHING),
    "never-had": (case(missing("1.5.0"), missing("1.4.0")), NOTHING),
    "lost": (
        case(missing("1.5.0"), proven("1.4.0")),
        f"{NOTHING} 1.4.0 was built by release.yml on main of acme/left-pad.",
    ),
    "lost-before": (
        case(missing("1.5.0"), missing("1.4.0"), proven("1.3.0")),
        f"{NOTHING} The last release with provenance is 1.3.0, built by release.yml on main of "
        "acme/left-pad.",
    ),
    "refused": (
        case(refused("1.5.0"), proven("1.4.0")),
        "It comes with provenance that does not hold.",
    ),
    "as-pinned": (case(NOW, proven("1.4.0"), expected=pinned()), f"{BUILT_NOW}, as 1.4.0 was."),
    "expected-from-another-repository": (
        case(
            NOW, proven("1.4.0"), expected=pinned_by_hand(repository="https://github.com/acme/pads")
        ),
        f"{BUILT_NOW}, in the same place as 1.4.0, but it is expected from acme/pads.",
    ),
    "expected-from-another-host": (
        case(NOW, expected=pinned_by_hand(repository="https://gitlab.com/acme/left-pad")),
        f"{BUILT_NOW}. There is no earlier release to compare with, but it is expected from "
        "gitlab.com/acme/left-pad.",
    ),
    "expected-from-another-repository-of-this-name": (
        case(NOW, proven("1.4.0"), expected=pinned(repository_id="7", owner_id="8")),
        f"{BUILT_NOW}, in the same place as 1.4.0, but it is expected from another acme/left-pad "
        "(id 7).",
    ),
    "expected-of-another-owner": (
        case(NOW, proven("1.4.0"), expected=pinned(owner_id="8")),
        f"{BUILT_NOW}, in the same place as 1.4.0, but it is expected from acme/left-pad of "
        "another owner (id 8).",
    ),
    "expected-by-another-workflow": (
        case(NOW, proven("1.4.0"), expected=pinned(workflow=".github/workflows/npm.yml")),
        f"{BUILT_NOW}, in the same place as 1.4.0, but it is expected to be built by npm.yml.",
    ),
    "expected-by-a-workflow-in-another-folder": (
        case(NOW, proven("1.4.0"), expected=pinned(workflow="ci/release.yml")),
        f"{BUILT_NOW}, in the same place as 1.4.0, but it is expected to be built by "
        "ci/release.yml.",
    ),
    "expected-otherwise-in-everything": (
        case(
            HOTFIX,
            proven("1.4.0"),
            expected=pinned_by_hand(
                repository="https://github.com/acme/pads",
                ref_pattern="refs/tags/v*",
                environment="npm",
            ),
        ),
        "Built by hotfix.yml on fix/login of acme/left-pad, commit f0b49a0; 1.4.0 was built by "
        "release.yml on main, but it is expected to be built by release.yml for tag v* from "
        "acme/pads in the environment npm.",
    ),
    "expected-in-an-environment": (
        case(NOW, proven("1.4.0"), expected=pinned(environment="npm")),
        f"{BUILT_NOW}, in the same place as 1.4.0, but it is expected in the environment npm.",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence(name: str) -> None:
    about, sentence = SENTENCES[name]
    assert sentence_of(about) == sentence


@pytest.mark.parametrize(
    ("facts", "built"),
    [
        (
            {"workflow": ".github/workflows/a.yml on main of acme, commit 1.yml"},
            "Built by “a.yml on main of acme, commit 1.yml” on main of acme/left-pad",
        ),
        (
            {"ref": "refs/heads/main\u00a0of\u00a0x/y, commit 1"},
            "Built by release.yml on “main\\xa0of\\xa0x/y, commit 1” of acme/left-pad",
        ),
        (
            {"ref": "refs/heads/main” of “x/y"},
            "Built by release.yml on “main' of 'x/y” of acme/left-pad",
        ),
        (
            {"ref": "refs/heads/\u202eniam"},
            "Built by release.yml on “\\u202eniam” of acme/left-pad",
        ),
        ({"ref": "refs/heads/{0}%s"}, "Built by release.yml on “{0}%s” of acme/left-pad"),
        (
            {"ref": f"refs/heads/{'x' * 300}"},
            f"Built by release.yml on “{'x' * 199}…” of acme/left-pad",
        ),
    ],
    ids=["spaces", "no-break-spaces", "quotes", "reversed", "format-string", "long"],
)
def test_a_name_is_not_taken_for_a_part_of_the_sentence(facts: dict[str, str], built: str) -> None:
    sentence = sentence_of(case(proven("1.5.0", commit=COMMIT, **facts)))
    assert sentence.startswith(f"{built}, commit f0b49a0")

"""Every rule about where a version was built: when it speaks, how loudly, and when it is quiet."""

import pkgutil
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.finding import Group, Severity
from approvals.inspection.findings import rule_modules as rules_of_inspection
from approvals.provenance import findings as folder
from approvals.provenance.case import Case
from approvals.provenance.comparison import lines_of
from approvals.provenance.findings import all_rules_in_words, findings_of, rule_modules
from approvals.provenance.models import Provenance
from approvals.provenance.sentence import sentence_of
from registry_client.provenance import Build
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

USUAL = proven("1.4.0")
REUSABLE = "https://github.com/acme/shared/.github/workflows/publish.yml@refs/tags/v3"

WORKFLOW = {
    "workflow": ".github/workflows/hotfix.yml",
    "signer_workflow": BUILT.signer_workflow.replace("release.yml", "hotfix.yml"),
}


def signed_by_the_registry(state: str) -> Provenance:
    row = proven("1.5.0")
    row.publish, row.publish_reason = state, "It is for another digest."
    return row


def found(case: Case) -> list[tuple[str, str]]:
    return [(finding.rule, str(finding.severity)) for finding in findings_of(case)]


def evidence(case: Case, rule: str) -> str:
    (finding,) = [finding for finding in findings_of(case) if finding.rule == rule]
    return finding.detail


def test_every_module_is_a_rule_in_force() -> None:
    assert len(rule_modules()) == len(list(pkgutil.iter_modules(folder.__path__))) > 10


def test_every_id_is_in_the_list_of_rules() -> None:
    words = all_rules_in_words()[Group.PROVENANCE]
    assert {rule for _, expected in LOUD.values() for rule, _ in expected} <= set(words)
    assert all_rules_in_words()[Group.LIMITS]


def test_no_two_rules_have_one_id() -> None:
    modules = (*rule_modules(), *rules_of_inspection())
    counts = Counter(rule for module in modules for rule in module.RULES)
    assert [rule for rule, count in counts.items() if count > 1] == []


QUIET = {
    "as-always": case(proven("1.5.0"), USUAL, proven("1.3.0")),
    "first-release": case(proven("1.5.0")),
    "first-with-provenance-and-pinned": case(
        proven("1.5.0"), missing("1.4.0"), expected=pinned_by_hand()
    ),
    "after-one-without-and-one-with": case(proven("1.5.0"), missing("1.4.0"), proven("1.3.0")),
    "not-looked-yet": case(None, USUAL),
    "gitlab": case(proven("1.5.0", built=GITLAB), proven("1.4.0", built=GITLAB)),
    "tags-of-one-form": case(
        proven("1.5.0", ref="refs/tags/v1.5.0"), proven("1.4.0", ref="refs/tags/v1.4.0")
    ),
    "early-certificate-of-the-baseline-and-a-later-one": case(
        proven("1.5.0"),
        proven("1.4.0", **EARLY),
        history=(proven("2.0.0"), proven("1.4.0", **EARLY), proven("1.3.0", repository_id="7")),
    ),
    "early-certificate-of-the-baseline-and-pinned-with-numbers": case(
        proven("1.5.0"), proven("1.4.0", **EARLY), expected=pinned()
    ),
    "case-of-an-address-without-ids": case(
        proven("1.5.0", **EARLY),
        proven("1.4.0", **{**EARLY, "repository": "https://github.com/Acme/Left-Pad"}),
    ),
    "another-ref-of-the-same-workflow": case(
        proven("1.5.0", ref="refs/tags/v1.5.0", workflow_ref="refs/tags/v1.5.0"),
        proven("1.4.0", ref="refs/tags/v1.4.0", workflow_ref="refs/tags/v1.4.0"),
    ),
    "another-ref-of-the-same-reusable-workflow": case(
        proven("1.5.0", signer_workflow=REUSABLE.replace("v3", "v4")),
        proven("1.4.0", signer_workflow=REUSABLE),
    ),
    "baseline-that-names-no-workflow-or-ref": case(
        proven("1.5.0"), proven("1.4.0", workflow="", ref="", workflow_repository="")
    ),
    "environment-that-older-certificates-do-not-name": case(
        proven("1.5.0", environment="npm"), USUAL
    ),
    "the-commit-that-package-json-names": case(
        proven("1.5.0", commit="AB" * 20), USUAL, git_head="ab" * 20
    ),
    "self-hosted-as-before": case(
        proven("1.5.0", runner="self-hosted"),
        proven("1.4.0", runner="self-hosted"),
        proven("1.3.0"),
    ),
    "signed-in-the-same-second": case(proven("1.5.0", hours=4), USUAL),
    "commits-not-said": case(proven("1.5.0", commit=""), proven("1.4.0", commit="")),
    "staged-by-nobody-known": case(proven("1.5.0"), USUAL, actor="", actor_type=""),
    "publish-attestation-verified": case(signed_by_the_registry("verified"), USUAL),
    "publish-attestation-unverified": case(signed_by_the_registry("unverified"), USUAL),
    "as-pinned": case(proven("1.5.0"), USUAL, expected=pinned()),
    "as-pinned-by-hand": case(
        proven("1.5.0"),
        USUAL,
        expected=pinned_by_hand(repository="https://github.com/Acme/left-pad"),
    ),
    "moved-as-pinned": case(
        proven("1.5.0", repository_id="7", owner_id="8", **MOVED),
        USUAL,
        expected=pinned(repository=MOVED["repository"], repository_id="7", owner_id="8"),
    ),
    "handed-over-as-pinned-by-hand": case(
        proven("1.5.0", owner_id="8", **MOVED),
        USUAL,
        expected=pinned_by_hand(repository=MOVED["repository"]),
    ),
    "other-workflow-and-branch-as-pinned": case(
        proven("1.5.0", ref="refs/tags/v1.5.0", **WORKFLOW),
        USUAL,
        expected=pinned(workflow=WORKFLOW["workflow"], ref_pattern="refs/tags/v*"),
    ),
    "other-environment-as-pinned": case(
        proven("1.5.0", environment="npm"),
        proven("1.4.0", environment="release"),
        expected=pinned(environment="npm"),
    ),
}


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_said_where_nothing_is_wrong(name: str) -> None:
    assert found(QUIET[name]) == []


LOUD: dict[str, tuple[Case, list[tuple[str, str]]]] = {
    "lost": (case(missing("1.5.0"), USUAL), [("provenance-missing", "high")]),
    "lost-before": (
        case(missing("1.5.0"), missing("1.4.0"), proven("1.3.0")),
        [("provenance-missing", "medium")],
    ),
    "lost-after-a-refused-one": (
        case(missing("1.5.0"), refused("1.4.0")),
        [("provenance-missing", "medium")],
    ),
    "never-had": (
        case(missing("1.5.0"), missing("1.4.0"), missing("1.3.0")),
        [("provenance-missing", "info")],
    ),
    "never-had-first-release": (case(missing("1.5.0")), [("provenance-missing", "info")]),
    "refused": (case(refused("1.5.0"), USUAL), [("provenance-refused", "critical")]),
    "other-repository": (
        case(proven("1.5.0", repository_id="7", owner_id="8", **MOVED), USUAL),
        [("repository-changed", "critical")],
    ),
    "other-repository-by-address": (
        case(proven("1.5.0", **MOVED), proven("1.4.0", **EARLY)),
        [("repository-changed", "critical")],
    ),
    "made-anew-by-the-same-address": (
        case(proven("1.5.0", repository_id="7"), USUAL),
        [("repository-changed", "critical")],
    ),
    "same-number-at-another-host": (
        case(proven("1.5.0", built=replace(GITLAB, repository_id=BUILT.repository_id)), USUAL),
        [
            ("repository-changed", "critical"),
            ("workflow-changed", "high"),
        ],
    ),
    "other-repository-than-before-a-gap": (
        case(
            proven("1.5.0", repository_id="7", owner_id="8", **MOVED),
            missing("1.4.0"),
            proven("1.3.0"),
        ),
        [("repository-changed", "critical")],
    ),
    "made-anew-since-early-certificates": (
        case(
            proven("1.5.0", repository_id="7", owner_id="8"),
            proven("1.4.0", **EARLY),
            history=(
                proven("2.1.0", repository_id="9", repository="https://github.com/acme/x"),
                proven("2.0.0"),
                proven("1.4.0", **EARLY),
            ),
        ),
        [("repository-changed", "critical")],
    ),
    "made-anew-since-an-early-certificate-before-a-gap": (
        case(
            proven("1.5.0", repository_id="7", owner_id="8"),
            missing("1.4.0"),
            history=(proven("2.0.0"), missing("1.4.0"), proven("1.3.0", **EARLY)),
        ),
        [("repository-changed", "critical")],
    ),
    "early-certificate-of-the-baseline": (
        case(proven("1.5.0"), proven("1.4.0", **EARLY), proven("1.3.0", **EARLY)),
        [("repository-by-address", "low")],
    ),
    "early-certificate-of-the-baseline-and-pinned-by-hand": (
        case(proven("1.5.0"), proven("1.4.0", **EARLY), expected=pinned_by_hand()),
        [("repository-by-address", "low")],
    ),
    "certificate-without-numbers-all-at-once": (
        case(proven("1.5.0", **EARLY), USUAL, expected=pinned(owner_id="")),
        [("repository-by-address", "low")],
    ),
    "first-with-provenance": (
        case(proven("1.5.0"), missing("1.4.0")),
        [("nothing-vouches", "medium")],
    ),
    "after-a-refused-one": (
        case(proven("1.5.0"), refused("1.4.0")),
        [("nothing-vouches", "medium")],
    ),
    "after-one-of-which-nothing-is-known": (
        case(proven("1.5.0"), baseline_version="1.4.0"),
        [("nothing-vouches", "medium")],
    ),
    "renamed": (case(proven("1.5.0", **RENAMED), USUAL), [("repository-renamed", "info")]),
    "transferred": (
        case(proven("1.5.0", owner_id="8", **MOVED), USUAL),
        [("owner-changed", "critical")],
    ),
    "transferred-without-an-owners-number": (
        case(proven("1.5.0", owner_id="", **MOVED), USUAL),
        [("owner-changed", "critical")],
    ),
    "account-registered-anew": (
        case(
            proven("1.5.0", **{**EARLY, "owner_id": "8"}),
            proven("1.4.0", **{**EARLY, "owner_id": "9001"}),
        ),
        [("owner-changed", "critical")],
    ),
    "account-registered-anew-though-pinned-by-hand": (
        case(
            proven("1.5.0", **{**EARLY, "owner_id": "8"}),
            proven("1.4.0", **{**EARLY, "owner_id": "9001"}),
            expected=pinned_by_hand(),
        ),
        [("owner-changed", "critical")],
    ),
    "other-workflow": (case(proven("1.5.0", **WORKFLOW), USUAL), [("workflow-changed", "high")]),
    "same-workflow-of-another-repository": (
        case(proven("1.5.0", workflow_repository="https://github.com/mallory/x"), USUAL),
        [("workflow-changed", "high")],
    ),
    "reusable-workflow": (
        case(proven("1.5.0", signer_workflow=REUSABLE), USUAL),
        [("workflow-changed", "high")],
    ),
    "other-reusable-workflow-though-pinned": (
        case(
            proven("1.5.0", signer_workflow=REUSABLE.replace("acme", "mallory")),
            proven("1.4.0", signer_workflow=REUSABLE),
            expected=pinned(),
        ),
        [("workflow-changed", "high")],
    ),
    "workflow-not-said": (
        case(proven("1.5.0", workflow=""), USUAL),
        [("workflow-changed", "high")],
    ),
    "other-branch": (
        case(proven("1.5.0", ref="refs/heads/hotfix/urgent"), USUAL),
        [("ref-changed", "high")],
    ),
    "tag-in-place-of-a-branch": (
        case(proven("1.5.0", ref="refs/tags/v1.5.0"), USUAL),
        [("ref-changed", "high")],
    ),
    "tag-of-another-form": (
        case(proven("1.5.0", ref="refs/tags/test-v1.5.0"), proven("1.4.0", ref="refs/tags/v1.4.0")),
        [("ref-changed", "high")],
    ),
    "ref-not-said": (case(proven("1.5.0", ref=""), USUAL), [("ref-changed", "high")]),
    "pull-request": (
        case(proven("1.5.0", ref="refs/pull/12/merge"), USUAL),
        [("ref-of-request", "high")],
    ),
    "pull-request-as-before": (
        case(proven("1.5.0", ref="refs/pull/12/merge"), proven("1.4.0", ref="refs/pull/12/merge")),
        [("ref-of-request", "high")],
    ),
    "pull-request-in-the-first-release": (
        case(proven("1.5.0", ref="refs/pull/12/merge")),
        [("ref-of-request", "high")],
    ),
    "trigger-of-strangers": (
        case(proven("1.5.0", trigger="pull_request_target"), USUAL),
        [("trigger-of-strangers", "high")],
    ),
    "trigger-of-strangers-as-always": (
        case(proven("1.5.0", trigger="issue_comment"), proven("1.4.0", trigger="issue_comment")),
        [("trigger-of-strangers", "high")],
    ),
    "trigger-of-strangers-in-the-first-release": (
        case(proven("1.5.0", trigger="workflow_run")),
        [("trigger-of-strangers", "high")],
    ),
    "trigger-of-strangers-at-gitlab": (
        case(
            proven("1.5.0", built=GITLAB, trigger="external_pull_request_event"),
            proven("1.4.0", built=GITLAB),
        ),
        [("trigger-of-strangers", "high")],
    ),
    "trigger-of-strangers-though-pinned": (
        case(proven("1.5.0", trigger="fork"), USUAL, expected=pinned()),
        [("trigger-of-strangers", "high")],
    ),
    "pull-request-and-its-trigger": (
        case(proven("1.5.0", ref="refs/pull/12/merge", trigger="pull_request"), USUAL),
        [("ref-of-request", "high")],
    ),
    "other-trigger": (
        case(proven("1.5.0", trigger="schedule"), USUAL),
        [("trigger-changed", "low")],
    ),
    "trigger-not-said": (
        case(proven("1.5.0", trigger=""), USUAL),
        [("trigger-changed", "low")],
    ),
    "self-hosted": (
        case(proven("1.5.0", runner="self-hosted"), USUAL),
        [("self-hosted-runner-new", "medium")],
    ),
    "self-hosted-and-the-baseline-does-not-say": (
        case(proven("1.5.0", runner="self-hosted"), proven("1.4.0", runner=""), proven("1.3.0")),
        [("self-hosted-runner-new", "medium")],
    ),
    "self-hosted-in-the-first-release": (
        case(proven("1.5.0", runner="self-hosted")),
        [("self-hosted-runner", "low")],
    ),
    "other-environment": (
        case(proven("1.5.0", environment="test"), proven("1.4.0", environment="npm")),
        [("environment-changed", "medium")],
    ),
    "no-environment-any-more": (
        case(proven("1.5.0"), proven("1.4.0", environment="npm")),
        [("environment-changed", "medium")],
    ),
    "unlike-git-head": (
        case(proven("1.5.0", commit="ab" * 20), USUAL, git_head="ab" * 19 + "ac"),
        [("commit-unlike-git-head", "high")],
    ),
    "git-head-of-another-kind-of-hash": (
        case(proven("1.5.0", commit="ab" * 20), USUAL, git_head="ab" * 32),
        [("commit-unlike-git-head", "high")],
    ),
    "git-head-that-only-begins-alike": (
        case(proven("1.5.0", commit="ab" * 20), USUAL, git_head="ab" * 4),
        [("git-head-not-a-commit", "low")],
    ),
    "tag-of-another-version": (
        case(proven("1.5.0", ref="refs/tags/v1.4.0"), proven("1.4.0", ref="refs/tags/v1.4.0")),
        [("tag-unlike-version", "medium")],
    ),
    "tag-of-another-version-as-always": (
        case(proven("1.5.0", ref="refs/tags/v24.10.2"), proven("1.4.0", ref="refs/tags/v24.9.1")),
        [("tag-unlike-version", "low")],
    ),
    "staged-by-a-person": (
        case(proven("1.5.0"), USUAL, actor="ada", actor_type="user"),
        [("staged-by-person", "medium")],
    ),
    "publish-attestation": (
        case(signed_by_the_registry("refused"), USUAL),
        [("publish-attestation-refused", "critical")],
    ),
    "changed-and-unlike-another-pin": (
        case(
            proven("1.5.0", ref="refs/heads/x", **WORKFLOW, environment="x"),
            proven("1.4.0", environment="y"),
            expected=pinned(
                workflow=".github/workflows/z.yml", ref_pattern="refs/heads/z", environment="z"
            ),
        ),
        [
            ("expected-workflow", "critical"),
            ("expected-ref", "critical"),
            ("expected-environment", "critical"),
        ],
    ),
    "handed-over-and-unlike-the-pin": (
        case(proven("1.5.0", owner_id="8", **MOVED), USUAL, expected=pinned()),
        [("expected-owner", "critical")],
    ),
    "handed-over-and-another-repository-is-pinned": (
        case(
            proven("1.5.0", owner_id="8", **MOVED),
            USUAL,
            expected=pinned(repository_id="7"),
        ),
        [("expected-repository", "critical"), ("owner-changed", "critical")],
    ),
    "private": (
        case(proven("1.5.0", visibility="private"), proven("1.4.0", visibility="private")),
        [("repository-not-public", "info")],
    ),
    "made-public": (
        case(proven("1.5.0"), proven("1.4.0", visibility="private")),
        [("repository-visibility-changed", "low")],
    ),
    "same-commit": (
        case(proven("1.5.0", commit="ab" * 20), proven("1.4.0", commit="AB" * 20)),
        [("commit-rebuilt", "low")],
    ),
    "older-by-a-second": (
        case(proven("1.5.0", hours=4), proven("1.4.0", hours=4 + 1 / 3600)),
        [("older-than-baseline", "medium")],
    ),
    "older": (
        case(proven("1.5.0", hours=3), USUAL),
        [("older-than-baseline", "medium")],
    ),
    "pinned-and-missing": (
        case(missing("1.5.0"), missing("1.4.0"), expected=pinned()),
        [("expected-provenance", "critical"), ("provenance-missing", "info")],
    ),
    "pinned-and-refused": (
        case(refused("1.5.0"), USUAL, expected=pinned()),
        [("expected-provenance", "critical"), ("provenance-refused", "critical")],
    ),
    "pinned-other-repository": (
        case(proven("1.5.0"), USUAL, expected=pinned(repository_id="7", owner_id="8")),
        [("expected-repository", "critical")],
    ),
    "pinned-other-owner": (
        case(proven("1.5.0"), USUAL, expected=pinned(owner_id="8")),
        [("expected-owner", "critical")],
    ),
    "pinned-and-the-certificate-names-no-owner": (
        case(proven("1.5.0", owner_id=""), USUAL, expected=pinned()),
        [("expected-owner", "critical")],
    ),
    "pinned-other-workflow": (
        case(proven("1.5.0"), USUAL, expected=pinned(workflow=".github/workflows/x.yml")),
        [("expected-workflow", "critical")],
    ),
    "pinned-same-workflow-of-another-repository": (
        case(
            proven("1.5.0", workflow_repository="https://github.com/mallory/x"),
            proven("1.4.0", workflow_repository="https://github.com/mallory/x"),
            expected=pinned(),
        ),
        [("expected-workflow", "critical")],
    ),
    "pinned-other-ref": (
        case(proven("1.5.0"), USUAL, expected=pinned(ref_pattern="refs/tags/v*")),
        [("expected-ref", "critical")],
    ),
    "pinned-other-environment": (
        case(proven("1.5.0"), USUAL, expected=pinned(environment="npm")),
        [("expected-environment", "critical")],
    ),
    "pinned-by-hand-and-renamed": (
        case(proven("1.5.0", **RENAMED), USUAL, expected=pinned_by_hand()),
        [("expected-repository", "critical"), ("repository-renamed", "info")],
    ),
    "pinned-and-renamed": (
        case(proven("1.5.0", **RENAMED), USUAL, expected=pinned()),
        [("repository-renamed", "info")],
    ),
    "pinned-at-another-host": (
        case(
            proven("1.5.0", built=replace(GITLAB, repository_id=BUILT.repository_id)),
            expected=pinned(owner_id="", workflow="", ref_pattern=""),
        ),
        [("expected-repository", "critical")],
    ),
    "everything-otherwise": (
        case(
            proven(
                "1.5.0",
                **{**MOVED, **WORKFLOW, "repository_id": "7", "owner_id": "8"},
                ref="refs/heads/x",
                runner="self-hosted",
                environment="x",
                hours=1,
            ),
            proven("1.4.0", environment="npm"),
            expected=pinned(environment="npm"),
        ),
        [
            ("expected-repository", "critical"),
            ("expected-workflow", "critical"),
            ("expected-ref", "critical"),
            ("expected-environment", "critical"),
            ("workflow-changed", "high"),
            ("older-than-baseline", "medium"),
            ("self-hosted-runner-new", "medium"),
        ],
    ),
}


@pytest.mark.parametrize("name", LOUD)
def test_what_is_wrong_is_said_once_and_as_loudly_as_it_must_be(name: str) -> None:
    unusual, expected = LOUD[name]
    assert found(unusual) == expected
    for finding in findings_of(unusual):
        assert finding.title.endswith(".")
        assert finding.why.endswith(".")
        assert finding.what_to_check.endswith(".")


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        ("lost", "provenance-missing", ""),
        ("refused", "provenance-refused", "The signature is for another tarball."),
        ("other-branch", "ref-changed", "main → hotfix/urgent"),
        ("tag-in-place-of-a-branch", "ref-changed", "main → tag v1.5.0"),
        (
            "other-workflow",
            "workflow-changed",
            ".github/workflows/release.yml → .github/workflows/hotfix.yml",
        ),
        (
            "reusable-workflow",
            "workflow-changed",
            ".github/workflows/release.yml → .github/workflows/release.yml through "
            "https://github.com/acme/shared/.github/workflows/publish.yml",
        ),
        (
            "made-anew-by-the-same-address",
            "repository-changed",
            "github.com/acme/left-pad (id 40001) → github.com/acme/left-pad (id 7)",
        ),
        (
            "transferred",
            "owner-changed",
            "github.com/acme (id 9001) → github.com/mallory (id 8)",
        ),
        (
            "made-anew-since-early-certificates",
            "repository-changed",
            "github.com/acme/left-pad (id 40001) → github.com/acme/left-pad (id 7)",
        ),
        ("first-with-provenance", "nothing-vouches", "github.com/acme/left-pad"),
        ("renamed", "repository-renamed", "github.com/acme/left-pad → github.com/acme/pad-left"),
        ("pull-request", "ref-of-request", "main → refs/pull/12/merge"),
        ("pull-request-in-the-first-release", "ref-of-request", "refs/pull/12/merge"),
        ("trigger-of-strangers", "trigger-of-strangers", "push → pull_request_target"),
        ("trigger-of-strangers-in-the-first-release", "trigger-of-strangers", "workflow_run"),
        ("other-trigger", "trigger-changed", "push → schedule"),
        ("no-environment-any-more", "environment-changed", "npm → none"),
        ("tag-of-another-version", "tag-unlike-version", "tag v1.4.0 → 1.5.0"),
        (
            "tag-of-another-version-as-always",
            "tag-unlike-version",
            "tag v24.10.2 → 1.5.0; tag v24.9.1 → 1.4.0 in the same way",
        ),
        ("made-public", "repository-visibility-changed", ""),
        ("staged-by-a-person", "staged-by-person", "ada (user)"),
        ("pinned-other-ref", "expected-ref", "tag v* → main; 1.4.0 had main"),
        (
            "changed-and-unlike-another-pin",
            "expected-workflow",
            ".github/workflows/z.yml → .github/workflows/hotfix.yml; 1.4.0 had "
            ".github/workflows/release.yml",
        ),
        ("changed-and-unlike-another-pin", "expected-environment", "z → x; 1.4.0 had y"),
        (
            "pinned-other-repository",
            "expected-repository",
            "github.com/acme/left-pad (id 7) → github.com/acme/left-pad (id 40001); 1.4.0 had "
            "github.com/acme/left-pad (id 40001)",
        ),
        ("pinned-and-missing", "expected-provenance", "github.com/acme/left-pad → nothing proven"),
        ("publish-attestation", "publish-attestation-refused", "It is for another digest."),
        (
            "older-by-a-second",
            "older-than-baseline",
            "16 Mar 2026, 13:00:01 UTC → 16 Mar 2026, 13:00:00 UTC",
        ),
        (
            "older",
            "older-than-baseline",
            "16 Mar 2026, 13:00 UTC → 16 Mar 2026, 12:00 UTC",
        ),
    ],
)
def test_the_evidence(name: str, rule: str, expected: str) -> None:
    assert evidence(LOUD[name][0], rule) == expected


def test_an_earlier_release_that_was_built_alike_is_named_and_stays_a_finding() -> None:
    history = (proven("1.4.0"), proven("1.3.0", ref="refs/heads/next"), proven("1.2.0", **WORKFLOW))
    by_ref = case(proven("1.5.0", ref="refs/heads/next"), *history)
    assert found(by_ref) == [("ref-changed", "high")]
    assert evidence(by_ref, "ref-changed").endswith("next; 1.3.0 was built from one like this, too")
    by_workflow = case(proven("1.5.0", **WORKFLOW), *history)
    assert found(by_workflow) == [("workflow-changed", "high")]
    assert evidence(by_workflow, "workflow-changed").endswith("1.2.0 was built by this one, too")


def test_a_self_hosted_runner_is_compared_with_the_newest_that_is_known() -> None:
    (finding,) = findings_of(LOUD["self-hosted-and-the-baseline-does-not-say"][0])
    assert finding.title == "It was built on a self-hosted runner, and 1.3.0 was not."


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("tag-of-another-version", "It was built from the tag of 1.4.0, but is 1.5.0."),
        ("made-public", "The repository is public now; it was private for 1.4.0."),
    ],
)
def test_the_title(name: str, title: str) -> None:
    (finding,) = findings_of(LOUD[name][0])
    assert finding.title == title


def test_what_is_never_had_is_told_how_to_turn_on() -> None:
    (finding,) = findings_of(LOUD["never-had"][0])
    assert "--provenance" in finding.what_to_check


@pytest.mark.parametrize(
    ("about", "is_new"),
    [
        (case(missing("1.5.0"), missing("1.4.0")), False),
        (case(missing("1.5.0")), True),
        (
            case(proven("1.5.0", visibility="private"), proven("1.4.0", visibility="private")),
            False,
        ),
        (case(proven("1.5.0", visibility="private")), True),
    ],
    ids=["never-had", "first-without", "private-as-before", "first-and-private"],
)
def test_what_was_there_before_says_so(about: Case, is_new: bool) -> None:
    (finding,) = findings_of(about)
    assert (finding.severity, finding.is_new) == ("info", is_new)


def test_where_nothing_is_compared_yet_only_what_needs_no_baseline_is_said() -> None:
    early = case(
        proven("1.5.0", ref="refs/pull/1/merge"), is_compared=False, expected=pinned(ref_pattern="")
    )
    assert found(early) == [("ref-of-request", "high")]
    (finding,) = findings_of(case(missing("1.5.0"), is_compared=False))
    assert (finding.severity, "No release of this package" in finding.why) == ("info", False)


def test_a_pin_by_hand_says_that_only_the_address_counts() -> None:
    (by_hand, _) = findings_of(LOUD["pinned-by-hand-and-renamed"][0])
    assert "only the address counts" in by_hand.why
    (proven_once,) = findings_of(LOUD["pinned-other-owner"][0])
    assert "only the address counts" not in proven_once.why
    assert "1.4.0" in proven_once.why


def test_the_most_serious_comes_first() -> None:
    ranks = [
        list(Severity).index(finding.severity)
        for finding in findings_of(LOUD["everything-otherwise"][0])
    ]
    assert ranks == sorted(ranks)


# Control, bidirectional and format characters, separators, and what a format string would read.
hostile = st.text(
    alphabet=st.sampled_from("a/@.:*%s{}0 \n\r\t\0\x1b\u202e\u200b\u2028\u00a0“”…<>&'\"\\\ud800"),
    max_size=30,
) | st.integers(1, 9).map(lambda number: "ab/" * 500 * number)
builds = st.builds(
    Build,
    **{name: hostile | st.just(value) for name, value in vars(BUILT).items()},
)


@given(builds, builds, hostile, hostile, hostile)
def test_hostile_text_breaks_nothing_and_hides_nothing(
    one: Build, other: Build, actor: str, git_head: str, reason: str
) -> None:
    pin = pinned(
        repository=other.repository,
        owner_id=other.owner_id,
        repository_id=other.repository_id,
        workflow=other.workflow,
        ref_pattern=other.ref,
        environment=other.environment,
    )
    more: dict[str, Any] = {"actor": actor, "actor_type": "user", "git_head": git_head}
    before = proven("1.4.0", built=other, commit=other.commit)
    now = proven("1.5.0", built=one, commit=one.commit)
    for unusual in (
        case(now, before, proven("1.3.0"), expected=pin, **more),
        case(now, missing("1.4.0"), before, **more),
        case(missing("1.5.0"), before, expected=pin, **more),
        case(refused("1.5.0", reason), before, **more),
    ):
        texts = [sentence_of(unusual)]
        for finding in findings_of(unusual):
            texts += [finding.title, finding.why, finding.what_to_check, finding.detail]
        for line in lines_of(unusual):
            texts += [line.before, line.now, line.note]
        for text in texts:
            assert text.isprintable()
            # A sentence has some fifteen names in it at most, of 200 characters each.
            assert len(text) <= 4_000


@given(builds, builds)
def test_the_same_place_has_no_finding_about_the_place(one: Build, other: Build) -> None:
    """Whatever the texts are: those of one build are the same, and nothing of it is."""
    same = case(proven("1.5.0", built=one, commit="a"), proven("1.4.0", built=one, commit="b"))
    about_places = {"repository-changed", "owner-changed", "repository-renamed"}
    unknown = not one.repository or not (one.owner or "/" in one.repository.lstrip("/"))
    if not unknown:
        assert not about_places & {rule for rule, _ in found(same)}
    changed = case(proven("1.5.0", built=one), proven("1.4.0", built=other))
    if one.repository.casefold() != other.repository.casefold():
        assert about_places & {rule for rule, _ in found(changed)}

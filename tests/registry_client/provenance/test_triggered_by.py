"""Whom a predicate names as having started the run: where it names an account, and else nobody."""

from typing import Any

import pytest

from registry_client.provenance.slsa import PROVENANCE_V02, PROVENANCE_V1, Statement, completed
from tests.approvals.factories import BUILT


def said(predicate: dict[str, Any], kind: str = PROVENANCE_V02) -> tuple[str, str]:
    predicate = {"buildType": "https://example.org/other/v1", **predicate}
    build = completed(BUILT, Statement((), kind, predicate))
    return build.triggered_by, build.triggered_by_ids


def parameters(**variables: Any) -> dict[str, Any]:
    return {"invocation": {"parameters": variables}}


def environment(**variables: Any) -> dict[str, Any]:
    return {"invocation": {"environment": variables}}


def internal(**variables: Any) -> dict[str, Any]:
    return {"buildDefinition": {"internalParameters": variables}}


@pytest.mark.parametrize(
    ("predicate", "names", "ids"),
    [
        (parameters(GITLAB_USER_LOGIN="ada.l"), "ada.l", ""),
        # slsa-github-generator.
        (environment(github_actor="Ada", github_actor_id="7"), "Ada", "7"),
        (
            environment(GITHUB_ACTOR="ada", GITHUB_TRIGGERING_ACTOR="dependabot[bot]"),
            "ada dependabot[bot]",
            "",
        ),
        (environment(GITHUB_ACTOR="ada", GITHUB_TRIGGERING_ACTOR="ada"), "ada", ""),
        ({}, "", ""),
    ],
)
def test_names_and_numbers(predicate: dict[str, Any], names: str, ids: str) -> None:
    assert said(predicate) == (names, ids)


@pytest.mark.parametrize(
    ("predicate", "names", "ids"),
    [
        (internal(GITHUB_ACTOR_ID="64505099"), "", "64505099"),
        (internal(github={"actor": "ada", "actor_id": "7"}), "ada", "7"),
        (
            {
                "buildDefinition": {
                    "externalParameters": {"variables": {"GITLAB_USER_LOGIN": "ada"}}
                }
            },
            "ada",
            "",
        ),
    ],
)
def test_names_and_numbers_in_version_1(predicate: dict[str, Any], names: str, ids: str) -> None:
    assert said(predicate, PROVENANCE_V1) == (names, ids)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ada lovelace",
        "ada\u202e",
        "ada\n",
        "<b>ada</b>",
        "x" * 101,
        "x" * 1_000_000,
        "\0",
        7,
        None,
        True,
        ["ada"],
        {"login": "ada"},
    ],
)
def test_what_is_no_account_names_nobody_and_refuses_nothing(name: Any) -> None:
    assert said(parameters(GITLAB_USER_LOGIN=name)) == ("", "")
    assert said(environment(GITHUB_ACTOR_ID=name)) == ("", "")


@pytest.mark.parametrize("part", [None, "text", 7, ["list"], {}])
def test_parts_of_other_shapes_name_nobody(part: Any) -> None:
    assert said({"invocation": part}) == ("", "")
    assert said({"invocation": {"environment": part, "parameters": part}}) == ("", "")


def test_no_more_names_than_there_are_places_for_people() -> None:
    everywhere = {
        "invocation": {
            "parameters": {"GITLAB_USER_LOGIN": "a", "GITHUB_ACTOR": "b", "actor": "c"},
            "environment": {"GITHUB_ACTOR": "d", "github_actor": "e", "actor": "f"},
        }
    }
    names, _ = said(everywhere)
    assert names == "a b c d"

"""Staged versions as a registry describes them, and a list of them that is complete or an error."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import responses
from responses import matchers

from registry_client import errors
from registry_client.client import RegistryClient, StagedItem
from tests.registry_client.http_server import BASE, STAGE_ID

STAGE = f"{BASE}/-/stage"
ITEM = {
    "id": STAGE_ID,
    "packageName": "@acme/lib",
    "version": "1.5.0",
    "tag": "latest",
    "createdAt": "2026-03-01T10:20:30.123Z",
    "actor": "acme-ci",
    "actorType": "trusted automation",
    "access": "public",
    "shasum": "A9993E364706816ABA3E25717850C26C9CD0D89D",
}


def numbered(number: int, **changes: Any) -> dict[str, Any]:
    return {**ITEM, "id": f"00000000-0000-4000-8000-{number:012d}", **changes}


# Staged versions


def test_a_staged_version(client: RegistryClient, registry: responses.RequestsMock) -> None:
    registry.get(f"{STAGE}/{STAGE_ID}", json={**ITEM, "id": STAGE_ID.upper(), "note": {"a": [1]}})
    assert client.staged_version(STAGE_ID.upper()) == StagedItem(
        id=STAGE_ID,
        package_name="@acme/lib",
        version="1.5.0",
        tag="latest",
        created_at=datetime(2026, 3, 1, 10, 20, 30, 123000, tzinfo=UTC),
        actor="acme-ci",
        actor_type="trusted automation",
        access="public",
        shasum="a9993e364706816aba3e25717850c26c9cd0d89d",
        extra={"note": {"a": [1]}},
    )


def test_another_version_than_the_one_asked_for_is_refused(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.get(f"{STAGE}/{STAGE_ID}", json=numbered(7))
    with pytest.raises(errors.NotARegistry, match="another"):
        client.staged_version(STAGE_ID)


def test_times_with_an_offset_become_utc() -> None:
    item = StagedItem.from_json({**ITEM, "createdAt": "2026-03-01T12:00:00+02:00"})
    assert item.created_at == datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    assert item.created_at.tzinfo is UTC


def test_an_actor_with_an_odd_name_does_not_hide_the_list() -> None:
    item = StagedItem.from_json({**ITEM, "actor": "Acme\u202e  CI\x00\ud800", "access": "x" * 999})
    assert item.actor == "Acme CI"
    assert len(item.access) < 300


def test_actor_and_access_may_be_unknown() -> None:
    bare = {k: v for k, v in ITEM.items() if k not in ("actor", "actorType", "access")}
    item = StagedItem.from_json({**bare, "actor": None})
    assert (item.actor, item.actor_type, item.access) == ("", "", "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../-/whoami"),
        ("id", "{0b9b1a3e-52c8-4b43-9a0a-2f7a3f3c9d11}"),
        ("id", "0b9b1a3e52c84b439a0a2f7a3f3c9d11"),
        ("id", 5),
        ("id", None),
        ("packageName", "../etc"),
        ("packageName", "a/b"),
        ("packageName", "@a/b/c"),
        ("packageName", ".hidden"),
        ("packageName", "node_modules"),
        ("packageName", "x" * 215),
        ("packageName", "päckage"),
        ("packageName", ["lib"]),
        ("version", "latest"),
        ("version", ""),
        ("version", 1),
        ("version", "1.0.0\n"),
        ("tag", ""),
        ("tag", "a\u202eb"),
        ("tag", "x" * 300),
        ("tag", {"a": 1}),
        ("createdAt", "yesterday"),
        ("createdAt", "0001-01-01T00:00:00+14:00"),
        ("createdAt", "0001-01-01T00:00:00Z"),
        ("createdAt", "1999-12-31T23:59:59Z"),
        ("createdAt", "2200-01-01T00:00:00Z"),
        ("createdAt", "9999-12-31T23:59:59Z"),
        ("createdAt", 1700000000),
        ("actor", {"name": "ci"}),
        ("access", ["public"]),
        ("shasum", "abc"),
        ("shasum", "g" * 40),
        ("shasum", None),
    ],
)
def test_an_unusable_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(errors.NotARegistry):
        StagedItem.from_json({**ITEM, field: value})


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"items": []}])
def test_what_is_no_staged_version_is_refused(document: object) -> None:
    with pytest.raises(errors.NotARegistry):
        StagedItem.from_json(document)


def test_unknown_fields_are_kept_and_cleaned_of_what_cannot_be_stored() -> None:
    item = StagedItem.from_json(
        {**ITEM, "ci": "a\x00b\ud800c", "k\x00": [1.5, 1e999, True, None], "run": 10**30}
    )
    assert item.extra == {"ci": "a b c", "k": [1.5, None, True, None], "run": 10**30}
    json.dumps(item.extra, allow_nan=False).encode()


def test_unknown_fields_are_bounded() -> None:
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    for extra in (deep, list(range(5000)), {str(i): i for i in range(5000)}):
        with pytest.raises(errors.NotARegistry):
            StagedItem.from_json({**ITEM, "extra": extra})
    assert len(StagedItem.from_json({**ITEM, "x": "y" * 10**6}).extra["x"]) < 10_000


@pytest.mark.parametrize("stage_id", ["", "x", "../whoami", STAGE_ID + "/approve", STAGE_ID + "\n"])
def test_a_stage_id_must_be_one(client: RegistryClient, stage_id: str) -> None:
    for call in (client.staged_version, client.approve, client.reject):
        with pytest.raises(ValueError, match="UUID"):
            call(stage_id)


# The list


Pages = Callable[[list[list[int]], list[int]], None]


@pytest.fixture
def pages(registry: responses.RequestsMock) -> Pages:
    """Serves these ids and totals, request after request; the last for ever."""

    def serve(ids: list[list[int]], totals: list[int]) -> None:
        for page, total in zip(ids, totals, strict=True):
            registry.get(STAGE, json={"items": [numbered(i) for i in page], "total": total})

    return serve


def listed(client: RegistryClient) -> list[int]:
    return [int(item.id[-12:]) for item in client.staged_versions()]


def test_the_list_asks_for_each_page_and_one_package(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    for page in range(3):
        items = [numbered(i) for i in range(page * 100, min(page * 100 + 100, 250))]
        query = {"page": str(page), "perPage": "100", "package": "@acme/lib"}
        registry.get(
            STAGE,
            json={"items": items, "total": 250, "page": page, "perPage": 100},
            match=[matchers.query_param_matcher(query)],
        )
    found = client.staged_versions("@acme/lib")
    assert [int(item.id[-12:]) for item in found] == list(range(250))
    assert len(registry.calls) == 3


def test_an_empty_list(client: RegistryClient, pages: Pages) -> None:
    pages([[]], [0])
    assert listed(client) == []


def test_a_registry_that_ignores_the_filter_is_filtered(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    items = [numbered(1), numbered(2, packageName="other")]
    registry.get(STAGE, json={"items": items, "total": 2})
    assert [item.package_name for item in client.staged_versions("other")] == ["other"]


def test_a_version_added_meanwhile_does_not_double_or_hide_others(
    client: RegistryClient, pages: Pages
) -> None:
    pages([[3, 2], [2, 1], [4, 3], [2, 1]], [3, 4, 4, 4])
    assert listed(client) == [4, 3, 2, 1]


def test_a_version_removed_meanwhile_does_not_hide_others(
    client: RegistryClient, pages: Pages
) -> None:
    """4 goes while the first page is read, so 2 moves to where the reader has already been."""
    pages([[4, 3], [1], [3, 2], [1]], [4, 3, 3, 3])
    assert listed(client) == [3, 2, 1]


def test_a_list_that_only_ever_grows_is_complete(client: RegistryClient, pages: Pages) -> None:
    grown = [[3, 2], [2, 1], [4, 3], [3, 2, 1], [5, 4], [4, 3, 2, 1]]
    pages(grown, [3, 4, 4, 5, 5, 6])
    assert set(listed(client)) >= {4, 3, 2, 1}


def test_a_list_that_keeps_shrinking_is_incomplete(client: RegistryClient, pages: Pages) -> None:
    pages([[8, 7], [5, 4], [6, 5], [3], [4, 3], [1]], [8, 4, 5, 3, 4, 3])
    with pytest.raises(errors.IncompleteListing):
        client.staged_versions()


@pytest.mark.parametrize("total", [3, 100, 10**9])
def test_fewer_versions_than_counted_are_incomplete(
    client: RegistryClient, registry: responses.RequestsMock, pages: Pages, total: int
) -> None:
    pages([[2, 1], [], [2, 1], [], [2, 1], []], [total] * 6)
    with pytest.raises(errors.IncompleteListing):
        client.staged_versions()


def test_the_same_page_again_and_again_ends_incomplete(
    client: RegistryClient, registry: responses.RequestsMock, pages: Pages
) -> None:
    pages([[2, 1]], [1000])
    with pytest.raises(errors.IncompleteListing):
        client.staged_versions()
    assert len(registry.calls) < 2000


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"items": []},
        {"items": {}, "total": 0},
        {"items": [], "total": "0"},
        {"items": [], "total": -1},
        {"items": [], "total": True},
        {"items": [], "total": 0.5},
        {"items": [5], "total": 1},
        {"objects": [], "total": 0},
    ],
)
def test_a_list_that_is_none_is_refused(
    client: RegistryClient, registry: responses.RequestsMock, document: object
) -> None:
    registry.get(STAGE, json=document)
    with pytest.raises(errors.NotARegistry):
        client.staged_versions()

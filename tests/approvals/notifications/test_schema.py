"""The published schema is what webhooks really hold."""

import json
from typing import Any

import jsonschema_rs
import pytest

from approvals.notifications.messages import TOPICS, message_for, trial_message
from approvals.notifications.schema import payload_schema
from tests.approvals.notifications.conftest import Publish

BY_WEBHOOK = sorted(
    key for key, topic in TOPICS.items() if topic.by_webhook and not topic.is_personal
)


def validate(payload: dict[str, Any]) -> None:
    jsonschema_rs.Draft202012Validator(payload_schema(), validate_formats=True).validate(
        json.loads(json.dumps(payload))
    )


@pytest.mark.parametrize("topic", BY_WEBHOOK)
def test_every_kind_of_news_is_as_the_schema_says(publish: Publish, topic: str) -> None:
    event = publish(
        topic,
        actor="ada",
        who="ben",
        reason="It is\nfine.",
        schedule="front",
        until="2026-01-01T00:00:00+00:00",
        codes_left=3,
        more=2,
        secret="npm_notforanyone",
    )
    payload = message_for(event).payload
    validate(payload)
    documented = payload_schema()["properties"]
    assert set(payload) <= set(documented)
    assert set(payload["data"]) <= set(documented["data"]["properties"])
    assert payload["type"] in {kind.get("const") for kind in documented["type"]["anyOf"]}


def test_the_test_is_as_the_schema_says(publish: Publish) -> None:
    validate(trial_message("test_1", publish().at).payload)


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"id": 7}, {"timestamp": "soon"}, {"data": {"package": 7}}, {"data": []}],
)
def test_what_is_not_so_does_not_pass(publish: Publish, change: dict[str, Any]) -> None:
    """Else the tests above would prove nothing."""
    payload = message_for(publish()).payload | change
    with pytest.raises(jsonschema_rs.ValidationError):
        validate(payload)


def test_news_about_ones_own_account_are_not_for_webhooks() -> None:
    kinds = {kind.get("const") for kind in payload_schema()["properties"]["type"]["anyOf"]}
    assert "staged_version.live" in kinds
    assert not any(str(kind).startswith(("person.", "factor.", "recovery_")) for kind in kinds)

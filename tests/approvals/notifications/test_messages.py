"""What people read: complete, plain, and without anything that misleads or leaks."""

import pytest
from pytest_django import Settings

from approvals.notifications.messages import TOPICS, message_for, one_line
from tests.approvals.notifications.conftest import STAGE_ID, Publish


@pytest.mark.parametrize("topic", list(TOPICS))
def test_every_topic_says_what_it_is_about(publish: Publish, topic: str) -> None:
    message = message_for(publish(topic, reason="Because."))
    about = {
        "person": "was changed",
        "github": "GitHub",
        "registry": "npm",
        "rota": "the rota",
        "swap": "the rota",
        "override": "the rota",
        "account": "account",
        "administrator": "administrator",
        "authenticator": "authenticator app",
        "factor": "second factor",
        "factors": "second factors",
        "accounts": "registry accounts",
        "recovery_codes": "recovery codes",
        "recovery_code": "recovery code",
    }.get(topic.partition(".")[0], "left-pad@1.3.0")
    for text in (message.subject, message.payload["summary"]):
        assert about in text
        assert "{" not in text
    assert "Because." in message.body
    assert message.payload["type"] == topic


@pytest.mark.parametrize("topic", list(TOPICS))
def test_an_event_that_says_nothing_still_makes_a_message(publish: Publish, topic: str) -> None:
    nothing = dict.fromkeys(
        ("package", "version", "tag", "registry", "state", "url_path", "reason", "actor")
    )
    message = message_for(publish(topic, **nothing))
    assert message.subject
    assert "None" not in message.body


@pytest.mark.parametrize(
    ("more", "words"),
    [(11, "left-pad@1.3.0 and 11 more was approved by ada"), (0, "left-pad@1.3.0 was"), ("x", "")],
)
def test_a_vote_for_several_says_how_many(publish: Publish, more: object, words: str) -> None:
    message = message_for(publish("vote.cast", more=more, actor="ada"))
    assert words in message.payload["summary"]
    assert "x more" not in message.body


def test_the_body_leads_to_the_page(publish: Publish) -> None:
    message = message_for(publish())
    assert "https://countersign.example.org/versions/7/" in message.body
    assert STAGE_ID in message.body


def test_without_an_address_of_our_own_there_is_no_link(
    publish: Publish, settings: Settings
) -> None:
    settings.PUBLIC_URL = ""
    message = message_for(publish())
    assert "/versions/7/" not in message.body
    assert "url" not in message.payload["data"]


@pytest.mark.parametrize("path", ["//evil.example.org/", "https://evil.example.org/", ".evil", 7])
def test_a_link_never_leads_elsewhere(publish: Publish, path: object) -> None:
    message = message_for(publish(url_path=path))
    url = message.payload["data"].get("url", "https://countersign.example.org/")
    assert url.startswith("https://countersign.example.org/")


def test_hostile_text_makes_no_second_header_or_line(publish: Publish) -> None:
    message = message_for(
        publish(
            package="left-pad\r\nBcc: eve@example.org",
            version="1.0\u202e0.1\x01",
            reason="one\n\x1b]8;;http://evil\x07two\u2028three",
        )
    )
    assert "\n" not in message.subject
    assert "\r" not in message.subject
    assert "\u202e" not in message.body
    assert "\x1b" not in message.body
    assert "\x01" not in message.body
    assert "  one\n  ]8;;http://eviltwo\n  three" in message.body


def test_only_known_facts_leave(publish: Publish) -> None:
    message = message_for(publish(token="npm_secret", registry_code="123456", extra={"a": 1}))
    for text in (message.body, str(message.payload)):
        assert "npm_secret" not in text
        assert "123456" not in text


def test_long_text_is_cut() -> None:
    assert len(one_line("x" * 1000)) == 300
    assert one_line("short") == "short"

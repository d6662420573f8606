"""Webhooks against a real receiver: signed, bounded, and told apart by what went wrong."""

import json
import socket
from pathlib import Path

import pytest
import standardwebhooks

from approvals.audit.models import OutboxEvent
from approvals.notifications import bounded_http
from approvals.notifications.channels import channels
from approvals.notifications.channels.webhook import send
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import message_for
from approvals.notifications.models import Delivery, Webhook
from tests.approvals.notifications.conftest import STAGE_ID, Publish
from tests.approvals.notifications.receiver import Receiver


@pytest.fixture
def event(publish: Publish) -> OutboxEvent:
    return publish(reason="It is fine.", token="npm_notforanyone")


@pytest.fixture
def delivery(hook: tuple[Webhook, str], event: OutboxEvent) -> Delivery:
    return Delivery.objects.create(event=event, channel="webhook", recipient=str(hook[0].pk))


def failure(delivery: Delivery) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        send(delivery, message_for(delivery.event))
    assert "path-secret" not in str(caught.value)
    return caught.value


def test_the_receiver_can_verify_it_and_drop_repeats(
    hook: tuple[Webhook, str], delivery: Delivery, receiver: Receiver
) -> None:
    for _ in range(2):
        send(delivery, message_for(delivery.event))
    first, second = receiver.received
    for request in (first, second):
        payload = standardwebhooks.Webhook(hook[1]).verify(request.body, request.headers)
        assert payload["type"] == "staged_version.live"
        assert payload["data"] == {
            "package": "left-pad",
            "version": "1.3.0",
            "tag": "latest",
            "registry": "npm",
            "state": "live",
            "stage_id": STAGE_ID,
            "reason": "It is fine.",
            "url": "https://countersign.example.org/versions/7/",
        }
        assert request.headers["Content-Type"] == "application/json"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.path == "/hooks/path-secret"


def test_another_secret_or_a_changed_body_does_not_verify(
    hook: tuple[Webhook, str], delivery: Delivery, receiver: Receiver
) -> None:
    send(delivery, message_for(delivery.event))
    request = receiver.received[0]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").verify(
            request.body, request.headers
        )
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(hook[1]).verify(
            request.body.replace("1.3.0", "1.3.1"), request.headers
        )


def test_nothing_secret_is_sent(
    hook: tuple[Webhook, str],
    delivery: Delivery,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    send(delivery, message_for(delivery.event))
    request = receiver.received[0]
    assert "Authorization" not in request.headers
    assert "npm_notforanyone" not in request.body
    assert hook[1].removeprefix("whsec_") not in request.body + json.dumps(request.headers)


def test_a_server_error_says_so_in_the_receivers_words(
    delivery: Delivery, receiver: Receiver
) -> None:
    receiver.answer_with(500, b"the \x1b[31mqueue\x1b[0m\nis full")
    error = failure(delivery)
    assert "answered 500: the [31mqueue[0m is full" in str(error)
    assert not error.final
    assert error.holds_up is HoldsUp.RECIPIENT


def test_too_many_requests_is_waited_for(delivery: Delivery, receiver: Receiver) -> None:
    receiver.answer_with(429, Retry_After="120")
    assert failure(delivery).retry_after == 120
    receiver.answer_with(429, Retry_After="99999999999")
    assert failure(delivery).retry_after == bounded_http.RETRY_AFTER_LIMIT
    receiver.answer_with(429, Retry_After="soon")
    assert failure(delivery).retry_after == 0


def test_a_refusal_of_one_message_holds_up_no_other(delivery: Delivery, receiver: Receiver) -> None:
    receiver.answer_with(400, b"unknown type")
    error = failure(delivery)
    assert error.holds_up is HoldsUp.NOTHING
    assert not error.final


def test_gone_is_final(delivery: Delivery, receiver: Receiver) -> None:
    receiver.answer_with(410)
    assert failure(delivery).final


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(delivery: Delivery, receiver: Receiver, status: int) -> None:
    receiver.answer_with(status, Location=f"{receiver.url}/elsewhere")
    assert "Redirects are not followed" in str(failure(delivery))
    assert [request.path for request in receiver.received] == ["/hooks/path-secret"]


def test_a_silent_receiver_is_given_up(
    delivery: Delivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "READ_SECONDS", 0.2)
    receiver.manner = "silent"
    error = failure(delivery)
    assert "did not answer in time" in str(error)
    assert error.holds_up is HoldsUp.RECIPIENT


def test_an_answer_that_comes_byte_by_byte_is_cut_off(
    delivery: Delivery, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "ANSWER_SECONDS", 0.3)
    receiver.manner = "drip"
    error = failure(delivery)
    assert "did not answer in time" in str(error)
    assert error.holds_up is HoldsUp.RECIPIENT


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_answer_is_not_read(delivery: Delivery, receiver: Receiver, status: int) -> None:
    receiver.manner, receiver.status = "endless", status
    if status == 200:
        send(delivery, message_for(delivery.event))
    else:
        assert len(str(failure(delivery))) < 300


def test_a_closed_port_is_a_plain_sentence(
    hook: tuple[Webhook, str], delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(
            "approvals.notifications.channels.webhook.unseal", lambda *_, **__: hook[1]
        )
        Webhook.objects.update(url=f"http://127.0.0.1:{port}/hooks/path-secret")
        error = failure(delivery)
    assert str(error) == f"127.0.0.1:{port} cannot be reached (Connection refused)."


def test_a_secret_does_not_open_for_an_address_put_in_by_hand(
    delivery: Delivery, receiver: Receiver
) -> None:
    """Whoever can write to the database cannot have events signed for their own address."""
    Webhook.objects.update(url=receiver.url.replace("path-secret", "eve"))
    assert failure(delivery).final
    assert receiver.received == []


def test_a_webhook_that_is_off_or_removed_gets_nothing(
    hook: tuple[Webhook, str], delivery: Delivery, receiver: Receiver
) -> None:
    Webhook.objects.update(enabled=False)
    assert failure(delivery).final
    Webhook.objects.all().delete()
    assert failure(delivery).final
    assert receiver.received == []


def test_channels_register_themselves() -> None:
    assert {"email", "webhook"} <= set(channels())

"""Browser push against a push service that opens what it gets."""

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from approvals.audit.models import OutboxEvent
from approvals.notifications import push_keys
from approvals.notifications.channels import push
from approvals.notifications.channels.push import checked, send
from approvals.notifications.errors import AddressRefused, HoldsUp, NotDelivered
from approvals.notifications.messages import message_for, trial_message
from approvals.notifications.models import Delivery, Destination, PushKeys
from approvals.people.models import User
from tests.approvals.notifications.conftest import Publish
from tests.approvals.notifications.push_service import PushService, push_service


@pytest.fixture
def service(tmp_path: Path, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushService]:
    with push_service(tmp_path) as service:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        service.dashboard = push_keys.public_key()
        yield service


@pytest.fixture
def browser(people: dict[str, User], service: PushService) -> Destination:
    found = checked(service.subscription())
    browser = Destination(
        kind="push", name="Firefox", person=people["ben"], shown_address=found.shown
    )
    browser.seal_address(found.address)
    browser.save()
    return browser


@pytest.fixture
def event(publish: Publish) -> OutboxEvent:
    return publish(reason="It is fine.", token="npm_notforanyone")


@pytest.fixture
def delivery(browser: Destination, event: OutboxEvent) -> Delivery:
    return Delivery.objects.create(
        event=event, channel="push", recipient=str(browser.pk), destination=browser
    )


def failure(delivery: Delivery) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        send(delivery, message_for(delivery.event))
    assert "path-secret" not in str(caught.value)
    return caught.value


def test_the_browser_can_open_it_and_knows_whom_it_is_from(
    service: PushService, delivery: Delivery
) -> None:
    send(delivery, message_for(delivery.event))
    (pushed,) = service.got
    assert pushed.message["title"] == "Live: left-pad@1.3.0"
    assert pushed.message["path"] == "/versions/7/"
    assert pushed.message["id"] == f"event_{delivery.event_id}"
    assert pushed.headers["Content-Encoding"] == "aes128gcm"
    assert int(pushed.headers["TTL"]) > 3600
    assert pushed.claims["sub"] == "https://countersign.example.org"
    assert time.time() < pushed.claims["exp"] < time.time() + 86_400


def test_a_repeat_replaces_the_first_in_the_service_and_in_the_browser(
    service: PushService, delivery: Delivery
) -> None:
    for _ in range(2):
        send(delivery, message_for(delivery.event))
    first, second = service.got
    assert first.headers["Topic"] == second.headers["Topic"]
    assert len(first.headers["Topic"]) <= 32
    assert first.message["id"] == second.message["id"]


def test_nothing_of_it_can_be_read_on_the_way(
    service: PushService, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    take = PushService.take

    def overheard(service: PushService, headers: dict[str, str], body: bytes) -> int:
        bodies.append(body)
        return take(service, headers, body)

    monkeypatch.setattr(PushService, "take", overheard)
    send(delivery, message_for(delivery.event))
    assert b"left-pad" not in bodies[0]
    assert "npm_notforanyone" not in json.dumps(service.got[0].message)


def test_a_message_fits_whatever_a_package_is_called(
    browser: Destination, service: PushService, publish: Publish
) -> None:
    event = publish(package="\U0001f4a3" * 5000, registry="\U0001f4a3" * 5000, reason="x" * 50_000)
    delivery = Delivery.objects.create(
        event=event, channel="push", recipient=str(browser.pk), destination=browser
    )
    send(delivery, message_for(event))
    assert len(service.got) == 1
    assert len(json.dumps(service.got[0].message, ensure_ascii=False).encode()) <= 3000


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_has_ended_its_subscription_is_gone(
    service: PushService, delivery: Delivery, status: int
) -> None:
    service.status = status
    error = failure(delivery)
    assert error.final
    assert error.gone


@pytest.mark.parametrize("status", [400, 403, 413, 429, 500, 503])
def test_any_other_refusal_is_tried_again(
    service: PushService, delivery: Delivery, status: int
) -> None:
    service.status = status
    error = failure(delivery)
    assert not error.final
    assert not error.gone
    assert (error.holds_up is HoldsUp.RECIPIENT) == (status >= 429)


def test_another_dashboards_signature_is_not_ours(service: PushService, delivery: Delivery) -> None:
    """The service of this test checks what real ones check; else it would prove nothing."""
    PushKeys.objects.all().delete()
    assert not failure(delivery).gone
    assert service.got == []
    assert "somebody else" in service.refused[0]


def test_it_is_not_sent_into_this_machine(
    settings: Settings, service: PushService, delivery: Delivery
) -> None:
    settings.NOTIFY_ALLOW = ()
    assert "COUNTERSIGN_NOTIFY_ALLOW" in str(failure(delivery))
    assert service.got == []


def test_a_certificate_that_nobody_vouches_for_ends_it(
    service: PushService, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "TLS" in str(failure(delivery))
    assert service.got == []


def test_the_test_says_what_the_service_answered(
    browser: Destination, service: PushService, event: OutboxEvent
) -> None:
    message = trial_message("test_1", event.at)
    assert "answered 201" in push.test(browser, message)
    assert service.got[0].message["id"] == "test_1"
    service.status = 403
    with pytest.raises(NotDelivered, match="answered 403"):
        push.test(browser, message)


def test_an_address_put_in_by_hand_does_not_open(
    browser: Destination, service: PushService, people: dict[str, User], delivery: Delivery
) -> None:
    """Whoever can write to the database cannot give somebody else's browser to themselves."""
    Destination.objects.update(person=people["vic"])
    delivery.refresh_from_db()
    assert failure(delivery).final
    assert service.got == []


GOOD: dict[str, Any] = {
    "endpoint": "https://push.example.org/send/1",
    "keys": {
        "p256dh": "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6"
        "PBru3jl7A8",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}


def with_(**changed: Any) -> str:
    keys = GOOD["keys"] | {
        name: changed.pop(name) for name in ("p256dh", "auth") if name in changed
    }
    return json.dumps(GOOD | {"keys": keys} | changed)


def test_a_browsers_subscription_is_kept_in_one_form() -> None:
    plain = checked(json.dumps(GOOD))
    assert plain.shown == "push.example.org"
    padded = base64.b64encode(base64.urlsafe_b64decode(GOOD["keys"]["p256dh"] + "=")).decode()
    other = checked(with_(p256dh=padded, auth="BTBZMqHH6r4Tts7J/aSIgg==", expirationTime=None))
    assert other == plain
    assert "expirationTime" not in plain.address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"endpoint": 1, "keys": {"p256dh": "", "auth": ""}}',
        "[" * 3000,
        "x" * 5000,
        with_(endpoint="http://push.example.org/send/1"),
        with_(endpoint="https://127.0.0.2/send/1"),
        with_(endpoint="https://169.254.169.254/latest"),
        with_(endpoint="https://localhost/send"),
        with_(endpoint="https://ada@push.example.org/"),
        with_(endpoint="https://push.example.org/#top"),
        with_(endpoint="https://push.example.org:port/"),
        with_(endpoint="https://push.example.org/\r\nX: y"),
        with_(endpoint="https://push.example.org/a b"),
        with_(endpoint="file:///etc/passwd"),
        with_(endpoint="https://push.example.org/" + "x" * 2000),
        with_(auth="short"),
        with_(auth="\u0430" * 22),
        with_(auth=7),
        with_(p256dh="BTBZMqHH6r4Tts7J_aSIgg"),
        with_(p256dh="not base64!"),
        with_(p256dh="B" + "A" * 86),
    ],
)
def test_what_is_no_subscription_is_refused(settings: Settings, text: str) -> None:
    settings.NOTIFY_ALLOW = ()
    with pytest.raises(AddressRefused):
        checked(text)


def test_the_keys_are_made_once_and_at_rest_only_sealed(db: None) -> None:
    assert push_keys.public_key() == push_keys.public_key()
    kept = PushKeys.objects.get()
    assert push_keys.private_key() not in kept.sealed_private_key
    assert len(base64.urlsafe_b64decode(kept.public_key + "=")) == 65


@pytest.mark.django_db(transaction=True)
def test_processes_that_want_the_keys_at_once_get_the_same() -> None:
    def wanted(_: int) -> str:
        try:
            return push_keys.public_key()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(wanted, range(8)))) == 1

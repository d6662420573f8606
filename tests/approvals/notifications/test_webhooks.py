"""Who may set up webhooks, what is accepted as one, and what the log keeps of it."""

import base64

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.notifications import webhooks
from approvals.notifications.deliver import deliver_due
from approvals.notifications.dispatch import dispatch
from approvals.notifications.errors import NotDelivered
from approvals.notifications.models import Delivery, Webhook
from approvals.notifications.webhooks import WebhookRefused, checked_url
from approvals.people.models import User
from approvals.sealing import unseal
from tests.approvals.notifications.conftest import Publish
from tests.approvals.notifications.receiver import Receiver


def test_the_secret_is_random_and_at_rest_only_sealed(
    people: dict[str, User], hook: tuple[Webhook, str]
) -> None:
    webhook, secret = hook
    _, other = webhooks.add_webhook(
        actor=people["ada"], name="other", url="https://chat.example.org/"
    )
    assert secret != other
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) >= 24
    webhook.refresh_from_db()
    assert secret not in webhook.sealed_secret
    assert unseal(webhook.sealed_secret, bound_to=webhook.url) == secret


def test_the_log_has_neither_secret_nor_path(
    people: dict[str, User], hook: tuple[Webhook, str], receiver: Receiver
) -> None:
    webhook, secret = hook
    webhooks.change_webhook(webhook, actor=people["ada"], url=f"{receiver.url}/more")
    webhooks.send_test(webhook, people["ada"])
    webhooks.remove_webhook(webhook, actor=people["ada"])
    events = AuditEvent.objects.filter(kind__startswith="webhook.")
    assert [event.kind for event in events.order_by("sequence")] == [
        "webhook.added",
        "webhook.changed",
        "webhook.tested",
        "webhook.removed",
    ]
    for event in events:
        assert event.actor_name == "ada"
        assert secret not in str(event.detail)
        assert "path-secret" not in str(event.detail)


@pytest.mark.parametrize(
    "url",
    [
        "https://chat.example.org/hooks/42?token=x",
        "https://chat/hooks",
        "https://10.1.2.3:8443/",
        "https://[fd00::1]/hook",
        "http://127.0.0.1:8080/",
        "http://[::1]/",
        "http://localhost:3000/hook",
        "  https://chat.example.org/  ",
    ],
)
def test_addresses_that_are_fine(settings: Settings, url: str) -> None:
    settings.NOTIFY_ALLOW = ("127.0.0.0/8", "::1", "10.1.0.0/16", "fd00::/8")
    assert checked_url(url) == url.strip()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "whole address"),
        ("chat.example.org", "whole address"),
        ("http://chat.example.org/", "https://"),
        ("http://10.1.2.3/", "https://"),
        ("http://localhost.example.org/", "https://"),
        ("http://127.0.0.1.example.org/", "https://"),
        ("ftp://chat.example.org/", "https://"),
        ("file:///etc/passwd", "whole address"),
        ("https://ada:secret@chat.example.org/", "password"),
        ("https://chat.example.org/#top", "#"),
        ("https://chat.example.org/a b", "whole address"),
        ("https://chat.example.org/\r\nX: y", "whole address"),
        ("https://ch\u0430t.example.org/", "whole address"),
        ("https://chat.example.org:port/", "not an address"),
        ("https://[::1/", "not an address"),
        ("https://chat.example.org/" + "x" * 500, "longer than"),
        ("https://10.1.2.3/", "COUNTERSIGN_NOTIFY_ALLOW"),
        ("https://169.254.169.254/latest/", "COUNTERSIGN_NOTIFY_ALLOW"),
        ("http://127.0.0.2/", "COUNTERSIGN_NOTIFY_ALLOW"),
        ("https://2130706434/", "COUNTERSIGN_NOTIFY_ALLOW"),
        ("https://[::ffff:a9fe:a9fe]/", "COUNTERSIGN_NOTIFY_ALLOW"),
    ],
)
def test_addresses_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(WebhookRefused, match=words):
        checked_url(url)


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "two\nlines", "chat", " chat "])
def test_names_that_are_refused(
    people: dict[str, User], hook: tuple[Webhook, str], name: str
) -> None:
    with pytest.raises(WebhookRefused):
        webhooks.add_webhook(actor=people["ada"], name=name, url="https://chat.example.org/")
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize("who", ["ben", "vic"])
def test_only_administrators(
    people: dict[str, User], hook: tuple[Webhook, str], receiver: Receiver, who: str
) -> None:
    webhook, actor = hook[0], people[who]
    with pytest.raises(PermissionDenied):
        webhooks.add_webhook(actor=actor, name="x", url="https://chat.example.org/")
    with pytest.raises(PermissionDenied):
        webhooks.change_webhook(webhook, actor=actor, enabled=False)
    with pytest.raises(PermissionDenied):
        webhooks.send_test(webhook, actor)
    with pytest.raises(PermissionDenied):
        webhooks.remove_webhook(webhook, actor=actor)
    assert Webhook.objects.get().enabled
    assert receiver.received == []


def test_a_new_address_keeps_the_secret(people: dict[str, User], hook: tuple[Webhook, str]) -> None:
    webhook, secret = hook
    webhooks.change_webhook(
        webhook, actor=people["ada"], name="talk", url="https://chat.example.org/new"
    )
    assert (webhook.name, webhook.url) == ("talk", "https://chat.example.org/new")
    assert unseal(webhook.sealed_secret, bound_to=webhook.url) == secret


def test_changing_nothing_is_no_event(people: dict[str, User], hook: tuple[Webhook, str]) -> None:
    webhook = hook[0]
    webhooks.change_webhook(
        webhook, actor=people["ada"], name="chat", url=webhook.url, enabled=True
    )
    assert not AuditEvent.objects.filter(kind="webhook.changed").exists()


@pytest.mark.parametrize("end", ["off", "removed"])
def test_what_waited_for_it_is_given_up_where_one_can_see_it(
    people: dict[str, User],
    hook: tuple[Webhook, str],
    receiver: Receiver,
    publish: Publish,
    end: str,
) -> None:
    publish()
    dispatch()
    if end == "off":
        webhooks.change_webhook(hook[0], actor=people["ada"], enabled=False)
    else:
        webhooks.remove_webhook(hook[0], actor=people["ada"])
    deliver_due()
    given_up = Delivery.objects.get(channel="webhook")
    assert given_up.state == Delivery.State.FAILED
    assert end in given_up.last_error
    assert receiver.received == []


def test_the_test_shows_the_receivers_answer(
    people: dict[str, User], hook: tuple[Webhook, str], receiver: Receiver
) -> None:
    webhook = hook[0]
    assert "answered 204" in webhooks.send_test(webhook, people["ada"])
    receiver.answer_with(403, b"who are you?")
    with pytest.raises(NotDelivered, match="answered 403: who are you"):
        webhooks.send_test(webhook, people["ada"])
    answers = AuditEvent.objects.filter(kind="webhook.tested").values_list("detail", flat=True)
    assert any("who are you" in detail["answer"] for detail in answers)
    ids = {request.headers["webhook-id"] for request in receiver.received}
    assert len(ids) == 2

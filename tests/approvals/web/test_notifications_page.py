"""Webhooks and deliveries in the browser: who may do what, and what is shown to whom."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from approvals.audit import outbox
from approvals.audit.models import OutboxEvent
from approvals.notifications.dispatch import dispatch
from approvals.notifications.messages import TOPICS, Audience
from approvals.notifications.models import Delivery, Webhook
from approvals.notifications.webhooks import add_webhook
from approvals.people.models import Role, Scope, User
from approvals.sealing import unseal
from tests.approvals.factories import make_user
from tests.approvals.notifications.receiver import Receiver, receiving
from tests.approvals.web.pages import sign_in

pytestmark = pytest.mark.django_db
URL = "https://chat.example.org/hooks/path-secret"


@pytest.fixture
def admin(client: Client) -> User:
    user = make_user("ada", role=Role.ADMINISTRATOR)
    sign_in(user, client)
    return user


@pytest.fixture
def webhook(admin: User) -> Webhook:
    return add_webhook(actor=admin, name="team chat", url=URL)[0]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def viewing() -> Client:
    client = Client()
    sign_in(make_user("vic", role=Role.VIEWER), client)
    return client


def news(topic: str = "staged_version.live", **payload: object) -> OutboxEvent:
    with transaction.atomic():
        return outbox.publish(
            topic, package="left-pad", version="1.3.0", registry="npm", tag="latest", **payload
        )


def test_only_for_people_who_signed_in(client: Client) -> None:
    assert client.get("/notifications/").status_code == 302


def test_empty(client: Client, admin: User) -> None:
    page = client.get("/notifications/").text
    assert "No webhooks yet" in page
    assert "Nothing was told yet" in page
    assert "Add a webhook" in page


def test_adding_shows_the_secret_once(client: Client, admin: User) -> None:
    response = client.post("/notifications/webhooks/add/", {"name": "team chat", "url": URL})
    found = re.search(r'value="(whsec_[A-Za-z0-9+/=]+)"', response.text)
    assert found
    webhook = Webhook.objects.get()
    assert unseal(webhook.sealed_secret, bound_to=URL) == found[1]
    assert "no-store" in response["Cache-Control"]
    for path in ("/notifications/", f"/notifications/webhooks/{webhook.pk}/"):
        assert found[1] not in client.get(path).text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://chat.example.org/", "must start with https://"),
        ("chat", "Enter a whole address"),
        ("", "This field is required"),
    ],
)
def test_an_address_that_cannot_be_used(client: Client, admin: User, url: str, words: str) -> None:
    response = client.post("/notifications/webhooks/add/", {"name": "x", "url": url})
    assert words in response.text
    assert not Webhook.objects.exists()


def test_a_name_that_is_taken(client: Client, webhook: Webhook) -> None:
    data = {"name": "team chat", "url": URL}
    response = client.post("/notifications/webhooks/add/", data)
    assert "There is a webhook named team chat already." in response.text
    assert Webhook.objects.count() == 1


def test_the_path_of_an_address_is_for_administrators(
    client: Client, webhook: Webhook, viewing: Client
) -> None:
    page = viewing.get("/notifications/").text
    assert "https://chat.example.org" in page
    assert "path-secret" not in page
    assert "path-secret" in client.get(f"/notifications/webhooks/{webhook.pk}/").text


def test_others_may_look_but_not_touch(webhook: Webhook, viewing: Client) -> None:
    delivery = Delivery.objects.create(
        event=news(), channel="webhook", recipient=str(webhook.pk), state=Delivery.State.FAILED
    )
    page = viewing.get("/notifications/").text
    for action in ("Add a webhook", "Send a test", "Try now", "Change<"):
        assert action not in page
    own = f"/notifications/webhooks/{webhook.pk}/"
    assert viewing.get("/notifications/webhooks/add/").status_code == 403
    assert viewing.get(own).status_code == 403
    for path in (
        "/notifications/webhooks/add/",
        own,
        f"{own}test/",
        f"{own}remove/",
        f"/notifications/deliveries/{delivery.pk}/try-now/",
    ):
        assert viewing.post(path, {"name": "x", "url": URL}).status_code == 403
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.FAILED
    assert Webhook.objects.get().name == "team chat"


def test_actions_take_no_get(client: Client, webhook: Webhook) -> None:
    for action in ("test", "remove"):
        path = f"/notifications/webhooks/{webhook.pk}/{action}/"
        assert client.get(path).status_code == 405
    assert Webhook.objects.exists()


def test_actions_want_the_csrf_token(admin: User, webhook: Webhook) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(admin, strict)
    assert strict.post(f"/notifications/webhooks/{webhook.pk}/remove/").status_code == 403
    assert Webhook.objects.exists()


def test_changing_switching_off_and_removing(client: Client, webhook: Webhook) -> None:
    path = f"/notifications/webhooks/{webhook.pk}/"
    response = client.post(path, {"name": "talk", "url": URL}, follow=True)
    assert "talk is saved" in response.text
    assert "Switched off" in response.text
    client.post(path, {"name": "talk", "url": URL, "enabled": "on"})
    assert Webhook.objects.get().enabled
    response = client.post(f"{path}remove/", follow=True)
    assert "talk is removed" in response.text
    assert not Webhook.objects.exists()
    assert client.get(path).status_code == 404


def test_the_test_button_shows_what_came_back(
    client: Client, admin: User, receiver: Receiver
) -> None:
    webhook, _ = add_webhook(actor=admin, name="chat", url=receiver.url)
    path = f"/notifications/webhooks/{webhook.pk}/test/"
    assert "answered 204: the test arrived" in client.post(path, follow=True).text
    receiver.answer_with(403, b"<b>who</b> are you")
    page = client.post(path, follow=True).text
    assert "answered 403: &lt;b&gt;who&lt;/b&gt; are you" in page
    assert "path-secret" not in page


def test_deliveries_say_how_it_went(client: Client, webhook: Webhook, viewing: Client) -> None:
    event = news()
    for state, error in (("sent", ""), ("failed", "The receiver said <no>"), ("waiting", "Busy")):
        Delivery.objects.create(
            event=event if state == "failed" else news(),
            channel="webhook",
            recipient=str(webhook.pk),
            state=state,
            tries=3,
            last_error=error,
            due_at=timezone.now() + timedelta(minutes=7, seconds=30),
            sent_at=timezone.now() if state == "sent" else None,
        )
    Delivery.objects.create(event=event, channel="webhook", recipient="999")
    Delivery.objects.create(event=event, channel="email", recipient="ada@example.org")
    page = viewing.get("/notifications/").text
    for text in (
        "Live: left-pad@1.3.0",
        "team chat",
        "a webhook that was removed",
        "The receiver said &lt;no&gt;",
        "in 7 min",
        "1 delivery failed for good",
        ">ada<br>",
    ):
        assert text in page
    assert "ada@example.org" not in page
    only_failed = client.get("/notifications/?state=failed").context["rows"]
    assert [row.delivery.state for row in only_failed] == ["failed"]
    assert client.get("/notifications/?state=nonsense").status_code == 200


PERSONAL = sorted(name for name, topic in TOPICS.items() if topic.audience is Audience.PERSON)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER])
@pytest.mark.parametrize("topic", PERSONAL)
def test_everybody_sees_the_news_of_their_own_account_only(
    admin: User, client: Client, role: Role, topic: str
) -> None:
    ana, ben = make_user("ana", role=role), make_user("ben", role=role)
    for person in (ana, ben):
        event = news(topic, person=person.pk, factor=f"key of {person}", url_path="/security/")
        # A failed one is counted at the top too.
        Delivery.objects.create(
            event=event, channel="email", recipient=person.email, state=Delivery.State.FAILED
        )
    shown = sign_in(ana).get("/notifications/").context
    assert [row.to for row in shown["rows"]] == ["ana"]
    assert shown["failed_count"] == 1
    assert [row.to for row in client.get("/notifications/").context["rows"]] == ["ben", "ana"]


def test_own_news_reaches_who_sees_some_packages_only(admin: User) -> None:
    ana = make_user("ana", role=Role.APPROVER)
    Scope.objects.create(user=ana, packages="@acme/*")
    for person in (ana, admin):
        Delivery.objects.create(
            event=news("recovery_code.used", person=person.pk),
            channel="email",
            recipient=person.email,
        )
    shown = sign_in(ana).get("/notifications/").context["rows"]
    assert [row.to for row in shown] == ["ana"]


@pytest.mark.parametrize("topic", ["administrator.invited", "registry.failing"])
def test_the_news_for_administrators_is_shown_to_them_alone(
    client: Client, admin: User, viewing: Client, topic: str
) -> None:
    Delivery.objects.create(event=news(topic), channel="email", recipient=admin.email)
    assert not viewing.get("/notifications/").context["rows"]
    assert len(client.get("/notifications/").context["rows"]) == 1


@pytest.mark.parametrize(
    ("path", "linked"),
    [
        ("/versions/7/", True),
        ("//evil.example.org/", False),
        ("javascript:alert(1)", False),
        ("/\\evil.example.org", False),
    ],
)
def test_a_delivery_leads_to_what_it_is_about_and_nowhere_else(
    client: Client, webhook: Webhook, path: str, linked: bool
) -> None:
    Delivery.objects.create(event=news(url_path=path), channel="webhook", recipient="1")
    page = client.get("/notifications/").text
    assert (f'href="{path}"' in page) == linked
    assert linked or path not in page


def test_try_now(client: Client, webhook: Webhook) -> None:
    delivery = Delivery.objects.create(
        event=news(),
        channel="webhook",
        recipient=str(webhook.pk),
        state=Delivery.State.FAILED,
        tries=10,
    )
    path = f"/notifications/deliveries/{delivery.pk}/try-now/"
    assert "tried again" in client.post(path, follow=True).text
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == (Delivery.State.WAITING, 0)
    assert delivery.due_at <= timezone.now()
    Delivery.objects.update(state=Delivery.State.SENT)
    assert "sent already" in client.post(path, follow=True).text


def test_news_of_a_kind_that_is_no_longer_told_is_still_listed(
    client: Client, webhook: Webhook
) -> None:
    Delivery.objects.create(event=news("pigeon.lost"), channel="webhook", recipient="1")
    assert "pigeon.lost" in client.get("/notifications/").text


def test_the_number_of_queries_does_not_grow(
    client: Client, webhook: Webhook, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(15):
        news()
    dispatch()
    with django_assert_max_num_queries(12):
        client.get("/notifications/")

"""A browser that is told: asked for on the profile, tested, and told nothing more."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
from django.test import Client

from approvals.audit.models import AuditEvent
from approvals.notifications import push_keys
from approvals.notifications.models import Destination
from approvals.people.models import User
from tests.approvals.factories import make_user
from tests.approvals.notifications.push_service import PushService, push_service
from tests.approvals.web.pages import sign_in, text_of

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
def ben(client: Client) -> User:
    user = make_user("ben")
    sign_in(user, client)
    return user


@pytest.fixture
def service(tmp_path: Path, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushService]:
    with push_service(tmp_path) as service:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        service.dashboard = push_keys.public_key()
        yield service


def subscribe(client: Client, subscription: str) -> str:
    return text_of(
        client.post(
            "/push/subscribe/",
            {"subscription": subscription},
            follow=True,
            headers={"User-Agent": FIREFOX},
        )
    )


def test_the_profile_asks_for_it_with_the_dashboards_key(client: Client, ben: User) -> None:
    page = client.get("/profile/").text
    assert f'data-push="{push_keys.public_key()}"' in page
    assert 'data-push-worker="/push/worker.js"' in page
    assert "No browser of yours is told yet" in page


def test_told_tested_and_told_nothing_more(client: Client, ben: User, service: PushService) -> None:
    page = subscribe(client, service.subscription())
    assert "Firefox on Linux is told from now on" in page
    browser = Destination.objects.get()
    assert browser.person == ben
    assert "path-secret" not in client.get("/profile/").text

    page = text_of(client.post(f"/push/{browser.pk}/test/", follow=True))
    assert "answered 201" in page
    assert [pushed.message["title"] for pushed in service.got] == ["A test"]

    page = text_of(client.post(f"/push/{browser.pk}/remove/", follow=True))
    assert "Firefox on Linux is told nothing more" in page
    assert not Destination.objects.exists()
    kinds = AuditEvent.objects.filter(kind__startswith="destination.").values_list(
        "kind", flat=True
    )
    assert set(kinds) == {"destination.added", "destination.tested", "destination.removed"}
    assert "path-secret" not in str(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_it_gets_what_somebody_on_call_must_not_miss(
    client: Client, ben: User, service: PushService
) -> None:
    subscribe(client, service.subscription())
    (subscription,) = Destination.objects.get().subscriptions.all()
    assert {"assigned", "escalation", "alarm"} <= set(subscription.kinds)
    assert "live" not in subscription.kinds


def test_the_same_browser_twice_is_one(client: Client, ben: User, service: PushService) -> None:
    subscribe(client, service.subscription())
    assert "You have added this one already" in subscribe(client, service.subscription())
    assert Destination.objects.count() == 1


def test_a_failing_test_says_what_was_answered(
    client: Client, ben: User, service: PushService
) -> None:
    subscribe(client, service.subscription())
    service.status = 403
    page = text_of(client.post(f"/push/{Destination.objects.get().pk}/test/", follow=True))
    assert "did not arrive at Firefox on Linux" in page
    assert "answered 403" in page


@pytest.mark.parametrize(
    "subscription",
    [
        "",
        "nonsense",
        '{"endpoint": "https://169.254.169.254/latest", "keys": {"p256dh": "a", "auth": "b"}}',
        '{"endpoint": "http://push.example.org/", "keys": {"p256dh": "a", "auth": "b"}}',
        "x" * 5000,
    ],
)
def test_what_no_browser_hands_over_is_refused(
    client: Client, ben: User, subscription: str
) -> None:
    subscribe(client, subscription)
    assert not Destination.objects.exists()


def test_other_peoples_browsers_are_not_there(
    client: Client, ben: User, service: PushService
) -> None:
    subscribe(client, service.subscription())
    browser = Destination.objects.get()
    other = Client()
    sign_in(make_user("eve"), other)
    assert other.post(f"/push/{browser.pk}/test/").status_code == 404
    assert other.post(f"/push/{browser.pk}/remove/").status_code == 404
    assert "Firefox on Linux" not in other.get("/profile/").text
    assert service.got == []
    assert Destination.objects.exists()


def test_a_foreign_page_cannot_have_somebodys_browser_told(ben: User, service: PushService) -> None:
    client = Client(enforce_csrf_checks=True)
    sign_in(ben, client)
    answer = client.post("/push/subscribe/", {"subscription": service.subscription()})
    assert answer.status_code == 403
    assert not Destination.objects.exists()


def test_the_worker_governs_its_own_folder_and_is_always_the_newest(client: Client) -> None:
    answer = client.get("/push/worker.js")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "no-cache"
    # Else it would govern more than its own folder.
    assert "Service-Worker-Allowed" not in answer
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "'fetch'" not in answer.text


def test_the_schema_is_there_for_whoever_writes_a_receiver(client: Client) -> None:
    answer = client.get("/notifications/webhooks/schema.json")
    assert answer.status_code == 200
    schema = json.loads(answer.text)
    jsonschema_rs.meta.validate(schema)
    assert schema["properties"]["schema"]["const"] == 1

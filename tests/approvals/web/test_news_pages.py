"""A person's news in the browser, where else they go, and when it is quiet."""

import re

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.audit import outbox
from approvals.notifications.destinations import own_email
from approvals.notifications.dispatch import dispatch
from approvals.notifications.errors import NotDelivered
from approvals.notifications.models import Delivery, Destination, FeedItem, QuietHours
from approvals.people.models import Role, Scope, Team, User
from approvals.queue.models import StagedVersion
from approvals.queue.transitions import news_of
from tests.approvals.factories import make_staged_version, make_user
from tests.approvals.web.pages import sign_in

pytestmark = pytest.mark.django_db
ADDRESS = "jsons://user:token-that-is-secret@chat.example.org/room"


@pytest.fixture
def ben(client: Client) -> User:
    user = make_user("ben")
    sign_in(user, client)
    return user


@pytest.fixture
def admin(client: Client) -> User:
    user = make_user("ada", role=Role.ADMINISTRATOR)
    sign_in(user, client)
    return user


@pytest.fixture
def place(ben: User) -> Destination:
    """A place that no address was typed for: what a channel says of one is tested there."""
    found = Destination(kind="apprise", name="Ben's phone", person=ben)
    found.seal_address(ADDRESS)
    found.shown_address = "jsons://chat.example.org"
    found.save()
    found.subscriptions.create()
    return found


def tell_of(row: StagedVersion, topic: str = "staged_version.live", **more: object) -> None:
    with transaction.atomic():
        outbox.publish(topic, stage_id=row.stage_id, **{**news_of(row), **more})
    dispatch()


PATHS = ["/news/", "/news/settings/", "/news/places/add/"]


@pytest.mark.parametrize("path", PATHS)
def test_only_for_people_who_signed_in(client: Client, path: str) -> None:
    assert client.get(path).status_code == 302


def test_empty(client: Client, ben: User) -> None:
    assert "No news yet" in client.get("/news/").text
    assert "You have read everything" in client.get("/news/?show=unread").text
    page = client.get("/news/settings/").text
    assert "None yet" in page
    assert "Of teams, and shared" not in page


def test_news_are_counted_shown_opened_and_read(client: Client, ben: User) -> None:
    row = make_staged_version("left-pad")
    tell_of(row, "staged_version.found")
    tell_of(row, "staged_version.alarm", reason="<b>Another</b> digest.")
    page = client.get("/news/").text
    assert "ALARM: left-pad@1.5.0" in page
    assert "&lt;b&gt;Another&lt;/b&gt; digest." in page
    assert re.search(r"News <span class=\"badge badge--accent\">2<", page)
    item = FeedItem.objects.get(person=ben, event__topic="staged_version.found")
    response = client.get(f"/news/{item.pk}/")
    assert response.headers["Location"] == f"/versions/{row.pk}/"
    assert "Needs review" not in client.get("/news/?show=unread").text
    found = re.search(r'name="up_to" value="(\d+)"', page)
    assert found
    page = client.post("/news/read/", {"up_to": found[1]}, follow=True).text
    assert "1 marked as read." in page
    assert "badge--accent" not in page


@pytest.mark.parametrize("up_to", ["", "x", "-1", "9" * 30])
def test_reading_up_to_nonsense_reads_nothing(client: Client, ben: User, up_to: str) -> None:
    tell_of(make_staged_version("left-pad"))
    assert client.post("/news/read/", {"up_to": up_to}).status_code == 302
    assert FeedItem.objects.filter(read_at=None).exists()


def test_an_address_that_leads_elsewhere_is_not_followed(client: Client, ben: User) -> None:
    tell_of(make_staged_version("left-pad"), url_path="//elsewhere.example.org/")
    item = FeedItem.objects.get(person=ben)
    assert client.get(f"/news/{item.pk}/").headers["Location"] == "/news/"


def test_what_is_out_of_scope_is_neither_counted_nor_shown(client: Client, ben: User) -> None:
    tell_of(make_staged_version("@secret/thing"))
    Scope.objects.create(user=ben, packages="@acme/*")
    item = FeedItem.objects.get(person=ben)
    page = client.get("/news/").text
    assert "@secret" not in page
    assert "badge--accent" not in page
    assert client.get(f"/news/{item.pk}/").status_code == 404


def test_somebody_elses_news_are_not_there(client: Client, ben: User) -> None:
    make_user("eve")
    tell_of(make_staged_version("left-pad"))
    item = FeedItem.objects.get(person__username="eve")
    assert client.get(f"/news/{item.pk}/").status_code == 404
    item.refresh_from_db()
    assert item.read_at is None


def test_many_news_take_as_many_queries_as_few(client: Client, ben: User) -> None:
    Scope.objects.create(user=ben, packages="@acme/*")

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            client.get("/news/")
        return len(counted)

    tell_of(make_staged_version("@acme/pad-0"))
    client.get("/news/")
    few = queries()
    for number in range(1, 20):
        tell_of(make_staged_version(f"@acme/pad-{number}"))
    assert queries() == few


def test_an_address_is_typed_once_and_never_shown(client: Client, ben: User) -> None:
    response = client.post("/news/places/add/", {"name": "phone", "address": ADDRESS}, follow=True)
    assert "phone is added" in response.text
    found = Destination.objects.get()
    assert (found.person, found.kind) == (ben, "apprise")
    for path in ("/news/settings/", f"/news/places/{found.pk}/"):
        assert "token-that-is-secret" not in client.get(path).text


def test_an_address_that_cannot_be_used(client: Client, ben: User) -> None:
    response = client.post("/news/places/add/", {"name": "phone", "address": "pigeon://loft"})
    assert response.status_code == 200
    assert not Destination.objects.exists()
    assert "notice--bad" in response.text


def test_choosing_what_a_place_gets(client: Client, ben: User, place: Destination) -> None:
    path = f"/news/places/{place.pk}/"
    wanted = {"kinds": ["live", "alarm"], "packages": "@acme/*\nleft-pad\n", "registry_url": ""}
    page = client.post(f"{path}gets/add/", wanted, follow=True).text
    assert "Live; Alarms: a digest that differs" in page
    first, second = place.subscriptions.all()
    assert second.packages == ["@acme/*", "left-pad"]
    page = client.post(f"{path}gets/add/", {"packages": "../etc/passwd"}).text
    assert "names no packages" in page
    client.post(f"{path}gets/{first.pk}/remove/")
    assert list(place.subscriptions.all()) == [second]


def test_choosing_what_ones_email_gets(client: Client, ben: User) -> None:
    assert "who has chosen nothing" in client.get("/news/settings/").text
    page = client.post("/news/settings/e-mail/", follow=True).text
    assert "Add what it gets" in page
    assert "Remove Your e-mail" not in page
    client.post(f"/news/places/{own_email(ben).pk}/gets/add/", {"kinds": ["live"]})
    assert "who has chosen nothing" not in client.get("/news/settings/").text


def test_changing_and_removing(client: Client, ben: User, place: Destination) -> None:
    path = f"/news/places/{place.pk}/"
    client.post(path, {"name": "tablet", "address": ""})
    place.refresh_from_db()
    assert (place.name, place.enabled, place.open_address()) == ("tablet", False, ADDRESS)
    assert "It is switched off." in client.get(path).text
    client.post(f"{path}remove/")
    assert not Destination.objects.exists()


def test_the_test_button(
    client: Client, ben: User, place: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise NotDelivered("chat.example.org answered 403: <i>wrong</i> token")

    monkeypatch.setattr("approvals.notifications.channels.apprise.test", refuse)
    page = client.post(f"/news/places/{place.pk}/test/", follow=True).text
    assert "answered 403: &lt;i&gt;wrong&lt;/i&gt; token" in page


def test_a_place_is_its_owners_alone(client: Client, ben: User, place: Destination) -> None:
    for name, role in (("eve", Role.APPROVER), ("ada", Role.ADMINISTRATOR)):
        other = Client()
        sign_in(make_user(name, role=role), other)
        path = f"/news/places/{place.pk}/"
        assert other.get(path).status_code == 404
        for action in ("", "test/", "remove/", "gets/add/", "gets/1/remove/"):
            assert other.post(f"{path}{action}").status_code == 404
        assert "Ben's phone" not in other.get("/news/settings/").text
    assert place.subscriptions.count() == 1


def test_administrators_set_up_the_teams(client: Client, admin: User) -> None:
    team = Team.objects.create(name="web")
    data = {"owner": f"team-{team.pk}", "kind": "email", "name": "web", "address": ""}
    client.post("/news/places/add/", data)
    found = Destination.objects.get()
    assert (found.team, found.person) == (team, None)
    assert "Of teams, and shared" in client.get("/news/settings/").text


def test_nobody_else_adds_what_is_not_their_own(client: Client, ben: User) -> None:
    team = Team.objects.create(name="web")
    for owner in ("everyone", f"team-{team.pk}"):
        data = {"owner": owner, "kind": "email", "name": "x", "address": "x@example.org"}
        client.post("/news/places/add/", data)
    assert not Destination.objects.exclude(person=ben).exists()


def test_quiet_hours(client: Client, ben: User) -> None:
    typed = {"starts": "22:00", "ends": "07:00", "weekdays": ["0", "4"], "time_zone": "UTC"}
    page = client.post("/news/quiet-hours/add/", typed, follow=True).text
    assert "22:00 to 07:00, beginning on Mon, Fri, UTC" in page
    refused = client.post("/news/quiet-hours/add/", {**typed, "time_zone": "Mars/Base"}).text
    assert "There is no time zone" in refused
    row = QuietHours.objects.get()
    other = Client()
    sign_in(make_user("eve"), other)
    other.post(f"/news/quiet-hours/{row.pk}/remove/")
    assert QuietHours.objects.exists()
    client.post(f"/news/quiet-hours/{row.pk}/remove/")
    assert not QuietHours.objects.exists()


def test_what_is_parked_is_shown_and_sent_again(client: Client, admin: User) -> None:
    tell_of(make_staged_version("left-pad"))
    Delivery.objects.update(state=Delivery.State.PARKED, last_error="Nobody answers.")
    page = client.get("/notifications/?state=parked").text
    assert "1 delivery is parked" in page
    assert "Send again" in page
    page = client.post("/notifications/deliveries/send-parked/", follow=True).text
    assert "1 sent again" in page
    assert Delivery.objects.get().state == Delivery.State.WAITING
    other = Client()
    sign_in(make_user("vic", role=Role.VIEWER), other)
    assert other.post("/notifications/deliveries/send-parked/").status_code == 403


def test_actions_want_a_post_and_the_csrf_token(ben: User, place: Destination) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(ben, strict)
    path = f"/news/places/{place.pk}/"
    for action in (f"{path}test/", f"{path}remove/", f"{path}gets/add/", "/news/read/"):
        assert strict.get(action).status_code == 405
        assert strict.post(action).status_code == 403
    assert Destination.objects.exists()

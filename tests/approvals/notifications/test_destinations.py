"""Where news go: by kind, package and registry, to whom may see them, and to nobody else."""

from collections.abc import Iterable
from threading import BoundedSemaphore

import pytest
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction

from approvals.audit import outbox
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.notifications import channels as channels_room
from approvals.notifications.channels import Checked, channels
from approvals.notifications.deliver import deliver_due
from approvals.notifications.destinations import (
    MOST_SUBSCRIPTIONS,
    DestinationRefused,
    add_destination,
    change_destination,
    own_email,
    remove_destination,
    send_test,
    subscribe,
    unsubscribe,
)
from approvals.notifications.dispatch import dispatch
from approvals.notifications.errors import AddressRefused, NotDelivered
from approvals.notifications.messages import Message
from approvals.notifications.models import Delivery, Destination, Webhook
from approvals.people.models import Scope, Team, User
from approvals.queue.models import StagedVersion
from approvals.queue.transitions import news_of
from tests.approvals.factories import make_registry, make_staged_version
from tests.approvals.notifications.conftest import Publish
from tests.approvals.notifications.receiver import Receiver

State = Delivery.State
ADDRESS = "chat://token-that-is-secret@chat.example.org/room"


class Chat:
    """Stands in for the channel of chats; what it was given, and how it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Message]] = []
        self.error: NotDelivered | None = None

    def checked(self, address: str) -> Checked:
        if not address.startswith("chat://"):
            raise AddressRefused("This is no chat.")
        return Checked(address, "chat://chat.example.org")

    def send(self, delivery: Delivery, message: Message) -> None:
        if self.error:
            raise self.error
        assert delivery.destination
        self.got.append((delivery.destination.open_address(), message))

    def test(self, destination: Destination, message: Message) -> str:
        if self.error:
            raise self.error
        self.got.append((destination.open_address(), message))
        return "chat.example.org answered 200: ok"

    def labels(self, recipients: Iterable[str]) -> dict[str, str]:
        return channels_room.destination_labels(list(recipients))


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Chat:
    chat = Chat()
    monkeypatch.setitem(channels(), "apprise", chat)
    return chat


@pytest.fixture
def bens(people: dict[str, User], chat: Chat) -> Destination:
    User.objects.update(wants_email=False)
    return add_destination(
        people["ben"], kind="apprise", name="Ben's phone", address=ADDRESS, person=people["ben"]
    )


def tell_of(row: StagedVersion, topic: str = "staged_version.live", **more: object) -> OutboxEvent:
    with transaction.atomic():
        event = outbox.publish(topic, stage_id=row.stage_id, **{**news_of(row), **more})
    dispatch()
    return event


def only(destination: Destination, actor: User, **wanted: object) -> None:
    """Has it get this and nothing else."""
    for one in destination.subscriptions.all():
        unsubscribe(destination, actor, one.pk)
    typed = {"kinds": [], "packages": [], "registry_url": "", **wanted}
    subscribe(destination, actor, **typed)  # type: ignore[arg-type]  # as a form hands it over


def test_a_persons_chat_gets_what_they_may_see(bens: Destination, chat: Chat) -> None:
    assert bens.person
    Scope.objects.create(user=bens.person, packages="@acme/*")
    tell_of(make_staged_version("@acme/pad"))
    tell_of(make_staged_version("@other/pad"))
    deliver_due()
    ((address, message),) = chat.got
    assert address == ADDRESS
    assert "@acme/pad" in message.subject


def test_scopes_are_looked_at_again_when_it_is_sent(bens: Destination, chat: Chat) -> None:
    tell_of(make_staged_version("@acme/pad"))
    assert bens.person
    Scope.objects.create(user=bens.person, packages="@other/*")
    deliver_due()
    assert chat.got == []
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_error) == (
        State.FAILED,
        "The person it was for may not see it any more.",
    )


def test_who_left_gets_nothing_more(bens: Destination, chat: Chat) -> None:
    row = make_staged_version("pad")
    tell_of(row)
    User.objects.filter(pk=bens.person_id).update(is_active=False)
    deliver_due()
    tell_of(row, "staged_version.rejected")
    deliver_due()
    assert chat.got == []
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({}, ["a", "b", "c"]),
        ({"kinds": ["live"]}, ["a", "b", "c"]),
        ({"kinds": ["rejected", "alarm"]}, []),
        ({"packages": ["@acme/*"]}, ["a", "c"]),
        ({"packages": ["@acme/pad", "other"]}, ["a", "b", "c"]),
        ({"packages": ["@acme/p"]}, []),
        ({"registry_url": "https://second.registry.example.org/"}, ["c"]),
        ({"registry_url": "https://second.registry.example.org/", "packages": ["other"]}, []),
    ],
)
def test_what_a_place_gets(
    bens: Destination, chat: Chat, wanted: dict[str, object], told: list[str]
) -> None:
    assert bens.person
    first = make_registry("first", url="https://first.registry.example.org/")
    second = make_registry("second", url="https://second.registry.example.org/")
    only(bens, bens.person, **wanted)
    rows = {
        "a": make_staged_version("@acme/pad", registry=first),
        "b": make_staged_version("other", registry=first),
        "c": make_staged_version("@acme/pad", registry=second),
    }
    events = {name: tell_of(row) for name, row in rows.items()}
    assert [name for name in rows if events[name].deliveries.exists()] == told


def test_several_lines_add_up_and_tell_once(bens: Destination, chat: Chat) -> None:
    assert bens.person
    only(bens, bens.person, packages=["@acme/*"])
    subscribe(bens, bens.person, kinds=["live"], packages=[], registry_url="")
    assert tell_of(make_staged_version("@acme/pad")).deliveries.count() == 1
    assert tell_of(make_staged_version("other")).deliveries.count() == 1


def test_what_is_about_no_package_is_for_who_wants_all_packages(
    bens: Destination, people: dict[str, User], publish: Publish, chat: Chat
) -> None:
    theirs = add_destination(
        people["ada"], kind="apprise", name="ops", address=ADDRESS, person=people["ada"]
    )
    event = publish("registry.failing")
    dispatch()
    # Ben manages nothing, so that it is not for him.
    assert set(event.deliveries.values_list("recipient", flat=True)) == {str(theirs.pk)}
    only(theirs, people["ada"], packages=["@acme/*"])
    event = publish("registry.failing")
    dispatch()
    assert not event.deliveries.exists()


def test_a_teams_chat_gets_no_more_than_it_was_given(
    people: dict[str, User], chat: Chat, publish: Publish
) -> None:
    team = Team.objects.create(name="web")
    place = add_destination(
        people["ada"], kind="apprise", name="web chat", address=ADDRESS, team=team
    )
    row = make_staged_version("pad")
    assert tell_of(row).deliveries.filter(destination=place).exists()
    personal = publish("factor.removed", person=people["ben"].pk)
    between = tell_of(row, "comment.mentioned", people=[people["ben"].pk])
    dispatch()
    for event in (personal, between):
        assert not event.deliveries.filter(destination=place).exists()


def test_a_teams_email_without_an_address_goes_to_who_may_see_it(
    people: dict[str, User], mailoutbox: list[EmailMessage]
) -> None:
    User.objects.update(wants_email=False)
    User.objects.filter(username__in=["ben", "vic"]).update(wants_email=True)
    team = Team.objects.create(name="web")
    team.members.set([people["ada"], people["ben"], people["vic"]])
    Scope.objects.create(user=people["vic"], packages="@other/*")
    add_destination(people["ada"], kind="email", name="web", address="", team=team)
    tell_of(make_staged_version("@acme/pad"), "staged_version.found")
    deliver_due()
    assert [mail.to for mail in mailoutbox] == [["ben@example.org"]]


def test_a_teams_address(people: dict[str, User], mailoutbox: list[EmailMessage]) -> None:
    User.objects.update(wants_email=False)
    team = Team.objects.create(name="web")
    place = add_destination(
        people["ada"], kind="email", name="list", address="Web@lists.example.org", team=team
    )
    assert "lists.example.org" not in place.sealed_address
    tell_of(make_staged_version("pad"))
    deliver_due()
    assert [mail.to for mail in mailoutbox] == [["web@lists.example.org"]]


def test_choosing_what_ones_email_gets_takes_the_place_of_the_default(
    people: dict[str, User],
) -> None:
    User.objects.exclude(username="ben").update(wants_email=False)
    row, ben = make_staged_version("pad"), people["ben"]
    assert not tell_of(row, "staged_version.found").deliveries.exists()
    assert tell_of(row).deliveries.exists()
    only(own_email(ben), ben, kinds=["review"])
    assert tell_of(row, "staged_version.found").deliveries.get().recipient == ben.email
    assert not tell_of(row).deliveries.exists()
    for one in own_email(ben).subscriptions.all():
        unsubscribe(own_email(ben), ben, one.pk)
    assert tell_of(row).deliveries.exists()


def test_nobody_opts_out_of_news_of_their_account(
    people: dict[str, User], publish: Publish
) -> None:
    ben = people["ben"]
    only(own_email(ben), ben, kinds=["review"], packages=["@acme/*"])
    event = publish("factor.removed", person=ben.pk)
    dispatch()
    assert event.deliveries.get().recipient == ben.email


def test_a_webhook_can_be_narrowed(
    people: dict[str, User], hook: tuple[Webhook, str], receiver: Receiver
) -> None:
    User.objects.update(wants_email=False)
    only(Destination.objects.get(webhook=hook[0]), people["ada"], kinds=["live"])
    row = make_staged_version("pad")
    tell_of(row, "staged_version.found")
    tell_of(row)
    deliver_due()
    assert ['"type":"staged_version.live"' in request.body for request in receiver.received] == [
        True
    ]


def test_everybody_sets_up_their_own_and_administrators_the_shared(
    people: dict[str, User], bens: Destination, chat: Chat
) -> None:
    ada, ben, vic = people["ada"], people["ben"], people["vic"]
    shared = add_destination(ada, kind="apprise", name="ops", address=ADDRESS)
    for actor, place in ((vic, bens), (ada, bens), (ben, shared)):
        with pytest.raises(PermissionDenied):
            change_destination(place, actor, name="x", enabled=False)
        with pytest.raises(PermissionDenied):
            remove_destination(place, actor)
        with pytest.raises(PermissionDenied):
            send_test(place, actor)
        with pytest.raises(PermissionDenied):
            subscribe(place, actor, kinds=[], packages=[], registry_url="")
        with pytest.raises(PermissionDenied):
            unsubscribe(place, actor, place.subscriptions.get().pk)
    for owner in ({"person": vic}, {}, {"team": Team.objects.create(name="web")}):
        with pytest.raises(PermissionDenied):
            add_destination(ben, kind="apprise", name="x", address=ADDRESS, **owner)
    assert chat.got == []


def test_an_address_is_sealed_to_its_owner_and_never_logged(
    people: dict[str, User], bens: Destination, chat: Chat
) -> None:
    assert "token-that-is-secret" not in bens.sealed_address + bens.shown_address
    details = str(list(AuditEvent.objects.values_list("detail", flat=True)))
    assert "token-that-is-secret" not in details
    assert "chat://chat.example.org" in details
    # A row that was changed in the database does not send one person's news to another's chat.
    Destination.objects.filter(pk=bens.pk).update(person=people["vic"])
    tell_of(make_staged_version("pad"))
    deliver_due()
    assert chat.got == []


def test_the_same_place_once(bens: Destination) -> None:
    assert bens.person
    with pytest.raises(DestinationRefused, match="added this one already"):
        add_destination(
            bens.person, kind="apprise", name="again", address=ADDRESS, person=bens.person
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "Enter a name"),
        ({"name": "x" * 81}, "Enter a name"),
        ({"address": "pigeon://"}, "This is no chat."),
        ({"address": "chat://" + "x" * 4000}, "longer than"),
        ({"kind": "webhook"}, "Choose what kind"),
        ({"kind": "email"}, "the address of your account"),
        ({"kinds": ["gossip"]}, "There are no news called"),
    ],
)
def test_what_cannot_be_used(
    people: dict[str, User], chat: Chat, change: dict[str, object], words: str
) -> None:
    typed = {"kind": "apprise", "name": "phone", "address": ADDRESS, "person": people["ben"]}
    with pytest.raises(DestinationRefused, match=words):
        add_destination(people["ben"], **{**typed, **change})
    assert not Destination.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"packages": ["../../etc"]}, "names no packages"),
        ({"packages": ["a*b*c*d*e"]}, "more than"),
        ({"packages": [f"p{n}" for n in range(51)]}, "Write at most"),
        ({"registry_url": "https://elsewhere.example.org/"}, "There is no such registry"),
        ({"kinds": ["gossip"]}, "There are no news called"),
    ],
)
def test_what_cannot_be_chosen(bens: Destination, change: dict[str, object], words: str) -> None:
    typed = {"kinds": [], "packages": [], "registry_url": "", **change}
    assert bens.person
    with pytest.raises(DestinationRefused, match=words):
        subscribe(bens, bens.person, **typed)
    assert bens.subscriptions.count() == 1


def test_not_more_lines_than_one_reads(bens: Destination) -> None:
    assert bens.person
    for _ in range(MOST_SUBSCRIPTIONS - 1):
        subscribe(bens, bens.person, kinds=[], packages=[], registry_url="")
    with pytest.raises(DestinationRefused, match="Take one away first"):
        subscribe(bens, bens.person, kinds=[], packages=[], registry_url="")


def test_switching_off_and_removing_give_up_what_waits(bens: Destination, chat: Chat) -> None:
    assert bens.person
    row = make_staged_version("pad")
    first = tell_of(row)
    change_destination(bens, bens.person, name="Phone", enabled=False)
    assert first.deliveries.get().last_error == "It was switched off."
    assert not tell_of(row, "staged_version.rejected").deliveries.exists()
    change_destination(bens, bens.person, name="Phone", enabled=True)
    second = tell_of(row, "staged_version.alarm")
    remove_destination(bens, bens.person)
    assert second.deliveries.get().last_error == "It was removed."
    deliver_due()
    assert chat.got == []


def test_the_test_button_says_what_the_receiver_answered(bens: Destination, chat: Chat) -> None:
    assert bens.person
    assert send_test(bens, bens.person) == "chat.example.org answered 200: ok"
    assert chat.got[0][1].subject == "A test"
    chat.error = NotDelivered("chat.example.org answered 403: wrong token")
    with pytest.raises(NotDelivered, match="wrong token"):
        send_test(bens, bens.person)
    answers = AuditEvent.objects.filter(kind="destination.tested").values_list("detail", flat=True)
    assert {answer["answer"] for answer in answers} == {
        "chat.example.org answered 200: ok",
        "chat.example.org answered 403: wrong token",
    }


def test_receivers_that_take_long_leave_threads_for_pages(
    bens: Destination, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody who may sign in may enter one that does not answer."""
    assert bens.person
    ben, refusals = bens.person, []

    def tried_again_while_it_is_spoken_to(destination: Destination, message: Message) -> str:
        with pytest.raises(NotDelivered) as refusal:
            send_test(destination, ben)
        refusals.append(str(refusal.value))
        with pytest.raises(DestinationRefused, match="in a minute"):
            add_destination(ben, kind="apprise", name="Another", address=f"{ADDRESS}/2", person=ben)
        return "it took long"

    monkeypatch.setattr("approvals.notifications.in_turn._places", BoundedSemaphore(1))
    monkeypatch.setattr(chat, "test", tried_again_while_it_is_spoken_to)
    for _ in range(2):
        assert send_test(bens, ben) == "it took long"
    assert refusals == ["Others are being tried at this moment. Try again in a minute."] * 2


def test_a_place_that_is_gone_is_switched_off(bens: Destination, chat: Chat) -> None:
    chat.error = NotDelivered("The browser has ended it.", final=True, gone=True)
    tell_of(make_staged_version("pad"))
    deliver_due()
    bens.refresh_from_db()
    assert not bens.enabled


def test_the_database_refuses_two_owners(people: dict[str, User]) -> None:
    team = Team.objects.create(name="web")
    with pytest.raises(IntegrityError), transaction.atomic():
        Destination.objects.create(kind="push", name="x", person=people["ben"], team=team)

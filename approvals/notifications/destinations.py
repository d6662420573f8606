"""Where news go: adding, testing, changing and removing destinations, and what each of them gets.

Everybody sets up their own; administrators set up the teams' and those that are shared.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.audit.record import record
from approvals.notifications.channels import Checked, channels
from approvals.notifications.errors import AddressRefused, NotDelivered
from approvals.notifications.in_turn import AllBusy, in_turn
from approvals.notifications.messages import KINDS, TOPICS, Audience, trial_message
from approvals.notifications.models import Delivery, Destination, Subscription
from approvals.people.models import Team, User
from approvals.people.permissions import may_manage
from approvals.people.scopes import ScopeRefused, check_packages
from approvals.queue.models import Registry

NAME_LIMIT, ADDRESS_LIMIT = 80, 4000
MOST_OWN, MOST_OF_TEAM, MOST_SUBSCRIPTIONS, MOST_PACKAGES = 20, 50, 10, 50
OWN_EMAIL = "Your e-mail"
# What a browser is for: what somebody on call must not miss.
ON_CALL = ("assigned", "reminder", "escalation", "alarm", "elsewhere", "failed", "code", "rota")


class DestinationRefused(Exception):
    """What was entered cannot be used. str() is the sentence for the page."""


def destinations_of(user: User) -> QuerySet[Destination]:
    """Those that this person may change: their own, and for administrators all that are nobody's.

    Webhooks have pages of their own, but what they get is said here.
    """
    own = Q(person=user)
    if may_manage(user):
        own |= Q(person__isnull=True)
    return Destination.objects.filter(own).select_related("team", "webhook", "person")


def may_change(user: User, destination: Destination) -> bool:
    """Whether this person may say what it gets."""
    return destination.person_id == user.pk or (destination.person_id is None and may_manage(user))


def own_email(user: User) -> Destination:
    """The person's own e-mail, made when they first choose what it gets."""
    found, _ = Destination.objects.get_or_create(
        kind=Destination.Kind.EMAIL,
        person=user,
        fingerprint="",
        defaults={"name": OWN_EMAIL},
    )
    return found


def add_destination(
    actor: User,
    *,
    kind: str,
    name: str,
    address: str,
    person: User | None = None,
    team: Team | None = None,
    kinds: Sequence[str] = (),
) -> Destination:
    """Adds a place where news can go: the actor's own, a team's, or with neither a shared one.

    A team's e-mail without an address goes to each of its members, as far as they may see what it
    is about. It gets the `kinds` given, all without any. Raises DestinationRefused, and
    PermissionDenied.
    """
    _check_owner(actor, person, team)
    destination = Destination(
        kind=kind, name=_checked_name(name), person=person, team=team, enabled=True
    )
    if kind not in (Destination.Kind.EMAIL, Destination.Kind.APPRISE, Destination.Kind.PUSH):
        raise DestinationRefused("Choose what kind of place it is.")
    if kind == Destination.Kind.EMAIL and person is not None:
        raise DestinationRefused("Your e-mail goes to the address of your account.")
    if address or not (kind == Destination.Kind.EMAIL and team):
        _take_address(destination, _checked_address(kind, address))
    with transaction.atomic():
        _check_number(destination)
        try:
            with transaction.atomic():
                destination.save()
        except IntegrityError:
            raise DestinationRefused("You have added this one already.") from None
        Subscription.objects.create(destination=destination, kinds=_checked_kinds(kinds))
        record(
            "destination.added",
            actor=actor,
            subject=destination,
            channel=kind,
            address=destination.shown_address,
            owner=owner_in_words(destination),
        )
    return destination


def change_destination(
    destination: Destination, actor: User, *, name: str, enabled: bool, address: str = ""
) -> None:
    """Changes its name, switches it on or off, and gives it another address where one is typed.

    Switching it off gives up what still waits for it. Raises DestinationRefused, PermissionDenied.
    """
    _check_actor(actor, destination)
    # Before the transaction: a channel may take a while to look at an address.
    checked = _checked_address(destination.kind, address) if address else None
    with transaction.atomic():
        current = Destination.objects.select_for_update().get(pk=destination.pk)
        changed: dict[str, Any] = {}
        if (name := _checked_name(name)) != current.name:
            current.name = changed["name"] = name
        if checked:
            _take_address(current, checked)
            changed["address"] = current.shown_address
        if enabled != current.enabled:
            current.enabled = changed["enabled"] = enabled
            if not enabled:
                _give_up_waiting(current, "It was switched off.")
        if not changed:
            return
        try:
            with transaction.atomic():
                current.save()
        except IntegrityError:
            raise DestinationRefused("You have added this one already.") from None
        record("destination.changed", actor=actor, subject=current, **changed)
    destination.refresh_from_db()


def remove_destination(destination: Destination, actor: User) -> None:
    """Removes it for good; what still waits for it is given up. Raises PermissionDenied."""
    _check_actor(actor, destination)
    if destination.kind == Destination.Kind.WEBHOOK:
        raise DestinationRefused("A webhook is removed on its own page.")
    with transaction.atomic():
        _give_up_waiting(destination, "It was removed.")
        record(
            "destination.removed",
            actor=actor,
            subject=destination,
            channel=destination.kind,
            address=destination.shown_address,
            owner=owner_in_words(destination),
        )
        Destination.objects.filter(pk=destination.pk).delete()


def send_test(destination: Destination, actor: User) -> str:
    """Sends a message that says it is a test, at once; returns what the receiver answered.

    Raises NotDelivered with its answer, PermissionDenied. Takes as long as the channel may.
    """
    _check_actor(actor, destination)
    message = trial_message(f"test_{uuid.uuid4().hex}", timezone.now())
    if (
        destination.kind == Destination.Kind.EMAIL
        and destination.team
        and _is_for_members(destination)
    ):
        raise NotDelivered("This goes to each member: a test would write to all of them.")
    try:
        with in_turn():
            answer = channels()[destination.kind].test(destination, message)
    except AllBusy as refusal:
        raise NotDelivered(str(refusal)) from refusal
    except NotDelivered as error:
        _record_test(destination, actor, str(error))
        raise
    _record_test(destination, actor, answer)
    return answer


def subscribe(
    destination: Destination,
    actor: User,
    *,
    kinds: Sequence[str],
    packages: Sequence[str],
    registry_url: str,
) -> Subscription:
    """Has it get these kinds of news of these packages, beside what it gets already.

    Nothing chosen means all. Raises DestinationRefused, PermissionDenied.
    """
    _check_actor(actor, destination)
    globs = sorted({glob.strip() for glob in packages if glob.strip()})
    if len(globs) > MOST_PACKAGES:
        raise DestinationRefused(
            f"Write at most {MOST_PACKAGES} lines. Cover several packages with one pattern, such "
            "as @acme/*."
        )
    for glob in globs:
        try:
            check_packages(glob)
        except ScopeRefused as refusal:
            raise DestinationRefused(str(refusal)) from refusal
    visible = Registry.objects.visible_to(actor)
    if registry_url and not visible.filter(url=registry_url).exists():
        raise DestinationRefused("There is no such registry.")
    with transaction.atomic():
        Destination.objects.select_for_update().get(pk=destination.pk)
        if destination.subscriptions.count() >= MOST_SUBSCRIPTIONS:
            raise DestinationRefused(
                f"It has {MOST_SUBSCRIPTIONS} lines already. Take one away first."
            )
        row = Subscription.objects.create(
            destination=destination,
            kinds=_checked_kinds(kinds),
            packages=globs,
            registry_url=registry_url,
        )
        record(
            "destination.subscribed",
            actor=actor,
            subject=destination,
            kinds=row.kinds,
            packages=row.packages,
            registry=registry_url,
        )
    return row


def unsubscribe(destination: Destination, actor: User, key: int) -> None:
    """Takes one line of what it gets away. Raises PermissionDenied."""
    _check_actor(actor, destination)
    with transaction.atomic():
        row = destination.subscriptions.filter(pk=key).first()
        if row is None:
            return
        row.delete()
        record(
            "destination.unsubscribed",
            actor=actor,
            subject=destination,
            kinds=row.kinds,
            packages=row.packages,
            registry=row.registry_url,
        )


def kinds_by_default() -> list[str]:
    """What the e-mail of a person gets who has chosen nothing."""
    found = {
        topic.kind
        for topic in TOPICS.values()
        if topic.by_email and topic.audience is not Audience.PERSON
    }
    return [kind for kind in KINDS if kind in found]


def owner_in_words(destination: Destination) -> str:
    """Whose it is."""
    if destination.person:
        return str(destination.person)
    return f"team {destination.team}" if destination.team else "everyone"


def _is_for_members(destination: Destination) -> bool:
    return not destination.sealed_address


def _checked_address(kind: str, address: str) -> Checked:
    if len(address) > ADDRESS_LIMIT:
        raise DestinationRefused(f"The address is longer than {ADDRESS_LIMIT} characters.")
    try:
        with in_turn():
            return channels()[kind].checked(address)
    except (AddressRefused, AllBusy) as refusal:
        raise DestinationRefused(str(refusal)) from refusal


def _take_address(destination: Destination, checked: Checked) -> None:
    destination.seal_address(checked.address)
    destination.shown_address = checked.shown[:200]


def _check_owner(actor: User, person: User | None, team: Team | None) -> None:
    if person is not None and (person.pk != actor.pk or team is not None or not actor.is_active):
        raise PermissionDenied
    if person is None and not may_manage(actor):
        raise PermissionDenied


def _check_actor(actor: User, destination: Destination) -> None:
    if not actor.is_active or not may_change(actor, destination):
        raise PermissionDenied


def _check_number(destination: Destination) -> None:
    if destination.person is not None:
        User.objects.select_for_update(no_key=True).get(pk=destination.person.pk)
        own = Destination.objects.filter(person=destination.person)
        if own.count() >= MOST_OWN:
            raise DestinationRefused(f"You have {MOST_OWN} places already. Remove one first.")
    elif Destination.objects.filter(person=None, team=destination.team).count() >= MOST_OF_TEAM:
        raise DestinationRefused(f"There are {MOST_OF_TEAM} such places. Remove one first.")


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise DestinationRefused(f"Enter a name of 1 to {NAME_LIMIT} characters.")
    return name


def _checked_kinds(kinds: Sequence[str]) -> list[str]:
    if unknown := set(kinds) - set(KINDS):
        raise DestinationRefused(f"There are no news called “{min(unknown)[:40]}”.")
    return [kind for kind in KINDS if kind in set(kinds)]


def _give_up_waiting(destination: Destination, why: str) -> None:
    Delivery.objects.filter(destination=destination, state=Delivery.State.WAITING).update(
        state=Delivery.State.FAILED, last_error=why, lease_until=None
    )


def _record_test(destination: Destination, actor: User, answer: str) -> None:
    with transaction.atomic():
        record("destination.tested", actor=actor, subject=destination, answer=answer[:400])

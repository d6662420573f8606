"""Who is told of an event: by its topic, by what people subscribed to, and by what they may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch

from approvals.audit.models import OutboxEvent
from approvals.notifications.messages import TOPICS, Audience, Topic, Urgency, urgency_of
from approvals.notifications.models import Delivery, Destination, Subscription
from approvals.people.models import User
from approvals.people.permissions import (
    may_decide_anything,
    may_manage,
    may_see,
    may_see_everything,
)
from approvals.people.scopes import matches
from approvals.policy.urgency import calls_urgent
from approvals.queue.models import StagedVersion

EMAIL = "email"
# What wants somebody to do something: of such, a policy says what cannot wait.
_ASKING = frozenset({"finding", "vote", "failed", "expiring"})
_BY_DESTINATION = frozenset({"apprise", "push"})


def _anybody(user: User) -> bool:
    return user.is_active


_BELONGS: dict[Audience, Callable[[User], bool]] = {
    Audience.EVERYONE: _anybody,
    Audience.DECIDERS: may_decide_anything,
    Audience.MANAGERS: may_manage,
    Audience.CONCERNED: _anybody,
    Audience.PERSON: _anybody,
}


@dataclass(frozen=True)
class Recipient:
    """One way that one event goes. `person` is whose quiet hours and scopes hold."""

    channel: str
    recipient: str
    destination: int | None = None
    person: int | None = None


@dataclass(frozen=True)
class Named:
    """A package at a registry, by its address."""

    registry_url: str
    package: str


class Directory:
    """Who is here, where their news go, and which versions these events are about: read once."""

    def __init__(self, events: Sequence[OutboxEvent]) -> None:
        self._people = {
            user.pk: user
            for user in User.objects.filter(is_active=True)
            .prefetch_related("scopes")
            .order_by("pk")
        }
        subscriptions = Prefetch("subscriptions", Subscription.objects.order_by("pk"))
        self._destinations = list(
            Destination.objects.filter(enabled=True)
            .select_related("team", "webhook")
            .prefetch_related(subscriptions, "team__members")
            .order_by("pk")
        )
        # A person's own e-mail: it need not be there, and where it is, it says what they get.
        self._own_email = {
            row.person_id: row
            for row in Destination.objects.filter(
                kind=EMAIL, person__isnull=False, sealed_address=""
            ).prefetch_related(subscriptions)
        }
        self._about = _versions_of({event.stage_id for event in events if event.stage_id})

    def recipients(self, event: OutboxEvent) -> list[Recipient]:
        """Whom a message goes to, each once."""
        topic = TOPICS.get(event.topic)
        if topic is None or not topic.is_news(event):
            return []
        found = [*self._former(event), *self._by_account(event, topic)]
        found += self._by_destination(event, topic)
        return list({(one.channel, one.recipient): one for one in found}.values())

    def readers(self, event: OutboxEvent) -> list[int]:
        """In whose feed it is."""
        topic = TOPICS.get(event.topic)
        if topic is None or not topic.is_news(event):
            return []
        return [user.pk for user in self._people.values() if self._concerns(event, topic, user)]

    def urgency(self, event: OutboxEvent) -> Urgency:
        """How urgent it is: by its topic, as its publisher says, or as a policy does."""
        found = urgency_of(event)
        topic = TOPICS[event.topic]
        if found is not Urgency.NORMAL or "urgent" in event.payload or topic.kind not in _ASKING:
            return found
        severity = "critical" if topic.kind == "finding" else ""
        named = self._named(event) or []
        if any(calls_urgent(one.registry_url, one.package, severity) for one in named):
            return Urgency.URGENT
        return found

    def _former(self, event: OutboxEvent) -> Iterator[Recipient]:
        # Whose address was changed hears of it at the old one, which is nobody's any more.
        if former := event.payload.get("former_address"):
            yield Recipient(EMAIL, former)

    def _by_account(self, event: OutboxEvent, topic: Topic) -> Iterator[Recipient]:
        if event.payload.get("former_address"):
            return
        for user in self._people.values():
            if not user.email or not (topic.is_personal or user.wants_email):
                continue
            own = self._own_email.get(user.pk)
            subscriptions = list(own.subscriptions.all()) if own else []
            wanted = (
                any(self._covers(one, event, topic) for one in subscriptions)
                if subscriptions
                else topic.by_email
            )
            if (topic.is_personal or wanted) and self._concerns(event, topic, user):
                yield Recipient(EMAIL, user.email, person=user.pk)

    def _by_destination(self, event: OutboxEvent, topic: Topic) -> Iterator[Recipient]:
        for one in self._destinations:
            if not any(self._covers(each, event, topic) for each in one.subscriptions.all()):
                continue
            if one.person_id is not None:
                user = self._people.get(one.person_id)
                if user is None or (one.kind == EMAIL and not one.sealed_address):
                    continue
                if self._concerns(event, topic, user):
                    yield Recipient(one.kind, str(one.pk), one.pk, user.pk)
                continue
            if topic.is_personal or not topic.by_webhook:
                continue
            if one.kind == EMAIL and not one.sealed_address:
                yield from self._members(one, event, topic)
            elif one.webhook is None or one.webhook.enabled:
                key = one.webhook_id or one.pk
                yield Recipient(one.kind, str(key), one.pk)

    def _members(self, one: Destination, event: OutboxEvent, topic: Topic) -> Iterator[Recipient]:
        """Of a team without an address, each member who may hear of it, by their account's."""
        for member in one.team.members.all() if one.team else ():
            user = self._people.get(member.pk)
            if user and user.email and user.wants_email and self._concerns(event, topic, user):
                yield Recipient(EMAIL, user.email, person=user.pk)

    def _concerns(self, event: OutboxEvent, topic: Topic, user: User) -> bool:
        """Whether the event is for this person, and about nothing that they may not see."""
        payload = event.payload
        if topic.is_personal:
            return bool(payload.get("person") == user.pk)
        # Whoever did it knows of it.
        if payload.get("not_to") == user.pk:
            return False
        if topic.not_to_actor and payload.get("actor") == user.get_username():
            return False
        if topic.audience is Audience.CONCERNED and user.pk not in (payload.get("people") or []):
            return False
        return _BELONGS[topic.audience](user) and _may_hear(user, self._named(event))

    def _covers(self, one: Subscription, event: OutboxEvent, topic: Topic) -> bool:
        if one.kinds and topic.kind not in one.kinds:
            return False
        about = self._named(event)
        if about is None:
            # Of a registry, of the rota, of people: they belong to no package's subscription.
            return not one.packages and not one.registry_url
        if not one.packages and not one.registry_url:
            return True
        return any(
            one.registry_url in ("", named.registry_url)
            and (not one.packages or any(matches(glob, named.package) for glob in one.packages))
            for named in about
        )

    def _named(self, event: OutboxEvent) -> list[Named] | None:
        """What the event is about; None where it is about no version."""
        return None if event.stage_id is None else self._about.get(event.stage_id, [])


def why_not(delivery: Delivery) -> str:
    """Why this may not be told any more, as a sentence; "" where it may.

    Between dispatch and now, hours may have passed: who left, and who lost sight of the package,
    gets nothing more.
    """
    topic = TOPICS.get(delivery.event.topic)
    destination = delivery.destination
    if topic is None:
        return "Nobody is told of such news any more."
    if destination is None and delivery.channel in _BY_DESTINATION:
        return "It was removed."
    if destination is not None and not destination.enabled:
        return "It was switched off."
    if delivery.event.payload.get("former_address") == delivery.recipient:
        return ""
    if destination is not None and destination.person_id is None:
        return ""
    return _why_not_for_person(delivery, topic)


def _why_not_for_person(delivery: Delivery, topic: Topic) -> str:
    users = User.objects.filter(is_active=True)
    if delivery.destination is not None:
        user = users.filter(destinations=delivery.destination).first()
    elif delivery.channel == EMAIL:
        users = users if topic.is_personal else users.filter(wants_email=True)
        user = users.filter(email=delivery.recipient).first()
    else:
        return ""
    if user is None:
        return "Nobody with this address wants e-mail any more."
    stage_id = delivery.event.stage_id
    about = None if stage_id is None else _versions_of({stage_id}).get(stage_id, [])
    if topic.is_personal or (_BELONGS[topic.audience](user) and _may_hear(user, about)):
        return ""
    return "The person it was for may not see it any more."


def may_read(user: User, events: Iterable[OutboxEvent]) -> set[int]:
    """Which of these events, by their keys, the person may read of now."""
    rows = list(events)
    about = _versions_of({event.stage_id for event in rows if event.stage_id})
    return {
        event.pk
        for event in rows
        if (topic := TOPICS.get(event.topic)) is not None
        and (topic.is_personal or _BELONGS[topic.audience](user))
        and _may_hear(user, about.get(event.stage_id, []) if event.stage_id else None)
    }


def _may_hear(user: User, about: Sequence[Named] | None) -> bool:
    """Whether the person may see every package that the news is about."""
    if about is None or may_see_everything(user):
        return user.is_active
    seen = [may_see(user, one.registry_url, one.package) for one in about]
    return bool(seen) and all(seen)


def _versions_of(stage_ids: set[UUID]) -> dict[UUID, list[Named]]:
    found: dict[UUID, list[Named]] = {}
    rows = StagedVersion.objects.filter(stage_id__in=stage_ids)
    for stage_id, url, name in rows.values_list("stage_id", "registry__url", "package__name"):
        found.setdefault(stage_id, []).append(Named(url, name))
    return found

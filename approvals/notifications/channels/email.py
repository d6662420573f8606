"""E-mail, one to each person who wants it."""

import smtplib
from collections.abc import Callable, Collection, Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet

from approvals.audit.models import OutboxEvent
from approvals.notifications.errors import HoldsUp, NotDelivered
from approvals.notifications.messages import TOPICS, Audience, Message, audience_of, one_line
from approvals.notifications.models import Delivery
from approvals.people.models import User
from approvals.people.permissions import (
    may_decide_anything,
    may_manage,
    may_see,
    may_see_everything,
)
from approvals.queue.models import StagedVersion


def _anybody(user: User) -> bool:
    return user.is_active


_BELONGS: dict[Audience, Callable[[User], bool]] = {
    Audience.EVERYONE: _anybody,
    Audience.DECIDERS: may_decide_anything,
    Audience.MANAGERS: may_manage,
    Audience.CONCERNED: _anybody,
}
PERMANENT = range(500, 600)


def recipients(event: OutboxEvent) -> Iterable[str]:
    audience = audience_of(event.topic)
    if audience is None or not TOPICS[event.topic].by_email:
        return
    if not TOPICS[event.topic].is_news(event):
        return
    people = _who_may_get(event.topic).exclude(email="")
    if audience is Audience.PERSON and (former := event.payload.get("former_address")):
        yield former
        return
    if audience is Audience.PERSON:
        yield from people.filter(pk=event.payload.get("person")).values_list("email", flat=True)
        return
    about = _about(event)
    if audience is Audience.CONCERNED:
        people = people.filter(pk__in=event.payload.get("people") or [])
    # Whoever did it knows of it.
    people = people.exclude(pk=event.payload.get("not_to") or 0)
    for user in people.prefetch_related("scopes"):
        if _BELONGS[audience](user) and _may_hear(user, about):
            yield user.email


def labels(recipients: Collection[str]) -> dict[str, str]:
    """Names, not addresses: the page is for everyone who may sign in."""
    people = User.objects.filter(email__in=set(recipients))
    names = {person.email: str(person) for person in people}
    return {address: names.get(address, "somebody who has left") for address in recipients}


def send(delivery: Delivery, message: Message) -> None:
    # Between dispatch and now, hours may have passed: somebody who left gets nothing more.
    user = _who_may_get(message.topic).filter(email=delivery.recipient).first()
    if not _is_former(delivery) and (user is None or not _may_hear(user, _about(delivery.event))):
        raise NotDelivered("Nobody with this address wants e-mail any more.", final=True)
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    mail = EmailMessage(
        subject=f"[Countersign] {message.subject}",
        body=f"{message.body}\n-- \n{_why(message.topic)}\n",
        to=[delivery.recipient],
        headers={
            # The same on every try, so that a mail server or reader can drop a repeat.
            "Message-ID": f"<{message.id}.{delivery.pk}@{host}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()), (0, b""))
        raise NotDelivered(
            f"The mail server refused this address: {code} {_words(answer)}",
            final=code in PERMANENT,
        ) from error
    except smtplib.SMTPResponseException as error:
        raise NotDelivered(
            f"The mail server refused: {error.smtp_code} {_words(error.smtp_error)}",
            holds_up=HoldsUp.CHANNEL,
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        reason = getattr(error, "strerror", "") or type(error).__name__
        raise NotDelivered(
            f"The mail server cannot be reached ({reason}).", holds_up=HoldsUp.CHANNEL
        ) from error


def _who_may_get(topic: str) -> QuerySet[User]:
    """Who is here, and wants e-mail, unless it is about their own account: nobody opts out."""
    people = User.objects.filter(is_active=True)
    return people if _is_personal(topic) else people.filter(wants_email=True)


def _about(event: OutboxEvent) -> list[StagedVersion] | None:
    """The versions that the news is about; None where it is about none."""
    if event.stage_id is None:
        return None
    return list(StagedVersion.objects.with_package().filter(stage_id=event.stage_id))


def _may_hear(user: User, about: list[StagedVersion] | None) -> bool:
    """Whether the person may see every package that the news is about."""
    if about is None or may_see_everything(user):
        return True
    seen = [may_see(user, row.registry.url, row.package.name) for row in about]
    return bool(seen) and all(seen)


def _is_former(delivery: Delivery) -> bool:
    """Whether the address was somebody's until the event, which is what it is told of."""
    return bool(delivery.event.payload.get("former_address") == delivery.recipient)


def _is_personal(topic: str) -> bool:
    return audience_of(topic) is Audience.PERSON


def _why(topic: str) -> str:
    where = f" at {settings.PUBLIC_URL}" if settings.PUBLIC_URL else ""
    if _is_personal(topic):
        return f"Countersign{where} sends you this because it is about your own account."
    return (
        f"Countersign{where} sends you this because your account says that you want e-mail. "
        "Change that there, under Profile."
    )


def _words(answer: bytes | str) -> str:
    return one_line(answer.decode(errors="replace") if isinstance(answer, bytes) else answer, 200)

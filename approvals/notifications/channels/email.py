"""E-mail, one to each person who wants it, or to an address that a team has."""

import smtplib
from collections.abc import Collection
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from approvals.notifications.channels import Checked, destination_labels
from approvals.notifications.errors import AddressRefused, HoldsUp, NotDelivered
from approvals.notifications.messages import Audience, Message, audience_of, one_line
from approvals.notifications.models import Delivery, Destination
from approvals.people.models import User
from approvals.sealing import SealBroken

PERMANENT = range(500, 600)


def labels(recipients: Collection[str]) -> dict[str, str]:
    """Names, not addresses: the page is for everyone who may sign in."""
    addresses = {one for one in recipients if "@" in one}
    people = User.objects.filter(email__in=addresses)
    names = {person.email: str(person) for person in people}
    found = {address: names.get(address, "somebody who has left") for address in addresses}
    return found | destination_labels([one for one in recipients if "@" not in one])


def checked(address: str) -> Checked:
    """An e-mail address. Raises AddressRefused."""
    address = address.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise AddressRefused("Enter one e-mail address, such as team@example.org.") from error
    return Checked(address, address)


def test(destination: Destination, message: Message) -> str:
    """Hands the message to the mail server at once. Raises NotDelivered."""
    address = _address_of(destination)
    _hand_over(address, message, key=f"test{destination.pk}")
    return f"The mail server took the message to {address}. Look whether it arrives there."


def send(delivery: Delivery, message: Message) -> None:
    address = _address_of(delivery.destination) if delivery.destination else delivery.recipient
    _hand_over(address, message, key=str(delivery.pk))


def _address_of(destination: Destination) -> str:
    if destination.person and not destination.sealed_address:
        return destination.person.email
    try:
        return destination.open_address()
    except SealBroken as error:
        raise NotDelivered(str(error), final=True) from error


def _hand_over(address: str, message: Message, *, key: str) -> None:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    why = _why(message.topic)
    mail = EmailMultiAlternatives(
        subject=f"[Countersign] {message.subject}",
        body=f"{message.body}\n-- \n{why}\n",
        to=[address],
        headers={
            # The same on every try, so that a mail server or reader can drop a repeat.
            "Message-ID": f"<{message.id}.{key}@{host}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    if message.html:
        mail.attach_alternative(_page(message, why), "text/html")
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()), (0, b""))
        raise NotDelivered(
            f"The mail server refused this address: {code} {_words(answer)}",
            final=code in PERMANENT,
        ) from error
    except smtplib.SMTPResponseException as error:
        # Refused for what it says: a comment or a package's own words must not keep back what else
        # there is to tell, of this version or of others.
        is_about_it = isinstance(error, smtplib.SMTPDataError) and error.smtp_code in PERMANENT
        raise NotDelivered(
            f"The mail server refused: {error.smtp_code} {_words(error.smtp_error)}",
            final=is_about_it,
            holds_up=HoldsUp.NOTHING if is_about_it else HoldsUp.CHANNEL,
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        reason = getattr(error, "strerror", "") or type(error).__name__
        raise NotDelivered(
            f"The mail server cannot be reached ({reason}).", holds_up=HoldsUp.CHANNEL
        ) from error


def _page(message: Message, why: str) -> str:
    """The message as a whole page; no picture in it tells anybody when it is read."""
    return format_html(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>{}</title></head><body>{}<hr><p><small>{}</small></p></body></html>",
        message.subject,
        mark_safe(message.html),  # noqa: S308 - made by format_html, see messages.py
        why,
    )


def _why(topic: str) -> str:
    where = f" at {settings.PUBLIC_URL}" if settings.PUBLIC_URL else ""
    if audience_of(topic) is Audience.PERSON:
        return f"Countersign{where} sends you this because it is about your own account."
    return (
        f"Countersign{where} sends you this because your account says that you want e-mail. "
        "Change that there, under Profile."
    )


def _words(answer: bytes | str) -> str:
    return one_line(answer.decode(errors="replace") if isinstance(answer, bytes) else answer, 200)

"""Adding, changing, testing and removing webhooks; only administrators do."""

import base64
import secrets
import uuid
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.notifications.channels.webhook import post_signed
from approvals.notifications.errors import NotDelivered
from approvals.notifications.in_turn import AllBusy, in_turn
from approvals.notifications.messages import trial_message
from approvals.notifications.models import Delivery, Destination, Subscription, Webhook
from approvals.notifications.webhook_address import WebhookRefused, checked_url, origin_of
from approvals.people.models import User
from approvals.people.permissions import may_manage
from approvals.sealing import SealBroken, seal, unseal

# Between these, the specification allows; 32 bytes are as many as the signature's hash has.
SECRET_BYTES = 32
NAME_LIMIT = 80


def add_webhook(*, actor: User, name: str, url: str) -> tuple[Webhook, str]:
    """Returns the webhook and its secret, which is shown now and never again.

    Raises WebhookRefused, PermissionDenied.
    """
    _check_actor(actor)
    url = checked_url(url)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    with transaction.atomic():
        webhook = Webhook(
            name=_checked_name(name), url=url, sealed_secret=seal(secret, bound_to=url)
        )
        webhook.save()
        Subscription.objects.create(destination=_destination_of(webhook))
        record("webhook.added", actor=actor, subject=webhook, address=origin_of(url))
    return webhook, secret


def change_webhook(
    webhook: Webhook,
    *,
    actor: User,
    name: str | None = None,
    url: str | None = None,
    enabled: bool | None = None,
) -> None:
    """Changes what is given and leaves the rest; the secret stays the same.

    Switching it off gives up what still waits for it. Raises WebhookRefused, PermissionDenied.
    """
    _check_actor(actor)
    with transaction.atomic():
        current = Webhook.objects.select_for_update().get(pk=webhook.pk)
        changed: dict[str, Any] = {}
        if name is not None and name.strip() != current.name:
            current.name = changed["name"] = _checked_name(name, besides=current.pk)
        if url is not None and (url := checked_url(url)) != current.url:
            try:
                secret = unseal(current.sealed_secret, bound_to=current.url)
            except SealBroken as error:
                raise WebhookRefused(f"{error} Remove the webhook and add it again.") from error
            current.url, current.sealed_secret = url, seal(secret, bound_to=url)
            changed["address"] = origin_of(url)
        if enabled is not None and enabled != current.enabled:
            current.enabled = changed["enabled"] = enabled
            if not enabled:
                _give_up_waiting(current, "The webhook was switched off.")
        if changed:
            current.save()
            Destination.objects.filter(webhook=current).update(
                name=current.name, shown_address=origin_of(current.url), enabled=current.enabled
            )
            record("webhook.changed", actor=actor, subject=current, **changed)
    webhook.refresh_from_db()


def remove_webhook(webhook: Webhook, *, actor: User) -> None:
    """Removes it for good; what still waits for it is given up. Raises PermissionDenied."""
    _check_actor(actor)
    with transaction.atomic():
        _give_up_waiting(webhook, "The webhook was removed.")
        Webhook.objects.filter(pk=webhook.pk).delete()
        record("webhook.removed", actor=actor, subject=webhook, address=origin_of(webhook.url))


def send_test(webhook: Webhook, actor: User) -> str:
    """Sends a message that says it is a test, at once; returns what came back, as a sentence.

    Raises NotDelivered with the receiver's answer, PermissionDenied. Takes up to 20 seconds.
    """
    _check_actor(actor)
    message = trial_message(f"test_{uuid.uuid4().hex}", timezone.now())
    try:
        with in_turn():
            status = post_signed(webhook, message)
    except AllBusy as refusal:
        raise NotDelivered(str(refusal)) from refusal
    except NotDelivered as error:
        _record_test(webhook, actor, str(error))
        raise
    answer = f"{urlsplit(webhook.url).netloc} answered {status}: the test arrived."
    _record_test(webhook, actor, answer)
    return answer


def _destination_of(webhook: Webhook) -> Destination:
    return Destination.objects.create(
        kind=Destination.Kind.WEBHOOK,
        name=webhook.name,
        shown_address=origin_of(webhook.url),
        webhook=webhook,
    )


def _check_actor(actor: User) -> None:
    if not may_manage(actor):
        raise PermissionDenied


def _checked_name(name: str, besides: int | None = None) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise WebhookRefused(f"Enter a name of 1 to {NAME_LIMIT} characters.")
    others = Webhook.objects.exclude(pk=besides) if besides else Webhook.objects.all()
    if others.filter(name=name).exists():
        raise WebhookRefused(f"There is a webhook named {name} already.")
    return name


def _give_up_waiting(webhook: Webhook, why: str) -> None:
    Delivery.objects.filter(
        channel="webhook", recipient=str(webhook.pk), state=Delivery.State.WAITING
    ).update(state=Delivery.State.FAILED, last_error=why, lease_until=None)


def _record_test(webhook: Webhook, actor: User, answer: str) -> None:
    with transaction.atomic():
        record("webhook.tested", actor=actor, subject=webhook, answer=answer)

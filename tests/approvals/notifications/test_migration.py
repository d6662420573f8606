"""What there was before destinations goes on as it did: webhooks, and what was on its way."""

import uuid

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from approvals.notifications.models import Delivery, Destination

BEFORE = [("notifications", "0001_initial"), ("people", "0004_teams"), ("audit", "0002_initial")]


@pytest.mark.django_db(transaction=True)
def test_webhooks_get_everything_as_before_and_nothing_on_its_way_is_lost() -> None:
    call_command("migrate", "notifications", "0001", verbosity=0, skip_checks=True)
    try:
        apps = MigrationExecutor(connection).loader.project_state(BEFORE).apps
        user = apps.get_model("people", "User").objects.create(
            username="ben", email="ben@example.org"
        )
        webhook = apps.get_model("notifications", "Webhook").objects.create(
            name="chat", url="https://chat.example.org/path-secret", sealed_secret="x"
        )
        event = apps.get_model("audit", "OutboxEvent").objects.create(
            topic="staged_version.live", stage_id=uuid.uuid4()
        )
        for channel, recipient in (("webhook", str(webhook.pk)), ("email", user.email)):
            apps.get_model("notifications", "Delivery").objects.create(
                event=event, channel=channel, recipient=recipient
            )
    finally:
        call_command("migrate", "notifications", verbosity=0, skip_checks=True)
    destination = Destination.objects.get()
    assert (destination.kind, destination.name, destination.webhook_id) == (
        "webhook",
        "chat",
        webhook.pk,
    )
    assert "path-secret" not in destination.shown_address
    (everything,) = destination.subscriptions.all()
    assert (everything.kinds, everything.packages, everything.registry_url) == ([], [], "")
    assert set(
        Delivery.objects.values_list("channel", "destination", "person", "stage_id", "state")
    ) == {
        ("webhook", destination.pk, None, event.stage_id, "waiting"),
        ("email", None, user.pk, event.stage_id, "waiting"),
    }

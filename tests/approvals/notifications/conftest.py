"""News of every kind, people who hear of it, and a receiver for webhooks."""

from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from pytest_django import Settings

from approvals.audit import outbox
from approvals.audit.models import OutboxEvent
from approvals.notifications import webhooks
from approvals.notifications.models import Webhook
from approvals.people.models import Role, User
from tests.approvals.notifications.receiver import Receiver, receiving

STAGE_ID = "0b9f1c1e-7a5d-4c1e-9a53-2f4a3c5d6e7f"
Publish = Callable[..., OutboxEvent]


@pytest.fixture(autouse=True)
def _public_url(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://countersign.example.org"
    settings.GATHER_SECONDS = 0


@pytest.fixture
def people(db: None) -> dict[str, User]:
    return {
        name: User.objects.create_user(name, f"{name}@example.org", role=role)
        for name, role in {
            "ada": Role.ADMINISTRATOR,
            "ben": Role.APPROVER,
            "vic": Role.VIEWER,
        }.items()
    }


@pytest.fixture
def publish(db: None) -> Publish:
    def _publish(
        topic: str = "staged_version.live", *, stage_id: object = STAGE_ID, **payload: object
    ) -> OutboxEvent:
        with transaction.atomic():
            return outbox.publish(
                topic,
                stage_id=str(stage_id) if topic.startswith("staged_version.") else None,
                **{
                    "package": "left-pad",
                    "version": "1.3.0",
                    "tag": "latest",
                    "registry": "npm",
                    "state": "live",
                    "url_path": "/versions/7/",
                    **payload,
                },
            )

    return _publish


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hook(people: dict[str, User], receiver: Receiver) -> tuple[Webhook, str]:
    return webhooks.add_webhook(actor=people["ada"], name="chat", url=receiver.url)

"""Accepted versions, and what the registry shows of them to whoever looks."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from approvals.queue import live
from approvals.queue.models import StagedVersion, State
from registry_client.client import RegistryClient
from tests.approvals.conftest import House
from tests.approvals.factories import make_staged_version
from tests.packages import publish_document


def accepted(
    house: House, *, published: bool = True, access: str = "public", **fields: object
) -> StagedVersion:
    """An accepted version whose look into the packument is due."""
    document = publish_document("left-pad", "1.5.0")
    if published:
        house.sandbox.publish(document | {"access": access or "public"}, by="ci")
    data = tarball_of(document)
    values = {
        "access": access,
        "shasum": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        "sha512": hashlib.sha512(data).hexdigest(),
        "state": State.ACCEPTED,
        "live_check_at": timezone.now(),
        **fields,
    }
    return make_staged_version("left-pad", "1.5.0", registry=house.registry, **values)


def tarball_of(document: dict[str, Any]) -> bytes:
    """The bytes that a publish of 1.5.0 sends."""
    return base64.b64decode(document["_attachments"]["left-pad-1.5.0.tgz"]["data"])


def look_again(row: StagedVersion) -> None:
    """Waits until the next look is due, and looks."""
    StagedVersion.objects.filter(pk=row.pk).update(live_check_at=timezone.now())
    live.watch_due()
    row.refresh_from_db()


def long_ago() -> dict[str, Any]:
    """When it must have been accepted to be overdue."""
    watch = timedelta(seconds=settings.LIVE_WATCH_SECONDS + 1)
    return {"state_changed_at": timezone.now() - watch}


def a_while_ago() -> dict[str, Any]:
    """When it must have been accepted for people to wonder."""
    wait = timedelta(seconds=settings.NOT_VISIBLE_SECONDS + 1)
    return {"state_changed_at": timezone.now() - wait}


def announce(monkeypatch: pytest.MonkeyPatch, **facts: str) -> None:
    """Lets the registry's packument say this of 1.5.0."""
    packument = RegistryClient.packument

    def changed(client: RegistryClient, name: str) -> object:
        found = packument(client, name)
        for field, value in facts.items():
            object.__setattr__(found.versions["1.5.0"], field, value)
        return found

    monkeypatch.setattr(RegistryClient, "packument", changed)

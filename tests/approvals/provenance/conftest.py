"""A house whose packages are proven: CI stages with bundles of a Sigstore of the tests' own."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.provenance import requests
from approvals.provenance.checking import check
from approvals.provenance.models import ProvenanceCheck
from approvals.provenance.trust import store_root_of
from approvals.queue.models import StagedVersion
from tests.approvals.conftest import House
from tests.authority import Sigstore
from tests.packages import publish_document


@pytest.fixture(scope="session")
def sigstore() -> Sigstore:
    return Sigstore.new()


@dataclass
class Works:
    """What CI does with a package, and what the worker finds out about it."""

    house: House
    sigstore: Sigstore

    def document(
        self, name: str, version: str, bundle: Any = None, **manifest: Any
    ) -> dict[str, Any]:
        """What npm sends, with a good bundle if that is True, or with the one given."""
        document = publish_document(name, version, **manifest)
        if bundle:
            if bundle is True:
                bundle = self.sigstore.bundle(name, version, sha512_of(document))
            text = bundle if isinstance(bundle, str) else json.dumps(bundle)
            document["_attachments"][f"{name}-{version}.sigstore"] = {
                "content_type": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "data": text,
                "length": len(text),
            }
        return document

    def publish(self, version: str, bundle: Any = None, *, name: str = "left-pad") -> None:
        self.house.sandbox.publish(self.document(name, version, bundle), by="ci")

    def stage(
        self, version: str = "1.5.0", bundle: Any = None, *, name: str = "left-pad"
    ) -> ProvenanceCheck:
        """A version that was found, and whose tarball the inspection has seen."""
        document = self.document(name, version, bundle)
        stage_id = self.house.sandbox.stage(document, by="ci")
        self.house.poll()
        StagedVersion.objects.filter(stage_id=stage_id).update(sha512=sha512_of(document))
        requests.request_missing()
        return ProvenanceCheck.objects.get(staged_version__stage_id=stage_id)

    def work(self, work: ProvenanceCheck, *, look_now: bool = False) -> ProvenanceCheck:
        """What a worker does with everything that is due; returns the check as it is then."""
        if look_now:
            due_now(work)
        while claimed := requests.claim_due():
            check(claimed)
        return ProvenanceCheck.objects.get(pk=work.pk)

    def calls(self, prefix: str = "/-/npm/v1/attestations/") -> list[str]:
        return [call.path for call in self.house.sandbox.control.calls(prefix=prefix)]


def due_now(work: ProvenanceCheck) -> None:
    ProvenanceCheck.objects.filter(pk=work.pk).update(due_at=timezone.now())


def worker_dies(work: ProvenanceCheck) -> None:
    """Its lease runs out without a word from it."""
    ProvenanceCheck.objects.filter(pk=work.pk, state="running").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def sha512_of(document: dict[str, Any]) -> str:
    """Of the tarball in what npm sends."""
    (attachment,) = (one for name, one in document["_attachments"].items() if name.endswith(".tgz"))
    return hashlib.sha512(base64.b64decode(attachment["data"])).hexdigest()


@pytest.fixture
def works(house: House, sigstore: Sigstore, no_pauses: None) -> Works:
    store_root_of(house.registry, json.dumps(sigstore.trusted_root()))
    return Works(house, sigstore)

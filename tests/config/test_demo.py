"""The demo's dashboard: what it trusts, and when it is ready to be looked at."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from approvals.inspection.models import InspectionRequest
from approvals.inspection.tasks import inspect_waiting
from approvals.provenance.models import ProvenanceCheck, TrustedRoot
from approvals.provenance.tasks import check_waiting
from approvals.provenance.trust import public_trust, trust_for
from approvals.queue.models import Registry
from config import demo
from registry_client.sandbox import demo_organisation
from registry_client.sandbox.authority import Authority
from registry_client.sandbox.server import SandboxRegistry, trusted_root_file

pytestmark = pytest.mark.django_db

Verdict = ProvenanceCheck.Verdict


@pytest.fixture
def sandbox(tmp_path: Path, settings: Settings) -> Iterator[SandboxRegistry]:
    """The demo's sandbox, running, and the demo's dashboard beside it."""
    settings.VAR_DIR = tmp_path
    organisation = demo.build_sandbox()
    with SandboxRegistry(demo.sandbox_folder()) as running:
        demo.build_dashboard(organisation, running.url)
        yield running


def _roots() -> list[tuple[str, bool, str]]:
    return list(TrustedRoot.objects.values_list("registry__name", "is_public", "document"))


def test_what_the_sandbox_proves_counts_for_its_packages_and_nowhere_else(
    sandbox: SandboxRegistry,
) -> None:
    document = trusted_root_file(sandbox.data).read_text()

    assert _roots() == [("sandbox", False, document)]
    assert not trust_for(Registry.objects.get()).is_public
    assert public_trust().is_public


def test_a_later_start_trusts_the_same_or_the_sandbox_as_it_is_now(
    sandbox: SandboxRegistry,
) -> None:
    organisation = demo_organisation.load(sandbox.data)
    assert organisation is not None
    (before,) = TrustedRoot.objects.all()

    demo.build_dashboard(organisation, sandbox.url)
    (same,) = TrustedRoot.objects.all()
    assert same.stored_at == before.stored_at

    document = trusted_root_file(sandbox.data).read_text()
    TrustedRoot.objects.update(document=json.dumps(Authority.new().trusted_root()))
    demo.build_dashboard(organisation, sandbox.url)
    assert _roots() == [("sandbox", False, document)]


def test_it_is_ready_once_all_that_waits_was_compared_and_its_provenance_looked_for(
    sandbox: SandboxRegistry,
) -> None:
    assert not demo.comparisons_finished()
    inspect_waiting()
    assert not demo.comparisons_finished()
    check_waiting()
    assert demo.comparisons_finished()

    looks = ProvenanceCheck.objects.select_related("staged_version__package", "provenance")
    verdicts = {look.staged_version.package.name: look.verdict for look in looks}
    assert verdicts == {
        **{f"@lighthouse/{name}": Verdict.SAME for name in ("cli", "core", "icons", "theme", "ui")},
        "@lighthouse/beacon": Verdict.FIRST,
        "tidewatch": Verdict.CHANGED,
        "harbor-log": Verdict.LOST,
    }


def test_it_does_not_wait_for_what_cannot_be_looked_at(sandbox: SandboxRegistry) -> None:
    inspect_waiting()
    sandbox.control.refuse(403, count=1000, prefix="/-/npm/v1/attestations")

    check_waiting()
    assert demo.comparisons_finished()

    # Without a comparison there is no digest that provenance could be about.
    ProvenanceCheck.objects.all().delete()
    assert not demo.comparisons_finished()
    InspectionRequest.objects.update(state=InspectionRequest.State.FAILED)
    assert demo.comparisons_finished()

"""What the tables hold to, whoever writes to them."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import RestrictedError
from django.utils import timezone

from approvals.provenance.models import (
    ExpectedPublisher,
    HandedInBundle,
    Provenance,
    ProvenanceCheck,
    TrustedRoot,
)
from approvals.queue.models import StagedVersion
from tests.approvals.factories import (
    make_provenance,
    make_provenance_check,
    make_registry,
    make_staged_version,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def row() -> StagedVersion:
    return make_staged_version("left-pad", "1.5.0")


@pytest.fixture
def check(row: StagedVersion) -> ProvenanceCheck:
    baseline = make_provenance(row.package, "1.4.2")
    return make_provenance_check(row, make_provenance(row), baseline=baseline)


def refused(model: type[Any], **fields: Any) -> bool:
    """Whether the database takes no row like this in place of the one there is."""
    try:
        with transaction.atomic():
            model.objects.update(**fields)
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"outcome": "perhaps"}, id="outcome"),
        pytest.param({"source": "hearsay"}, id="source"),
        pytest.param({"publish": "perhaps"}, id="publish"),
        pytest.param({"sha512": ""}, id="no-digest"),
        pytest.param({"sha512": "ab" * 63}, id="short-digest"),
        pytest.param({"source": ""}, id="verified-nowhere"),
        pytest.param({"signed_at": None}, id="verified-never"),
        pytest.param({"build": {}}, id="verified-nothing"),
    ],
)
def test_provenance_is_whole(row: StagedVersion, fields: dict[str, Any]) -> None:
    make_provenance(row)
    assert refused(Provenance, **fields)
    assert not refused(Provenance, outcome="refused", source="log", signed_at=None, build={})
    assert not refused(Provenance, outcome="missing", source="")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"state": "lost"}, id="state"),
        pytest.param({"verdict": "fine"}, id="verdict"),
        pytest.param({"provenance": None}, id="done-with-nothing"),
        pytest.param({"state": "running"}, id="running-without-lease"),
        pytest.param({"state": "running", "lease_until": NOW}, id="running-for-nobody"),
        pytest.param({"state": "running", "lease_holder": "w"}, id="running-for-ever"),
        pytest.param({"lease_holder": "w"}, id="held-and-done"),
        pytest.param({"lease_until": NOW}, id="leased-and-done"),
        pytest.param({"state": "waiting", "lease_holder": "w"}, id="held-and-waiting"),
    ],
)
def test_a_check_is_what_it_says(check: ProvenanceCheck, fields: dict[str, Any]) -> None:
    assert refused(ProvenanceCheck, **fields)
    assert not refused(ProvenanceCheck, state="running", lease_holder="w", lease_until=NOW)


@pytest.mark.parametrize("verdict", ProvenanceCheck.Verdict.values)
def test_every_verdict_is_taken(check: ProvenanceCheck, verdict: str) -> None:
    assert not refused(ProvenanceCheck, verdict=verdict)


@pytest.mark.parametrize("source", ["", *Provenance.Source.values])
def test_every_source_is_taken(row: StagedVersion, source: str) -> None:
    make_provenance(row, outcome="missing")
    assert not refused(Provenance, source=source)


def test_a_bundle_is_known_by_its_digest(row: StagedVersion) -> None:
    HandedInBundle.objects.create(staged_version=row, sha256="a" * 64, compressed=b"")
    assert refused(HandedInBundle, sha256="")
    assert refused(HandedInBundle, sha256="a" * 63)


@pytest.mark.parametrize("what", ["registry", "package", "staged version"])
def test_all_that_is_known_goes_with_what_it_is_about(check: ProvenanceCheck, what: str) -> None:
    row = check.staged_version
    HandedInBundle.objects.create(staged_version=row, sha256="a" * 64, compressed=b"")
    TrustedRoot.objects.create(registry=row.registry, document="{}")
    ExpectedPublisher.objects.create(package=row.package, repository="https://example.org/a/b")
    other = make_staged_version("other", registry=make_registry("other"))
    make_provenance_check(other, make_provenance(other))
    {"registry": row.registry, "package": row.package, "staged version": row}[what].delete()
    left = 2 if what == "staged version" else 0
    assert Provenance.objects.filter(package=row.package_id).count() == left
    assert ProvenanceCheck.objects.get().staged_version == other
    assert not HandedInBundle.objects.exists()
    assert TrustedRoot.objects.count() == (what != "registry")
    assert ExpectedPublisher.objects.count() == (what == "staged version")


@pytest.mark.parametrize("name", ["provenance", "baseline"])
def test_what_a_check_stands_on_is_not_taken_from_under_it(
    check: ProvenanceCheck, name: str
) -> None:
    with pytest.raises(RestrictedError):
        getattr(check, name).delete()

"""Accepted is not live until everybody can see it, with the digest that was reviewed."""

import base64
import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.queue import live
from approvals.queue.models import AlarmKind, StagedVersion, State
from registry_client.client import RegistryClient
from tests.approvals.conftest import House
from tests.approvals.events import topics
from tests.approvals.factories import make_staged_version
from tests.approvals.queue.watching import accepted, announce, long_ago, look_again

pytestmark = pytest.mark.usefixtures("no_pauses")
ALARM = "staged_version.alarm"


def test_the_reviewed_digest_makes_it_live_and_ends_the_watch(house: House) -> None:
    row = accepted(house)
    assert live.watch_due() == 1
    row.refresh_from_db()
    assert (row.state, row.live_check_at, row.alarm) == (State.LIVE, None, "")
    assert topics() == ["staged_version.live"]
    assert live.watch_due() == 0


@pytest.mark.parametrize(("field", "length"), [("shasum", 40), ("sha512", 128)])
def test_another_digest_is_an_alarm_once_and_never_live(
    house: House, field: str, length: int
) -> None:
    row = accepted(house, **{field: "0" * length})
    look_again(row)
    assert row.state == State.ACCEPTED
    assert "not with the tarball that was reviewed" in row.alarm
    look_again(row)
    assert topics() == [ALARM]


@pytest.mark.parametrize(
    "integrity",
    [
        "sha512-{evil}",
        "sha512-{right} sha512-{evil}",
        "sha512-{evil}?options sha512-{right}",
        "sha512-!!!not-base64",
        "sha512-AAAA",
    ],
)
def test_an_integrity_that_lets_another_tarball_through_is_an_alarm(
    house: House, integrity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    right = base64.b64encode(bytes.fromhex(row.sha512)).decode()
    evil = base64.b64encode(hashlib.sha512(b"evil").digest()).decode()
    announce(monkeypatch, integrity=integrity.format(right=right, evil=evil))
    look_again(row)
    assert row.state == State.ACCEPTED
    assert "not with the tarball that was reviewed" in row.alarm


@pytest.mark.parametrize("integrity", ["", "sha1-AAAA", "sha512-{right}?foo", "sha512-{right}"])
def test_an_integrity_that_says_the_same_or_nothing_is_none(
    house: House, integrity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    right = base64.b64encode(bytes.fromhex(row.sha512)).decode()
    announce(monkeypatch, integrity=integrity.format(right=right))
    look_again(row)
    assert (row.state, row.alarm) == (State.LIVE, "")


def test_a_registry_that_names_no_shasum_proves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    announce(monkeypatch, shasum="")
    look_again(row)
    assert row.state == State.ACCEPTED
    assert "unknown" in row.alarm


def test_an_alarm_about_the_digest_outlives_the_registry_changing_its_mind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    with monkeypatch.context() as changed:
        announce(changed, shasum="0" * 40)
        look_again(row)
    look_again(row)
    assert row.state == State.LIVE
    assert "not with the tarball that was reviewed" in row.alarm


def test_not_live_in_time_is_an_alarm_once_that_being_live_answers(house: House) -> None:
    row = accepted(house, published=False, **long_ago())
    look_again(row)
    assert (row.alarm_kind, "nobody can install it" in row.alarm) == (AlarmKind.NOT_LIVE, True)
    look_again(row)
    assert topics() == [ALARM]
    house.publish("left-pad", "1.5.0")
    look_again(row)
    assert (row.state, row.alarm) == (State.LIVE, "")


def test_a_registry_that_cannot_be_asked_for_too_long_is_an_alarm_with_the_reason(
    house: House,
) -> None:
    row = accepted(house, **long_ago())
    house.sandbox.control.refuse(503, count=4)
    look_again(row)
    assert "503" in row.alarm
    assert row.state == State.ACCEPTED


def test_looks_come_at_growing_pauses_and_seldom_after_an_alarm(house: House) -> None:
    row = accepted(house, published=False)
    pauses = []
    for _ in range(8):
        asked_at = timezone.now()
        look_again(row)
        assert row.live_check_at is not None
        pauses.append(row.live_check_at - asked_at)
    assert pauses[0] < pauses[2] < pauses[4]
    assert pauses[-1] < 2 * live.LONGEST_PAUSE
    StagedVersion.objects.update(alarm="Something is wrong.")
    look_again(row)
    assert row.live_check_at is not None
    assert row.live_check_at > timezone.now() + 2 * live.LONGEST_PAUSE


def test_of_two_workers_that_look_at_once_one_does(house: House) -> None:
    row = accepted(house)
    stale = StagedVersion.objects.with_package().get(pk=row.pk)
    assert live.watch(row)
    assert not live.watch(stale)
    assert topics() == ["staged_version.live"]


def test_a_registry_that_is_away_is_asked_once_a_sweep(house: House) -> None:
    row = accepted(house)
    make_staged_version(
        "right-pad", registry=house.registry, state=State.ACCEPTED, live_check_at=timezone.now()
    )
    house.sandbox.control.refuse(503, count=100)
    live.watch_due()
    assert len({call.path for call in house.sandbox.control.calls()}) == 1
    house.sandbox.control.reset()
    look_again(row)
    assert row.state == State.LIVE


def test_one_that_breaks_us_does_not_hide_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_staged_version(
        "breaks",
        registry=house.registry,
        state=State.ACCEPTED,
        live_check_at=timezone.now() - timedelta(hours=1),
    )
    row = accepted(house)
    packument = RegistryClient.packument

    def breaks(client: RegistryClient, name: str) -> object:
        if name == "breaks":
            raise TypeError
        return packument(client, name)

    monkeypatch.setattr(RegistryClient, "packument", breaks)
    live.watch_due()
    row.refresh_from_db()
    assert row.state == State.LIVE

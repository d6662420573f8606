"""Polling a registry: what enters the queue, what leaves it, and what one poll may never do."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent
from approvals.queue import live
from approvals.queue.models import Registry, StagedVersion, State
from registry_client.client import RegistryClient, StagedItem
from registry_client.errors import IncompleteListing
from tests.approvals.conftest import House
from tests.approvals.events import kinds, topics

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def registry(house: House) -> Registry:
    house.sandbox.create_user("ada")
    return house.registry


def row_of(stage_id: str) -> StagedVersion:
    return StagedVersion.objects.with_package().get(stage_id=stage_id)


def decide_elsewhere(house: House, stage_id: str, what: str) -> None:
    house.sandbox.grant("left-pad", "ada")
    with RegistryClient(house.sandbox.url, house.sandbox.token("ada")) as client:
        house.sandbox.control.move_clock(60)  # each code of the registry's counts once
        getattr(client, what)(stage_id, proof=house.sandbox.code("ada"))


def test_a_new_staged_version_enters_with_every_field_and_tells_of_it(house: House) -> None:
    stage_id = house.stage("left-pad", "1.5.0", tag="next")
    result = house.poll()
    row = row_of(stage_id)
    assert [found.pk for found in result.found] == [row.pk]
    assert (row.package.name, row.version, row.tag, row.state) == (
        "left-pad",
        "1.5.0",
        "next",
        State.STAGED,
    )
    assert (row.actor, row.actor_type, row.access) == ("ci", "trusted automation", "public")
    assert len(row.shasum) == 40
    assert row.sha512 == ""
    assert row.extra == {"status": "staged"}
    assert topics() == ["staged_version.found"]
    event = AuditEvent.objects.get(kind="staged_version.found")
    assert (event.stage_id, event.detail["shasum"]) == (row.stage_id, row.shasum)
    assert chain.verify().problem == ""


def test_the_oldest_is_found_first(house: House) -> None:
    ids = [house.stage("left-pad", f"1.5.{patch}") for patch in range(3)]
    assert [str(row.stage_id) for row in house.poll().found] == ids


def test_a_known_version_is_seen_again_and_tells_nothing_new(house: House) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    StagedVersion.objects.update(seen_at="2020-01-01T00:00Z", extra={"status": "older"})
    result = house.poll()
    assert (result.found, result.waiting) == ([], 1)
    row = row_of(stage_id)
    assert timezone.now() - row.seen_at < timedelta(minutes=5)
    assert row.extra == {"status": "staged"}
    assert topics() == ["staged_version.found"]


def test_one_rejected_elsewhere_is_withdrawn(house: House, registry: Registry) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    decide_elsewhere(house, stage_id, "reject")
    result = house.poll()
    assert [str(row.stage_id) for row in result.withdrawn] == [stage_id]
    assert row_of(stage_id).state == State.WITHDRAWN
    assert topics() == ["staged_version.found", "staged_version.withdrawn"]
    assert kinds() == topics()


def test_one_approved_elsewhere_is_published_elsewhere_and_says_by_whom(
    house: House, registry: Registry
) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    decide_elsewhere(house, stage_id, "approve")
    result = house.poll()
    assert [str(row.stage_id) for row in result.published_elsewhere] == [stage_id]
    row = row_of(stage_id)
    assert (row.state, row.alarm) == (State.PUBLISHED_ELSEWHERE, "")
    event = AuditEvent.objects.get(kind="staged_version.published_elsewhere")
    assert event.detail["published_by"] == "ada"


def test_one_approved_elsewhere_that_shows_late_is_first_withdrawn_then_corrected(
    house: House, registry: Registry
) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    house.sandbox.control.delay_visibility(300)
    decide_elsewhere(house, stage_id, "approve")
    assert len(house.poll().withdrawn) == 1
    live.watch_due()
    assert row_of(stage_id).state == State.WITHDRAWN

    house.sandbox.control.move_clock(301)
    StagedVersion.objects.update(live_check_at=timezone.now())
    live.watch_due()
    row = row_of(stage_id)
    assert (row.state, row.live_check_at) == (State.PUBLISHED_ELSEWHERE, None)
    assert topics()[-1] == "staged_version.published_elsewhere"


def test_a_withdrawn_version_is_not_watched_for_ever(house: House, registry: Registry) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    decide_elsewhere(house, stage_id, "reject")
    house.poll()
    long_ago = timezone.now() - timedelta(seconds=settings.LIVE_WATCH_SECONDS + 1)
    StagedVersion.objects.update(state_changed_at=long_ago)
    live.watch_due()
    assert row_of(stage_id).live_check_at is None


def test_another_tarball_published_elsewhere_raises_an_alarm(
    house: House, registry: Registry
) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    decide_elsewhere(house, stage_id, "reject")
    house.publish("left-pad", "1.5.0", description="something else")
    house.poll()
    row = row_of(stage_id)
    assert row.state == State.PUBLISHED_ELSEWHERE
    assert "not with the tarball that was reviewed" in row.alarm
    assert topics()[-1] == "staged_version.alarm"


def test_one_that_is_listed_again_returns_to_the_queue(house: House) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    StagedVersion.objects.update(state=State.WITHDRAWN, live_check_at=timezone.now())
    result = house.poll()
    assert [str(row.stage_id) for row in result.returned] == [stage_id]
    row = row_of(stage_id)
    assert (row.state, row.live_check_at) == (State.STAGED, None)
    assert topics() == ["staged_version.found", "staged_version.found"]


@pytest.mark.parametrize(
    ("state"), [State.REJECTED, State.PUBLISHED_ELSEWHERE, State.LIVE, State.APPROVING]
)
def test_a_listing_that_lags_behind_undoes_nothing(house: House, state: State) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    StagedVersion.objects.update(state=state)
    house.poll()
    assert row_of(stage_id).state == state


def test_what_is_being_decided_is_left_to_the_decision(house: House, registry: Registry) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    StagedVersion.objects.update(state=State.APPROVING)
    decide_elsewhere(house, stage_id, "reject")
    assert house.poll().withdrawn == []
    assert row_of(stage_id).state == State.APPROVING


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("version", "version"),
        ("tag", "dist-tag"),
        ("shasum", "SHA-1"),
        ("access", "access"),
        ("actor", "actor"),
    ],
)
def test_a_stage_id_whose_facts_change_raises_one_alarm(
    house: House, field: str, word: str
) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    StagedVersion.objects.update(**{field: "0" * 40})
    house.poll()
    house.poll()
    row = row_of(stage_id)
    assert f"another {word} for this stage id" in row.alarm
    assert getattr(row, field) == "0" * 40, "what was found stays as evidence"
    assert topics().count("staged_version.alarm") == 1


def test_a_registry_that_begins_to_name_the_actor_raises_no_alarm(house: House) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    StagedVersion.objects.update(actor="", actor_type="", access="")
    house.poll()
    assert row_of(stage_id).alarm == ""


def test_texts_as_long_as_the_client_lets_them_be_fit_into_the_queue(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 256
    item = StagedItem(
        id=str(uuid.uuid4()),
        package_name="p" * 214,
        version="1.0.0-" + "1" * 250,
        tag=long,
        created_at=timezone.now(),
        actor=long,
        actor_type=long,
        access=long,
        shasum="a" * 40,
        extra={},
    )
    monkeypatch.setattr(RegistryClient, "staged_versions", lambda self: [item])
    result = house.poll()
    assert (result.failure, len(result.found)) == ("", 1)
    assert row_of(item.id).tag == long


def test_nothing_is_concluded_from_an_incomplete_listing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()

    def incomplete(client: RegistryClient) -> list[StagedItem]:
        raise IncompleteListing("The list names 1 and showed 0.")

    monkeypatch.setattr(RegistryClient, "staged_versions", incomplete)
    result = house.poll()
    assert "names 1 and showed 0" in result.failure
    assert row_of(stage_id).state == State.STAGED


def test_one_missing_from_the_list_but_still_there_stays(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_id = house.stage("left-pad", "1.5.0")
    house.poll()
    monkeypatch.setattr(RegistryClient, "staged_versions", lambda self: [])
    assert house.poll().withdrawn == []
    assert row_of(stage_id).state == State.STAGED


def test_a_packument_that_cannot_be_read_does_not_hide_what_became_of_the_others(
    house: House, registry: Registry
) -> None:
    broken = house.stage("broken", "1.0.0")
    stage_id = house.stage("left-pad", "1.5.0")
    house.sandbox.grant("broken", "ada")
    house.poll()
    decide_elsewhere(house, broken, "reject")
    decide_elsewhere(house, stage_id, "reject")
    house.sandbox.control.refuse(403, count=9, prefix="/broken")
    result = house.poll()
    assert result.failure
    assert [str(row.stage_id) for row in result.withdrawn] == [stage_id]
    assert row_of(broken).state == State.STAGED, "nobody knows yet what became of it"


def test_a_constant_number_of_queries_for_a_batch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listing(count: int) -> list[StagedItem]:
        return [
            StagedItem(
                id=str(uuid.UUID(int=number)),
                package_name=f"package-{number % 7}",
                version=f"1.0.{number}",
                tag="latest",
                created_at=timezone.now(),
                actor="ci",
                actor_type="user",
                access="public",
                shasum=f"{number:040x}",
                extra={"status": "staged"},
            )
            for number in range(count)
        ]

    def queries(count: int) -> int:
        monkeypatch.setattr(RegistryClient, "staged_versions", lambda self: listing(count))
        with CaptureQueriesContext(connection) as captured:
            house.poll()
        return len(captured)

    first = queries(100)
    known = queries(100)
    grown = queries(400)
    assert StagedVersion.objects.count() == 400
    # Far from one a version: 300 new ones in three batches, and 100 known ones in a fourth.
    assert grown < 4 * first
    assert first < 40
    assert known < 20

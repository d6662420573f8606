"""One poll at a time, whatever dies or fails; and `manage.py sync`."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from approvals.audit import chain
from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.queue import sync, tasks
from approvals.queue.models import Registry, StagedVersion, State
from approvals.sealing import seal
from registry_client.client import StagedItem
from tests.approvals.conftest import House
from tests.approvals.events import kinds, topics
from tests.approvals.factories import make_registry

pytestmark = pytest.mark.usefixtures("no_pauses")


def row_of(stage_id: str) -> StagedVersion:
    return StagedVersion.objects.with_package().get(stage_id=stage_id)


class TestLease:
    def test_only_one_polls_at_a_time(self, house: House) -> None:
        Registry.objects.update(
            lease_holder="another", lease_until=timezone.now() + timedelta(minutes=1)
        )
        assert sync.poll(house.registry) is None
        assert list(sync.due_registries()) == []
        assert house.sandbox.control.calls() == []

    def test_the_lease_of_a_dead_worker_runs_out(self, house: House) -> None:
        stage_id = house.stage("left-pad", "1.5.0")
        Registry.objects.update(
            lease_holder="dead", lease_until=timezone.now() - timedelta(seconds=1)
        )
        assert list(sync.due_registries()) == [house.registry]
        house.poll()
        assert row_of(stage_id).state == State.STAGED
        house.registry.refresh_from_db()
        assert house.registry.lease_holder == ""

    def test_one_whose_lease_ran_out_does_not_end_the_poll_of_the_next(self, house: House) -> None:
        slow = sync._take_lease(house.registry, only_if_due=False)
        assert slow
        Registry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert sync._take_lease(house.registry, only_if_due=False)
        before = Registry.objects.get()
        sync._answered(house.registry, slow, timezone.now())
        sync._failed(house.registry, slow, "too late")
        after = Registry.objects.get()
        assert (after.lease_holder, after.last_polled_at, after.failing_since) == (
            before.lease_holder,
            None,
            None,
        )

    def test_a_poll_that_is_not_due_is_not_made(self, house: House) -> None:
        house.poll()
        house.sandbox.control.reset()
        assert sync.poll(house.registry, only_if_due=True) is None
        assert house.sandbox.control.calls() == []

    def test_a_disabled_registry_is_never_due(self, house: House) -> None:
        Registry.objects.update(enabled=False)
        assert list(sync.due_registries()) == []
        assert sync.poll(house.registry, only_if_due=True) is None


class TestKilledBetweenBatches:
    def test_what_was_entered_stays_whole_and_the_next_poll_finds_the_rest(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = {house.stage("left-pad", f"1.5.{patch}") for patch in range(5)}
        monkeypatch.setattr(sync, "BATCH", 2)
        entered = []
        enter_batch = sync._enter_batch

        def dies_after_one(registry: Registry, items: list[StagedItem]) -> list[StagedVersion]:
            if entered:
                raise SystemExit
            entered.extend(enter_batch(registry, items))
            return entered

        with monkeypatch.context() as killed:
            killed.setattr(sync, "_enter_batch", dies_after_one)
            with pytest.raises(SystemExit):
                sync.poll(house.registry)
        assert StagedVersion.objects.count() == 2
        assert topics() == ["staged_version.found"] * 2
        assert kinds() == topics()

        assert {str(row.stage_id) for row in house.poll().found} | {
            str(row.stage_id) for row in entered
        } == ids
        assert topics() == ["staged_version.found"] * 5
        assert kinds() == topics()
        assert chain.verify().problem == ""

    def test_killed_inside_a_batch_leaves_nothing_of_it(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.stage("left-pad", "1.5.0")

        def dies(happenings: object) -> None:
            raise SystemExit

        with monkeypatch.context() as killed:
            killed.setattr(sync, "record_all", dies)
            with pytest.raises(SystemExit):
                sync.poll(house.registry)
        assert not StagedVersion.objects.exists()
        assert not OutboxEvent.objects.exists()
        assert len(house.poll().found) == 1


class TestFailing:
    def test_it_is_recorded_once_with_since_and_why_and_known_versions_stay(
        self, house: House
    ) -> None:
        stage_id = house.stage("left-pad", "1.5.0")
        house.poll()
        house.sandbox.control.refuse(503, count=8)
        first = house.poll()
        assert "503" in first.failure
        registry = Registry.objects.get()
        assert registry.failing_since is not None
        assert registry.failure_reason == first.failure
        since, first_pause = registry.failing_since, registry.next_poll_at
        house.poll()
        registry.refresh_from_db()
        assert (registry.failing_since, registry.failure_count) == (since, 2)
        assert registry.next_poll_at > first_pause
        assert topics() == ["staged_version.found", "registry.failing"]
        assert AuditEvent.objects.filter(kind="registry.failing").count() == 1
        assert row_of(stage_id).state == State.STAGED

    def test_pauses_grow_but_not_without_end(self, house: House) -> None:
        pauses = []
        for count in (0, 1, 2, 3, 500):
            holder = sync._take_lease(house.registry, only_if_due=False)
            assert holder
            Registry.objects.update(failure_count=count, poll_seconds=30)
            asked_at = timezone.now()
            sync._failed(house.registry, holder, "away")
            pauses.append(Registry.objects.get().next_poll_at - asked_at)
        assert pauses == sorted(pauses)
        assert pauses[3] > 4 * pauses[0]
        assert pauses[-1] <= sync.LONGEST_PAUSE * 1.3

    def test_a_registry_that_asks_to_be_left_alone_is(self, house: House) -> None:
        house.sandbox.control.refuse(429, retry_after=1200)
        asked_at = timezone.now()
        assert "fewer requests" in house.poll().failure
        assert Registry.objects.get().next_poll_at >= asked_at + timedelta(seconds=1200)

    def test_but_not_for_days(self, house: House) -> None:
        house.sandbox.control.refuse(429, retry_after=10**6)
        house.poll()
        assert Registry.objects.get().next_poll_at < timezone.now() + timedelta(hours=2)

    def test_it_recovers(self, house: House) -> None:
        house.sandbox.control.refuse(503, count=4)
        house.poll()
        stage_id = house.stage("left-pad", "1.5.0")
        house.poll()
        registry = Registry.objects.get()
        assert (registry.failing_since, registry.failure_reason, registry.failure_count) == (
            None,
            "",
            0,
        )
        assert topics() == ["registry.failing", "staged_version.found", "registry.recovered"]
        assert AuditEvent.objects.filter(kind="registry.recovered").count() == 1
        assert row_of(stage_id)

    def test_a_revoked_read_token_is_a_failure_with_a_reason(self, house: House) -> None:
        other = house.sandbox.token("ci", "read-only")
        Registry.objects.update(sealed_read_token=seal(other, bound_to=house.registry.url))
        house.registry.refresh_from_db()
        house.sandbox.revoke(other)
        assert "does not accept the token" in house.poll().failure

    def test_what_nobody_expected_is_recorded_and_does_not_hold_the_lease(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(*args: object) -> None:
            raise TypeError("a secret that belongs into no page")

        with monkeypatch.context() as broken:
            broken.setattr(sync, "_enter", breaks)
            failure = house.poll().failure
        assert "TypeError" in failure
        assert "secret" not in failure
        registry = Registry.objects.get()
        assert (registry.lease_holder, registry.lease_until) == ("", None)
        assert registry.failing_since is not None
        assert house.poll().failure == ""

    def test_a_batch_that_never_fits_ends(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.stage("left-pad", "1.5.0")

        def refuses(*args: object) -> None:
            raise IntegrityError

        monkeypatch.setattr(sync, "_enter_batch", refuses)
        assert "IntegrityError" in house.poll().failure

    def test_one_broken_registry_does_not_keep_the_others_from_being_polled(
        self, house: House
    ) -> None:
        broken = make_registry("aaa-first")
        Registry.objects.filter(pk=broken.pk).update(sealed_read_token="nonsense")
        stage_id = house.stage("left-pad", "1.5.0")
        tasks.poll_due_registries()
        broken.refresh_from_db()
        assert "cannot be opened" in broken.failure_reason
        assert row_of(stage_id)


class TestCommand:
    def sync(self, **options: str) -> str:
        out = io.StringIO()
        call_command("sync", stdout=out, stderr=out, **options)
        return out.getvalue()

    def test_it_prints_what_changed(self, house: House) -> None:
        stage_id = house.stage("left-pad", "1.5.0", tag="next")
        assert self.sync().splitlines() == [
            f"sandbox: found left-pad@1.5.0 (next) {stage_id}",
            "sandbox: 1 waiting at the registry",
        ]
        assert self.sync(registry="sandbox") == "sandbox: 1 waiting at the registry\n"

    def test_an_unknown_name_is_one_clear_line(self, house: House) -> None:
        with pytest.raises(CommandError, match=r"no registry elsewhere\. Known: sandbox"):
            self.sync(registry="elsewhere")

    def test_without_any_registry_it_says_so(self, db: None) -> None:
        with pytest.raises(CommandError, match="no registry yet"):
            self.sync()

    def test_a_disabled_registry_is_polled_only_by_name(self, house: House) -> None:
        Registry.objects.update(enabled=False)
        with pytest.raises(CommandError, match="No registry is enabled"):
            self.sync()
        assert "0 waiting" in self.sync(registry="sandbox")

    def test_a_failure_is_printed_and_the_exit_code_is_not_zero(self, house: House) -> None:
        house.sandbox.control.refuse(503, count=4)
        out = io.StringIO()
        with pytest.raises(CommandError, match="Could not poll sandbox") as failure:
            call_command("sync", stdout=out, stderr=out)
        assert failure.value.returncode == 1
        assert "503" in out.getvalue()

    def test_a_poll_under_way_is_left_alone(self, house: House) -> None:
        Registry.objects.update(
            lease_holder="another", lease_until=timezone.now() + timedelta(minutes=1)
        )
        assert "another worker" in self.sync()

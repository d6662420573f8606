"""Getting staged versions inspected, whatever dies, fails, vanishes or changes meanwhile."""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.inspection import claims, inspecting, leases, requests, tasks
from approvals.inspection.claims import Pair
from approvals.inspection.compare import ENGINE
from approvals.inspection.inspecting import inspect
from approvals.inspection.models import Inspection, InspectionRequest, KeptTarball, PairClaim
from approvals.inspection.requests import ask_again, claim_due, request_missing
from approvals.inspection.standing import summaries_of
from approvals.inspection.tarballs import contents_of_change, opened, storage
from approvals.inspection.viewed import set_viewed, viewed_count
from approvals.queue.models import Registry, StagedVersion, State
from registry_client.client import RegistryClient
from tests.approvals.conftest import House
from tests.approvals.events import topics
from tests.approvals.factories import make_user
from tests.approvals.seen import in_the_way
from tests.packages import tarball

pytestmark = pytest.mark.usefixtures("no_pauses")
Work = InspectionRequest.State


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var"


def found(house: House, name: str = "left-pad", version: str = "1.5.0") -> InspectionRequest:
    """The request for a staged version that was just found."""
    stage_id = house.stage(name, version)
    house.poll()
    request_missing()
    return InspectionRequest.objects.get(staged_version__stage_id=stage_id)


def take() -> InspectionRequest:
    request = claim_due()
    assert request is not None
    return request


def work(request: InspectionRequest) -> InspectionRequest:
    """What a worker does with everything that is due; returns the request as it is then."""
    while claimed := claim_due():
        inspect(claimed)
    request.refresh_from_db()
    return request


def due_now(request: InspectionRequest) -> None:
    InspectionRequest.objects.filter(pk=request.pk).update(due_at=timezone.now())


def worker_dies(request: InspectionRequest) -> None:
    """Its lease runs out without a word from it."""
    InspectionRequest.objects.filter(pk=request.pk, state=Work.RUNNING).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


class TestInspecting:
    def test_the_worker_downloads_compares_and_says_against_what(self, house: House) -> None:
        house.publish("left-pad", "1.4.2")
        request = work(found(house))
        assert (request.state, request.failure, request.step) == (Work.DONE, "", "")
        assert request.baseline_version == "1.4.2"
        assert "1.4.2 is what users of the dist-tag latest have" in request.baseline_reason
        inspection, row = request.inspection, StagedVersion.objects.get()
        assert inspection is not None
        assert inspection.staged_sha1 == row.shasum
        assert inspection.staged_sha512 == row.sha512 != inspection.baseline_sha512 != ""
        assert [change.path for change in inspection.files.all()] == ["package.json"]
        assert in_the_way(row, "approve") == []
        assert AuditEvent.objects.get(kind="inspection.done").detail["sha512"] == row.sha512
        assert topics().count("inspection.done") == 1

    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            ("ab" * 20, "ab" * 20),
            ("v1.5.0\x07\u202e\n", "v1.5.0"),
            ("c" * 500, "c" * 100),
            (7, ""),
            (None, ""),
            (["ab" * 20], ""),
        ],
        ids=["commit", "hidden", "long", "number", "null", "list"],
    )
    def test_the_commit_that_package_json_names_is_kept_with_the_digest(
        self, house: House, said: Any, kept: str
    ) -> None:
        stage_id = house.stage("left-pad", "1.5.0", gitHead=said)
        house.poll()
        house.inspect()
        row = StagedVersion.objects.get(stage_id=stage_id)
        assert (bool(row.sha512), row.git_head) == (True, kept)

    def test_the_commit_is_kept_where_an_earlier_comparison_is_used_again(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.stage("left-pad", "1.5.0", gitHead="ab" * 20)
        house.poll()
        house.inspect()
        StagedVersion.objects.update(git_head="")
        ask_again(StagedVersion.objects.get())
        monkeypatch.setattr(inspecting, "compare_tarballs", must_not_happen)
        house.inspect()
        assert StagedVersion.objects.get().git_head == "ab" * 20

    def test_the_first_release_has_no_baseline_and_the_placeholder_is_none(
        self, house: House
    ) -> None:
        request = work(found(house, "brand-new", "1.0.0"))
        with RegistryClient(house.sandbox.url) as client:
            assert set(client.packument("brand-new").versions) == {"0.0.0-stage"}
        assert (request.state, request.baseline_version) == (Work.DONE, "")
        assert "first release" in request.baseline_reason
        assert request.inspection is not None
        assert request.inspection.baseline_sha512 == ""

    def test_a_package_without_any_packument_has_no_baseline(self, house: House) -> None:
        request = found(house)
        house.sandbox.control.refuse(404, prefix="/left-pad")
        assert work(request).state == Work.DONE
        assert request.baseline_version == ""

    def test_the_same_pair_is_not_compared_twice(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = work(found(house))
        monkeypatch.setattr(inspecting, "compare_tarballs", must_not_happen)
        assert ask_again(first.staged_version)
        again = work(first)
        assert again.state == Work.DONE
        assert Inspection.objects.count() == 1

    def test_not_even_under_another_name_which_then_is_told(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work(found(house, "brand-new", "1.0.0"))
        content = tarball({"package.json": '{"name": "brand-new", "version": "1.0.0"}'})
        first, second = found(house, "a", "1.0.0"), found(house, "b", "1.0.0")
        for request in (first, second):
            replace(house, request.staged_version, content)
        work(first)
        assert Inspection.objects.count() == 2
        second.refresh_from_db()
        assert second.state == Work.DONE
        assert second.inspection == first.inspection
        assert second.inspection
        for request in (first, second):
            row = StagedVersion.objects.with_package().get(pk=request.staged_version_id)
            assert row.sha512 == hashlib.sha512(content).hexdigest()
            assert "brand-new@1.0.0" in row.findings.get(rule="named-otherwise").title

    def test_progress_is_written_while_it_works(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.publish("left-pad", "1.4.2")
        request = found(house)
        monkeypatch.setattr(leases, "PROGRESS_EVERY_SECONDS", 0)
        steps = []
        write = leases.Progress.__call__

        def noted(progress: leases.Progress, step: str, done: int, total: int) -> None:
            write(progress, step, done, total)
            row = InspectionRequest.objects.get()
            assert (row.state, row.step) == (Work.RUNNING, step)
            assert row.progress_done == done
            assert row.lease_until
            assert row.lease_until > timezone.now()
            steps.append(step)

        monkeypatch.setattr(leases.Progress, "__call__", noted)
        work(request)
        order = list(dict.fromkeys(steps))
        assert order[:2] == ["Downloading the staged tarball", "Downloading 1.4.2"]
        assert len(order) > 2

    def test_no_tarball_stays_behind(self, house: House, var: Path) -> None:
        work(found(house))
        house.sandbox.control.refuse(503, count=4, prefix="/-/stage/")
        work(found(house, "right-pad"))
        assert list((var / "inspecting").iterdir()) == []
        assert (var / "inspecting").stat().st_mode & 0o077 == 0

    def test_what_a_killed_worker_left_is_removed_and_what_another_uses_is_not(
        self, house: House, var: Path
    ) -> None:
        leftover, in_use = var / "inspecting/old", var / "inspecting/new"
        for folder in (leftover, in_use):
            folder.mkdir(parents=True)
            (folder / "staged.tgz").write_bytes(b"...")
        two_days_ago = time.time() - 2 * 24 * 3600
        os.utime(leftover, (two_days_ago, two_days_ago))
        work(found(house))
        assert not leftover.exists()
        assert in_use.exists()

    def test_a_folder_that_another_worker_removes_meanwhile_is_no_failure(
        self, house: House, var: Path
    ) -> None:
        (var / "inspecting").mkdir(parents=True)
        (var / "inspecting" / "dangling").symlink_to(var / "gone already")
        assert work(found(house)).state == Work.DONE


class TestKeeping:
    def test_both_tarballs_are_kept_so_that_whole_files_can_be_shown(self, house: House) -> None:
        house.publish("left-pad", "1.4.2")
        request = work(found(house))
        assert request.inspection
        (change,) = request.inspection.files.all()
        old, new = contents_of_change(change, most=1000)
        assert b'"1.4.2"' in (old or b"")
        assert b'"1.5.0"' in (new or b"")
        assert KeptTarball.objects.count() == 2

    def test_a_baseline_that_is_kept_is_not_downloaded_again(self, house: House) -> None:
        house.publish("left-pad", "1.4.2")
        work(found(house))
        house.sandbox.control.reset()
        assert work(found(house, version="1.6.0")).state == Work.DONE
        assert house.sandbox.control.calls(prefix="/left-pad/-/") == []

    def test_one_that_was_changed_in_the_storage_is_downloaded_again(self, house: House) -> None:
        house.publish("left-pad", "1.4.2")
        request = work(found(house))
        assert request.inspection
        digest = request.inspection.baseline_sha512
        path = Path(storage().path(KeptTarball.objects.get(sha512=digest).name))
        path.write_bytes(path.read_bytes()[::-1])
        second = work(found(house, version="1.6.0"))
        assert second.state == Work.DONE
        assert second.inspection
        assert second.inspection.baseline_sha512 == digest
        with opened(digest) as whole:
            assert Path(whole.name) != path

    def test_a_storage_that_fails_fails_no_inspection(
        self, house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        house.publish("left-pad", "1.4.2")
        request = found(house)
        full = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(FileSystemStorage, "_save", raising(full))
        assert work(request).state == Work.DONE
        assert request.failure == ""
        assert not KeptTarball.objects.exists()
        assert str(request.staged_version.stage_id) in caplog.text
        assert in_the_way(StagedVersion.objects.get(), "approve") == []


class TestOnePairOnce:
    def test_who_waits_for_another_worker_has_not_tried(self, house: House) -> None:
        request = found(house)
        work(request)
        assert request.inspection
        Inspection.objects.filter(pk=request.inspection_id).update(engine_version="0")
        pair = Pair(request.inspection.staged_sha512, "")
        claims.take(pair, "another", until=timezone.now() + timedelta(minutes=4))
        assert ask_again(request.staged_version)
        InspectionRequest.objects.update(tries=3)
        work(request)
        # Two requests on one pair must not forget each other's deaths.
        assert (request.state, request.tries, request.failure) == (Work.WAITING, 3, "")
        assert request.step == "Another worker is comparing the same tarballs"
        claims.let_go(pair, "another")
        due_now(request)
        assert work(request).state == Work.DONE

    def test_what_breaks_the_engine_does_not_keep_the_claim(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        monkeypatch.setattr(inspecting, "compare_tarballs", raising(MemoryError()))
        assert work(request).state == Work.FAILED
        assert not PairClaim.objects.exists()

    def test_one_that_was_believed_dead_leaves_the_pair_to_the_next(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        compare = inspecting.compare_tarballs

        def slow(*args: Any, on_progress: Callable[..., None], **named: Any) -> object:
            PairClaim.objects.update(holder="the next")
            on_progress("comparing", 1, 2)
            return compare(*args, **named)

        monkeypatch.setattr(inspecting, "compare_tarballs", slow)
        assert work(request).state == Work.WAITING
        assert request.step == "Another worker is comparing the same tarballs"
        assert PairClaim.objects.get().holder == "the next"
        assert not Inspection.objects.exists()


class TestAsking:
    def test_every_waiting_version_is_asked_for_once(self, house: House) -> None:
        request = found(house)
        assert request_missing() == 0
        assert request.state == Work.WAITING
        assert InspectionRequest.objects.count() == 1

    @pytest.mark.parametrize("state", [State.LIVE, State.WITHDRAWN, State.REJECTED])
    def test_what_is_no_longer_at_the_registry_is_not_asked_for(
        self, house: House, state: State
    ) -> None:
        house.stage("left-pad", "1.5.0")
        house.poll()
        StagedVersion.objects.update(state=state)
        assert request_missing() == 0

    def test_a_person_asks_again_and_is_named(self, house: House) -> None:
        request = found(house)
        house.sandbox.control.refuse(403, prefix="/-/stage/")
        assert work(request).state == Work.FAILED
        ada = make_user("ada")
        assert ask_again(request.staged_version, actor=ada)
        request.refresh_from_db()
        assert (request.state, request.failure, request.tries) == (Work.WAITING, "", 0)
        assert AuditEvent.objects.get(kind="inspection.requested").actor_id == ada.pk
        assert "inspection.requested" in topics()
        assert work(request).state == Work.DONE

    @pytest.mark.parametrize("state", [Work.WAITING, Work.RUNNING])
    def test_what_is_under_way_is_not_asked_for_again(self, house: House, state: Work) -> None:
        request = found(house)
        InspectionRequest.objects.update(state=state, tries=3)
        assert not ask_again(request.staged_version)
        request.refresh_from_db()
        assert (request.state, request.tries) == (state, 3)

    def test_asking_again_for_what_is_live_does_not_lose_its_inspection(self, house: House) -> None:
        request = work(found(house))
        StagedVersion.objects.update(state=State.LIVE)
        assert not ask_again(request.staged_version)
        assert work(request).state == Work.DONE

    def test_what_was_gone_and_came_back_is_inspected_without_being_asked(
        self, house: House
    ) -> None:
        request = found(house)
        house.sandbox.control.refuse(404, prefix="/-/stage/")
        assert work(request).state == Work.FAILED
        assert "no longer at the registry" in request.failure
        assert request_missing() == 0, "while it is where it was, a person has to ask"
        StagedVersion.objects.update(state=State.WITHDRAWN)
        house.poll()
        assert request_missing() == 1
        assert work(request).state == Work.DONE


class TestClaiming:
    def test_the_oldest_due_comes_first_and_what_is_not_due_waits(self, house: House) -> None:
        first, second = found(house, "a"), found(house, "b")
        InspectionRequest.objects.filter(pk=second.pk).update(
            due_at=timezone.now() - timedelta(hours=1)
        )
        InspectionRequest.objects.filter(pk=first.pk).update(
            due_at=timezone.now() + timedelta(hours=1)
        )
        assert take().pk == second.pk
        assert claim_due() is None

    def test_what_a_worker_has_nobody_else_gets(self, house: House) -> None:
        found(house)
        claimed = take()
        assert (claimed.state, claimed.tries) == (Work.RUNNING, 1)
        assert claim_due() is None

    def test_the_work_of_a_killed_worker_is_taken_over_and_the_dead_changes_nothing(
        self, house: House
    ) -> None:
        request = found(house)
        dead = take()
        worker_dies(request)
        assert work(request).state == Work.DONE
        before = list(AuditEvent.objects.values_list("kind", flat=True))
        inspect(dead)
        inspecting._failed(dead, "too late")
        inspecting._try_later(dead, "too late")
        request.refresh_from_db()
        assert (request.state, request.failure) == (Work.DONE, "")
        assert list(AuditEvent.objects.values_list("kind", flat=True)) == before

    def test_a_worker_that_lost_its_lease_stops_in_the_middle(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        slow = take()
        worker_dies(request)
        second = take()
        monkeypatch.setattr(inspecting, "compare_tarballs", must_not_happen)
        inspect(slow)
        request.refresh_from_db()
        assert (request.state, request.lease_holder) == (Work.RUNNING, second.lease_holder)

    def test_one_that_lost_its_lease_just_before_the_end_records_nothing_but_what_it_found(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        compare = inspecting.compare_tarballs

        def taken_over(staged: Path, baseline: Path | None, **named: object) -> object:
            comparison = compare(staged, baseline)
            InspectionRequest.objects.update(lease_holder="another")
            return comparison

        monkeypatch.setattr(inspecting, "compare_tarballs", taken_over)
        inspect(take())
        request.refresh_from_db()
        assert (request.state, request.lease_holder) == (Work.RUNNING, "another")
        assert request.inspection is None
        assert StagedVersion.objects.get().sha512 == ""
        assert not AuditEvent.objects.filter(kind="inspection.done").exists()
        assert not PairClaim.objects.exists()
        # Whoever has the work now need not find it again.
        monkeypatch.setattr(inspecting, "compare_tarballs", must_not_happen)
        worker_dies(request)
        assert work(request).state == Work.DONE
        assert request.inspection == Inspection.objects.get()

    def test_a_tarball_that_kills_every_worker_is_left_alone_after_five(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        for _ in range(inspecting.MOST_TRIES):
            take()
            worker_dies(request)
        monkeypatch.setattr(inspecting, "_inspect", must_not_happen)
        assert work(request).state == Work.FAILED
        assert "died 5 times" in request.failure
        assert "exhaust memory" in request.failure
        assert AuditEvent.objects.filter(kind="inspection.failed").count() == 1
        assert claim_due() is None
        (obstacle,) = in_the_way(StagedVersion.objects.get(), "approve")
        assert "died 5 times" in obstacle

    def test_an_outage_in_between_is_not_taken_for_a_death(self, house: House) -> None:
        request = found(house)
        for _ in range(inspecting.MOST_TRIES + 2):
            house.sandbox.control.refuse(503, count=4)
            work(request)
            due_now(request)
        assert request.state == Work.WAITING
        assert work(request).state == Work.DONE

    def test_the_task_does_everything_that_waits(self, house: House) -> None:
        for name in ("a", "b", "c"):
            house.stage(name, "1.0.0")
        house.poll()
        tasks.inspect_waiting()
        assert list(InspectionRequest.objects.values_list("state", flat=True)) == [Work.DONE] * 3


class TestFailing:
    def test_a_registry_that_is_away_is_asked_again_later_and_later(self, house: House) -> None:
        request = found(house)
        pauses = []
        for waited in (0, 60, 300, 3600):
            now = timezone.now()
            InspectionRequest.objects.update(
                due_at=now, requested_at=now - timedelta(seconds=waited)
            )
            house.sandbox.control.refuse(503, count=4)
            work(request)
            assert request.state == Work.WAITING
            assert "503" in request.failure
            pauses.append(request.due_at - now)
        assert pauses[0] < pauses[1] < pauses[2] < pauses[3]
        assert pauses[3] < 2 * inspecting.LONGEST_PAUSE
        assert not AuditEvent.objects.filter(kind="inspection.failed").exists()
        (obstacle,) = in_the_way(StagedVersion.objects.get(), "approve")
        assert "not been compared" in obstacle

    def test_but_not_for_days(self, house: House) -> None:
        request = found(house)
        InspectionRequest.objects.update(requested_at=timezone.now() - timedelta(days=2))
        house.sandbox.control.refuse(503, count=4)
        assert work(request).state == Work.FAILED
        assert AuditEvent.objects.filter(kind="inspection.failed").count() == 1

    def test_a_registry_that_asks_to_be_left_alone_is(self, house: House) -> None:
        request = found(house)
        house.sandbox.control.refuse(429, retry_after=1500)
        work(request)
        assert request.state == Work.WAITING
        assert request.due_at > timezone.now() + timedelta(seconds=1400)

    def test_another_tarball_than_the_announced_one_is_an_alarm(self, house: House) -> None:
        request = found(house)
        row = request.staged_version
        house.sandbox.replace_tarball(str(row.stage_id), tarball({"package.json": "{}"}))
        assert work(request).state == Work.FAILED
        row.refresh_from_db()
        assert "not the one that was announced" in row.alarm
        assert row.sha512 == ""
        assert topics()[-2:] == ["staged_version.alarm", "inspection.failed"]
        assert not Inspection.objects.exists()
        sentences = in_the_way(row, "approve")
        assert row.alarm in sentences

    def test_the_right_tarball_after_all_answers_that_alarm(
        self, house: House, tmp_path: Path
    ) -> None:
        request = found(house)
        row = request.staged_version
        with RegistryClient(house.sandbox.url, house.sandbox.token("ci")) as client:
            item = client.staged_version(str(row.stage_id))
            right = client.download_staged(item, tmp_path / "right.tgz").path.read_bytes()
        house.sandbox.replace_tarball(str(row.stage_id), tarball({"package.json": "{}"}))
        work(request)
        house.sandbox.replace_tarball(str(row.stage_id), right)
        assert ask_again(row)
        assert work(request).state == Work.DONE
        row.refresh_from_db()
        assert in_the_way(row, "approve") == []

    def test_another_digest_behind_the_stage_id_is_an_alarm(self, house: House) -> None:
        request = found(house)
        row = request.staged_version
        house.sandbox.replace_tarball(
            str(row.stage_id), tarball({"package.json": "{}"}), announce=True
        )
        assert work(request).state == Work.FAILED
        row.refresh_from_db()
        assert "another SHA-1 for this stage id" in row.alarm
        assert not Inspection.objects.exists()

    def test_gone_from_the_registry_is_a_plain_failure(self, house: House) -> None:
        request = found(house)
        house.sandbox.control.refuse(404, prefix="/-/stage/")
        assert work(request).state == Work.FAILED
        assert "no longer at the registry" in request.failure
        assert StagedVersion.objects.get().alarm == ""

    def test_a_baseline_that_is_gone_is_not_the_staged_version_being_gone(
        self, house: House
    ) -> None:
        house.publish("left-pad", "1.4.2")
        request = found(house)
        house.sandbox.control.refuse(404, prefix="/left-pad/-/")
        assert work(request).state == Work.FAILED
        assert "The published tarball of 1.4.2" in request.failure
        assert "no longer at the registry" not in request.failure

    def test_a_baseline_with_another_digest_is_no_alarm_on_the_staged_version(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.publish("left-pad", "1.4.2")
        request = found(house)
        packument = RegistryClient.packument

        def changed(client: RegistryClient, name: str) -> object:
            document = packument(client, name)
            object.__setattr__(document.versions["1.4.2"], "shasum", "0" * 40)
            return document

        monkeypatch.setattr(RegistryClient, "packument", changed)
        assert work(request).state == Work.FAILED
        assert "published tarball of 1.4.2 is not the one" in request.failure
        assert StagedVersion.objects.get().alarm == ""

    def test_what_is_no_tarball_fails_for_good_with_a_sentence(self, house: House) -> None:
        request = found(house)
        replace(house, request.staged_version, b"this is no tarball")
        assert work(request).state == Work.FAILED
        assert request.failure
        assert claim_due() is None
        assert StagedVersion.objects.get().sha512 == ""

    def test_a_token_that_cannot_be_opened_is_a_sentence(self, house: House) -> None:
        request = found(house)
        Registry.objects.update(sealed_read_token="nonsense")
        assert work(request).state == Work.FAILED
        assert "Enter it again" in request.failure

    @pytest.mark.parametrize(
        ("limit", "words"),
        [
            ({"entries": 1}, "more than 1 entries"),
            ({"entry_size": 4}, "4 are allowed"),
            ({"path_length": 9}, "too long"),
        ],
        ids=["entries", "entry_size", "path_length"],
    )
    def test_the_limits_that_the_operator_set_hold(
        self, house: House, settings: Settings, limit: dict[str, int], words: str
    ) -> None:
        request = found(house)
        with_default = settings.TARBALL_LIMITS
        settings.TARBALL_LIMITS = {**with_default, **limit}
        assert work(request).state == Work.FAILED
        assert words in request.failure
        settings.TARBALL_LIMITS = with_default
        assert ask_again(request.staged_version)
        assert work(request).state == Work.DONE

    def test_a_file_too_large_for_a_diff_says_so(self, house: House, settings: Settings) -> None:
        settings.DIFF_LIMITS = {**settings.DIFF_LIMITS, "file_size": 20}
        request = work(found(house))
        assert request.inspection
        notes = {one.path: one.diff_note for one in request.inspection.files.all()}
        assert "too large for a diff" in notes["package.json"]
        assert notes["index.js"] == ""

    @pytest.mark.parametrize("error", [MemoryError, RecursionError, TypeError, ValueError])
    def test_a_tarball_that_breaks_the_engine_is_shown_to_a_person(
        self, house: House, error: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        monkeypatch.setattr(inspecting, "compare_tarballs", raising(error("a secret")))
        assert work(request).state == Work.FAILED
        assert error.__name__ in request.failure
        assert "secret" not in request.failure
        assert in_the_way(StagedVersion.objects.get(), "approve")

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
            (OperationalError("database is locked"), "database"),
        ],
        ids=["disk", "database"],
    )
    def test_what_is_the_machines_fault_is_tried_again(
        self, house: House, error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = found(house)
        with monkeypatch.context() as broken:
            broken.setattr(inspecting, "compare_tarballs", raising(error))
            assert work(request).state == Work.WAITING
        assert words in request.failure
        due_now(request)
        assert work(request).state == Work.DONE


class TestAskingAgain:
    def test_another_version_that_goes_live_is_a_reason_to_compare_again(
        self, house: House
    ) -> None:
        house.publish("left-pad", "1.0.0")
        older, newer = house.ready("left-pad", "1.2.0"), house.ready("left-pad", "1.3.0")
        assert newer.inspection_request.baseline_version == "1.0.0"
        ada = house.person("ada")
        house.sandbox.grant("left-pad", "ada")
        house.decide(ada, older, registry_code=house.sandbox.code("ada"))
        house.work()
        house.inspect()
        request = InspectionRequest.objects.get(staged_version=newer)
        assert (request.state, request.baseline_version) == (Work.DONE, "1.2.0")
        assert request_missing() == 0

    def test_a_better_engine_is_a_reason_to_compare_again(self, house: House) -> None:
        row = house.ready()
        request = of_engine(row, "2")
        assert in_the_way(row, "approve") == []
        assert request_missing() == 1
        request.refresh_from_db()
        assert request.state == Work.WAITING
        (obstacle,) = in_the_way(StagedVersion.objects.get(), "approve")
        assert "compared" in obstacle
        assert work(request).state == Work.DONE
        assert request.inspection
        assert request.inspection.engine_version == ENGINE
        assert request_missing() == 0

    @pytest.mark.parametrize("state", [State.LIVE, State.REJECTED, State.WITHDRAWN])
    def test_but_not_for_what_was_decided(self, house: House, state: State) -> None:
        of_engine(house.ready(), "2")
        StagedVersion.objects.update(state=state)
        assert request_missing() == 0

    def test_nor_does_a_worker_of_the_release_before_undo_it(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of_engine(house.ready(), "10")
        monkeypatch.setattr(requests, "ENGINE", "9")
        assert request_missing() == 0
        monkeypatch.setattr(requests, "ENGINE", "11")
        assert request_missing() == 1

    def test_what_was_read_stays_read_where_nothing_changed(self, house: House) -> None:
        house.publish("left-pad", "1.4.2")
        row = house.ready()
        request, ada = of_engine(row, "2"), make_user("ada")
        assert request.inspection
        for change in request.inspection.files.all():
            set_viewed(ada, change, viewed=True)
        before = viewed_count(ada, request.inspection.pk)
        request_missing()
        work(request)
        assert request.inspection.engine_version == ENGINE
        assert viewed_count(ada, request.inspection.pk) == before == 1

    def test_two_who_ask_at_once_are_one_question(self, house: House) -> None:
        row = house.ready()
        assert ask_again(row)
        assert not ask_again(row)
        assert topics().count("inspection.requested") == 1


def must_not_happen(*args: object, **named: object) -> None:
    raise AssertionError("this must not happen")


def of_engine(row: StagedVersion, engine: str) -> InspectionRequest:
    """The request for what was compared by that engine."""
    Inspection.objects.filter(requests__staged_version=row).update(engine_version=engine)
    return InspectionRequest.objects.get(staged_version=row)


def raising(error: Exception) -> Callable[..., None]:
    def function(*args: object, **named: object) -> None:
        raise error

    return function


def replace(house: House, row: StagedVersion, content: bytes) -> None:
    """As if this had been staged from the beginning."""
    house.sandbox.replace_tarball(str(row.stage_id), content, announce=True)
    StagedVersion.objects.filter(pk=row.pk).update(
        shasum=hashlib.sha1(content, usedforsecurity=False).hexdigest()
    )


def test_the_queue_can_tell_what_was_found(house: House) -> None:
    house.publish("left-pad", "1.0.0")
    stage_id = house.stage("left-pad", "1.1.0", scripts={"postinstall": "node x.js"})
    house.poll()
    house.inspect()
    row = StagedVersion.objects.with_package().get(stage_id=stage_id)
    assert summaries_of([row])[row.pk].is_serious
    assert row.findings.filter(rule="install-script").exists()

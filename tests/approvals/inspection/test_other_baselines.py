"""Comparing with a version that a reader chose, on which no decision stands."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from approvals.audit import outbox
from approvals.audit.models import AuditEvent
from approvals.inspection import inspecting, requests, retention, sources
from approvals.inspection.inspecting import inspect
from approvals.inspection.models import (
    Inspection,
    InspectionRequest,
    InspectionWork,
    KeptTarball,
    OtherBaselineRequest,
)
from approvals.inspection.requests import (
    BaselineRefused,
    ask_again,
    claim_due,
    compare_with,
    request_missing,
)
from approvals.queue.models import StagedVersion, State
from registry_client.client import RegistryClient
from tests.approvals.conftest import House
from tests.approvals.events import topics
from tests.approvals.factories import make_inspection, make_staged_version, make_user
from tests.approvals.seen import in_the_way
from tests.packages import tarball

pytestmark = pytest.mark.usefixtures("no_pauses")
Work = InspectionWork.State


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"


@pytest.fixture
def row(house: House) -> StagedVersion:
    """A staged 1.5.0 that was compared with 1.4.2; 1.4.0 and 1.3.0 are published too."""
    for version in ("1.3.0", "1.4.0", "1.4.2"):
        house.publish("left-pad", version)
    return house.ready()


def work(request: OtherBaselineRequest) -> OtherBaselineRequest:
    while claimed := claim_due():
        inspect(claimed)
    request.refresh_from_db()
    return request


def the_default(row: StagedVersion) -> OtherBaselineRequest:
    """As if 1.4.2 had been asked for before it was what the version is compared with anyway."""
    return OtherBaselineRequest.objects.create(staged_version=row, baseline_version="1.4.2")


def downloads(house: House, prefix: str = "/") -> list[str]:
    """The tarballs that were asked for since the last reset."""
    calls = house.sandbox.control.calls(method="GET", prefix=prefix)
    return [call.path for call in calls if call.path.endswith((".tgz", "/tarball"))]


class TestAsking:
    def test_it_is_compared_with_the_version_that_was_chosen(
        self, house: House, row: StagedVersion
    ) -> None:
        ada = make_user("ada")
        request = compare_with(row, "1.3.0", actor=ada)
        assert (request.state, request.baseline_version) == (Work.WAITING, "1.3.0")
        event = AuditEvent.objects.get(kind="inspection.requested_against")
        assert (event.actor_id, event.detail) == (ada.pk, {"baseline": "1.3.0"})
        work(request)
        assert (request.state, request.failure, request.step) == (Work.DONE, "", "")
        default = InspectionRequest.objects.get(staged_version=row)
        assert request.inspection
        assert default.inspection
        assert request.inspection != default.inspection
        assert request.inspection.staged_sha512 == default.inspection.staged_sha512
        (change,) = request.inspection.files.all()
        assert change.path == "package.json"

    def test_the_worker_is_woken(
        self,
        row: StagedVersion,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        rung: list[str] = []
        bells = {"inspection.requested_against": [lambda: rung.append("rung")]}
        assert len(outbox._doorbells["inspection.requested_against"]) == 1
        monkeypatch.setattr(outbox, "_doorbells", {**bells, outbox.ANY_TOPIC: []})
        with django_capture_on_commit_callbacks(execute=True):
            compare_with(row, "1.3.0")
        assert rung == ["rung"]

    @pytest.mark.parametrize(
        ("version", "words"),
        [
            ("", "not a version"),
            ("latest", "not a version"),
            ("1.4", "not a version"),
            ("^1.4.0", "not a version"),
            ("../1.4.0", "not a version"),
            ("1.4.0\n", "not a version"),
            ("1.4.0-" + "x" * 300, "not a version"),
            ("<script>1.4.0</script>" + "x" * 100_000, "not a version"),
            ("0.0.0-stage", "placeholder"),
            ("9.9.9", "not published"),
        ],
        ids=[
            *("empty", "tag", "short", "range", "path", "newline", "long", "huge"),
            *("placeholder", "unknown"),
        ],
    )
    def test_what_is_no_published_version_is_refused_with_a_sentence(
        self, row: StagedVersion, version: str, words: str
    ) -> None:
        with pytest.raises(BaselineRefused, match=words) as refused:
            compare_with(row, version)
        assert len(str(refused.value)) < 200
        assert not OtherBaselineRequest.objects.exists()
        assert not AuditEvent.objects.filter(kind="inspection.requested_against").exists()

    def test_what_it_is_compared_with_already_is_refused_with_a_sentence(
        self, row: StagedVersion
    ) -> None:
        the_default(row)
        with pytest.raises(BaselineRefused, match=r"^1\.4\.2 is what it is compared with already"):
            compare_with(row, "1.4.2")
        assert "inspection.requested_against" not in topics()
        # Where that failed, it is the one way to see the difference.
        InspectionRequest.objects.update(state=Work.FAILED)
        assert work(compare_with(row, "1.4.2")).state == Work.DONE

    def test_a_version_published_since_needs_a_look_anew(
        self, house: House, row: StagedVersion
    ) -> None:
        for version in ("1.4.1", "1.4.3"):
            house.publish("left-pad", version)
        with pytest.raises(BaselineRefused, match="Compare again to look anew"):
            compare_with(row, "1.4.1")
        assert ask_again(row)
        house.inspect()
        assert work(compare_with(row, "1.4.1")).state == Work.DONE

    def test_where_no_version_was_written_down_the_worker_sees(self, row: StagedVersion) -> None:
        InspectionRequest.objects.update(published_versions=[])
        assert work(compare_with(row, "1.3.0")).state == Work.DONE

    def test_where_not_all_versions_are_written_down_the_worker_sees(
        self, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "MOST_PUBLISHED_VERSIONS", 3)
        request = work(compare_with(row, "9.9.9"))
        assert request.state == Work.FAILED
        assert "9.9.9 is not published" in request.failure

    @pytest.mark.parametrize("state", [Work.WAITING, Work.RUNNING, Work.DONE])
    def test_what_was_asked_for_is_not_asked_for_twice(
        self, row: StagedVersion, state: Work
    ) -> None:
        request = compare_with(row, "1.3.0")
        if state == Work.DONE:
            work(request)
        OtherBaselineRequest.objects.update(state=state, tries=1)
        again = compare_with(row, "1.3.0")
        assert (again.pk, again.state, again.tries) == (request.pk, state, 1)
        assert topics().count("inspection.requested_against") == 1

    def test_what_failed_is_asked_for_again(self, house: House, row: StagedVersion) -> None:
        house.sandbox.control.refuse(404, prefix="/left-pad/-/")
        request = work(compare_with(row, "1.3.0"))
        assert request.state == Work.FAILED
        assert "published tarball of 1.3.0" in request.failure
        again = compare_with(row, "1.3.0")
        assert (again.pk, again.state, again.failure) == (request.pk, Work.WAITING, "")
        assert work(again).state == Work.DONE

    def test_what_an_earlier_engine_compared_is_asked_for_again(self, row: StagedVersion) -> None:
        request = work(compare_with(row, "1.3.0"))
        Inspection.objects.filter(pk=request.inspection_id).update(engine_version="0")
        assert compare_with(row, "1.3.0").state == Work.WAITING
        work(request)
        assert request.inspection
        assert request.inspection.engine_version != "0"

    def test_there_is_an_end_to_it(
        self, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "MOST_OTHER_BASELINES", 1)
        first = compare_with(row, "1.3.0")
        with pytest.raises(BaselineRefused, match="1 other"):
            compare_with(row, "1.4.0")
        assert compare_with(row, "1.3.0") == first

    def test_what_failed_takes_no_place(
        self, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "MOST_OTHER_BASELINES", 3)
        InspectionRequest.objects.update(published_versions=[])
        day = timedelta(days=1)
        for number in range(5):
            request = work(compare_with(row, f"9.9.{number}"))
            assert request.state == Work.FAILED
            # The first is asked for again last.
            days_ago = 0 if number == 0 else 10 - number
            OtherBaselineRequest.objects.filter(pk=request.pk).update(
                requested_at=timezone.now() - days_ago * day
            )
        asked = OtherBaselineRequest.objects.order_by("pk").values_list("baseline_version", "state")
        assert list(asked.all()) == [("9.9.0", "failed"), ("9.9.3", "failed"), ("9.9.4", "failed")]
        for version in ("1.3.0", "1.4.0", "1.4.1"):
            compare_with(row, version)
        assert [version for version, _ in asked.all()] == ["1.3.0", "1.4.0", "1.4.1"]
        with pytest.raises(BaselineRefused, match="3 other"):
            compare_with(row, "9.9.0")
        assert asked.count() == 3

    def test_the_published_versions_are_there_to_choose_from(
        self, house: House, row: StagedVersion
    ) -> None:
        request = InspectionRequest.objects.get(staged_version=row)
        assert request.published_versions == ["1.4.2", "1.4.0", "1.3.0"]
        for version in ("1.10.0", "2.0.0-rc.1"):
            house.publish("left-pad", version)
        assert ask_again(row)
        house.inspect()
        request.refresh_from_db()
        assert request.published_versions == ["2.0.0-rc.1", "1.10.0", "1.4.2", "1.4.0", "1.3.0"]

    def test_a_first_release_has_nothing_to_choose_from(self, house: House) -> None:
        row = house.ready("brand-new", "1.0.0")
        assert InspectionRequest.objects.get().published_versions == []
        with pytest.raises(BaselineRefused):
            compare_with(row, "0.0.0-stage")
        request = work(compare_with(row, "0.9.0"))
        assert request.state == Work.FAILED
        assert "0.9.0 is not published" in request.failure

    def test_only_so_many_are_written_down_the_newest(
        self, house: House, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inspecting, "MOST_PUBLISHED_VERSIONS", 2)
        assert ask_again(row)
        house.inspect()
        assert InspectionRequest.objects.get().published_versions == ["1.4.2", "1.4.0"]


class TestWorking:
    def test_decisions_do_not_wait_for_it(self, house: House, row: StagedVersion) -> None:
        compare_with(row, "1.3.0")
        OtherBaselineRequest.objects.update(due_at=timezone.now() - timedelta(hours=1))
        house.stage("left-pad", "1.6.0")
        house.poll()
        request_missing()
        first, second = claim_due(), claim_due()
        assert isinstance(first, InspectionRequest)
        assert isinstance(second, OtherBaselineRequest)
        assert claim_due() is None

    def test_nothing_that_is_kept_is_downloaded(self, house: House, row: StagedVersion) -> None:
        request = the_default(row)
        house.sandbox.control.reset()
        work(request)
        assert request.state == Work.DONE
        assert downloads(house) == []
        default = InspectionRequest.objects.get()
        assert request.inspection == default.inspection

    def test_the_same_pair_is_not_compared_twice(
        self, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inspecting, "compare_tarballs", must_not_happen)
        assert work(the_default(row)).state == Work.DONE

    def test_what_a_decision_stands_on_is_fresh_from_the_registry(
        self, house: House, row: StagedVersion
    ) -> None:
        house.sandbox.control.reset()
        assert ask_again(row)
        house.inspect()
        assert downloads(house) == [f"/-/stage/{row.stage_id}/tarball"]
        house.sandbox.replace_tarball(str(row.stage_id), tarball({"package.json": "{}"}))
        assert ask_again(row)
        house.inspect()
        row.refresh_from_db()
        assert "not the one that was announced" in row.alarm

    def test_the_alarm_of_a_download_is_not_answered_by_a_kept_tarball(
        self, house: House, row: StagedVersion
    ) -> None:
        house.sandbox.replace_tarball(str(row.stage_id), tarball({"package.json": "{}"}))
        assert ask_again(row)
        house.inspect()
        assert work(compare_with(row, "1.3.0")).state == Work.DONE
        row.refresh_from_db()
        assert row.alarm
        assert in_the_way(row, "approve")

    def test_two_tarballs_with_one_sha_1_are_told_apart(
        self, house: House, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        download = RegistryClient.download_staged

        def colliding(*args: object, **named: object) -> object:
            found = download(*args, **named)  # type: ignore[arg-type]  # passed on as it came
            object.__setattr__(found, "sha512", hashlib.sha512(b"another").hexdigest())
            return found

        monkeypatch.setattr(RegistryClient, "download_staged", colliding)
        assert ask_again(row)
        house.inspect()
        reviewed = row.sha512
        row.refresh_from_db()
        assert "same SHA-1" in row.alarm
        assert row.sha512 == reviewed
        assert in_the_way(row, "approve")

    def test_a_baseline_that_is_announced_otherwise_now_is_not_the_kept_one(
        self, house: House, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packument = RegistryClient.packument

        def changed(client: RegistryClient, name: str) -> object:
            document = packument(client, name)
            object.__setattr__(document.versions["1.4.2"], "shasum", "0" * 40)
            return document

        monkeypatch.setattr(RegistryClient, "packument", changed)
        request = work(the_default(row))
        assert request.state == Work.FAILED
        assert "not the one the registry announces" in request.failure

    @pytest.mark.parametrize(
        "integrity", ["", "sha512-AAAA", "sha256-" + "A" * 43 + "="], ids=["none", "bad", "sha256"]
    )
    def test_without_a_sha_512_the_baseline_is_downloaded(
        self,
        house: House,
        row: StagedVersion,
        integrity: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked: list[str] = []
        packument = RegistryClient.packument

        def changed(client: RegistryClient, name: str) -> object:
            document = packument(client, name)
            object.__setattr__(document.versions["1.4.2"], "integrity", integrity)
            return document

        monkeypatch.setattr(RegistryClient, "packument", changed)
        monkeypatch.setattr(
            sources.Sources, "_kept", lambda own, sha512: asked.append(sha512) or None
        )
        work(the_default(row))
        assert asked == [row.sha512], "the staged one only"

    def test_one_that_fails_stands_in_nobodys_way(self, house: House, row: StagedVersion) -> None:
        house.sandbox.control.refuse(404, prefix="/left-pad/-/")
        assert work(compare_with(row, "1.3.0")).state == Work.FAILED
        assert in_the_way(row, "approve") == []
        assert "inspection.failed" not in topics()
        row.refresh_from_db()
        assert row.alarm == ""

    def test_a_registry_that_is_away_is_asked_again(self, house: House, row: StagedVersion) -> None:
        house.sandbox.control.refuse(503, count=4)
        request = work(compare_with(row, "1.3.0"))
        assert request.state == Work.WAITING
        assert "503" in request.failure
        OtherBaselineRequest.objects.update(due_at=timezone.now())
        assert work(request).state == Work.DONE

    def test_a_dead_workers_work_is_taken_over(self, row: StagedVersion) -> None:
        request = compare_with(row, "1.3.0")
        dead = claim_due()
        assert dead
        OtherBaselineRequest.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert work(request).state == Work.DONE
        inspect(dead)
        request.refresh_from_db()
        assert request.state == Work.DONE


class TestAfterTheDecision:
    def test_it_is_compared_as_long_as_it_is_kept(self, house: House, row: StagedVersion) -> None:
        StagedVersion.objects.update(state=State.REJECTED)
        house.sandbox.control.refuse(404, prefix="/-/stage/", count=99)
        assert work(compare_with(row, "1.3.0")).state == Work.DONE

    def test_and_not_longer(self, row: StagedVersion) -> None:
        StagedVersion.objects.update(state=State.REJECTED)
        KeptTarball.objects.all().delete()
        row.refresh_from_db()
        with pytest.raises(BaselineRefused, match="kept neither"):
            compare_with(row, "1.3.0")

    def test_one_that_goes_after_it_was_asked_for_is_a_sentence(self, row: StagedVersion) -> None:
        StagedVersion.objects.update(state=State.REJECTED)
        request = compare_with(row, "1.3.0")
        KeptTarball.objects.all().delete()
        assert work(request).state == Work.FAILED
        assert "kept neither at the registry nor here" in request.failure

    def test_asking_keeps_it_until_the_work_is_done(self, row: StagedVersion) -> None:
        long_ago = timezone.now() - timedelta(days=365)
        StagedVersion.objects.update(state=State.LIVE, state_changed_at=long_ago)
        KeptTarball.objects.update(kept_at=long_ago)
        request = compare_with(row, "1.3.0")
        assert retention.forget_expired() == 1
        assert KeptTarball.objects.get().sha512 == row.sha512
        assert work(request).state == Work.DONE


def must_not_happen(*args: object, **named: object) -> None:
    raise AssertionError("this must not happen")


@pytest.mark.django_db
def test_an_inspection_of_before_may_be_compared_with_what_it_knows() -> None:
    row = make_staged_version()
    make_inspection(row, published_versions=["1.4.2", "1.0.0"])
    assert compare_with(row, "1.0.0").state == Work.WAITING
    with pytest.raises(BaselineRefused):
        compare_with(row, "1.4.1")

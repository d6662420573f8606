"""Looking for provenance until it is found or nothing is to be decided, whatever fails or dies."""

import json
import zlib
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.provenance import checking, examine, settle, tasks
from approvals.provenance.bundles import sha256_of
from approvals.provenance.checking import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE_OF_OTHERS,
    LONGEST_PAUSE_WITHOUT,
    MOST_TRIES,
    check,
)
from approvals.provenance.hand_in import hand_in
from approvals.provenance.models import HandedInBundle, Provenance, ProvenanceCheck
from approvals.provenance.requests import claim_due, look_again, request_missing
from approvals.queue.models import Registry, StagedVersion, State
from registry_client.client import Attestation, RegistryClient
from registry_client.errors import NotARegistry
from tests.approvals.at_once import at_once
from tests.approvals.events import kinds, topics
from tests.approvals.factories import (
    make_provenance_check,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.provenance.conftest import Works, due_now, sha512_of, worker_dies
from tests.authority import GITHUB, Run, Sigstore

Verdict = ProvenanceCheck.Verdict
ATTESTATIONS = "/-/npm/v1/attestations/"
STRANGER = replace(GITHUB, repository="mallory/gadgets", repository_id="66", owner_id="666")


def take() -> ProvenanceCheck:
    work = claim_due()
    assert work is not None
    return work


def must_not_happen(*args: object, **named: object) -> None:
    raise AssertionError("this must not happen")


def answers_nonsense_about(monkeypatch: pytest.MonkeyPatch, *versions: str) -> None:
    ask = RegistryClient.attestations

    def attestations(client: RegistryClient, name: str, version: str) -> list[Attestation]:
        if version in versions:
            raise NotARegistry("This is nonsense.")
        return ask(client, name, version)

    monkeypatch.setattr(RegistryClient, "attestations", attestations)


def goes_live_with(works: Works, version: str, *, proven_by: Run, bundle: Any) -> None:
    """It was proven by what was handed in while it was staged; published, it has `bundle`."""
    sha512 = sha512_of(works.document("left-pad", version))
    row = make_staged_version("left-pad", version, registry=works.house.registry, sha512=sha512)
    proof = works.sigstore.bundle("left-pad", version, sha512, proven_by)
    hand_in(row, json.dumps(proof).encode(), actor=None)
    StagedVersion.objects.filter(pk=row.pk).update(state=State.LIVE)
    works.publish(version, bundle)
    assert Provenance.objects.get(version=version).source == "handed_in"


def proven(work: ProvenanceCheck) -> Provenance:
    assert work.provenance is not None
    return work.provenance


class TestFinding:
    def test_what_the_registry_serves_is_verified_and_compared(self, works: Works) -> None:
        works.publish("1.4.1", True)
        works.publish("1.4.2", True)
        work = works.work(works.stage(bundle=True))
        assert (work.state, work.failure, work.step) == ("done", "", "")
        found = proven(work)
        assert (found.outcome, found.source, found.version) == ("verified", "registry", "1.5.0")
        assert found.sha512 == work.staged_version.sha512
        assert found.build["repository"] == "https://github.com/acme/gadgets"
        assert found.log_index
        assert found.signed_at
        assert not found.is_public
        assert json.loads(found.bundle)["dsseEnvelope"]
        assert work.baseline_version == "1.4.2"
        assert work.baseline
        assert work.baseline.is_verified
        assert {row.version for row in work.history.all()} == {"1.4.1", "1.4.2"}
        assert work.verdict in (Verdict.SAME, Verdict.CHANGED)
        event = AuditEvent.objects.get(kind="provenance.found")
        assert event.detail["outcome"] == "verified"
        assert event.detail["verdict"] == work.verdict
        assert event.stage_id == work.staged_version.stage_id

    def test_the_registrys_own_attestation_of_the_baseline_is_verified_too(
        self, works: Works
    ) -> None:
        works.publish("1.4.2", True)
        work = works.work(works.stage(bundle=True))
        assert work.baseline
        assert work.baseline.publish == "verified"
        assert proven(work).publish == ""
        assert len(works.calls("/-/npm/v1/keys")) == 1

    def test_without_the_registrys_keys_it_is_called_unverified(self, works: Works) -> None:
        works.publish("1.4.2", True)
        works.house.sandbox.control.refuse(404, count=20, prefix="/-/npm/v1/keys")
        work = works.work(works.stage(bundle=True))
        assert work.state == "done"
        assert work.baseline
        assert (work.baseline.outcome, work.baseline.publish) == ("verified", "unverified")

    def test_nothing_anywhere_is_missing_and_looked_for_again(self, works: Works) -> None:
        works.publish("1.4.2")
        work = works.work(works.stage())
        assert (work.state, work.failure, work.verdict) == ("waiting", "", Verdict.MISSING)
        assert proven(work).outcome == "missing"
        assert "no provenance" in proven(work).reason
        assert work.looks == 1

    def test_the_first_release_has_nothing_to_be_compared_with(self, works: Works) -> None:
        work = works.work(works.stage("1.0.0", True, name="brand-new"))
        assert (work.state, work.baseline_version, work.verdict) == ("done", "", Verdict.FIRST)
        assert not work.history.exists()

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("another tarball", "another tarball"),
            ("another version", "1.5.0"),
            ("another authority", ""),
        ],
    )
    def test_a_bundle_that_proves_nothing_is_refused_with_the_reason(
        self, works: Works, name: str, words: str
    ) -> None:
        sha512 = sha512_of(works.document("left-pad", "1.5.0"))
        bundle = {
            "another tarball": works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64),
            "another version": works.sigstore.bundle("left-pad", "1.5.1", sha512),
            "another authority": Sigstore.new().bundle("left-pad", "1.5.0", sha512),
        }[name]
        work = works.work(works.stage(bundle=bundle))
        assert (proven(work).outcome, work.verdict) == ("refused", Verdict.REFUSED)
        assert words in proven(work).reason
        assert proven(work).build == {}
        assert work.state == "waiting", "a right one may still be handed in"
        if name == "another tarball":
            assert "ab" * 64 in proven(work).reason
            assert sha512 in proven(work).reason

    def test_what_was_refused_once_is_not_forgotten_when_it_is_withdrawn(
        self, works: Works
    ) -> None:
        work = works.work(works.stage(bundle=Sigstore.new().bundle("left-pad", "1.5.0", "ab" * 64)))
        works.house.sandbox.control.refuse(404, count=9, prefix=ATTESTATIONS)
        work = works.work(work, look_now=True)
        assert (proven(work).outcome, work.verdict) == ("refused", Verdict.REFUSED)

    def test_a_bundle_that_breaks_our_code_is_refused_and_logged(
        self, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(*args: Any, **named: Any) -> None:
            raise ZeroDivisionError("something nobody thought of")

        work = works.stage(bundle=True)
        monkeypatch.setattr(examine, "verify", broken)
        work = works.work(work)
        assert proven(work).outcome == "refused"
        assert "Countersign failed on this bundle (ZeroDivisionError)" in proven(work).reason
        assert f"stage={work.staged_version.stage_id} verifying a bundle broke" in caplog.text
        assert "nobody thought of" in caplog.text

    def test_what_was_proven_when_it_was_staged_before_is_not_looked_for_again(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = works.work(works.stage(bundle=True))
        ProvenanceCheck.objects.all().delete()
        request_missing()
        monkeypatch.setattr(checking, "_search", must_not_happen)
        again = works.work(ProvenanceCheck.objects.get())
        assert (again.state, again.provenance_id) == ("done", first.provenance_id)

    def test_progress_is_said_while_it_asks(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for version in ("1.4.0", "1.4.1", "1.4.2"):
            works.publish(version, True)
        steps = []
        ask = checking.Progress.__call__

        def noted(progress: checking.Progress, step: str) -> None:
            ask(progress, step)
            row = ProvenanceCheck.objects.get()
            assert (row.state, row.step) == ("running", step)
            assert row.lease_until
            assert row.lease_until > timezone.now()
            steps.append(step)

        monkeypatch.setattr(checking.Progress, "__call__", noted)
        works.work(works.stage(bundle=True))
        assert steps == [
            "Asking the registry for attestations",
            "Reading what is published",
            "Asking about 1.4.2 (1 of 3)",
            "Asking for the keys that the registry signs with",
            "Asking about 1.4.1 (2 of 3)",
            "Asking about 1.4.0 (3 of 3)",
        ]


class TestLookingAgain:
    @pytest.mark.parametrize("had_any", [True, False], ids=["had-any", "never-had-any"])
    def test_the_pauses_grow_further_where_no_release_ever_had_any(
        self, works: Works, had_any: bool
    ) -> None:
        works.publish("1.4.2", had_any)
        work = works.stage()
        pauses = []
        for _ in range(13):
            now = timezone.now()
            work = works.work(work, look_now=True)
            pauses.append(work.due_at - now)
        longest = LONGEST_PAUSE if had_any else LONGEST_PAUSE_WITHOUT
        assert FIRST_PAUSE <= pauses[0] < FIRST_PAUSE + timedelta(seconds=10)
        assert all(1.5 * one < two for one, two in pairwise(pauses[:6]))
        assert longest <= pauses[-1] < longest + timedelta(seconds=10)
        assert kinds("provenance") == ["provenance.found"], "the same is not told again"
        assert len(works.calls("/left-pad")) == 1, "a packument is not fetched at every look"

    def test_until_it_is_found(self, works: Works) -> None:
        work = works.stage(bundle=True)
        works.house.sandbox.control.refuse(404, prefix=ATTESTATIONS)
        work = works.work(work)
        assert (proven(work).outcome, work.verdict) == ("missing", Verdict.MISSING)
        row = work.provenance_id
        work = works.work(work, look_now=True)
        assert (work.state, proven(work).outcome, work.verdict) == ("done", "verified", "first")
        assert work.provenance_id == row
        assert kinds("provenance") == ["provenance.found"] * 2
        due_now(work)
        assert claim_due() is None

    @pytest.mark.parametrize("state", [State.REJECTED, State.LIVE, State.WITHDRAWN, State.ACCEPTED])
    def test_until_it_is_decided(self, works: Works, state: State) -> None:
        work = works.work(works.stage())
        StagedVersion.objects.update(state=state)
        due_now(work)
        assert claim_due() is None

    def test_what_is_back_at_the_registry_is_looked_for_again(self, works: Works) -> None:
        work = works.work(works.stage())
        StagedVersion.objects.update(state=State.WITHDRAWN)
        due_now(work)
        assert claim_due() is None
        StagedVersion.objects.update(state=State.STAGED)
        assert claim_due() is not None

    def test_a_person_may_have_it_looked_at_now_and_is_named(self, works: Works) -> None:
        work = works.work(works.stage())
        assert claim_due() is None
        ada = make_user("ada")
        assert look_again(work.staged_version, ada)
        assert AuditEvent.objects.get(kind="provenance.requested").actor_id == ada.pk
        assert "provenance.requested" in topics()
        work = works.work(work)
        assert work.looks == 1

    def test_not_while_a_look_is_under_way_nor_when_all_is_decided(self, works: Works) -> None:
        work = works.stage()
        take()
        assert not look_again(work.staged_version)
        worker_dies(work)
        works.work(work)
        StagedVersion.objects.update(state=State.LIVE)
        assert not look_again(work.staged_version)
        assert not AuditEvent.objects.filter(kind="provenance.requested").exists()

    def test_another_version_that_goes_live_is_a_new_baseline(self, works: Works) -> None:
        works.publish("1.4.2", True)
        work = works.work(works.stage(bundle=True))
        assert work.baseline_version == "1.4.2"
        works.publish("1.4.3", True)
        other = works.stage("1.4.3", name="left-pad-other")
        StagedVersion.objects.filter(pk=other.staged_version_id).update(
            package=work.staged_version.package, state=State.LIVE, state_changed_at=timezone.now()
        )
        assert request_missing() == 1
        assert request_missing() == 0
        work = works.work(work)
        assert (work.state, work.baseline_version) == ("done", "1.4.3")


class TestHistory:
    def test_it_is_bounded_and_the_newest_below_come_first(
        self, works: Works, settings: Any
    ) -> None:
        settings.PROVENANCE_HISTORY = 3
        for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.2", "2.0.0"):
            works.publish(version, True)
        works.house.sandbox.control.reset()
        work = works.work(works.stage(bundle=True))
        # 2.0.0 has the dist-tag, and is no baseline of what is lower.
        assert work.baseline_version == "1.4.2"
        assert {row.version for row in work.history.all()} == {"1.1.0", "1.2.0", "1.3.0", "1.4.2"}
        assert len(works.calls()) == 5

    def test_what_is_kept_is_not_fetched_again(self, works: Works) -> None:
        works.publish("1.4.1", True)
        works.publish("1.4.2")
        works.work(works.stage(bundle=True))
        works.house.sandbox.control.reset()
        work = works.work(works.stage("1.6.0", True))
        assert work.state == "done"
        assert work.history.count() == 2
        assert works.calls() == [f"{ATTESTATIONS}left-pad@1.6.0"]
        assert Provenance.objects.filter(version="1.4.1").count() == 1

    def test_what_is_missing_is_asked_for_again_after_a_day(self, works: Works) -> None:
        works.publish("1.4.2")
        work = works.work(works.stage(bundle=True))
        yesterday = timezone.now() - timedelta(hours=25)
        Provenance.objects.filter(version="1.4.2").update(asked_at=yesterday)
        works.house.sandbox.control.reset()
        assert look_again(work.staged_version)
        works.work(work)
        assert works.calls() == [f"{ATTESTATIONS}left-pad@1.4.2"]
        asked_at = Provenance.objects.get(version="1.4.2").asked_at
        assert asked_at
        assert asked_at > yesterday

    def test_only_what_announces_attestations_is_asked_for_and_the_baseline_always(
        self, works: Works
    ) -> None:
        for version in ("1.4.0", "1.4.1", "1.4.2"):
            works.publish(version, version == "1.4.0")
        works.house.sandbox.control.reset()
        work = works.work(works.stage(bundle=True))
        assert works.calls() == [
            f"{ATTESTATIONS}left-pad@{one}" for one in ("1.5.0", "1.4.2", "1.4.0")
        ]
        outcomes = {row.version: row.outcome for row in work.history.all()}
        assert outcomes == {"1.4.0": "verified", "1.4.1": "missing", "1.4.2": "missing"}

    def test_a_bundle_of_a_published_version_that_proves_nothing_is_refused_there(
        self, works: Works
    ) -> None:
        works.publish("1.4.2", works.sigstore.bundle("left-pad", "1.4.2", "cd" * 64))
        work = works.work(works.stage(bundle=True))
        assert work.baseline
        assert work.baseline.outcome == "refused"
        assert proven(work).is_verified

    def test_one_that_cannot_be_asked_about_does_not_keep_what_was_found_from_being_seen(
        self, works: Works
    ) -> None:
        for version in ("1.4.1", "1.4.2"):
            works.publish(version, True)
        work = works.stage(bundle=True)
        works.house.sandbox.control.refuse(503, count=4, prefix=f"{ATTESTATIONS}left-pad@1.4.1")
        work = works.work(work)
        assert (work.state, proven(work).outcome) == ("waiting", "verified")
        assert work.baseline
        assert work.verdict
        assert "503" in work.failure
        assert work.compared_at is None
        works.house.sandbox.control.reset()
        work = works.work(work, look_now=True)
        assert (work.state, work.failure) == ("done", "")
        assert works.calls() == [f"{ATTESTATIONS}left-pad@1.4.1"]
        assert {row.version for row in work.history.all()} == {"1.4.1", "1.4.2"}

    def test_what_the_registry_serves_takes_the_place_of_what_was_handed_in_while_it_was_staged(
        self, works: Works
    ) -> None:
        goes_live_with(works, "1.4.2", proven_by=STRANGER, bundle=True)
        work = works.work(works.stage(bundle=True))
        assert work.baseline
        assert (work.baseline.source, work.baseline.version) == ("registry", "1.4.2")
        assert work.baseline.build["repository"] == "https://github.com/acme/gadgets"

    def test_and_that_of_every_release(self, works: Works) -> None:
        goes_live_with(works, "1.4.1", proven_by=STRANGER, bundle=True)
        works.publish("1.4.2", True)
        work = works.work(works.stage(bundle=True))
        (release,) = work.history.filter(version="1.4.1")
        assert release.source == "registry"

    def test_it_is_asked_about_that_at_most_once_a_day_while_it_has_none(
        self, works: Works
    ) -> None:
        goes_live_with(works, "1.4.2", proven_by=GITHUB, bundle=None)
        works.house.sandbox.control.reset()
        asked = f"{ATTESTATIONS}left-pad@1.4.2"
        work = works.work(works.stage(bundle=True))
        assert works.calls().count(asked) == 1, "at once, although it was handed in just now"
        assert work.baseline
        assert work.baseline.source == "handed_in"
        for days, times in ((0, 1), (2, 2)):
            Provenance.objects.update(asked_at=timezone.now() - timedelta(days=days))
            assert look_again(work.staged_version)
            works.work(work)
            assert works.calls().count(asked) == times

    @pytest.mark.parametrize("status", [302, 400, 401, 403, 410, 429, 451, 503])
    def test_any_error_about_the_baseline_is_a_failure_of_the_look(
        self, works: Works, status: int
    ) -> None:
        works.publish("1.4.1", True)
        works.publish("1.4.2", True)
        work = works.stage(bundle=True)
        baseline = f"{ATTESTATIONS}left-pad@1.4.2"
        works.house.sandbox.control.refuse(status, count=4, prefix=baseline)
        work = works.work(work)
        assert work.state == "waiting"
        assert work.failure
        assert work.compared_at is None
        assert work.baseline is None
        assert work.verdict == Verdict.UNKNOWN
        assert work.history_gap == "1.4.2"
        works.house.sandbox.control.reset()
        work = works.work(work, look_now=True)
        assert (work.state, work.failure, work.history_gap) == ("done", "", "")
        assert work.baseline
        assert work.compared_at

    def test_nonsense_about_it_is_one_too_and_the_others_are_asked_about(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for version in ("1.4.1", "1.4.2"):
            works.publish(version, True)
        answers_nonsense_about(monkeypatch, "1.4.2")
        work = works.work(works.stage(bundle=True))
        assert (work.state, work.baseline, work.compared_at) == ("waiting", None, None)
        assert "nonsense" in work.failure
        assert [row.version for row in work.history.all()] == ["1.4.1"]

    def test_an_earlier_baseline_stays_where_the_next_cannot_be_asked_about(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works.publish("1.4.1", True)
        work = works.work(works.stage(bundle=True))
        works.publish("1.4.2", True)
        answers_nonsense_about(monkeypatch, "1.4.2")
        assert look_again(work.staged_version)
        work = works.work(work)
        assert work.baseline
        assert (work.baseline_version, work.baseline.version) == ("1.4.1", "1.4.1")
        assert "nonsense" in work.failure

    @pytest.mark.parametrize("status", [401, 429, 503])
    def test_what_is_known_is_used_while_the_registry_cannot_be_asked(
        self, works: Works, status: int
    ) -> None:
        for version in ("1.4.0", "1.4.1", "1.4.2"):
            works.publish(version, True)
        works.work(works.stage("1.4.9", True))
        before = timezone.now() - timedelta(days=2)
        Provenance.objects.update(asked_at=before, source="handed_in")
        works.publish("1.4.3", True)
        document = works.document("left-pad", "1.5.0")
        strange = works.sigstore.bundle("left-pad", "1.5.0", sha512_of(document), STRANGER)
        work = works.stage(bundle=strange)
        works.house.sandbox.control.reset()
        refuse = works.house.sandbox.control.refuse
        refuse(status, count=99, prefix=f"{ATTESTATIONS}left-pad@1.4.3")
        refuse(status, count=99, prefix=f"{ATTESTATIONS}left-pad@1.4.2")
        work = works.work(work)
        assert {row.version for row in work.history.all()} == {"1.4.0", "1.4.1", "1.4.2"}
        assert (work.state, work.history_gap) == ("waiting", "1.4.3")
        assert not works.calls(f"{ATTESTATIONS}left-pad@1.4.2"), "it is asked for nothing more"
        assert work.verdict == Verdict.CHANGED, "it is mallory's, whatever 1.4.3 was"

    def test_the_baseline_is_known_from_before_while_the_registry_cannot_be_asked(
        self, works: Works
    ) -> None:
        works.publish("1.4.2", True)
        works.work(works.stage("1.4.9", True))
        Provenance.objects.update(asked_at=None, publish="")
        work = works.stage(bundle=True)
        works.house.sandbox.control.refuse(401, count=9, prefix=f"{ATTESTATIONS}left-pad@1.4.2")
        work = works.work(work)
        assert work.baseline
        assert (work.baseline.version, work.state) == ("1.4.2", "waiting")
        assert work.failure

    def test_a_version_that_nothing_is_known_of_is_a_gap(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for version in ("1.2.0", "1.9.0", "1.10.0", "1.11.0"):
            works.publish(version, True)
        works.publish("1.0.0")
        answers_nonsense_about(monkeypatch, "1.9.0", "1.10.0")
        work = works.work(works.stage("1.12.0", True))
        assert (work.state, work.history_gap) == ("done", "1.10.0")
        assert {row.version for row in work.history.all()} == {"1.0.0", "1.2.0", "1.11.0"}


class TestAnotherTarball:
    """The registry has another one now, which the inspection has seen."""

    @pytest.fixture
    def work(self, works: Works) -> ProvenanceCheck:
        works.publish("1.4.2", True)
        work = works.work(works.stage(bundle=True))
        assert work.state == "done"
        StagedVersion.objects.update(sha512="ab" * 64)
        return work

    def test_nothing_is_known_of_it_at_once_and_that_is_told(self, work: ProvenanceCheck) -> None:
        assert request_missing() == 1
        work.refresh_from_db()
        assert (work.state, work.provenance, work.verdict) == ("waiting", None, Verdict.UNKNOWN)
        assert kinds("provenance") == ["provenance.found"] * 2
        assert request_missing() == 0, "once is enough"

    def test_it_is_looked_for(self, works: Works, work: ProvenanceCheck) -> None:
        request_missing()
        work = works.work(work)
        assert proven(work).sha512 == "ab" * 64
        assert (proven(work).outcome, work.verdict) == ("refused", Verdict.REFUSED)

    def test_while_the_registry_is_away_it_is_asked_later_and_later(
        self, works: Works, work: ProvenanceCheck
    ) -> None:
        works.house.sandbox.control.refuse(503, count=4, prefix=ATTESTATIONS)
        request_missing()
        work = works.work(work)
        assert (work.provenance, work.state) == (None, "waiting")
        request_missing()
        assert claim_due() is None

    def test_a_bundle_that_was_refused_may_be_about_it(
        self, works: Works, work: ProvenanceCheck
    ) -> None:
        text = json.dumps(works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64))
        handed_in = HandedInBundle.objects.create(
            staged_version=work.staged_version,
            sha256=sha256_of(text),
            compressed=zlib.compress(text.encode()),
            refusal="It is about another tarball.",
        )
        works.house.sandbox.control.refuse(404, count=4, prefix=ATTESTATIONS)
        request_missing()
        work = works.work(work)
        handed_in.refresh_from_db()
        assert handed_in.refusal == ""
        assert (proven(work).source, proven(work).outcome) == ("handed_in", "verified")

    def test_what_nobody_is_to_decide_any_more_stays_as_it_was(self, work: ProvenanceCheck) -> None:
        StagedVersion.objects.update(state=State.LIVE)
        assert request_missing() == 0


class TestFailing:
    def test_a_registry_that_is_away_is_asked_later_and_later(self, works: Works) -> None:
        work = works.stage(bundle=True)
        pauses = []
        for _ in range(4):
            works.house.sandbox.control.refuse(503, count=4, prefix=ATTESTATIONS)
            now = timezone.now()
            work = works.work(work, look_now=True)
            pauses.append(work.due_at - now)
            assert (work.state, work.tries) == ("waiting", 0)
            assert "503" in work.failure
            assert work.provenance is None, "nothing is known, which is not missing"
        assert pauses == sorted(pauses)
        assert pauses[-1] > 4 * pauses[0]
        work = works.work(work, look_now=True)
        assert (work.state, work.failure) == ("done", "")

    def test_what_was_found_before_stays(self, works: Works) -> None:
        works.publish("1.4.2", True)
        work = works.work(works.stage())
        assert work.verdict == Verdict.LOST
        works.house.sandbox.control.refuse(503, count=4, prefix=ATTESTATIONS)
        again = works.work(work, look_now=True)
        assert "503" in again.failure
        assert (again.provenance_id, again.verdict) == (work.provenance_id, work.verdict)
        assert again.baseline_id == work.baseline_id
        assert again.history.count() == 1

    def test_a_registry_that_asks_to_be_left_alone_is(self, works: Works) -> None:
        work = works.stage(bundle=True)
        works.house.sandbox.control.refuse(429, prefix=ATTESTATIONS, retry_after=1700)
        now = timezone.now()
        work = works.work(work)
        assert timedelta(seconds=1700) <= work.due_at - now <= timedelta(seconds=1800)
        assert "fewer requests" in work.failure

    @pytest.mark.parametrize("status", [429, 503])
    def test_it_is_left_alone_by_all_other_checks_too(self, works: Works, status: int) -> None:
        for name in ("a", "b", "c"):
            works.stage("1.0.0", True, name=name)
        other = make_provenance_check(make_staged_version("d", registry=make_registry("other")))
        refuse = works.house.sandbox.control.refuse
        if status == 429:
            refuse(429, count=9, prefix=ATTESTATIONS, retry_after=1700)
        else:
            refuse(503, count=99, prefix=ATTESTATIONS)
        now = timezone.now()
        work = take()
        check(work)
        rows = ProvenanceCheck.objects.filter(staged_version__registry=works.house.registry)
        assert set(rows.values_list("state", flat=True)) == {"waiting"}
        least = timedelta(seconds=1700) if status == 429 else FIRST_PAUSE
        assert all(row.due_at - now >= least for row in rows)
        if status == 503:
            assert all(row.due_at - now < LONGEST_PAUSE_OF_OTHERS for row in rows)
        assert rows.get(pk=work.pk).looks == 1
        assert claim_due() == other, "another registry's do not wait"
        assert claim_due() is None
        works.house.sandbox.control.reset()
        asked = rows.exclude(pk=work.pk)[0]
        assert look_again(asked.staged_version), "a person need not wait"
        assert take() == asked

    def test_what_is_broken_for_one_package_alone_does_not_keep_the_others(
        self, works: Works
    ) -> None:
        broken, other = works.stage(name="broken"), works.stage(name="other")
        due = timezone.now() + 3 * LONGEST_PAUSE
        ProvenanceCheck.objects.filter(pk=other.pk).update(due_at=due)
        ProvenanceCheck.objects.filter(pk=broken.pk).update(looks=9)
        late = works.stage(name="late")
        ProvenanceCheck.objects.filter(pk=late.pk).update(due_at=timezone.now() + FIRST_PAUSE)
        works.house.sandbox.control.refuse(503, count=99, prefix=f"{ATTESTATIONS}broken")
        now = timezone.now()
        broken = works.work(broken)
        late.refresh_from_db()
        other.refresh_from_db()
        assert broken.due_at - now >= LONGEST_PAUSE
        assert FIRST_PAUSE < late.due_at - now < 2 * LONGEST_PAUSE_OF_OTHERS
        assert other.due_at == due, "what waits longer still does"

    @pytest.mark.parametrize("error", [checking.TookTooLong, SoftTimeLimitExceeded])
    def test_what_was_found_is_not_lost_when_the_time_is_over(
        self, works: Works, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        work = works.stage(bundle=works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64))
        ask = checking.Progress.__call__

        def over(progress: checking.Progress, step: str) -> None:
            if "handed in" in step:
                raise error
            ask(progress, step)

        monkeypatch.setattr(checking.Progress, "__call__", over)
        work = works.work(work)
        assert (proven(work).outcome, work.verdict) == ("refused", Verdict.REFUSED)
        assert work.failure

    def test_a_proof_is_not_lost_when_the_registrys_keys_would_take_too_long(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works.publish("1.4.2", True)
        work = works.stage(bundle=True)
        ask = checking.Progress.__call__

        def over(progress: checking.Progress, step: str) -> None:
            if "keys" in step:
                raise checking.TookTooLong
            ask(progress, step)

        monkeypatch.setattr(checking.Progress, "__call__", over)
        work = works.work(work)
        assert work.baseline
        assert (work.baseline.outcome, work.baseline.publish) == ("verified", "unverified")

    def test_a_token_that_is_no_good_any_more_is_a_plain_sentence(self, works: Works) -> None:
        work = works.stage(bundle=True)
        works.house.sandbox.control.refuse(401, count=9, prefix=ATTESTATIONS)
        now = timezone.now()
        work = works.work(work)
        assert "does not accept the token" in work.failure
        assert work.due_at - now >= LONGEST_PAUSE
        assert work.provenance is None

    def test_a_token_that_cannot_be_opened_is_a_plain_sentence(self, works: Works) -> None:
        work = works.stage(bundle=True)
        Registry.objects.update(sealed_read_token="broken")
        work = works.work(work)
        assert work.failure
        assert work.state == "waiting"

    def test_a_look_that_takes_too_long_goes_on_later(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for version in ("1.4.1", "1.4.2"):
            works.publish(version, True)
        work = works.stage(bundle=True)
        ask = checking.Progress.__call__

        def slow(progress: checking.Progress, step: str) -> None:
            if "1.4.1" in step:
                raise checking.TookTooLong
            ask(progress, step)

        with monkeypatch.context() as patch:
            patch.setattr(checking.Progress, "__call__", slow)
            work = works.work(work)
        assert work.state == "waiting"
        assert "takes its time" in work.failure
        assert works.work(work, look_now=True).state == "done"

    def test_the_time_of_a_look_is_bounded(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("approvals.provenance.leases.LOOK_SECONDS", -1)
        work = works.work(works.stage(bundle=True))
        assert "takes its time" in work.failure
        assert works.calls() == []

    def test_an_error_of_our_own_is_logged_and_no_hot_loop(
        self, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(*args: object) -> None:
            raise ZeroDivisionError("nobody thought of this")

        work = works.stage(bundle=True)
        monkeypatch.setattr(settle, "verdict_of", broken)
        now = timezone.now()
        work = works.work(work)
        assert "Countersign itself failed (ZeroDivisionError)" in work.failure
        assert work.due_at - now >= LONGEST_PAUSE
        assert str(work.staged_version.stage_id) in caplog.text
        assert "nobody thought of this" in caplog.text


class TestWorkers:
    def test_what_has_not_been_inspected_is_not_due(self, works: Works) -> None:
        work = works.stage(bundle=True)
        StagedVersion.objects.update(sha512="")
        assert claim_due() is None
        StagedVersion.objects.update(sha512=sha512_of(works.document("left-pad", "1.5.0")))
        assert works.work(work).state == "done"

    def test_what_one_has_nobody_else_gets(self, works: Works) -> None:
        works.stage(bundle=True)
        work = take()
        assert (work.state, work.tries) == ("running", 1)
        assert claim_due() is None

    def test_the_work_of_a_killed_worker_is_taken_over_and_the_dead_changes_nothing(
        self, works: Works
    ) -> None:
        work = works.stage(bundle=True)
        dead = take()
        worker_dies(work)
        done = works.work(work)
        assert done.state == "done"
        before = kinds("provenance")
        check(dead)
        assert kinds("provenance") == before
        again = ProvenanceCheck.objects.get()
        assert (again.state, again.looks, again.due_at) == ("done", done.looks, done.due_at)

    def test_one_that_lost_its_lease_stops_in_the_middle(self, works: Works) -> None:
        work = works.stage(bundle=True)
        slow = take()
        worker_dies(work)
        second = take()
        works.house.sandbox.control.reset()
        check(slow)
        assert works.calls() == []
        row = ProvenanceCheck.objects.get()
        assert (row.state, row.lease_holder) == ("running", second.lease_holder)

    def test_what_kills_every_worker_is_left_alone_for_a_while(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = works.stage(bundle=True)
        for _ in range(MOST_TRIES):
            take()
            worker_dies(work)
        with monkeypatch.context() as patch:
            patch.setattr(checking, "_search", must_not_happen)
            now = timezone.now()
            work = works.work(work)
            assert "died 5 times" in work.failure
            assert work.due_at - now >= LONGEST_PAUSE
            assert claim_due() is None
            due_now(work)
            take()
            worker_dies(work)
            assert "died 5 times" in works.work(work).failure, "one more try each time"
        assert works.work(work, look_now=True).state == "done"

    def test_a_killed_worker_over_a_version_decided_meanwhile_leaves_nothing_running(
        self, works: Works
    ) -> None:
        work = works.stage(bundle=True)
        take()
        worker_dies(work)
        StagedVersion.objects.update(state=State.LIVE)
        request_missing()
        work.refresh_from_db()
        assert (work.state, work.step) == ("waiting", "")
        assert claim_due() is None

    def test_the_task_does_everything_that_is_due(self, works: Works) -> None:
        for name in ("a", "b", "c"):
            works.stage("1.0.0", True, name=name)
        tasks.check_waiting()
        assert set(ProvenanceCheck.objects.values_list("state", flat=True)) == {"done"}

    def test_every_waiting_version_is_asked_for_once(self, works: Works) -> None:
        works.stage()
        assert request_missing() == 0
        assert ProvenanceCheck.objects.count() == 1

    def test_the_end_of_an_inspection_begins_it(self, works: Works) -> None:
        works.house.sandbox.stage(works.document("left-pad", "1.5.0", True), by="ci")
        works.house.poll()
        request_missing()
        assert claim_due() is None
        works.house.inspect()
        assert "inspection.done" in topics()
        assert works.work(ProvenanceCheck.objects.get()).state == "done"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_two_workers_get_different_work_and_leave_one_row_of_each_tarball(
        self, works: Works
    ) -> None:
        works.publish("1.4.2", True)
        for version in ("1.5.0", "1.5.1"):
            works.stage(version, True)

        def work() -> int:
            done = 0
            while claimed := claim_due():
                check(claimed)
                done += 1
            return done

        results = at_once(work, work, work)
        assert sum(one for one in results if isinstance(one, int)) == 2, results
        assert set(ProvenanceCheck.objects.values_list("state", flat=True)) == {"done"}
        assert Provenance.objects.filter(version="1.4.2").count() == 1
        assert Provenance.objects.count() == 3

"""Handing in a bundle: it proves itself against the tarball, or is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.provenance import hand_in as hand_in_module
from approvals.provenance.checking import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE_WITHOUT,
    check,
)
from approvals.provenance.hand_in import MOST_BUNDLES_EACH, BundleRefused, hand_in
from approvals.provenance.models import HandedInBundle, Provenance, ProvenanceCheck
from approvals.provenance.requests import claim_due
from approvals.provenance.sources.handed_in import HandedIn
from approvals.provenance.sources.registry_attestations import RegistryAttestations
from approvals.provenance.sources.source import Look
from approvals.provenance.trust import store_root_of
from approvals.queue.models import StagedVersion, State
from registry_client.provenance import Verification
from tests.approvals.api.factories import Caller, make_api_token
from tests.approvals.at_once import at_once
from tests.approvals.events import kinds, topics
from tests.approvals.factories import make_user
from tests.approvals.provenance.conftest import Works
from tests.authority import GITHUB, Sigstore

Verdict = ProvenanceCheck.Verdict
STRANGER = replace(GITHUB, repository="mallory/gadgets", repository_id="66", owner_id="666")
ADDRESSES = ("https://github.com/acme/gadgets", "https://github.com/mallory/gadgets")


def staged(works: Works, *, inspected: bool = True) -> StagedVersion:
    row = works.stage().staged_version
    if not inspected:
        StagedVersion.objects.update(sha512="")
    return row


def good(works: Works, row: StagedVersion, **more: Any) -> bytes:
    bundle = works.sigstore.bundle("left-pad", "1.5.0", row.sha512, **more)
    return json.dumps(bundle).encode()


class TestVerifiedOnTheSpot:
    def test_what_it_proves_shows_at_once_and_who_handed_it_in(self, works: Works) -> None:
        works.publish("1.4.2", True)
        row = staged(works)
        before = works.work(ProvenanceCheck.objects.get())
        assert before.verdict == Verdict.LOST
        ada = make_user("ada")

        kept = hand_in(row, good(works, row), actor=ada)

        assert (kept.staged_version_id, kept.handed_in_by_id) == (row.pk, ada.pk)
        assert kept.refusal == ""
        now = ProvenanceCheck.objects.get()
        assert now.provenance
        assert (now.provenance.outcome, now.provenance.source) == ("verified", "handed_in")
        assert now.verdict not in (Verdict.LOST, Verdict.MISSING, Verdict.UNKNOWN)
        event = AuditEvent.objects.get(kind="provenance.handed_in")
        assert (event.actor_id, event.detail["sha256"]) == (ada.pk, kept.sha256)
        assert event.stage_id == row.stage_id
        assert "provenance.handed_in" in topics()
        done = works.work(now)
        assert (done.failure, done.verdict) == ("", now.verdict)
        assert done.provenance_id == before.provenance_id

    def test_ci_hands_it_in_over_the_api_and_its_token_is_on_record(self, works: Works) -> None:
        works.publish("1.4.2", True)
        row = staged(works)
        token, secret = make_api_token("left-pad")
        path = f"stages/{row.stage_id}/provenance"
        status, found = Caller(secret).hand_in(path, json.loads(good(works, row)))
        kept = HandedInBundle.objects.get()
        assert (status, found) == (200, {"sha256": kept.sha256, "verified": True})
        assert ProvenanceCheck.objects.get().provenance is not None
        event = AuditEvent.objects.get(kind="provenance.handed_in")
        assert (event.actor_id, event.detail["token"]) == (None, token.name)
        other = works.sigstore.bundle("left-pad", "1.5.0", "0" * 128)
        status, refusal = Caller(secret).hand_in(path, other)
        assert (status, refusal["error"]) == (422, "refused")

    def test_before_the_first_look_the_worker_compares_it(self, works: Works) -> None:
        works.publish("1.4.2", True)
        row = staged(works)
        hand_in(row, good(works, row), actor=None)
        now = ProvenanceCheck.objects.get()
        assert now.provenance
        assert now.provenance.is_verified
        assert now.verdict == Verdict.UNKNOWN
        done = works.work(now)
        assert (done.failure, done.baseline_version) == ("", "1.4.2")
        assert done.compared_at
        assert done.verdict

    def test_it_is_better_than_what_the_registry_offers_and_proves_nothing(
        self, works: Works
    ) -> None:
        work = works.work(works.stage(bundle=works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64)))
        assert work.verdict == Verdict.REFUSED
        hand_in(work.staged_version, good(works, work.staged_version), actor=None)
        work = works.work(work)
        assert work.provenance
        assert (work.failure, work.provenance.outcome, work.verdict) == ("", "verified", "first")

    def test_a_look_under_way_does_not_undo_it(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = staged(works)
        work = claim_due()
        assert work
        find = RegistryAttestations.find

        def handed_in_meanwhile(source: RegistryAttestations, look: Look) -> Iterator[str]:
            found = list(find(source, look))
            hand_in(row, good(works, row), actor=None)
            HandedInBundle.objects.all().delete()
            return iter(found)

        monkeypatch.setattr(RegistryAttestations, "find", handed_in_meanwhile)
        check(work)
        now = ProvenanceCheck.objects.get()
        assert now.provenance
        assert (now.failure, now.provenance.outcome) == ("", "verified")

    def test_a_look_that_had_passed_it_by_is_followed_by_another_at_once(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = staged(works, inspected=False)
        content = good(works, row)
        StagedVersion.objects.update(sha512=row.sha512)
        ProvenanceCheck.objects.update(looks=9)
        work = claim_due()
        assert work
        find = HandedIn.find

        def handed_in_then(source: HandedIn, look: Look) -> Iterator[str]:
            found = list(find(source, look))
            # The one who hands it in has read the row before the inspection wrote the digest.
            StagedVersion.objects.update(sha512="")
            hand_in(row, content, actor=None)
            StagedVersion.objects.update(sha512=row.sha512)
            return iter(found)

        with monkeypatch.context() as patch:
            patch.setattr(HandedIn, "find", handed_in_then)
            check(work)
        now = ProvenanceCheck.objects.get()
        assert (now.state, now.looks) == ("waiting", 0)
        again = claim_due()
        assert again
        check(again)
        now = ProvenanceCheck.objects.get()
        assert now.provenance
        assert (now.looks, now.provenance.outcome) == (1, "verified")

    def test_what_was_inspected_or_changed_meanwhile_is_left_to_the_worker(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = staged(works)
        verify = hand_in_module.verified

        def changed_meanwhile(*args: Any, **named: Any) -> Verification:
            StagedVersion.objects.update(sha512="ef" * 64)
            return verify(*args, **named)

        monkeypatch.setattr(hand_in_module, "verified", changed_meanwhile)
        kept = hand_in(row, good(works, row), actor=None)
        assert not Provenance.objects.exists(), "nothing is proven about that tarball"
        works.work(ProvenanceCheck.objects.get())
        kept.refresh_from_db()
        assert "ef" * 64 in kept.refusal

    @pytest.mark.parametrize("form", ["bundle", "answer", "list"])
    def test_an_answer_with_one_provenance_among_others_will_do(
        self, works: Works, form: str
    ) -> None:
        row = staged(works)
        bundle = json.loads(good(works, row))
        publish = works.sigstore.bundle(
            "left-pad",
            "1.5.0",
            row.sha512,
            statement={
                "_type": "https://in-toto.io/Statement/v0.1",
                "subject": [{"name": "pkg:npm/left-pad@1.5.0", "digest": {"sha512": row.sha512}}],
                "predicateType": "https://github.com/npm/attestation/tree/main/specs/publish/v0.1",
                "predicate": {},
            },
        )
        document: Any = {
            "bundle": bundle,
            "answer": {"attestations": [{"bundle": publish}, {"bundle": bundle}]},
            "list": [publish, bundle],
        }[form]
        first = hand_in(row, json.dumps(document, indent=4).encode(), actor=None)
        assert hand_in(row, json.dumps(bundle).encode(), actor=None).pk == first.pk


class TestTheRegistryKnowsBetter:
    """A stranger who builds the very same tarball can prove that, and hand it in."""

    @pytest.fixture
    def row(self, works: Works) -> StagedVersion:
        row = works.stage(bundle=True).staged_version
        hand_in(row, good(works, row, run=STRANGER), actor=None)
        return row

    def test_what_it_serves_takes_the_place_of_what_was_handed_in(
        self, works: Works, row: StagedVersion
    ) -> None:
        assert Provenance.objects.get().build["repository"] == ADDRESSES[1]
        work = works.work(ProvenanceCheck.objects.get())
        found = Provenance.objects.get()
        assert work.provenance == found
        assert (found.source, found.build["repository"]) == ("registry", ADDRESSES[0])
        assert work.state == "done"

    def test_and_is_not_replaced_by_it(self, works: Works, row: StagedVersion) -> None:
        works.work(ProvenanceCheck.objects.get())
        content = good(works, row, run=replace(STRANGER, commit="ab" * 20))
        hand_in(row, content, actor=None)
        found = Provenance.objects.get()
        assert (found.source, found.build["repository"]) == ("registry", ADDRESSES[0])

    def test_so_it_is_asked_until_it_answers_less_and_less_often(self, works: Works) -> None:
        works.publish("1.4.2", True)
        row = staged(works)
        hand_in(row, good(works, row), actor=None)
        work, pauses = ProvenanceCheck.objects.get(), []
        for _ in range(12):
            now = timezone.now()
            work = works.work(work, look_now=True)
            pauses.append(work.due_at - now)
            assert (work.state, work.failure) == ("waiting", "")
            assert work.verdict
        assert pauses[0] >= FIRST_PAUSE
        assert all(1.5 * one < two for one, two in pairwise(pauses[:6]))
        assert LONGEST_PAUSE <= pauses[-1] < LONGEST_PAUSE + timedelta(seconds=10)
        assert len(works.calls("/-/npm/v1/attestations/left-pad@1.5.0")) == 12
        assert len(works.calls("/left-pad")) == 1, "nothing is compared again for that"

    def test_least_often_where_it_never_had_any(self, works: Works) -> None:
        row = staged(works)
        hand_in(row, good(works, row), actor=None)
        ProvenanceCheck.objects.update(looks=20)
        now = timezone.now()
        work = works.work(ProvenanceCheck.objects.get())
        assert work.due_at - now >= LONGEST_PAUSE_WITHOUT

    def test_what_was_handed_in_is_not_verified_again_each_time(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = staged(works)
        hand_in(row, good(works, row), actor=None)
        monkeypatch.setattr(HandedIn, "find", lambda *_: pytest.fail("it is known"))
        assert works.work(ProvenanceCheck.objects.get()).failure == ""


class TestRefused:
    def test_a_bundle_for_another_tarball_shows_both_digests(self, works: Works) -> None:
        row = staged(works)
        other = works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64)
        with pytest.raises(BundleRefused) as caught:
            hand_in(row, json.dumps(other).encode(), actor=None)
        assert "ab" * 64 in str(caught.value)
        assert row.sha512 in str(caught.value)
        nothing_was_stored()

    def test_by_another_authority(self, works: Works) -> None:
        row = staged(works)
        other = Sigstore.new().bundle("left-pad", "1.5.0", row.sha512)
        with pytest.raises(BundleRefused):
            hand_in(row, json.dumps(other).encode(), actor=None)
        nothing_was_stored()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            pytest.param(b"", "not a Sigstore bundle", id="empty"),
            pytest.param(b"\xff\xfe", "not a Sigstore bundle", id="no text"),
            pytest.param(b"{}", "not a Sigstore bundle", id="another document"),
            pytest.param(b'{"a": 1, "a": 2}', "same key twice", id="ambiguous"),
            pytest.param(b"[" * 100_000, "not a Sigstore bundle", id="deep"),
            pytest.param(b'"' + b"x" * 1_100_000 + b'"', "1,100,002 bytes", id="large"),
            pytest.param(b'{"dsseEnvelope": {}}', "exactly one", id="no provenance"),
            pytest.param(b"[]", "there is none", id="none"),
        ],
    )
    def test_what_is_no_bundle(self, works: Works, content: bytes, words: str) -> None:
        with pytest.raises(BundleRefused, match=words):
            hand_in(staged(works), content, actor=None)
        nothing_was_stored()

    def test_two_of_them(self, works: Works) -> None:
        row = staged(works)
        two = [json.loads(good(works, row)), json.loads(good(works, row))]
        with pytest.raises(BundleRefused, match="2 of them"):
            hand_in(row, json.dumps(two).encode(), actor=None)
        nothing_was_stored()

    @pytest.mark.parametrize("state", [State.LIVE, State.REJECTED, State.ACCEPTED])
    def test_what_was_decided(self, works: Works, state: State) -> None:
        row = staged(works)
        StagedVersion.objects.update(state=state)
        with pytest.raises(BundleRefused, match="not waiting"):
            hand_in(row, good(works, row), actor=None)
        nothing_was_stored()

    def test_more_than_are_kept(self, works: Works) -> None:
        row = staged(works)
        for number in range(MOST_BUNDLES_EACH):
            hand_in(row, logged_at(works, row, number), actor=None)
        with pytest.raises(BundleRefused, match="as many as are kept"):
            hand_in(row, logged_at(works, row, 99), actor=None)
        assert HandedInBundle.objects.count() == MOST_BUNDLES_EACH


class TestBeforeTheInspection:
    def test_it_is_kept_and_verified_by_the_worker_as_soon_as_the_digest_is_known(
        self, works: Works
    ) -> None:
        row = staged(works, inspected=False)
        content, sha512 = good(works, row), row.sha512
        kept = hand_in(row, content, actor=None)
        assert not Provenance.objects.exists()
        assert claim_due() is None
        StagedVersion.objects.update(sha512=sha512)
        work = works.work(ProvenanceCheck.objects.get())
        assert work.provenance
        assert (work.failure, work.provenance.source) == ("", "handed_in")
        kept.refresh_from_db()
        assert kept.refusal == ""

    def test_one_for_another_tarball_is_refused_then_for_good_and_makes_nothing_refused(
        self, works: Works, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = staged(works, inspected=False)
        other = works.sigstore.bundle("left-pad", "1.5.0", "ab" * 64)
        kept = hand_in(row, json.dumps(other).encode(), actor=None)
        StagedVersion.objects.update(sha512=row.sha512)
        work = works.work(ProvenanceCheck.objects.get())
        kept.refresh_from_db()
        assert "ab" * 64 in kept.refusal
        assert row.sha512 in kept.refusal
        assert work.provenance
        assert work.provenance.outcome == "missing"
        assert work.verdict == Verdict.MISSING

        def again(*args: object, **named: object) -> None:
            raise AssertionError("it was refused for good")

        monkeypatch.setattr("approvals.provenance.examine.verify", again)
        monkeypatch.setattr("approvals.provenance.examine.other_digest", again)
        work = works.work(work, look_now=True)
        assert work.provenance
        assert work.provenance.outcome == "missing"
        kept.refresh_from_db()
        assert "ab" * 64 in kept.refusal

    def test_it_is_verified_even_while_the_registry_is_away(self, works: Works) -> None:
        row = staged(works, inspected=False)
        content, sha512 = good(works, row), row.sha512
        url = f"{works.house.sandbox.url}/-/proof"
        StagedVersion.objects.update(extra={"provenanceUrl": url})
        hand_in(row, content, actor=None)
        StagedVersion.objects.update(sha512=sha512)
        works.house.sandbox.control.refuse(503, count=4, prefix="/-/npm/v1/attestations/")
        work = works.work(ProvenanceCheck.objects.get())
        assert work.provenance
        assert (work.provenance.outcome, work.state) == ("verified", "waiting")
        assert "503" in work.failure
        assert works.calls("/-/proof") == [], "a registry that is away is not asked for more"
        work = works.work(work, look_now=True)
        assert work.failure == ""
        assert work.compared_at

    def test_what_was_refused_makes_room(self, works: Works) -> None:
        row = staged(works, inspected=False)
        for number in range(MOST_BUNDLES_EACH):
            other = works.sigstore.bundle("left-pad", "1.5.0", f"{number:0128x}")
            hand_in(row, json.dumps(other).encode(), actor=None)
        with pytest.raises(BundleRefused, match="as many as are kept"):
            hand_in(row, good(works, row), actor=None)
        StagedVersion.objects.update(sha512=row.sha512)
        works.work(ProvenanceCheck.objects.get())
        kept = hand_in(row, good(works, row), actor=None)
        assert HandedInBundle.objects.count() == MOST_BUNDLES_EACH
        assert HandedInBundle.objects.filter(refusal="").get() == kept


class TestAgain:
    def test_the_same_is_returned_and_told_once(self, works: Works) -> None:
        row = staged(works)
        first = hand_in(row, good(works, row), actor=None)
        again = json.dumps(json.loads(first.bundle), indent=2).encode()
        assert hand_in(row, again, actor=make_user("ada")).pk == first.pk
        assert kinds("provenance") == ["provenance.found", "provenance.handed_in"]
        assert HandedInBundle.objects.get().handed_in_by is None

    def test_one_that_was_refused_is_taken_once_it_is_trusted(self, works: Works) -> None:
        row = staged(works, inspected=False)
        other = Sigstore.new()
        content = json.dumps(other.bundle("left-pad", "1.5.0", row.sha512)).encode()
        kept = hand_in(row, content, actor=None)
        StagedVersion.objects.update(sha512=row.sha512)
        works.work(ProvenanceCheck.objects.get())
        kept.refresh_from_db()
        assert kept.refusal
        with pytest.raises(BundleRefused):
            hand_in(row, content, actor=None)
        store_root_of(works.house.registry, json.dumps(other.trusted_root()))
        assert hand_in(row, content, actor=None).refusal == ""
        work = works.work(ProvenanceCheck.objects.get())
        assert work.provenance
        assert work.provenance.is_verified


@pytest.mark.django_db(transaction=True)
def test_several_at_once_leave_one(works: Works) -> None:
    row = staged(works)
    content = good(works, row)
    results = at_once(*(lambda: hand_in(row, content, actor=None).pk for _ in range(4)))
    assert len(set(results)) == 1, results
    assert HandedInBundle.objects.count() == Provenance.objects.count() == 1
    assert kinds("provenance.handed") == ["provenance.handed_in"]


def nothing_was_stored() -> None:
    assert not HandedInBundle.objects.exists()
    assert not Provenance.objects.exists()
    assert not AuditEvent.objects.filter(kind="provenance.handed_in").exists()


def logged_at(works: Works, row: StagedVersion, number: int) -> bytes:
    """A good bundle unlike all others."""
    bundle = json.loads(good(works, row))
    bundle["dsseEnvelope"]["signatures"][0]["keyid"] = str(number)
    return json.dumps(bundle).encode()

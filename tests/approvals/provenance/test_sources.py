"""Where bundles are looked for, and what hostile answers there can do."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from approvals.provenance.bundles import NoBundles, bundles_in_text
from approvals.provenance.checking import check
from approvals.provenance.leases import Progress, TookTooLong
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.provenance.requests import claim_due, request_missing
from approvals.provenance.sources.item_link import links_in
from approvals.provenance.sources.transparency_log import bundle_of
from approvals.provenance.trust import store_root_of
from approvals.queue.models import StagedVersion
from registry_client.provenance import Trust, verify
from tests.approvals.factories import make_registry, make_staged_version
from tests.approvals.provenance.conftest import Works
from tests.authority import Sigstore
from tests.registry_client.http_server import Handler, Server, serving

SHA512 = "5a" * 64
ATTESTATIONS = "/npm/-/npm/v1/attestations/left-pad@1.5.0"
pytestmark = pytest.mark.usefixtures("no_pauses")


class Scripted:
    """A registry that answers what it is told, 404 to all else; beside it, another host."""

    def __init__(self, server: Server, elsewhere: Server, sigstore: Sigstore) -> None:
        self.server = server
        self.elsewhere = elsewhere
        self.answers: dict[str, Any] = {
            "/npm/left-pad": {"name": "left-pad", "versions": {}, "dist-tags": {}, "time": {}}
        }
        server.answer = self.say
        self.registry = make_registry(url=f"{server.url}/npm/", token="npm_secret")
        store_root_of(self.registry, json.dumps(sigstore.trusted_root()))
        self.bundle = sigstore.bundle("left-pad", "1.5.0", SHA512)

    def say(self, handler: Handler) -> None:
        answer = self.answers.get(handler.path)
        if callable(answer):
            answer(handler)
        elif answer is None:
            handler.say(404, {"error": "not found"})
        else:
            handler.say(200, answer)

    def stage(self, **extra: Any) -> StagedVersion:
        return make_staged_version(registry=self.registry, sha512=SHA512, extra=extra)

    def look(self, row: StagedVersion) -> ProvenanceCheck:
        request_missing()
        work = claim_due()
        assert work is not None
        check(work)
        return ProvenanceCheck.objects.get(staged_version=row)

    def asked(self) -> list[str]:
        return [request.path for request in self.server.requests]


@pytest.fixture
def scripted(db: None, sigstore: Sigstore) -> Iterator[Scripted]:
    def nothing(handler: Handler) -> None:
        handler.say(404, {})

    with serving(nothing) as server, serving(nothing) as elsewhere:
        yield Scripted(server, elsewhere, sigstore)


def body_with_key(public_key: str) -> str:
    """A log entry's body, as base64, with this in place of the certificate."""
    signature = {"publicKey": public_key, "sig": "YWE="}
    envelope = {"payloadType": "x", "signatures": [signature]}
    body = {"kind": "intoto", "apiVersion": "0.0.2", "spec": {"content": {"envelope": envelope}}}
    return base64.b64encode(json.dumps(body).encode()).decode()


def outcome(work: ProvenanceCheck) -> str:
    return str(work.provenance.outcome) if work.provenance else ""


class TestRegistryAttestations:
    def test_the_first_of_several_that_is_verified_wins(
        self, scripted: Scripted, sigstore: Sigstore
    ) -> None:
        wrong = sigstore.bundle("left-pad", "1.5.0", "ab" * 64)
        scripted.answers[ATTESTATIONS] = attestations(wrong, scripted.bundle, wrong)
        work = scripted.look(scripted.stage())
        assert outcome(work) == "verified"
        assert work.state == "done"

    def test_other_attestations_are_passed_over(
        self, scripted: Scripted, sigstore: Sigstore
    ) -> None:
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "pkg:npm/left-pad@1.5.0", "digest": {"sha512": SHA512}}],
            "predicateType": "https://in-toto.io/attestation/vulns/v0.1",
            "predicate": {},
        }
        other = sigstore.bundle("left-pad", "1.5.0", SHA512, statement=statement)
        scripted.answers[ATTESTATIONS] = attestations(other)
        assert outcome(scripted.look(scripted.stage())) == "missing"

    @pytest.mark.parametrize(
        "bundle",
        [
            pytest.param({}, id="empty"),
            pytest.param({"dsseEnvelope": 5}, id="a number for an envelope"),
            pytest.param({"mediaType": "x", "dsseEnvelope": {"payload": "!"}}, id="no base64"),
            pytest.param(
                {
                    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                    "verificationMaterial": {"tlogEntries": [[]] * 1000},
                    "dsseEnvelope": {"payload": "e30=", "signatures": [None]},
                },
                id="nonsense in the right places",
            ),
            pytest.param({"dsseEnvelope": "x" * 1_500_000}, id="too large"),
            pytest.param({"a": {"b": [[[[[[[{"c": "\u202e\u0000"}]]]]]]]}}, id="something else"),
        ],
    )
    def test_hostile_bundles_are_refused_with_a_plain_reason(
        self, scripted: Scripted, bundle: dict[str, Any]
    ) -> None:
        scripted.answers[ATTESTATIONS] = attestations(bundle)
        work = scripted.look(scripted.stage())
        assert outcome(work) == "refused"
        assert work.provenance
        assert work.provenance.reason.isprintable()
        assert "Countersign failed" not in work.provenance.reason

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(b"<html>hello</html>", id="a page"),
            pytest.param({"attestations": "many"}, id="no list"),
            pytest.param(
                {"attestations": [{"predicateType": "x", "bundle": {}}] * 21}, id="too many"
            ),
            pytest.param(b"[" * 100_000, id="too deep"),
            pytest.param(b'{"attestations": ["' + b"x" * 5_000_000 + b'"]}', id="too large"),
        ],
    )
    def test_an_answer_that_is_none_is_a_failure_and_not_missing(
        self, scripted: Scripted, answer: Any
    ) -> None:
        scripted.answers[ATTESTATIONS] = answer
        work = scripted.look(scripted.stage())
        assert (outcome(work), work.state) == ("", "waiting")
        assert work.failure


class TestItemLink:
    @pytest.mark.parametrize(
        "extra",
        [
            pytest.param({"provenanceUrl": "URL"}, id="provenanceUrl"),
            pytest.param({"attestationsUrl": "URL"}, id="attestationsUrl"),
            pytest.param({"attestations": {"url": "URL"}}, id="attestations.url"),
            pytest.param({"provenance": {"url": "URL"}}, id="provenance.url"),
            pytest.param({"sigstore": "URL"}, id="sigstore"),
            pytest.param(
                {
                    "dist": {
                        "tarball": "https://elsewhere.example.org/a.tgz",
                        "attestations": {
                            "url": "URL",
                            "provenance": {"predicateType": "https://slsa.dev/provenance/v1"},
                        },
                    }
                },
                id="dist.attestations.url",
            ),
        ],
    )
    @pytest.mark.parametrize("form", ["answer", "bundle"])
    def test_a_link_at_the_registry_is_followed_with_the_token(
        self, scripted: Scripted, extra: dict[str, Any], form: str
    ) -> None:
        url = f"{scripted.server.url}/npm/-/proof/1"
        scripted.answers["/npm/-/proof/1"] = (
            attestations(scripted.bundle) if form == "answer" else scripted.bundle
        )
        row = scripted.stage(**json.loads(json.dumps(extra).replace("URL", url)))
        work = scripted.look(row)
        assert outcome(work) == "verified"
        assert work.provenance
        assert work.provenance.source == Provenance.Source.ITEM
        (request,) = [one for one in scripted.server.requests if "proof" in one.path]
        assert request.headers["authorization"] == "Bearer npm_secret"

    def test_a_link_to_another_host_is_not_followed_and_that_is_said(
        self, scripted: Scripted
    ) -> None:
        work = scripted.look(scripted.stage(provenanceUrl=f"{scripted.elsewhere.url}/npm/proof"))
        assert scripted.elsewhere.requests == []
        assert outcome(work) == "missing"
        assert "is not its registry" in work.failure
        assert scripted.elsewhere.url.removeprefix("http://") in work.failure
        assert "not followed" in work.failure
        assert "hand it in" in work.failure

    def test_nor_is_a_redirect_to_another_host(self, scripted: Scripted) -> None:
        def away(handler: Handler) -> None:
            handler.say(302, b"", location=f"{scripted.elsewhere.url}/proof")

        scripted.answers["/npm/-/proof/1"] = away
        work = scripted.look(scripted.stage(provenanceUrl=f"{scripted.server.url}/npm/-/proof/1"))
        assert scripted.elsewhere.requests == []
        assert outcome(work) == "missing"
        assert "leads away" in work.failure

    @pytest.mark.parametrize("path", ["/other/proof", "/npmx/proof", "/npm/%252e%252e/other/proof"])
    def test_nor_is_a_redirect_beside_the_registrys_own_path(
        self, scripted: Scripted, path: str
    ) -> None:
        scripted.answers["/npm/-/link"] = lambda handler: handler.say(302, b"", location=path)
        work = scripted.look(scripted.stage(provenanceUrl=f"{scripted.server.url}/npm/-/link"))
        assert not [one for one in scripted.asked() if "proof" in one]
        assert outcome(work) == "missing"
        assert "leads away" in work.failure

    def test_but_one_below_it_is(self, scripted: Scripted) -> None:
        scripted.answers["/npm/-/link"] = lambda handler: handler.say(302, b"", location="proof")
        scripted.answers["/npm/-/proof"] = scripted.bundle
        row = scripted.stage(provenanceUrl=f"{scripted.server.url}/npm/-/link")
        assert outcome(scripted.look(row)) == "verified"

    @pytest.mark.parametrize(
        "path",
        [
            *("/other/proof", "/npm/../other/proof", "/npmx/proof", "/npm", "/%6epm/proof"),
            *("/npm/%2e%2e/other/proof", "/npm/%252e%252e/proof", "/npm/%25252e%25252e/proof"),
            *("/npm/..;/other/proof", "/npm/%2e./proof", "/npm/%2E%2E%2Fother/proof"),
        ],
    )
    def test_nor_is_one_beside_the_registrys_own_path(self, scripted: Scripted, path: str) -> None:
        work = scripted.look(scripted.stage(provenanceUrl=scripted.server.url + path))
        assert not [one for one in scripted.asked() if "proof" in one]
        assert outcome(work) == "missing"
        assert "not followed" in work.failure

    @pytest.mark.parametrize(
        "url",
        ["http://user:hunter2@127.0.0.1/x", "https://127.0.0.1:99999/x", "http://a b/", "http://"],
    )
    def test_nor_one_that_is_none(self, scripted: Scripted, url: str) -> None:
        work = scripted.look(scripted.stage(provenanceUrl=url))
        assert "no usable address" in work.failure
        assert "hunter2" not in work.failure

    def test_a_link_that_leads_to_nothing_yet_is_no_failure(self, scripted: Scripted) -> None:
        work = scripted.look(scripted.stage(provenanceUrl=f"{scripted.server.url}/npm/-/proof/1"))
        assert (outcome(work), work.failure) == ("missing", "")

    def test_what_it_offers_and_proves_nothing_is_refused(
        self, scripted: Scripted, sigstore: Sigstore
    ) -> None:
        scripted.answers["/npm/-/proof/1"] = sigstore.bundle("left-pad", "1.5.0", "ab" * 64)
        work = scripted.look(scripted.stage(provenanceUrl=f"{scripted.server.url}/npm/-/proof/1"))
        assert outcome(work) == "refused"

    def test_nonsense_there_is_a_note(self, scripted: Scripted) -> None:
        scripted.answers["/npm/-/proof/1"] = {"hello": "world"}
        work = scripted.look(scripted.stage(provenanceUrl=f"{scripted.server.url}/npm/-/proof/1"))
        assert outcome(work) == "missing"
        assert "unusable" in work.failure

    def test_only_a_few_links_are_followed(self, scripted: Scripted) -> None:
        links = [f"{scripted.server.url}/npm/-/proof/{number}" for number in range(50)]
        work = scripted.look(scripted.stage(attestations=links))
        assert len([one for one in scripted.asked() if "proof" in one]) == 3
        assert "only 3 were followed" in work.failure

    def test_no_depth_is_too_much(self) -> None:
        deep: Any = "https://registry.example.org/x"
        for _ in range(500):
            deep = {"provenance": deep}
        assert list(links_in(deep)) == []


class TestTransparencyLog:
    UUID = "24296fb24b8ad77a" + "0" * 62 + "5a"

    @pytest.fixture
    def log(self, settings: Settings) -> Iterator[Server]:
        self.answers: dict[tuple[str, str], Any] = {}
        self.bodies: list[bytes] = []

        def answer(handler: Handler) -> None:
            length = int(handler.headers.get("content-length", 0))
            self.bodies.append(handler.rfile.read(length))
            found = self.answers.get((handler.command, handler.path))
            if callable(found):
                found(handler)
            elif found is None:
                handler.say(404, {"code": 404})
            else:
                handler.say(200, found, set_cookie="secret=1")

        with serving(answer) as server:
            settings.REKOR_URL = server.url
            yield server

    def logged(self, sigstore: Sigstore, sha512: str = SHA512, kind: Any = "intoto") -> Any:
        bundle = sigstore.bundle("left-pad", "1.5.0", sha512, kind=kind)
        self.answers["POST", "/api/v1/index/retrieve"] = [self.UUID]
        self.answers["GET", f"/api/v1/log/entries/{self.UUID}"] = {self.UUID: entry_of(bundle)}

    def test_nobody_is_asked_unless_a_log_is_named(
        self, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(*args: object) -> None:
            raise AssertionError("no log was named")

        monkeypatch.setattr("approvals.provenance.sources.transparency_log.Rekor", never)
        assert outcome(scripted.look(scripted.stage())) == "missing"

    def test_what_was_logged_with_its_statement_is_a_bundle_again(
        self, scripted: Scripted, log: Server, sigstore: Sigstore
    ) -> None:
        self.logged(sigstore)
        work = scripted.look(scripted.stage())
        assert outcome(work) == "verified"
        assert work.provenance
        assert work.provenance.source == Provenance.Source.LOG
        assert json.loads(self.bodies[0]) == {"hash": f"sha512:{SHA512}"}
        for request in log.requests:
            assert "authorization" not in request.headers
            assert "cookie" not in request.headers

    def test_a_dsse_entry_has_no_statement_in_the_log(
        self, scripted: Scripted, log: Server, sigstore: Sigstore
    ) -> None:
        self.logged(sigstore, kind="dsse")
        work = scripted.look(scripted.stage())
        assert (outcome(work), work.failure) == ("missing", "")

    def test_what_anybody_logged_about_the_digest_makes_nothing_refused(
        self, scripted: Scripted, log: Server
    ) -> None:
        self.logged(Sigstore.new())
        assert outcome(scripted.look(scripted.stage())) == "missing"

    @pytest.mark.parametrize(
        ("search", "words"),
        [
            pytest.param({"a": 1}, "not a list", id="no list"),
            pytest.param(lambda handler: handler.say(500, {}), "HTTP 500", id="500"),
            pytest.param(
                lambda handler: handler.say(302, b"", location="https://example.org/"),
                "HTTP 302",
                id="redirect",
            ),
            pytest.param(lambda handler: handler.say(200, b"<html>"), "not JSON", id="page"),
            pytest.param(
                lambda handler: handler.say(200, b'"' + b"x" * 5_000_000 + b'"'),
                "too large",
                id="huge",
            ),
            pytest.param(lambda handler: handler.drop(), "broke off", id="hangs up"),
        ],
    )
    def test_a_log_that_fails_is_said_and_changes_nothing_else(
        self, scripted: Scripted, log: Server, search: Any, words: str
    ) -> None:
        self.answers["POST", "/api/v1/index/retrieve"] = search
        work = scripted.look(scripted.stage())
        assert outcome(work) == "missing"
        assert "transparency log 127.0.0.1" in work.failure
        assert words in work.failure

    def test_a_log_that_takes_its_time_does_not_keep_the_rest_from_being_told(
        self,
        scripted: Scripted,
        log: Server,
        sigstore: Sigstore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        scripted.answers[ATTESTATIONS] = attestations(
            sigstore.bundle("left-pad", "1.5.0", "ab" * 64)
        )
        self.logged(sigstore)
        ask = Progress.__call__

        def late(progress: Progress, step: str) -> None:
            if "log" in step and len(log.requests) > 0:
                raise TookTooLong
            ask(progress, step)

        monkeypatch.setattr(Progress, "__call__", late)
        work = scripted.look(scripted.stage())
        assert outcome(work) == "refused"
        assert "takes its time" in work.failure

    def test_a_redirect_without_end_is_not_read(self, scripted: Scripted, log: Server) -> None:
        def endless(handler: Handler) -> None:
            handler.send_response(302)
            handler.send_header("location", "/elsewhere")
            handler.end_headers()
            handler.drip(b"x" * 1000)

        self.answers["POST", "/api/v1/index/retrieve"] = endless
        assert "HTTP 302" in scripted.look(scripted.stage()).failure

    def test_only_ids_that_are_some_are_asked_for_and_only_a_few(
        self, scripted: Scripted, log: Server
    ) -> None:
        self.answers["POST", "/api/v1/index/retrieve"] = [
            "../../secret",
            5,
            *(f"{number:064x}" for number in range(100)),
        ]
        for number in range(100):
            path = f"/api/v1/log/entries/{number:064x}"
            self.answers["GET", path] = {"x": {"body": "e30="}}
        scripted.look(scripted.stage())
        asked = [one.path for one in log.requests if one.method == "GET"]
        assert len(asked) == 10
        assert all("secret" not in path for path in asked)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"body": "!"}, id="no base64"),
            pytest.param({"body": base64.b64encode(b"[" * 50_000).decode()}, id="deep"),
            pytest.param({"attestation": None}, id="no statement"),
            pytest.param({"verification": {}}, id="no proof"),
            pytest.param({"logIndex": "x"}, id="no number"),
            pytest.param({"logID": "zz"}, id="no hex"),
            pytest.param({"logIndex": 1e999}, id="no end"),
            pytest.param({"body": ""}, id="nothing"),
            pytest.param({"body": body_with_key("")}, id="no certificate"),
            pytest.param({"body": body_with_key("LS0tLS0=")}, id="half a certificate"),
        ],
    )
    def test_an_entry_that_is_not_whole_is_none(
        self, sigstore: Sigstore, change: dict[str, Any]
    ) -> None:
        entry = entry_of(sigstore.bundle("left-pad", "1.5.0", SHA512, kind="intoto"))
        assert bundle_of(entry)
        assert bundle_of({**entry, **change}) is None

    def test_the_bundle_is_the_one_that_was_logged(self, sigstore: Sigstore) -> None:
        logged = sigstore.bundle("left-pad", "1.5.0", SHA512, kind="intoto")
        again = bundle_of(entry_of(logged))
        assert again
        assert again["dsseEnvelope"]["payload"] == logged["dsseEnvelope"]["payload"]
        trust = Trust.from_json(json.dumps(sigstore.trusted_root()))
        found = verify(again, package="left-pad", version="1.5.0", sha512=SHA512, trust=trust)
        assert found.verified, found.reason


class TestReading:
    def test_one_bundle_a_list_or_an_answer(self) -> None:
        bundle = {"dsseEnvelope": {}}
        for document in (
            bundle,
            [bundle],
            [{"predicateType": "x", "bundle": bundle}],
            {"attestations": [{"predicateType": "x", "bundle": bundle}]},
        ):
            assert bundles_in_text(json.dumps(document), most=10_000) == [bundle]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no JSON",
            "5",
            "null",
            '"x"',
            "{}",
            "[5]",
            '{"attestations": [{"bundle": 5}]}',
            "[[[]]]",
        ],
    )
    def test_nothing_else(self, text: str) -> None:
        with pytest.raises(NoBundles):
            bundles_in_text(text, most=10_000)

    def test_neither_too_large_nor_too_many(self) -> None:
        with pytest.raises(NoBundles, match="larger"):
            bundles_in_text(json.dumps({"dsseEnvelope": "x" * 200}), most=100)
        with pytest.raises(NoBundles, match="more than 20"):
            bundles_in_text(json.dumps([{"dsseEnvelope": {}}] * 21), most=10_000)


def test_the_sandbox_serves_what_was_staged_to_the_token_that_may_see_it(works: Works) -> None:
    work = works.work(works.stage(bundle=True))
    assert outcome(work) == "verified"


def attestations(*bundles: dict[str, Any]) -> dict[str, Any]:
    """The registry's answer."""
    return {
        "attestations": [
            {"predicateType": "https://slsa.dev/provenance/v1", "bundle": bundle}
            for bundle in bundles
        ]
    }


def entry_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """What Rekor says of the log entry that a bundle has."""
    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    proof = entry["inclusionProof"]

    def hexed(text: str) -> str:
        return base64.b64decode(text).hex()

    return {
        "attestation": {"data": bundle["dsseEnvelope"]["payload"]},
        "body": entry["canonicalizedBody"],
        "integratedTime": int(entry["integratedTime"]),
        "logID": hexed(entry["logId"]["keyId"]),
        "logIndex": int(entry["logIndex"]),
        "verification": {
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"],
                "hashes": [hexed(one) for one in proof["hashes"]],
                "logIndex": int(proof["logIndex"]),
                "rootHash": hexed(proof["rootHash"]),
                "treeSize": int(proof["treeSize"]),
            },
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        },
    }

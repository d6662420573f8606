"""What CI can ask and hand in, and what it cannot."""

import json
import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings as conf
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from approvals.api.models import ContextLink, Token
from approvals.audit.models import AuditEvent
from approvals.decisions.models import Release, ReleaseMember
from approvals.people.models import Role
from approvals.people.scopes import Reach
from approvals.queue.models import State
from registry_client.provenance import MAX_BUNDLE
from tests.approvals.api.factories import Caller, make_api_token
from tests.approvals.demands import also, wanting
from tests.approvals.factories import (
    make_inspection,
    make_policies,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import sign_in

pytestmark = pytest.mark.django_db

# Always the same: test processes must agree on the names of tests.
SOME_ID = "0b5e9f8e-5f0a-4c62-9d0e-5d3e2b8f6a11"


@pytest.fixture
def ci() -> Caller:
    return Caller(make_api_token()[1])


def test_one_version_by_its_stage_id_and_by_its_name(ci: Caller) -> None:
    row = make_staged_version("@acme/lib", "1.2.3")
    make_inspection(row)
    status, found = ci.ask(f"stages/{row.stage_id}")
    assert status == HTTPStatus.OK
    assert found["package"] == "@acme/lib"
    assert (found["version"], found["tag"]) == ("1.2.3", "latest")
    assert found["outcome"] == "waiting"
    assert found["links"]["page"].endswith(f"/versions/{row.pk}/")
    assert {one["requirement"] for one in found["requirements"]} >= {"approvals"}
    for name in ("@acme/lib", "@acme%2flib", "%40acme%2Flib"):
        assert ci.ask(f"packages/{name}/versions/1.2.3") == (status, found)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (State.APPROVING, "waiting"),
        (State.ACCEPTED, "waiting"),
        (State.REJECTING, "waiting"),
        (State.LIVE, "live"),
        (State.REJECTED, "rejected"),
        (State.PUBLISHED_ELSEWHERE, "rejected"),
        (State.WITHDRAWN, "rejected"),
    ],
)
def test_every_state_says_what_it_means_for_a_pipeline(
    ci: Caller, state: State, outcome: str
) -> None:
    row = make_staged_version(state=state)
    _, found = ci.ask(f"stages/{row.stage_id}")
    assert (found["state"], found["outcome"]) == (state.value, outcome)
    assert found["requirements"] == []


def test_what_waited_too_long_is_expired(ci: Caller) -> None:
    make_policies(wanting("1 of anyone") | also("expiry", days="30"))
    row = make_staged_version(found_at=timezone.now() - timedelta(days=31))
    _, found = ci.ask(f"stages/{row.stage_id}")
    assert (found["state"], found["outcome"]) == ("expired", "expired")


def test_what_was_staged_last_answers_for_a_version(ci: Caller) -> None:
    old = make_staged_version(state=State.REJECTED, created_at=timezone.now() - timedelta(hours=9))
    new = make_staged_version()
    _, found = ci.ask("packages/left-pad/versions/1.5.0")
    assert found["stage_id"] == str(new.stage_id)
    _, found = ci.ask(f"stages/{old.stage_id}")
    assert found["state"] == "rejected"


def test_the_list_is_paged_and_narrowed(ci: Caller) -> None:
    rows = [make_staged_version(f"pkg-{number}") for number in range(5)]
    make_staged_version("gone", state=State.REJECTED)
    _, first = ci.ask("stages", state="staged", limit=3)
    assert [one["package"] for one in first["items"]] == ["pkg-4", "pkg-3", "pkg-2"]
    _, second = ci.ask("stages", state="staged", limit=3, before=first["next"])
    assert [one["package"] for one in second["items"]] == ["pkg-1", "pkg-0"]
    assert second["next"] is None
    _, one = ci.ask("stages", package="pkg-2")
    assert [row["stage_id"] for row in one["items"]] == [str(rows[2].stage_id)]


def test_the_number_of_queries_does_not_grow_with_the_list(
    ci: Caller, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_inspection(make_staged_version(f"pkg-{number}"))
    ci.ask("stages")
    with django_assert_max_num_queries(40):
        _, found = ci.ask("stages")
    assert len(found["items"]) == 30


def test_a_release_shows_the_versions_that_the_token_covers() -> None:
    ours, theirs = make_staged_version("@acme/a"), make_staged_version("other")
    release = Release.objects.create(registry=ours.registry)
    for row in (ours, theirs):
        ReleaseMember.objects.create(release=release, staged_version=row, why="person")
    ci = Caller(make_api_token("@acme/*")[1])
    status, found = ci.ask(f"releases/{release.pk}")
    assert status == HTTPStatus.OK
    assert [one["package"] for one in found["versions"]] == ["@acme/a"]
    assert "other" not in json.dumps(found)
    assert found["outcome"] == "waiting"
    _, version = ci.ask(f"stages/{ours.stage_id}")
    assert version["release"] == str(release.pk)
    assert version["links"]["release"].endswith(f"/api/v1/releases/{release.pk}")
    stranger = Caller(make_api_token("nothing")[1])
    assert stranger.ask(f"releases/{release.pk}")[0] == HTTPStatus.NOT_FOUND


def test_a_release_is_live_once_all_of_it_is(ci: Caller) -> None:
    rows = [make_staged_version(name, state=State.LIVE) for name in ("a", "b")]
    release = Release.objects.create(registry=rows[0].registry)
    for row in rows:
        ReleaseMember.objects.create(release=release, staged_version=row, why="person")
    assert ci.ask(f"releases/{release.pk}")[1]["outcome"] == "live"
    rows[1].state = State.ACCEPTED
    rows[1].save()
    assert ci.ask(f"releases/{release.pk}")[1]["outcome"] == "waiting"
    rows[1].state = State.REJECTED
    rows[1].save()
    assert ci.ask(f"releases/{release.pk}")[1]["outcome"] == "rejected"


def test_what_a_token_does_not_cover_is_not_there() -> None:
    row = make_staged_version("@acme/lib", "1.0.0")
    for pattern in ("@acme", "@acme/other", "acme/*", "@ACME/*", "lib"):
        ci = Caller(make_api_token(pattern)[1])
        for path in (f"stages/{row.stage_id}", "packages/@acme/lib/versions/1.0.0"):
            status, refusal = ci.ask(path)
            assert (status, refusal["error"]) == (HTTPStatus.NOT_FOUND, "not_found")
        assert ci.ask("stages")[1]["items"] == []
        for what in ("provenance", "context"):
            path = f"stages/{row.stage_id}/{what}"
            assert ci.hand_in(path, {"run": "https://ci.example.org/1"})[0] == HTTPStatus.NOT_FOUND
    assert not ContextLink.objects.exists()


def test_a_token_of_one_registry_does_not_reach_another() -> None:
    here, there = make_registry("here"), make_registry("there")
    row = make_staged_version("lib", registry=there)
    ci = Caller(make_api_token(Reach(here.url, "*"))[1])
    assert ci.ask(f"stages/{row.stage_id}")[0] == HTTPStatus.NOT_FOUND
    assert ci.ask("stages")[1]["items"] == []


def test_two_registries_with_the_same_version_are_told_apart(ci: Caller) -> None:
    stage_id = uuid.uuid4()
    for name in ("here", "there"):
        registry = make_registry(name)
        make_staged_version("lib", "1.0.0", registry=registry, stage_id=stage_id)
    for path in (f"stages/{stage_id}", "packages/lib/versions/1.0.0"):
        status, refusal = ci.ask(path)
        assert (status, refusal["error"]) == (HTTPStatus.CONFLICT, "ambiguous")
        assert ci.ask(path, registry="there")[1]["registry"] == "there"


def test_each_token_does_what_it_was_made_for_and_no_more() -> None:
    row = make_staged_version()
    calls = {
        "may_read": [("GET", f"stages/{row.stage_id}"), ("GET", "stages")],
        "may_hand_in_provenance": [("POST", f"stages/{row.stage_id}/provenance")],
        "may_give_context": [("POST", f"stages/{row.stage_id}/context")],
    }
    for allowed in calls:
        ci = Caller(make_api_token(**{"may_read": False, allowed: True})[1])
        for needed, paths in calls.items():
            for method, path in paths:
                body = {"run": "https://ci.example.org/1"}
                status, found = ci.ask(path) if method == "GET" else ci.hand_in(path, body)
                assert (status == HTTPStatus.FORBIDDEN) == (needed != allowed), (allowed, path)
                if needed != allowed:
                    assert found["error"] == "not_allowed"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer cst_wrong", "Basic YTpi", "cst_x", "Bearer é"]
)
def test_without_a_good_token_nothing_is_answered(header: str) -> None:
    row = make_staged_version()
    stranger = Client(headers={"Authorization": header} if header else {})
    for path in (f"stages/{row.stage_id}", "stages", f"releases/{uuid.uuid4()}"):
        answer = stranger.get(f"/api/v1/{path}")
        assert answer.status_code == HTTPStatus.UNAUTHORIZED
        assert answer["WWW-Authenticate"] == "Bearer"
        assert answer.json()["error"] == "no_token"
        assert "left-pad" not in answer.content.decode()


def test_a_session_is_no_token_and_a_token_is_no_session(ci: Caller) -> None:
    make_staged_version()
    browser = sign_in(make_user(role=Role.ADMINISTRATOR))
    assert browser.get("/api/v1/stages").status_code == HTTPStatus.UNAUTHORIZED
    answer = ci.get("/")
    assert answer.status_code == HTTPStatus.FOUND
    assert "/login/" in answer["Location"]
    answer = ci.get("/api/v1/stages")
    assert not answer.cookies


def test_calls_are_limited_for_each_token(ci: Caller, settings: Settings) -> None:
    settings.TRY_LIMITS = settings.TRY_LIMITS | {"api": {"person": (3, 300)}}
    assert [ci.ask("stages")[0] for _ in range(3)] == [HTTPStatus.OK] * 3
    answer = ci.get("/api/v1/stages")
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert 0 < int(answer["Retry-After"]) <= 300
    assert answer.json()["error"] == "too_many"
    assert Caller(make_api_token()[1]).ask("stages")[0] == HTTPStatus.OK


def test_who_guesses_tokens_is_stopped_and_good_ones_are_not(
    ci: Caller, settings: Settings
) -> None:
    settings.TRY_LIMITS = settings.TRY_LIMITS | {"api_refused": {"address": (2, 300)}}
    guess = Caller("cst_guess")
    statuses = [guess.ask("stages")[0] for _ in range(3)]
    assert statuses == [401, 401, 429]
    assert ci.ask("stages")[0] == HTTPStatus.OK


LINKS = {"pull_request": "https://git.example.org/acme/lib/pull/7", "run": "https://ci.example.org"}


def test_links_are_kept_and_the_newest_of_a_kind_counts(ci: Caller) -> None:
    row = make_staged_version()
    path = f"stages/{row.stage_id}/context"
    assert ci.hand_in(path, LINKS)[0] == HTTPStatus.OK
    status, found = ci.hand_in(path, {"run": "https://ci.example.org/2"})
    assert status == HTTPStatus.OK
    assert {one["kind"]: one["url"] for one in found["context"]} == LINKS | {
        "run": "https://ci.example.org/2"
    }
    assert ci.ask(f"stages/{row.stage_id}")[1]["context"] == found["context"]
    assert AuditEvent.objects.filter(kind="context.given", stage_id=row.stage_id).count() == 2
    # Said again, it is no news.
    ci.hand_in(path, {"run": "https://ci.example.org/2"})
    assert AuditEvent.objects.filter(kind="context.given").count() == 2


@pytest.mark.parametrize(
    "links",
    [
        {},
        {"run": "http://ci.example.org/"},
        {"run": "javascript:alert(1)"},
        {"run": "https://"},
        {"run": "https:///path"},
        {"run": "https://user:secret@ci.example.org/"},
        {"run": "https://ci.example.org/a b"},
        {"run": 'https://ci.example.org/"onmouseover='},
        {"run": "https://ci.example.org/\u202e"},
        {"run": "https://ci.example.org:99999/"},
        {"run": "https://[::1/"},
        {"run": "https://ci.example.org/" + "a" * 2000},
        {"run": 7},
        {"run": None},
        {"unknown": "https://ci.example.org/"},
        ["https://ci.example.org/"],
    ],
    ids=lambda links: str(links)[:60],
)
def test_what_is_no_link_is_refused(ci: Caller, links: Any) -> None:
    row = make_staged_version()
    status, refusal = ci.hand_in(f"stages/{row.stage_id}/context", links)
    assert (status, refusal["error"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "refused")
    assert not ContextLink.objects.exists()


def test_a_decided_version_takes_no_links(ci: Caller) -> None:
    row = make_staged_version(state=State.REJECTED)
    status, refusal = ci.hand_in(f"stages/{row.stage_id}/context", LINKS)
    assert status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "decided already" in refusal["message"]


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"a": 1}', "\x00", "9" * 5000])
def test_what_is_no_bundle_is_refused(ci: Caller, body: str) -> None:
    row = make_staged_version()
    status, refusal = ci.hand_in(f"stages/{row.stage_id}/provenance", body)
    assert (status, refusal["error"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "refused")
    assert refusal["message"]


def test_a_bundle_has_a_size(ci: Caller) -> None:
    row = make_staged_version()
    status, refusal = ci.hand_in(f"stages/{row.stage_id}/provenance", "x" * (MAX_BUNDLE + 1))
    assert (status, refusal["error"]) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(ci: Caller) -> None:
    row = make_staged_version()
    body = json.dumps({"run": "https://x.example.org/" + "a" * conf.DATA_UPLOAD_MAX_MEMORY_SIZE})
    status, refusal = ci.hand_in(f"stages/{row.stage_id}/context", body)
    assert (status, refusal["error"]) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")


@pytest.mark.parametrize(
    "path",
    [
        "stages/7",
        "stages/" + "a" * 5000,
        "stages?limit=0",
        "stages?limit=101",
        "stages?before=-1",
        "stages?before=99999999999999999999",
        "stages?state=nonsense",
        "stages?package=%00",
        "stages?packge=left-pad",
        f"releases/{SOME_ID}?wait=5",
        "packages/%00/versions/1",
        "packages/a/versions/%0A",
        "packages/" + "a" * 215 + "/versions/1",
        f"stages/{SOME_ID}?wait=56",
        f"stages/{SOME_ID}?wait=-1",
        f"stages/{SOME_ID}?wait=x",
        f"stages/{SOME_ID}?registry=%27",
        "releases/x",
    ],
    ids=lambda path: path[:40],
)
def test_what_is_asked_wrongly_is_told_so(ci: Caller, path: str) -> None:
    status, refusal = ci.ask(path)
    assert (status, refusal["error"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "refused")
    assert "/api/v1/docs" in refusal["message"]


def test_what_is_no_json_is_told_so(ci: Caller) -> None:
    row = make_staged_version()
    status, refusal = ci.hand_in(f"stages/{row.stage_id}/context", "{")
    assert status == HTTPStatus.BAD_REQUEST
    assert set(refusal) == {"error", "message"}


@pytest.mark.parametrize("path", ["", "nothing", "stages/", "approve", "stages/x/approve"])
def test_an_address_that_is_none_says_so_in_json(ci: Caller, path: str) -> None:
    for method in (ci.get, ci.post, ci.delete):
        answer = method(f"/api/v1/{path}")
        assert answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
        assert "error" in answer.json()


def test_a_token_that_was_revoked_stops_at_once(ci: Caller) -> None:
    assert ci.ask("stages")[0] == HTTPStatus.OK
    Token.objects.update(revoked_at=timezone.now())
    assert ci.ask("stages")[0] == HTTPStatus.UNAUTHORIZED


def test_the_docs_and_the_document_need_no_token() -> None:
    stranger = Client()
    page = stranger.get("/api/v1/docs")
    assert page.status_code == HTTPStatus.OK
    html = page.content.decode()
    document = stranger.get("/api/v1/openapi.json").json()
    for path in document["paths"]:
        assert path in html
    # What it can do is exactly this, and nothing decides.
    assert {(path, method) for path, calls in document["paths"].items() for method in calls} == {
        ("/api/v1/stages", "get"),
        ("/api/v1/stages/{stage_id}", "get"),
        ("/api/v1/packages/{name}/versions/{version}", "get"),
        ("/api/v1/stages/{stage_id}/provenance", "post"),
        ("/api/v1/stages/{stage_id}/context", "post"),
        ("/api/v1/releases/{release_id}", "get"),
    }

"""The audit page: everything in it, found again, and nothing in it that acts."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from approvals.audit.models import AuditEvent
from approvals.audit.record import record
from approvals.people.models import Role, User
from approvals.web.views import audit as view
from tests.approvals.factories import make_staged_version, make_user
from tests.approvals.web.pages import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> User:
    user = make_user("vic", role=Role.VIEWER)
    sign_in(user, client)
    return user


def happen(kind: str = "test.happened", **more: object) -> AuditEvent:
    with transaction.atomic():
        return record(kind, **more)  # type: ignore[arg-type]  # as the test says


def shown(client: Client, query: str = "") -> list[int]:
    """The sequence numbers on the page, in its order."""
    response = client.get(f"/audit/{query}")
    assert response.status_code == 200
    return [row.event.sequence for row in response.context["rows"]]


def test_only_for_people_who_signed_in(client: Client) -> None:
    assert client.get("/audit/").status_code == 302


def test_empty(client: Client, viewer: User) -> None:
    AuditEvent.objects.all().delete()
    assert "Nothing has happened yet" in client.get("/audit/").text


def test_newest_first_with_who_what_and_detail(client: Client, viewer: User) -> None:
    version = make_staged_version("left-pad", "1.5.0")
    happen(
        "staged_version.rejected",
        actor=viewer,
        subject=version,
        stage_id=version.stage_id,
        reason="Looks odd",
        read_by=["ada", "ben"],
        forced=False,
        nothing="",
        deep={"a": [1]},
    )
    page = client.get("/audit/").text
    assert "left-pad@1.5.0" in page
    assert f'href="/versions/{version.pk}/"' in page
    assert str(version.stage_id) in page
    for text in ("vic", "staged_version.<wbr>rejected", "Looks odd", "read by", "ada, ben"):
        assert text in page
    assert "<dd>no</dd>" in page
    assert "<dd>none</dd>" in page
    assert "{&quot;a&quot;: [1]}" in page


def test_hostile_text_stays_text(client: Client, viewer: User) -> None:
    version = make_staged_version("<script>alert(1)</script>", "1.0.0")
    happen(subject=version, **{"<b>key</b>": "<img src=x>\u202e"})
    page = client.get("/audit/").text
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "<b>key" not in page
    assert "\u202e" not in page


def test_filters(client: Client, viewer: User) -> None:
    ada = make_user("ada")
    version = make_staged_version("@acme/tool", "2.0.0")
    AuditEvent.objects.all().delete()
    one = happen("decision.made", actor=ada, subject=version, stage_id=version.stage_id).sequence
    two = happen("decision.failed", subject=version, stage_id=version.stage_id).sequence
    three = happen("webhook.added", actor=ada).sequence
    assert shown(client) == [three, two, one]
    assert shown(client, "?kind=decision.") == [two, one]
    assert shown(client, "?kind=decision.made") == [one]
    assert shown(client, "?actor=ADA") == [three, one]
    assert shown(client, "?actor=Countersign") == [two]
    assert shown(client, "?about=acme/to") == [two, one]
    assert shown(client, f"?about={version.stage_id}") == [two, one]
    assert shown(client, f"?about={version.stage_id.hex.upper()}") == [two, one]
    assert shown(client, f"?about={uuid.uuid4()}") == []
    assert shown(client, f"?about=queue.StagedVersion:{version.pk}") == [two, one]
    assert shown(client, "?actor=ada&kind=decision.") == [one]


def test_days_include_their_last_moment(client: Client, viewer: User) -> None:
    AuditEvent.objects.all().delete()
    events = [happen().sequence for _ in range(3)]
    for sequence, at in zip(
        events,
        (
            datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2026, 3, 2, 0, 0, tzinfo=UTC),
            datetime(2026, 3, 3, 0, 0, tzinfo=UTC),
        ),
        strict=True,
    ):
        AuditEvent.objects.filter(sequence=sequence).update(at=at)
    assert shown(client, "?since=2026-03-02") == [events[2], events[1]]
    assert shown(client, "?until=2026-03-01") == [events[0]]
    assert shown(client, "?since=2026-03-02&until=2026-03-02") == [events[1]]


@pytest.mark.parametrize(
    "query",
    [
        "?since=yesterday",
        "?until=9999-12-31",
        "?since=0001-01-01",
        "?before=x",
        "?before=99999999999999999999",
        "?after=-1",
        "?about=%00",
        "?kind=" + "x" * 100,
    ],
)
def test_nonsense_is_no_error(client: Client, viewer: User, query: str) -> None:
    happen()
    assert shown(client, query) == []


def test_pages_hold_still_while_events_arrive(
    client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PER_PAGE", 3)
    AuditEvent.objects.all().delete()
    n = [happen().sequence for _ in range(8)]
    assert shown(client) == [n[7], n[6], n[5]]
    response = client.get("/audit/")
    assert response.context["newer"] is None
    older = response.context["older"]
    happen()
    assert shown(client, f"?before={older}") == [n[4], n[3], n[2]]
    assert shown(client, f"?before={n[2]}") == [n[1], n[0]]
    assert client.get(f"/audit/?before={n[2]}").context["older"] is None
    assert shown(client, f"?after={n[1]}") == [n[4], n[3], n[2]]
    back = client.get(f"/audit/?after={n[4]}")
    assert [row.event.sequence for row in back.context["rows"]] == [n[7], n[6], n[5]]
    assert back.context["newer"] == n[7]


def test_the_links_keep_the_filters(
    client: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PER_PAGE", 1)
    happen()
    last = happen()
    page = client.get("/audit/?kind=test.").text
    assert f"?kind=test.&amp;before={last.sequence}" in page


def test_the_number_of_queries_does_not_grow(
    client: Client, viewer: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        version = make_staged_version("left-pad", f"1.0.{number}")
        happen(subject=version, stage_id=version.stage_id)
    with django_assert_max_num_queries(8):
        client.get("/audit/")


def test_the_head_is_there_to_be_written_down(client: Client, viewer: User) -> None:
    event = happen()
    assert f"{event.sequence}:{event.hash}" in client.get("/audit/").text

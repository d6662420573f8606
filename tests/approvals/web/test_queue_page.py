from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.people.models import Role
from approvals.queue.models import State
from tests.approvals.factories import (
    make_decision,
    make_inspection,
    make_inspection_request,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

LONG_NAME = "@" + "s" * 49 + "/" + "n" * 49


@pytest.fixture
def client() -> Client:
    return sign_in(make_user("ada"))


def names_in_order(client: Client, query: str = "", page: str = "queue") -> list[str]:
    response = client.get(reverse(page) + query)
    assert response.status_code == 200
    return [row.package.name for row in response.context["page"].object_list]


def test_oldest_waits_at_the_top_and_what_is_decided_is_gone(client: Client) -> None:
    now = timezone.now()
    make_staged_version("young", created_at=now - timedelta(minutes=1))
    make_staged_version("old", created_at=now - timedelta(days=2))
    make_staged_version("done", state=State.LIVE)
    make_staged_version("under-way", state=State.APPROVING, created_at=now - timedelta(days=1))
    assert names_in_order(client) == ["old", "under-way", "young"]


def test_a_row_tells_what_a_reviewer_chooses_by(client: Client) -> None:
    row = make_staged_version("left-pad", "1.5.0", tag="next", actor="ci-bot")
    make_inspection(row, [{"path": "a.js", "added_lines": 1200, "removed_lines": 7}])
    text = text_of(client.get("/"))
    for words in (
        "left-pad 1.5.0",
        "from 1.4.2",
        "next",
        "ci-bot trusted automation",
        "1 file +1 200 \N{MINUS SIGN}7",
        "3 h",
        "Waiting",
    ):
        assert words in text


def test_progress_failure_and_alarm_are_shown(client: Client) -> None:
    running = make_staged_version("running")
    make_inspection_request(running, "running", progress_done=30, progress_total=120)
    make_inspection_request(make_staged_version("broken"), "failed", failure="no")
    make_staged_version("just-found")
    make_staged_version("wrong", state=State.ACCEPTED, alarm="Another digest is live.")
    text = text_of(client.get("/"))
    assert "Comparing · 25 %" in text
    assert "Comparison failed" in text
    assert "Waits to be compared" in text
    assert "Alarm Accepted, not yet live" in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?registry=one", {"left-pad", "@acme/core"}),
        ("?registry=two", {"@acme/cli"}),
        ("?package=@acme/*", {"@acme/core", "@acme/cli"}),
        ("?package=left-pa?", {"left-pad"}),
        ("?package=left", set()),
        ("?state=approving", {"@acme/cli"}),
        ("?q=ACME", {"@acme/core", "@acme/cli"}),
        ("?q=acme+2.0", {"@acme/core"}),
        ("?q=@acme/core@2", {"@acme/core"}),
        ("?q=grace", {"@acme/cli"}),
        ("?q=acme&registry=two", {"@acme/cli"}),
        ("?state=nonsense", set()),
        ("?page=99999", {"left-pad", "@acme/core", "@acme/cli"}),
    ],
)
def test_filters(client: Client, query: str, expected: set[str]) -> None:
    one, two = make_registry("one"), make_registry("two")
    make_staged_version("left-pad", "1.5.0", registry=one)
    make_staged_version("@acme/core", "2.0.1", registry=one)
    make_staged_version("@acme/cli", "3.0.0", registry=two, state="approving", actor="grace")
    assert set(names_in_order(client, query)) == expected


def test_a_filter_that_fits_nothing_says_so_and_offers_a_way_back(client: Client) -> None:
    make_staged_version("left-pad")
    response = client.get("/?q=nothing-like-it")
    assert "Nothing matches" in text_of(response)
    assert '<a class="button" href="/">Clear the filters</a>' in response.content.decode()


def test_empty_queue_without_a_registry_tells_the_administrator_what_to_do() -> None:
    viewer, administrator = make_user(role="viewer"), make_user(role="administrator")
    assert "An administrator has to add the first one" in text_of(sign_in(viewer).get("/"))
    assert reverse("registry_add") in sign_in(administrator).get("/").content.decode()


def test_fifty_a_page(client: Client) -> None:
    for number in range(51):
        make_staged_version(f"package-{number}")
    first = client.get("/?q=package")
    assert "1\N{EN DASH}50 of 51 waiting" in text_of(first)
    assert 'href="?q=package&amp;page=2"' in first.content.decode()
    assert "51\N{EN DASH}51 of 51 waiting" in text_of(client.get("/?q=package&page=2"))


@pytest.mark.parametrize("page", ["queue", "history"])
def test_the_number_of_queries_does_not_grow(client: Client, page: str) -> None:
    user = make_user()
    state = State.STAGED if page == "queue" else State.LIVE

    def add(count: int) -> None:
        for number in range(count):
            row = make_staged_version(f"package-{number}", state=state)
            make_inspection(row, [{"path": "a.js"}])
            if page == "history":
                make_decision(row, user, item_state="done")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(reverse(page)).status_code == 200
        return len(captured)

    add(10)
    with_ten = queries()
    add(190)
    assert queries() == with_ten
    assert with_ten < 18


def test_polling_gets_the_list_alone_and_nothing_where_nothing_changed(client: Client) -> None:
    row = make_staged_version("left-pad", created_at=timezone.now() - timedelta(hours=3, minutes=5))
    htmx = {"HX-Request": "true"}
    first = client.get("/?part=list", headers=htmx)
    html = first.content.decode()
    assert "left-pad" in html
    assert "<html" not in html
    assert first["Cache-Control"] == "no-store"
    seen = html.rsplit('name="seen" value="', 1)[1].split('"')[0]
    assert client.get(f"/?part=list&seen={seen}", headers=htmx).status_code == 204
    row.state = State.APPROVING
    row.save()
    changed = client.get(f"/?part=list&seen={seen}", headers=htmx)
    assert changed.status_code == 200
    assert "Approving" in text_of(changed)
    assert "<html" in client.get("/?part=list").content.decode()


def test_the_page_asks_for_its_own_filters_when_it_polls(client: Client) -> None:
    make_staged_version("left-pad")
    html = client.get("/?q=left").content.decode()
    assert 'hx-get="?q=left&amp;part=list"' in html


def test_hostile_words_stay_words(client: Client) -> None:
    make_staged_version(
        LONG_NAME,
        "1.0.0-<b>",
        tag="<script>alert(1)</script>",
        actor="eve\u202egpj.exe",
        actor_type="<img src=x onerror=alert(1)>",
    )
    response = client.get("/")
    html = response.content.decode()
    assert "<script>alert(1)" not in html
    assert "<img src=x" not in html
    assert "\u202e" not in html
    text = text_of(response)
    assert LONG_NAME in text
    assert "eve U+202E gpj.exe" in text
    assert_strict(response)


def test_before_anything_was_staged_the_page_says_when_the_registries_were_asked(
    client: Client,
) -> None:
    make_registry("main", last_polled_at=timezone.now() - timedelta(minutes=3))
    make_registry("new")
    make_registry("asleep", enabled=False)
    response = client.get("/")
    text = text_of(response)
    for words in (
        "Nothing is staged yet",
        "npm stage publish",
        "main was last asked 3 min ago",
        "new has not been asked yet",
        "asleep is not polled",
    ):
        assert words in text
    assert "is decided" not in text
    assert "its read token" not in text
    assert_strict(response)
    chiefs = sign_in(make_user("chief", role=Role.ADMINISTRATOR))
    assert "its read token may not see it" in text_of(chiefs.get("/"))
    make_staged_version("done", state=State.LIVE)
    text = text_of(client.get("/"))
    assert "Nothing is staged yet" not in text
    assert "Every staged version is decided." in text


def test_failing_registries_are_named_on_every_page(client: Client) -> None:
    make_registry(
        "main",
        failing_since=timezone.now() - timedelta(hours=2),
        failure_reason="It answers 503 <br>.",
    )
    make_registry("asleep", failing_since=timezone.now(), failure_reason="off", enabled=False)
    for page in ("queue", "history"):
        text = text_of(client.get(reverse(page)))
        assert "main is failing since 2 h ago : It answers 503 <br>." in text
        assert "asleep is failing" not in text


def test_history_is_newest_first_with_who_decided(client: Client) -> None:
    now = timezone.now()
    older = make_staged_version("older", state=State.LIVE, state_changed_at=now - timedelta(days=1))
    make_decision(older, make_user("grace"), item_state="done")
    make_staged_version("newer", state=State.PUBLISHED_ELSEWHERE, state_changed_at=now)
    make_staged_version("waits")
    assert names_in_order(client, page="history") == ["newer", "older"]
    response = client.get(reverse("history"))
    text = text_of(response)
    assert "grace" in text
    assert "Somebody outside Countersign" in text
    assert "Published elsewhere" in text
    assert_strict(response)


def test_nobody_reads_the_queue_without_signing_in() -> None:
    make_staged_version("secret-plan")
    for page in ("queue", "history"):
        response = Client().get(reverse(page))
        assert response.status_code == 302
        assert reverse("account_login") in response["Location"]


def test_healthz_is_open_and_says_nothing_else() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")

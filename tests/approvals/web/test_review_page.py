import re

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.decisions.models import Action, ItemState
from approvals.decisions.talking.change_requests import request_changes
from approvals.inspection.models import InspectionRequest
from approvals.people.models import User
from approvals.queue.models import StagedVersion, State
from approvals.web.views import review
from approvals.web.visible import visible
from tests.approvals.codes import enrol
from tests.approvals.factories import (
    DIFF,
    make_account,
    make_decision,
    make_inspection,
    make_inspection_request,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import HTMX, assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


def able_to_decide(user: User, row: StagedVersion) -> None:
    enrol(user)
    make_account(user, row.registry)


def page(client: Client, row: StagedVersion) -> str:
    response = client.get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert_strict(response)
    return text_of(response)


def test_the_decision_comes_first_with_its_facts(client: Client, ada: User) -> None:
    row = make_staged_version("left-pad", "1.5.0")
    make_inspection(row)
    able_to_decide(ada, row)
    text = page(client, row)
    assert "A minor step from 1.4.2" in text
    assert "Everyone Dist-tag latest · public access" in text
    assert "2 files +4 \N{MINUS SIGN}2" in text
    assert "1 added, 1 modified" in text
    assert "Approve: make 1.5.0 installable by everyone as latest" in text
    assert "Reject: delete 1.5.0 from the registry for good" in text
    assert "stands in the way" not in text
    assert text.index("Approve: make") < text.index("Files Against 1.4.2")
    assert text.index("Files Against 1.4.2") < text.index("What the registry says")


def test_every_field_of_the_registry_is_shown_and_unknown_ones_too(client: Client) -> None:
    row = make_staged_version(
        extra={"items": "fooled", "provenance": {"kind": "slsa"}, "note": "<b>bold</b>"}
    )
    make_inspection(row)
    text = page(client, row)
    for words in (
        str(row.stage_id),
        row.shasum,
        row.sha512,
        "release-bot trusted automation",
        "items fooled",
        'provenance {"kind": "slsa"}',
        "note <b>bold</b>",
        "1.4.2 is what users of the dist-tag latest have today.",
        "ada, grace",
    ):
        assert words in text


def test_manifest_facts_before_and_after(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    text = page(client, row)
    assert "engines / node changed before: >=18 after: >=20" in text
    assert "dependencies / tiny-http added not there after: 0.1.0" in text
    assert "license MIT" in text
    assert "scripts / test node --test" in text


def test_a_first_release_has_nothing_before_it(client: Client) -> None:
    row = make_staged_version("new", "1.0.0")
    make_inspection(row, baseline_version="")
    text = page(client, row)
    assert "First release: there is nothing to compare it with" in text
    assert "No version of this package is published yet." in text
    assert "not there" not in text


@pytest.mark.parametrize("state", ["missing", "waiting", "running", "failed"])
def test_nothing_is_offered_before_the_comparison_is_done(
    client: Client, ada: User, state: str
) -> None:
    row = make_staged_version()
    able_to_decide(ada, row)
    if state != "missing":
        make_inspection_request(row, state, step="Downloading", failure="Its gzip is cut off.")
    response = client.get(reverse("version", args=[row.pk]))
    html = response.content.decode()
    assert reverse("confirm_approve", args=[row.pk]) not in html
    assert reverse("confirm_reject", args=[row.pk]) not in html
    if state == "failed":
        assert "Its gzip is cut off." in text_of(response)
        assert f'action="{reverse("inspect_again", args=[row.pk])}"' in html
        assert 'hx-trigger="every 15s"' in html
    else:
        assert 'hx-trigger="every 2s"' in html
        assert "<progress" in html


def test_try_again_puts_the_inspection_back_in_the_line(client: Client) -> None:
    row = make_staged_version()
    make_inspection_request(row, "failed", failure="It broke.")
    response = client.post(reverse("inspect_again", args=[row.pk]), follow=True)
    assert "downloaded and compared again" in text_of(response)
    assert InspectionRequest.objects.get(staged_version=row).state == "waiting"


def test_a_viewer_does_not_hold_up_a_decision_by_comparing_again() -> None:
    row = make_staged_version()
    make_inspection(row)
    viewer = sign_in(make_user(role="viewer"))
    assert viewer.post(reverse("inspect_again", args=[row.pk])).status_code == 403
    assert InspectionRequest.objects.get(staged_version=row).state == "done"


def test_the_page_updates_itself_until_there_is_nothing_to_wait_for(client: Client) -> None:
    row = make_staged_version()
    request = make_inspection_request(row, "running", progress_done=1, progress_total=4)
    url = reverse("version_status", args=[row.pk]) + "?inspection=running"
    first = client.get(url, headers=HTMX)
    assert "25 %" in text_of(first)
    seen = first.content.decode().rsplit('name="seen" value="', 1)[1].split('"')[0]
    assert client.get(f"{url}&seen={seen}", headers=HTMX)["HX-Reswap"] == "none"
    request.delete()
    make_inspection(row)
    done = client.get(f"{url}&seen={seen}", headers=HTMX)
    assert done.headers["HX-Refresh"] == "true"
    row.state = State.LIVE
    row.save()
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert reverse("version_status", args=[row.pk]) not in html


def test_while_nothing_changes_little_is_read(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_staged_version()
    make_inspection(row)
    able_to_decide(ada, row)
    url = reverse("version_status", args=[row.pk])

    def poll() -> tuple[HttpResponse, int]:
        with CaptureQueriesContext(connection) as found:
            response: HttpResponse = client.get(url, handed_back, headers=HTMX)
        return response, len(found)

    def marks(html: str) -> dict[str, str]:
        found = re.search(r'name="seen" value="(\w+)">\s*<input [^>]*value="(\w+)"', html)
        assert found
        return {"seen": found[1], "mark": found[2]}

    monkeypatch.setattr(review, "time", lambda: 1000.0)
    page = client.get(reverse("version", args=[row.pk])).content.decode()
    assert 'hx-include="#status > input"' in page
    handed_back = {"inspection": "done", **marks(page)}
    response, queries = poll()
    assert response.status_code == 204
    assert queries <= 6
    # Time alone changes some of what it says: it is looked at, and nothing is swapped.
    monkeypatch.setattr(review, "time", lambda: 1061.0)
    response, _ = poll()
    assert response["HX-Reswap"] == "none"
    assert 'id="status-mark"' in response.content.decode()
    assert 'hx-swap-oob="true"' in response.content.decode()
    handed_back["mark"] = response.content.decode().split('value="')[1].split('"')[0]
    assert poll()[0].status_code == 204
    request_changes(row, user=ada, reason="Not like this.")
    response, _ = poll()
    assert "Not like this." in text_of(response)
    # Within what is swapped, it would be taken out of it.
    assert "hx-swap-oob" not in response.content.decode()
    handed_back |= marks(response.content.decode())
    assert poll()[0].status_code == 204
    StagedVersion.objects.filter(pk=row.pk).update(alarm="Something else was staged.")
    assert "Something else was staged." in text_of(poll()[0])


def test_an_unchanged_page_with_a_form_is_not_swapped_under_the_fingers(
    client: Client, ada: User
) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, item_state=ItemState.ASKING, question="Enter the code.")
    url = reverse("version_status", args=[row.pk]) + "?inspection=done"
    html = client.get(url, headers=HTMX).content.decode()
    assert "csrfmiddlewaretoken" in html
    seen = html.rsplit('name="seen" value="', 1)[1].split('"')[0]
    assert client.get(f"{url}&seen={seen}", headers=HTMX).status_code == 204


def test_a_viewer_reads_why_there_are_no_actions() -> None:
    row = make_staged_version()
    make_inspection(row)
    text = page(sign_in(make_user(role="viewer")), row)
    assert "Your role only lets you look" in text
    assert "Approve: make" not in text


def test_an_alarm_is_loud_and_stops_approving_but_not_rejecting(client: Client, ada: User) -> None:
    row = make_staged_version(alarm="The tarball is not the one that was announced.")
    make_inspection(row)
    able_to_decide(ada, row)
    response = client.get(reverse("version", args=[row.pk]))
    html = response.content.decode()
    assert '<div class="alarm" role="alert">' in html
    assert reverse("confirm_approve", args=[row.pk]) not in html
    assert reverse("confirm_reject", args=[row.pk]) in html


def test_the_registry_asks_the_person_who_decided_for_a_code(client: Client, ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, item_state=ItemState.ASKING, question="Enter your <b>code</b>.")
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert f'action="{reverse("answer_registry", args=[row.pk])}"' in html
    assert 'autocomplete="one-time-code"' in html
    assert "Enter your &lt;b&gt;code&lt;/b&gt;." in html
    other = sign_in(make_user()).get(reverse("version", args=[row.pk]))
    assert reverse("answer_registry", args=[row.pk]) not in other.content.decode()
    assert "Only ada can answer" in text_of(other)


def test_the_web_flow_leads_to_the_registry_in_a_tab_of_its_own(client: Client, ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    address = f"{row.registry.url}auth/1"
    make_decision(
        row,
        ada,
        item_state=ItemState.ASKING,
        auth_url=address,
        done_url="https://registry.example.org/done/1",
    )
    response = client.get(reverse("version", args=[row.pk]))
    assert (
        f'href="{address}" target="_blank" rel="noopener noreferrer"' in response.content.decode()
    )
    assert "Waiting for your touch" in text_of(response)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "http://registry.example.org/auth/1",
        "https://registry.example.com/auth/1",
        "https://registry.example.org.example.com/auth/1",
    ],
)
def test_a_web_flow_that_leads_elsewhere_gets_no_link(
    client: Client, ada: User, address: str
) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(
        row,
        ada,
        item_state=ItemState.ASKING,
        auth_url=address,
        done_url="https://registry.example.org/done/1",
    )
    response = client.get(reverse("version", args=[row.pk]))
    assert address not in response.content.decode()
    assert "Start again" in text_of(response)


@pytest.mark.parametrize(
    ("action", "item_state", "state", "words"),
    [
        (Action.APPROVE, ItemState.WAITING, State.APPROVING, "Waiting for a worker"),
        (Action.APPROVE, ItemState.SENT, State.APPROVING, "the registry has not answered yet"),
        (Action.APPROVE, ItemState.CHECKING, State.APPROVING, "answer was lost"),
        (Action.APPROVE, ItemState.DONE, State.ACCEPTED, "Waiting until everyone can install it"),
        (Action.APPROVE, ItemState.DONE, State.LIVE, "Live: everyone can install it"),
        (Action.REJECT, ItemState.DONE, State.REJECTED, "It reads the environment."),
        (Action.APPROVE, ItemState.FAILED, State.STAGED, "Your approval was not carried out"),
    ],
)
def test_how_far_a_decision_has_come(
    client: Client,
    ada: User,
    action: Action,
    item_state: ItemState,
    state: State,
    words: str,
) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, action, item_state=item_state, outcome="What came of it.")
    row.state = state
    row.save()
    text = page(client, row)
    assert words in text
    if item_state in {ItemState.DONE, ItemState.FAILED}:
        assert "What came of it." in text


def test_that_nobody_can_install_it_for_long_is_said(client: Client, ada: User) -> None:
    row = make_staged_version(not_visible_told_at=timezone.now())
    make_inspection(row)
    make_decision(row, ada, item_state=ItemState.DONE)
    StagedVersion.objects.filter(pk=row.pk).update(state=State.ACCEPTED)
    assert "It takes longer than usual" in page(client, row)


@pytest.mark.parametrize("name", ["version", "version_status", "confirm_approve"])
def test_a_number_too_large_for_the_database_is_not_there(client: Client, name: str) -> None:
    assert client.get(reverse(name, args=[10**30]), headers=HTMX).status_code == 404


def test_what_was_found_is_read_only_once_however_often_the_page_asks(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    url = reverse("version_status", args=[row.pk]) + "?inspection=done"
    assert "The script postinstall is new" in text_of(client.get(url, headers=HTMX))
    with CaptureQueriesContext(connection) as captured:
        assert "The script postinstall is new" in text_of(client.get(url, headers=HTMX))
    assert not any('"summary"' in query["sql"] for query in captured)


def test_the_number_of_queries_does_not_grow_with_the_files(client: Client) -> None:
    def queries(count: int) -> int:
        row = make_staged_version(version=f"{count}.0.0")
        make_inspection(row, [{"path": f"file-{n}.js", "diff": DIFF} for n in range(count)])
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("version", args=[row.pk]))
        # Of the one file that is shown.
        assert sum("inspection_filediff" in query["sql"] for query in captured) == 1
        return len(captured)

    assert queries(10) == queries(150)
    # So many stand folder by folder, which takes other queries.
    assert queries(160) == queries(400)


def test_hostile_names_and_readme_stay_words(client: Client) -> None:
    row = make_staged_version("@" + "s" * 49 + "/" + "n" * 49, "1.0.0-" + "9" * 90)
    make_inspection(
        row,
        [{"path": "<img src=x onerror=alert(1)>/\u202egpj.js"}],
        readme="<script>alert(1)</script> [31m \u200b # Heading",
        manifest_changes=[
            {"field": "<b>f</b>", "key": "\u2066k", "old": None, "new": "<i>n</i>" + "x" * 9000}
        ],
    )
    response = client.get(reverse("version", args=[row.pk]))
    html, text = response.content.decode(), text_of(response)
    assert "<img src=x" not in html
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "<b>f</b> / U+2066 k" in text
    assert "7,008 more characters" in text
    assert "# Heading" in text
    assert_strict(response)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("naïve 日本語 — “quoted” 🎉", "naïve 日本語 — “quoted” 🎉"),
        ("a\tb\nc\r\nd", "a\tb\nc\nd"),
    ],
)
def test_what_can_be_seen_is_left_alone(text: str, html: str) -> None:
    assert visible(text) == html


@pytest.mark.parametrize(
    "character",
    "\u202a\u202e\u2066\u2069\u061c\u200b\u200d\u2060\ufeff\u00ad\x00\x1b\x7f\x85\u2028\u00a0"
    "\u3164\u115f\ufe0f\U000e0041\U000e0100\ue000\r",
)
def test_what_hides_is_spelt_out(character: str) -> None:
    html = visible(f"a{character}b")
    assert character not in html
    assert f"U+{ord(character):04X}" in html


def test_a_version_that_is_not_there_is_a_page_of_ours(client: Client) -> None:
    response = client.get(reverse("version", args=[999]))
    assert response.status_code == 404
    assert "There is nothing here" in text_of(response)
    assert_strict(response)

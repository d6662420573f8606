import sys
from datetime import timedelta
from html import unescape

import pytest
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.views.debug import ExceptionReporter
from django_otp.oath import TOTP

from approvals.decisions.models import Action, Decision, DecisionItem, ItemState, StepUp
from approvals.people.models import Scope, SealedTOTPDevice, User
from approvals.queue.models import StagedVersion, State
from tests.approvals.codes import enrol, enrol_passkey
from tests.approvals.factories import (
    make_account,
    make_decision,
    make_inspection,
    make_provenance_check,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import HTMX, assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> StagedVersion:
    staged_version = make_staged_version("left-pad", "1.5.0")
    make_inspection(staged_version)
    return staged_version


@pytest.fixture
def ada(row: StagedVersion) -> User:
    """Somebody who may decide, and can."""
    user = make_user("ada")
    enrol(user)
    make_account(user, row.registry, username="ada-at-the-registry")
    return user


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


def code_of(user: User) -> str:
    device = SealedTOTPDevice.objects.get(user=user)
    return f"{TOTP(device.bin_key).token():06}"


def open_page(client: Client, row: StagedVersion, action: str) -> HttpResponse:
    response = client.get(reverse(f"confirm_{action}", args=[row.pk]))
    assert response.status_code == 200
    return response


def send(client: Client, row: StagedVersion, action: str, **typed: str) -> HttpResponse:
    return client.post(reverse(f"confirm_{action}", args=[row.pk]), typed)


def seen_in(response: HttpResponse) -> str:
    return response.content.decode().split('name="seen" value="')[1].split('"')[0]


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_page_names_exactly_what_will_happen(
    client: Client, row: StagedVersion, action: str
) -> None:
    response = open_page(client, row, action)
    assert_strict(response)
    assert "no-store" in response["Cache-Control"]
    text = text_of(response)
    for words in (
        "left-pad@1.5.0",
        row.registry.name,
        row.registry.url,
        row.shasum,
        row.sha512,
        str(row.stage_id),
        "ada-at-the-registry",
        "2 files",
    ):
        assert words in text
    if action == "approve":
        assert "This version becomes installable by everyone" in text
        assert "as dist-tag latest" in text
        assert "Approve: make 1.5.0 installable by everyone as latest" in text
        assert "Reason" not in text
    else:
        assert "This staged version is deleted" in text
        assert "Reject: delete 1.5.0 from the registry for good" in text
        assert "Reason" in text
    html = response.content.decode()
    assert 'autocomplete="one-time-code"' in html
    assert 'inputmode="numeric"' in html


def test_approving_with_a_fresh_code(client: Client, ada: User, row: StagedVersion) -> None:
    seen = seen_in(open_page(client, row, "approve"))
    response = send(client, row, "approve", seen=seen, code=code_of(ada))
    assert response.status_code == 302
    assert response["Location"] == reverse("version", args=[row.pk])
    text = text_of(client.get(response["Location"]))
    assert "You approved left-pad@1.5.0" in text
    assert "Approved by ada" in text
    row.refresh_from_db()
    assert row.state == State.APPROVING
    assert Decision.objects.get().user == ada


def test_rejecting_with_a_reason(client: Client, ada: User, row: StagedVersion) -> None:
    seen = seen_in(open_page(client, row, "reject"))
    response = send(client, row, "reject", seen=seen, code=code_of(ada), reason="It phones <home>.")
    assert response.status_code == 302
    assert "It phones <home>." in text_of(client.get(response["Location"]))
    row.refresh_from_db()
    assert row.state == State.REJECTING


def test_a_wrong_code_is_refused_forgotten_and_the_reason_kept(
    client: Client, ada: User, row: StagedVersion
) -> None:
    seen = seen_in(open_page(client, row, "reject"))
    wrong = f"{(int(code_of(ada)) + 500_000) % 1_000_000:06}"
    response = send(client, row, "reject", seen=seen, code=wrong, reason="Not this one.")
    html = response.content.decode()
    assert response.status_code == 422
    assert wrong not in html
    assert "Not this one." in html
    assert 'id="id_code_error"' in html
    assert_strict(response)
    row.refresh_from_db()
    assert row.state == State.STAGED
    assert not Decision.objects.exists()


def test_a_used_code_is_refused_on_the_page(client: Client, ada: User, row: StagedVersion) -> None:
    code = code_of(ada)
    seen = seen_in(open_page(client, row, "approve"))
    assert send(client, row, "approve", seen=seen, code=code).status_code == 302
    other = make_staged_version("right-pad", "2.0.0")
    make_inspection(other)
    seen = seen_in(open_page(client, other, "approve"))
    response = send(client, other, "approve", seen=seen, code=code)
    assert response.status_code == 422
    assert "used" in text_of(response)
    other.refresh_from_db()
    assert other.state == State.STAGED


def test_rejecting_needs_a_reason_before_any_code_is_spent(
    client: Client, ada: User, row: StagedVersion
) -> None:
    seen = seen_in(open_page(client, row, "reject"))
    response = send(client, row, "reject", seen=seen, code=code_of(ada), reason="   ")
    assert response.status_code == 422
    assert 'id="id_reason_error"' in response.content.decode()
    again = send(
        client, row, "reject", seen=seen_in(response), code=code_of(ada), reason="It is bad."
    )
    assert again.status_code == 302


def test_a_page_for_rejecting_does_not_approve(
    client: Client, ada: User, row: StagedVersion
) -> None:
    code = code_of(ada)
    seen = seen_in(open_page(client, row, "reject"))
    response = send(client, row, "approve", seen=seen, code=code)
    assert response.status_code == 422
    assert "look once more at what it says" in text_of(response)
    assert not Decision.objects.exists()
    # The code was not tried: it is good for what the page says now.
    assert send(client, row, "approve", seen=seen_in(response), code=code).status_code == 302


def test_what_changed_since_the_page_was_shown_is_not_decided(
    client: Client, ada: User, row: StagedVersion
) -> None:
    seen = seen_in(open_page(client, row, "approve"))
    StagedVersion.objects.filter(pk=row.pk).update(shasum="9" * 40)
    response = send(client, row, "approve", seen=seen, code=code_of(ada))
    assert response.status_code == 409
    assert "You cannot approve this now" in text_of(response)
    assert "9" * 40 in text_of(response)
    assert not Decision.objects.exists()


def test_a_form_that_is_not_whole_decides_nothing(
    client: Client, ada: User, row: StagedVersion
) -> None:
    response = send(client, row, "approve", seen="nonsense", code=code_of(ada))
    assert response.status_code == 422
    assert "was not complete" in text_of(response)
    assert not Decision.objects.exists()


def test_neither_code_nor_passkey_is_said(client: Client, ada: User, row: StagedVersion) -> None:
    response = send(client, row, "approve", seen=seen_in(open_page(client, row, "approve")))
    assert response.status_code == 422
    assert "Enter the code that your app shows" in text_of(response)
    assert not StepUp.objects.exists()


def test_somebody_else_was_faster(client: Client, ada: User, row: StagedVersion) -> None:
    seen = seen_in(open_page(client, row, "approve"))
    make_decision(row, make_user("grace"))
    response = send(client, row, "approve", seen=seen, code=code_of(ada))
    assert response.status_code == 409
    assert "It is being approved at this moment." in text_of(response)
    assert '<form method="post" class="panel"' not in response.content.decode()
    assert Decision.objects.count() == 1


def test_a_viewer_is_told_why_and_gets_no_form(row: StagedVersion) -> None:
    viewer = sign_in(make_user(role="viewer"))
    response = viewer.get(reverse("confirm_approve", args=[row.pk]))
    assert response.status_code == 403
    assert "Your role only lets you look" in text_of(response)
    assert 'name="code"' not in response.content.decode()
    assert not StepUp.objects.exists()
    posted = send(viewer, row, "approve", seen="0" * 64, code="123456")
    assert posted.status_code == 403
    assert not Decision.objects.exists()


def test_without_totp_and_account_the_page_leads_to_both(row: StagedVersion) -> None:
    response = sign_in(make_user()).get(reverse("confirm_approve", args=[row.pk]))
    html, text = response.content.decode(), text_of(response)
    assert response.status_code == 409
    assert "Set up a TOTP device first" in text or "authenticator" in text
    assert "Link your own account" in text
    assert reverse("security") in html
    assert reverse("accounts") in html


def test_what_was_not_compared_cannot_be_approved(ada: User) -> None:
    row = make_staged_version("fresh")
    response = sign_in(ada).get(reverse("confirm_approve", args=[row.pk]))
    assert response.status_code == 409
    assert "has not been compared yet" in text_of(response)


def test_looking_at_the_page_writes_nothing(client: Client, row: StagedVersion) -> None:
    first = seen_in(open_page(client, row, "approve"))
    assert first == seen_in(open_page(client, row, "approve"))
    assert first != seen_in(open_page(client, row, "reject"))
    assert not StepUp.objects.exists()


def test_answering_the_registry(client: Client, ada: User, row: StagedVersion) -> None:
    item = make_decision(
        row,
        ada,
        item_state=ItemState.ASKING,
        question="Enter a code.",
        asked_until=timezone.now() + timedelta(minutes=5),
    )
    url = reverse("answer_registry", args=[row.pk])
    empty = client.post(url, {"registry_code": ""}, follow=True)
    assert "Enter the code" in text_of(empty)
    sent = client.post(url, {"registry_code": "123456"}, follow=True)
    assert "123456" not in sent.content.decode()
    item.refresh_from_db()
    assert item.state == ItemState.WAITING


def test_nobody_else_answers_for_the_person_who_decided(ada: User, row: StagedVersion) -> None:
    item = make_decision(
        row,
        ada,
        item_state=ItemState.ASKING,
        asked_until=timezone.now() + timedelta(minutes=5),
    )
    response = sign_in(make_user("grace")).post(
        reverse("answer_registry", args=[row.pk]), {"registry_code": "123456"}, follow=True
    )
    assert "Only the person who decided can answer" in text_of(response)
    item.refresh_from_db()
    assert item.state == ItemState.ASKING


def test_there_is_nothing_to_answer(client: Client, row: StagedVersion) -> None:
    response = client.post(
        reverse("answer_registry", args=[row.pk]), {"registry_code": "123456"}, follow=True
    )
    assert "Nothing is being decided here." in text_of(response)
    assert not DecisionItem.objects.exists()


def test_a_decision_needs_the_token_of_the_form(ada: User, row: StagedVersion) -> None:
    client = Client(enforce_csrf_checks=True)
    sign_in(ada, client)
    response = client.post(reverse("confirm_approve", args=[row.pk]), {"code": code_of(ada)})
    assert response.status_code == 403
    assert "too old" in unescape(response.content.decode())
    assert not Decision.objects.filter(action=Action.APPROVE).exists()


def test_who_decided_can_call_it_off_while_the_registry_asks(
    client: Client, ada: User, row: StagedVersion
) -> None:
    item = make_decision(row, ada, item_state=ItemState.ASKING, question="Enter the code.")
    url = reverse("call_off", args=[row.pk])
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert f'<form method="post" action="{url}">' in html
    assert client.get(url).status_code == 405
    text = text_of(client.post(url, follow=True))
    assert "Called off: 1.5.0 waits in the queue again." in text
    assert "Approve: make 1.5.0 installable" in text
    row.refresh_from_db()
    item.refresh_from_db()
    assert (row.state, item.state) == (State.STAGED, ItemState.FAILED)
    assert "nothing was called off" in text_of(client.post(url, follow=True))


def test_what_is_out_at_the_registry_stays_there_when_it_is_called_off(
    client: Client, ada: User, row: StagedVersion
) -> None:
    make_decision(row, ada, item_state=ItemState.SENT)
    url = reverse("call_off", args=[row.pk])
    assert url not in client.get(reverse("version", args=[row.pk])).content.decode()
    assert "waits in the queue again" not in text_of(client.post(url, follow=True))
    row.refresh_from_db()
    assert row.state == State.APPROVING
    # Whatever became of it, it is not sent once more.
    assert Decision.objects.get().called_off_at is not None


def test_nobody_else_can_call_it_off(client: Client, row: StagedVersion) -> None:
    url = reverse("call_off", args=[row.pk])
    assert client.post(url).status_code == 404
    make_decision(row, make_user("grace"), item_state=ItemState.ASKING, question="The code?")
    assert url not in client.get(reverse("version", args=[row.pk])).content.decode()
    assert client.post(url).status_code == 403
    row.refresh_from_db()
    assert row.state == State.APPROVING
    assert client.post(reverse("call_off", args=[row.pk + 1])).status_code == 404


# ---------- several at once


@pytest.fixture
def rows(row: StagedVersion) -> list[StagedVersion]:
    others = [make_staged_version(name, "2.0.0") for name in ("mid-pad", "right-pad")]
    for one in others:
        make_inspection(one)
    return [row, *others]


def keys_of(rows: list[StagedVersion]) -> list[str]:
    return [str(one.pk) for one in rows]


def test_several_versions_are_named_and_decided_together(
    client: Client, ada: User, rows: list[StagedVersion]
) -> None:
    url = reverse("confirm_approve_several")
    page = client.get(url, {"version": keys_of(rows)})
    assert_strict(page)
    text = text_of(page)
    for one in rows:
        assert f"{one.package.name} {one.version}" in text
        assert one.shasum in text
        assert str(one.stage_id) in text
    assert "Approve 3 versions: make them installable by everyone" in text
    response = client.post(
        url, {"version": keys_of(rows), "seen": seen_in(page), "code": code_of(ada)}
    )
    decision = Decision.objects.get()
    assert response["Location"] == reverse("decision", args=[decision.pk])
    text = text_of(client.get(response["Location"]))
    assert "You approved 3 versions." in text
    assert "0 of 3 accepted" in text
    assert {item.staged_version for item in decision.items.all()} == set(rows)


def test_another_choice_than_the_one_shown_is_not_decided(
    client: Client, ada: User, rows: list[StagedVersion]
) -> None:
    url = reverse("confirm_approve_several")
    page = client.get(url, {"version": keys_of(rows[:2])})
    response = client.post(
        url, {"version": keys_of(rows), "seen": seen_in(page), "code": code_of(ada)}
    )
    assert response.status_code == 422
    assert "look once more at what it says" in text_of(response)
    assert not Decision.objects.exists()


def test_one_that_stands_in_the_way_can_be_left_out(
    client: Client, rows: list[StagedVersion]
) -> None:
    stuck = make_staged_version("not-compared", "1.0.0")
    page = client.get(reverse("confirm_approve_several"), {"version": keys_of([*rows, stuck])})
    assert page.status_code == 409
    text = text_of(page)
    assert "1 of 4 cannot be decided" in text
    assert "Go on with the other 3" in text
    assert 'name="code"' not in page.content.decode()
    rest = "?" + "".join(f"version={one.pk}&amp;" for one in rows)
    assert f'href="{rest}"' in page.content.decode()


@pytest.mark.parametrize("chosen", [[], ["0"], ["nonsense"], ["9" * 30], ["\u0661"], ["123456789"]])
def test_nothing_that_is_here_was_chosen(client: Client, chosen: list[str]) -> None:
    response = client.get(reverse("confirm_approve_several"), {"version": chosen}, follow=True)
    assert "Tick the versions to decide first" in text_of(response)


def test_more_than_fit_on_a_page_are_not_decided_at_once(client: Client) -> None:
    chosen = [str(number) for number in range(1, 102)]
    response = client.get(reverse("confirm_approve_several"), {"version": chosen}, follow=True)
    assert "between 1 and 100 at once" in text_of(response)


def queries_for(client: Client, ada: User, number: int) -> tuple[int, int]:
    """How many queries the confirmation of so many versions takes, and deciding them."""
    rows = [make_staged_version(f"package-{number}-{one}") for one in range(number)]
    for row in rows:
        make_inspection(row)
        make_provenance_check(row)
    address, chosen = reverse("confirm_approve_several"), [row.pk for row in rows]
    with CaptureQueriesContext(connection) as shown:
        page = client.get(address, {"version": chosen})
    SealedTOTPDevice.objects.update(last_t=-1)
    form = {"version": chosen, "seen": seen_in(page), "code": code_of(ada)}
    with CaptureQueriesContext(connection) as sent:
        assert client.post(address, form).status_code == 302
    return len(shown), len(sent)


def test_deciding_many_asks_the_database_as_often_as_deciding_few(
    client: Client, ada: User
) -> None:
    queries_for(client, ada, 2)
    few, many = queries_for(client, ada, 3), queries_for(client, ada, 23)
    assert many == few


# ---------- by passkey


def intent_of(client: Client, row: StagedVersion, action: str, **typed: str) -> HttpResponse:
    return client.post(reverse(f"{action}_intent"), {"version": row.pk, **typed})


def test_approving_with_a_passkey(client: Client, ada: User, row: StagedVersion) -> None:
    device = enrol_passkey(ada)
    page = open_page(client, row, "approve")
    html = page.content.decode()
    assert f'data-passkey="{reverse("approve_intent")}"' in html
    assert html.index("data-passkey-button") < html.index('name="code"')
    asked = intent_of(client, row, "approve", seen=seen_in(page)).json()
    assert "no-store" in intent_of(client, row, "approve", seen=seen_in(page))["Cache-Control"]
    signed = device.get(asked["options"])
    response = send(
        client,
        row,
        "approve",
        seen=seen_in(page),
        intent=asked["fields"]["intent"],
        assertion=signed,
    )
    assert response.status_code == 302
    decision = Decision.objects.get()
    assert (decision.user, decision.step_up.method) == (ada, "passkey")


def test_an_intent_that_cannot_be_is_refused_in_words(
    client: Client, ada: User, row: StagedVersion
) -> None:
    enrol_passkey(ada)
    seen = seen_in(open_page(client, row, "reject"))
    without_reason = intent_of(client, row, "reject", seen=seen)
    assert without_reason.status_code == 422
    assert "Say why" in without_reason.json()["error"]
    swapped = intent_of(client, row, "approve", seen=seen)
    assert swapped.status_code == 422
    assert "look once more" in swapped.json()["error"]
    gone = client.post(reverse("approve_intent"), {"version": row.pk + 1, "seen": seen})
    assert gone.status_code == 422
    assert not StepUp.objects.exists()


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_what_is_typed_beside_an_intent_is_in_no_answer_and_no_report_of_an_error(
    client: Client, row: StagedVersion, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """The browser sends the whole form, with whatever codes stand in it by then."""
    secrets = {"code": "735190", "registry_code": "rc-846213", "assertion": "signed-by-ada"}
    refused = intent_of(client, row, action, seen="0" * 64, reason="because", **secrets)
    assert refused.status_code == 422
    reports = []

    def report(sender: object, request: HttpRequest, **more: object) -> None:
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    def breaks(**given: object) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr("approvals.web.views.decisions.open_intent", breaks)
    client.raise_request_exception = False
    got_request_exception.connect(report)
    try:
        intent_of(client, row, action, seen="0" * 64, reason="because", **secrets)
    finally:
        got_request_exception.disconnect(report)
    assert len(reports) == 1
    assert "because" in reports[0]
    for secret in secrets.values():
        assert secret not in reports[0] + refused.content.decode()


def test_a_reason_that_was_not_signed_is_not_written_down(
    client: Client, ada: User, row: StagedVersion
) -> None:
    device = enrol_passkey(ada)
    seen = seen_in(open_page(client, row, "reject"))
    asked = intent_of(client, row, "reject", seen=seen, reason="It phones home.").json()
    response = send(
        client,
        row,
        "reject",
        seen=seen,
        reason="A typo.",
        intent=asked["fields"]["intent"],
        assertion=device.get(asked["options"]),
    )
    assert response.status_code == 422
    assert not Decision.objects.exists()


# ---------- following it


def test_a_decision_is_not_shown_to_whom_its_packages_are_not(
    ada: User, row: StagedVersion
) -> None:
    item = make_decision(row, ada)
    url = reverse("decision", args=[item.decision_id])
    narrow = make_user("eve")
    Scope.objects.create(user=narrow, packages="@other/*")
    assert sign_in(ada).get(url).status_code == 200
    assert sign_in(narrow).get(url).status_code == 404
    polled = sign_in(narrow).get(reverse("decision_status", args=[item.decision_id]), headers=HTMX)
    assert polled.status_code == 404


def test_the_page_of_a_decision_asks_for_news_until_there_are_no_more(
    client: Client, ada: User, row: StagedVersion
) -> None:
    item = make_decision(row, ada)
    url = reverse("decision_status", args=[item.decision_id])
    first = client.get(url, headers=HTMX)
    html = first.content.decode()
    assert 'hx-trigger="every 2s"' in html
    seen = html.split('name="seen" value="')[1].split('"')[0]
    assert client.get(url, {"seen": seen}, headers=HTMX).status_code == 204
    assert client.get(url).status_code == 302
    DecisionItem.objects.filter(pk=item.pk).update(
        state=ItemState.FAILED, outcome="It <b>broke</b>"
    )
    last = client.get(url, {"seen": seen}, headers=HTMX).content.decode()
    assert "hx-trigger" not in last
    assert "It &lt;b&gt;broke&lt;/b&gt;" in last


def test_what_may_be_an_attack_is_named_before_all_of_them_are_approved(
    client: Client, row: StagedVersion
) -> None:
    # One with a new install script, and two without.
    calm = [make_staged_version(name, "2.0.0") for name in ("mid-pad", "right-pad")]
    for one in calm:
        make_inspection(one, findings=[])
    url = reverse("confirm_approve_several")
    page = client.get(url, {"version": keys_of([row, *calm])})
    text = text_of(page)
    assert "1 of 3 has something that may be an attack or an accident" in text
    assert "left-pad@1.5.0 . Look at it below. Leave it out" in text
    rest = "?" + "".join(f"version={one.pk}&amp;" for one in calm)
    assert f'href="{rest}"' in page.content.decode()
    assert "an attack or an accident" not in text_of(client.get(url, {"version": keys_of(calm)}))

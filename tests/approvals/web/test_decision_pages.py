from datetime import timedelta
from html import unescape

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP

from approvals.decisions.models import Action, Decision, DecisionItem, ItemState, StepUp
from approvals.people.models import SealedTOTPDevice, User
from approvals.people.totp import begin_enrolment
from approvals.queue.models import StagedVersion, State
from tests.approvals.factories import (
    make_account,
    make_decision,
    make_inspection,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import assert_strict, sign_in, text_of

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
    begin_enrolment(user)
    SealedTOTPDevice.objects.filter(user=user).update(confirmed=True)
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


def step_up_in(response: HttpResponse) -> str:
    return response.content.decode().split('name="step_up" value="')[1].split('"')[0]


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
    step_up = step_up_in(open_page(client, row, "approve"))
    response = send(client, row, "approve", step_up=step_up, code=code_of(ada))
    assert response.status_code == 302
    assert response["Location"] == reverse("version", args=[row.pk])
    text = text_of(client.get(response["Location"]))
    assert "You approved left-pad@1.5.0" in text
    assert "Approved by ada" in text
    row.refresh_from_db()
    assert row.state == State.APPROVING
    assert Decision.objects.get().user == ada


def test_rejecting_with_a_reason(client: Client, ada: User, row: StagedVersion) -> None:
    step_up = step_up_in(open_page(client, row, "reject"))
    response = send(
        client, row, "reject", step_up=step_up, code=code_of(ada), reason="It phones <home>."
    )
    assert response.status_code == 302
    assert "It phones <home>." in text_of(client.get(response["Location"]))
    row.refresh_from_db()
    assert row.state == State.REJECTING


def test_a_wrong_code_is_refused_forgotten_and_the_reason_kept(
    client: Client, ada: User, row: StagedVersion
) -> None:
    step_up = step_up_in(open_page(client, row, "reject"))
    wrong = f"{(int(code_of(ada)) + 500_000) % 1_000_000:06}"
    response = send(client, row, "reject", step_up=step_up, code=wrong, reason="Not this one.")
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
    step_up = step_up_in(open_page(client, row, "approve"))
    assert send(client, row, "approve", step_up=step_up, code=code).status_code == 302
    other = make_staged_version("right-pad", "2.0.0")
    make_inspection(other)
    step_up = step_up_in(open_page(client, other, "approve"))
    response = send(client, other, "approve", step_up=step_up, code=code)
    assert response.status_code == 422
    assert "used" in text_of(response)
    other.refresh_from_db()
    assert other.state == State.STAGED


def test_rejecting_needs_a_reason_before_any_code_is_spent(
    client: Client, ada: User, row: StagedVersion
) -> None:
    step_up = step_up_in(open_page(client, row, "reject"))
    response = send(client, row, "reject", step_up=step_up, code=code_of(ada), reason="   ")
    assert response.status_code == 422
    assert 'id="id_reason_error"' in response.content.decode()
    again = send(
        client, row, "reject", step_up=step_up_in(response), code=code_of(ada), reason="It is bad."
    )
    assert again.status_code == 302


def test_a_confirmation_for_rejecting_does_not_approve(
    client: Client, ada: User, row: StagedVersion
) -> None:
    step_up = step_up_in(open_page(client, row, "reject"))
    response = send(client, row, "approve", step_up=step_up, code=code_of(ada))
    assert response.status_code == 422
    assert not Decision.objects.exists()


def test_an_expired_confirmation_is_said_and_the_page_brings_a_new_one(
    client: Client, ada: User, row: StagedVersion
) -> None:
    step_up = step_up_in(open_page(client, row, "approve"))
    StepUp.objects.filter(pk=step_up).update(
        opened_at=timezone.now() - timedelta(seconds=settings.CONFIRMATION_SECONDS + 1)
    )
    response = send(client, row, "approve", step_up=step_up, code=code_of(ada))
    assert response.status_code == 422
    assert "expired" in text_of(response)
    assert step_up_in(response) != step_up


def test_a_form_without_its_confirmation_decides_nothing(
    client: Client, ada: User, row: StagedVersion
) -> None:
    response = send(client, row, "approve", step_up="nonsense", code=code_of(ada))
    assert response.status_code == 422
    assert "was not complete" in text_of(response)
    assert not Decision.objects.exists()


def test_somebody_else_was_faster(client: Client, ada: User, row: StagedVersion) -> None:
    step_up = step_up_in(open_page(client, row, "approve"))
    make_decision(row, make_user("grace"))
    response = send(client, row, "approve", step_up=step_up, code=code_of(ada))
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
    posted = send(viewer, row, "approve", step_up="0" * 32, code="123456")
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


def test_each_look_at_the_page_opens_one_confirmation(client: Client, row: StagedVersion) -> None:
    first = step_up_in(open_page(client, row, "approve"))
    second = step_up_in(open_page(client, row, "approve"))
    assert first != second
    assert StepUp.objects.count() == 2
    assert not StepUp.objects.filter(proved_at__isnull=False).exists()


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
    assert "The code is on its way to the registry." in text_of(sent)
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
    client.force_login(ada, backend="allauth.account.auth_backends.AuthenticationBackend")
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


def test_what_is_out_at_the_registry_cannot_be_called_off(
    client: Client, ada: User, row: StagedVersion
) -> None:
    make_decision(row, ada, item_state=ItemState.SENT)
    url = reverse("call_off", args=[row.pk])
    assert url not in client.get(reverse("version", args=[row.pk])).content.decode()
    assert "nothing was called off" in text_of(client.post(url, follow=True))
    row.refresh_from_db()
    assert row.state == State.APPROVING


def test_nobody_else_can_call_it_off(client: Client, row: StagedVersion) -> None:
    url = reverse("call_off", args=[row.pk])
    assert client.post(url).status_code == 404
    make_decision(row, make_user("grace"), item_state=ItemState.ASKING, question="The code?")
    assert url not in client.get(reverse("version", args=[row.pk])).content.decode()
    assert client.post(url).status_code == 403
    row.refresh_from_db()
    assert row.state == State.APPROVING
    assert client.post(reverse("call_off", args=[row.pk + 1])).status_code == 404

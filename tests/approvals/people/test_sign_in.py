"""What is written down of signing in, and who is told of a change of how one does."""

import pytest
from django.core import mail
from django.urls import reverse

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.notifications.tell import tell
from approvals.people import github, sign_in
from approvals.people.membership import change_profile
from approvals.people.models import User
from tests.approvals.factories import make_user
from tests.approvals.web.pages import sign_in as let_in

pytestmark = pytest.mark.django_db

PASSWORD = "a long password"


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.mark.parametrize("name", ["ana", "ANA", "ana@example.org", "Ana@Example.ORG"])
def test_a_person_is_known_by_name_and_address_in_any_case(ana: User, name: str) -> None:
    assert sign_in.person_called(name) == ana


@pytest.mark.parametrize("name", ["", "an", "ana@", "ana ", "example.org", "%", "a_a"])
def test_nobody_is_known_by_half_a_name(ana: User, name: str) -> None:
    assert sign_in.person_called(name) is None


def test_another_password_is_told_to_its_person_and_nobody_else(ana: User) -> None:
    make_user("ben")
    sign_in.change_password(ana, "correct horse battery", by_mail=True)
    tell()
    (letter,) = mail.outbox
    assert letter.to == ["ana@example.org"]
    assert "password of your account was changed" in str(letter.body)
    assert "correct horse" not in str(letter.body)
    (event,) = AuditEvent.objects.filter(kind="person.password_changed")
    assert "correct horse" not in str(event.detail)


def test_an_address_that_stays_is_told_to_nobody(ana: User) -> None:
    change_profile(ana, first_name="A", last_name="", wants_email=True, email="ana@example.org")
    tell()
    assert mail.outbox == []


def test_a_refused_change_of_address_is_told_to_nobody(ana: User) -> None:
    browser = let_in(ana)
    browser.post(reverse("profile"), {"email": "eve@example.org", "password": "wrong"})
    tell()
    assert mail.outbox == []
    assert not OutboxEvent.objects.filter(topic="person.email_changed").exists()


def test_each_address_of_several_moves_hears_of_its_own(ana: User) -> None:
    browser = let_in(ana)
    for email in ("second@example.org", "third@example.org"):
        browser.post(reverse("profile"), {"email": email, "password": PASSWORD})
    tell()
    assert [letter.to for letter in mail.outbox] == [["ana@example.org"], ["second@example.org"]]


def test_who_asked_for_no_mail_hears_of_it_all_the_same(ana: User) -> None:
    User.objects.update(wants_email=False)
    let_in(ana).post(reverse("profile"), {"email": "new@example.org", "password": PASSWORD})
    tell()
    assert [letter.to for letter in mail.outbox] == [["ana@example.org"]]


def test_disconnecting_what_is_not_connected_is_told_to_nobody(ana: User) -> None:
    assert not github.disconnect(ana)
    assert not OutboxEvent.objects.exists()
    assert not AuditEvent.objects.filter(kind="github.disconnected").exists()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"login": "ana-gh", "email": "a@example.org", "bio": "x" * 9000}, {"login": "ana-gh"}),
        ({"login": None}, {"login": ""}),
        ({"login": "x" * 500}, {"login": "x" * 100}),
        ({}, {"login": ""}),
    ],
    ids=["whole", "none", "long", "empty"],
)
def test_of_a_github_profile_only_the_name_is_kept(
    sent: dict[str, object], kept: dict[str, str]
) -> None:
    assert github.kept_of(sent) == kept

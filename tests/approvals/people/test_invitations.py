"""Invitations: one person, one time, 72 hours."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.people.invitations import (
    InvitationRefused,
    NewPerson,
    accept,
    find,
    open_invitations,
    withdraw,
)
from approvals.people.models import Invitation, Role, User
from tests.approvals.factories import make_user
from tests.approvals.managing import invite

pytestmark = pytest.mark.django_db

BEN = NewPerson("ben", "Ben@Example.org", "correct horse battery", "Ben", "Bo")


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


def test_an_invitation_makes_one_account_with_its_role(chief: User) -> None:
    invitation, token = invite(actor=chief, role=Role.APPROVER, note="for Ben")
    ben = accept(token, BEN)
    assert (ben.role, ben.email, ben.get_full_name()) == (
        Role.APPROVER,
        "ben@example.org",
        "Ben Bo",
    )
    assert ben.check_password(BEN.password)
    assert (ben.is_superuser, ben.is_staff) == (False, False)
    invitation.refresh_from_db()
    assert invitation.accepted_by == ben
    kinds = AuditEvent.objects.order_by("sequence").values_list("kind", "actor_name")
    assert list(kinds) == [("invitation.made", "chief"), ("invitation.accepted", "ben")]


def test_a_used_invitation_lets_nobody_else_in(chief: User) -> None:
    _, token = invite(actor=chief, role=Role.APPROVER)
    accept(token, BEN)
    with pytest.raises(InvitationRefused, match="not valid"):
        accept(token, replace(BEN, username="eve", email="eve@example.org"))
    assert not User.objects.filter(username="eve").exists()


def test_an_invitation_ends_after_72_hours(chief: User) -> None:
    invitation, token = invite(actor=chief, role=Role.VIEWER)
    left = invitation.expires_at - timezone.now()
    assert timedelta(hours=71, minutes=59) < left <= timedelta(hours=72)
    Invitation.objects.update(expires_at=timezone.now())
    with pytest.raises(InvitationRefused, match="not valid"):
        accept(token, BEN)
    assert not open_invitations().exists()


def test_a_withdrawn_invitation_lets_nobody_in(chief: User) -> None:
    invitation, token = invite(actor=chief, role=Role.VIEWER)
    withdraw(invitation, actor=chief)
    with pytest.raises(InvitationRefused, match="not valid"):
        accept(token, BEN)
    with pytest.raises(InvitationRefused, match="used or withdrawn already"):
        withdraw(invitation, actor=chief)
    assert AuditEvent.objects.filter(kind="invitation.withdrawn").count() == 1


def test_a_used_invitation_cannot_be_withdrawn(chief: User) -> None:
    invitation, token = invite(actor=chief, role=Role.VIEWER)
    accept(token, BEN)
    with pytest.raises(InvitationRefused, match="used or withdrawn already"):
        withdraw(invitation, actor=chief)


@pytest.mark.parametrize("loses", [{"is_active": False}, {"role": Role.APPROVER}])
def test_invitations_of_somebody_who_may_no_longer_invite_are_worthless(
    chief: User, loses: dict[str, object]
) -> None:
    _, token = invite(actor=chief, role=Role.ADMINISTRATOR)
    User.objects.filter(pk=chief.pk).update(**loses)
    with pytest.raises(InvitationRefused, match="not valid"):
        accept(token, BEN)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_only_administrators_invite_and_withdraw(chief: User, role: Role) -> None:
    somebody = make_user(role=role)
    with pytest.raises(InvitationRefused, match="Only an administrator"):
        invite(actor=somebody, role=Role.ADMINISTRATOR)
    invitation, _ = invite(actor=chief, role=Role.VIEWER)
    with pytest.raises(InvitationRefused, match="Only an administrator"):
        withdraw(invitation, actor=somebody)


def test_a_role_that_does_not_exist_is_refused(chief: User) -> None:
    with pytest.raises(InvitationRefused, match="Choose a role"):
        invite(actor=chief, role="owner")


def test_the_token_is_not_in_the_database(chief: User) -> None:
    _, token = invite(actor=chief, role=Role.VIEWER)
    with connection.cursor() as cursor:
        for table in ("people_invitation", "audit_auditevent"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - the two names above
            assert token not in str(cursor.fetchall())


@pytest.mark.parametrize("token", ["", "x", "ü" * 43, "a" * 10_000])
def test_guessed_links_find_nothing(chief: User, token: str) -> None:
    invite(actor=chief, role=Role.VIEWER)
    with pytest.raises(InvitationRefused, match="not valid"):
        find(token)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "CHIEF"}, "__all__"),
        ({"username": "chief@example.org"}, "username"),
        ({"username": "сhief"}, "username"),  # noqa: RUF001 - a Cyrillic letter, that is the attack
        ({"username": ""}, "username"),
        ({"username": "a" * 151}, "username"),
        ({"email": "Chief@example.org"}, "__all__"),
        ({"email": "nonsense"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"username": "benedictus", "password": "benedictus1"}, "password"),
        ({"first_name": "a" * 151}, "first_name"),
        ({"first_name": "a\u202eda"}, "first_name"),
        ({"last_name": "(chief)"}, "last_name"),
    ],
)
def test_what_cannot_be_taken_leaves_the_invitation_open(
    chief: User, change: dict[str, str], field: str
) -> None:
    _, token = invite(actor=chief, role=Role.VIEWER)
    with pytest.raises(ValidationError) as refusal:
        accept(token, replace(BEN, **change))
    assert set(refusal.value.message_dict) == {field}
    assert User.objects.count() == 1
    accept(token, BEN)


def test_the_password_is_not_in_the_representation() -> None:
    assert BEN.password not in repr(BEN)


@pytest.mark.django_db(transaction=True)
def test_two_browsers_with_the_same_link_one_gets_in(chief: User) -> None:
    _, token = invite(actor=chief, role=Role.APPROVER)
    outcomes: list[str] = []
    start = threading.Barrier(3)

    def come_in(name: str) -> None:
        start.wait()
        try:
            accept(token, replace(BEN, username=name, email=f"{name}@example.org"))
            outcomes.append("in")
        except InvitationRefused:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=come_in, args=[f"guest{n}"]) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["in", "refused", "refused"]
    assert User.objects.exclude(pk=chief.pk).count() == 1

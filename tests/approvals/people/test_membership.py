"""Roles and access: only administrators change them, and one is always left."""

import threading

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connections, transaction

from approvals.audit.models import AuditEvent
from approvals.people.invitations import InvitationRefused, find
from approvals.people.membership import PersonNotChanged, deactivate
from approvals.people.models import RegistryAccount, Role, User
from approvals.people.permissions import may_decide, may_decide_anything, may_manage
from approvals.people.scopes import Reach
from approvals.people.setup import missing_setup
from tests.approvals.codes import enrol
from tests.approvals.factories import make_account, make_registry, make_user
from tests.approvals.managing import change_role, invite, reactivate
from tests.approvals.web.pages import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def ana() -> User:
    return make_user("ana")


def test_a_role_changes_what_a_person_may(chief: User, ana: User) -> None:
    change_role(ana, Role.VIEWER, actor=chief)
    ana.refresh_from_db()
    assert not may_decide_anything(ana)
    change_role(ana, Role.ADMINISTRATOR, actor=chief)
    ana.refresh_from_db()
    assert may_manage(ana)
    details = AuditEvent.objects.filter(kind="person.role_changed").order_by("sequence")
    assert [event.detail for event in details] == [
        {"before": "approver", "after": "viewer"},
        {"before": "viewer", "after": "administrator"},
    ]


def test_a_role_over_some_packages(chief: User, ana: User) -> None:
    url = "https://npm.registry.example.org/"
    change_role(ana, Role.APPROVER, actor=chief, reaches=[Reach(url, "@acme/*"), Reach("", "x")])
    ana.refresh_from_db()
    assert may_decide(ana, url, "@acme/ui")
    assert not may_decide(ana, url, "left-pad")
    # Another role keeps them, unless it is said otherwise.
    change_role(ana, Role.RELEASE_MANAGER, actor=chief)
    assert ana.scopes.count() == 2
    change_role(ana, Role.RELEASE_MANAGER, actor=chief, reaches=[])
    ana = User.objects.get(pk=ana.pk)
    assert may_decide(ana, url, "left-pad")
    details = AuditEvent.objects.filter(kind="person.role_changed").order_by("sequence")
    assert [event.detail for event in details] == [
        {
            "before": "approver",
            "after": "approver",
            "scopes_before": [],
            "scopes_after": ["x at every registry", f"@acme/* at {url}"],
        },
        {"before": "approver", "after": "release_manager"},
        {
            "before": "release_manager",
            "after": "release_manager",
            "scopes_before": ["x at every registry", f"@acme/* at {url}"],
            "scopes_after": [],
        },
    ]


def test_an_administrator_is_never_scoped(chief: User, ana: User) -> None:
    change_role(ana, Role.VIEWER, actor=chief, reaches=[Reach("", "x")])
    change_role(ana, Role.ADMINISTRATOR, actor=chief, reaches=[Reach("", "x")])
    assert not ana.scopes.exists()


@pytest.mark.parametrize("packages", ["", "a/b/c", "a*b*c*d*e"])
def test_scopes_that_mean_nothing_are_refused(chief: User, ana: User, packages: str) -> None:
    with pytest.raises(PersonNotChanged):
        change_role(ana, Role.VIEWER, actor=chief, reaches=[Reach("", packages)])
    ana.refresh_from_db()
    assert ana.role == Role.APPROVER


def test_a_deactivated_persons_sessions_never_come_back(chief: User, ana: User) -> None:
    browser = sign_in(ana)
    deactivate(ana, actor=chief)
    assert browser.get("/").status_code == 302
    reactivate(ana, actor=chief)
    assert browser.get("/").status_code == 302


def test_a_demoted_superuser_is_none(chief: User) -> None:
    root = User.objects.create_superuser("root", "root@example.org", "a long password")
    change_role(root, Role.VIEWER, actor=chief)
    root.refresh_from_db()
    assert not may_manage(root)
    assert not may_decide_anything(root)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_nobody_promotes_themselves(chief: User, role: Role) -> None:
    somebody = make_user(role=role)
    for person in (somebody, chief):
        with pytest.raises(PersonNotChanged, match="Only an administrator"):
            change_role(person, Role.ADMINISTRATOR, actor=somebody)
        with pytest.raises(PersonNotChanged, match="Only an administrator"):
            deactivate(person, actor=somebody)
        with pytest.raises(PersonNotChanged, match="Only an administrator"):
            reactivate(person, actor=somebody)
    assert not AuditEvent.objects.exists()


def test_a_role_that_is_stale_in_memory_does_not_count(chief: User, ana: User) -> None:
    User.objects.filter(pk=chief.pk).update(role=Role.VIEWER)
    assert chief.role == Role.ADMINISTRATOR
    with pytest.raises(PersonNotChanged, match="Only an administrator"):
        change_role(ana, Role.ADMINISTRATOR, actor=chief)


def test_administrators_do_not_shut_themselves_out(chief: User) -> None:
    with pytest.raises(PersonNotChanged, match="another administrator"):
        change_role(chief, Role.APPROVER, actor=chief)
    with pytest.raises(PersonNotChanged, match="another administrator"):
        deactivate(chief, actor=chief)


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_shut_out_each_other(chief: User) -> None:
    other = make_user("other", role=Role.ADMINISTRATOR)
    start = threading.Barrier(2)

    def shut_out(person: User, actor: User) -> None:
        start.wait()
        try:
            deactivate(person, actor=actor)
        except PersonNotChanged:
            pass
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=shut_out, args=pair) for pair in ((chief, other), (other, chief))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert User.objects.filter(is_active=True).count() == 1


def test_a_deactivated_person_keeps_nothing_that_acts(chief: User) -> None:
    gone = make_user("gone", role=Role.ADMINISTRATOR)
    make_account(gone, make_registry())
    _, token = invite(actor=gone, role=Role.ADMINISTRATOR)

    deactivate(gone, actor=chief)

    gone.refresh_from_db()
    assert not may_manage(gone)
    assert not may_decide_anything(gone)
    assert not RegistryAccount.objects.exists()
    reactivate(gone, actor=chief)
    with pytest.raises(InvitationRefused):
        find(token)
    kinds = list(AuditEvent.objects.order_by("sequence").values_list("kind", flat=True))
    assert kinds == [
        "invitation.made",
        "person.deactivated",
        "account.unlinked",
        "invitation.withdrawn",
        "person.reactivated",
    ]


def test_createsuperuser_makes_an_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long password")
    call_command(
        "createsuperuser", interactive=False, username="root", email="Root@Example.org", verbosity=0
    )
    root = User.objects.get()
    assert (root.role, root.email) == (Role.ADMINISTRATOR, "root@example.org")
    assert root.check_password("a long password")
    assert may_manage(root)
    assert AuditEvent.objects.get().kind == "person.added"


@pytest.mark.parametrize(
    ("username", "email"), [("ANA", "other@example.org"), ("other", "ANA@example.org")]
)
def test_the_database_knows_a_person_in_any_case(ana: User, username: str, email: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username=username, email=email)


def test_what_is_still_to_be_set_up(ana: User) -> None:
    here, there = make_registry("here"), make_registry("there")
    registries = {here.url: here.name, there.url: there.name}
    assert [(step.page, step.sentence) for step in missing_setup(ana, registries)] == [
        (
            "security",
            "Add a passkey or an authenticator app: every approval and rejection asks for it.",
        ),
        ("accounts", "Link your own account at here: your decisions are carried out with it."),
        ("accounts", "Link your own account at there: your decisions are carried out with it."),
    ]
    enrol(ana)
    make_account(ana, here)
    make_account(ana, there, refused_at=ana.date_joined)
    (step,) = missing_setup(ana, registries)
    assert "there again: the registry refused its token" in step.sentence
    RegistryAccount.objects.update(refused_at=None)
    assert missing_setup(ana, registries) == []


def test_who_may_only_read_has_nothing_to_set_up() -> None:
    registry = make_registry()
    assert missing_setup(make_user(role=Role.VIEWER), {registry.url: registry.name}) == []

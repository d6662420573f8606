"""The pages of people and invitations: for administrators only, and links that work once."""

import contextlib
import io
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from http import HTTPStatus

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.notifications.tell import tell
from approvals.people import enrolment, factors, invitations
from approvals.people.models import Invitation, Role, Scope, SealedTOTPDevice, TryCount, User
from tests.approvals.codes import code_now, enrol, enrol_passkey, wrong_code
from tests.approvals.factories import make_account, make_registry, make_user
from tests.approvals.managing import fresh_proof, invite
from tests.approvals.web.pages import sign_in, text_of

pytestmark = pytest.mark.django_db

BEN = {"username": "ben", "email": "ben@example.org", "password": "correct horse battery"}


@pytest.fixture(autouse=True)
def _nobody_tried_before() -> None:
    """Forgets the tries that limits were counted from."""
    cache.clear()


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def browser(client: Client, chief: User) -> Client:
    """The administrator's."""
    sign_in(chief, client)
    return client


@pytest.fixture
def ana() -> User:
    return make_user("ana")


def chiefs_code() -> dict[str, str]:
    """What the administrator types to prove to be here."""
    return {"code": fresh_proof(User.objects.get(username="chief")).code}


def invitation_link(browser: Client, **form: str) -> str:
    wanted = {"role": Role.APPROVER, "reach": "everything", "note": "for Ben", **form}
    page = browser.post(reverse("invite"), {**wanted, **chiefs_code()})
    (link,) = re.findall(r'value="(http://[^"]+/invitation/[^"]+)"', page.content.decode())
    return unescape(str(link)).removeprefix("http://testserver")


# ---------- who may


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER])
def test_only_administrators_change_anything(client: Client, chief: User, role: Role) -> None:
    somebody = make_user("somebody", role=role)
    invitation, _ = invite(actor=chief, role=Role.VIEWER)
    sign_in(somebody, client)
    before = AuditEvent.objects.count()
    targets = [reverse("invite"), reverse("invite_options")]
    targets += [reverse("invitation_withdraw", args=[invitation.pk])]
    for person in (chief, somebody):
        targets += [
            reverse(name, args=[person.pk])
            for name in (
                "person_role",
                "person_role_options",
                "person_deactivate",
                "person_reactivate",
                "person_reactivate_options",
                "person_reset_factors",
                "person_reset_options",
            )
        ]
    for address in targets:
        answer = client.post(address, {"role": Role.ADMINISTRATOR, "code": "123456"})
        assert answer.status_code == HTTPStatus.FORBIDDEN, address
    for address in (reverse("invite"), reverse("person", args=[chief.pk])):
        assert client.get(address).status_code == HTTPStatus.FORBIDDEN
    somebody.refresh_from_db()
    assert somebody.role == role
    assert AuditEvent.objects.count() == before


def test_everybody_sees_who_belongs_but_only_administrators_see_addresses(
    client: Client, chief: User, ana: User
) -> None:
    make_account(ana, make_registry(), username="ana-npm")
    invite(actor=chief, role=Role.VIEWER, note="for the new one")
    sign_in(ana, client)
    page = client.get(reverse("people")).content.decode()
    assert "ana-npm" in page
    assert "chief@example.org" not in page
    assert "for the new one" not in page
    assert reverse("invite") not in page
    sign_in(chief, client)
    page = client.get(reverse("people")).content.decode()
    assert "ana@example.org" in page
    assert "for the new one" in page


def test_the_list_takes_as_many_queries_for_many_as_for_few(browser: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("people"))
        return len(captured)

    registry = make_registry()
    make_account(make_user(), registry)
    few = queries()
    for _ in range(10):
        make_account(make_user(), registry)
    assert queries() == few


def test_another_site_cannot_send_forms(chief: User, ana: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    sign_in(chief, browser)
    invitation, token = invite(actor=chief, role=Role.VIEWER)
    for address in (
        reverse("invite"),
        reverse("invitation_withdraw", args=[invitation.pk]),
        reverse("person_role", args=[ana.pk]),
        reverse("person_deactivate", args=[ana.pk]),
    ):
        assert (
            browser.post(address, {"role": "viewer", "reach": "everything"}).status_code
            == HTTPStatus.FORBIDDEN
        )
    guest = Client(enforce_csrf_checks=True)
    assert guest.post(reverse("invitation", args=[token]), BEN).status_code == HTTPStatus.FORBIDDEN
    assert User.objects.count() == 2


# ---------- changing people


def test_changing_a_role(browser: Client, ana: User) -> None:
    address = reverse("person_role", args=[ana.pk])
    page = browser.post(
        address, {"role": Role.VIEWER, "reach": "everything", **chiefs_code()}, follow=True
    ).content.decode()
    ana.refresh_from_db()
    assert ana.role == Role.VIEWER
    assert "ana is now viewer" in page
    page = browser.post(address, {"role": "owner", "reach": "everything"}).content.decode()
    assert "owner is not one of the available choices" in page


def test_a_role_over_some_packages(browser: Client, ana: User) -> None:
    registry = make_registry("npm")
    address = reverse("person_role", args=[ana.pk])
    some = {"role": Role.APPROVER, "reach": "some", "packages_0": "acme-*\r\n\r\n left-pad "}
    wanted = {**some, "packages_1": "@acme/*", **chiefs_code()}
    page = browser.post(address, wanted, follow=True).content.decode()
    assert "Only of the packages named" in page
    assert {(scope.registry_url, scope.packages) for scope in ana.scopes.all()} == {
        ("", "acme-*"),
        ("", "left-pad"),
        (registry.url, "@acme/*"),
    }
    page = browser.get(reverse("person", args=[ana.pk])).content.decode()
    assert re.search(r"<textarea[^>]*>\s*acme-\*\s+left-pad</textarea>", page)
    assert "@acme/*</span> at npm" in page
    browser.post(address, {"role": Role.APPROVER, "reach": "everything", **chiefs_code()})
    assert not ana.scopes.exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"reach": "some"}, "Name some packages below"),
        ({"reach": "some", "packages_0": " \n "}, "Name some packages below"),
        ({"reach": "some", "packages_0": "a/b/c"}, "names no packages"),
        ({"reach": "some", "packages_0": "a*b*c*d*e"}, "more than 3 stars"),
        ({}, "This field is required"),
        ({"packages_0": "left-pad"}, "This field is required"),
    ],
    ids=["nothing", "blank", "no name", "stars", "old form", "no choice"],
)
def test_a_form_that_does_not_say_for_which_packages_changes_nothing(
    browser: Client, ana: User, form: dict[str, str], words: str
) -> None:
    Scope.objects.create(user=ana, packages="left-pad")
    address = reverse("person_role", args=[ana.pk])
    page = browser.post(address, {"role": Role.RELEASE_MANAGER, **form}).content.decode()
    assert words in page
    ana.refresh_from_db()
    assert (ana.role, ana.scopes.get().packages) == (Role.APPROVER, "left-pad")


def test_scopes_at_a_registry_that_is_gone_do_not_fall_away_unseen(
    browser: Client, ana: User
) -> None:
    gone = "https://gone.registry.example.org/"
    Scope.objects.create(user=ana, registry_url=gone, packages="left-pad")
    page = browser.get(reverse("person", args=[ana.pk])).content.decode()
    assert f"Packages at {gone}" in page


def test_an_invitation_for_some_packages(browser: Client) -> None:
    link = invitation_link(browser, reach="some", packages_0="@acme/*")
    assert "@acme/*</span> at every registry" in browser.get(reverse("people")).content.decode()
    guest = Client()
    page = text_of(guest.get(link))
    assert "only for @acme/*" in page
    assert "You do not see other packages." in page
    guest.post(link, {**BEN, "reach": "everything", "packages_0": "*"})
    ben = User.objects.get(username="ben")
    assert [(scope.registry_url, scope.packages) for scope in ben.scopes.all()] == [("", "@acme/*")]


def test_the_link_comes_with_what_it_makes_of_somebody(browser: Client) -> None:
    wanted = {"role": Role.RELEASE_MANAGER, "reach": "some", "packages_0": "@acme/*"}
    page = text_of(browser.post(reverse("invite"), {**wanted, **chiefs_code()}))
    assert "Release manager : may read what waits" in page
    assert "say where a package must come from" in page
    assert "Only the packages @acme/* at every registry" in page


@pytest.mark.parametrize(
    ("packages", "words"),
    [("@acme/*", "only for @acme/*"), ("*", "only for every package at one registry")],
    ids=["some", "all"],
)
def test_an_invitation_names_no_registry_to_who_holds_the_link(
    browser: Client, packages: str, words: str
) -> None:
    registry = make_registry("hush-registry")
    link = invitation_link(browser, reach="some", packages_1=packages)
    page = text_of(Client().get(link))
    assert words in page
    assert registry.name not in page


def test_scopes_of_others_tell_a_scoped_person_nothing(
    client: Client, chief: User, ana: User
) -> None:
    Scope.objects.create(user=ana, packages="left-pad")
    Scope.objects.create(user=make_user("ben"), packages="secret-thing")
    sign_in(ana, client)
    assert "secret-thing" not in client.get(reverse("people")).content.decode()
    cleos = sign_in(make_user("cleo"))
    assert "secret-thing" in cleos.get(reverse("people")).content.decode()


def test_troubles_of_accounts_are_named_with_what_to_do(browser: Client, ana: User) -> None:
    registry = make_registry("npm")
    make_account(ana, registry, forbidden_at=timezone.now(), forbidden_words="<b>You may not</b>")
    page = browser.get(reverse("person", args=[ana.pk])).content.decode()
    assert "npm did not let ana decide" in page
    assert "&lt;b&gt;You may not" in page
    assert "(may not decide there)" in browser.get(reverse("people")).content.decode()


def test_names_and_addresses_are_taken_in_the_same_words(browser: Client) -> None:
    """A link must not be good for finding out who has an account."""
    link = invitation_link(browser)
    make_user("somebody")

    def told(**change: str) -> list[str]:
        page = Client().post(link, {**BEN, **change}).content.decode()
        return re.findall(r'role="alert">(.*?)</div>|class="field__error"[^>]*>(.*?)</div>', page)

    by_name, by_address = told(username="Somebody"), told(email="Somebody@example.org")
    assert by_name == by_address != []


def test_links_cannot_be_guessed_for_long(browser: Client) -> None:
    link = invitation_link(browser)
    guest = Client()
    answers = {
        guest.get(reverse("invitation", args=[f"guess-{number}"])).status_code
        for number in range(25)
    }
    assert answers == {HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS}
    assert guest.get(link).status_code == HTTPStatus.TOO_MANY_REQUESTS
    TryCount.objects.all().delete()
    for _ in range(25):
        assert guest.get(link).status_code == HTTPStatus.OK


def test_addresses_cannot_be_tried_for_long(browser: Client) -> None:
    link = invitation_link(browser)
    guest = Client()
    for number in range(25):
        answer = guest.post(link, {**BEN, "email": "chief@example.org", "username": f"b{number}"})
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert User.objects.count() == 1


def test_deactivating_ends_the_session_of_that_person(browser: Client, ana: User) -> None:
    anas = Client()
    sign_in(ana, anas)
    assert anas.get(reverse("people")).status_code == HTTPStatus.OK
    browser.post(reverse("person_deactivate", args=[ana.pk]))
    assert anas.get(reverse("people")).status_code == HTTPStatus.FOUND
    browser.post(reverse("person_reactivate", args=[ana.pk]), chiefs_code())
    ana.refresh_from_db()
    assert ana.is_active
    assert anas.get(reverse("people")).status_code == HTTPStatus.FOUND


def test_an_administrator_cannot_leave_the_house_without_one(browser: Client, chief: User) -> None:
    for name, data in (
        ("person_deactivate", {}),
        ("person_role", {"role": Role.VIEWER, "reach": "everything"}),
    ):
        page = browser.post(reverse(name, args=[chief.pk]), data, follow=True).content.decode()
        assert "ask another administrator" in page
    chief.refresh_from_db()
    assert (chief.is_active, chief.role) == (True, Role.ADMINISTRATOR)


def test_a_demoted_administrators_open_page_is_worth_nothing(
    browser: Client, chief: User, ana: User
) -> None:
    User.objects.filter(pk=chief.pk).update(role=Role.APPROVER)
    answer = browser.post(
        reverse("person_role", args=[ana.pk]), {"role": Role.ADMINISTRATOR, "reach": "everything"}
    )
    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_lost_factors_are_removed_with_the_administrators_code(
    browser: Client, chief: User, ana: User, mailoutbox: list[EmailMessage]
) -> None:
    enrol(ana)
    enrol(chief)
    address = reverse("person_reset_factors", args=[ana.pk])
    page = browser.post(address, {"code": code_now(ana)}).content.decode()
    assert "code is wrong" in page
    assert factors.has_factor(ana)
    SealedTOTPDevice.objects.update(throttling_failure_count=0)
    anas = Client()
    sign_in(ana, anas)
    browser.post(address, {"code": code_now(chief)})
    assert not factors.has_factor(ana)
    assert factors.has_factor(chief)
    assert anas.get(reverse("people")).status_code == HTTPStatus.FOUND
    assert browser.get(reverse("people")).status_code == HTTPStatus.OK
    tell()
    (mail,) = mailoutbox
    assert mail.to == ["ana@example.org"]
    assert "chief" in str(mail.body)


def test_lost_factors_are_removed_with_the_administrators_passkey(
    browser: Client, chief: User, ana: User
) -> None:
    enrol(ana)
    passkey = enrol_passkey(chief)
    address = reverse("person_reset_factors", args=[ana.pk])
    for person in (make_user("ben"), ana):
        options = reverse("person_reset_options", args=[person.pk])
        offer = browser.post(options).json()
        shown = {**offer["fields"], "assertion": passkey.get(offer["options"])}
        browser.post(address, shown)
        # The first touch was for somebody else.
        assert factors.has_factor(ana) == (person != ana)


# ---------- an open browser of an administrator

ADMINISTRATOR = {"role": Role.ADMINISTRATOR, "reach": "everything"}
ALL_OF_THEM = ["invite", "role", "scopes", "reactivate"]


@dataclass(frozen=True)
class Act:
    """What gives somebody more, as the pages send it."""

    path: str
    options_path: str
    form: dict[str, str]

    def done(self) -> bool:
        """Whether anybody got more by it."""
        return (
            Invitation.objects.exists()
            or User.objects.filter(username="ana").exclude(role=Role.VIEWER).exists()
            or User.objects.filter(username="ana", is_active=True).exists()
            or not Scope.objects.filter(user__username="ana").exists()
        )


def act(name: str, person: User, **form: str) -> Act:
    wanted = {
        "invite": {**ADMINISTRATOR, "note": "for Eve"},
        "role": ADMINISTRATOR,
        "scopes": {"role": Role.VIEWER, "reach": "everything"},
        "reactivate": {},
    }[name]
    view, args = {
        "invite": ("invite", []),
        "reactivate": ("person_reactivate", [person.pk]),
    }.get(name, ("person_role", [person.pk]))
    return Act(reverse(view, args=args), reverse(f"{view}_options", args=args), {**wanted, **form})


@pytest.fixture
def narrow(ana: User) -> User:
    """Somebody who was shut out, and could only ever read one package."""
    User.objects.filter(pk=ana.pk).update(role=Role.VIEWER, is_active=False)
    Scope.objects.create(user=ana, packages="left-pad")
    return ana


@pytest.mark.parametrize("name", ALL_OF_THEM)
def test_an_open_browser_alone_gives_nobody_more(
    browser: Client, chief: User, narrow: User, name: str
) -> None:
    """Whoever has the administrator's cookie has neither their phone nor their passkey."""
    enrol(chief)
    stolen = act(name, narrow)
    eve = make_user("eve")
    enrol(eve)
    own_passkey = enrol_passkey(eve)
    enrol_passkey(chief)
    offer = sign_in(eve).post(reverse("security_presence"), {"purpose": enrolment.ADD}).json()
    for proof in (
        {},
        {"code": " "},
        {"code": wrong_code(chief)},
        {"code": code_now(eve)},
        {"assertion": "{}", "confirmation": "x"},
        {**offer["fields"], "assertion": own_passkey.get(offer["options"])},
    ):
        SealedTOTPDevice.objects.update(throttling_failure_count=0)
        answer = browser.post(stolen.path, {**stolen.form, **proof})
        assert answer.status_code == HTTPStatus.OK
        assert not stolen.done(), proof
    assert not OutboxEvent.objects.filter(topic__startswith="administrator.").exists()


@pytest.mark.parametrize("name", ALL_OF_THEM)
def test_a_code_that_was_used_once_is_no_proof(
    browser: Client, chief: User, narrow: User, name: str
) -> None:
    enrol(chief)
    code = code_now(chief)
    browser.post(reverse("security_allow"), {"code": code})
    stolen = act(name, narrow)
    browser.post(stolen.path, {**stolen.form, "code": code})
    assert not stolen.done()


@pytest.mark.parametrize("name", ALL_OF_THEM)
def test_the_administrators_passkey_does_it_once(
    browser: Client, chief: User, narrow: User, name: str
) -> None:
    passkey = enrol_passkey(chief)
    honest = act(name, narrow)
    offer = browser.post(honest.options_path, honest.form).json()
    shown = {**honest.form, **offer["fields"], "assertion": passkey.get(offer["options"])}
    browser.post(honest.path, shown)
    assert honest.done()
    if name == "invite":
        page = browser.post(honest.path, shown).content.decode()
        assert "was used already" in page
        assert Invitation.objects.count() == 1


@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        (("invite", {"role": Role.VIEWER}), ("invite", {})),
        (
            ("invite", {"role": Role.VIEWER, "reach": "some", "packages_0": "left-pad"}),
            ("invite", {"role": Role.VIEWER}),
        ),
        (("role", {"role": Role.VIEWER}), ("role", {})),
        (
            ("scopes", {"reach": "some", "packages_0": "left-pad\r\nright-pad"}),
            ("scopes", {"reach": "some", "packages_0": "*"}),
        ),
        (("role", {}), ("invite", {})),
        (("invite", {}), ("role", {})),
        (("reactivate", {}), ("role", {})),
        (("role", {}), ("reactivate", {})),
    ],
    ids=[
        "invite another role",
        "invite for more packages",
        "another role",
        "more packages",
        "role as invitation",
        "invitation as role",
        "reactivation as role",
        "role as reactivation",
    ],
)
def test_a_touch_for_one_act_does_not_do_another(
    browser: Client,
    chief: User,
    narrow: User,
    signed: tuple[str, dict[str, str]],
    sent: tuple[str, dict[str, str]],
) -> None:
    passkey = enrol_passkey(chief)
    shown_to_chief = act(signed[0], narrow, **signed[1])
    stolen = act(sent[0], narrow, **sent[1])
    offer = browser.post(shown_to_chief.options_path, shown_to_chief.form).json()
    proof = {**offer["fields"], "assertion": passkey.get(offer["options"])}
    browser.post(stolen.path, {**stolen.form, **proof})
    assert not stolen.done()


@pytest.mark.parametrize("name", ["role", "reactivate"])
def test_a_touch_for_one_person_does_nothing_for_another(
    browser: Client, chief: User, narrow: User, name: str
) -> None:
    passkey = enrol_passkey(chief)
    other = act(name, make_user("ben"))
    offer = browser.post(other.options_path, other.form).json()
    proof = {**offer["fields"], "assertion": passkey.get(offer["options"])}
    stolen = act(name, narrow)
    browser.post(stolen.path, {**stolen.form, **proof})
    assert not stolen.done()


def test_a_touch_in_one_browser_does_nothing_in_another(
    browser: Client, chief: User, narrow: User
) -> None:
    passkey = enrol_passkey(chief)
    stolen = act("role", narrow)
    offer = browser.post(stolen.options_path, stolen.form).json()
    proof = {**offer["fields"], "assertion": passkey.get(offer["options"])}
    sign_in(chief).post(stolen.path, {**stolen.form, **proof})
    assert not stolen.done()


def test_a_refused_code_leaves_what_was_typed(browser: Client, chief: User, ana: User) -> None:
    enrol(chief)
    code = wrong_code(chief)
    typed = {"role": Role.RELEASE_MANAGER, "reach": "some", "packages_0": "@acme/*", "code": code}
    for path in (reverse("invite"), reverse("person_role", args=[ana.pk])):
        SealedTOTPDevice.objects.update(throttling_failure_count=0)
        page = browser.post(path, {**typed, "note": "for Ben"}).content.decode()
        assert "code is wrong" in page
        assert '<option value="release_manager" selected>' in page
        assert '<option value="some" selected>' in page
        assert re.search(r"<textarea[^>]*>\s*@acme/\*</textarea>", page)
        assert code not in page


def test_a_passkey_is_not_asked_for_a_form_that_is_wrong(browser: Client, chief: User) -> None:
    enrol_passkey(chief)
    answer = browser.post(reverse("invite_options"), {"role": Role.VIEWER, "reach": "some"})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "Name some packages below" in answer.json()["error"]


def test_shutting_somebody_out_is_quick(browser: Client, chief: User, ana: User) -> None:
    enrol(chief)
    browser.post(reverse("person_deactivate", args=[ana.pk]))
    ana.refresh_from_db()
    assert not ana.is_active


# ---------- who is told


def told(mailoutbox: list[EmailMessage]) -> set[tuple[str, str]]:
    """Who got which message."""
    tell()
    return {(mail.to[0].partition("@")[0], mail.subject.partition("] ")[2]) for mail in mailoutbox}


def test_the_other_administrators_hear_of_a_new_one(
    browser: Client, ana: User, mailoutbox: list[EmailMessage]
) -> None:
    make_user("other", role=Role.ADMINISTRATOR)
    make_user("somebody", role=Role.RELEASE_MANAGER)
    browser.post(reverse("person_role", args=[ana.pk]), {**ADMINISTRATOR, **chiefs_code()})
    words = "There is another administrator: ana"
    assert told(mailoutbox) == {("ana", "Your role was changed"), ("ana", words), ("other", words)}


def test_the_other_administrators_hear_of_an_invitation_and_of_who_comes(
    browser: Client, mailoutbox: list[EmailMessage]
) -> None:
    make_user("other", role=Role.ADMINISTRATOR)
    link = invitation_link(browser, role=Role.ADMINISTRATOR)
    invited = ("other", "Another administrator was invited: for Ben")
    assert told(mailoutbox) == {invited}
    assert link.split("/")[-2] not in str(mailoutbox[0].body)
    Client().post(link, BEN)
    came = "There is another administrator: ben"
    assert told(mailoutbox) == {invited, ("chief", came), ("other", came)}


def test_the_other_administrators_hear_of_one_who_is_back(
    browser: Client, mailoutbox: list[EmailMessage]
) -> None:
    back = make_user("back", role=Role.ADMINISTRATOR, is_active=False)
    make_user("other", role=Role.ADMINISTRATOR)
    browser.post(reverse("person_reactivate", args=[back.pk]), chiefs_code())
    assert ("other", "There is another administrator: back") in told(mailoutbox)


def test_a_person_hears_of_their_new_role_and_packages(
    browser: Client, ana: User, mailoutbox: list[EmailMessage]
) -> None:
    User.objects.filter(pk=ana.pk).update(wants_email=False)
    wanted = {"role": Role.APPROVER, "reach": "some", "packages_0": "left-pad", **chiefs_code()}
    browser.post(reverse("person_role", args=[ana.pk]), wanted)
    assert told(mailoutbox) == {("ana", "Your role was changed")}
    assert "approver, for left-pad at every registry" in str(mailoutbox[0].body)
    browser.post(reverse("person_role", args=[ana.pk]), {**wanted, **chiefs_code()})
    told(mailoutbox)
    assert len(mailoutbox) == 1  # nothing changed


# ---------- invitations


def test_from_the_link_to_the_first_page(browser: Client) -> None:
    guest = Client()
    link = invitation_link(browser)
    page = guest.get(link).content.decode()
    assert "chief invites you" in page
    assert "approver" in page
    answer = guest.post(link, BEN)
    assert answer.headers["Location"] == reverse("security")
    assert "Welcome, ben" in guest.get(reverse("security")).content.decode()
    ben = User.objects.get(username="ben")
    assert ben.role == Role.APPROVER
    assert AuditEvent.objects.filter(kind="person.signed_in", actor=ben).count() == 1


def test_the_link_is_shown_once(browser: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="approvals")
    link = invitation_link(browser)
    token = link.split("/")[-2]
    for name in ("people", "invite"):
        assert token not in browser.get(reverse(name)).content.decode()
    assert token not in str(dict(browser.session))
    assert token not in caplog.text


def test_the_link_has_the_public_address(browser: Client, settings: LazySettings) -> None:
    settings.PUBLIC_URL = "https://countersign.example.org"
    page = browser.post(
        reverse("invite"), {"role": Role.VIEWER, "reach": "everything", **chiefs_code()}
    ).content.decode()
    assert 'value="https://countersign.example.org/invitation/' in page


def test_a_chat_that_previews_the_link_does_not_use_it_up(browser: Client) -> None:
    link = invitation_link(browser)
    for _ in range(3):
        assert Client().get(link).status_code == HTTPStatus.OK
    assert Client().post(link, BEN).status_code == HTTPStatus.FOUND


def test_a_used_withdrawn_or_old_link_lets_nobody_in(browser: Client) -> None:
    used, withdrawn, old = (invitation_link(browser, note=note) for note in "abc")
    Client().post(used, BEN)
    browser.post(reverse("invitation_withdraw", args=[Invitation.objects.get(note="b").pk]))
    Invitation.objects.filter(note="c").update(expires_at=timezone.now())
    before = User.objects.count()
    for link in (used, withdrawn, old, reverse("invitation", args=["guessed"])):
        eve = {**BEN, "username": "eve", "email": "eve@example.org"}
        assert Client().get(link).status_code == HTTPStatus.GONE
        answer = Client().post(link, eve)
        assert answer.status_code == HTTPStatus.GONE
        assert "used, withdrawn, or is older than 72 hours" in answer.content.decode()
    assert User.objects.count() == before


def test_a_guest_cannot_choose_the_role(browser: Client) -> None:
    link = invitation_link(browser, role=Role.VIEWER)
    Client().post(link, {**BEN, "role": Role.ADMINISTRATOR, "is_superuser": "1"})
    ben = User.objects.get(username="ben")
    assert (ben.role, ben.is_superuser) == (Role.VIEWER, False)


def test_what_is_wrong_stands_beside_its_field(browser: Client) -> None:
    link = invitation_link(browser)
    guest = Client()
    page = guest.post(link, {**BEN, "username": "chief", "password": "short"}).content.decode()
    assert "too short" in page
    assert "short" not in re.findall(r'<input[^>]*name="password"[^>]*>', page)[0]
    assert guest.post(link, BEN).status_code == HTTPStatus.FOUND


def test_somebody_signed_in_does_not_use_up_the_link(browser: Client) -> None:
    link = invitation_link(browser)
    answer = browser.post(link, BEN)
    assert answer.status_code == HTTPStatus.OK
    assert "sign out as chief first" in answer.content.decode()
    assert Client().get(link).status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    "case", ["signed in", "other site", "method", "mistyped", "broken", "used"]
)
def test_no_log_holds_a_link_that_lets_somebody_in(
    browser: Client, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    link = invitation_link(browser)
    token = link.split("/")[-2]
    guest = Client(enforce_csrf_checks=case == "other site", raise_request_exception=False)
    with everything_logged() as log:
        if case == "signed in":
            browser.get(link)
            browser.post(link, BEN)
        elif case == "other site":
            guest.post(link, BEN)
        elif case == "method":
            guest.delete(link)
        elif case == "mistyped":
            guest.get(link + "x")
            guest.get(link.replace("invitation", "Invitation"))
        elif case == "broken":
            monkeypatch.setattr(invitations, "find", lambda token: 1 / 0)
            guest.get(link)
        else:
            Client().post(link, BEN)
            Client().get(link)
    assert token not in log.getvalue()
    # Else this would also hold if nothing had been written at all.
    assert ("/invitation/(hidden)" in log.getvalue().lower()) == (case != "signed in")


@contextlib.contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What the process writes to its log meanwhile."""
    (console,) = (
        handler for handler in logging.getLogger().handlers if handler.get_name() == "console"
    )
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    before = console.setStream(written)
    try:
        yield written
    finally:
        console.setStream(before or sys.stderr)


def test_a_link_is_not_kept_by_caches(browser: Client) -> None:
    answer = Client().get(invitation_link(browser))
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_names_are_not_markup(browser: Client) -> None:
    mallory = {**BEN, "first_name": "<script>alert(1)</script>"}
    Client().post(invitation_link(browser, note="<img src=x onerror=alert(1)>"), mallory)
    invitation_link(browser, note="<img src=x onerror=alert(1)>")
    page = browser.get(reverse("people")).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page

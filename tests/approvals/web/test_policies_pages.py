"""The pages of policies: everybody reads them, release managers set them and prove to be here."""

from http import HTTPStatus

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.people.models import Confirmation, Role, Scope, User
from approvals.policy.book import DEFAULT, Policy, current_book
from approvals.policy.models import PolicyRevision
from approvals.policy.requirements import kinds
from approvals.policy.revise import choosable, removal
from tests.approvals.codes import enrol_passkey, wrong_code
from tests.approvals.factories import (
    make_decision,
    make_inspection,
    make_policies,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.managing import fresh_proof
from tests.approvals.policies import WHY, make_team, names, policy, put
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

ACME = {
    "name": "Acme",
    "packages": "@acme/*",
    "registry_url": "",
    "before": "default",
    "demands-approvals": "on",
    "approvals-wanted": "2 of anyone",
    "approvals-counts_for": "each",
    "words": "Two see more.",
    "seen": "0",
}


@pytest.fixture(autouse=True)
def _nobody_tried_before() -> None:
    """Forgets the tries that limits were counted from."""
    cache.clear()


@pytest.fixture
def mona() -> User:
    return make_user("mona", role=Role.RELEASE_MANAGER)


@pytest.fixture
def browser(client: Client, mona: User) -> Client:
    """The release manager's."""
    return sign_in(mona, client)


def code(username: str = "mona") -> dict[str, str]:
    """What somebody types to prove to be here."""
    return {"code": fresh_proof(User.objects.get(username=username)).code}


def form_of(browser: Client, address: str) -> dict[str, str]:
    """What the form of a policy's page sends if nobody touches it."""
    form = browser.get(address).context["form"]
    sent = {}
    for field in form:
        value = field.value()
        if value is True:
            sent[field.name] = "on"
        elif value is not None and value is not False:
            sent[field.name] = str(value)
    return sent


# ---------- reading


def test_everybody_reads_what_holds_for_which_packages(browser: Client, mona: User) -> None:
    for name in ("@acme/ui", "@acme/core", "left-pad"):
        make_staged_version(name)
    put(mona)
    for person in (mona, make_user(role=Role.VIEWER)):
        response = sign_in(person).get(reverse("policies"))
        assert_strict(response)
        page, html = text_of(response), response.content.decode()
        assert "1. Acme" in page
        assert "For @acme/* at every registry . Here: @acme/core , @acme/ui ." in page
        assert "2 of anyone" in page
        assert "2. Default" in page
        assert "that no policy above covers. Here: left-pad ." in page
        assert "Revision 1 by mona" in page
        assert 'aria-current="page">Policies<' in html
        assert (reverse("policy", args=["p1"]) in html) == (person == mona)
        for kind in kinds().values():
            if kind.is_always_in_force:
                assert kind().in_words() in page


def test_a_policy_that_never_holds_says_so(browser: Client, mona: User) -> None:
    put(mona)
    put(mona, "Kit", "@acme/kit")
    page = text_of(browser.get(reverse("policies")))
    assert page.count("It never holds: “Acme” is tried before it") == 1


def test_who_sees_some_packages_learns_of_no_others(mona: User) -> None:
    for package in ("@acme/ui", "@zulu/ui", "zulu"):
        make_staged_version(package)
    put(mona, words="Because of zulu.")
    put(mona, "For Zulu", "@zulu/*")
    put(mona, "At Zulu", "*", registry_url=make_registry("zulu").url)
    somebody = make_user(role=Role.RELEASE_MANAGER)
    Scope.objects.create(user=somebody, packages="@acme/*", registry_url=make_registry("acme").url)
    browser = sign_in(somebody)
    response = browser.get(reverse("policies"))
    page = text_of(response)
    assert "zulu" not in response.content.decode().lower()
    assert "Policies for packages that you do not see are not shown." in page
    assert "1. Acme" in page
    assert "2. Default" in page
    assert "zulu" not in text_of(browser.get(reverse("audit"))).lower()
    for address in (
        reverse("policy_history"),
        reverse("policy_revision", args=[1]),
        reverse("policy", args=["p1"]),
        reverse("policy_add"),
    ):
        response = browser.get(address)
        assert response.status_code == HTTPStatus.FORBIDDEN
        assert "zulu" not in response.content.decode().lower()


def test_the_list_takes_as_many_queries_for_many_as_for_few(browser: Client, mona: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("policies"))
        return len(captured)

    put(mona)
    make_staged_version("@acme/ui")
    few = queries()
    make_policies(None, *(Policy(f"p{n}", f"P{n}", "", f"p-{n}") for n in range(20)))
    for number in range(10):
        make_staged_version(f"p-{number}")
    assert queries() == few


# ---------- setting


def test_a_policy_is_added_changed_moved_and_removed(browser: Client, mona: User) -> None:
    address = reverse("policy_add")
    response = browser.get(address)
    assert_strict(response)
    assert 'name="seen" value="0"' in response.content.decode()
    answer = browser.post(address, ACME | code(), follow=True)
    assert answer.redirect_chain == [(reverse("policies"), 302)]
    assert "“Acme” is added, and holds at once." in text_of(answer)
    acme = policy("Acme")
    assert [one["number"] for one in acme.requirements["approvals"]["wanted"]] == [2]
    assert acme.requirements["approvals"]["void_on"] == []
    address = reverse("policy", args=["p1"])
    assert_strict(browser.get(address))
    change = form_of(browser, address) | {"approvals-wanted": "3 of anyone", "words": "More."}
    answer = browser.post(address, change | code(), follow=True)
    assert "“Acme” is changed, and holds at once." in text_of(answer)
    assert "3 of anyone" in text_of(answer)
    browser.post(reverse("policy_add"), ACME | {"name": "Other", "seen": "2"} | code())
    assert names() == ["Acme", "Other", "Default"]
    move = {"before": "p1", "words": "It is closer.", "seen": "3"}
    answer = browser.post(reverse("policy_move", args=["p3"]), move | code(), follow=True)
    assert "“Other” is tried before “Acme” now." in text_of(answer)
    assert names() == ["Other", "Acme", "Default"]
    remove = {"words": "No longer.", "seen": "4"}
    answer = browser.post(reverse("policy_remove", args=["p1"]), remove | code(), follow=True)
    assert "“Acme” is removed." in text_of(answer)
    assert names() == ["Other", "Default"]


def test_the_form_sends_back_what_it_shows(browser: Client, mona: User) -> None:
    """Nothing of a policy is lost by saving it as it is."""
    put(mona, requirements={"approvals": {"wanted": "1 of anyone\n2 of anyone for major"}})
    before = policy("Acme")
    address = reverse("policy", args=["p1"])
    sent = form_of(browser, address) | {"name": "Renamed", "words": WHY}
    browser.post(address, sent | code())
    after = policy("Renamed")
    assert after.requirements == before.requirements
    assert after.mark == before.mark


def test_every_requirement_can_be_chosen_with_its_options(browser: Client) -> None:
    response = browser.get(reverse("policy_add"))
    page, html = text_of(response), response.content.decode()
    for key, kind in choosable().items():
        assert kind.title in page
        assert (f'name="demands-{key}"' in html) != kind.is_always_in_force
        for option in kind.options:
            assert option.label in page
            assert f'name="{key}-{option.name}"' in html


def test_every_requirement_is_kept_as_its_form_begins(browser: Client, mona: User) -> None:
    """What each option begins with is something that the requirement takes."""
    for number, key in enumerate(choosable()):
        sent = form_of(browser, reverse("policy_add")) | ACME | {"seen": str(number)}
        del sent["demands-approvals"]
        sent |= {f"demands-{key}": "on", "name": f"One of {key}"}
        answer = browser.post(reverse("policy_add"), sent | code())
        if answer.status_code == HTTPStatus.OK:
            # One that cannot go without something typed says what.
            assert answer.context["form"].errors
            put(mona, f"Stands for {key}", "x")
        else:
            assert set(policy(f"One of {key}").requirements) == {key}


def test_the_default_has_its_packages_for_good(browser: Client) -> None:
    address = reverse("policy", args=["default"])
    html = browser.get(address).content.decode()
    assert 'name="packages"' not in html
    assert reverse("policy_remove", args=["default"]) not in html
    sent = form_of(browser, address) | {"packages": "left-pad", "name": "Ours", "words": WHY}
    browser.post(address, sent | code())
    assert [(one.name, one.packages) for one in current_book().policies] == [("Ours", "*")]
    browser.post(reverse("policy_remove", args=["default"]), {"words": "a", "seen": "1"} | code())
    assert names() == ["Ours"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Give the policy a name"),
        ({"name": "Default"}, "called “Default” already"),
        ({"packages": ""}, "Name a package"),
        ({"packages": "a b"}, "names no packages"),
        ({"registry_url": "https://x.example.org/"}, "not one of the available choices"),
        ({"before": "p9"}, "not one of the available choices"),
        ({"words": ""}, "Say why"),
        ({"words": "x" * 301}, "at most 300"),
        ({"approvals-wanted": "many"}, "does not say how many of whom"),
        ({"approvals-wanted": "1 of frontend"}, "no team “frontend”"),
        ({"approvals-wanted": "a\0b"}, "Null characters"),
        ({"approvals-wanted": "x" * 10_001}, "at most 10000"),
        ({"approvals-counts_for": "two"}, "not one of the available choices"),
        ({"seen": ""}, "Load the page again"),
        ({"seen": "x"}, "Load the page again"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_and_uses_up_no_code(
    browser: Client, change: dict[str, str], words: str
) -> None:
    typed = code()
    response = browser.post(reverse("policy_add"), ACME | change | typed)
    assert words in text_of(response)
    assert current_book().number == 0
    if "1 of frontend" not in change.values():
        offered = browser.post(reverse("policy_add_options"), ACME | change)
        assert offered.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    browser.post(reverse("policy_add"), ACME | typed)
    assert current_book().number == 1


def test_what_is_wrong_with_an_option_stands_beside_it(browser: Client) -> None:
    response = browser.post(reverse("policy_add"), ACME | {"approvals-wanted": "many"} | code())
    assert list(response.context["form"].errors) == ["approvals-wanted"]


def test_a_team_can_be_named(browser: Client, mona: User) -> None:
    make_team(make_user(role=Role.ADMINISTRATOR), "frontend", mona)
    browser.post(reverse("policy_add"), ACME | {"approvals-wanted": "1 of frontend"} | code())
    assert "1 of frontend" in text_of(browser.get(reverse("policies")))


def test_there_is_no_page_of_a_policy_that_is_not_there(browser: Client) -> None:
    for name in ("policy", "policy_options", "policy_move", "policy_remove"):
        answer = browser.post(reverse(name, args=["p9"]), ACME | code())
        assert answer.status_code == HTTPStatus.NOT_FOUND


# ---------- what it would have said


def test_the_preview_says_what_would_have_been_stopped_and_saves_nothing(
    browser: Client, mona: User
) -> None:
    row = make_staged_version("@acme/ui", "2.0.0")
    make_inspection(row)
    make_decision(row, mona)
    make_staged_version("@acme/ui", "2.1.0")
    make_staged_version("left-pad", "1.0.0")
    response = browser.post(reverse("policy_add"), ACME | {"preview": "yes"})
    assert_strict(response)
    page = text_of(response)
    assert "Nothing is saved yet. Of the last 2 versions that it is about: 1 would have" in page
    assert "@acme/ui@2.0.0" in page
    assert "by “Acme” instead of “Default”" in page
    assert "Approvals: 1 of 2" in page
    assert "waiting for something else" in page
    assert "left-pad" not in page
    # What was typed stays, and can be saved.
    assert 'value="@acme/*"' in response.content.decode()
    assert current_book().number == 0
    browser.post(reverse("policy_add"), ACME | code())
    for name, more in (("policy_remove", {}), ("policy_move", {"before": "p1"})):
        if name == "policy_move":
            put(mona, "Kit", "@acme/ui", requirements={})
        key = "p1" if name == "policy_remove" else "p2"
        sent = {"words": WHY, "seen": str(current_book().number), "preview": "yes", **more}
        page = text_of(browser.post(reverse(name, args=[key]), sent))
        assert "1 let through" in page
    assert current_book().number == 2


def test_a_preview_asks_for_no_reason(browser: Client) -> None:
    page = text_of(browser.post(reverse("policy_add"), {**ACME, "words": "", "preview": "yes"}))
    assert "No version has come yet that it is about." in page
    assert "Say why" not in page
    assert not PolicyRevision.objects.exists()


def test_a_team_that_there_is_not_is_named_beside_its_line_before_anything_is_signed(
    browser: Client,
) -> None:
    for where in ("policy_add", "policy_add_options"):
        wrong = {**ACME, "approvals-wanted": "1 of fronted", "preview": "yes"}
        answer = browser.post(reverse(where), wrong)
        said = answer.content.decode()
        assert "There is no team" in said
        assert "fronted" in said
    page = browser.post(reverse("policy_add"), wrong)
    assert page.context["form"].errors["approvals-wanted"]
    assert "Nothing is saved. Below" in text_of(page)


def test_lines_for_packages_that_somebody_does_not_see_are_not_shown(mona: User) -> None:
    wanted = "1 of anyone\n2 of anyone for package secret-thing\n1 of @mona for @acme/ui"
    make_policies({"approvals": kinds()["approvals"].checked({"wanted": wanted})})
    scoped = make_user("ana")
    Scope.objects.create(user=scoped, registry_url="", packages="@acme/*")
    page = text_of(sign_in(scoped, Client()).get(reverse("policies")))
    assert "secret-thing" not in page
    assert "1 of anyone; 1 of @mona for @acme/ui" in page
    assert "secret-thing" in text_of(sign_in(mona, Client()).get(reverse("policies")))


def test_the_preview_of_what_is_wrong_says_what_is_wrong(browser: Client) -> None:
    page = text_of(browser.post(reverse("policy_add"), ACME | {"preview": "yes", "name": ""}))
    assert "Give the policy a name" in page
    assert "What it would have said" not in page


# ---------- earlier revisions


def test_the_history_says_who_changed_what_and_why(browser: Client, mona: User) -> None:
    put(mona, words="Two <b>see</b> more.")
    put(mona, key="p1", requirements={"approvals": {"wanted": "1 of anyone"}}, words="Too slow.")
    response = browser.get(reverse("policy_history"))
    assert_strict(response)
    page = text_of(response)
    assert "“Two <b>see</b> more.”" in page
    newer, older = page.index("Revision 2"), page.index("Revision 1")
    assert newer < page.index("Too slow.") < older
    assert "It was not there." in page[older:]
    change = page[newer:older]
    assert change.index("2 of anyone") < change.index("1 of anyone")
    assert "holds now" in change


def test_an_earlier_revision_is_shown_and_can_be_set_again(browser: Client, mona: User) -> None:
    put(mona)
    put(mona, key="p1", requirements={"approvals": {"wanted": "1 of anyone"}})
    response = browser.get(reverse("policy_revision", args=[1]))
    assert_strict(response)
    assert "2 of anyone" in text_of(response)
    sent = {"words": "It was better.", "seen": "2"}
    restore = reverse("policy_restore", args=[1])
    page = text_of(browser.post(restore, sent | {"preview": "yes"}))
    assert "Nothing is saved yet." in page
    answer = browser.post(restore, sent | code(), follow=True)
    assert "The policies are those of revision 1 again." in text_of(answer)
    assert "2 of anyone" in text_of(answer)
    assert "This is what holds now." in text_of(browser.get(reverse("policy_revision", args=[1])))
    assert browser.get(reverse("policy_revision", args=[9])).status_code == HTTPStatus.NOT_FOUND


def test_policies_that_nobody_set_are_shouted_and_an_administrator_sets_them_again(
    browser: Client, mona: User
) -> None:
    put(mona)
    put(mona, "Other", "other")
    PolicyRevision.objects.filter(number=2).update(policies=[DEFAULT.as_json()])
    page = text_of(browser.get(reverse("policies")))
    assert "The policies cannot be relied on." in page
    assert "Choose an earlier revision" not in page
    answer = browser.get(reverse("policy_add"), follow=True)
    assert answer.redirect_chain == [(reverse("policies"), 302)]
    make_user("chief", role=Role.ADMINISTRATOR)
    browser = sign_in(User.objects.get(username="chief"))
    assert "Choose an earlier revision" in text_of(browser.get(reverse("policies")))
    page = text_of(browser.get(reverse("policy_history")))
    assert "not as anybody set it" in page
    page = text_of(browser.get(reverse("policy_revision", args=[2])))
    assert "This is not what anybody has set." in page
    assert "Set these again" not in page
    sent = {"words": "Somebody wrote here.", "seen": "2"} | code("chief")
    answer = browser.post(reverse("policy_restore", args=[1]), sent, follow=True)
    assert "The policies are those of revision 1 again." in text_of(answer)
    assert "cannot be relied on" not in text_of(browser.get(reverse("policies")))
    assert (current_book().number, names()) == (3, ["Acme", "Default"])


# ---------- presence, and two browsers


def test_nothing_is_set_without_a_code_and_what_was_typed_stays(
    browser: Client, mona: User
) -> None:
    fresh_proof(mona)
    for typed in ({}, {"code": wrong_code(mona)}):
        response = browser.post(reverse("policy_add"), ACME | typed)
        html = response.content.decode()
        assert "2 of anyone" in html
        assert ACME["words"] in html
        assert typed.get("code", "no code at all") not in html
    put(mona)
    for name in ("policy_remove", "policy_move"):
        sent = {"words": WHY, "seen": "1", "before": "default", "code": wrong_code(mona)}
        assert browser.post(reverse(name, args=["p1"]), sent).status_code == HTTPStatus.OK
    assert current_book().number == 1


def test_a_passkey_signs_exactly_the_change_that_the_form_names(
    browser: Client, mona: User
) -> None:
    enrol_passkey(mona)
    put(mona)
    put(mona, "Another", "another")
    sent = {"words": "a", "seen": "2"}
    answer = browser.post(reverse("policy_remove_options", args=["p1"]), sent)
    opened = Confirmation.objects.get(pk=answer.json()["fields"]["confirmation"])
    assert (opened.purpose, opened.user) == (removal("p1", seen=2, words="a").purpose, mona)
    others = [
        (reverse("policy_add_options"), ACME | {"seen": "2", "name": "Other"}),
        (reverse("policy_options", args=["p1"]), ACME | {"seen": "2", "name": "Other"}),
        (reverse("policy_restore_options", args=[0]), sent),
    ]
    purposes = {opened.purpose}
    for address, form in others:
        answer = browser.post(address, form)
        assert answer.status_code == HTTPStatus.OK
        key = answer.json()["fields"]["confirmation"]
        purposes.add(Confirmation.objects.get(pk=key).purpose)
    assert len(purposes) == len(others) + 1


def test_the_loser_of_a_race_is_told(browser: Client, mona: User) -> None:
    put(mona)
    answer = browser.post(reverse("policy_add"), ACME | {"name": "Late"} | code(), follow=True)
    assert answer.redirect_chain == [(reverse("policies"), 302)]
    assert "Somebody changed the policies meanwhile. Nothing was changed by you" in text_of(answer)
    offered = browser.post(reverse("policy_add_options"), ACME | {"name": "Late"})
    assert "meanwhile" in offered.json()["error"]
    assert names() == ["Acme", "Default"]


def test_another_site_cannot_send_forms(mona: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    sign_in(mona, browser)
    answer = browser.post(reverse("policy_add"), ACME | code())
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert current_book().number == 0

"""The pages of teams: everybody reads them, administrators change them and prove to be here."""

from http import HTTPStatus

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from approvals.people.membership import deactivate
from approvals.people.models import Confirmation, Role, Scope, Team, User
from approvals.people.teams import WantedTeam, mark_of, removal_of
from tests.approvals.codes import enrol_passkey, wrong_code
from tests.approvals.factories import make_user
from tests.approvals.managing import fresh_proof
from tests.approvals.policies import make_team, put
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

NAMES_IT = {"approvals": {"wanted": "1 of frontend"}}


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
    return sign_in(chief, client)


def code() -> dict[str, str]:
    """What the administrator types to prove to be here."""
    return {"code": fresh_proof(User.objects.get(username="chief")).code}


def test_everybody_reads_who_is_in_which_team_and_what_names_it(chief: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    team = make_team(chief, "frontend", ada, grace, words="The <b>web</b>.")
    put(chief, requirements=NAMES_IT)
    deactivate(grace, actor=chief)
    for person in (chief, make_user(role=Role.VIEWER)):
        response = sign_in(person).get(reverse("teams"))
        assert_strict(response)
        page, html = text_of(response), response.content.decode()
        assert "frontend The <b>web</b>. ada" in page
        assert "Deactivated, does not count: grace" in page
        assert f"{reverse('policies')}#p1" in html
        assert (reverse("team", args=[team.pk]) in html) == (person == chief)
    assert reverse("teams") in sign_in(ada).get(reverse("people")).content.decode()


def test_who_sees_some_packages_reads_of_no_other_policies(chief: User) -> None:
    make_team(chief, "frontend")
    put(chief, "For Zulu", "@zulu/*", requirements=NAMES_IT)
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@acme/*")
    page = text_of(sign_in(somebody).get(reverse("teams")))
    assert "frontend" in page
    assert "Zulu" not in page


def test_a_person_s_page_names_their_teams(browser: Client, chief: User) -> None:
    ada = make_user("ada")
    make_team(chief, "frontend", ada)
    assert "Teams frontend" in text_of(browser.get(reverse("person", args=[ada.pk])))
    assert "Teams None" in text_of(browser.get(reverse("person", args=[chief.pk])))


def test_a_team_is_made_changed_and_removed(browser: Client, chief: User) -> None:
    ada, grace = make_user("ada"), make_user("grace")
    address = reverse("team_add")
    assert_strict(browser.get(address))
    sent = {"name": "frontend", "words": "The web.", "members": [ada.pk, grace.pk]}
    answer = browser.post(address, sent | code(), follow=True)
    assert "There is a team frontend now." in text_of(answer)
    team = Team.objects.get()
    assert list(team.members.order_by("username")) == [ada, grace]
    address = reverse("team", args=[team.pk])
    response = browser.get(address)
    assert_strict(response)
    assert f'name="seen" value="{mark_of(team)}"' in response.content.decode()
    change = {"name": "other", "words": "", "members": [ada.pk], "seen": mark_of(team)}
    answer = browser.post(address, change | code(), follow=True)
    assert "The team frontend is changed, and counts so at once." in text_of(answer)
    team.refresh_from_db()
    assert (team.name, team.words, list(team.members.all())) == ("frontend", "", [ada])
    sent = {"seen": mark_of(team)}
    answer = browser.post(reverse("team_remove", args=[team.pk]), sent | code(), follow=True)
    assert "The team frontend is removed." in text_of(answer)
    assert not Team.objects.exists()


def test_a_team_that_a_policy_names_stays(browser: Client, chief: User) -> None:
    team = make_team(chief, "frontend", chief)
    put(chief, requirements=NAMES_IT)
    address = reverse("team", args=[team.pk])
    assert "It cannot be removed while a policy names it: Acme" in text_of(browser.get(address))
    remove = reverse("team_remove", args=[team.pk])
    typed = code()
    page = text_of(browser.post(remove, {"seen": mark_of(team)} | typed))
    assert "The policy “Acme” names this team. Change that first." in page
    assert Team.objects.exists()
    put(chief, key="p1", requirements={})
    browser.post(remove, {"seen": mark_of(team)} | code())
    assert not Team.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Name the team"),
        ({"name": "Front End"}, "small letters"),
        ({"name": "anyone"}, "means something else"),
        ({"name": "there"}, "a team “there” already"),
        ({"words": "x" * 201}, "at most 200"),
        ({"members": ["987654"]}, "no such person"),
        ({"members": ["x"]}, "no such person"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_and_uses_up_no_code(
    browser: Client, change: dict[str, object], words: str
) -> None:
    Team.objects.create(name="there")
    typed, good = code(), {"name": "frontend", "words": "", "members": []}
    assert words in text_of(browser.post(reverse("team_add"), good | change | typed))
    assert Team.objects.count() == 1
    browser.post(reverse("team_add"), good | typed)
    assert Team.objects.count() == 2


def test_who_was_deactivated_can_be_taken_out_and_not_put_in(browser: Client, chief: User) -> None:
    ada = make_user("ada")
    team = make_team(chief, "frontend", ada)
    deactivate(ada, actor=chief)
    address = reverse("team", args=[team.pk])
    assert "ada: deactivated, does not count" in text_of(browser.get(address))
    browser.post(address, {"members": [], "seen": mark_of(team)} | code())
    assert not team.members.exists()
    assert "ada: deactivated" not in text_of(browser.get(address))
    browser.post(address, {"members": [ada.pk], "seen": mark_of(team)} | code())
    assert not team.members.exists()


def test_nothing_is_changed_without_a_code(browser: Client, chief: User) -> None:
    team = make_team(chief, "frontend")
    for typed in ({}, {"code": wrong_code(chief)}):
        browser.post(reverse("team_add"), {"name": "backend"} | typed)
        seen = {"seen": mark_of(team)}
        browser.post(reverse("team", args=[team.pk]), {"members": [chief.pk]} | seen | typed)
        browser.post(reverse("team_remove", args=[team.pk]), seen | typed)
    assert list(Team.objects.all()) == [team]
    assert not team.members.exists()


def test_a_passkey_signs_exactly_the_change_that_the_form_names(
    browser: Client, chief: User
) -> None:
    enrol_passkey(chief)
    team = make_team(chief, "frontend")
    wanted = [
        (
            reverse("team_add_options"),
            {"name": "backend", "members": [chief.pk]},
            WantedTeam("backend", "", [chief.pk]).purpose,
        ),
        (
            # What it is called is not up to the form.
            reverse("team_options", args=[team.pk]),
            {"name": "backend", "words": "a"},
            WantedTeam("frontend", "a", []).purpose,
        ),
        (reverse("team_remove_options", args=[team.pk]), {}, removal_of(team)),
    ]
    for address, form, purpose in wanted:
        answer = browser.post(address, form)
        assert answer.status_code == HTTPStatus.OK
        opened = Confirmation.objects.get(pk=answer.json()["fields"]["confirmation"])
        assert (opened.purpose, opened.user) == (purpose, chief)


def test_the_loser_of_a_race_is_told_and_led_to_who_is_in_it(browser: Client, chief: User) -> None:
    team = make_team(chief, "frontend")
    seen, address = mark_of(team), reverse("team", args=[team.pk])
    browser.post(address, {"members": [chief.pk], "seen": seen} | code())
    for late in (address, reverse("team_remove", args=[team.pk])):
        answer = browser.post(late, {"members": [], "seen": seen} | code(), follow=True)
        assert answer.redirect_chain == [(address, 302)]
        assert "Somebody changed this team meanwhile" in text_of(answer)
    assert list(team.members.all()) == [chief]

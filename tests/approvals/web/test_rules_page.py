"""The page of rules: everybody reads it, administrators set rules and prove to be here for it."""

from http import HTTPStatus

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.audit.models import AuditEvent
from approvals.inspection.finding import Group
from approvals.inspection.models import RuleSetting, StagedFinding
from approvals.inspection.rule_settings import Wanted, mark_of, removal_of
from approvals.people.models import Confirmation, Role, Scope, User
from approvals.provenance.findings import all_rules_in_words
from tests.approvals.codes import enrol_passkey, wrong_code
from tests.approvals.factories import make_inspection, make_staged_version, make_user
from tests.approvals.managing import fresh_proof
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

RULE = "trigger-changed"
OFF = {"packages": "@acme/*", "weight": "off", "words": "These are released on a schedule."}


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


def make_setting(packages: str = "@acme/*", rule: str = RULE, **values: str) -> RuleSetting:
    return RuleSetting.objects.create(
        **{"rule": rule, "packages": packages, "weight": "off", "words": "It is known.", **values}
    )


# ---------- reading


def test_every_rule_is_listed_with_what_it_looks_for(client: Client) -> None:
    response = sign_in(make_user(role=Role.VIEWER), client).get(reverse("rules"))
    assert_strict(response)
    page, html = text_of(response), response.content.decode()
    for group, rules in all_rules_in_words().items():
        assert not rules or group.label in page
        for rule, looks_for in rules.items():
            assert f"{looks_for} {rule}" in page
            # Where the account of a finding leads.
            assert f'id="{rule}"' in html
    assert "every rule counts as it says" in page
    assert reverse("rule_set", args=[RULE]) not in html
    assert 'aria-current="page">Rules<' in html


def test_what_is_set_is_there_for_everybody_with_why_by_whom_and_when(
    browser: Client, chief: User
) -> None:
    setting = make_setting(words="Seen <b>often</b>.", set_by=chief)  # type: ignore[arg-type]
    make_setting("*", "rule-crashed", weight="low")
    for person in (chief, make_user(role=Role.VIEWER)):
        response = sign_in(person).get(reverse("rules"))
        page = text_of(response)
        assert "off for @acme/*" in page
        assert "“Seen <b>often</b>.” chief, " in page
        assert f"{RULE} : off for @acme/* rule-crashed : low for *" in page
        is_offered = reverse("rule_setting", args=[setting.pk]) in response.content.decode()
        assert is_offered == (person == chief)


def test_who_sees_some_packages_learns_of_no_others(client: Client) -> None:
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@acme/*")
    for packages in ("@acme/ui", "@acme/ui-*", "@acme/*", "*"):
        make_setting(packages)
    for packages in ("@zulu/ui", "@zulu/*", "zulu-*", "zulu", "@*/ui"):
        make_setting(packages, words="Because of ZULU.")
    response = sign_in(somebody, client).get(reverse("rules"))
    page = text_of(response)
    assert "zulu" not in page.lower()
    assert "@*/ui" not in page
    assert "is not shown" in page
    for packages in ("@acme/ui", "@acme/ui-*", "@acme/*", "*"):
        assert f"off for {packages} “" in page


def test_who_sees_some_packages_reads_of_no_setting_in_the_log(
    browser: Client, chief: User
) -> None:
    browser.post(reverse("rule_set", args=[RULE]), OFF | {"packages": "zulu"} | code())
    setting = RuleSetting.objects.get()
    remove = reverse("rule_setting_remove", args=[setting.pk])
    browser.post(remove, {"seen": mark_of(setting), **code()})
    somebody = make_user()
    assert text_of(sign_in(somebody).get(reverse("audit"))).count("zulu") >= 2
    Scope.objects.create(user=somebody, packages="@acme/*")
    assert "zulu" not in text_of(sign_in(somebody).get(reverse("audit")))


def test_settings_of_rules_that_are_gone_can_be_removed_and_not_changed(browser: Client) -> None:
    setting = make_setting(rule="no-such-rule-any-more")
    assert "Rules that are gone" in text_of(browser.get(reverse("rules")))
    address = reverse("rule_setting", args=[setting.pk])
    page = text_of(browser.get(address))
    assert "this setting does nothing" in page
    assert "Its findings count as" not in page
    browser.post(address, {"weight": "low", "words": "a", "seen": mark_of(setting), **code()})
    setting.refresh_from_db()
    assert setting.weight == "off"
    remove = reverse("rule_setting_remove", args=[setting.pk])
    browser.post(remove, {"seen": mark_of(setting), **code()})
    assert not RuleSetting.objects.exists()


def test_the_list_takes_as_many_queries_for_many_as_for_few(browser: Client, chief: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse("rules"))
        return len(captured)

    make_setting(set_by=chief)  # type: ignore[arg-type]
    few = queries()
    for number in range(10):
        make_setting(f"a{number}", set_by=make_user())  # type: ignore[arg-type]
    assert queries() == few


# ---------- setting


def test_an_administrator_sets_changes_and_removes(browser: Client, chief: User) -> None:
    address = reverse("rule_set", args=[RULE])
    response = browser.get(address, {"packages": "@acme/*"})
    assert_strict(response)
    assert 'value="@acme/*"' in response.content.decode()
    answer = browser.post(address, OFF | code(), follow=True)
    assert answer.redirect_chain == [(f"{reverse('rules')}#{RULE}", 302)]
    assert f"{RULE} is off for @acme/*: its findings are not shown there." in text_of(answer)
    setting = RuleSetting.objects.get()
    assert (setting.packages, setting.weight, setting.words, setting.set_by) == (
        *OFF.values(),
        chief,
    )
    address = reverse("rule_setting", args=[setting.pk])
    page = browser.get(address)
    assert_strict(page)
    seen = mark_of(setting)
    assert page.content.decode().count(f'name="seen" value="{seen}"') == 2
    change = {"weight": "high", "words": "No longer.", "seen": seen}
    answer = browser.post(address, change | code(), follow=True)
    assert f"{RULE} counts as high for @acme/*." in text_of(answer)
    setting.refresh_from_db()
    assert setting.weight == "high"
    remove = reverse("rule_setting_remove", args=[setting.pk])
    answer = browser.post(remove, {"seen": mark_of(setting), **code()}, follow=True)
    assert f"What was set for @acme/* is removed from {RULE}." in text_of(answer)
    assert not RuleSetting.objects.exists()
    kinds = AuditEvent.objects.filter(kind__startswith="rule.").order_by("sequence")
    assert [event.kind for event in kinds] == ["rule.set", "rule.set", "rule.unset"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER])
def test_only_administrators_reach_what_changes_anything(client: Client, role: Role) -> None:
    setting = make_setting()
    sign_in(make_user(role=role), client)
    for name, argument in (
        ("rule_set", RULE),
        ("rule_set_options", RULE),
        ("rule_setting", setting.pk),
        ("rule_setting_options", setting.pk),
        ("rule_setting_remove", setting.pk),
        ("rule_setting_remove_options", setting.pk),
    ):
        answer = client.post(reverse(name, args=[argument]), {**OFF, "code": "123456"})
        assert answer.status_code == HTTPStatus.FORBIDDEN, name
    assert list(RuleSetting.objects.all()) == [setting]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"packages": ""}, "Name a package"),
        ({"packages": "a b"}, "names no packages"),
        ({"weight": ""}, "Choose how much"),
        ({"weight": "harmless"}, "harmless is not one of the available choices"),
        ({"words": ""}, "Say why"),
        ({"words": "x" * 301}, "at most 300"),
    ],
    ids=["no-package", "no-pattern", "no-weight", "unknown-weight", "no-words", "long-words"],
)
def test_what_is_wrong_is_said_and_uses_up_no_code(
    browser: Client, change: dict[str, str], words: str
) -> None:
    typed = code()
    address = reverse("rule_set", args=[RULE])
    assert words in text_of(browser.post(address, OFF | change | typed))
    assert not RuleSetting.objects.exists()
    offered = browser.post(reverse("rule_set_options", args=[RULE]), OFF | change)
    assert offered.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    browser.post(address, OFF | typed)
    assert RuleSetting.objects.exists()


def test_an_unknown_rule_has_no_page(browser: Client) -> None:
    for name in ("rule_set", "rule_set_options"):
        answer = browser.post(reverse(name, args=["no-such-rule"]), OFF | code())
        assert answer.status_code == HTTPStatus.NOT_FOUND
    assert not RuleSetting.objects.exists()


def test_what_was_not_looked_at_is_never_silent(browser: Client) -> None:
    (rule, *_) = all_rules_in_words()[Group.LIMITS]
    address = reverse("rule_set", args=[rule])
    assert 'value="off"' not in browser.get(address).content.decode()
    page = browser.post(address, OFF | code())
    assert "off is not one of the available choices" in text_of(page)
    assert not RuleSetting.objects.exists()


@pytest.mark.parametrize("packages", ["left-pad", "left-*", "*"])
def test_reviewers_see_what_is_off_and_not_what_it_would_have_found(
    browser: Client, packages: str
) -> None:
    row = make_staged_version("left-pad", "1.5.0")
    make_inspection(row)
    StagedFinding.objects.create(
        staged_version=row,
        source="provenance",
        position=0,
        rule=RULE,
        severity="high",
        is_new=True,
        fingerprint="f" * 64,
        title="It was started by somebody else.",
    )
    address = reverse("version", args=[row.pk])
    page = text_of(browser.get(address))
    assert "It was started by somebody else." in page
    assert "Switched off" not in page
    browser.post(reverse("rule_set", args=[RULE]), OFF | {"packages": packages} | code())
    response = browser.get(address)
    page = text_of(response)
    assert "It was started by somebody else." not in page
    assert f"Off: {RULE}" in page
    assert f'href="{reverse("rules")}' in response.content.decode()


# ---------- presence


def test_nothing_is_set_without_a_code_and_what_was_typed_stays(
    browser: Client, chief: User
) -> None:
    fresh_proof(chief)
    address = reverse("rule_set", args=[RULE])
    for typed in ({}, {"code": wrong_code(chief)}):
        response = browser.post(address, OFF | typed)
        html = response.content.decode()
        assert OFF["words"] in html
        assert 'value="off" selected' in html
        assert typed.get("code", "no code at all") not in html
    setting = make_setting("left-pad")
    remove = reverse("rule_setting_remove", args=[setting.pk])
    response = browser.post(remove, {"seen": mark_of(setting), "code": wrong_code(chief)})
    assert response.status_code == HTTPStatus.OK
    assert list(RuleSetting.objects.all()) == [setting]


def test_a_passkey_signs_exactly_the_change_that_the_form_names(
    browser: Client, chief: User
) -> None:
    enrol_passkey(chief)
    setting = make_setting("left-pad")
    wanted = [
        (reverse("rule_set_options", args=[RULE]), OFF, Wanted(RULE, "@acme/*", "off", "").purpose),
        (
            reverse("rule_setting_options", args=[setting.pk]),
            # Which packages it is for is not up to the form.
            {"packages": "*", "weight": "low", "words": "a"},
            Wanted(RULE, "left-pad", "low", "").purpose,
        ),
        (reverse("rule_setting_remove_options", args=[setting.pk]), {}, removal_of(setting)),
    ]
    for address, form, purpose in wanted:
        answer = browser.post(address, form)
        assert answer.status_code == HTTPStatus.OK
        opened = Confirmation.objects.get(pk=answer.json()["fields"]["confirmation"])
        assert (opened.purpose, opened.user) == (purpose, chief)


# ---------- two browsers


def test_the_loser_of_a_race_is_told_and_led_to_what_is_set(browser: Client) -> None:
    setting = make_setting()
    seen = mark_of(setting)
    address = reverse("rule_setting", args=[setting.pk])
    browser.post(address, {"weight": "high", "words": "a", "seen": seen, **code()})
    late = {"weight": "low", "words": "b", "seen": seen}
    answer = browser.post(address, late | code(), follow=True)
    assert answer.redirect_chain == [(address, 302)]
    assert "Somebody changed this setting meanwhile. Nothing was changed by you" in text_of(answer)
    remove = reverse("rule_setting_remove", args=[setting.pk])
    answer = browser.post(remove, {"seen": seen, **code()}, follow=True)
    assert "Somebody changed this setting meanwhile" in text_of(answer)
    setting.refresh_from_db()
    assert setting.weight == "high"


def test_who_sets_what_is_set_already_is_led_to_it(browser: Client) -> None:
    setting = make_setting()
    answer = browser.post(reverse("rule_set", args=[RULE]), OFF | code(), follow=True)
    assert answer.redirect_chain == [(reverse("rule_setting", args=[setting.pk]), 302)]
    assert "is set for @acme/* already (off). Change that setting." in text_of(answer)


def test_another_site_cannot_send_forms(chief: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    sign_in(chief, browser)
    answer = browser.post(reverse("rule_set", args=[RULE]), OFF | code())
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert not RuleSetting.objects.exists()

"""The page of waits: figures, drawings that say the same, and files for a spreadsheet."""

import csv
import io
import xml.etree.ElementTree as ET
from datetime import timedelta
from http import HTTPStatus
from re import DOTALL, findall

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.decisions.models import ItemState
from approvals.people.models import Role, Scope, User
from approvals.queue.models import State
from approvals.rota.models import FirstLook
from approvals.web.views import measures
from tests.approvals.factories import make_decision, make_staged_version, make_team, make_user
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def browser(client: Client, ada: User) -> Client:
    return sign_in(ada, client)


def make_waits(ada: User, package: str = "@acme/ui") -> None:
    """Looked at after ten minutes, decided after two hours, live after three."""
    found = timezone.now() - timedelta(hours=5)
    row = make_staged_version(package, found_at=found)
    FirstLook.objects.create(staged_version=row, person=ada, at=found + timedelta(minutes=10))
    item = make_decision(row, ada, item_state=ItemState.DONE)
    item.decision.made_at = found + timedelta(hours=2)
    item.decision.save()
    row.state, row.state_changed_at = State.LIVE, found + timedelta(hours=3)
    row.save()


def test_nothing_to_show_is_said(browser: Client) -> None:
    page = browser.get(reverse("measures"))
    assert_strict(page)
    assert "No versions" in text_of(page)


def test_the_figures_stand_in_words_in_tables_and_in_drawings(browser: Client, ada: User) -> None:
    make_team("frontend", ada)
    make_waits(ada)
    page = browser.get(reverse("measures"))
    assert_strict(page)
    text = text_of(page)
    assert "First look 10 min nine in ten within 10 min 1 of 1 version" in text
    assert "Decision 2 h nine in ten within 2 h" in text
    assert "Live 3 h nine in ten within 3 h" in text
    assert "@acme/ui 1 10 min 90 % 10 min of 1 2 h 90 % 2 h of 1" in text
    assert "frontend 1 10 min" in text
    drawings = findall(r"<svg class=\"chart\".*?\n</svg>", page.content.decode(), DOTALL)
    assert len(drawings) == 3
    for drawing in drawings:
        root = ET.fromstring(drawing)  # noqa: S314 - it is our own
        named = {one.get("id"): one.text or "" for one in root.iter() if one.get("id")}
        title, words = (root.get("aria-labelledby") or "").split()
        assert named[title].startswith("Decision")
        assert "half within 2 h, nine in ten within 2 h, of 1" in named[words]
        assert not [one for one in root.iter() if one.get("style")]


def test_the_charts_are_of_the_wait_that_is_chosen(browser: Client, ada: User) -> None:
    make_waits(ada)
    page = browser.get(reverse("measures"), {"measure": "look"}).content.decode()
    assert "half within 10 min" in page
    assert "half within 2 h" not in page
    # The other figures stay in the table.
    assert "2 h" in page
    unknown = browser.get(reverse("measures"), {"measure": "lunch"}).content.decode()
    assert "half within 2 h" in unknown


def test_opening_the_page_of_a_version_is_a_first_look(browser: Client) -> None:
    row = make_staged_version(found_at=timezone.now() - timedelta(days=2))
    sign_in(make_user(role=Role.VIEWER)).get(reverse("version", args=[row.pk]))
    assert "First look none yet" in text_of(browser.get(reverse("measures")))
    browser.get(reverse("version", args=[row.pk]))
    assert "First look 2 d nine in ten within 2 d" in text_of(browser.get(reverse("measures")))


def test_hostile_names_are_text(browser: Client, ada: User) -> None:
    make_waits(ada, "<script>\u202e")
    page = browser.get(reverse("measures"))
    assert_strict(page)
    html = page.content.decode()
    assert "<script>\u202e" not in html
    assert "\u202e" not in html


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"since": "2026-03-02", "until": "2026-03-01"}, "ends before it begins"),
        ({"since": "2020-01-01", "until": "2026-03-01"}, "at most 400 days"),
        ({"since": "yesterday"}, "Enter a valid date"),
        ({"packages": "a b"}, "names no packages"),
        ({"registry": "https://other.example.org/"}, "Select a valid choice"),
        ({"since": "9999-12-31"}, "millennium"),
        ({"packages": "\0"}, "Null characters"),
    ],
)
def test_what_makes_no_sense_is_said(browser: Client, asked: dict[str, str], words: str) -> None:
    page = browser.get(reverse("measures"), asked)
    assert_strict(page)
    assert words in text_of(page)
    refused = browser.get(reverse("measures_export"), asked)
    assert refused.status_code == HTTPStatus.BAD_REQUEST
    assert words in text_of(refused)


@pytest.mark.parametrize("what", ["versions", "packages", "teams"])
def test_the_figures_are_exported(browser: Client, ada: User, what: str) -> None:
    make_team("frontend", ada)
    make_waits(ada)
    answer = browser.get(reverse("measures_export"), {"what": what, "packages": "@acme/*"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith(f'attachment; filename="waits-{what}-')
    header, line = csv.reader(io.StringIO(answer.content.decode()))
    assert len(header) == len(line)
    assert "7200" in line
    named = {"versions": "'@acme/ui", "packages": "'@acme/ui", "teams": "frontend"}[what]
    assert named in line


def test_a_long_table_goes_on_in_the_export(
    browser: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_waits(ada, "slow")
    make_staged_version("waiting")
    monkeypatch.setattr(measures, "MOST_ROWS", 1)
    page = text_of(browser.get(reverse("measures")))
    assert "1 more, which were decided faster or not yet, is in the export." in page
    exported = browser.get(reverse("measures_export"), {"what": "packages"}).content.decode()
    assert "waiting" in exported


def test_there_is_no_other_export(browser: Client) -> None:
    refused = browser.get(reverse("measures_export"), {"what": "people"})
    assert refused.status_code == HTTPStatus.BAD_REQUEST


def test_the_page_links_exports_of_what_it_shows(browser: Client, ada: User) -> None:
    make_waits(ada)
    page = browser.get(reverse("measures"), {"packages": "@acme/*"}).content.decode()
    links = findall(rf'href="({reverse("measures_export")}[^"]*)"', page)
    assert len(links) == 2
    assert all("packages=%40acme" in one for one in links)
    for link in links:
        assert browser.get(link.replace("&amp;", "&")).status_code == HTTPStatus.OK


def test_who_sees_some_packages_sees_their_figures_alone(ada: User) -> None:
    make_waits(ada)
    make_waits(ada, "@zulu/secret")
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@acme/*")
    reader = sign_in(somebody)
    for page in (reverse("measures"), reverse("measures_export")):
        shown = reader.get(page).content.decode()
        assert "@acme/ui" in shown
        assert "secret" not in shown


def test_the_rota_leads_to_waits_and_runbooks(browser: Client) -> None:
    page = browser.get(reverse("rota")).content.decode()
    assert f'href="{reverse("measures")}"' in page
    assert f'href="{reverse("runbooks")}"' in page


def test_nobody_reads_them_who_is_not_signed_in(client: Client) -> None:
    for page in ("measures", "measures_export", "runbooks"):
        assert client.get(reverse(page)).status_code == HTTPStatus.FOUND

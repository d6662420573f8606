"""Runbooks on their own pages and beside a version, and the card that takes a version back."""

import re
from http import HTTPStatus

import pytest
from django.test import Client
from django.urls import reverse

from approvals.people.models import Role, Scope, User
from approvals.queue.models import State
from approvals.rota.models import Runbook
from approvals.rota.runbooks import WantedRunbook, change_runbook, make_runbook
from tests.approvals.factories import make_inspection, make_staged_version, make_user
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

TEXT = "# Who approves\n\nTwo of <b>frontend</b>.\n\n- [ask](javascript:alert(1))\n"


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.RELEASE_MANAGER)


@pytest.fixture
def browser(client: Client, chief: User) -> Client:
    return sign_in(chief, client)


@pytest.fixture
def runbook(chief: User) -> Runbook:
    return make_runbook(WantedRunbook("", "@acme/*", TEXT), actor=chief)


def test_a_runbook_is_written_previewed_changed_and_removed(browser: Client) -> None:
    page = browser.get(reverse("runbooks"))
    assert "No runbooks yet" in text_of(page)
    form = browser.get(reverse("runbook_add"))
    assert_strict(form)
    assert "## How to roll back" in form.content.decode()

    typed = {"packages": "@acme/*", "registry": "", "text": TEXT}
    previewed = browser.post(reverse("runbook_add"), {**typed, "preview": "1"})
    assert_strict(previewed)
    assert "<h3>Who approves</h3>" in previewed.content.decode()
    assert not Runbook.objects.exists()

    browser.post(reverse("runbook_add"), typed)
    made = Runbook.objects.get()
    page = browser.get(reverse("runbook", args=[made.pk]))
    assert_strict(page)
    assert "Two of <b>frontend</b>." in text_of(page)
    assert "javascript:alert(1)" in text_of(page)
    assert 'href="javascript' not in page.content.decode()

    change = reverse("runbook_change", args=[made.pk])
    browser.post(change, {"text": "Three of frontend.", "seen": "1"})
    page = text_of(browser.get(reverse("runbook", args=[made.pk])))
    assert "Three of frontend." in page
    earlier = text_of(browser.get(reverse("runbook", args=[made.pk]), {"revision": "1"}))
    assert "This is an earlier revision" in earlier
    assert "Two of <b>frontend</b>." in earlier

    gone = browser.post(reverse("runbook_remove", args=[made.pk]), {"seen": "2"}, follow=True)
    assert "The runbook for @acme/* is removed." in text_of(gone)
    assert "Removed runbooks (1)" in text_of(gone)
    assert "This runbook was removed" in text_of(browser.get(reverse("runbook", args=[made.pk])))
    assert browser.get(change).status_code == HTTPStatus.NOT_FOUND


def test_what_was_typed_is_kept_beside_what_somebody_else_wrote(
    browser: Client, chief: User, runbook: Runbook
) -> None:
    change_runbook(runbook, "Theirs.", seen=1, actor=chief)
    answer = browser.post(
        reverse("runbook_change", args=[runbook.pk]), {"text": "Mine.", "seen": "1"}
    )
    page = text_of(answer)
    assert "Somebody changed this runbook meanwhile" in page
    assert "Theirs." in page
    assert "Mine.</textarea>" in answer.content.decode()
    assert runbook.revisions.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("packages", "a b", "names no packages"),
        ("packages", "", "Name a package"),
        ("text", "", "Write who approves"),
        ("registry", "https://other.example.org/", "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_said(browser: Client, field: str, value: str, words: str) -> None:
    typed = {"packages": "@acme/*", "registry": "", "text": TEXT, field: value}
    assert words in text_of(browser.post(reverse("runbook_add"), typed))
    assert not Runbook.objects.exists()


def test_others_read_and_do_not_write(runbook: Runbook) -> None:
    reader = sign_in(make_user("ada"))
    assert "@acme/*" in text_of(reader.get(reverse("runbooks")))
    page = reader.get(reverse("runbook", args=[runbook.pk]))
    assert "Two of" in text_of(page)
    assert reverse("runbook_change", args=[runbook.pk]) not in page.content.decode()
    for answer in (
        reader.get(reverse("runbook_add")),
        reader.post(reverse("runbook_add"), {"packages": "*", "text": "x"}),
        reader.get(reverse("runbook_change", args=[runbook.pk])),
        reader.post(reverse("runbook_change", args=[runbook.pk]), {"text": "x", "seen": "1"}),
        reader.post(reverse("runbook_remove", args=[runbook.pk]), {"seen": "1"}),
    ):
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert runbook.revisions.get().text == TEXT.strip()


def test_who_sees_other_packages_learns_nothing_of_it(runbook: Runbook) -> None:
    somebody = make_user()
    Scope.objects.create(user=somebody, packages="@zulu/*")
    reader = sign_in(somebody)
    assert "@acme" not in text_of(reader.get(reverse("runbooks")))
    hidden = reader.get(reverse("runbook", args=[runbook.pk]))
    assert hidden.status_code == HTTPStatus.NOT_FOUND


def test_the_review_page_shows_the_runbook_that_holds(browser: Client, runbook: Runbook) -> None:
    mine, other = make_staged_version("@acme/ui"), make_staged_version("left-pad")
    page = browser.get(reverse("version", args=[mine.pk]))
    assert_strict(page)
    assert "Runbook: who approves" in text_of(page)
    assert "Two of <b>frontend</b>." in text_of(page)
    assert reverse("runbook", args=[runbook.pk]) in page.content.decode()
    assert "Runbook:" not in text_of(browser.get(reverse("version", args=[other.pk])))


def test_a_live_version_has_the_commands_that_take_it_back(browser: Client) -> None:
    row = make_staged_version("@acme/ui", state=State.LIVE)
    make_inspection(row)
    page = browser.get(reverse("version", args=[row.pk]))
    assert_strict(page)
    shown = re.findall(r'<pre class="command"[^>]*><code>(.*?)</code>', page.content.decode())
    assert len(shown) == 2
    assert "@acme/ui@1.4.2&quot; &quot;latest&quot;" in shown[0]
    assert "Countersign cannot do this" in text_of(page)

    chosen = browser.get(reverse("version", args=[row.pk]), {"back_to": "1.4.0", "message": ""})
    assert "it was taken back. Use 1.4.0." in text_of(chosen)

    typed = {"back_to": "1.4.0", "message": "Broken."}
    page = browser.get(reverse("version", args=[row.pk]), typed)
    shown = re.findall(r'<pre class="command"[^>]*><code>(.*?)</code>', page.content.decode())
    assert "@acme/ui@1.4.0&quot;" in shown[0]
    assert "&quot;Broken.&quot;" in shown[1]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"message": 'x"; reboot; "'}, "means something to one shell"),
        ({"message": "x" * 5000}, "at most"),
        ({"back_to": "9.9.9"}, "listed"),
        ({"back_to": '<script>"'}, "listed"),
    ],
)
def test_what_cannot_be_filled_in_is_said_and_the_usual_shown(
    browser: Client, typed: dict[str, str], words: str
) -> None:
    row = make_staged_version("@acme/ui", state=State.LIVE)
    make_inspection(row)
    page = browser.get(reverse("version", args=[row.pk]), typed)
    assert_strict(page)
    assert words in text_of(page)
    shown = re.findall(r'<pre class="command"[^>]*><code>(.*?)</code>', page.content.decode())
    assert len(shown) == 2
    assert all("reboot" not in one for one in shown)


def test_an_odd_name_has_reasons_and_no_commands(browser: Client) -> None:
    row = make_staged_version("left-pad", tag="$(reboot)", state=State.LIVE)
    page = browser.get(reverse("version", args=[row.pk]))
    assert "none is shown" in text_of(page)
    assert 'class="command"' not in page.content.decode()


@pytest.mark.parametrize("state", [State.STAGED, State.REJECTED, State.ACCEPTED])
def test_what_is_not_out_has_no_such_card(browser: Client, state: State) -> None:
    row = make_staged_version(state=state)
    page = browser.get(reverse("version", args=[row.pk]))
    assert 'id="rollback"' not in page.content.decode()

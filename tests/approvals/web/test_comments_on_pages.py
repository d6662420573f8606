"""What people say of a version, a file and a line, on the pages: plain text, and nothing else."""

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.decisions.models import Comment
from approvals.people.models import Role, Scope, User
from approvals.queue.models import StagedVersion
from approvals.web.comments import text_html
from tests.approvals.factories import make_inspection, make_staged_version, make_user
from tests.approvals.web.pages import HTMX, assert_strict, sign_in, text_of
from tests.packages import tarball

pytestmark = pytest.mark.django_db

HOSTILE = "<img src=x onerror=alert(1)> \u202eevil **bold** [a](javascript:1)"
SHARED = "".join(f"const line{number} = {number};\n" for number in range(1, 41))
OLD = SHARED + "let a = 1;\n"
NEW = SHARED + "let a = 2;\nlet b = 3;\n"


@pytest.fixture
def row() -> StagedVersion:
    kept: dict[str, str | bytes] = {"package.json": '{"name": "left-pad"}'}
    staged_version = make_staged_version("left-pad", "1.5.0")
    old, new = tarball({**kept, "lib/index.js": OLD}), tarball({**kept, "lib/index.js": NEW})
    make_inspection(staged_version, tarballs=(old, new))
    return StagedVersion.objects.with_package().get(pk=staged_version.pk)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


def place(row: StagedVersion, name: str = "file_comment") -> str:
    inspection = row.inspection_request.inspection
    assert inspection is not None
    position = inspection.files.get(path="lib/index.js").position
    return reverse(name, args=[row.pk, inspection.pk, position])


def say(client: Client, row: StagedVersion, text: str, **where: str) -> HttpResponse:
    response: HttpResponse = client.post(place(row), {"text": text, **where})
    return response


# ---------- of the version


def test_what_is_said_of_a_version_stands_on_its_page(client: Client, row: StagedVersion) -> None:
    address = reverse("version_comments", args=[row.pk])
    answer = client.post(address, {"text": f"Why so large? {HOSTILE}"})
    assert answer["Location"] == reverse("version", args=[row.pk]) + "#discussion"
    response = client.get(reverse("version", args=[row.pk]))
    assert_strict(response)
    html = response.content.decode()
    assert "Why so large?" in text_of(response)
    assert "<img src=x" not in html
    assert "\u202e" not in html
    assert "<b>bold" not in html
    assert 'href="javascript' not in html


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 4001, "a\x00b"])
def test_what_cannot_be_kept_is_refused_and_not_lost(
    client: Client, row: StagedVersion, text: str
) -> None:
    for answer in (
        client.post(reverse("version_comments", args=[row.pk]), {"text": text}),
        say(client, row, text),
        say(client, row, text, at="n41"),
    ):
        assert answer.status_code == 422
        assert_strict(answer)
        assert text[:3000].strip("\x00 \n")[:1] in answer.content.decode()
    assert not Comment.objects.exists()


def test_a_viewer_talks_and_a_stranger_sees_nothing(row: StagedVersion) -> None:
    address = reverse("version_comments", args=[row.pk])
    viewer = sign_in(make_user(role=Role.VIEWER))
    assert viewer.post(address, {"text": "I tried it."}).status_code == 302
    outside = make_user()
    Scope.objects.create(user=outside, packages="@elsewhere/*")
    stranger = sign_in(outside)
    assert stranger.post(address, {"text": "Hello?"}).status_code == 404
    assert stranger.get(place(row)).status_code == 404
    assert Comment.objects.count() == 1


def test_mentions_are_marked_where_they_mean_somebody(client: Client, row: StagedVersion) -> None:
    make_user("grace")
    text = "@grace and @nobody, see grace@example.org. @Grace."
    client.post(reverse("version_comments", args=[row.pk]), {"text": text})
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert html.count("<mark>@grace</mark>") == 1
    assert html.count("<mark>@Grace</mark>") == 1
    assert "<mark>@nobody" not in html


def test_marks_never_let_markup_through() -> None:
    html = text_html("<b>@ada</b>@ada-\u202e&", {"ada"})
    assert "<b>" not in html
    assert "&lt;b&gt;<mark>@ada</mark>&lt;/b&gt;" in html


def test_only_ones_own_comment_is_taken_back(row: StagedVersion, ada: User) -> None:
    mine = Comment.objects.create(staged_version=row, user=ada, text="A secret by mistake.")
    address = reverse("take_comment_back", args=[row.pk, mine.pk])
    boss = sign_in(make_user(role=Role.ADMINISTRATOR))
    assert "Only who wrote a comment" in text_of(boss.post(address, follow=True))
    assert "Take back" not in text_of(boss.get(reverse("version", args=[row.pk])))
    # Named under another version, it is not there.
    other = make_staged_version("right-pad", registry=row.registry)
    client = sign_in(ada)
    forged = reverse("take_comment_back", args=[other.pk, mine.pk])
    assert client.post(forged).status_code == 404
    mine.refresh_from_db()
    assert mine.text
    after = client.post(address, follow=True)
    assert "A secret by mistake." not in text_of(after)
    assert "Taken back just now" in text_of(after)


def test_the_list_updates_itself_and_says_nothing_where_nothing_changed(
    client: Client, row: StagedVersion, ada: User
) -> None:
    page = client.get(reverse("version", args=[row.pk])).content.decode()
    seen = page.split('name="said" value="')[1].split('"')[0]
    address = reverse("version_comments", args=[row.pk]) + "?part=list"
    assert client.get(f"{address}&said={seen}", headers=HTMX).status_code == 204
    Comment.objects.create(staged_version=row, user=ada, text="Something new.")
    answer = client.get(f"{address}&said={seen}", headers=HTMX)
    assert "Something new." in text_of(answer)
    assert client.get(address).status_code == 302


def test_of_many_the_newest_stand_open(client: Client, row: StagedVersion, ada: User) -> None:
    Comment.objects.bulk_create(
        Comment(staged_version=row, user=ada, text=f"Remark {number}.") for number in range(30)
    )
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert "26 earlier" in html
    assert html.index("Remark 25.") < html.index("Remark 26.") < html.index("Remark 29.")


# ---------- of a file


def test_what_is_said_of_a_file_stands_with_it(client: Client, row: StagedVersion) -> None:
    answer = say(client, row, "Is this generated?")
    assert answer.status_code == 302
    panel = text_of(client.get(place(row, "file_diff")))
    assert "1 comment on this file and its lines" in panel
    assert "Is this generated?" in panel
    page = client.get(reverse("version", args=[row.pk])).content.decode()
    assert "lib/index.js</a>" in page
    other = Comment.objects.get()
    assert (other.path, other.side, other.line) == ("lib/index.js", "", None)


# ---------- of a line


@pytest.mark.parametrize("view", ["unified", "split"])
def test_what_is_said_of_a_line_stands_under_it(
    client: Client, row: StagedVersion, view: str
) -> None:
    say(client, row, f"Why two? {HOSTILE}", at="n41")
    say(client, row, "It was one.", line="41", side="old")
    assert list(Comment.objects.values_list("side", "line", "excerpt")) == [
        ("new", 41, "let a = 2;"),
        ("old", 41, "let a = 1;"),
    ]
    response = client.get(place(row, "file_diff"), {"view": view})
    html = response.content.decode()
    assert_strict(response)
    assert html.count('<tr class="diff__talk"') == 2
    under_new = html.index('<tr class="diff__talk" data-at="n41"')
    under_old = html.index('<tr class="diff__talk" data-at="o41"')
    assert html.index('id="o41"') < under_old < under_new
    assert html.index("Why two?", under_new) > under_new
    assert "<img src=x" not in html
    page = client.get(reverse("version", args=[row.pk])).content.decode()
    assert "line=n41#n41" in page
    assert "lib/index.js:41" in page


def test_a_line_that_is_folded_away_can_be_spoken_of(client: Client, row: StagedVersion) -> None:
    assert say(client, row, "The third.", line="3").status_code == 302
    said = Comment.objects.get()
    assert (said.side, said.line, said.excerpt) == ("new", 3, "const line3 = 3;")
    # It opens with its fold.
    address = place(row, "file_context") + "?old=1&new=1&count=37&view=unified&variant="
    opened = client.get(address, headers=HTMX).content.decode()
    assert opened.index('id="n3"') < opened.index("The third.") < opened.index('id="n4"')


@pytest.mark.parametrize("at", ["n999", "o999", "n0", "x1", "n41; drop", "n999999999", "\x00"])
def test_there_is_no_comment_on_a_line_that_is_not_there(
    client: Client, row: StagedVersion, at: str
) -> None:
    answer = say(client, row, "What is this?", at=at)
    assert answer.status_code == 422
    assert "There is no such line" in text_of(answer)
    assert "What is this?" in text_of(answer)
    assert not Comment.objects.exists()


def test_the_excerpt_is_the_files_own_whatever_the_form_says(
    client: Client, row: StagedVersion
) -> None:
    say(client, row, "See.", at="n42", excerpt="rm -rf /", path="other.js", user="1")
    said = Comment.objects.get()
    assert (said.path, said.excerpt) == ("lib/index.js", "let b = 3;")


def test_a_comment_on_another_line_with_the_same_number_is_not_hung_under_this_one(
    client: Client, row: StagedVersion, ada: User
) -> None:
    Comment.objects.create(
        staged_version=row,
        user=ada,
        text="Of a comparison with another version.",
        path="lib/index.js",
        side="old",
        line=41,
        excerpt="let other = 7;",
    )
    html = client.get(place(row, "file_diff")).content.decode()
    assert "diff__talk" not in html
    assert "Of a comparison with another version." in html


def test_without_a_script_a_line_has_a_page_of_its_own(client: Client, row: StagedVersion) -> None:
    panel = client.get(place(row, "file_diff")).content.decode()
    assert f'<form id="say" method="get" action="{place(row)}"' in panel
    assert 'name="at" value="n41"' in panel
    page = client.get(place(row), {"at": "n41"})
    assert_strict(page)
    assert "let a = 2;" in text_of(page)
    assert "Comment on line 41" in text_of(page)
    answer = say(client, row, "Why two?", at="n41")
    assert answer["Location"].endswith("&line=n41#n41")


def test_with_a_script_the_form_opens_under_the_line(client: Client, row: StagedVersion) -> None:
    opened = client.get(place(row), {"at": "n41"}, headers=HTMX).content.decode()
    assert opened.lstrip().startswith('<tr class="diff__talk" data-at="n41"><td colspan="3">')
    assert "hx-post" in opened
    split = client.get(place(row), {"at": "n41", "view": "split"}, headers=HTMX).content.decode()
    assert 'colspan="4"' in split
    refused = client.post(place(row), {"at": "n41", "text": ""}, headers=HTMX)
    # htmx would not show it otherwise.
    assert refused.status_code == 200
    assert "Write something." in text_of(refused)
    done = client.post(place(row), {"at": "n41", "text": "Why two?"}, headers=HTMX)
    assert "Why two?" in text_of(done)
    assert "<textarea" not in done.content.decode()
    closed = client.get(place(row), {"at": "n42", "show": "list"}, headers=HTMX)
    assert not closed.content.strip()


def test_the_diff_asks_as_often_for_many_comments_as_for_one(
    client: Client, row: StagedVersion, ada: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(place(row, "file_diff")).status_code == 200
        return len(found)

    say(client, row, "@ada one", at="n41")
    queries()
    with_one = queries()
    for number in range(20):
        say(client, row, f"@ada {number}", at="n42")
        say(client, row, "of the file")
    assert queries() == with_one

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.decisions.models import Action, ItemState
from approvals.inspection.models import InspectionRequest
from approvals.people.models import SealedTOTPDevice, User
from approvals.people.totp import begin_enrolment
from approvals.queue.models import StagedVersion, State
from approvals.web.diff import ROWS_PER_PIECE, piece_of
from approvals.web.filetree import tree_of
from approvals.web.visible import visible
from tests.approvals.factories import (
    DIFF,
    make_account,
    make_decision,
    make_inspection,
    make_inspection_request,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
TROJAN = (
    "@@ -1,2 +1,2 @@\n"
    " const role = 'user';\n"
    "-if (role != 'user') {\n"
    "+if (role != 'user\u202e \u2066// admin only\u2069 \u2066') { // <script>alert(1)</script>\n"
    "+const k\u200b = '\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07';\n"
)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


def able_to_decide(user: User, row: StagedVersion) -> None:
    begin_enrolment(user)
    SealedTOTPDevice.objects.filter(user=user).update(confirmed=True)
    make_account(user, row.registry)


def page(client: Client, row: StagedVersion) -> str:
    response = client.get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert_strict(response)
    return text_of(response)


def test_the_decision_comes_first_with_its_facts(client: Client, ada: User) -> None:
    row = make_staged_version("left-pad", "1.5.0")
    make_inspection(row)
    able_to_decide(ada, row)
    text = page(client, row)
    assert "A minor step from 1.4.2" in text
    assert "Everyone Dist-tag latest · public access" in text
    assert "2 files +4 \N{MINUS SIGN}2" in text
    assert "1 added, 1 modified" in text
    assert "Approve: make 1.5.0 installable by everyone as latest" in text
    assert "Reject: delete 1.5.0 from the registry for good" in text
    assert "stands in the way" not in text
    assert text.index("Approve: make") < text.index("Files Against 1.4.2")
    assert text.index("Files Against 1.4.2") < text.index("What the registry says")


def test_a_new_install_script_is_unusual(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    text = page(client, row)
    assert "The script postinstall is new, and runs on the machine of everyone" in text
    assert "node setup.js" in text


def test_what_the_tarball_does_wrong_is_shown(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row,
        problems=[{"rule": "twice", "path": "index.js", "sentence": "It is there twice."}],
        manifest_problem="package.json says version 9.9.9, but the registry says 1.5.0.",
        problems_left_out=12,
    )
    text = page(client, row)
    assert "It is there twice. index.js" in text
    assert "package.json says version 9.9.9" in text
    assert "12 more problems like these" in text


def test_every_field_of_the_registry_is_shown_and_unknown_ones_too(client: Client) -> None:
    row = make_staged_version(
        extra={"items": "fooled", "provenance": {"kind": "slsa"}, "note": "<b>bold</b>"}
    )
    make_inspection(row)
    text = page(client, row)
    for words in (
        str(row.stage_id),
        row.shasum,
        row.sha512,
        "release-bot trusted automation",
        "items fooled",
        'provenance {"kind": "slsa"}',
        "note <b>bold</b>",
        "1.4.2 is what users of the dist-tag latest have today.",
        "ada, grace",
    ):
        assert words in text


def test_manifest_facts_before_and_after(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    text = page(client, row)
    assert "engines / node changed before: >=18 after: >=20" in text
    assert "dependencies / tiny-http added not there after: 0.1.0" in text
    assert "license MIT" in text
    assert "scripts / test node --test" in text


def test_a_first_release_has_nothing_before_it(client: Client) -> None:
    row = make_staged_version("new", "1.0.0")
    make_inspection(row, baseline_version="")
    text = page(client, row)
    assert "First release: there is nothing to compare it with" in text
    assert "No version of this package is published yet." in text
    assert "not there" not in text


@pytest.mark.parametrize("state", ["missing", "waiting", "running", "failed"])
def test_nothing_is_offered_before_the_comparison_is_done(
    client: Client, ada: User, state: str
) -> None:
    row = make_staged_version()
    able_to_decide(ada, row)
    if state != "missing":
        make_inspection_request(row, state, step="Downloading", failure="Its gzip is cut off.")
    response = client.get(reverse("version", args=[row.pk]))
    html = response.content.decode()
    assert reverse("confirm_approve", args=[row.pk]) not in html
    assert reverse("confirm_reject", args=[row.pk]) not in html
    if state == "failed":
        assert "Its gzip is cut off." in text_of(response)
        assert f'action="{reverse("inspect_again", args=[row.pk])}"' in html
        assert 'hx-trigger="every 15s"' in html
    else:
        assert 'hx-trigger="every 2s"' in html
        assert "<progress" in html


def test_try_again_puts_the_inspection_back_in_the_line(client: Client) -> None:
    row = make_staged_version()
    make_inspection_request(row, "failed", failure="It broke.")
    response = client.post(reverse("inspect_again", args=[row.pk]), follow=True)
    assert "downloaded and compared again" in text_of(response)
    assert InspectionRequest.objects.get(staged_version=row).state == "waiting"


def test_a_viewer_does_not_hold_up_a_decision_by_comparing_again() -> None:
    row = make_staged_version()
    make_inspection(row)
    viewer = sign_in(make_user(role="viewer"))
    assert viewer.post(reverse("inspect_again", args=[row.pk])).status_code == 403
    assert InspectionRequest.objects.get(staged_version=row).state == "done"


def test_a_hundred_folders_within_one_another_are_shown(client: Client) -> None:
    row = make_staged_version()
    paths = ["/".join(["d"] * depth + ["x.js"]) for depth in range(1, 100)]
    make_inspection(row, [{"path": path, "status": "added"} for path in sorted(paths)])
    response = client.get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert "99 files" in text_of(response)


def test_the_page_updates_itself_until_there_is_nothing_to_wait_for(client: Client) -> None:
    row = make_staged_version()
    request = make_inspection_request(row, "running", progress_done=1, progress_total=4)
    url = reverse("version_status", args=[row.pk]) + "?inspection=running"
    first = client.get(url, headers=HTMX)
    assert "25 %" in text_of(first)
    seen = first.content.decode().rsplit('name="seen" value="', 1)[1].split('"')[0]
    assert client.get(f"{url}&seen={seen}", headers=HTMX).status_code == 204
    request.delete()
    make_inspection(row)
    done = client.get(f"{url}&seen={seen}", headers=HTMX)
    assert done.headers["HX-Refresh"] == "true"
    row.state = State.LIVE
    row.save()
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert reverse("version_status", args=[row.pk]) not in html


def test_an_unchanged_page_with_a_form_is_not_swapped_under_the_fingers(
    client: Client, ada: User
) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, item_state=ItemState.ASKING, question="Enter the code.")
    url = reverse("version_status", args=[row.pk]) + "?inspection=done"
    html = client.get(url, headers=HTMX).content.decode()
    assert "csrfmiddlewaretoken" in html
    seen = html.rsplit('name="seen" value="', 1)[1].split('"')[0]
    assert client.get(f"{url}&seen={seen}", headers=HTMX).status_code == 204


def test_a_viewer_reads_why_there_are_no_actions() -> None:
    row = make_staged_version()
    make_inspection(row)
    text = page(sign_in(make_user(role="viewer")), row)
    assert "Your role only lets you look" in text
    assert "Approve: make" not in text


def test_an_alarm_is_loud_and_stops_approving_but_not_rejecting(client: Client, ada: User) -> None:
    row = make_staged_version(alarm="The tarball is not the one that was announced.")
    make_inspection(row)
    able_to_decide(ada, row)
    response = client.get(reverse("version", args=[row.pk]))
    html = response.content.decode()
    assert '<div class="alarm" role="alert">' in html
    assert reverse("confirm_approve", args=[row.pk]) not in html
    assert reverse("confirm_reject", args=[row.pk]) in html


def test_the_registry_asks_the_person_who_decided_for_a_code(client: Client, ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, item_state=ItemState.ASKING, question="Enter your <b>code</b>.")
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert f'action="{reverse("answer_registry", args=[row.pk])}"' in html
    assert 'autocomplete="one-time-code"' in html
    assert "Enter your &lt;b&gt;code&lt;/b&gt;." in html
    other = sign_in(make_user()).get(reverse("version", args=[row.pk]))
    assert reverse("answer_registry", args=[row.pk]) not in other.content.decode()
    assert "Only ada can answer" in text_of(other)


def test_the_web_flow_leads_to_the_registry_in_a_tab_of_its_own(client: Client, ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(
        row, ada, item_state=ItemState.ASKING, auth_url="https://registry.example.org/auth/1"
    )
    response = client.get(reverse("version", args=[row.pk]))
    assert (
        'href="https://registry.example.org/auth/1" target="_blank" rel="noopener noreferrer"'
        in response.content.decode()
    )
    assert "Waiting for your touch" in text_of(response)


def test_a_web_flow_that_is_no_web_address_gets_no_link(client: Client, ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, item_state=ItemState.ASKING, auth_url="javascript:alert(1)")
    assert "javascript:" not in client.get(reverse("version", args=[row.pk])).content.decode()


@pytest.mark.parametrize(
    ("action", "item_state", "state", "words"),
    [
        (Action.APPROVE, ItemState.WAITING, State.APPROVING, "Waiting for a worker"),
        (Action.APPROVE, ItemState.SENT, State.APPROVING, "the registry has not answered yet"),
        (Action.APPROVE, ItemState.CHECKING, State.APPROVING, "answer was lost"),
        (Action.APPROVE, ItemState.DONE, State.ACCEPTED, "Waiting to see it in the packument"),
        (Action.APPROVE, ItemState.DONE, State.LIVE, "Live: everyone can install it"),
        (Action.REJECT, ItemState.DONE, State.REJECTED, "It reads the environment."),
        (Action.APPROVE, ItemState.FAILED, State.STAGED, "Your approval was not carried out"),
    ],
)
def test_how_far_a_decision_has_come(
    client: Client,
    ada: User,
    action: Action,
    item_state: ItemState,
    state: State,
    words: str,
) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_decision(row, ada, action, item_state=item_state, outcome="What came of it.")
    row.state = state
    row.save()
    text = page(client, row)
    assert words in text
    if item_state in {ItemState.DONE, ItemState.FAILED}:
        assert "What came of it." in text


def test_files_are_a_tree_with_counts(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row,
        [
            {"path": "index.js"},
            {"path": "lib/deep/only/a.js", "added_lines": 5, "removed_lines": 0},
            {"path": "lib/deep/only/b.js", "status": "removed", "added_lines": 0},
            {"path": "docs/new.md", "old_path": "docs/old.md", "status": "renamed"},
            {"path": "logo.png", "is_binary": True, "old_size": 1024, "new_size": 2048},
            {"path": "run", "status": "mode_changed", "new_mode": 0o755},
        ],
    )
    text = page(client, row)
    assert "lib/deep/only/ 2 files +5 \N{MINUS SIGN}1" in text
    assert "docs/old.md → docs/new.md" in text
    assert "binary, 1.0 kB → 2.0 kB" in text
    assert "mode 644 → 755" in text


def test_a_tree_joins_folders_that_hold_only_one_folder() -> None:
    rows = [
        {"path": path, "added_lines": 1, "removed_lines": None, "problems": []}
        for path in ("a/b/c/one.js", "a/b/c/two.js", "a/b/c/d/three.js", "top.js")
    ]
    top = tree_of(rows)
    (folder,) = top.children()
    assert (folder.name, folder.path, folder.count) == ("a/b/c/", "a/b/c/", 3)
    assert [file["name"] for file in folder.files] == ["one.js", "two.js"]
    (inner,) = folder.children()
    assert (inner.name, inner.path) == ("d/", "a/b/c/d/")
    assert [file["name"] for file in top.files] == ["top.js"]


def test_thousands_of_files_are_loaded_folder_by_folder(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row,
        [{"path": f"{folder}/sub/file-{n}.js"} for folder in ("dist", "lib") for n in range(1500)],
    )
    response = client.get(reverse("version", args=[row.pk]))
    assert len(response.content) < 100_000
    assert "dist/sub/ 1 500 files" in text_of(response)
    assert "file-77.js" not in text_of(response)
    files = reverse("version_files", args=[row.pk])
    part = client.get(files + "?under=dist/sub/", headers=HTMX)
    assert "<html" not in part.content.decode()
    assert text_of(part).count("file-") == 100
    second = client.get(files + "?under=dist/sub/&page=2")
    assert "<html" in second.content.decode()
    assert text_of(second).count("file-") == 100
    found = text_of(client.get(files + "?path=lib/*-77.js", headers=HTMX))
    assert "1 of 3 000 changed files" in found
    assert "lib/sub/file-77.js" in found
    assert "nothing matches" in text_of(client.get(files + "?status=removed", headers=HTMX))


def test_of_many_files_the_first_view_counts_what_each_folder_holds(client: Client) -> None:
    row = make_staged_version()
    paths = sorted(
        [f"Lib/one/{n:03}.js" for n in range(80)]
        + [f"lib/one/{n:03}.js" for n in range(60)]
        + [f"lib/two/{n:03}.js" for n in range(20)]
        + ["lib.js", "top file.js", "\U0001f4e6/a.js"]
    )
    problem = {"rule": "big", "path": "lib/two/007.js", "sentence": "It is too large."}
    make_inspection(
        row,
        [
            {"path": path, "problems": [problem] if path == "lib/two/007.js" else []}
            for path in paths
        ],
    )
    text = page(client, row)
    assert "Lib/one/ 80 files +160 \N{MINUS SIGN}80" in text
    assert "lib/ 1 with problems 80 files +160 \N{MINUS SIGN}80" in text
    assert "\U0001f4e6/ 1 file " in text
    assert "lib.js" in text
    assert "top file.js" in text
    assert "007.js" not in text
    files = reverse("version_files", args=[row.pk])
    opened = text_of(client.get(files, {"under": "lib/"}, headers=HTMX))
    # No more than fit on one page: nothing is left to load.
    assert "one/ 60 files" in opened
    assert "two/ 1 with problems 20 files" in opened
    assert "007.js" in opened


def test_of_thousands_of_folders_the_first_are_shown_with_a_word_about_the_others(
    client: Client,
) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": f"f{n:04}/index.js"} for n in range(600)])
    text = page(client, row)
    assert "f0499/" in text
    assert "f0500/" not in text
    assert "Only the first 500 folders stand here." in text


@pytest.mark.parametrize(
    "query",
    [{"path": "\0"}, {"under": "\0x"}, {"status": "\0"}, {"page": "\0"}, {"path": "x" * 1001}],
)
def test_nonsense_in_the_address_finds_nothing_and_breaks_nothing(
    client: Client, query: dict[str, str]
) -> None:
    row = make_staged_version()
    make_inspection(row)
    for name in ("version", "version_files"):
        response = client.get(reverse(name, args=[row.pk]), query)
        assert response.status_code == 200
        assert ("nothing matches" in text_of(response)) == ("page" not in query)
    diff = client.get(reverse("file_diff", args=[row.pk, 0]), {"from": "\0"})
    assert diff.status_code == 200


@pytest.mark.parametrize("name", ["version", "version_status", "version_files", "confirm_approve"])
def test_a_number_too_large_for_the_database_is_not_there(client: Client, name: str) -> None:
    assert client.get(reverse(name, args=[10**30]), headers=HTMX).status_code == 404


def test_what_was_found_is_read_only_once_however_often_the_page_asks(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    url = reverse("version_status", args=[row.pk]) + "?inspection=done"
    assert "The script postinstall is new" in text_of(client.get(url, headers=HTMX))
    with CaptureQueriesContext(connection) as captured:
        assert "The script postinstall is new" in text_of(client.get(url, headers=HTMX))
    assert not any('"summary"' in query["sql"] for query in captured)


def test_the_number_of_queries_does_not_grow_with_the_files(client: Client) -> None:
    def queries(count: int) -> int:
        row = make_staged_version(version=f"{count}.0.0")
        make_inspection(row, [{"path": f"file-{n}.js", "diff": DIFF} for n in range(count)])
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("version", args=[row.pk]))
        assert not any("inspection_filediff" in query["sql"] for query in captured)
        return len(captured)

    assert queries(10) == queries(150)
    # So many stand folder by folder, which takes other queries.
    assert queries(160) == queries(400)


def test_a_diff_is_a_part_for_htmx_and_a_page_without_it(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "index.js", "diff": TROJAN}])
    url = reverse("file_diff", args=[row.pk, 0])
    part, whole = client.get(url, headers=HTMX), client.get(url)
    assert "<html" not in part.content.decode()
    assert "<html" in whole.content.decode()
    assert_strict(whole)
    for response in (part, whole):
        html, text = response.content.decode(), text_of(response)
        assert "<script>alert(1)" not in html
        assert "<script>alert(1)</script>" in text
        assert not set(html) & set("\u202e\u2066\u2069\u200b\ufe01")
        assert "U+202E" in text
        assert "U+FE01 U+FE02 U+FE03 U+FE04 … 7 hidden characters" in text


def test_line_numbers_and_signs() -> None:
    rows = piece_of("@@ -7,3 +9,3 @@\n same\n-old x\n+new x\n\\ No newline at end of file\n").rows
    assert [(row.kind, row.old, row.new, row.text) for row in rows] == [
        ("hunk", None, None, "@@ -7,3 +9,3 @@"),
        ("same", 7, 9, "same"),
        ("removed", 8, None, "old x"),
        ("added", None, 10, "new x"),
        ("note", None, None, "No newline at end of file"),
    ]
    assert rows[2].html == "<mark>old</mark> x"


def test_a_line_separator_within_a_line_starts_no_new_one() -> None:
    rows = piece_of("@@ -1,1 +1,2 @@\n+a\u2028-b\x0c+c\r\n").rows
    assert len(rows) == 2
    assert "U+2028" in str(rows[1].html)
    assert "U+000C" in str(rows[1].html)


def test_line_ends_of_windows_are_told_quietly_and_only_where_they_changed(
    client: Client,
) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "a.js", "diff": "@@ -1,2 +1,2 @@\n a\r\n-b\n+b\r\n+c\rd\r\n"}])
    text = text_of(client.get(reverse("file_diff", args=[row.pk, 0]), headers=HTMX))
    assert text.count("\N{SYMBOL FOR CARRIAGE RETURN}") == 2
    assert text.count("U+000D") == 1


def test_a_long_diff_comes_in_pieces(client: Client) -> None:
    row = make_staged_version()
    lines = "".join(f"+line {n}.\n" for n in range(1000))
    make_inspection(row, [{"path": "long.js", "diff": f"@@ -0,0 +1,1000 @@\n{lines}"}])
    url = reverse("file_diff", args=[row.pk, 0])
    first = client.get(url, headers=HTMX)
    assert "line 0." in text_of(first)
    assert f"line {ROWS_PER_PIECE}." not in text_of(first)
    assert f"Show more: {1001 - ROWS_PER_PIECE} of 1 001 lines are left" in text_of(first)
    more = client.get(f"{url}?from={ROWS_PER_PIECE}", headers=HTMX).content.decode()
    assert more.startswith("<tr")
    assert f"line {ROWS_PER_PIECE}." in more
    assert client.get(f"{url}?from=nonsense", headers=HTMX).status_code == 200
    assert client.get(f"{url}?from=99999999", headers=HTMX).status_code == 200


def test_a_file_without_a_diff_says_why(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row,
        [
            {"path": "a.png", "is_binary": True, "diff_note": "It is a binary file."},
            {"path": "b.js", "status": "renamed", "old_path": "c.js"},
        ],
    )
    first = client.get(reverse("file_diff", args=[row.pk, 0]))
    assert "It is a binary file." in text_of(first)
    second = client.get(reverse("file_diff", args=[row.pk, 1]))
    assert "Only the name changed" in text_of(second)
    assert client.get(reverse("file_diff", args=[row.pk, 2])).status_code == 404


def test_hostile_names_and_readme_stay_words(client: Client) -> None:
    row = make_staged_version("@" + "s" * 49 + "/" + "n" * 49, "1.0.0-" + "9" * 90)
    make_inspection(
        row,
        [{"path": "<img src=x onerror=alert(1)>/\u202egpj.js"}],
        readme="<script>alert(1)</script> [31m \u200b # Heading",
        manifest_changes=[
            {"field": "<b>f</b>", "key": "\u2066k", "old": None, "new": "<i>n</i>" + "x" * 9000}
        ],
    )
    response = client.get(reverse("version", args=[row.pk]))
    html, text = response.content.decode(), text_of(response)
    assert "<img src=x" not in html
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "<b>f</b> / U+2066 k" in text
    assert "7,008 more characters" in text
    assert "# Heading" in text
    assert_strict(response)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("naïve 日本語 — “quoted” 🎉", "naïve 日本語 — “quoted” 🎉"),
        ("a\tb\nc\r\nd", "a\tb\nc\nd"),
    ],
)
def test_what_can_be_seen_is_left_alone(text: str, html: str) -> None:
    assert visible(text) == html


@pytest.mark.parametrize(
    "character",
    "\u202a\u202e\u2066\u2069\u061c\u200b\u200d\u2060\ufeff\u00ad\x00\x1b\x7f\x85\u2028\u00a0"
    "\u3164\u115f\ufe0f\U000e0041\U000e0100\ue000\r",
)
def test_what_hides_is_spelt_out(character: str) -> None:
    html = visible(f"a{character}b")
    assert character not in html
    assert f"U+{ord(character):04X}" in html


def test_a_version_that_is_not_there_is_a_page_of_ours(client: Client) -> None:
    response = client.get(reverse("version", args=[999]))
    assert response.status_code == 404
    assert "There is nothing here" in text_of(response)
    assert_strict(response)

import hashlib
import re
import tracemalloc
import zlib
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from approvals.inspection.filediff import diff_texts
from approvals.inspection.models import (
    FileChange,
    FileDiff,
    Inspection,
    InspectionRequest,
    OtherBaselineRequest,
)
from approvals.inspection.results import CompareLimits
from approvals.people.models import User
from approvals.queue.models import StagedVersion
from approvals.web.diff import ROWS_PER_PIECE
from approvals.web.filetree import tree_of
from tests.approvals.factories import (
    make_inspection,
    make_other_baseline,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import HTMX, assert_strict, code_of, sign_in, text_of
from tests.awkward import Files, png
from tests.packages import tarball

pytestmark = pytest.mark.django_db

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


def address(name: str, row: StagedVersion, *args: object) -> str:
    """The address of a page about the row's comparison."""
    request = InspectionRequest.objects.get(staged_version=row)
    return reverse(name, args=[row.pk, request.inspection_id, *args])


def page(client: Client, row: StagedVersion, **query: str) -> str:
    response = client.get(reverse("version", args=[row.pk]), query)
    assert response.status_code == 200
    assert_strict(response)
    return text_of(response)


def test_a_hundred_folders_within_one_another_are_shown(client: Client) -> None:
    row = make_staged_version()
    paths = ["/".join(["d"] * depth + ["x.js"]) for depth in range(1, 100)]
    make_inspection(row, [{"path": path, "status": "added"} for path in sorted(paths)])
    response = client.get(reverse("version", args=[row.pk]))
    assert response.status_code == 200
    assert "d/ 99 files" in text_of(response)


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
    assert "new.md from docs/old.md" in text
    assert "logo.png binary" in text
    assert "Mode changed run" in text
    assert text.index("docs/ 1 file") < text.index("index.js") < text.index("lib/deep/only/")
    assert "1.0 kB → 2.0 kB" in page(client, row, file="4")
    assert "mode 644 → 755" in page(client, row, file="5")


def test_a_tree_joins_folders_that_hold_only_one_folder() -> None:
    rows = [
        {
            "path": path,
            "added_lines": 1,
            "removed_lines": None,
            "problems": [],
            "viewed": path == "a/b/c/one.js",
        }
        for path in ("a/b/c/one.js", "a/b/c/two.js", "a/b/c/d/three.js", "top.js")
    ]
    top = tree_of(rows)
    (folder,) = top.folders.values()
    assert (folder.name, folder.path) == ("a/b/c/", "a/b/c/")
    assert (folder.count, folder.viewed) == (3, 1)
    assert [file["name"] for file in folder.files] == ["one.js", "two.js"]
    (inner,) = folder.folders.values()
    assert (inner.name, inner.path) == ("d/", "a/b/c/d/")
    assert [file["name"] for file in top.files] == ["top.js"]
    assert [entry.path for entry in folder.entries()] == [
        "a/b/c/d/",
        "a/b/c/one.js",
        "a/b/c/two.js",
    ]


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
    assert "dist/sub/file-0.js" in text_of(response), "the first file is shown at once"
    files = address("version_files", row)
    part = client.get(files + "?under=dist/sub/", headers=HTMX)
    assert "<html" not in part.content.decode()
    assert text_of(part).count("file-") == 100
    second = client.get(files + "?under=dist/sub/&page=2")
    assert "<html" in second.content.decode()
    assert text_of(second).count("file-") == 100
    found = text_of(client.get(files + "?path=lib/*-77.js", headers=HTMX))
    assert "1 file found" in found
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
    assert "lib/ ! 1 80 files +160 \N{MINUS SIGN}80" in text
    assert "\U0001f4e6/ 1 file +2" in text
    assert "lib.js" in text
    assert "top file.js" in text
    assert "007.js" not in text
    files = address("version_files", row)
    opened = text_of(client.get(files, {"under": "lib/"}, headers=HTMX))
    # No more than fit on one page: nothing is left to load.
    assert "one/ 60 files +120" in opened
    assert "two/ ! 1 20 files +40" in opened
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
    [
        {"path": "\0"},
        {"under": "\0x"},
        {"status": "\0"},
        {"kind": "\0"},
        {"page": "\0"},
        {"path": "x" * 1001},
    ],
    ids=["path", "under", "status", "kind", "page", "long-path"],
)
def test_nonsense_in_the_address_finds_nothing_and_breaks_nothing(
    client: Client, query: dict[str, str]
) -> None:
    row = make_staged_version()
    make_inspection(row)
    for url in (reverse("version", args=[row.pk]), address("version_files", row)):
        response = client.get(url, query)
        assert response.status_code == 200
        assert ("nothing matches" in text_of(response)) == ("page" not in query)
    for part in ("file_diff", "file_rows", "file_context"):
        odd = {"from": "\0", "old": "\0", "new": "-1", "count": "x", "line": "n" * 99, "view": "\0"}
        assert client.get(address(part, row, 0), odd, headers=HTMX).status_code == 200


def test_a_diff_is_a_part_for_htmx_and_a_page_without_it(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "index.js", "diff": TROJAN}])
    url = address("file_diff", row, 0)
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


def test_line_ends_of_windows_are_told_quietly_and_only_where_they_changed(
    client: Client,
) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "a.js", "diff": "@@ -1,2 +1,2 @@\n a\r\n-b\n+b\r\n+c\rd\r\n"}])
    text = text_of(client.get(address("file_diff", row, 0), headers=HTMX))
    assert text.count("\N{SYMBOL FOR CARRIAGE RETURN}") == 2
    assert text.count("U+000D") == 1


def test_a_long_diff_comes_in_pieces(client: Client) -> None:
    row = make_staged_version()
    lines = "".join(f"+line {n}.\n" for n in range(1000))
    make_inspection(row, [{"path": "long.js", "diff": f"@@ -0,0 +1,1000 @@\n{lines}"}])
    url = address("file_diff", row, 0)
    first = client.get(url, headers=HTMX)
    assert 'id="n1"' in first.content.decode()
    assert f'id="n{ROWS_PER_PIECE}"' not in first.content.decode()
    assert f"Show more: {1001 - ROWS_PER_PIECE} of 1 001 lines are left" in text_of(first)
    rows = address("file_rows", row, 0)
    more = client.get(f"{rows}?from={ROWS_PER_PIECE}", headers=HTMX).content.decode()
    assert more.startswith("<tr")
    assert f'id="n{ROWS_PER_PIECE}"' in more
    assert client.get(f"{rows}?from=nonsense", headers=HTMX).status_code == 200
    assert client.get(f"{rows}?from=99999999", headers=HTMX).status_code == 200


def test_a_file_without_a_diff_says_why(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row,
        [
            {"path": "a.png", "is_binary": True, "diff_note": "It is a binary file."},
            {"path": "b.js", "status": "renamed", "old_path": "c.js"},
        ],
    )
    first = client.get(address("file_diff", row, 0))
    assert "It is a binary file: there is no diff that says more." in text_of(first)
    second = client.get(address("file_diff", row, 1))
    assert "Only the name changed" in text_of(second)
    assert client.get(address("file_diff", row, 2)).status_code == 404


OLD_LINES = [f"line {n};" for n in range(1, 301)]
NEW_LINES = [*OLD_LINES[:149], "changed 150;", *OLD_LINES[150:]]
PNG = png(24, 16, (9, 9, 9))
BOMB = png(60_000, 60_000, (9, 9, 9), rows=b"")


def compared(row: StagedVersion, old: Files, new: Files) -> InspectionRequest:
    """A real comparison of two tarballs with these files, both kept."""
    return make_inspection(row, tarballs=(tarball(old), tarball(new)))


def lines(texts: list[str]) -> str:
    return "\n".join(texts) + "\n"


def change(row: StagedVersion, path: str) -> int:
    """The position of a changed file."""
    return FileChange.objects.get(inspection__requests__staged_version=row, path=path).position


def test_the_first_diff_stands_in_the_page_itself_and_is_the_riskiest_file(client: Client) -> None:
    row = make_staged_version()
    compared(
        row,
        {"a.md": "old words\n", "package.json": '{"name": "left-pad", "version": "1.4.2"}'},
        {"a.md": "new words\n", "package.json": '{"name": "left-pad", "version": "1.5.0"}'},
    )
    url = reverse("version", args=[row.pk])
    # What is no file shows the first, as does nothing.
    for query in ({}, {"file": "99"}, {"file": "-1"}, {"file": "x"}, {"file": "9" * 40}):
        text = code_of(client.get(url, query))
        assert '+ {"name": "left-pad", "version": "1.5.0"}' in text
        assert "new words" not in text
    chosen = client.get(url, {"file": str(change(row, "a.md"))})
    assert "+ new words" in code_of(chosen)


def test_what_was_viewed_is_kept_for_each_person(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "a.js"}, {"path": "b.js"}, {"path": "c.js"}])
    url = address("file_viewed", row, 1)
    answer = client.post(url, {"viewed": "yes"}, headers=HTMX)
    assert "1 of 3 viewed" in text_of(answer)
    assert "1 of 3 viewed" in text_of(client.post(url, {"viewed": "yes"}, headers=HTMX))
    assert "1 of 3 viewed" in page(client, row)
    assert "0 of 3 viewed" in page(sign_in(make_user("grace")), row)
    # From the first file on, the next that is not viewed is the third.
    html = client.get(reverse("version", args=[row.pk])).content.decode()
    assert re.search(rf'data-go="next-unviewed" href="{address("file_diff", row, 2)}"', html)
    assert "0 of 3 viewed" in text_of(client.post(url, {"viewed": "no"}, headers=HTMX))
    # Without scripts, it leads back to the file.
    assert client.post(url, {"viewed": "yes"}).url.startswith(f"/versions/{row.pk}/?file=1&")
    assert client.get(url).status_code == 405


def test_unviewed_files_come_round_again(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "a.js"}, {"path": "b.js"}, {"path": "c.js"}])
    client.post(address("file_viewed", row, 2), {"viewed": "yes"})
    html = client.get(address("file_diff", row, 1), headers=HTMX).content.decode()
    assert f'data-go="next-unviewed" href="{address("file_diff", row, 0)}"' in html
    assert f'data-go="previous-unviewed" href="{address("file_diff", row, 0)}"' in html


def test_hidden_lines_open_above_a_change_and_behind_the_last(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"a.js": lines(OLD_LINES)}, {"a.js": lines(NEW_LINES)})
    text = code_of(client.get(address("file_diff", row, 0), headers=HTMX))
    assert "146 unchanged lines: show 60" in text
    assert "line 146;" not in text
    above = client.get(
        address("file_context", row, 0), {"old": 1, "new": 1, "count": 146}, headers=HTMX
    )
    assert above.content.decode().startswith("<tr")
    assert "line 146;" in code_of(above)
    assert "line 86;" not in code_of(above)
    assert "86 unchanged lines: show 60" in code_of(above)
    below = code_of(
        client.get(address("file_context", row, 0), {"old": 154, "new": 154}, headers=HTMX)
    )
    assert "line 154;" in below
    assert "line 213;" in below
    assert "line 214;" not in below
    end = code_of(
        client.get(address("file_context", row, 0), {"old": 290, "new": 290}, headers=HTMX)
    )
    assert "line 300;" in end
    assert "show" not in end


def test_hidden_lines_of_a_tarball_that_is_gone_say_so(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "a.js", "diff": "@@ -10,1 +10,1 @@\n-a\n+b\n"}])
    answer = client.get(
        address("file_context", row, 0), {"old": 1, "new": 1, "count": 9}, headers=HTMX
    )
    assert "not kept here any more" in text_of(answer)
    panel = text_of(client.get(address("file_diff", row, 0), headers=HTMX))
    assert "The tarballs are not kept here any more: only the diff is." in panel


def test_side_by_side_is_remembered_and_shows_both_sides(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"a.js": lines(OLD_LINES)}, {"a.js": lines(NEW_LINES)})
    url = address("file_diff", row, 0)
    first = client.get(url, {"view": "split"}, headers=HTMX).content.decode()
    assert "diff--split" in first
    assert re.search(r'id="o150".*?line.*?id="n150".*?changed', first, re.S)
    assert "diff--split" in client.get(url, headers=HTMX).content.decode()
    rows = {"old": 1, "new": 1, "count": 9, "view": "split"}
    opened = client.get(address("file_context", row, 0), rows, headers=HTMX)
    assert opened.content.decode().count("<td") >= 4 * 9
    assert "diff--split" not in client.get(url, {"view": "unified"}).content.decode()
    assert "diff--scroll" in client.get(url, {"wrap": "no"}, headers=HTMX).content.decode()


def test_a_line_can_be_shared(client: Client) -> None:
    row = make_staged_version()
    old = [f"line {n};" for n in range(1, 3001)]
    new = [f"changed {n};" if n % 2 else line for n, line in enumerate(old, start=1)]
    compared(row, {"a.js": lines(old)}, {"a.js": lines(new)})
    plain = client.get(reverse("version", args=[row.pk])).content.decode()
    assert 'id="n2801"' not in plain
    shared = client.get(reverse("version", args=[row.pk]), {"file": "0", "line": "n2801"})
    assert 'id="n2801"' in shared.content.decode()
    assert "From the first line" in text_of(shared)


def test_white_space_can_be_ignored(client: Client) -> None:
    row = make_staged_version()
    compared(
        row,
        {"a.js": "if (tide) {\n  rise();\n  fall();\n}\n"},
        {"a.js": "if (tide) {\n    rise();\n    ebb();\n}\n"},
    )
    url = address("file_diff", row, 0)
    assert "- rise();" in code_of(client.get(url, headers=HTMX))
    text = code_of(client.get(url, {"variant": "whitespace"}, headers=HTMX))
    assert "- fall();" in text
    assert "+ ebb();" in text
    assert "- rise();" not in text


def test_a_minified_file_can_be_read_pretty_printed(client: Client) -> None:
    row = make_staged_version()
    parts = [f"function f{n}(a){{return a+{n}}}" for n in range(400)]
    old = ";".join(parts)
    parts[200] = "function f200(a){return steal(a)}"
    compared(row, {"a.min.js": old}, {"a.min.js": ";".join(parts)})
    url = address("file_diff", row, 0)
    assert "Pretty-print" in text_of(client.get(url, headers=HTMX))
    text = code_of(client.get(url, {"variant": "pretty"}, headers=HTMX))
    assert "Both sides were given line breaks here" in text
    assert "steal" in text
    assert "f399" not in text


def test_raw_content_is_inert(client: Client) -> None:
    row = make_staged_version()
    hostile = "<script>alert(1)</script>\n"
    name = 'x";\r\nSet-Cookie: a=b<img>.html'
    path = f"docs/{name.replace(chr(13), '').replace(chr(10), '')}"
    compared(row, {path: "old\n"}, {path: hostile})
    position = change(row, path)
    for side, content in (("old", b"old\n"), ("new", hostile.encode())):
        answer = client.get(address("file_raw", row, position, side))
        assert b"".join(answer) == content
        assert answer["Content-Type"] == "application/octet-stream"
        assert re.fullmatch(
            r'attachment; filename="(old|new)-[\w.-]+\.txt"', answer["Content-Disposition"]
        )
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in answer.headers
    assert client.get(address("file_raw", row, position, "both")).status_code == 404


def test_raw_content_of_a_tarball_that_is_gone_is_a_page_that_says_so(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "a.js"}])
    answer = client.get(address("file_raw", row, 0, "new"))
    assert answer.status_code == 404
    assert "This file cannot be downloaded" in text_of(answer)
    assert_strict(answer)


def test_pictures_are_shown_side_by_side_and_nothing_else_is_one(client: Client) -> None:
    row = make_staged_version()
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    compared(
        row,
        {"a.png": png(2, 2, (1, 2, 3)), "b.svg": "<svg/>", "c.png": b"\0old", "d.png": PNG},
        {"a.png": PNG, "b.svg": svg, "c.png": b"\0GIF<script>", "d.png": BOMB},
    )
    shown = address("file_image", row, change(row, "a.png"), "new")
    panel = client.get(address("file_diff", row, change(row, "a.png")), headers=HTMX)
    assert f'<img class="binary__picture" src="{shown}"' in panel.content.decode()
    assert hashlib.sha256(PNG).hexdigest() in text_of(panel)
    answer = client.get(shown)
    assert answer.content == PNG
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    for path in ("b.svg", "c.png", "d.png"):
        assert client.get(address("file_image", row, change(row, path), "new")).status_code == 404
    drawing = client.get(address("file_diff", row, change(row, "b.svg")), headers=HTMX)
    assert "<script>alert(1)</script>" in code_of(drawing)
    assert "<script>" not in drawing.content.decode()


def test_a_removed_file_has_only_its_old_side(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"gone.js": "bye();\n", "a.js": "1\n"}, {"a.js": "1\n"})
    position = change(row, "gone.js")
    assert client.get(address("file_raw", row, position, "old")).getvalue() == b"bye();\n"
    assert client.get(address("file_raw", row, position, "new")).status_code == 404


def test_unchanged_files_are_listed_when_asked_for_and_can_be_read(client: Client) -> None:
    row = make_staged_version()
    same = {"lib/same.js": "const same = '<b>';\n", "README.md": "# Same\n", "blob.bin": b"\0\1"}
    compared(row, {"a.js": "1\n", **same}, {"a.js": "2\n", **same})
    assert "same.js" not in page(client, row)
    listed = client.get(address("version_files", row), {"unchanged": "1"}, headers=HTMX)
    assert "lib/" in text_of(listed)
    inside = text_of(client.get(address("version_files", row), {"unchanged": "1", "under": "lib/"}))
    assert "Unchanged same.js" in inside
    only = client.get(address("version_files", row), {"unchanged": "1", "kind": "docs"})
    assert "README.md" in text_of(only)
    assert "same.js" not in text_of(only)
    found = client.get(address("version_files", row), {"unchanged": "1", "path": "*SAME*"})
    assert "lib/same.js" in text_of(found)
    read = client.get(address("unchanged_file", row), {"path": "lib/same.js"}, headers=HTMX)
    assert "1 const same = '<b>';" in code_of(read)
    assert "<b>" not in read.content.decode()
    raw = client.get(address("unchanged_raw", row), {"path": "lib/same.js"})
    assert raw.getvalue() == b"const same = '<b>';\n"
    assert "unknown binary data" in text_of(
        client.get(address("unchanged_file", row), {"path": "blob.bin"})
    )
    for path in ("not/there.js", "../../etc/passwd", "", "\0"):
        assert client.get(address("unchanged_file", row), {"path": path}).status_code == 404
        assert client.get(address("unchanged_raw", row), {"path": path}).status_code == 404


def test_no_address_passes_a_changed_file_for_an_unchanged_one(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"a.js": "good();\n"}, {"a.js": "evil();\n", "b.js": "evil();\n"})
    for path in ("a.js", "b.js"):
        for name in ("unchanged_file", "unchanged_raw"):
            answer = client.get(address(name, row), {"path": path})
            assert answer.status_code == 302
            assert answer.url == address("file_diff", row, change(row, path))


def test_a_whole_file_can_be_read_on_either_side(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"a.js": lines(OLD_LINES)}, {"a.js": lines(NEW_LINES)})
    new = client.get(address("file_whole", row, 0, "new"), headers=HTMX)
    assert "changed 150;" in code_of(new)
    assert "line 1;" in code_of(new)
    old = client.get(address("file_whole", row, 0, "old"))
    assert "line 150;" in code_of(old)
    assert "line 300;" in code_of(old)
    assert_strict(old)
    assert client.get(address("file_whole", row, 0, "both")).status_code == 404


def test_a_file_that_only_moved_can_be_read(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"docs/notes.txt": "evil();\n"}, {"index.js": "evil();\n"})
    panel = client.get(address("file_diff", row, 0), headers=HTMX)
    assert "Only the name changed: the content is the same. Read it" in text_of(panel)
    assert "evil();" in code_of(client.get(address("file_whole", row, 0, "new")))


def test_a_file_of_endless_short_lines_is_read_by_its_window(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"a.txt": "x\n"}, {"a.txt": "ab\n" * 1_000_000 + "end"})
    url = address("file_whole", row, 0, "new")
    tracemalloc.start()
    answer = client.get(url, {"from": "999900"}, headers=HTMX)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 'id="n1000001"' in answer.content.decode()
    assert 'id="n999900"' not in answer.content.decode()
    assert peak < 60 * 1024 * 1024


def test_kinds_narrow_the_list(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row,
        [
            {"path": "a.d.ts", "kind": "types"},
            {"path": "a.js", "kind": "source"},
            {"path": "node_modules/b/b.js", "kind": "source", "is_vendored": True},
        ],
    )
    files = address("version_files", row)
    assert "1 file found" in text_of(client.get(files, {"kind": "types"}, headers=HTMX))
    assert "2 files found" in text_of(client.get(files, {"kind": "source"}, headers=HTMX))
    vendored = text_of(client.get(files, {"kind": "vendored"}, headers=HTMX))
    assert "node_modules/b/b.js" in vendored
    assert "1 file found" in vendored


def test_a_comparison_of_another_version_is_not_to_be_had_here(client: Client) -> None:
    mine, other = make_staged_version(), make_staged_version("right-pad")
    make_inspection(mine)
    inspection = make_inspection(other).inspection_id
    for name, args in (
        ("version_files", ()),
        ("file_diff", (0,)),
        ("file_rows", (0,)),
        ("file_context", (0,)),
        ("file_raw", (0, "new")),
        ("file_image", (0, "new")),
        ("unchanged_file", ()),
        ("unchanged_raw", ()),
    ):
        url = reverse(name, args=[mine.pk, inspection, *args])
        assert client.get(url, headers=HTMX).status_code == 404, name
    url = reverse("file_viewed", args=[mine.pk, inspection, 0])
    assert client.post(url, {"viewed": "yes"}).status_code == 404


def test_nothing_of_a_package_is_shown_to_who_is_not_signed_in() -> None:
    row = make_staged_version()
    compared(row, {"a.js": "1\n"}, {"a.js": "2\n"})
    for name, args in (
        ("version_files", ()),
        ("file_diff", (0,)),
        ("file_raw", (0, "new")),
        ("file_image", (0, "new")),
        ("unchanged_raw", ()),
    ):
        answer = Client().get(address(name, row, *args))
        assert answer.status_code == 302, name
        assert "/account/login/" in answer.url


def test_another_published_version_can_be_chosen(client: Client, ada: User) -> None:
    row = make_staged_version()
    make_inspection(row)
    choose = reverse("compare_with", args=[row.pk])
    answer = client.post(choose, {"version": "1.4.0"})
    assert answer.url == f"{reverse('version', args=[row.pk])}?against=1.4.0#files"
    text = page(client, row, against="1.4.0")
    assert "Waiting for a worker to compare with 1.4.0" in text
    assert "The decision stands on the comparison with 1.4.2" in text
    progress = reverse("other_progress", args=[row.pk])
    assert client.get(progress, {"against": "1.4.0"}, headers=HTMX).status_code == 200
    OtherBaselineRequest.objects.all().delete()
    make_other_baseline(row, "1.4.0", [{"path": "other.js", "diff": "@@ -1,1 +1,1 @@\n-x\n+y\n"}])
    assert client.get(progress, {"against": "1.4.0"}).headers["HX-Refresh"] == "true"
    text = page(client, row, against="1.4.0")
    assert "other.js" in text
    assert "Against 1.4.0 : 1 changed" in text
    # The facts that a decision stands on stay those of the real comparison.
    assert "A minor step from 1.4.2" in text
    assert "other.js" not in page(client, row)


@pytest.mark.parametrize(
    "version",
    ["", "latest", "9.9.9", "0.0.0-stage", "1.4.0\0", "../1", "1" * 300],
    ids=["empty", "tag", "unknown", "placeholder", "nul", "path", "long"],
)
def test_a_version_that_nobody_published_cannot_be_chosen(client: Client, version: str) -> None:
    row = make_staged_version()
    make_inspection(row)
    answer = client.post(reverse("compare_with", args=[row.pk]), {"version": version}, follow=True)
    assert answer.status_code == 200
    assert OtherBaselineRequest.objects.count() == 0
    assert "messages" in answer.content.decode()


def test_a_viewer_keeps_no_worker_busy_with_other_versions() -> None:
    row = make_staged_version()
    make_inspection(row)
    viewer = sign_in(make_user(role="viewer"))
    answer = viewer.post(reverse("compare_with", args=[row.pk]), {"version": "1.4.0"})
    assert answer.status_code == 403
    assert "Compare with" not in page(viewer, row)
    assert OtherBaselineRequest.objects.count() == 0


def test_numbers_beyond_any_database_are_not_there(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    url = reverse("file_diff", args=[row.pk, 10**30, 0])
    assert client.get(url).status_code == 404
    assert client.get(reverse("version", args=[row.pk]), {"against": "\0"}).status_code == 200


def test_a_comparison_with_another_version_that_failed_says_why(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row)
    make_other_baseline(row, "1.4.0", state="failed", failure="It is <gone>.")
    text = page(client, row, against="1.4.0")
    assert "This comparison could not be made It is <gone>. Try again" in text


def test_totals_and_the_releases_own_words(client: Client) -> None:
    row = make_staged_version()
    make_inspection(
        row, changelog="## 1.5.0\n\n- <b>pads</b> more\u202e\n", changelog_path="CHANGELOG.md"
    )
    text = page(client, row)
    assert "Files 4 → 5 Packed 2.0 kB → 2.2 kB Unpacked 8.0 kB → 8.9 kB" in text
    assert (
        "In the release's own words new in CHANGELOG.md ## 1.5.0 - <b>pads</b> more U+202E" in text
    )


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4, 5])
def test_a_diff_that_was_cut_off_passes_nothing_for_unchanged(client: Client, padding: int) -> None:
    row = make_staged_version()
    old = [f"line {n};" for n in range(400)]
    new = ["evil();" if n % 7 == 0 else line for n, line in enumerate(old)]
    with_all = diff_texts(lines(old).encode(), lines(new).encode(), CompareLimits(), 1 << 20)
    kept = with_all.text.split("\n")[: 100 + padding]
    compared(row, {"a.js": lines(old)}, {"a.js": lines(new)})
    FileDiff.objects.update(compressed=zlib.compress(("\n".join(kept) + "\n").encode()))
    panel = code_of(client.get(address("file_diff", row, 0), headers=HTMX))
    assert "Show what follows" not in panel
    for start in (90, 100, 150, 399):
        query = {"old": start, "new": start}
        for more in ({}, {"count": 300}):
            answer = client.get(address("file_context", row, 0), query | more, headers=HTMX)
            assert "evil" not in text_of(answer)


def test_an_address_cannot_make_changed_lines_pass_for_unchanged(client: Client) -> None:
    row = make_staged_version()
    compared(row, {"a.js": lines(OLD_LINES)}, {"a.js": lines(NEW_LINES)})
    for query in (
        {"old": 150, "new": 150, "count": 1},
        {"old": 1, "new": 1, "count": 200},
        {"old": 1, "new": 5, "count": 10},
        {"old": 160, "new": 161},
        {"old": 150, "new": 150},
    ):
        answer = client.get(address("file_context", row, 0), query, headers=HTMX)
        assert "These lines are not the same on both sides." in text_of(answer), query
        assert "changed 150" not in text_of(answer)


def test_an_address_means_the_same_file_after_another_comparison(client: Client) -> None:
    row = make_staged_version()
    first = make_inspection(row, [{"path": "b.js"}, {"path": "c.js"}])
    old = first.inspection
    html = client.get(address("file_diff", row, 0), headers=HTMX).content.decode()
    shared = unescape(re.search(r'data-page="([^"]+)"', html)[1])  # type: ignore[index]  # it is there
    Inspection.objects.filter(pk=old.pk).update(engine_version="2")
    make_inspection(row, [{"path": "a.js"}, {"path": "b.js"}])
    text = text_of(client.get(shared))
    assert "compared again since this address was made" in text
    assert re.search(r"Modified b\.js .{0,40}Modified", text)
    # A comparison of another tarball cannot be looked into this way.
    other = make_staged_version("right-pad")
    secret = make_inspection(other, [{"path": "secret.js"}])
    query = {"file": "0", "in": str(secret.inspection_id)}
    assert "secret.js" not in page(client, row, **query)


def test_a_line_can_be_shared_from_any_view_of_it(client: Client) -> None:
    row = make_staged_version()
    long = [f"value {n} " + "x" * 4_000 for n in range(100)]
    new = [f"other {n} " + "y" * 4_000 for n in range(100)]
    compared(row, {"a.txt": lines(long)}, {"a.txt": lines(new)})
    page_url = reverse("version", args=[row.pk])
    assert 'id="n90"' in client.get(page_url, {"line": "n90"}).content.decode()
    html = client.get(address("file_diff", row, 0), {"variant": "whitespace"}, headers=HTMX)
    assert "variant=whitespace" in re.search(r'data-page="([^"]+)"', html.content.decode())[1]  # type: ignore[index]  # it is there
    split = client.get(address("file_diff", row, 0), {"view": "split"}, headers=HTMX)
    ids = set(re.findall(r'id="([on]\d+)"', split.content.decode()))
    assert set(re.findall(r'href="#([on]\d+)"', split.content.decode())) <= ids


def test_rows_fit_the_table_that_asks_for_them_whatever_another_tab_chose(client: Client) -> None:
    row = make_staged_version()
    old = [f"line {n};" for n in range(1, 1001)]
    compared(row, {"a.js": lines(old)}, {"a.js": lines([f"{line} new" for line in old])})
    url = address("file_diff", row, 0)
    unified = client.get(url, headers=HTMX).content.decode()
    more = unescape(re.search(r'hx-get="([^"]*/rows/[^"]*)"', unified)[1])  # type: ignore[index]  # it is there
    client.get(url, {"view": "split"}, headers=HTMX)
    assert "diff__pair" not in client.get(more, headers=HTMX).content.decode()


def test_without_scripts_more_of_a_diff_is_a_page(client: Client) -> None:
    row = make_staged_version()
    old = [f"line {n};" for n in range(1, 1001)]
    compared(row, {"a.js": lines(old)}, {"a.js": lines([f"{line} new" for line in old])})
    for part, query in (
        ("file_rows", {"from": "500"}),
        ("file_context", {"old": "900", "new": "900"}),
    ):
        answer = client.get(address(part, row, 0), query, follow=True)
        assert answer.status_code == 200
        assert_strict(answer)
        assert "What changed in one file" in text_of(answer)
        assert 'id="n1"' not in answer.content.decode()


def test_many_unchanged_folders_do_not_make_an_endless_page(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, unchanged=[(f"f{n:05}/index.js", 9, "source") for n in range(5_000)])
    for url in (reverse("version", args=[row.pk]), address("version_files", row)):
        answer = client.get(url, {"unchanged": "1"})
        assert len(answer.content) < 1_000_000
        assert "Only the first 500 folders stand here." in text_of(answer)


def test_folders_and_files_keep_their_order_over_pages(client: Client) -> None:
    row = make_staged_version()
    paths = [f"f{n:03}.js" for n in range(120)] + [f"f050x/{n}.js" for n in range(60)]
    make_inspection(row, [{"path": path} for path in sorted([*paths, "z/1.js", "z/2.js"])])
    listed = [
        re.findall(r"\b(f\d{3}\.js|f050x/|z/)", text_of(client.get(url, headers=HTMX)))
        for url in (
            address("version_files", row),
            address("version_files", row) + "?page=2",
        )
    ]
    found = [name for part in listed for name in part]
    assert found == sorted(found)
    assert "z/" not in listed[0]


def test_a_second_copy_that_npm_leaves_out_has_no_raw_side(client: Client) -> None:
    row = make_staged_version()
    diff = "@@ -1,1 +1,1 @@\n-evil();\n+good();\n"
    make_inspection(
        row,
        [{"path": "a.js", "status": "left_out", "diff": diff}],
        tarballs=(tarball({"a.js": "before();\n"}), tarball({"a.js": "good();\n"})),
    )
    panel = client.get(address("file_diff", row, 0), headers=HTMX)
    assert "Second copy, left out by npm" in text_of(panel)
    assert "evil" in text_of(panel)
    assert client.get(address("file_raw", row, 0, "old")).status_code == 404
    assert client.get(address("file_raw", row, 0, "new")).getvalue() == b"good();\n"


def test_hidden_characters_of_a_name_stay_out_of_the_title(client: Client) -> None:
    row = make_staged_version()
    make_inspection(row, [{"path": "lib/\u202egpj.js"}])
    html = client.get(address("file_diff", row, 0)).content.decode()
    assert "\u202e" not in html
    assert "lib/\\u202egpj.js" in html


def test_a_pretty_diff_that_hides_a_line_break_says_so_and_leads_back(client: Client) -> None:
    row = make_staged_version()
    parts = ";".join(f"function f{n}(a){{return a+{n}}}" for n in range(400))
    compared(row, {"a.min.js": parts}, {"a.min.js": parts.replace(";", ";\n", 1)})
    answer = client.get(address("file_diff", row, 0), {"variant": "pretty"}, headers=HTMX)
    assert "read the diff as it is" in text_of(answer)
    assert "Show the diff as it is" in text_of(answer)

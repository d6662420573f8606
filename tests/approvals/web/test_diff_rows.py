import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.inspection.filediff import diff_texts
from approvals.inspection.results import CompareLimits
from approvals.web import diff as diffs
from approvals.web.diff import Fold, Row, context_rows, piece_of, row_of, sides_of
from approvals.web.visible import STAND_IN
from tests.approvals.web.rendered import alike, marked, text_of_line, without_hidden

LIMITS = CompareLimits()
TWO_HUNKS = (
    "@@ -7,3 +9,4 @@\n same\n-old x\n+new x\n+more\n tail\n"
    "@@ -20 +23,2 @@\n-b\n+b2\n+b3\n\\ No newline at end of file\n"
)
TEXT = st.lists(
    st.text(st.sampled_from("ab(){}'\"`/*<>& \t\r\u0430\u200b\u2028"), max_size=12), max_size=12
).map("\n".join)


def diff_of(old: str, new: str) -> str:
    return diff_texts(old.encode(), new.encode(), LIMITS, LIMITS.file_diff).text


def hunk(*lines: str) -> str:
    return "\n".join(["@@ -1,9 +1,9 @@", *lines]) + "\n"


def kinds(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.kind, row.text) for row in rows]


def test_rows_have_their_numbers_and_an_anchor_each() -> None:
    rows = piece_of(TWO_HUNKS, "a.txt").rows
    assert [(row.old, row.new, row.anchor) for row in rows if row.kind not in ("hunk", "note")] == [
        (7, 9, "n9"),
        (8, None, "o8"),
        (None, 10, "n10"),
        (None, 11, "n11"),
        (9, 12, "n12"),
        (20, None, "o20"),
        (None, 23, "n23"),
        (None, 24, "n24"),
    ]
    assert [row.anchor for row in rows if row.kind in ("hunk", "note")] == ["", "", ""]


def test_hunks_say_which_lines_they_leave_out() -> None:
    piece = piece_of(TWO_HUNKS)
    folds = [row.fold for row in piece.rows if row.kind == "hunk"]
    # Two more lines were added before line 9 than this diff shows; those before are not folded.
    assert folds == [Fold(1, 3, 6), Fold(10, 13, 10)]
    assert (piece.next_old, piece.next_new) == (21, 25)
    assert all(row.fold is None for row in piece.rows if row.kind != "hunk")


@pytest.mark.parametrize(
    ("header", "fold"),
    [
        pytest.param("@@ -0,0 +1,2 @@", Fold(1, 1, 0), id="added-file"),
        pytest.param("@@ -1,2 +0,0 @@", Fold(1, 1, 0), id="removed-file"),
        pytest.param("@@ -5,0 +6,2 @@", Fold(1, 1, 5), id="only-added-lines"),
        pytest.param("@@ -6,2 +5,0 @@", Fold(1, 1, 5), id="only-removed-lines"),
        pytest.param("@@ -1 +1 @@", Fold(1, 1, 0), id="from-the-first-line"),
        pytest.param("@@ -900 +2 @@", Fold(899, 1, 1), id="numbers-that-do-not-agree"),
    ],
)
def test_a_fold_is_exact_also_where_a_side_has_no_lines(header: str, fold: Fold) -> None:
    assert piece_of(f"{header}\n+a\n").rows[0].fold == fold


def test_a_later_piece_knows_its_numbers_and_folds() -> None:
    lines = "".join(f"+line {n}\n" for n in range(1000))
    text = f"@@ -3,0 +4,1000 @@\n{lines}@@ -9 +1019 @@\n x\n"
    piece = piece_of(text, "a.txt", 900)
    assert piece.rows[0].new == 903
    assert piece.rows[-2].fold == Fold(4, 1014, 5)
    assert (piece.start, piece.end, piece.total, piece.left) == (900, 1003, 1003, 0)


@settings(deadline=None)
@given(old=TEXT, new=TEXT, path=st.sampled_from(["a.js", "a.md", "a.bin"]))
def test_rows_show_the_diff_and_nothing_else(old: str, new: str, path: str) -> None:
    text = diff_of(old, new)
    piece = piece_of(text, path)
    rows = [row for row in piece.rows if row.kind not in ("hunk", "note")]
    for row in piece.rows:
        assert text_of_line(str(row.html)) == without_hidden(row.text)
    for number, lines in (("old", old.split("\n")), ("new", new.split("\n"))):
        for row in rows:
            at = getattr(row, number)
            assert at is None or lines[at - 1].removesuffix("\r") == row.text
    # What is folded is the same on both sides, and nothing is lost between.
    shown = {row.new for row in rows}
    for row in piece.rows:
        for offset in range(row.fold.count if row.fold else 0):
            assert row.fold is not None
            shown.add(row.fold.new_start + offset)
            assert (
                old.split("\n")[row.fold.old_start + offset - 1]
                == new.split("\n")[row.fold.new_start + offset - 1]
            )
    if text:
        assert shown - {None} == set(range(1, piece.next_new))


@settings(deadline=None)
@given(old=TEXT, new=TEXT)
def test_both_sides_hold_every_row_once_and_in_order(old: str, new: str) -> None:
    rows = piece_of(diff_of(old, new), "a.js").rows
    pairs = sides_of(rows)
    assert [pair.left for pair in pairs if pair.left] == [
        row for row in rows if row.kind in ("same", "removed")
    ]
    assert [pair.right for pair in pairs if pair.right] == [
        row for row in rows if row.kind in ("same", "added")
    ]
    assert [pair.across for pair in pairs if pair.across] == [
        row for row in rows if row.kind in ("hunk", "note")
    ]
    assert all(pair.across is None or not (pair.left or pair.right) for pair in pairs)


def test_similar_lines_are_paired_and_marked_also_where_more_came_than_went() -> None:
    rows = piece_of(
        hunk("-const a = one(1);", "+// about a", "+const a = one(2);", "+log(a);"), "a.js"
    ).rows
    assert [
        (pair.left and pair.left.text, pair.right and pair.right.text) for pair in sides_of(rows)
    ] == [
        (None, None),
        (None, "// about a"),
        ("const a = one(1);", "const a = one(2);"),
        (None, "log(a);"),
    ]
    assert [marked(str(row.html)) for row in rows[1:]] == [
        "const a = one([1]);",
        "// about a",
        "const a = one([2]);",
        "log(a);",
    ]


def test_removed_lines_after_added_ones_are_a_new_change() -> None:
    rows = piece_of(hunk("+x = 1", "-x = 2", "-y = 1", "+y = 3")).rows
    assert [marked(str(row.html)) for row in rows[1:]] == ["x = 1", "x = 2", "y = [1]", "y = [3]"]


def test_a_last_line_without_a_line_end_is_paired_and_marked_too() -> None:
    note = "\\ No newline at end of file"
    rows = piece_of(hunk("-const a = 1", note, "+const a = 2", note)).rows
    assert marked(str(rows[1].html)) == "const a = [1]"
    assert marked(str(rows[3].html)) == "const a = [2]"
    assert [(pair.left, pair.right, pair.across) for pair in sides_of(rows)] == [
        (None, None, rows[0]),
        (rows[1], rows[3], None),
        (None, None, rows[2]),
        (None, None, rows[4]),
    ]


def test_colours_marks_and_look_alikes_stand_in_one_line() -> None:
    rows = piece_of(hunk("-const paypal = 'a';", "+const p\u0430ypal = 'a';"), "a.js").rows
    markup = str(rows[2].html)
    assert '<span class="hl-k">const</span>' in markup
    assert marked(markup) == "const [p\u0430ypal] = 'a';"
    assert alike(markup) == ["\u0430"]


def test_each_side_of_a_hunk_is_read_as_a_text_of_its_own() -> None:
    rows = piece_of(hunk("-x = `", "+x = '", " const a", "-const b"), "a.js").rows
    const = '<span class="hl-k">const</span>'
    # What stays is shown as it is now; what goes as it was, within the old template.
    assert const in str(rows[3].html)
    assert const not in str(rows[4].html)


def test_a_line_that_is_in_a_fold_is_found_at_the_hunk_that_hides_it() -> None:
    anchors = {"n9": 1, "o7": 1, "o8": 2, "n10": 3, "n3": 0, "n15": 6, "o20": 7, "n24": 9}
    assert {anchor: row_of(TWO_HUNKS, anchor) for anchor in anchors} == anchors
    assert row_of(TWO_HUNKS, "n999") == len(TWO_HUNKS.splitlines()) - 1


@pytest.mark.parametrize(
    "anchor", ["", "n", "x1", "n-1", "n1e3", "n\u0661", "n" + "9" * 99, "o0"], ids=ascii
)
def test_an_anchor_that_makes_no_sense_is_the_beginning(anchor: str) -> None:
    assert row_of(TWO_HUNKS, anchor) == 0
    assert row_of("", anchor) == 0


@pytest.mark.parametrize("start", [-5, 0, 10**9])
def test_an_empty_diff_is_an_empty_piece(start: int) -> None:
    piece = piece_of("", "a.js", start)
    assert (piece.rows, piece.start, piece.end, piece.total, piece.left) == ([], 0, 0, 0, 0)
    assert sides_of([]) == []
    assert context_rows([], 1, 1, "a.js") == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("x" * 8200, id="long-lines"),
        pytest.param("a\u0430" * 4000, id="look-alikes"),
        pytest.param("a\u200b" * 4000, id="hidden-characters"),
        pytest.param("<&\"'" * 2000, id="much-to-escape"),
        pytest.param("1+" * 240, id="many-tokens"),
        pytest.param("", id="empty-lines"),
    ],
)
def test_pieces_are_bounded_and_together_they_are_the_whole(line: str) -> None:
    text = hunk(*[f"+{line}{n}" for n in range(600)])
    found: list[Row] = []
    while True:
        piece = piece_of(text, "a.js", len(found))
        assert 0 < len(piece.rows) <= diffs.ROWS_PER_PIECE
        assert sum(len(row.text) for row in piece.rows) <= diffs.CHARACTERS_PER_PIECE + 10_000
        assert sum(len(row.html) for row in piece.rows) <= diffs.HTML_PER_PIECE + 500_000
        assert all(row.html for row in piece.rows)
        found += piece.rows
        if not piece.left:
            break
        # Enough for what is looked at here.
        if len(found) > 2 * diffs.ROWS_PER_PIECE // 10 and len(line) > 1000:
            break
    assert [row.text for row in found[1:]] == [f"{line}{n}" for n in range(len(found) - 1)]


def test_opened_context_has_its_numbers_and_colours() -> None:
    rows = context_rows(["const a = 1;\r", "b"], 5, 9, "a.js")
    assert [(row.kind, row.old, row.new, row.text, row.anchor) for row in rows] == [
        ("same", 5, 9, "const a = 1;", "n9"),
        ("same", 6, 10, "b", "n10"),
    ]
    assert "hl-k" in str(rows[0].html)


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        pytest.param(["x"] * 100_000, diffs.ROWS_PER_PIECE, id="many"),
        pytest.param(["x" * 10**6] * 100, 12, id="long"),
        pytest.param(["x" * 10**7], 1, id="one-very-long"),
        pytest.param(["a\u200b" * 50_000] * 60, 12, id="full-of-boxes"),
    ],
)
def test_of_much_context_there_are_the_first_rows_and_no_line_is_endless(
    lines: list[str], count: int
) -> None:
    rows = context_rows(lines, 1, 1, "a.js")
    assert len(rows) == count
    for row in rows:
        shown = text_of_line(str(row.html)).replace(STAND_IN, "").removesuffix(" ")
        assert shown == without_hidden(row.text)
    assert all("characters left out]" in row.text for row in rows if len(lines[0]) > 1)
    assert sum(len(row.html) for row in rows) < 2 * diffs.HTML_PER_PIECE


def test_the_change_far_inside_a_bundle_of_one_line_is_marked() -> None:
    calls = [f"n{n}=function(a){{return a+{n}}}," for n in range(150_000)]
    old, new = "".join(calls), "".join([*calls[:90_000], "evil(),", *calls[90_000:]])
    assert len(old) > 4_000_000
    piece = piece_of(diff_of(old, new), "bundle.min.js")
    (added,) = (row for row in piece.rows if row.kind == "added")
    assert "[evil(),]" in marked(str(added.html))
    assert len(added.html) < 50_000


def test_a_binary_like_line_in_a_hunk_header_stays_words() -> None:
    rows = piece_of("@@ -1 +1 @@ <b>\u202e\n@@ nonsense\n?what\n\n").rows
    assert [row.kind for row in rows] == ["hunk", "note", "note", "note"]
    assert "<b>" not in str(rows[0].html)
    assert "U+202E" in str(rows[0].html)


def test_of_a_long_line_only_what_differs_stands_open() -> None:
    old = "".join(f"word{n} " for n in range(1200))
    new = old.replace("word600 ", "steal600 <b> ").replace("word601 ", "\u202eword601 ")
    _, removed, added = piece_of(f"@@ -1,1 +1,1 @@\n-{old}\n+{new}\n", "a.txt").rows
    for row in (removed, added):
        html = str(row.html)
        assert html.count('<details class="skipped">') == 2
        outside = re.sub(r"<details.*?</details>", "", html, flags=re.S)
        assert len(outside) < 1_000
        assert "<b>" not in html
        assert "\u202e" not in html
    assert "steal600" in re.sub(r"<details.*?</details>", "", str(added.html), flags=re.S)
    whole = re.sub(r"<summary>.*?</summary>", "", str(removed.html), flags=re.S)
    assert unescape(re.sub(r"<[^>]+>", "", whole)) == old


def cut_rows(old: str, new: str) -> list[str]:
    """What stands open of both sides of two long lines that are compared."""
    rows = [row for row in piece_of(diff_of(old, new), "a.js").rows if row.old or row.new]
    return [
        marked(re.sub(r"<details.*?</details>", "~", str(row.html), flags=re.S)) for row in rows
    ]


def test_what_was_cut_off_a_long_line_is_no_part_of_what_is_the_same() -> None:
    old = "var a=1;" + "x(1);" * 20_000
    new = "var b=2;" + "x(1);" * 10_000 + "evil;" + "x(1);" * 9_999
    for row in cut_rows(old, new):
        assert row.startswith("var [")
        assert re.search(r"~.+ \[\[\d+ bytes left out\]\]$", row, re.S)
        assert "left out" not in row.removesuffix("]]")[:-30]


def test_nor_is_what_was_cut_off_before_the_difference() -> None:
    before = "y(2);" * 10_000
    removed, added = cut_rows(f"{before}one;{before}", f"{before}two;{before}")
    for row, word in ((removed, "one"), (added, "two")):
        assert re.match(r"\[\d+ bytes left out\] ", row)
        assert f"[{word}]" in row
        assert row.endswith(" bytes left out]]")
        assert row.count("~") == 2


def test_lines_that_differ_only_in_what_was_cut_off_say_where() -> None:
    line = f"-{'a b ' * 2000} [500 bytes left out]"
    rows = piece_of(hunk(line, line.replace("-", "+", 1))).rows
    for row in rows[1:]:
        assert marked(str(row.html)).endswith(" [[500 bytes left out]]")


def test_a_line_that_says_itself_that_it_was_cut_hides_nothing_by_it() -> None:
    fake = "[5 bytes left out]"
    old = f"{fake} {'word ' * 400}one {fake} {'word ' * 400}{fake}"
    removed, added = cut_rows(old, old.replace("one", f"evil() {fake}"))
    assert removed.startswith(fake)
    assert f"[evil() {fake}]" in added
    for row in (removed, added):
        assert row.count("~") == 2
        assert row.endswith(f" [{fake}]")


def test_a_long_line_that_differs_everywhere_folds_nothing() -> None:
    old = "".join(f"word{n} same{n} " for n in range(200))
    new = "".join(f"other{n} same{n} " for n in range(200))
    _, _, added = piece_of(f"@@ -1,1 +1,1 @@\n-{old}\n+{new}\n", "a.txt").rows
    assert "<details" not in str(added.html)

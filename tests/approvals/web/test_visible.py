import html
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.inspection.look_alikes import looks_like
from approvals.web.visible import MOST_BOXES, SPELT_OUT, STAND_IN, line_html, visible
from tests.approvals.web.rendered import alike, text_of_line, without_hidden

CYRILLIC_A, CYRILLIC_COPY = "\u0430", "\u0441\u043e\u0440\u0443"
RUSSIAN = "\u043f\u0440\u0438\u0432\u0435\u0442"
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("<>&\"' ab$_1\\\t"),
        st.sampled_from("\u0430\u0441\u043f\u03bf\u0585\uff41\uff1a\u4e00\U0001d41a\u2044\u037e"),
        st.sampled_from("\u0301\u0335\u20e3\u026a\u0131\u0661"),
        st.sampled_from("\u202e\u200b\u2028\x00\x1b\r\ufe0f\U000e0041\u3164"),
        st.characters(),
    ),
    max_size=80,
)
SPANS = st.lists(st.integers(-3, 90), max_size=12).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


@settings(deadline=None)
@given(text=HOSTILE, tokens=SPANS, marks=SPANS, name=st.sampled_from(["k", "s", '"><b>', ""]))
def test_whatever_a_line_holds_it_stays_text(
    text: str, tokens: list[tuple[int, int]], marks: list[tuple[int, int]], name: str
) -> None:
    markup = line_html(text, [(*token, name) for token in tokens], marks)
    assert text_of_line(markup) == without_hidden(text)


@settings(deadline=None)
@given(text=HOSTILE)
def test_names_and_sentences_stay_text_too(text: str) -> None:
    assert text_of_line(visible(text)) == without_hidden(text.replace("\r\n", "\n"))


def test_tokens_and_marks_may_overlap_and_each_keeps_its_place() -> None:
    assert line_html("const a = 1;", [(0, 5, "k"), (10, 11, "n")], [(3, 8), (10, 12)]) == (
        '<span class="hl-k">con</span><mark><span class="hl-k">st</span> a </mark>= '
        '<mark><span class="hl-n">1</span>;</mark>'
    )


def test_a_hidden_character_within_a_token_is_spelt_out_within_it() -> None:
    markup = line_html("'a\u202eb'", [(0, 5, "s")], [(2, 3)])
    assert markup == (
        '<span class="hl-s">&#x27;a</span><mark><span class="hl-s">'
        '<span class="hidden-char" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span></span></mark>'
        '<span class="hl-s">b&#x27;</span>'
    )


def test_a_look_alike_says_what_it_is_and_what_it_looks_like() -> None:
    assert visible(f"p{CYRILLIC_A}ypal") == (
        'p<span class="look-alike" title="CYRILLIC SMALL LETTER A, U+0430, looks like a">'
        f"{CYRILLIC_A}</span>ypal"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(f"const {CYRILLIC_COPY} = 1", [CYRILLIC_COPY], id="all-cyrillic"),
        pytest.param(f"{CYRILLIC_COPY}.js", [CYRILLIC_COPY], id="file-name"),
        pytest.param(f"{CYRILLIC_COPY}() // {RUSSIAN}", [CYRILLIC_COPY], id="comment-beside"),
        pytest.param("user\u0406d", ["\u0406"], id="capital"),
        pytest.param("is\u0422rue", ["\u0422"], id="te-among-latin"),
        pytest.param("\u03bfnload", ["\u03bf"], id="greek"),
        pytest.param("\u0391\u0392\u0395", ["\u0391\u0392\u0395"], id="greek-capitals"),
        pytest.param("c\u0585de", ["\u0585"], id="armenian"),
        pytest.param("\u13aadmin", ["\u13aa"], id="cherokee"),
        pytest.param("\ua4e2\ua4f3\ua4e1", ["\ua4e2\ua4f3\ua4e1"], id="lisu"),
        pytest.param(f"{CYRILLIC_COPY} \u65e5\u672c", [CYRILLIC_COPY], id="beside-japanese"),
        pytest.param("\uff41dmin", ["\uff41"], id="full-width"),
        pytest.param("\U0001d41admin", ["\U0001d41a"], id="mathematical"),
        pytest.param("\u212aey", ["\u212a"], id="kelvin"),
        pytest.param("if (a \u01c3= b)", ["\u01c3"], id="click-as-exclamation-mark"),
        pytest.param("a()\u037e", ["\u037e"], id="greek-question-mark"),
        pytest.param("a\u2044b \u2215 c", ["\u2044", "\u2215"], id="slashes"),
        pytest.param("a\u2024b a\ua789b", ["\u2024", "\ua789"], id="dot-and-colon"),
        pytest.param("foo\uff08\uff09", ["\uff08\uff09"], id="full-width-signs"),
        pytest.param("a\\u0061\u0430b", ["\u0430"], id="after-an-escape"),
        pytest.param("pr\u1d0fcess", ["\u1d0f"], id="small-capital"),
        pytest.param("\ua731\u1d07\u1d04ret", ["\ua731\u1d07\u1d04"], id="small-capitals"),
        pytest.param("adm\u026an \u029f\u0274", ["\u026a", "\u029f\u0274"], id="latin-extended"),
        pytest.param("adm\u0131n", ["\u0131"], id="dotless-i"),
        pytest.param("for (const \xfc of adm\u0131n)", ["\u0131"], id="dotless-i-in-code"),
        pytest.param("\u0259dm\u0131n \u0259\ua731", ["\u0131", "\ua731"], id="beside-a-sound"),
        pytest.param("\u017fecret", ["\u017f"], id="long-s"),
        pytest.param("\u0185uffer \u01bdafe", ["\u0185", "\u01bd"], id="tones"),
        pytest.param("a\u02d0b", ["\u02d0"], id="long-sound-as-colon"),
        pytest.param("c\U0001042cde", ["\U0001042c"], id="deseret"),
        pytest.param("\u07caet", ["\u07ca"], id="nko"),
        pytest.param("c\u05e1de", ["\u05e1"], id="hebrew"),
        pytest.param("l\u0661 x\u0966", ["\u0661", "\u0966"], id="digits-in-names"),
        pytest.param("x = \u0661\u0660;", ["\u0661\u0660"], id="digits-alone"),
        pytest.param("x = 1\u0660", ["\u0660"], id="digit-in-a-number"),
        pytest.param("a\u2025b c\u0589", ["\u2025", "\u0589"], id="two-dots-and-full-stop"),
        pytest.param("i\u1fbed", ["\u1fbe"], id="what-is-another-look-alike"),
        pytest.param("pay\u200dp\u0430l", ["\u0430"], id="beside-a-joiner"),
    ],
)
def test_what_passes_for_another_letter_is_marked(text: str, found: list[str]) -> None:
    assert alike(visible(text)) == found
    assert "looks like" in visible(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"// {RUSSIAN}, \u0430 \u0441 \u043d\u0438\u043c", id="russian"),
        pytest.param(
            "// \u0432\u044b\u0437\u043e\u0432 Array \u0441 map", id="russian-with-a-latin-name"
        ),
        pytest.param(f"'\\n{RUSSIAN}'", id="russian-after-an-escape"),
        pytest.param(
            "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5",
            id="greek",
        ),
        pytest.param("na\xefve caf\xe9 \xfcber \u0142\xf3d\u017a stra\xdfe", id="accents"),
        pytest.param("\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", id="japanese"),
        pytest.param("\u6ce8\u610f\uff1a\u4f7f\u7528\uff0c\u4f60\u597d", id="chinese-signs"),
        pytest.param("\uff21\uff30\uff29\u3092\u4f7f\u3046", id="full-width-in-japanese"),
        pytest.param("10 \xb5m, \u0394x, 5 m\xb2, \u20ac5, 1 \u2212 2", id="units"),
        pytest.param(
            "\u201cquoted\u201d \u2014 it\u2019s \u2026 \u2192 \xb7 \xa9", id="prose-signs"
        ),
        pytest.param("\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", id="right-to-left"),
        pytest.param(
            "// oda s\u0131cakl\u0131\u011f\u0131 \xe7ok art\u0131yor gibi",
            id="turkish",
        ),
        pytest.param("/\u02c8\u026antr\u0259st/ \u0283\u026ap", id="sounds"),
        pytest.param("\u0627\u0644\u0639\u062f\u062f \u0661\u0662", id="number-in-arabic"),
        pytest.param(
            "\u0928\u092e\u0942\u0928\u093e \u0967\u0968 \u0914\u0930", id="number-in-hindi"
        ),
        pytest.param("\u0532\u0561\u0580\u0587\u0589", id="armenian-sentence"),
        pytest.param("e\u0301te\u0301 n\u0303 c\u0327 a\u030a u\u0308", id="accents-apart"),
        pytest.param("e\u0302\u0301 u\u031b\u0301", id="two-accents"),
        pytest.param("plain ASCII = $all_of(it);", id="ascii"),
    ],
)
def test_words_that_are_plainly_of_another_script_are_left_alone(text: str) -> None:
    assert visible(text) == html.escape(text)


@settings(deadline=None)
@given(st.characters())
def test_what_is_said_to_look_like_another_is_ascii_and_the_original_is_not(
    character: str,
) -> None:
    other = looks_like(character)
    assert not other or (other.isascii() and len(other) == 1 and not character.isascii())


def test_a_long_run_is_spelt_out_only_in_its_beginning() -> None:
    markup = visible("\u0430" * 5000)
    assert markup.count("looks like") == SPELT_OUT
    assert "5000 look-alikes" in markup
    assert len(markup) < 5000 + 600


@pytest.mark.parametrize("character", ["\u0430", "\u200b"], ids=unicodedata.name)
def test_a_text_full_of_boxes_does_not_grow_without_measure(character: str) -> None:
    text = f"a{character}" * 10_000
    markup = visible(text)
    assert markup.count("title=") == 200
    assert markup.count("<span") == MOST_BOXES + 1
    assert len(markup) < 100 * MOST_BOXES + 2 * len(text)
    shown = text_of_line(markup)
    if character == "\u0430":
        assert shown == f"{text} "
        assert "8000 more look-alikes that are not marked" in markup
    else:
        assert shown == "a" * MOST_BOXES + f"a{STAND_IN}" * (10_000 - MOST_BOXES) + " "
        assert "8000 more hidden characters" in markup
        assert character not in markup


def test_what_comes_behind_many_boxes_is_not_shown_as_it_would_hide() -> None:
    markup = line_html("a\u200b" * 3000 + "\u202e" * 5 + "<b>\u0430", [(6001, 6004, "k")])
    assert "\u202e" not in markup
    assert "<b>" not in markup
    assert "1005 more hidden characters" in markup
    assert "1 more look-alikes" in markup


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\u0335dmin", "aU+0335dmin", id="stroke"),
        pytest.param("x_\u0332y", "x_U+0332y", id="line-below"),
        pytest.param("x1\u20e3", "x1U+20E3", id="key"),
        pytest.param("q\u0301", "qU+0301", id="letter-that-has-no-such-accent"),
        pytest.param("e\u0301\u0335", "eU+0301 U+0335", id="accent-and-stroke"),
        pytest.param(
            "a" + "\u0301" * 9, "aU+0301 U+0301 U+0301 U+0301 … 9 hidden characters", id="many"
        ),
        pytest.param("\u0335a", "U+0335a", id="behind-what-is-not-known"),
        pytest.param("x\U00016fe4y", "xU+16FE4y", id="filler"),
    ],
)
def test_a_mark_that_makes_another_letter_of_an_ascii_one_is_spelt_out(
    text: str, shown: str
) -> None:
    markup = visible(text)
    assert re.sub(r"<[^>]*>", "", markup) == shown
    assert "hidden-char" in markup

import base64

import pytest

from approvals.inspection.search.needles import (
    MOST_MATCHES,
    Searcher,
    SearchTookTooLong,
    needles,
    together,
)


def found(wanted: object, content: bytes) -> list[bytes]:
    assert hasattr(wanted, "keys")
    matches = Searcher([wanted]).matches(content)  # type: ignore[arg-type]
    return [content[match.start : match.end] for match in matches]


@pytest.mark.parametrize(
    "text", ['a "quoted" \\ text', "tab\tand\nline", "nähen 日本", "\0nul", "/*?[x]{2}"]
)
def test_texts_are_found_as_they_are(text: str) -> None:
    assert found(needles(text), b"before " + text.encode() + b" after") == [text.encode()]
    assert found(needles(text), b"before and after") == []


def test_letters_count_unless_any_case_is_asked_for() -> None:
    assert found(needles("EvalX"), b"evalx EvalX") == [b"EvalX"]
    assert found(needles("EvalX", any_case=True), b"evalx EvalX") == [b"evalx", b"EvalX"]


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_what_stands_in_base64_is_found_at_any_offset(before: str) -> None:
    content = base64.b64encode(f"{before}child_process.exec".encode())
    assert found(needles("child_process", in_base64=True), content) != []
    assert found(needles("child_process"), content) == []


def test_kinds_are_told_apart_by_key() -> None:
    some, other = needles("token", any_case=True), needles(patterns=(r"key[0-9]",))
    matches = Searcher([together(some, other)]).matches(b"key1 TOKEN")
    assert [match.key for match in matches] == [*other.keys(), *some.keys()]


def test_matches_come_in_order_of_place_and_the_longest_first() -> None:
    matches = Searcher([needles("abc", "abcdef", "def")]).matches(b"abcdef abc")
    assert [(match.start, match.end) for match in matches] == [(0, 6), (0, 3), (3, 6), (7, 10)]


def test_one_needle_is_matched_so_often_and_others_still_are() -> None:
    content = b"flood " * (MOST_MATCHES + 500) + b"rare"
    matches = Searcher([needles("flood", "rare")]).matches(content)
    assert len(matches) == MOST_MATCHES + 1
    assert content[matches[-1].start :] == b"rare"


def test_a_search_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("approvals.inspection.search.needles._MOST_SECONDS", 1)
    searcher = Searcher([needles(patterns=(r"abc.{0,2000}.{0,2000}.{0,2000}zzz",))])
    with pytest.raises(SearchTookTooLong):
        searcher.matches(b"abc" * 2_000_000)
    # The next one is searched as if nothing had been.
    assert len(searcher.matches(b"abc and zzz")) == 1


def test_nothing_to_look_for_is_nowhere() -> None:
    assert Searcher([]).matches(b"anything") == []

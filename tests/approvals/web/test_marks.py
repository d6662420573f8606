import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.web import marks
from approvals.web.marks import Budget, Span, aligned, marks_of

LINE = st.text(st.sampled_from("ab.(), \t\u0430'"), max_size=40)


def with_marks(line: str, spans: list[Span]) -> str:
    for start, end in reversed(spans):
        line = f"{line[:start]}«{line[start:end]}»{line[end:]}"
    return line


def steps_of(function: Callable[[], Any]) -> int:
    """How many lines of marks.py ran: work, whatever the machine."""
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != marks.__file__:
            return None
        steps += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("  'version': '1.2.«3»',", "  'version': '1.2.«4»',", id="number"),
        pytest.param("if (a != 'user') {", "if (a != 'user'« || x») {", id="only-added"),
        pytest.param(
            "import { a, «b», «c» } from './«x».js'",
            "import { a, «c», «d» } from './«y».js'",
            id="several",
        ),
        pytest.param(
            "the «quick» brown «fox»", "the «slow» brown «dog jumps»", id="neighbours-as-one"
        ),
        pytest.param("«    »foo();", "«        »foo();", id="indent"),
        pytest.param("return foo(a, b);", "const x = bar[c];", id="nothing-to-speak-of-in-common"),
        pytest.param("", "a", id="empty"),
        pytest.param("    a", "    b", id="only-the-indent-in-common"),
        pytest.param("same", "same", id="same"),
    ],
)
def test_the_words_that_differ_are_marked(old: str, new: str) -> None:
    plain, other_plain = (re.sub("[«»]", "", line) for line in (old, new))
    spans, other_spans = marks_of(plain, other_plain, Budget())
    assert (with_marks(plain, spans), with_marks(other_plain, other_spans)) == (old, new)


@settings(deadline=None)
@given(old=LINE, new=LINE, steps=st.sampled_from([0, 5, 50, 10_000]))
def test_without_what_is_marked_both_lines_are_the_same(old: str, new: str, steps: int) -> None:
    spans, other_spans = marks_of(old, new, Budget(steps))
    for line, found in ((old, spans), (new, other_spans)):
        edges = [edge for span in found for edge in span]
        assert edges == sorted(set(edges))
        assert not edges or (edges[0] >= 0 and edges[-1] <= len(line))
    if spans or other_spans:
        rest, other_rest = (
            "".join(c for at, c in enumerate(line) if not any(a <= at < b for a, b in found))
            for line, found in ((old, spans), (new, other_spans))
        )
        assert "".join(rest.split()) == "".join(other_rest.split())


def test_far_into_a_long_line_one_evil_call_stands_out() -> None:
    lines = [f"n{n}=function(a){{return a+{n}}}," for n in range(200)]
    old, new = "".join(lines), "".join([*lines[:120], "evil(),", *lines[120:]])
    spans, other_spans = marks_of(old, new, Budget())
    assert spans == []
    assert [new[start:end] for start, end in other_spans] == ["evil(),"]


def test_a_cut_line_that_ends_elsewhere_is_still_marked_where_it_differs() -> None:
    body = "".join(f"var a{n}={n};" for n in range(700))
    old = f"[900 bytes left out] {body} [5000 bytes left out]"
    new = f"[900 bytes left out] evil();{body[:-7]} [5007 bytes left out]"
    _, spans = marks_of(old, new, Budget())
    assert new[slice(*spans[0])] == "evil();"
    assert sum(end - start for start, end in spans) < 20


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("a." * 4000, "." + "a," * 3999, id="few-words-often"),
        pytest.param("ab" * 4000, "a b" * 3000, id="one-word-against-many"),
        pytest.param("(" * 8000, ")" * 8000, id="all-different"),
        pytest.param("a b c " * 1300, "c b a " * 1300, id="turned-round"),
        pytest.param("(" * 4000 + "x" + ")" * 4000, "(" * 3900 + ")" * 3900, id="shifted"),
    ],
)
def test_lines_made_to_be_slow_cost_a_bounded_number_of_steps(old: str, new: str) -> None:
    budget = Budget(20_000)
    # A few lines of code a step and a few a word.
    steps = steps_of(lambda: marks_of(old, new, budget))
    assert 10 < steps < 10 * 20_000 + 20 * (len(old) + len(new))


@pytest.mark.parametrize("count", [40, 200], ids=str)
def test_many_lines_to_align_cost_a_bounded_number_of_steps(count: int) -> None:
    lines = [f"a b c d {n}" for n in range(count)]
    budget = Budget(20_000)
    steps = steps_of(lambda: aligned(lines, lines, budget))
    assert count < steps < 60 * count + 20 * marks.MOST_PAIRS


def test_similar_lines_stand_beside_one_another_even_if_there_are_more_on_one_side() -> None:
    removed = ["const a = one(1);", "const b = two(2);"]
    added = ["// about a and b", "const a = one(10);", "log(a);", "const b = two(20);"]
    assert aligned(removed, added, Budget()) == [(None, 0), (0, 1), (None, 2), (1, 3)]


def test_lines_with_nothing_in_common_are_paired_in_order() -> None:
    assert aligned(["a", "b", "c"], ["x"], Budget()) == [(0, 0), (1, None), (2, None)]
    assert aligned([], ["x"], Budget()) == [(None, 0)]
    assert aligned([], [], Budget()) == []


@settings(deadline=None)
@given(
    removed=st.lists(LINE, max_size=8),
    added=st.lists(LINE, max_size=8),
    steps=st.sampled_from([0, 100, 10_000]),
)
def test_every_line_has_its_place_once_and_in_order(
    removed: list[str], added: list[str], steps: int
) -> None:
    pairs = aligned(removed, added, Budget(steps))
    assert [left for left, _ in pairs if left is not None] == list(range(len(removed)))
    assert [right for _, right in pairs if right is not None] == list(range(len(added)))
    assert (None, None) not in pairs

"""Long texts that are compared part by part: every line is told, and under its own number."""

import random
import re
from collections.abc import Callable

import pytest

from approvals.inspection import segments
from approvals.inspection.filediff import ONLY_BEGINNING, diff_texts
from approvals.inspection.results import CompareLimits
from approvals.inspection.segments import TooDifferent, diff_in_parts
from registry_client.tarball import MIB

LIMITS = CompareLimits()
PLENTY = 64 * MIB
LINES = [f"line {number}" for number in range(25_000)]
HEAD = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def text(lines: list[str], *, ends: bool = True) -> bytes:
    return ("\n".join(lines) + ("\n" if ends else "")).encode()


def applied(old: bytes, diff: str) -> bytes:
    """What the old text becomes, every line of the diff held against it."""
    before = old.decode().splitlines(keepends=True)
    after: list[str] = []
    at = 0
    lines = diff.split("\n")[:-1]
    for index, line in enumerate(lines):
        end = "" if lines[index + 1 : index + 2] == ["\\ No newline at end of file"] else "\n"
        if head := HEAD.match(line):
            start = int(head[1]) - (head[2] != "0")
            assert start >= at, "hunks follow each other"
            after += before[at:start]
            at = start
            assert int(head[3]) - (head[4] != "0") == len(after)
        elif line[0] in " -":
            assert before[at] == line[1:] + end
            at += 1
        if line[0] in " +":
            after.append(line[1:] + end)
    return "".join(after + before[at:]).encode()


def edited(seed: int) -> list[str]:
    """The lines with some changed, some gone, some new and a block moved."""
    chance = random.Random(seed)
    lines = LINES.copy()
    for _ in range(60):
        at = chance.randrange(len(lines))
        lines[at : at + chance.randrange(4)] = [f"new {at}"] * chance.randrange(4)
    block = lines[3000:3100]
    del lines[3000:3100]
    lines[20_000:20_000] = block
    return lines


@pytest.mark.parametrize("ends", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("seed", range(4))
def test_the_parts_together_turn_the_old_text_into_the_new(
    seed: int, ends: tuple[bool, bool]
) -> None:
    old, new = text(LINES, ends=ends[0]), text(edited(seed), ends=ends[1])
    diff = diff_in_parts(old, new, LIMITS, PLENTY, most_lines=30_000)
    assert applied(old, diff.text) == new
    assert diff.note == ""
    whole = diff_texts(old, new, LIMITS, PLENTY)
    assert (diff.added_lines, diff.removed_lines) == (whole.added_lines, whole.removed_lines)
    assert diff.text == whole.text


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: ["first", *lines],
        lambda lines: [*lines, "last"],
        lambda lines: lines[1:-1],
        lambda lines: lines * 2,
        lambda lines: lines[12_000:] + lines[:12_000],
        lambda lines: ["{", "}"] * 5000 + lines,
    ],
    ids=["before", "behind", "ends gone", "twice", "turned round", "repeated"],
)
def test_wherever_it_changed(change: Callable[[list[str]], list[str]]) -> None:
    old, new = text(LINES), text(change(LINES))
    for before, after in ((old, new), (new, old)):
        diff = diff_in_parts(before, after, LIMITS, PLENTY, most_lines=200_000)
        assert applied(before, diff.text) == after


def test_a_few_differences_need_few_lines_at_once_and_many_are_too_many() -> None:
    changed = [line if number % 5000 else f"new {number}" for number, line in enumerate(LINES)]
    diff = diff_in_parts(text(LINES), text(changed), LIMITS, PLENTY, most_lines=25_000)
    assert (diff.added_lines, diff.removed_lines) == (5, 5)
    others = [f"other {number}" for number in range(25_000)]
    with pytest.raises(TooDifferent) as refused:
        diff_in_parts(text(LINES), text(others), LIMITS, PLENTY, most_lines=49_999)
    assert refused.value.lines == 50_000


def test_short_texts_are_as_ever() -> None:
    old, new = text(["a", "b"]), text(["a", "c"], ends=False)
    assert diff_in_parts(old, new, LIMITS, PLENTY, most_lines=4) == diff_texts(
        old, new, LIMITS, PLENTY
    )
    assert diff_in_parts(b"", b"", LIMITS, PLENTY, most_lines=0).text == ""


def test_white_space_does_not_keep_parts_from_agreeing() -> None:
    changed = [f"\tline  {number} " for number in range(25_000)]
    changed[20_000] = "other"
    diff = diff_in_parts(
        text(LINES), text(changed), LIMITS, PLENTY, most_lines=25_000, ignore_whitespace=True
    )
    assert (diff.added_lines, diff.removed_lines) == (1, 1)
    assert "-line 20000\n+other\n" in diff.text
    assert diff.text.startswith("@@ -19998,7 +19998,7 @@\n")


def test_the_room_is_for_all_parts_and_nothing_follows_a_gap() -> None:
    changed = LINES.copy()
    changed[100:130] = ["x" * 100] * 30
    changed[24_000] = "new"
    diff = diff_in_parts(text(LINES), text(changed), LIMITS, 2000, most_lines=30_000)
    assert diff.note == ONLY_BEGINNING
    assert len(diff.text) <= 2000
    assert "+new\n" not in diff.text
    assert (diff.added_lines, diff.removed_lines) == (31, 31)


def test_long_lines_of_all_parts_are_counted() -> None:
    changed = LINES.copy()
    for number in (50, 24_000):
        changed[number] = "x" * (LIMITS.line + 1)
    diff = diff_in_parts(text(LINES), text(changed), LIMITS, PLENTY, most_lines=30_000)
    assert diff.note == "Long lines are shown in part: 2."


def test_samples_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_MOST_SAMPLES", 10)
    assert len(segments._samples(text(LINES), ignore_whitespace=False)) == 10

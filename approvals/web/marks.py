"""What differs between two lines, and which lines stand side by side, in a bounded time.

Package content is hostile: lines can be made for which any exact comparison takes quadratic time.
Here all comparing draws on a budget of steps, and what is left when it is used up is compared by
its common head and tail only.
"""

import re
from dataclasses import dataclass

# Steps that one piece of a diff may cost; a step is one comparison of two words. About 0.2 s.
STEPS_PER_PIECE = 400_000
# Two lines that differ in more words than this have no marks worth reading between head and tail.
MOST_DIFFERENCES = 120
# Runs of removed and added lines are aligned by similarity up to this product of their lengths.
MOST_PAIRS = 1_600
# So many words of a line count when it is aligned.
WORDS_ALIGNED = 60
# Lines are similar if they have at least this share of their words in common.
SIMILAR = 0.5

Span = tuple[int, int]
_WORD = re.compile(r"[\w$]+|\s+|.", re.DOTALL)


@dataclass(slots=True)
class Budget:
    """Steps left to spend, shared by all lines of a piece."""

    steps: int = STEPS_PER_PIECE

    def spend(self, steps: int) -> bool:
        """Whether there were so many; if not, nothing is left for smaller ones either."""
        self.steps -= steps
        if self.steps < 0:
            self.steps = 0
            return False
        return True


def aligned(
    removed: list[str], added: list[str], budget: Budget
) -> list[tuple[int | None, int | None]]:
    """Which removed line stands beside which added one, as indexes in order.

    Similar lines are paired without crossing; what lies between two such pairs is paired in order,
    and None stands beside what is left over.
    """
    pairs: list[tuple[int | None, int | None]] = []
    start, other_start = 0, 0
    for index, other in [*_similar(removed, added, budget), (len(removed), len(added))]:
        gap, other_gap = index - start, other - other_start
        pairs += [
            (
                start + offset if offset < gap else None,
                other_start + offset if offset < other_gap else None,
            )
            for offset in range(max(gap, other_gap))
        ]
        if index < len(removed):
            pairs.append((index, other))
        start, other_start = index + 1, other + 1
    return pairs


def _similar(removed: list[str], added: list[str], budget: Budget) -> list[tuple[int, int]]:
    """The pairs of similar lines that together have the most in common, not crossing."""
    rows, columns = len(removed), len(added)
    if (
        rows == columns == 1
        or not rows * columns <= MOST_PAIRS
        or not budget.spend(rows * columns * WORDS_ALIGNED // 10)
    ):
        return []
    bags, other_bags = [_bag(line) for line in removed], [_bag(line) for line in added]
    # best[i][j]: the most that lines from i on and j on can have in common.
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    alike = [[_likeness(bag, other) for other in other_bags] for bag in bags]
    for index in range(rows - 1, -1, -1):
        for other in range(columns - 1, -1, -1):
            best[index][other] = max(
                best[index + 1][other],
                best[index][other + 1],
                best[index + 1][other + 1] + alike[index][other],
            )
    pairs, index, other = [], 0, 0
    while index < rows and other < columns:
        likeness = alike[index][other]
        if likeness and best[index][other] == best[index + 1][other + 1] + likeness:
            pairs.append((index, other))
            index, other = index + 1, other + 1
        elif best[index][other] == best[index + 1][other]:
            index += 1
        else:
            other += 1
    return pairs


def _bag(line: str) -> frozenset[str]:
    found = (match.group() for match in _WORD.finditer(line))
    words = [word for word, _ in zip(found, range(WORDS_ALIGNED), strict=False)]
    return frozenset(word for word in words if not word.isspace())


def _likeness(bag: frozenset[str], other: frozenset[str]) -> float:
    if not bag or not other:
        return 0.0
    share = 2 * len(bag & other) / (len(bag) + len(other))
    return share if share >= SIMILAR else 0.0


def marks_of(old: str, new: str, budget: Budget) -> tuple[list[Span], list[Span]]:
    """The changed words of either line as (start, end); none where little is in common."""
    words, other_words = _WORD.findall(old), _WORD.findall(new)
    head = _common_head(words, other_words)
    tail = _common_head(words[head:][::-1], other_words[head:][::-1])
    middle = words[head : len(words) - tail]
    other_middle = other_words[head : len(other_words) - tail]
    changed = [True] * len(middle)
    other_changed = [True] * len(other_middle)
    for index, other in _in_common(middle, other_middle, budget):
        changed[index] = other_changed[other] = False
    flags = [False] * head + changed + [False] * tail
    other_flags = [False] * head + other_changed + [False] * tail
    # The indent says nothing about whether it is the same line in other words.
    common = sum(
        len(word)
        for position, (word, flag) in enumerate(zip(words, flags, strict=True))
        if not flag and (position or not word.isspace())
    )
    if common * 3 < min(len(old.strip()), len(new.strip())) or not common:
        return [], []
    return _spans(words, flags), _spans(other_words, other_flags)


def _common_head(words: list[str], others: list[str]) -> int:
    head = 0
    for word, other in zip(words, others, strict=False):
        if word != other:
            break
        head += 1
    return head


def _in_common(words: list[str], others: list[str], budget: Budget) -> list[tuple[int, int]]:
    """The words that both have in the same order, as pairs of indexes.

    The greedy algorithm of E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986),
    given up after MOST_DIFFERENCES or when the budget is used up: then nothing is in common.
    """
    rows, columns = len(words), len(others)
    if not rows or not columns or abs(rows - columns) > MOST_DIFFERENCES:
        return []
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for differences in range(min(rows + columns, MOST_DIFFERENCES) + 1):
        trail.append(dict(furthest))
        for diagonal in range(-differences, differences + 1, 2):
            start = index = _start(furthest, diagonal, differences)
            other = index - diagonal
            while index < rows and other < columns and words[index] == others[other]:
                index, other = index + 1, other + 1
            furthest[diagonal] = index
            if index >= rows and other >= columns:
                return _way_back(trail, rows, columns)
            if not budget.spend(1 + index - start):
                return []
    return []


def _goes_down(furthest: dict[int, int], diagonal: int, differences: int) -> bool:
    """Whether the way to this diagonal leads over a word that only the other side has."""
    return diagonal == -differences or (
        diagonal != differences and furthest[diagonal - 1] < furthest[diagonal + 1]
    )


def _start(furthest: dict[int, int], diagonal: int, differences: int) -> int:
    if _goes_down(furthest, diagonal, differences):
        return furthest[diagonal + 1]
    return furthest[diagonal - 1] + 1


def _way_back(trail: list[dict[int, int]], rows: int, columns: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    index, other = rows, columns
    for differences in range(len(trail) - 1, -1, -1):
        furthest, diagonal = trail[differences], index - other
        start = _start(furthest, diagonal, differences)
        # Back along the words in common, then over the one word that came before them.
        pairs += [(at, at - diagonal) for at in range(start, index)]
        if _goes_down(furthest, diagonal, differences):
            index, other = start, start - diagonal - 1
        else:
            index, other = start - 1, start - diagonal
    return pairs


def _spans(words: list[str], flags: list[bool]) -> list[Span]:
    """Runs of changed words; white space between two of them belongs to them."""
    spans: list[Span] = []
    position, gap = 0, False
    for word, flag in zip(words, flags, strict=True):
        end = position + len(word)
        if flag and spans and (spans[-1][1] == position or gap):
            spans[-1] = (spans[-1][0], end)
        elif flag:
            spans.append((position, end))
        gap = not flag and word.isspace() and bool(spans) and spans[-1][1] == position
        position = end
    return spans

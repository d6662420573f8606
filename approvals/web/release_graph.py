"""The drawing of what depends on what within a release: where its boxes and lines stand.

Levels go from left to right: what others need, and what goes out first, stands on the left. The
template draws it; nothing here makes HTML, and what packages are called stays plain text.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from approvals.decisions.releases.dependencies import Edge
from approvals.queue.models import StagedVersion
from registry_client.tar_paths import printable

# Beyond these, a drawing shows nothing: there is the list.
MOST_NODES = 39
MOST_LINES = 150

WIDTH, HEIGHT = 196, 44
GAP_ACROSS, GAP_DOWN = 56, 14
MARGIN = 16
# How much room a line takes that passes a column on its way.
LANE = 12
LONGEST_NAME, LONGEST_VERSION = 22, 24
SWEEPS = 6
# How far below its boxes a line goes that leads back.
BELOW = 26
ARROW = 6
# Of a text, only so much is looked at before it is shortened.
MOST_READ = 200
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Box:
    """One version. `name` and `version` fit into the box, `title` has both in full."""

    key: int
    x: int
    y: int
    name: str
    version: str
    title: str


@dataclass(frozen=True)
class Line:
    """One version needs another. `kind` is "", "optional", "problem" or "cycle"."""

    path: str
    arrow: str
    title: str
    kind: str = ""


@dataclass(frozen=True)
class Graph:
    """`others` of the versions have no line, and are left out."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    others: int = 0
    box_width: int = WIDTH
    box_height: int = HEIGHT
    # What is wider is cut off.
    text_width: int = WIDTH - 4


@dataclass(frozen=True)
class _Link:
    """From what is needed to what needs it."""

    needed: int
    dependent: int
    title: str
    kind: str


def graph_of(
    versions: Mapping[int, StagedVersion],
    edges: Iterable[Edge],
    levels: Mapping[int, int],
    rings: Iterable[Sequence[int]] = (),
) -> Graph | None:
    """The drawing; None where there is nothing to draw, or too much to see anything.

    `versions` and `levels` by key; `rings` are the keys of versions that need one another.
    """
    in_rings = {key: number for number, ring in enumerate(rings) for key in ring}
    links = _links(versions, edges, levels, in_rings)
    keys = {key for link in links for key in (link.needed, link.dependent)}
    if not links or len(keys) > MOST_NODES or len(links) > MOST_LINES:
        return None
    scope = common_scope([row.package.name for row in versions.values()])
    places, columns = _places(sorted(keys), links, levels)
    boxes = []
    for key in sorted(keys, key=lambda one: (levels.get(one, 0), places[one][1])):
        row = versions[key]
        name = row.package.name.removeprefix(scope)
        boxes.append(
            Box(
                key,
                *places[key],
                name=shortened(name, LONGEST_NAME),
                version=shortened(row.version, LONGEST_VERSION),
                title=printable(f"{row.package.name} {row.version}"),
            )
        )
    lines = tuple(_line(link, places, columns) for link in links)
    lowest = max(y for _, y in places.values()) + HEIGHT
    # Some lines go below all boxes.
    lowest = max([lowest, *(y + LANE for lane in columns.values() for _, y in lane)])
    has_back = any(link.kind == "cycle" for link in links)
    return Graph(
        width=max(x for x, _ in places.values()) + WIDTH + MARGIN,
        height=lowest + MARGIN + (BELOW if has_back else 0),
        boxes=tuple(boxes),
        lines=lines,
        others=len(versions) - len(keys),
    )


def common_scope(names: Sequence[str]) -> str:
    """The scope that all the names share, with its slash: "@acme/"; else ""."""
    scopes = {name.partition("/")[0] for name in names if name.startswith("@") and "/" in name}
    everybody = all(name.startswith("@") and "/" in name for name in names)
    return f"{scopes.pop()}/" if everybody and len(scopes) == 1 else ""


def shortened(text: str, width: int) -> str:
    """The text without its middle, where it is wider than so many letters.

    What cannot be seen is written as an escape; letters of East Asia are as wide as two.
    """
    if len(text) > MOST_READ:
        text = text[: MOST_READ // 2] + ELLIPSIS + text[-MOST_READ // 2 :]
    text = printable(text)
    if _wide(text) <= width:
        return text
    head = tail = ""
    for number in range(len(text)):
        if _wide(head + text[number]) > (width - 1) // 2:
            break
        head += text[number]
    for number in range(len(text)):
        if _wide(text[-1 - number] + tail) > width - 1 - _wide(head):
            break
        tail = text[-1 - number] + tail
    return f"{head}{ELLIPSIS}{tail}"


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WFA" else 1 for one in text)


def _links(
    versions: Mapping[int, StagedVersion],
    edges: Iterable[Edge],
    levels: Mapping[int, int],
    in_rings: Mapping[int, int],
) -> list[_Link]:
    """One for each pair, however many fields of package.json name it."""
    titles: dict[tuple[int, int], list[str]] = defaultdict(list)
    kinds: dict[tuple[int, int], set[str]] = defaultdict(set)
    for edge in edges:
        if edge.needed is None or edge.needed == edge.dependent:
            continue
        if edge.needed not in versions or edge.dependent not in versions:
            continue
        pair = (edge.needed, edge.dependent)
        titles[pair].append(printable(edge.sentence(versions)))
        is_ring = in_rings.get(edge.needed, -1) == in_rings.get(edge.dependent, -2)
        kinds[pair].add(
            "problem"
            if edge.problem
            else "cycle"
            if is_ring
            else "optional"
            if edge.is_optional
            else ""
        )
    links = []
    for pair, found in kinds.items():
        kind = next(one for one in ("problem", "cycle", "", "optional") if one in found)
        if kind != "problem" and levels.get(pair[0], 0) >= levels.get(pair[1], 0):
            kind = "cycle"
        links.append(_Link(*pair, title=" ".join(dict.fromkeys(titles[pair])), kind=kind))
    return links


Vertex = tuple[str, int, int]


def _places(
    keys: Sequence[int], links: Sequence[_Link], levels: Mapping[int, int]
) -> tuple[dict[int, tuple[int, int]], dict[tuple[int, int], list[tuple[int, int]]]]:
    """The left upper corner of each box, and through which points each long line goes."""
    used = {level: number for number, level in enumerate(sorted({levels.get(k, 0) for k in keys}))}
    column_of = {key: used[levels.get(key, 0)] for key in keys}
    columns: list[list[Vertex]] = [[] for _ in used]
    for key in keys:
        columns[column_of[key]].append(("box", key, 0))
    before: dict[Vertex, list[Vertex]] = defaultdict(list)
    after: dict[Vertex, list[Vertex]] = defaultdict(list)
    lanes: dict[tuple[int, int], list[Vertex]] = {}
    for number, link in enumerate(links):
        start, end = column_of[link.needed], column_of[link.dependent]
        if start >= end:
            continue
        through: list[Vertex] = [("lane", number, column) for column in range(start + 1, end)]
        for column, vertex in zip(range(start + 1, end), through, strict=True):
            columns[column].append(vertex)
        way: list[Vertex] = [("box", link.needed, 0), *through, ("box", link.dependent, 0)]
        for one, other in pairwise(way):
            after[one].append(other)
            before[other].append(one)
        lanes[link.needed, link.dependent] = through
    _untangle(columns, before, after)
    tops = _tops(columns)
    places = {key: (_left(column_of[key]), tops["box", key, 0]) for key in keys}
    points = {
        pair: [(_left(vertex[2]), tops[vertex]) for vertex in through]
        for pair, through in lanes.items()
    }
    return places, points


def _untangle(
    columns: list[list[Vertex]],
    before: Mapping[Vertex, list[Vertex]],
    after: Mapping[Vertex, list[Vertex]],
) -> None:
    """Puts the vertices of each column at the height of their neighbours, a few times over."""
    heights: dict[Vertex, float] = {}
    for column in columns:
        heights |= _heights(column)
    for sweep in range(SWEEPS):
        is_forward = sweep % 2 == 0
        neighbours = before if is_forward else after
        for column in columns if is_forward else reversed(columns):
            wanted = {}
            for vertex in column:
                near = neighbours.get(vertex) or [vertex]
                wanted[vertex] = sum(heights[one] for one in near) / len(near)
            column.sort(key=wanted.__getitem__)
            heights |= _heights(column)


def _heights(column: Sequence[Vertex]) -> dict[Vertex, float]:
    return {vertex: (number + 0.5) / len(column) for number, vertex in enumerate(column)}


def _tops(columns: Sequence[Sequence[Vertex]]) -> dict[Vertex, int]:
    heights = [
        sum(HEIGHT if vertex[0] == "box" else LANE for vertex in column)
        + GAP_DOWN * (len(column) - 1)
        for column in columns
    ]
    tops = {}
    for column, height in zip(columns, heights, strict=True):
        y = MARGIN + (max(heights) - height) // 2
        for vertex in column:
            tops[vertex] = y
            y += GAP_DOWN + (HEIGHT if vertex[0] == "box" else LANE)
    return tops


def _left(column: int) -> int:
    return MARGIN + column * (WIDTH + GAP_ACROSS)


def _line(
    link: _Link,
    places: Mapping[int, tuple[int, int]],
    lanes: Mapping[tuple[int, int], list[tuple[int, int]]],
) -> Line:
    (from_x, from_y), (to_x, to_y) = places[link.needed], places[link.dependent]
    if (link.needed, link.dependent) not in lanes:
        return _back(link, from_x, from_y, to_x, to_y)
    x, y = from_x + WIDTH, from_y + HEIGHT // 2
    parts = [f"M{x} {y}"]
    for lane_x, lane_y in lanes[link.needed, link.dependent]:
        middle = lane_y + LANE // 2
        parts.append(_curve(x, y, lane_x, middle))
        parts.append(f"H{lane_x + WIDTH}")
        x, y = lane_x + WIDTH, middle
    end = to_y + HEIGHT // 2
    parts.append(_curve(x, y, to_x - ARROW, end))
    arrow = f"M{to_x} {end}l-{ARROW + 2} -{ARROW - 2}v{2 * (ARROW - 2)}z"
    return Line(" ".join(parts), arrow, link.title, link.kind)


def _curve(x: int, y: int, to_x: int, to_y: int) -> str:
    half = (x + to_x) // 2
    return f"C{half} {y} {half} {to_y} {to_x} {to_y}"


def _back(link: _Link, from_x: int, from_y: int, to_x: int, to_y: int) -> Line:
    """A line that leads to the same column or one before it: from below, to below."""
    x, y = from_x + WIDTH // 3, from_y + HEIGHT
    end_x, end_y = to_x + 2 * WIDTH // 3, to_y + HEIGHT
    lowest = max(y, end_y) + BELOW
    path = f"M{x} {y}C{x} {lowest} {end_x} {lowest} {end_x} {end_y + ARROW}"
    arrow = f"M{end_x} {end_y}l-{ARROW - 2} {ARROW + 2}h{2 * (ARROW - 2)}z"
    return Line(path, arrow, link.title, link.kind)

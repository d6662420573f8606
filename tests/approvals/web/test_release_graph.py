"""Where the boxes and lines of the drawing stand. No database: versions that were never saved."""

import re
from itertools import combinations

from approvals.decisions.releases.dependencies import Edge
from approvals.queue.models import Package, Registry, StagedVersion
from approvals.web import release_graph
from approvals.web.release_graph import HEIGHT, WIDTH, Graph, graph_of, shortened


def versions_of(*names: str) -> dict[int, StagedVersion]:
    registry = Registry(pk=1, name="npm", url="https://registry.example.org/")
    return {
        key: StagedVersion(
            pk=key,
            registry=registry,
            package=Package(pk=key, registry=registry, name=name),
            version="2.1.0",
        )
        for key, name in enumerate(names, 1)
    }


def edge(dependent: int, needed: int | None, **more: object) -> Edge:
    values: dict[str, object] = {"name": "x", "spec": "^1", "field": "dependencies"}
    return Edge(dependent=dependent, needed=needed, **{**values, "is_optional": False, **more})  # type: ignore[arg-type]  # as given


def assert_stands_free(graph: Graph) -> None:
    """No box covers another one, and all is within the picture."""
    for one, other in combinations(graph.boxes, 2):
        apart = abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
        assert apart, (one, other)
    for box in graph.boxes:
        assert 0 <= box.x <= graph.width - WIDTH
        assert 0 <= box.y <= graph.height - HEIGHT
    for line in graph.lines:
        across = [float(x) for x in re.findall(r"H(\d+)", line.path)]
        pairs = re.findall(r"(-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?)", re.sub(r"H\d+", "", line.path))
        assert all(0 <= x <= graph.width for x in across)
        assert all(0 <= float(x) <= graph.width for x, _ in pairs)
        assert all(0 <= float(y) <= graph.height for _, y in pairs)


def test_what_is_needed_stands_to_the_left_of_what_needs_it() -> None:
    rows = versions_of("@acme/core", "@acme/theme", "@acme/ui", "@acme/alone")
    edges = [edge(2, 1), edge(3, 2), edge(3, 1)]
    graph = graph_of(rows, edges, {1: 0, 2: 1, 3: 2, 4: 0})
    assert graph is not None
    x = {box.name: box.x for box in graph.boxes}
    assert x["core"] < x["theme"] < x["ui"]
    assert next(box.title for box in graph.boxes) == "@acme/core 2.1.0"
    assert len(graph.lines) == 3
    assert graph.others == 1
    assert_stands_free(graph)


def test_a_line_that_goes_below_all_boxes_is_within_the_picture() -> None:
    rows = versions_of("core", "icons", "theme", "ui", "cli")
    edges = [edge(3, 1), edge(3, 2), edge(4, 3), edge(5, 4), edge(5, 1), edge(5, 2), edge(4, 1)]
    levels = {1: 0, 2: 0, 3: 1, 4: 2, 5: 3}
    graph = graph_of(rows, edges, levels)
    assert graph is not None
    assert_stands_free(graph)


def test_a_line_over_several_columns_goes_round_the_boxes_between() -> None:
    rows = versions_of("core", "theme", "ui")
    graph = graph_of(rows, [edge(2, 1), edge(3, 2), edge(3, 1)], {1: 0, 2: 1, 3: 2})
    assert graph is not None
    middle = next(box for box in graph.boxes if box.name == "theme")
    [long] = [line for line in graph.lines if "H" in line.path]
    [height] = re.findall(r" (\d+) H", long.path)
    assert not middle.y <= int(height) <= middle.y + HEIGHT


def test_several_fields_that_name_the_same_package_make_one_line() -> None:
    rows = versions_of("core", "ui")
    edges = [edge(2, 1), edge(2, 1, field="peerDependencies"), edge(2, 1, is_optional=True)]
    graph = graph_of(rows, edges, {1: 0, 2: 1})
    assert graph is not None
    [line] = graph.lines
    assert line.kind == ""


def test_a_ring_is_drawn_and_marked() -> None:
    rows = versions_of("a", "b", "c")
    edges = [edge(1, 2), edge(2, 1), edge(3, 2)]
    graph = graph_of(rows, edges, {1: 1, 2: 0, 3: 1}, [[1, 2]])
    assert graph is not None
    assert sorted(line.kind for line in graph.lines) == ["", "cycle", "cycle"]
    assert_stands_free(graph)


def test_versions_on_one_level_that_need_each_other_do_not_break_it() -> None:
    graph = graph_of(versions_of("a", "b"), [edge(1, 2), edge(2, 1)], {})
    assert graph is not None
    assert_stands_free(graph)


def test_there_is_no_drawing_of_nothing_nor_of_too_much() -> None:
    few = versions_of("a", "b")
    assert graph_of(few, [], {}) is None
    assert graph_of(few, [edge(1, None, problem="missing"), edge(1, 1), edge(1, 99)], {}) is None
    many = versions_of(*(f"p{number}" for number in range(release_graph.MOST_NODES + 1)))
    chain = [edge(key + 1, key) for key in range(1, len(many))]
    assert graph_of(many, chain, {key: key for key in many}) is None
    dense = versions_of(*(f"p{number}" for number in range(20)))
    all_of_all = [edge(one, other) for one in dense for other in dense if other < one]
    assert len(all_of_all) > release_graph.MOST_LINES
    assert graph_of(dense, all_of_all, {key: key for key in dense}) is None


def test_the_largest_drawing_stands_free() -> None:
    rows = versions_of(*(f"p{number}" for number in range(release_graph.MOST_NODES)))
    edges = [edge(one, other) for one in rows for other in rows if 0 < one - other <= 3]
    graph = graph_of(rows, edges, {key: key for key in rows})
    assert graph is not None
    assert len(graph.boxes) == release_graph.MOST_NODES
    assert_stands_free(graph)


def test_names_are_short_in_the_drawing_and_whole_in_its_titles() -> None:
    name = "@" + "s" * 50 + "/" + "n" * 60
    rows = versions_of(name, "left-pad")
    graph = graph_of(rows, [edge(2, 1)], {1: 0, 2: 1})
    assert graph is not None
    long = graph.boxes[0]
    assert len(long.name) <= release_graph.LONGEST_NAME
    assert long.name.startswith("@sss")
    assert long.name.endswith("nnn")
    assert long.title == f"{name} 2.1.0"


def test_what_cannot_be_seen_is_written_out() -> None:
    assert "\u202e" not in shortened("a\u202eb", 20)
    assert shortened("a\u202eb", 20) == "a\\u202eb"
    wide = shortened("\u65e5" * 60, 24)
    assert len(wide) <= 13
    assert len(shortened("x" * 1_000_000, 24)) == 24

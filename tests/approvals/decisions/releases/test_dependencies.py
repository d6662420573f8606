"""What staged versions need of each other and of others, and what is missing."""

import time
from typing import Any

import pytest
from django.utils import timezone

from approvals.decisions.carrying_out.order import order_of
from approvals.decisions.releases import dependencies
from approvals.decisions.releases.asked import MOST_ALIASES
from approvals.decisions.releases.dependencies import (
    Edge,
    consequences,
    cycles_of,
    edges_of,
    examine,
)
from approvals.people.models import Scope
from approvals.queue.models import PublishedPackage, StagedVersion, State
from tests.approvals.decisions.releases.conftest import Monorepo
from tests.approvals.factories import make_registry, make_user


def by_key(*rows: StagedVersion) -> dict[int, StagedVersion]:
    return {row.pk: row for row in rows}


def said(*rows: StagedVersion) -> list[str]:
    return [edge.sentence(by_key(*rows)) for edge in edges_of(rows)]


def only(*rows: StagedVersion) -> Edge:
    (edge,) = edges_of(rows)
    return edge


def levels(*rows: StagedVersion, action: str = "approve") -> list[int]:
    found = order_of(rows, action).levels
    return [found[row.pk] for row in rows]


def test_a_diamond_goes_from_its_foot(monorepo: Monorepo) -> None:
    core = monorepo.stage("@acme/core", "3.0.0")
    left = monorepo.stage("@acme/left", dependencies={"@acme/core": "^3.0.0"})
    right = monorepo.stage("@acme/right", dependencies={"@acme/core": ">=2.5 <4"})
    top = monorepo.stage(
        "@acme/top", dependencies={"@acme/left": "~2.0.0", "@acme/right": "2.x", "@acme/core": "*"}
    )

    assert levels(top, right, core, left) == [2, 1, 0, 1]
    assert levels(top, right, core, left, action="reject") == [0, 1, 2, 1]
    assert all(not edge.problem for edge in edges_of([top, right, core, left]))
    needs = order_of([top, core], "approve").needs
    assert needs == ((top.pk, core.pk, True),)
    assert order_of([top, core], "reject").needs == ((core.pk, top.pk, True),)


def test_without_any_dependencies_all_go_at_once(monorepo: Monorepo) -> None:
    rows = [monorepo.stage("a"), monorepo.stage("b"), monorepo.unreadable("c")]

    assert levels(*rows) == [0, 0, 0]
    assert edges_of(rows) == ()
    assert examine(rows).unread == (rows[2].pk,)
    assert edges_of([]) == ()
    assert order_of([], "approve").needs == ()


def test_optional_things_come_first_and_hold_nothing(monorepo: Monorepo) -> None:
    core = monorepo.stage("core")
    native = monorepo.stage("native", optionalDependencies={"core": "^2.0.0"})
    plugin = monorepo.stage(
        "plugin",
        peerDependencies={"core": "^2.0.0"},
        peerDependenciesMeta={"core": {"optional": True}},
    )
    peer = monorepo.stage("peer", peerDependencies={"core": "^2.0.0"})

    assert levels(core, native, plugin, peer) == [0, 1, 1, 1]
    assert {
        need[0]: need[2] for need in order_of([core, native, plugin, peer], "approve").needs
    } == {
        native.pk: False,
        plugin.pk: False,
        peer.pk: True,
    }


def test_a_ring_is_broken_where_a_peer_closes_it(monorepo: Monorepo) -> None:
    core = monorepo.stage("core", dependencies={"plugin": "^2.0.0"})
    plugin = monorepo.stage("plugin", peerDependencies={"core": "^2.0.0"})

    assert levels(core, plugin) == [1, 0]
    assert cycles_of(edges_of([core, plugin])) == [[core.pk, plugin.pk]]


def test_a_ring_of_equals_is_broken_by_name_and_its_neighbours_stay_in_order(
    monorepo: Monorepo,
) -> None:
    c = monorepo.stage("c", dependencies={"a": "*", "base": "*"})
    a = monorepo.stage("a", dependencies={"b": "*"})
    b = monorepo.stage("b", dependencies={"c": "*"})
    base = monorepo.stage("base")
    app = monorepo.stage("app", dependencies={"a": "*"})

    assert levels(base, c, b, a, app) == [0, 1, 2, 3, 4]
    assert cycles_of(edges_of([a, b, c, base, app])) == [[c.pk, a.pk, b.pk]]


def test_an_alias_leads_to_what_is_behind_it(monorepo: Monorepo) -> None:
    core = monorepo.stage("@acme/core", "3.0.0")
    ui = monorepo.stage("ui", dependencies={"core-three": "npm:@acme/core@^3.0.0"})
    bare = monorepo.stage("bare", dependencies={"core": "npm:@acme/core"})

    edges = edges_of([core, ui, bare])

    assert [(edge.name, edge.alias, edge.needed) for edge in edges] == [
        ("@acme/core", "core-three", core.pk),
        ("@acme/core", "core", core.pk),
    ]


@pytest.mark.parametrize(
    ("staged", "spec", "fits"),
    [
        ("3.0.0-beta.2", "^3.0.0-beta.1", True),
        ("3.0.0-beta.2", "^3.0.0", False),
        ("3.0.0-beta.2", ">=2.0.0", False),
        ("3.0.1-beta.2", "^3.0.0-beta.1", False),
        ("3.0.0-beta.2", "latest", True),
        ("3.0.0-beta.2", "next", False),
        ("3.0.0", "3.0.0", True),
        ("3.0.0", "", True),
        ("3.0.0", "^2.0.0 || ^3.0.0", True),
        ("3.0.0", "^2.9.0", False),
    ],
)
def test_which_staged_version_a_range_takes(
    monorepo: Monorepo, staged: str, spec: str, fits: bool
) -> None:
    core = monorepo.stage("core", staged)
    ui = monorepo.stage("ui", dependencies={"core": spec})

    edge = only(core, ui)

    assert (edge.needed, edge.problem) == ((core.pk, "") if fits else (None, "unsatisfied"))


def test_of_several_staged_versions_a_range_leads_to_the_one_that_is_installed(
    monorepo: Monorepo,
) -> None:
    legacy = monorepo.stage("core", "2.9.9", staged={"tag": "legacy"})
    three = monorepo.stage("core", "3.0.0")
    beta = monorepo.stage("core", "3.0.1", staged={"tag": "next"})
    rows = [
        legacy,
        three,
        beta,
        monorepo.stage("old", dependencies={"core": "^2.0.0"}),
        monorepo.stage("new", dependencies={"core": ">=2"}),
        monorepo.stage("newest", dependencies={"core": "next"}),
    ]

    assert [edge.needed for edge in edges_of(rows)] == [legacy.pk, three.pk, beta.pk]


def test_a_range_that_the_staged_version_does_not_satisfy(monorepo: Monorepo) -> None:
    core = monorepo.stage("core", "3.0.0")
    ui = monorepo.stage("ui", dependencies={"core": "^2.0.0"})
    assert said(core, ui) == [
        "ui 2.0.0 asks for core ^2.0.0, which the staged 3.0.0 does not satisfy: whether that is "
        "published is still being looked up."
    ]
    assert not examine([core, ui]).is_looked_up

    monorepo.published("core", "2.8.0", "2.9.1", "1.0.0")
    assert said(core, ui)[0].endswith("installs get the published 2.9.1.")
    assert not only(core, ui).is_fatal

    monorepo.published("core", "1.0.0")
    assert said(core, ui)[0].endswith("installs of ui 2.0.0 will fail.")
    assert only(core, ui).is_fatal
    assert levels(core, ui) == [0, 0]


def test_what_is_neither_staged_nor_published_is_missing(monorepo: Monorepo) -> None:
    ui = monorepo.stage(
        "@acme/ui",
        dependencies={"@acme/gone": "^1.0.0", "@acme/old": "^9.0.0", "@acme/there": "^1.0.0"},
        optionalDependencies={"@acme/fast": "1.0.0"},
        peerDependencies={"@acme/theme": "1"},
        peerDependenciesMeta={"@acme/theme": {"optional": True}},
    )
    monorepo.published("@acme/gone")
    monorepo.published("@acme/old", "8.0.0")
    monorepo.published("@acme/there", "1.4.0")
    monorepo.published("@acme/fast")

    assert said(ui) == [
        "@acme/ui 2.0.0 asks for @acme/gone ^1.0.0, which is neither staged nor published at npm: "
        "installs of @acme/ui 2.0.0 will fail.",
        "@acme/ui 2.0.0 asks for @acme/old ^9.0.0, which is neither staged nor published at npm: "
        "installs of @acme/ui 2.0.0 will fail.",
        "@acme/ui 2.0.0 asks for @acme/fast 1.0.0, which is neither staged nor published at npm: "
        "installs of @acme/ui 2.0.0 will do without it.",
    ]


def test_what_could_not_be_looked_up_says_why_and_does_not_wait(monorepo: Monorepo) -> None:
    ui = monorepo.stage("@acme/ui", dependencies={"@acme/core": "^1.0.0"})
    assert only(ui).is_pending

    monorepo.published("@acme/core", looked_at=None, failure="The registry is away.")

    assert said(ui) == [
        "@acme/ui 2.0.0 asks for @acme/core ^1.0.0: whether that is published could not be looked "
        "up (The registry is away.)."
    ]
    assert examine([ui]).is_looked_up


def test_what_waits_outside_of_these_is_told_from_what_is_missing(monorepo: Monorepo) -> None:
    core = monorepo.stage("core", "3.0.0")
    ui = monorepo.stage(
        "ui", dependencies={"core": "^3.0.0"}, old={"dependencies": {"core": "^3.0.0"}}
    )
    monorepo.published("core", "2.0.0")

    assert only(ui).problem == "not_here"
    StagedVersion.objects.filter(pk=core.pk).update(state=State.REJECTED)
    assert edges_of([ui]) == ()


@pytest.mark.parametrize("state", ["rejected", "rejecting", "withdrawn"])
def test_what_does_not_go_out_satisfies_nothing(monorepo: Monorepo, state: str) -> None:
    core = monorepo.stage("@acme/core", "3.0.0")
    ui = monorepo.stage("@acme/ui", dependencies={"@acme/core": "^3.0.0"})
    monorepo.published("@acme/core", "2.0.0")
    StagedVersion.objects.filter(pk=core.pk).update(state=state)
    core.refresh_from_db()

    assert only(core, ui).problem == "missing"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("workspace:*", "unusable"),
        ("workspace:^", "unusable"),
        ("file:../core", "unusable"),
        ("link:../core", "unusable"),
        ("../core", "unusable"),
        ("git+ssh://git@example.org/acme/core.git", "other_source"),
        ("acme/core#main", "other_source"),
        ("https://example.org/core.tgz", "other_source"),
        ("npm:core@workspace:*", "unusable"),
    ],
)
def test_what_no_registry_gives_is_named(monorepo: Monorepo, spec: str, problem: str) -> None:
    core = monorepo.stage("core")
    ui = monorepo.stage("ui", dependencies={"core": spec})

    edge = only(core, ui)

    assert edge.problem == problem
    assert edge.sentence(by_key(core, ui)).startswith("ui 2.0.0 asks for core")


def test_what_is_bundled_need_not_be_published(monorepo: Monorepo) -> None:
    core = monorepo.stage("core")
    ui = monorepo.stage(
        "ui",
        dependencies={"core": "*", "@acme/private": "1.0.0"},
        bundleDependencies=["core", "@acme/private"],
    )
    everything = monorepo.stage("all", dependencies={"new": "1"}, bundledDependencies=True)

    assert [edge.is_optional for edge in edges_of([core, ui, everything])] == [True]


def test_only_what_matters_is_looked_up(monorepo: Monorepo) -> None:
    old = {"dependencies": {"ms": "^2.0.0", "lodash": "^4.0.0", "@acme/kept": "^1.0.0"}}
    ui = monorepo.stage(
        "@acme/ui",
        dependencies={
            "ms": "^2.0.0",
            "lodash": "^5.0.0",
            "@acme/kept": "^1.0.0",
            "fresh": "1.0.0",
            "../../evil": "1.0.0",
            "x" * 300: "1.0.0",
        },
        old=old,
    )

    examined = examine([ui])

    assert examined.wanted == {ui.registry_id: ("@acme/kept", "fresh", "lodash")}
    missing = {edge.name for edge in examined.edges if edge.problem == "missing"}
    assert missing == {"../../evil", "x" * 300}


def test_what_is_looked_up_is_bounded_and_what_matters_most_comes_first(
    monorepo: Monorepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "MOST_LOOKED_UP", 2)
    core = monorepo.stage("@acme/core", "3.0.0")
    ui = monorepo.stage(
        "@acme/ui", dependencies={"a": "1", "b": "1", "@acme/z": "1", "@acme/core": "^3.0.0"}
    )

    examined = examine([core, ui])

    assert examined.wanted == {core.registry_id: ("@acme/core", "@acme/z")}
    assert examined.left_out == 2
    assert {edge.name for edge in examined.edges} == {"@acme/core", "@acme/z"}


def test_another_registry_is_another_world(monorepo: Monorepo) -> None:
    core = monorepo.stage("core", registry=make_registry("elsewhere"))
    ui = monorepo.stage("ui", dependencies={"core": "^2.0.0"})
    PublishedPackage.objects.create(
        registry=core.registry, name="core", versions=["2.0.0"], looked_at=timezone.now()
    )

    assert only(core, ui).problem == "unknown"


@pytest.mark.parametrize(
    "manifest",
    [
        {"dependencies": None},
        {"dependencies": "core"},
        {"dependencies": ["core"]},
        {"dependencies": {"core": 1, "ms": None, "x": {"y": 1}}},
        {"dependencies": {"": "1.0.0"}},
        {"dependencies": {"core": "^" * 5000}},
        {"dependencies": {"core": "npm:"}},
        {"peerDependencies": {"core": "^2.0.0"}, "peerDependenciesMeta": ["core"]},
        {"dependencies": {"core": "^2"}, "bundleDependencies": {"core": True}},
        {"dependencies": {"core": "\u202e^2.0.0"}},
    ],
)
def test_a_strange_manifest_breaks_nothing(monorepo: Monorepo, manifest: dict[str, Any]) -> None:
    core = monorepo.stage("core")
    ui = monorepo.stage("ui", **manifest)

    assert order_of([core, ui], "approve").levels.keys() == {core.pk, ui.pk}
    assert all("\u202e" not in sentence for sentence in said(core, ui))


def test_a_version_that_asks_for_itself_waits_for_nobody(monorepo: Monorepo) -> None:
    core = monorepo.stage("core", dependencies={"core": "^2.0.0"})
    monorepo.published("core", "1.0.0")

    assert order_of([core], "approve").needs == ()


def test_without_what_it_needs_installs_fail(monorepo: Monorepo) -> None:
    core = monorepo.stage("@acme/core", "3.0.0")
    ui = monorepo.stage("@acme/ui", "2.1.0", dependencies={"@acme/core": "^3.0.0"})
    app = monorepo.stage("@acme/app", dependencies={"@acme/ui": "^2.0.0"})
    versions = by_key(core, ui, app)
    edges = edges_of([core, ui, app])
    assert consequences(edges, set(versions), versions) == []
    assert consequences(edges, {core.pk}, versions) == []
    assert consequences(edges, {ui.pk}, versions) == [
        "@acme/ui 2.1.0 needs the staged @acme/core 3.0.0; without it, installs may fail: whether "
        "that is published is still being looked up."
    ]

    monorepo.published("@acme/core", "2.9.1")
    edges = edges_of([core, ui, app])
    assert consequences(edges, {ui.pk, app.pk}, versions) == [
        "@acme/ui 2.1.0 needs the staged @acme/core 3.0.0; without it, installs of @acme/ui 2.1.0 "
        "will fail.",
        "Installs of @acme/app 2.0.0 will fail as well: it needs @acme/ui 2.1.0.",
    ]

    monorepo.published("@acme/core", "2.9.1", "3.0.0-rc.1", "3.0.0-0")
    monorepo.published("@acme/ui", "2.0.9")
    edges = edges_of([core, ui, app])
    assert consequences(edges, {core.pk, app.pk}, versions) == [
        "@acme/app 2.0.0 needs the staged @acme/ui 2.1.0; without it, installs get 2.0.9 instead."
    ]


def test_what_is_optional_or_live_or_chosen_otherwise_breaks_nothing(monorepo: Monorepo) -> None:
    core = monorepo.stage("core", "2.1.0")
    other = monorepo.stage("core", "2.0.5", staged={"tag": "old"})
    ui = monorepo.stage("ui", dependencies={"core": "^2.0.0"})
    native = monorepo.stage("native", optionalDependencies={"core": "^2.0.0"})
    monorepo.published("core")
    versions = by_key(core, other, ui, native)
    edges = edges_of(list(versions.values()))

    assert consequences(edges, {ui.pk, other.pk}, versions) == []
    assert consequences(edges, {native.pk}, versions) == [
        "native 2.0.0 can do with the staged core 2.1.0; without it, installs of native 2.0.0 will "
        "do without it."
    ]
    core.state = State.LIVE
    assert consequences(edges, {ui.pk, native.pk}, versions) == []


def test_a_hundred_packages_with_thousands_of_dependencies_take_a_moment(
    monorepo: Monorepo, django_assert_max_num_queries: Any
) -> None:
    names = [f"@acme/p{number:03}" for number in range(100)]
    others = {f"other-{number}": f"^{number}.0.0" for number in range(1000)}
    rows = [
        monorepo.stage(
            name,
            files=[],
            dependencies={**dict.fromkeys(names[:number], "^2.0.0"), **others},
            old={"dependencies": others},
        )
        for number, name in enumerate(names)
    ]

    with django_assert_max_num_queries(4):
        began = time.perf_counter()
        order = order_of(rows, "approve")
        took = time.perf_counter() - began

    assert [order.levels[row.pk] for row in rows] == list(range(100))
    assert len(order.needs) == 100 * 99 / 2
    assert took < 10


def test_who_asks_for_too_much_keeps_nobody_else_waiting(monorepo: Monorepo) -> None:
    monorepo.published(
        "big", *(f"{major}.{minor}.0" for major in range(50) for minor in range(100))
    )
    monorepo.published("gone")
    core = monorepo.stage("core")
    ui = monorepo.stage("ui", dependencies={"core": "^2.0.0", "gone": "^1.0.0"})
    evil = monorepo.stage(
        "evil",
        dependencies={
            f"a{number}": "npm:big@"
            + " || ".join(f">=1.{one}.0-a{number} <1.{one}.0-b{number}" for one in range(20))
            for number in range(900)
        }
        | {"core": "^2.0.0"},
    )
    begun = time.process_time()

    examined = examine([evil, core, ui])

    assert time.process_time() - begun < 8
    assert examined.cut_short == (evil.pk,)
    assert {(one.name, one.problem) for one in examined.edges if one.dependent == ui.pk} == {
        ("core", ""),
        ("gone", "missing"),
    }


def test_the_order_asks_for_nothing_that_is_published(
    monorepo: Monorepo, django_assert_max_num_queries: Any
) -> None:
    monorepo.published("core", "1.0.0")
    core, ui = monorepo.stage("core"), monorepo.stage("ui", dependencies={"core": "^2.0.0"})

    with django_assert_max_num_queries(1) as queries:
        assert levels(ui, core) == [1, 0]
    assert "publishedpackage" not in queries.captured_queries[0]["sql"]


def test_a_role_that_does_not_cover_a_package_learns_nothing_of_it(monorepo: Monorepo) -> None:
    ana = make_user("ana")
    Scope.objects.create(user=ana, packages="@acme/*")
    monorepo.stage("secret-thing", "7.7.7")
    monorepo.published("secret-pub", "3.1.4")
    asks = {
        "secret-thing": "7.7.7",
        "x": "npm:secret-thing@7.7.6",
        "secret-pub": "9",
        "no-such": "1",
    }
    row = monorepo.stage("@acme/probe", dependencies=asks)
    known = monorepo.stage("@acme/known", dependencies={"@acme/gone": "1"})
    monorepo.published("@acme/gone")
    sentences = [edge.sentence(by_key(row, known)) for edge in edges_of([row, known], ana)]

    assert sentences == [
        "@acme/known 2.0.0 asks for @acme/gone 1, which is neither staged nor published at npm: "
        "installs of @acme/known 2.0.0 will fail.",
        "@acme/probe 2.0.0 asks for no-such and 2 more, which your role does not cover.",
    ]
    assert any("staged and not among these" in one for one in said(row))


def test_aliases_with_ranges_of_their_own_cost_no_more_than_a_moment(monorepo: Monorepo) -> None:
    def wish(number: int) -> str:
        return " || ".join(f">={number}.{part}.0-aaa" for part in range(40))

    asks = {f"a{number}": f"npm:big-{number % 200}@{wish(number)}" for number in range(3_000)}
    row = monorepo.stage("@acme/evil", dependencies=asks)
    for number in range(20):
        monorepo.published(f"big-{number}", *(f"0.0.{n}-x.{n}" for n in range(5_000)))

    began = time.process_time()
    examined = examine([row])
    assert time.process_time() - began < 3
    assert examined.cut_short == (row.pk,)
    began = time.process_time()
    assert order_of([row], "reject").needs == ()
    assert time.process_time() - began < 1


def test_of_one_package_only_so_many_aliases_are_looked_at(monorepo: Monorepo) -> None:
    asks = {f"a{number:02}": f"npm:big@{number}" for number in range(30)}
    row = monorepo.stage("@acme/evil", dependencies=asks)
    monorepo.published("big")

    examined = examine([row])

    assert len(examined.edges) == MOST_ALIASES
    assert examined.cut_short == (row.pk,)

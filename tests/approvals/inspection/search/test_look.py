import pytest

from approvals.inspection.results import CompareLimits
from approvals.inspection.search.needles import needles
from tests.approvals.inspection.search.looks import places

LOAD = 'const cp = require("child_process");\n'
NEEDLES = needles("child_process")
FAR = "".join(f"exports.value{n} = {n} * {n};\n" for n in range(8))


def test_what_stands_on_unchanged_lines_is_not_new(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = places(
        monkeypatch, NEEDLES, {"index.js": LOAD}, {"index.js": f"{LOAD}exports.a = 1;\n"}
    )
    assert found == []


def test_code_that_moved_within_its_file_is_not_new(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = f"{FAR}{FAR}{LOAD}{FAR}", f"{FAR}{LOAD}{FAR}{FAR}"
    assert places(monkeypatch, NEEDLES, {"index.js": old}, {"index.js": new})[0] == []


def test_a_second_one_of_the_same_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = f"{FAR}{LOAD}{FAR}", f"{FAR}{LOAD}{FAR}evil();\n{FAR}{LOAD}{FAR}"
    found, _ = places(monkeypatch, NEEDLES, {"index.js": old}, {"index.js": new})
    assert len(found) == 1


def test_one_old_place_does_not_excuse_two_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    piece, quiet = f"{FAR}{LOAD}{FAR}", "exports.a = 1;\n"
    others = {"index.js": quiet, **{f"lib/{n}.js": f"{quiet}exports.b = {n};\n" for n in range(3)}}
    moved, _ = places(
        monkeypatch,
        NEEDLES,
        {**others, "lib/old.js": piece + "x();" * 200},
        {**others, "lib/first.js": f"first();\n{piece}"},
    )
    assert moved == []
    doubled, _ = places(
        monkeypatch,
        NEEDLES,
        {**others, "lib/old.js": piece + "x();" * 200},
        {
            **others,
            "lib/first.js": f"first();\n{piece}{'y();' * 300}",
            "lib/second.js": f"second();\n{piece}{'z();' * 400}",
        },
    )
    assert len(doubled) == 1


def test_what_stayed_in_its_file_excuses_no_other_file(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = f"{FAR}{LOAD}{FAR}"
    found, _ = places(
        monkeypatch,
        NEEDLES,
        {"index.js": "exports.a = 1;\n", "lib/a.js": piece},
        {
            "index.js": "exports.a = 1;\n",
            "lib/a.js": f"{piece}exports.more = 1;\n",
            "lib/b.js": f"b();\n{piece}{'y();' * 300}",
        },
    )
    assert [path for path, _ in found] == ["lib/b.js"]


def test_what_stood_where_nothing_loads_it_is_new_where_it_runs_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    piece = f"{FAR}{LOAD}{FAR}"
    found, _ = places(
        monkeypatch,
        NEEDLES,
        {"test/a.js": piece, "lib/x.js": "exports.a = 1;\n"},
        {"index.js": f"first();\n{piece}{'x();' * 300}", "lib/x.js": "exports.a = 1;\n"},
    )
    assert found == [("index.js", 10)]


def test_names_that_a_minifier_gives_anew_make_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    old = 'var a=1;function b(c){return e("child_process").spawn(c,a)}var t=b;' + "x();" * 50
    new = old.replace("e(", "r(").replace("(c", "(n").replace(",a)", ",o)")
    assert new != old
    assert places(monkeypatch, NEEDLES, {"index.js": old}, {"index.js": new})[0] == []


def test_what_is_put_into_one_long_line_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "".join(f"function f{n}(a){{return a*{n}}}" for n in range(9_000))
    new = old[:150_000] + LOAD.strip() + old[150_000:]
    found, look = places(monkeypatch, NEEDLES, {"index.js": old}, {"index.js": new})
    assert found == [("index.js", 1)]
    assert look.not_parsed == 0


@pytest.mark.parametrize("old", [None, {"index.js": "exports.a = 1;\n"}])
def test_line_and_path_of_what_is_new(
    monkeypatch: pytest.MonkeyPatch, old: dict[str, str] | None
) -> None:
    assert places(monkeypatch, NEEDLES, old, {"index.js": f"\n\n{LOAD}"})[0] == [("index.js", 3)]


def test_a_file_beyond_the_bound_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = CompareLimits(search_size=1_000)
    found, look = places(
        monkeypatch, NEEDLES, None, {"index.js": LOAD + "x();" * 400}, limits=limits
    )
    assert found == []
    assert look.not_searched == ["index.js"]


def test_more_matches_than_are_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found, look = places(monkeypatch, NEEDLES, None, {"index.js": LOAD * 1_500})
    assert len(found) == 1_000
    assert look.not_searched == ["index.js"]


def test_places_that_could_not_be_parsed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = CompareLimits(parse_size=10)
    found, look = places(monkeypatch, NEEDLES, None, {"index.js": LOAD * 3}, limits=limits)
    assert len(found) == 3
    assert look.not_parsed == 3


def test_what_there_was_no_time_to_search_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = CompareLimits(search_seconds=-1.0)
    found, look = places(monkeypatch, NEEDLES, None, {"index.js": LOAD}, limits=limits)
    assert found == []
    assert "index.js" in look.not_searched


def test_the_worker_that_is_told_can_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    _, look = places(monkeypatch, NEEDLES, None, {"index.js": LOAD})

    class LeaseLost(Exception):
        pass

    def told(number: int, of: int) -> None:
        if told_of:
            raise LeaseLost
        told_of.append((number, of))

    told_of: list[tuple[int, int]] = []
    look.tells(told, 3, 60)
    with pytest.raises(LeaseLost):
        look.is_out_of_time()
    assert told_of == [(3, 60)]
    assert isinstance(look.stopped_by, LeaseLost)


def test_tarballs_that_differ_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [
        places(monkeypatch, NEEDLES, None, {"index.js": code})[1]
        for code in ("exports.a = 1;\n", "exports.a = 1;\n", "exports.a = 2;\n")
    ]
    assert looks[0].digest == looks[1].digest != looks[2].digest

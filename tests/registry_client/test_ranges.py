"""npm's version ranges: what each allows, as node-semver 7 says of it (loosely, as npm asks)."""

import time

import pytest

from registry_client.ranges import Versions, leads_to, parse_range
from registry_client.versions import sort_key

VERSIONS = [
    *("0.0.0", "0.0.3", "0.0.4", "0.1.0", "0.2.3", "0.2.9", "0.3.0", "1.0.0", "1.0.0-rc.1"),
    *("1.1.9", "1.2.0", "1.2.2", "1.2.3-rc.1", "1.2.3-rc.2", "1.2.3", "1.2.4", "1.3.0", "1.9.9"),
    *("2.0.0-rc.1", "2.0.0", "2.3.3", "2.3.4", "2.3.5", "3.0.0", "10.0.0", "1.2.3-beta"),
]
# An x for each of these versions that the range allows; None where npm takes it for a dist-tag.
RANGES: dict[str, str | None] = {
    "^1.2.3": "..............xxxx........",
    "^0.2.3": "....xx....................",
    "^0.0.3": ".x........................",
    "^1": ".......x.xxx..xxxx........",
    "^0": "xxxxxxx...................",
    "^1.2": "..........xx..xxxx........",
    "^0.0": "xxx.......................",
    "^1.2.x": "..........xx..xxxx........",
    "~1.2.3": "..............xx..........",
    "~1": ".......x.xxx..xxxx........",
    "~1.2": "..........xx..xx..........",
    "~>1.2": "..........xx..xx..........",
    "1.x": ".......x.xxx..xxxx........",
    "1": ".......x.xxx..xxxx........",
    "1.2": "..........xx..xx..........",
    "*": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    "x": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    "": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    ">=1.2": "..........xx..xxxx.xxxxxx.",
    "> 1.2.3": "...............xxx.xxxxxx.",
    ">1.2": "................xx.xxxxxx.",
    ">1": "...................xxxxxx.",
    "<2": "xxxxxxxx.xxx..xxxx........",
    "<=1": "xxxxxxxx.xxx..xxxx........",
    "<=1.2": "xxxxxxxx.xxx..xx..........",
    "<1.2.3": "xxxxxxxx.xxx..............",
    ">=1.2.3 <2": "..............xxxx........",
    "1.2.3 - 2": "..............xxxx.xxxx...",
    "1.2 - 2.3.4": "..........xx..xxxx.xxx....",
    "1.0.0 || >=2.0.0": ".......x...........xxxxxx.",
    "^1.2.3-rc.1": "............xxxxxx........",
    "=1.2.3": "..............x...........",
    "v1.2.3": "..............x...........",
    "1.2.3-rc.1": "............x.............",
    ">=1.2.3-rc.1": "............xxxxxx.xxxxxx.",
    "latest": None,
    "^1.2.3 || foo": "..............xxxx........",
    "foo||1": ".......x.xxx..xxxx........",
    "<*": "..........................",
    ">*": "..........................",
    ">=*": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    "1.2.3+b": "..............x...........",
    "^ 1.2.3": "..............xxxx........",
    "~ 1.2": "..........xx..xx..........",
    ">=1 ||": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    "||": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    "=v1.2.3": "..............x...........",
    "1.2.3 1.2.4": "..........................",
    "  1.2.3  ": "..............x...........",
    "1.2.3beta": ".........................x",
    "99999999999999999999.0.0": None,
    "^x": "xxxxxxxx.xxx..xxxx.xxxxxx.",
    ">=1.0.0-0": ".......xxxxx..xxxx.xxxxxx.",
    "<2.0.0-0": "xxxxxxxx.xxx..xxxx........",
    "a b": None,
    "^a": None,
}


@pytest.mark.parametrize("text", RANGES)
def test_it_allows_what_npm_says(text: str) -> None:
    found = parse_range(text)
    marks = "".join("x" if found and found.allows(one) else "." for one in VERSIONS)
    assert (None if found is None else marks) == RANGES[text]


@pytest.mark.parametrize(
    ("text", "has_no_end"),
    [("*", True), (">=1", True), ("^1 || >=3", True), ("^1", False), ("1.x", False), ("<2", False)],
)
def test_ranges_without_an_end(text: str, has_no_end: bool) -> None:
    found = parse_range(text)
    assert found is not None
    assert found.has_no_end == has_no_end


@pytest.mark.parametrize(
    ("text", "lowest"), [(">=16", "16.0.0"), ("^18.2 || >=20", "18.2.0"), ("<3", "0.0.0")]
)
def test_where_a_range_begins(text: str, lowest: str) -> None:
    found = parse_range(text)
    assert found is not None
    assert str(found.lowest) == lowest


@pytest.mark.parametrize(
    ("text", "latest", "chosen"),
    [
        ("^1.0.0", "2.0.0", "1.9.9"),
        ("^1.0.0", "1.2.3", "1.2.3"),
        ("*", None, "10.0.0"),
        ("^4", "2.0.0", ""),
        ("next", "2.0.0", ""),
    ],
)
def test_the_version_that_npm_installs(text: str, latest: str | None, chosen: str) -> None:
    assert leads_to(text, VERSIONS, latest) == chosen


@pytest.mark.parametrize("text", [text for text, marks in RANGES.items() if marks is not None])
def test_the_highest_that_is_allowed_is_found_without_trying_all(text: str) -> None:
    found = parse_range(text)
    assert found is not None
    ordered = sorted([*VERSIONS, "1.2.3+b", "no version", "2.0.0-rc.1+b"], key=sort_key)
    allowed = [one for one in ordered if found.allows(one)]
    assert Versions(ordered).leads_to(found) == max(allowed, key=sort_key, default="")
    for latest in ordered:
        expected = latest if latest in allowed else max(allowed, key=sort_key, default="")
        assert Versions(ordered).leads_to(found, latest) == expected


def test_thousands_of_prereleases_are_not_all_tried_for_each_range() -> None:
    ordered = sorted((f"1.{n % 50}.{n}-canary.{n}" for n in range(5_000)), key=sort_key)
    texts = [
        " || ".join(f">={n}.{part}.0-aaa <{n}.{part}.1" for part in range(30)) for n in range(40)
    ]
    versions = Versions(ordered)
    began = time.process_time()
    led = [versions.leads_to(found) for text in texts if (found := parse_range(text))]
    assert time.process_time() - began < 1
    assert len(led) == len(texts)


@pytest.mark.parametrize("text", ["1" * 5_000, "1 " * 400, "<" * 900, "1||" * 300, "^" * 999])
def test_nothing_takes_long(text: str) -> None:
    parse_range(text)

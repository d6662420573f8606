"""Where in a package.json something stands, however it is written."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.inspection.json_lines import KeyLines

TEXT = b"""{
  "name": "a",
  "note": "\\"scripts\\": {",
  "scripts":
  {
    "test": "x", "install": "y",
    "post\\u0069nstall": "{ \\"install\\": 1 }"
  },
  "list": [
    {"install": 1}
  ],
  "engines": {"node": ">=16"}
}
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("name",), 2),
        (("scripts",), 4),
        (("scripts", "install"), 6),
        (("scripts", "postinstall"), 7),
        (("engines", "node"), 12),
        (("scripts", "no-such"), 4),
        (("install",), None),
        (("list", "install"), 9),
    ],
)
def test_the_line_of_a_key(keys: tuple[str, ...], line: int | None) -> None:
    assert KeyLines(TEXT)(*keys) == line


def test_without_a_file_there_is_no_line() -> None:
    assert KeyLines(None)("name") is None


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), st.text())))
def test_every_key_is_where_it_is_written(value: dict[str, dict[str, str]]) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    lines = KeyLines(text.encode("utf-8", "surrogatepass"))
    written = text.split("\n")
    for key, inner in value.items():
        for name in inner:
            line = lines(key, name)
            assert line is not None
            assert json.dumps(name, ensure_ascii=False) in written[line - 1]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 500_000,
        b'"' * 500_001,
        b'{"a":' * 100_000,
        b'"' + b"\\" * 1_000_001,
        b"\n" * 2_000_000,
    ],
    ids=["brackets", "quotes", "nested", "backslashes", "lines"],
)
def test_whatever_it_is_given_it_comes_to_an_end(text: bytes) -> None:
    begun = time.thread_time()
    assert KeyLines(text)("no-such") is None
    assert time.thread_time() - begun < 5

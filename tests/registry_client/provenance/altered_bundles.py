"""Bundles with one thing changed: every leaf, in every way that its kind allows."""

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]

MEDIA_TYPES = (
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.4",
    "application/json",
)
BYTES = {
    *("rawBytes", "keyId", "signedEntryTimestamp", "rootHash", "hashes", "canonicalizedBody"),
    *("payload", "sig", "signedTimestamp"),
}
NUMBERS = {"logIndex", "treeSize", "integratedTime"}
JSON_INSIDE = {"canonicalizedBody", "payload"}
# Of a large value, the first, the last, and so many between them.
POSITIONS = 24


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in a JSON value that holds no more, empty lists and objects among it."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    if not inner:
        yield path, value
    for key, one in inner:
        yield from leaves(one, (*path, key))


def with_leaf(document: Any, path: Path, value: Any) -> Any:
    """A copy with another value at this path."""
    return _changed(document, path, lambda parent, key: parent.__setitem__(key, value))


def without(document: Any, path: Path) -> Any:
    """A copy without what is at this path."""
    return _changed(document, path, lambda parent, key: parent.__delitem__(key))


def alterations(bundle: dict[str, Any]) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Where, how, and the altered bundle; each differs from the given one in one thing."""
    for path, value in leaves(bundle):
        for how, other in _others(path, value):
            yield path, how, with_leaf(bundle, path, other)
    for path in _all_paths(bundle):
        yield path, "deleted", without(bundle, path)


def spread(size: int, positions: int = POSITIONS) -> list[int]:
    """Positions in so many bytes: the first, the last, and evenly between."""
    if not size:
        return []
    return sorted({size - 1, *(size * n // positions for n in range(positions))})


def _others(path: Path, value: Any) -> Iterator[tuple[str, Any]]:
    name = next(key for key in reversed(path) if isinstance(key, str))
    if value is None or value in ([], {}):
        yield "a text", "x"
        yield "a list with something", ["x"]
        yield "an object with something", {"x": "x"}
    elif name == "mediaType":
        yield from ((other, other) for other in MEDIA_TYPES if other != value)
    elif name in BYTES:
        yield from _other_bytes(value)
        if name in JSON_INSIDE:
            yield from _other_json(base64.b64decode(value))
    elif name in NUMBERS:
        number = int(value)
        for other in (number + 1, number - 1, 0, number ^ (1 << 20), 2**63, 2**64 - 1, 2**70, -1):
            yield str(other), str(other)
        for odd in (f"+{value}", f" {value}", f"0{value}", f"{value[:1]}_{value[1:]}", "", "x"):
            yield repr(odd), odd
        yield "a JSON number", number
    else:
        yield from _other_text(value)
    if value is not None:
        yield "null", None
        yield "a number", 7
        yield "an object", {}


def _other_bytes(value: str) -> Iterator[tuple[str, str]]:
    data = base64.b64decode(value)
    for position in spread(len(data)):
        for bit in (1, 0x80):
            yield f"byte {position} ^ {bit}", _b64(_flipped(data, position, bit))
    yield "one byte more", _b64(data + b"\0")
    yield "one byte less", _b64(data[:-1])
    yield "nothing", ""
    # The same bytes, spelt so that some programs do not see it.
    yield "a line break in the base64", f"{value[:4]}\n{value[4:]}"
    yield "a stray character in the base64", f"{value[:4]}!{value[4:]}"
    yield (
        "base64 without padding or with too much",
        value.rstrip("=") + ("" if value.endswith("=") else "===="),
    )
    if value.endswith("="):
        last = value.rstrip("=")[-1]
        yield "unused bits in the base64", value.replace(f"{last}=", f"{chr(ord(last) + 1)}=")


def _other_json(data: bytes) -> Iterator[tuple[str, str]]:
    document = json.loads(data)
    for path, value in leaves(document):
        others = [None, f"{value}x", f"x{str(value)[1:]}"] if value else ["x"]
        for other in others:
            changed = json.dumps(with_leaf(document, path, other), separators=(",", ":"))
            yield f"{_dotted(path)} in it = {str(other)[:20]}", _b64(changed.encode())
    for path in _all_paths(document):
        changed = json.dumps(without(document, path), separators=(",", ":"))
        yield f"{_dotted(path)} in it deleted", _b64(changed.encode())
    yield "the same, indented", _b64(json.dumps(document, indent=1).encode())


def _other_text(value: str) -> Iterator[tuple[str, str]]:
    """Letters changed in every line and in every word, lines dropped and doubled, space added."""
    lines = value.split("\n")
    for number, line in enumerate(lines):
        words = [(found.start(), found.end() - 1) for found in re.finditer(r"\S+", line)]
        for position in sorted({*spread(len(line), 6), *(end for word in words for end in word)}):
            other = "A" if line[position] != "A" else "B"
            changed = f"{line[:position]}{other}{line[position + 1 :]}"
            yield (
                f"line {number}, letter {position}",
                "\n".join([*lines[:number], changed, *lines[number + 1 :]]),
            )
        yield f"line {number} dropped", "\n".join(lines[:number] + lines[number + 1 :])
        yield f"line {number} twice", "\n".join([*lines[: number + 1], *lines[number:]])
    for where, other in (
        ("a space before", f" {value}"),
        ("a space after", f"{value} "),
        ("a line break after", f"{value}\n"),
        ("nothing", ""),
    ):
        if other != value:
            yield where, other


def _all_paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    for key, one in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from _all_paths(one, (*path, key))


def _changed(document: Any, path: Path, change: Callable[[Any, str | int], None]) -> Any:
    found = document = copy.deepcopy(document)
    for key in path[:-1]:
        found = found[key]
    change(found, path[-1])
    return document


def _flipped(data: bytes, position: int, bit: int) -> bytes:
    return data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))

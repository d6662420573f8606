"""Packages that are hard to show: very many files, one very long line, pictures, hostile names."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

Files = dict[str, str | bytes]

THOUSANDS, LONG_LINE, MIXED = "crate-of-thousands", "one-line-bundle", "painted-pier"
FILES_IN_THOUSANDS = 7_000
HTML_NAME = "docs/<img src=x onerror=alert(1)>.md"
OLD_CHUNK, NEW_CHUNK = "dist/chunk-4f3a91c2.js", "dist/esm/chunk-99b1e07d.js"
HIDDEN = "lib/access.js"
PICTURE, DRAWING = "assets/pier.png", "assets/pier.svg"
UNTOUCHED = "lib/untouched.js"
# Published before what users have now, and only of the package of several difficulties.
OLDEST_VERSION = "0.9.0"


@dataclass(frozen=True)
class AwkwardPackage:
    """The files of the published version and of the staged one, without package.json."""

    name: str
    old: Files
    new: Files


def awkward_packages() -> Iterator[AwkwardPackage]:
    """One package a difficulty, or several that do not get in each other's way."""
    yield _thousands()
    yield _long_line()
    yield _mixed()


def _thousands() -> AwkwardPackage:
    paths = [f"lib/part-{n // 100:02}/module-{n:04}.js" for n in range(FILES_IN_THOUSANDS)]
    same = {f"docs/page-{n}.md": f"# Page {n}\n" for n in range(20)}
    return AwkwardPackage(
        THOUSANDS,
        {path: f"exports.number = {n};\nexports.state = 'old';\n" for n, path in enumerate(paths)}
        | same,
        {path: f"exports.number = {n};\nexports.state = 'new';\n" for n, path in enumerate(paths)}
        | same,
    )


def _long_line() -> AwkwardPackage:
    parts = [f"function f{n}(a,b){{return a*{n}+Math.min(a,b,{n})}}" for n in range(96_000)]
    old = ";".join(parts)
    parts[50_000] = "function f50000(a,b){return fetch('//telemetry.example.invalid?'+a)}"
    new = ";".join(parts)
    return AwkwardPackage(LONG_LINE, {"dist/bundle.min.js": old}, {"dist/bundle.min.js": new})


def _mixed() -> AwkwardPackage:
    chunk = "".join(f"export const part{n} = () => load({n * 7});\n" for n in range(60))
    tall = "".join(f"  step({n}, 'along the pier');\n" for n in range(300))
    taller = tall.replace("step(150,", "jump(150,")
    same: Files = {UNTOUCHED: "exports.untouched = true;\n"}
    old: Files = {
        OLD_CHUNK: chunk,
        HIDDEN: "function allowed(role) {\n  return role === 'admin';\n}\n",
        PICTURE: png(24, 16, (30, 120, 200)),
        DRAWING: '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>\n',
        "lib/index.js": f"function walk() {{\n{tall}}}\nmodule.exports = walk;\n",
        "lib/spaces.js": "if (tide) {\n  rise();\n}\n",
        HTML_NAME: "# Old words\n",
    }
    new: Files = {
        NEW_CHUNK: chunk.replace("load(70)", "load(71)"),
        HIDDEN: "function allowed(role) {\n  return role === '\u0430dmin\u202e\u2066';\n}\n",
        PICTURE: png(24, 16, (200, 60, 30)),
        DRAWING: "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert('pier')</script></svg>\n",
        "lib/index.js": f"function walk() {{\n{taller}}}\nmodule.exports = walk;\n",
        "lib/spaces.js": "if (tide) {\n    rise();\n}\n",
        HTML_NAME: "# New words\n<script>alert(1)</script>\n",
    }
    return AwkwardPackage(MIXED, same | old, same | new)


def png(
    width: int, height: int, colour: tuple[int, int, int], *, rows: bytes | None = None
) -> bytes:
    """A picture of one colour; with other `rows`, it lies about its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    if rows is None:
        rows = (b"\0" + bytes(colour) * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )

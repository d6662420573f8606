"""Packages of 150 MB that no registry has: one as builds make them, and some made to keep rules
busy. The same seed makes the same package."""

import base64
import io
import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path

from approvals.inspection.findings import rule_modules
from registry_client.tarball import MIB

SIZE = 150 * MIB
_SEED = 6
_MANY = 400
"""Different pieces that files are put together from: more would only take longer to make."""
_LARGE = 15 * MIB
"""Just below what inspection still keeps of one file."""
_WHOLE = 60 * 1024
"""Just below what is parsed as a whole."""

_WORDS = (
    "value",
    "key",
    "options",
    "result",
    "error",
    "callback",
    "context",
    "module",
    "handler",
    "request",
    "response",
    "buffer",
    "stream",
    "offset",
    "length",
    "index",
    "node",
    "parent",
    "child",
    "state",
    "config",
    "target",
    "source",
    "emit",
    "update",
    "render",
)

_STATEMENTS = (
    "  const {a} = {b}.{c}({d}, {n});\n",
    "  if (!{a} || {a}.{b} === {n}) return {c};\n",
    "  for (let i = 0; i < {a}.length; i += {n}) {{\n    {b}.push({a}[i].{c});\n  }}\n",
    "  return {a}.map(({b}) => ({{ ...{b}, {c}: {d} ?? '{a}-{n}' }}));\n",
    "  // The {a} of a {b} is its {c}, unless there are {n} of them.\n",
    "  throw new TypeError(`expected {a}, got ${{typeof {b}}} ({n})`);\n",
    "  {a}.prototype.{b} = function {c}() {{ return this._{d} + {n}; }};\n",
)
# What honest code does now and then.
_RARE = (
    "const {a} = require('node:fs').readFileSync(require('path').join(__dirname, '{b}.json'));\n",
    "const {a} = process.env.NODE_ENV !== 'production' && process.env.DEBUG_{n};\n",
    "const {a} = await fetch(`https://example.org/{b}/${{{c}}}`, {{ method: 'POST' }});\n",
    "const {a} = require('child_process').spawn('git', ['{b}', String({n})]);\n",
    "const {a} = new Function('{b}', 'return {b}.{c}');\n",
    "const {a} = Buffer.from('{n}aGVsbG8gd29ybGQ=', 'base64').toString('utf8');\n",
    "const {a} = require('https').request({{ host: '{b}.example.org', port: {n} }});\n",
    "const {a} = '\\x1b[3{n}m' + {b} + '\\u001b[0m';\n",
)

Files = Iterator[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Made:
    """A package that was made: what of, and its tarballs. Without a baseline it is a first
    release."""

    what: str
    staged: Path
    baseline: Path | None


def packages(folder: Path) -> Iterator[Made]:
    """Each in turn. Their tarballs are gone from the folder once the next one is asked for."""
    old = _write(folder / "old.tgz", _honest(version=1))
    yield Made("150 MB as builds make it, first release", old, None)
    new = _write(folder / "new.tgz", _honest(version=2))
    yield Made("150 MB as builds make it, a third differs", new, old)
    new.unlink()
    rewritten = _write(folder / "new.tgz", _honest(version=3))
    yield Made("150 MB as builds make it, all differs", rewritten, old)
    rewritten.unlink()
    old.unlink()
    for what, piece, size in _hostile():
        path = _write(folder / "hostile.tgz", _filled(piece, size))
        yield Made(f"150 MB of {what}", path, None)
        path.unlink()
    needles = _every_needle()
    old = _write(folder / "old.tgz", _filled(needles, _WHOLE))
    new = _write(folder / "new.tgz", _filled(b"0;" + needles, _WHOLE))
    yield Made("150 MB of every needle, before and now", new, old)


def _hostile() -> Iterator[tuple[str, bytes, int]]:
    """What it is, what is said over and over, and how large each file is."""
    randomly = random.Random(_SEED)
    encoded = base64.b64encode(randomly.randbytes(30 * 1024))
    needles = _every_needle()
    for size, where in ((_LARGE, "large files"), (_WHOLE, "small files")):
        yield f"eval(, {where}", b"eval(", size
        yield f"[[[, {where}", b"[", size
        yield f"every needle, {where}", needles, size
        yield f"every needle on one line, {where}", needles.replace(b"\n", b" "), size
        yield f"every needle in nested calls, {where}", needles.replace(b"\n", b"("), size
        yield f"Base64 on one line, {where}", encoded, size
        yield f"Base64 in quotes, {where}", b'eval(atob("%b"));\n' % encoded[:6000], size
        yield f"escapes, {where}", b'x="%b";' % (b"\\x65\\u0076" * 500), size
        yield f"hexadecimal names, {where}", b"var _0x3f2a1b=_0x1c4d['a'];", size
        yield f"sums of strings, {where}", b'"ev"+"al"+', size
        yield f"blanks, {where}", b" " * 4000 + b"eval(x)\n", size
        yield f"invisible characters, {where}", "a\u200b\u202e\ufe01\U000e0141".encode(), size
        yield f"character codes, {where}", b"String.fromCharCode(101,118,97,108)+", size
        yield f"process.env, {where}", b"Object.keys(process.env).map(", size
        yield f"quotes, {where}", b"'\"`${", size


def _every_needle() -> bytes:
    """All texts that rules look for, each as code that calls it."""
    texts = sorted(
        {
            text
            for module in rule_modules()
            if hasattr(module, "NEEDLES")
            for text in module.NEEDLES.texts
        }
    )
    return "".join(f"{text}('{text}');\n" for text in texts).encode()


def _filled(piece: bytes, size: int) -> Files:
    content = (piece * (size // len(piece) + 1))[:size]
    yield "package.json", _manifest(1)
    for number in range(SIZE // size):
        yield f"lib/{number}.js", b"// %d\n" % number + content


def _honest(version: int) -> Files:
    """Much source, some of it minified, large bundles, types, source maps, data and a program.

    Of the second version a third of the files differs in a few places, of the third all of them.
    """
    randomly = random.Random(_SEED)
    source = [_function(randomly) for _ in range(_MANY)]
    minified = ["".join(piece.split("\n")).replace("  ", "") for piece in source]
    types = [
        f"export declare function {randomly.choice(_WORDS)}(a: string): Promise<void>;\n" * 9
        for _ in range(_MANY)
    ]
    yield "package.json", _manifest(version)
    yield "bin/program.node", b"\x7fELF" + randomly.randbytes(4 * MIB)
    number = 0
    for folder, ending, pieces, size, count in (
        ("lib", "js", source, 8 * 1024, 5000),
        ("types", "d.ts", types, 6 * 1024, 2000),
        ("dist", "min.js", minified, 400 * 1024, 40),
        ("dist", "bundle.js", source, 4 * MIB, 5),
        ("dist", "bundle.min.js", minified, 12 * MIB, 2),
        ("data", "json", [json.dumps({piece: piece}) for piece in source], 100 * 1024, 100),
        ("maps", "js.map", [json.dumps(piece) for piece in source], 1 * MIB, 18),
    ):
        for _ in range(count):
            number += 1
            content = _text(randomly, pieces, size)
            differs = version == 3 or (version == 2 and number % 3 == 0)
            if differs:
                content = _changed(content, number)
            yield f"{folder}/{number // 100}/{number}.{ending}", content.encode()


def _function(randomly: random.Random) -> str:
    lines = [f"function {randomly.choice(_WORDS)}{randomly.randrange(10_000)}(options) {{\n"]
    for _ in range(randomly.randrange(3, 12)):
        lines.append(_statement(randomly, _STATEMENTS))
    if randomly.random() < 0.05:
        lines.append(_statement(randomly, _RARE))
    return "".join([*lines, "}\n"])


def _statement(randomly: random.Random, forms: tuple[str, ...]) -> str:
    names = {letter: randomly.choice(_WORDS) for letter in "abcd"}
    return randomly.choice(forms).format(**names, n=randomly.randrange(100))


def _text(randomly: random.Random, pieces: list[str], size: int) -> str:
    mean = sum(map(len, pieces)) // len(pieces)
    return "".join(randomly.choices(pieces, k=max(1, size // mean)))


def _changed(content: str, number: int) -> str:
    """A new name in three places."""
    for place in (0.2, 0.5, 0.8):
        at = content.find("options", int(len(content) * place))
        if at >= 0:
            content = f"{content[:at]}options{number}{content[at + 7 :]}"
    return content


def _manifest(version: int) -> bytes:
    return json.dumps({"name": "large", "version": f"{version}.0.0", "main": "lib/0.js"}).encode()


def _write(path: Path, files: Files) -> Path:
    # The fastest compression: making the packages must not take longer than reading them.
    with (
        GzipFile(path, "wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files:
            info = tarfile.TarInfo(f"package/{name}")
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return path

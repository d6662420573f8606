"""Writing a package's files as a TypeScript build would: sources, modules, types and maps.

A package is described by its modules and functions, with the versions in which they came, changed
and went; every version's files follow from that, the same bytes each time.
"""

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

import semver

LICENCE = """MIT License

Copyright (c) 2024 The Lighthouse authors

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
# No account at GitHub can be called so: two hyphens in a row are refused there.
ACCOUNT = "lighthouse--example"
TYPED_NAME = re.compile(r"(\w+)\??: [^,)]+")


@dataclass(frozen=True)
class Function:
    """One exported function: its TypeScript signature (`(a: string): Thing`), what it does, and
    its body, which is the same in TypeScript and JavaScript. `bodies` has later versions of it."""

    name: str
    signature: str
    doc: str
    body: str
    since: str = "0.0.0"
    bodies: Mapping[str, str] = field(default_factory=dict)

    def body_in(self, version: str) -> str:
        """The body as it stands in this version, indented."""
        body = self.body
        for changed, later in self.bodies.items():
            if _reached(version, changed):
                body = later
        return textwrap.indent(textwrap.dedent(body).strip("\n"), "  ")


@dataclass(frozen=True)
class Module:
    """One source file, there from `since` on and gone from `until` on.

    `types` stands in the sources and declarations only, `head` (imports, constants) in all code.
    """

    name: str
    functions: tuple[Function, ...]
    types: str = ""
    head: str = ""
    since: str = "0.0.0"
    until: str = ""

    def stands_in(self, version: str) -> bool:
        """Whether this version has the module."""
        return _reached(version, self.since) and not (self.until and _reached(version, self.until))


@dataclass(frozen=True)
class Package:
    """A package: what it is, its modules, and what changed in each version (oldest first).

    `folder` is where it is in its repository; empty for one that is alone there.
    """

    name: str
    description: str
    usage: str
    modules: tuple[Module, ...]
    changes: Mapping[str, tuple[str, ...]]
    repository: str = "lighthouse"
    folder: str = ""
    dependencies: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    extra_files: Mapping[str, str] = field(default_factory=dict)
    extra_manifest: Mapping[str, object] = field(default_factory=dict)

    def manifest(self, version: str) -> dict[str, object]:
        """The package.json of a version; `*` in a range stands for its line's first release."""
        major, minor, _ = version.split(".", 2)
        line = f"{major}.{minor}.0"
        dependencies = {
            name: wanted.replace("*", line) for name, wanted in self.dependencies.items()
        }
        manifest: dict[str, object] = {
            "name": self.name,
            "version": version,
            "description": self.description,
            "type": "module",
            "main": "./dist/index.js",
            "types": "./dist/index.d.ts",
            "files": ["dist", "src"],
            "keywords": list(self.keywords),
            "license": "MIT",
            "author": "The Lighthouse authors",
            "repository": {
                "type": "git",
                "url": f"git+https://github.com/{ACCOUNT}/{self.repository}.git",
                **({"directory": self.folder} if self.folder else {}),
            },
            "homepage": "https://lighthouse.example.org/",
            "engines": {"node": ">=18"},
            "scripts": {"build": "tsc -b", "test": "node --test"},
        }
        if dependencies:
            manifest["dependencies"] = dependencies
        return manifest | dict(self.extra_manifest)

    def files(self, version: str) -> dict[str, str]:
        """Every file of a version, by its path below the package's root."""
        modules = [module for module in self.modules if module.stands_in(version)]
        files = {
            "package.json": json.dumps(self.manifest(version), indent=2) + "\n",
            "README.md": self._readme(),
            "CHANGELOG.md": self._changelog(version),
            "LICENSE": LICENCE,
        }
        for module in modules:
            files |= _built(module.name, _source(module, version))
        if modules:
            index = "".join(f'export * from "./{module.name}.js";\n' for module in modules)
            files |= _built("index", _Source(index, index, index))
        return files | dict(self.extra_files)

    def _readme(self) -> str:
        return (
            f"# {self.name}\n\n{self.description}\n\n## Install\n\n"
            f"```sh\nnpm install {self.name}\n```\n\n## Use\n\n```js\n"
            f"{textwrap.dedent(self.usage).strip()}\n```\n\n## Licence\n\nMIT\n"
        )

    def _changelog(self, version: str) -> str:
        parts = ["# Changelog\n"]
        for number, lines in reversed(list(self.changes.items())):
            if _reached(version, number):
                parts.append(f"## {number}\n\n" + "".join(f"- {line}\n" for line in lines))
        return "\n".join(parts)


@dataclass(frozen=True)
class _Source:
    typescript: str
    javascript: str
    declarations: str


def _reached(version: str, since: str) -> bool:
    return semver.Version.parse(version) >= semver.Version.parse(since)


def _source(module: Module, version: str) -> _Source:
    types = _paragraph(module.types)
    head = _paragraph(module.head)
    typescript, javascript, declarations = [], [], []
    for function in module.functions:
        if not _reached(version, function.since):
            continue
        body = function.body_in(version)
        parameters, _, _ = function.signature.rpartition("): ")
        untyped = TYPED_NAME.sub(r"\1", parameters)
        doc = f"/** {function.doc} */\n"
        keyword = "async function" if "): Promise<" in function.signature else "function"
        name = f"{keyword} {function.name}"
        typescript.append(f"{doc}export {name}{function.signature} {{\n{body}\n}}\n")
        javascript.append(f"{doc}export {name}{untyped}) {{\n{body}\n}}\n")
        declarations.append(f"{doc}export declare function {function.name}{function.signature};\n")
    return _Source(
        head + types + "\n".join(typescript),
        head + "\n".join(javascript),
        types + "\n".join(declarations),
    )


def _paragraph(text: str) -> str:
    text = textwrap.dedent(text).strip("\n")
    return f"{text}\n\n" if text else ""


def _built(name: str, source: _Source) -> dict[str, str]:
    file_name = name.rpartition("/")[2]
    up = "../" * (name.count("/") + 1)
    lines = source.javascript.count("\n")
    source_map = {
        "version": 3,
        "file": f"{file_name}.js",
        "sourceRoot": "",
        "sources": [f"{up}src/{name}.ts"],
        "names": [],
        "mappings": ";".join(["AAAA", *["AACA"] * (lines - 1)]),
    }
    return {
        f"src/{name}.ts": source.typescript,
        f"dist/{name}.js": f"{source.javascript}//# sourceMappingURL={file_name}.js.map\n",
        f"dist/{name}.d.ts": source.declarations,
        f"dist/{name}.js.map": json.dumps(source_map) + "\n",
    }

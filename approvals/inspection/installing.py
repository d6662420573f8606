"""What npm runs on installation that the package's own scripts do not show.

npm also runs the install scripts of bundled packages (docs: package.json, `bundleDependencies`),
and compiles a package that has a `binding.gyp` and neither an `install` nor a `preinstall` script
(docs: "scripts", npm install), the bundled ones included.
"""

from collections.abc import Callable, Iterator
from posixpath import basename, dirname, join
from typing import Any

from approvals.inspection.filetree import FileInfo, FileTree
from approvals.inspection.manifest import ManifestError, parse_manifest
from approvals.inspection.results import CompareLimits
from approvals.inspection.risk import MANIFEST, NATIVE_BUILD, install_scripts
from registry_client.tar_paths import Problem, printable

# Gives the content of a file of one side, or None where it was not kept.
Content = Callable[[FileInfo], bytes | None]

NEW_SCRIPT = "nested-install-script"
NEW_BUILD = "native-build"
_LONGEST_COMMAND = 300


def is_nested_manifest(path: str) -> bool:
    """Whether it is the package.json of something inside the package."""
    return path != MANIFEST and basename(path) == MANIFEST


def is_bundled(path: str) -> bool:
    """Whether npm may treat it as part of a bundled package."""
    return "node_modules" in path.split("/")


def problems_of_installing(
    old: FileTree | None,
    new: FileTree,
    contents: tuple[Content, Content],
    manifests: tuple[dict[str, Any] | None, dict[str, Any] | None],
    limits: CompareLimits,
) -> list[Problem]:
    """What runs on installation besides the package's own scripts, new things first.

    `contents` and `manifests` (the packages' own) are the baseline's and the staged tarball's.
    """
    return _Installing(old, new, contents, limits).problems(manifests)


class _Installing:
    def __init__(
        self,
        old: FileTree | None,
        new: FileTree,
        contents: tuple[Content, Content],
        limits: CompareLimits,
    ) -> None:
        self.old = {} if old is None else old.files
        self.new = new.files
        self.old_content, self.new_content = contents
        self.limits = limits
        self.room = limits.nested_manifests_size

    def problems(
        self, manifests: tuple[dict[str, Any] | None, dict[str, Any] | None]
    ) -> list[Problem]:
        found = [*self._native_build("", *manifests)]
        nested = [info for path, info in self.new.items() if is_nested_manifest(path)]
        nested = [info for info in nested if is_bundled(info.path) or self._differs(info.path)]
        nested.sort(key=lambda info: (not is_bundled(info.path), info.size, info.path))
        left_out = 0
        for number, info in enumerate(nested):
            if number >= self.limits.nested_manifests or info.size > self.room:
                left_out += 1
            else:
                self.room -= info.size
                found += self._nested(info)
        if left_out:
            sentence = (
                f"{left_out:,} files package.json inside the package were not searched for install "
                "scripts: there are too many, or they are too large."
            )
            found.append(Problem("limit-nested", "", sentence))
        return sorted(found, key=lambda problem: problem.rule not in (NEW_SCRIPT, NEW_BUILD))

    def _nested(self, info: FileInfo) -> Iterator[Problem]:
        content = self.new_content(info)
        try:
            if content is None:
                raise ManifestError("It is too large.")
            manifest = parse_manifest(content, self.limits)
        except ManifestError as error:
            if is_bundled(info.path):
                sentence = f"It was not searched for install scripts: {error}"
                yield Problem("nested-manifest", printable(info.path), sentence)
            return
        before = self._before(info)
        was = install_scripts(before)
        for name, command in install_scripts(manifest).items():
            text = command[:_LONGEST_COMMAND]
            if was.get(name) != command:
                word = "new" if name not in was else "changed"
                sentence = (
                    f"Its script {name} is {word}; npm runs it on installation where this package "
                    f"is bundled: {text}"
                )
                yield Problem(NEW_SCRIPT, printable(info.path), sentence)
            elif is_bundled(info.path):
                sentence = f"npm runs its script {name} on installation, as before: {text}"
                yield Problem("nested-script-before", printable(info.path), sentence)
        if is_bundled(info.path):
            yield from self._native_build(dirname(info.path), before, manifest)

    def _before(self, info: FileInfo) -> dict[str, Any] | None:
        earlier = self.old.get(info.path)
        if earlier is None:
            return None
        same = earlier.digest == info.digest
        content = self.new_content(info) if same else self.old_content(earlier)
        try:
            return parse_manifest(content, self.limits)
        except ManifestError:
            return None

    def _native_build(
        self, folder: str, before: dict[str, Any] | None, after: dict[str, Any] | None
    ) -> Iterator[Problem]:
        path = join(folder, NATIVE_BUILD)
        if path not in self.new or not _compiles(after):
            return
        if path not in self.old or not _compiles(before):
            sentence = (
                "It is new that npm compiles native code on installation, without any script."
            )
            yield Problem(NEW_BUILD, printable(path), sentence)
        elif self._differs(path):
            sentence = (
                "It changed how npm compiles native code on installation, without any script."
            )
            yield Problem(NEW_BUILD, printable(path), sentence)
        else:
            sentence = "npm compiles native code on installation, as it did before."
            yield Problem("native-build-before", printable(path), sentence)

    def _differs(self, path: str) -> bool:
        earlier = self.old.get(path)
        return earlier is None or earlier.digest != self.new[path].digest


def _compiles(manifest: dict[str, Any] | None) -> bool:
    if manifest is None:
        return False
    scripts = install_scripts(manifest)
    own = "install" in scripts or "preinstall" in scripts
    return not own and manifest.get("gypfile") is not False

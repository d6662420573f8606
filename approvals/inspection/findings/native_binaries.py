"""Compiled programs and archives: what nobody can read, and what is not what its name says."""

import re
from collections.abc import Iterator
from posixpath import basename

from approvals.inspection.filetypes import file_type
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.risk import install_scripts
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.CONTENT
RULES = {
    "native-binary": "Compiled programs and libraries that are new or changed",
    "archive": "Archives that are new",
    "unknown-native": "Files named as compiled programs for Node that are of no known kind",
    "disguised-file": "Programs and archives that are named as something else",
}
_HEAD = 2_048
_PROGRAMS = (
    "ELF",
    "Mach-O",
    "Windows",
    "DOS",
    "Node addon",
    "WebAssembly",
    "static library",
    "Java class",
    "Python bytecode",
    "LLVM",
    "Lua bytecode",
    "Android",
)
_ARCHIVES = (
    "ZIP",
    "gzip",
    "zstd",
    "xz",
    "bzip2",
    "LZ4",
    "7-Zip",
    "RAR",
    "tar archive",
    "Java archive",
    "browser extension",
    "editor extension",
    "Python wheel",
    "RPM",
)
_PROGRAM_ENDINGS = (
    ".node",
    ".exe",
    ".dll",
    ".so",
    ".dylib",
    ".wasm",
    ".a",
    ".o",
    ".lib",
    ".obj",
    ".class",
    ".pyc",
    ".bc",
    ".dex",
    ".elf",
    ".bin",
    ".com",
    ".sys",
)
_SO = re.compile(r"\.so(\.\d+){1,4}$")
_ARCHIVE_ENDINGS = (
    ".zip",
    ".gz",
    ".tgz",
    ".tar",
    ".zst",
    ".xz",
    ".bz2",
    ".lz4",
    ".7z",
    ".rar",
    ".jar",
    ".apk",
    ".aar",
    ".xpi",
    ".vsix",
    ".whl",
    ".war",
    ".ear",
    ".nupkg",
    ".crx",
    ".rpm",
    ".br",
    ".asar",
    ".docx",
    ".xlsx",
    ".pptx",
    ".odt",
    ".ods",
    ".epub",
    ".svgz",
    ".kmz",
    ".ipa",
    ".snap",
    ".sketch",
    ".gzip",
    ".pack",
    ".idx",
    ".pkg",
    ".npz",
    ".pt",
    ".mxl",
    ".usdz",
    ".3mf",
)
_LAYOUT = re.compile(
    r"(^|/)(prebuilds?|prebuilt|build/release|build/debug|bindings?|native|binaries|lib/binding"
    r"|napi-v\d|node_modules/[^/]+-(linux|darwin|win32)[^/]*)/",
    re.IGNORECASE,
)
_FOR_TESTS = re.compile(
    r"(^|/)(__)?(tests?|specs?|fixtures?|examples?|mocks?)(__)?/", re.IGNORECASE
)
_WORD = re.compile(r"[\w./@-]{3,200}")
_MOST_NAMES = 8
_MOST_SOUGHT = 300


def in_tarball(look: Look) -> Iterator[Finding]:
    programs: list[tuple[LookedFile, str]] = []
    archives: list[tuple[LookedFile, str]] = []
    for file in look.files:
        if not (file.info.binary or file.info.nul):
            # Compressed data has a NUL sooner or later, and so has every program.
            continue
        kind = _kind(file)
        is_program, is_archive = kind.startswith(_PROGRAMS), kind.startswith(_ARCHIVES)
        if (is_program or is_archive) and _is_disguised(file, is_program=is_program):
            if file.is_added or not _was(file, kind):
                yield _disguised(file, kind)
        elif is_program:
            programs.append((file, kind))
        elif is_archive:
            archives.append((file, kind))
    yield from _programs(look, programs)
    yield from _unknown(look)
    yield from _archives(look, archives)


def _programs(look: Look, found: list[tuple[LookedFile, str]]) -> Iterator[Finding]:
    started = _started_from(look)
    had = look.old is not None and any(_is_program_name(path) for path in look.old.files)
    loaded = set() if had or look.is_first else _loaded(look, [file for file, _ in found])
    ordinary = []
    for file, kind in found:
        if not file.is_added:
            continue
        if file.path in started and not look.is_first:
            yield _program(
                [(file, kind)],
                Severity.MEDIUM if had else Severity.HIGH,
                f"It brings a compiled program that {started[file.path]}.",
            )
        elif file.path in loaded:
            yield _program(
                [(file, kind)],
                Severity.HIGH,
                "It brings a compiled program that its code names, and had none before.",
            )
        else:
            ordinary.append((file, kind))
    if ordinary:
        severity = Severity.LOW if had or look.is_first else Severity.MEDIUM
        title = "It brings compiled programs or libraries"
        yield _program(
            ordinary, severity, f"{title}{'' if had or look.is_first else ', and had none before'}."
        )
    changed = [(file, kind) for file, kind in found if not file.is_added]
    if changed:
        yield _program(changed, Severity.LOW, "Compiled programs or libraries changed.")


def _loaded(look: Look, added: list[LookedFile]) -> set[str]:
    """Those of these files that Node loads, as code that others load first names them."""
    names = {
        basename(file.path).encode(): file.path
        for file in added[:_MOST_SOUGHT]
        if file.is_added and file.path.endswith(".node")
    }
    loaded = set()
    for file in look.files if names else ():
        if file.language and not file.info.binary:
            text = (file.content or b"")[:200_000]
            loaded |= {path for name, path in names.items() if name in text}
    return loaded


def _unknown(look: Look) -> Iterator[Finding]:
    """What Node would load as a compiled program, and what is none that is known."""
    for file in look.files:
        if file.is_added and file.path.endswith(".node") and not _kind(file).startswith(_PROGRAMS):
            yield Finding(
                "unknown-native",
                Severity.HIGH,
                "A file that is named as a compiled program for Node is of no known kind.",
                "Node loads it all the same where the system knows it; and code that reads it may "
                "take from it what it runs.",
                "Do not approve it before somebody knows what it is and which code opens it.",
                path=file.path,
                evidence=file.change.new_sha256,
            )


def _program(found: list[tuple[LookedFile, str]], severity: Severity, title: str) -> Finding:
    return Finding(
        "native-binary",
        severity,
        title,
        "Nobody can read in a compiled program what it does, and no diff shows what changed in it.",
        "Find out how and where it was built, and whether anybody can build the same from source.",
        path=found[0][0].path,
        detail=_names(found),
        evidence="".join(file.change.new_sha256 for file, _ in found),
        stands_for=len(found),
    )


def _archives(look: Look, found: list[tuple[LookedFile, str]]) -> Iterator[Finding]:
    added = [(file, kind) for file, kind in found if file.is_added]
    if not added:
        return
    had = look.old is not None and any(
        _has_ending(path, _ARCHIVE_ENDINGS) for path in look.old.files
    )
    is_usual = had or look.is_first or all(_FOR_TESTS.search(file.path) for file, _ in added)
    yield Finding(
        "archive",
        Severity.LOW if is_usual else Severity.MEDIUM,
        "It brings archives."
        if had or look.is_first
        else "It brings archives, and had none before.",
        "What is in an archive was not searched: no rule sees into it, and no diff shows it.",
        "Unpack it somewhere safe and see what it holds, and which code of the package opens it.",
        path=added[0][0].path,
        detail=_names(added),
        evidence="".join(file.change.new_sha256 for file, _ in added),
        stands_for=len(added),
    )


def _disguised(file: LookedFile, kind: str) -> Finding:
    return Finding(
        "disguised-file",
        Severity.HIGH,
        "A program or archive is named as something else.",
        "Who reads the list of files takes it for what its name says. Attacks have hidden what "
        "they run in files named as pictures or texts.",
        "Do not approve it before somebody knows what it is and which code opens it.",
        path=file.path,
        detail=f"{kind.partition(', though')[0]}, named {basename(file.path)}",
        evidence=file.change.new_sha256,
    )


def _kind(file: LookedFile) -> str:
    head = file.info.head or (file.content or b"")[:_HEAD]
    return file_type(file.path, head)


def _was(file: LookedFile, kind: str) -> bool:
    before = file.old_info
    head = b"" if before is None else before.head or (file.old_content or b"")[:_HEAD]
    return file_type(file.path, head) == kind


def _is_disguised(file: LookedFile, *, is_program: bool) -> bool:
    """Whether the name promises something that is neither run nor unpacked."""
    name = basename(file.path).lower()
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or _is_program_name(name):
        return False
    if not is_program and (name.endswith(_ARCHIVE_ENDINGS) or f".{ending}" not in _PROMISING):
        return False
    return f".{ending}" in _PROMISING


_PROMISING = frozenset(
    {
        *(
            ".png",
            ".jpg",
            ".jpeg",
            ".gif",
            ".webp",
            ".avif",
            ".ico",
            ".bmp",
            ".svg",
            ".woff",
            ".woff2",
        ),
        *(".ttf", ".otf", ".eot", ".pdf", ".mp3", ".mp4", ".wav", ".ogg", ".webm", ".txt", ".md"),
        *(".markdown", ".json", ".yml", ".yaml", ".toml", ".xml", ".html", ".htm", ".css", ".scss"),
        *(".less", ".map", ".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx", ".csv"),
        *(".log", ".lock", ".license", ".graphql", ".po", ".ini", ".cfg", ".conf", ".flow"),
    }
)


def _is_program_name(path: str) -> bool:
    return _has_ending(path, _PROGRAM_ENDINGS) or bool(_SO.search(path.lower()))


def _has_ending(path: str, endings: tuple[str, ...]) -> bool:
    return path.lower().endswith(endings)


def _started_from(look: Look) -> dict[str, str]:
    """Files that package.json names as something to run, with how."""
    manifest = look.manifest_new or {}
    started = {}
    commands = manifest.get("bin")
    paths = [commands] if isinstance(commands, str) else []
    if isinstance(commands, dict):
        paths = [path for path in commands.values() if isinstance(path, str)]
    for path in paths:
        started[path.removeprefix("./")] = "is a command of the package"
    for command in install_scripts(manifest).values():
        for word in _WORD.findall(command[:10_000]):
            started[word.removeprefix("./")] = "runs on installation"
    added = [file.path for file in look.files if file.is_added and file.info.binary]
    added = added[:_MOST_SOUGHT]
    for file in look.files:
        # A script that runs on installation and names it runs it, most likely.
        if file.change.rank == 1 and not file.info.binary and file.language:
            text = (file.content or b"")[:200_000].decode("utf-8", "replace")
            for path in added:
                if basename(path) in text:
                    started[path] = "a script on installation names"
    return started


def _names(found: list[tuple[LookedFile, str]]) -> str:
    words = [f"{file.path} ({kind})" for file, kind in found[:_MOST_NAMES]]
    more = len(found) - _MOST_NAMES
    return ", ".join(words) + (f" and {more:,} more" if more > 0 else "")

"""Commands that npm puts into the PATH of whoever installs the package."""

from collections.abc import Iterator
from posixpath import normpath
from typing import Any

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look

GROUP = Group.CONTENT
RULES = {
    "new-command": "Commands that the package newly installs (bin)",
    "command-shadows": "Commands named as one that everybody has",
    "became-executable": "Files that became executable",
}
_COMMON = frozenset(
    {
        *(
            "node",
            "npm",
            "npx",
            "yarn",
            "yarnpkg",
            "pnpm",
            "pnpx",
            "bun",
            "bunx",
            "deno",
            "corepack",
        ),
        *(
            "git",
            "ls",
            "cd",
            "cp",
            "mv",
            "rm",
            "cat",
            "echo",
            "sudo",
            "su",
            "ssh",
            "scp",
            "sh",
            "bash",
        ),
        *(
            "zsh",
            "fish",
            "dash",
            "curl",
            "wget",
            "tar",
            "gzip",
            "unzip",
            "find",
            "grep",
            "sed",
            "awk",
        ),
        *(
            "chmod",
            "chown",
            "kill",
            "ps",
            "env",
            "which",
            "make",
            "cmake",
            "gcc",
            "cc",
            "clang",
            "python",
        ),
        *(
            "python3",
            "pip",
            "pip3",
            "ruby",
            "gem",
            "perl",
            "php",
            "java",
            "javac",
            "go",
            "cargo",
            "rustc",
        ),
        *(
            "docker",
            "kubectl",
            "helm",
            "aws",
            "gcloud",
            "az",
            "gh",
            "terraform",
            "brew",
            "apt",
            "apt-get",
        ),
        *(
            "open",
            "xdg-open",
            "code",
            "vim",
            "vi",
            "nano",
            "gpg",
            "openssl",
            "powershell",
            "pwsh",
            "cmd",
        ),
    }
)
_WHY = (
    "npm links a command into the PATH of scripts, and of everything where the package is "
    "installed globally: whoever types its name runs it."
)
_MOST_NAMES = 12


def in_tarball(look: Look) -> Iterator[Finding]:
    after, before = _commands(look.manifest_new), _commands(look.manifest_old)
    new = {name: path for name, path in after.items() if name not in before}
    own_name = str((look.manifest_new or {}).get("name", "")).rpartition("/")[2]
    for name in sorted(new):
        if name.lower().removesuffix(".exe") in _COMMON and name != own_name:
            path = new.pop(name)
            yield Finding(
                "command-shadows",
                Severity.HIGH,
                f"It installs a command named “{name}”, as one that everybody has.",
                _WHY + " Under this name it runs in place of the real one.",
                "Do not approve it unless the package is there to replace that command.",
                path=MANIFEST,
                line=_line(look, name),
                excerpt=f"{name}: {path}",
                evidence=look.digest_of([normpath(path)]),
            )
    if new and not look.is_first:
        yield Finding(
            "new-command",
            Severity.LOW if before else Severity.MEDIUM,
            "It installs new commands." if before else "It installs commands, and had none before.",
            _WHY,
            "See that the names are the package's own, and read what they run.",
            path=MANIFEST,
            line=_line(look, next(iter(new))),
            detail=_listed([f"{name}: {path}" for name, path in new.items()]),
            evidence=look.digest_of(map(normpath, new.values())),
        )
    yield from _became_executable(look)


def _became_executable(look: Look) -> Iterator[Finding]:
    found = [
        file
        for file in look.files
        if file.old_info and not file.old_info.mode & 0o111 and file.info.mode & 0o111
    ]
    # Whoever packs on another machine may have all modes changed, which says nothing.
    if not found or len(found) > max(_MOST_NAMES, len(look.new.files) // 2):
        return
    yield Finding(
        "became-executable",
        Severity.LOW,
        "Files can be executed that could not before.",
        "A file that can be executed is one that something is meant to start.",
        "See what starts it.",
        path=found[0].path,
        detail=_listed([file.path for file in found]) if len(found) > 1 else "",
        evidence="".join(file.change.new_sha256 for file in found),
        stands_for=len(found),
    )


def _commands(manifest: dict[str, Any] | None) -> dict[str, str]:
    manifest = manifest or {}
    commands = manifest.get("bin")
    if isinstance(commands, str):
        return {str(manifest.get("name", "")).rpartition("/")[2]: commands}
    if not isinstance(commands, dict):
        return {}
    # npm takes folders away from a command's name.
    return {
        name.rpartition("/")[2]: path for name, path in commands.items() if isinstance(path, str)
    }


def _line(look: Look, name: str) -> int | None:
    commands = (look.manifest_new or {}).get("bin")
    keys = commands if isinstance(commands, dict) else ()
    written = [key for key in keys if key.rpartition("/")[2] == name]
    return KeyLines(look.content_of(MANIFEST))("bin", *written[:1])


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")

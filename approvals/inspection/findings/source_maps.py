"""Source maps that carry sources, and paths of the machine on which the package was built."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile
from approvals.inspection.search.needles import needles

GROUP = Group.CONTENT
RULES = {
    "source-map": "Source maps that carry the sources",
    "build-path": "Paths of the machine on which it was built",
}
_INLINE = needles("sourceMappingURL=data:application/json")
_PATHS = needles(
    patterns=[
        r"\/home\/[a-z][a-z0-9._-]{1,30}\/[A-Za-z0-9._-]{2,40}\/",
        r"\/Users\/[A-Za-z][A-Za-z0-9._-]{1,30}\/[A-Za-z0-9._-]{2,40}\/",
        r"[A-Z]:(\\|\\\\|\/)Users(\\|\\\\|\/)[A-Za-z][A-Za-z0-9._ -]{1,30}(\\|\\\\|\/)",
    ]
)
NEEDLES = needles(*_INLINE.texts, patterns=_PATHS.patterns)
_MARK = b'"sourcesContent"'
_WITH = re.compile(rb'"sourcesContent"\s{0,20}:\s{0,20}\[\s{0,20}(?:null\s{0,20},\s{0,20}){0,50}"')
_SOURCE = (".ts", ".tsx", ".mts", ".cts", ".jsx", ".vue", ".svelte", ".coffee")
_TYPES = (".d.ts", ".d.mts", ".d.cts")
# Where CI builds, and what manuals have.
_NOBODY = frozenset(
    {
        *("runner", "travis", "circleci", "vsts", "builder", "build", "ubuntu", "node", "jenkins"),
        *(
            "web_user",
            "user",
            "username",
            "users",
            "me",
            "you",
            "name",
            "yourname",
            "your-name",
            "foo",
        ),
        *(
            "bar",
            "john",
            "jane",
            "alice",
            "bob",
            "admin",
            "root",
            "app",
            "application",
            "git",
            "docker",
        ),
        *(
            "runneradmin",
            "vssadministrator",
            "containeradministrator",
            "public",
            "default",
            "shared",
        ),
        *(
            "semaphore",
            "buildkite",
            "gitpod",
            "codespace",
            "vscode",
            "distiller",
            "test",
            "testuser",
        ),
        *(
            "example",
            "someone",
            "somebody",
            "myuser",
            "myname",
            "dev",
            "developer",
            "project",
            "home",
        ),
    }
)
_NAME = re.compile(r"(?:/home|/Users|Users)(?:\\\\|[/\\])([^/\\]+)")
_DOCS = (".md", ".markdown", ".txt", ".rst", ".adoc")
_MOST_NAMES = 8


def in_tarball(look: Look) -> Iterator[Finding]:
    yield from _maps(look)
    yield from _paths(look)


def _maps(look: Look) -> Iterator[Finding]:
    if look.old is not None and any(path.endswith(".map") for path in look.old.files):
        return
    found = [file for file in look.files if file.path.endswith(".map") and _carries(file)]
    found += [
        file for file in look.uses_by_file(_INLINE) if not file.path.endswith((".md", ".map"))
    ]
    if not found or look.had(_INLINE):
        return
    trees = [tree for tree in (look.old, look.new) if tree is not None]
    has_source = any(_is_source(path) for tree in trees for path in tree.files)
    is_minified = any(file.change.is_minified for file in look.files)
    if look.is_first:
        severity = Severity.INFO
    else:
        severity = Severity.MEDIUM if is_minified and not has_source else Severity.LOW
    names = [file.path for file in found]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    yield Finding(
        "source-map",
        severity,
        "It brings source maps that carry the sources.",
        "Whoever installs the package can read the sources in them, comments included. Packages "
        "have published code this way that was to stay inside.",
        "Ask whether the sources are public.",
        path=names[0],
        detail=", ".join(names[:_MOST_NAMES]) + more if len(names) > 1 else "",
        stands_for=len(names),
    )


def _carries(file: LookedFile) -> bool:
    content = file.content
    return content is not None and _MARK in content and _WITH.search(content) is not None


def _is_source(path: str) -> bool:
    return (path.endswith(_SOURCE) and not path.endswith(_TYPES)) or path.startswith("src/")


def _paths(look: Look) -> Iterator[Finding]:
    uses = [
        use
        for use in look.uses(_PATHS)
        if not use.path.lower().endswith(_DOCS)
        and (name := _NAME.search(use.needle)) is not None
        and name[1].lower() not in _NOBODY
        and not use.is_comment
    ]
    if not uses:
        return
    first = uses[0]
    had = look.had(_PATHS)
    files = list(dict.fromkeys(use.path for use in uses))
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    yield Finding(
        "build-path",
        Severity.INFO if had or look.is_first else Severity.LOW,
        "It has paths of somebody's machine in it.",
        "It was built, or at least made, on a person's machine and not by CI, and tells of that "
        "machine.",
        "If CI is to build the package, ask why it did not.",
        path=first.path,
        line=first.line,
        excerpt=first.needle,
        detail=f"In {first.path}{more}" if more else "",
        stands_for=len(files),
    )

"""Code that starts a file of its own package that is no JavaScript."""

import re
from collections.abc import Iterator
from posixpath import basename

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, close_pair, joined, leaf
from approvals.inspection.search.signs import PROGRAMS

GROUP = Group.CODE
RULES = {
    "starts-shipped-file": "Code that starts a file of the package itself",
    "web-assembly-programs": "Compiled code that can start programs",
}
_STARTS = needles(patterns=(r"\b(exec|execSync|execFile|execFileSync|spawn|spawnSync)\s*\(",))
_WASM = Sign(needles("WebAssembly.Module", "WebAssembly.instantiate"), lambda _: True)
NEEDLES = joined(_STARTS, _WASM.needles)
_FILE = re.compile(r"[\w./\\-]+\.(sh|bash|bat|cmd|ps1|py|exe|bin|png|jpg|gif|ico|dat|tmp|txt)\b")


def in_tarball(look: Look) -> Iterator[Finding]:
    names = {basename(file.path) for file in look.files if file.is_added}
    for use in Sign(_STARTS, lambda use: _is_shipped(use, names)).uses(look)[:1]:
        yield as_one(
            [use],
            rule="starts-shipped-file",
            severity=Severity.HIGH,
            title="It starts a file that comes with the package."
            if look.is_first
            else "It starts a file that newly came with the package.",
            why="A script or program beside the code is run that no look at the code shows.",
            what_to_check="Look at the file that it starts.",
        )
    pair = close_pair(_WASM.uses(look), PROGRAMS.uses(look))
    if pair is not None:
        yield as_one(
            [pair[0]],
            rule="web-assembly-programs",
            severity=Severity.HIGH,
            title="Compiled code is loaded near code that can start programs.",
            why="Nobody reads compiled code, and it can be given everything that JavaScript can.",
            what_to_check="See what it imports, and from which source it was built.",
        )


def _is_shipped(use: Use, names: set[str]) -> bool:
    call = syntax.call_around(leaf(use))
    if call is None or not syntax.is_called(leaf(use)) or not names:
        return False
    arguments = (syntax.arguments_of(call) or [call])[0]
    written = (arguments.text or b"")[:500].decode("utf-8", "replace")
    if arguments.type == "identifier":
        found = re.search(rf"\b{re.escape(written)}\s*=([^;\n]{{0,300}})", use.around(1_500, 0))
        written = found[1] if found else ""
    return any(basename(one[0].replace("\\", "/")) in names for one in _FILE.finditer(written))

"""Code that loads files that do not look as if they were loaded."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from posixpath import splitext

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import loading, syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.sign import as_one, in_code, is_for_tests

GROUP = Group.HIDING
RULES = {"odd-load": "Files that are newly loaded as code and do not look like code"}
NEEDLES = loading.NEEDLES
_WHY = (
    "Node takes what it loads for JavaScript, whatever it is called. What stands in a text, in "
    "declarations of types or among the tests nobody reads as code that runs."
)
_WHAT_TO_CHECK = "Read that file as code, also where it has not changed."
_MOST = 300
_LOADS = re.compile(r"require\w*\)?(\.call)?$|\bimport$|(^|[^\w$.])[\w$]{1,3}$")


def in_tarball(look: Look) -> Iterator[Finding]:
    yield from _new_entries(look)
    found: dict[Severity, list[tuple[Use, str]]] = {}
    for use in look.uses(NEEDLES)[:_MOST]:
        if look.is_out_of_time():
            break
        to = loading.loaded(use.path, use.needle, look.new.files)
        severity = _severity(look, to) if to else None
        if severity is not None and not is_for_tests(use) and in_code(use) and _is_load(use):
            found.setdefault(severity, []).append((use, to))
    for severity, places in found.items():
        files = sorted({to for _, to in places})
        finding = as_one(
            [use for use, _ in places],
            rule="odd-load",
            severity=severity,
            title="It loads a file as code that does not look like code.",
            why=_WHY,
            what_to_check=_WHAT_TO_CHECK,
            detail=f"Loaded: {', '.join(files[:8])}",
        )
        evidence = finding.evidence + look.digest_of(files)
        yield replace(finding, evidence=hashlib.sha256(evidence.encode()).hexdigest())


def _new_entries(look: Look) -> Iterator[Finding]:
    """What package.json newly names, that was there and was not meant to run."""
    for change in look.manifest_changes:
        if change.field not in ("main", "bin") or not change.new:
            continue
        to = loading.target("package.json", f"./{change.new[:300]}", look.new.files)
        is_odd = bool(splitext(to)[1]) and loading.is_odd(to) and not syntax.language_of(to)
        if to and look.file_at(to) is None and (is_odd or loading.is_for_tests(to)):
            yield Finding(
                "odd-load",
                Severity.MEDIUM,
                "package.json newly names a file as code that does not look like code.",
                _WHY,
                _WHAT_TO_CHECK,
                path="package.json",
                excerpt=f"{change.field} {change.key}: {change.new[:200]}",
                evidence=look.digest_of([to]),
            )


def _severity(look: Look, to: str) -> Severity | None:
    file = look.file_at(to)
    if not loading.is_odd(to) or (syntax.language_of(to) and not to.endswith(".d.ts")):
        # Among the tests: what differs is judged by itself.
        is_old = loading.is_for_tests(to) and file is None
        return Severity.MEDIUM if is_old and syntax.language_of(to) else None
    if file is not None and look.reads_as_code(file):
        return Severity.HIGH
    if loading.is_for_bundlers(to) or look.is_first:
        return Severity.LOW
    # Code in documentation was not judged when it came.
    is_old = file is None and not to.lower().endswith(loading.DOCUMENTATION)
    return Severity.MEDIUM if is_old else Severity.HIGH


def _is_load(use: Use) -> bool:
    piece = use.piece
    if piece is None:
        return bool(re.search(r"require\W{0,9}$", use.around(20, 0)[: -len(use.needle)]))
    node = piece.at(use.match.end - 2, use.match.end - 1)
    if node is not None and node.type == "string_fragment":
        node = node.parent
    parent = None if node is None else node.parent
    if parent is None:
        return False
    if parent.type in ("import_statement", "export_statement"):
        return True
    call = parent.parent
    if parent.type != "arguments" or call is None or call.type != "call_expression":
        return False
    return bool(_LOADS.search(syntax.callee_of(call)[-60:]))

"""GitHub workflows that are shipped, or written by the package's code, and what they would do."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import Needles, needles
from approvals.inspection.search.syntax import text_of

GROUP = Group.CONTENT
RULES = {
    "workflow": "GitHub workflows that give away secrets or run what strangers send",
    "workflow-written": "Code that writes GitHub workflows",
}
_FOLDER = needles(
    ".github/workflows",
    ".github\\\\workflows",
    patterns=[r"['\"\x60]\.github['\"\x60]", r"\.git['\"\x60][\t ]{0,4}(\+|,|\.concat)"],
)
_WRITE = needles("writeFile", "appendFile", "createWriteStream", "outputFile", "/contents/")
_SECRETS = needles(patterns=[r"[tT][oO][jJ][sS][oO][nN]\([\t ]{0,4}secrets[\t ]{0,4}\)"])
_CONTENT = needles("runs-on", "self-hosted", "workflow_dispatch", "pull_request_target")
NEEDLES = needles(
    *_FOLDER.texts,
    *_CONTENT.texts,
    *_WRITE.texts,
    patterns=[*_FOLDER.patterns, *_SECRETS.patterns],
)
_IS_WORKFLOW = re.compile(r"(^|/)\.github/workflows/[^/]+\.ya?ml$", re.IGNORECASE)
_LARGEST = 256 * 1024
_FOLDERS = ".github/workflows"
_MOST_STEPS = 12
_MOST_FOLDS = 50
_ALL_SECRETS = re.compile(r"toJSON\([\t ]{0,4}secrets[\t ]{0,4}\)", re.IGNORECASE)
_TARGET = re.compile(r"^[^#\n]{0,200}\bpull_request_target\b", re.MULTILINE)
_HEAD = re.compile(
    r"^[^#\n]{0,200}(?:ref|repository)[\t ]*:[^\n]{0,100}"
    r"(github\.event\.pull_request\.head\.|github\.head_ref|refs/pull/)",
    re.MULTILINE,
)
_BY_STRANGERS = re.compile(
    r"\$\{\{[^}\n]{0,60}github\.event\.(?:issue|discussion|comment|review|pull_request|head_commit)"
    r"\.(?:body|title|message|head\.ref)[^}\n]{0,60}\}\}"
    r"|\$\{\{[^}\n]{0,60}github\.event\.(?:discussion|comment|issue)[\t ]*\}\}"
)
_SENDS = re.compile(
    r"^[^#\n]{0,500}\b(?:curl|wget|Invoke-WebRequest|nc)\b[^\n]{0,500}(?:secrets\.|\$\{?[A-Z_]*"
    r"(?:TOKEN|SECRET|KEY|PASSWORD))",
    re.MULTILINE,
)
_RISKS = (
    (_ALL_SECRETS, "hands all secrets of the repository to a step"),
    (_BY_STRANGERS, "puts text that a stranger writes into a command"),
    (_SENDS, "sends a secret to an address"),
)
_WHY = (
    "A workflow runs with the secrets of the repository that it is in. Worms have spread by "
    "writing one into every repository that they could reach."
)


def in_tarball(look: Look) -> Iterator[Finding]:
    for file in look.files:
        if not _IS_WORKFLOW.search(file.path):
            continue
        if file.info.size <= _LARGEST:
            yield from _shipped(file)
        elif file.is_added or (file.old_info and file.old_info.size <= _LARGEST):
            yield _too_large(file)
    yield from _written(look)


def _shipped(file: LookedFile) -> Iterator[Finding]:
    text, before = _text(file.content), _text(file.old_content)
    for place, words in _risks(text):
        if words in {known for _, known in _risks(before)}:
            continue
        start = text.rfind("\n", 0, place) + 1
        yield Finding(
            "workflow",
            Severity.HIGH,
            f"It brings a workflow that {words}.",
            _WHY,
            "Find out why the package brings it: nobody who installs it needs it. Do not approve "
            "it unless the maintainers say what it is for.",
            path=file.path,
            line=text.count("\n", 0, place) + 1,
            excerpt=text[start:].partition("\n")[0].strip(),
            evidence=file.change.new_sha256,
        )


def _too_large(file: LookedFile) -> Finding:
    return Finding(
        "workflow",
        Severity.HIGH,
        "It brings a workflow that is too large to be searched.",
        _WHY,
        "Nobody writes workflows of this size. Find out what it is for before you approve it.",
        path=file.path,
        detail=f"{file.info.size:,} bytes",
        evidence=file.change.new_sha256,
    )


def _risks(text: str) -> Iterator[tuple[int, str]]:
    target, head = _TARGET.search(text), _HEAD.search(text)
    if target and head:
        words = "runs code that a stranger sends, with the repository's secrets"
        yield head.start(1), words
    for expression, words in _RISKS:
        for found in expression.finditer(text):
            # At the end of the match is what matters; all of these end in one line.
            place = found.end() - 1
            if not text[text.rfind("\n", 0, place) + 1 : place].lstrip().startswith("#"):
                yield place, words
                break


def _written(look: Look) -> Iterator[Finding]:
    for file, uses in look.uses_by_file(NEEDLES).items():
        if not file.language:
            continue
        folder, is_hidden = _folder(uses)
        content = _first(uses, _CONTENT)
        secrets = _first(uses, _SECRETS)
        place = folder and (_following(uses, folder) or folder)
        if secrets and (place or content):
            yield _writes(
                place or secrets,
                Severity.CRITICAL,
                "Its code has a GitHub workflow in it that hands out all secrets.",
                f"All secrets of the repository are in it, in line {secrets.line}",
            )
        elif place and is_hidden:
            yield _writes(
                place,
                Severity.HIGH,
                "Its code hides that it has the path of GitHub's workflows in it.",
                "The path is put together from pieces of words",
            )
        elif place and content:
            had = look.is_first or look.had(_FOLDER)
            yield _writes(
                place,
                Severity.LOW if had else Severity.MEDIUM,
                "Its code has a GitHub workflow in it, to be written somewhere.",
                "",
            )


def _folder(uses: list[Use]) -> tuple[Use | None, bool]:
    """Where the folder of workflows is named, and whether its name is in pieces."""
    keys = _FOLDER.keys()
    folds = 0
    for use in uses:
        if use.match.key not in keys or use.is_comment:
            continue
        if "workflows" in use.needle:
            return use, False
        if ".github" in use.needle:
            if "workflows" in use.around(0, 60):
                return use, False
        elif folds < _MOST_FOLDS:
            folds += 1
            if _FOLDERS in _folded(use.node):
                return use, True
    return None, False


def _folded(node: Node | None) -> str:
    """The constant parts of the list or call that the node is in, as one path."""
    for _ in range(_MOST_STEPS):
        if node is None or node.type in ("array", "arguments", "variable_declarator", "program"):
            break
        node = node.parent
    if node is None or node.type == "program":
        return ""
    parts = [text_of(child) for child in node.named_children[:_MOST_STEPS]]
    return "/".join(part for part in parts if part)


def _following(uses: list[Use], folder: Use) -> Use | None:
    """The first write in or behind the line in which the folder is named."""
    keys = _WRITE.keys()
    return next((use for use in uses if use.match.key in keys and use.line >= folder.line), None)


def _first(uses: list[Use], wanted: Needles) -> Use | None:
    keys = wanted.keys()
    return next((use for use in uses if use.match.key in keys and not use.is_comment), None)


def _writes(use: Use, severity: Severity, title: str, detail: str) -> Finding:
    return Finding(
        "workflow-written",
        severity,
        title,
        _WHY,
        "Read where it is written to, and what it does. Few packages have a reason to.",
        path=use.path,
        line=use.line,
        excerpt=use.excerpt,
        detail=detail,
        evidence=use.file.change.new_sha256,
    )


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")

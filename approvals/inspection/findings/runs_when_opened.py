"""Settings that make an editor, an agent, a shell or a package manager run something by itself."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.CONTENT
RULES = {"runs-when-opened": "Settings that run something where a folder is opened"}
_LARGEST = 512 * 1024
_COMMENT = re.compile(r"^[\t ]*//[^\n]*|\s//[^\n\"]{0,300}$", re.MULTILINE)
_COMMA = re.compile(r",(\s*[}\]])")
_ON_OPEN = re.compile(r"\"runOn\"\s*:\s*\"folderOpen\"")
_COMMAND = re.compile(r"\"command\"\s*:\s*(\"(?:[^\"\\\n]|\\.){1,1000}\")")
_HOOKS = re.compile(r"\"hooks\"\s*:\s*\{\s*\"")
_SERVERS = re.compile(r"\"(mcpServers|servers)\"\s*:\s*\{\s*\"")
_CONTAINER = re.compile(
    r"\"((?:initialize|onCreate|updateContent|postCreate|postStart|postAttach)Command)\"\s*:\s*"
    r"(\"(?:[^\"\\\n]|\\.){1,1000}\"|[\[{][^\n]{0,300})"
)
_ALLOWED = re.compile(r"\"task\.allowAutomaticTasks\"\s*:\s*(\"on\"|true)")
_GIT_CONFIG = re.compile(
    r"^[\t ]*(fsmonitor|hooksPath|sshCommand|pager|editor|askPass|helper)[\t ]*="
    r"[\t ]*([^\r\n]{1,500})",
    re.MULTILINE | re.IGNORECASE,
)
_NPMRC = re.compile(
    r"^[\t ]*(script-shell|node-options|git|onload-script|shell)"
    r"[\t ]*=[\t ]*([^\r\n]{1,500})",
    re.MULTILINE,
)
_YARN = re.compile(
    r"^[\t ]*(yarnPath|-\s*path|yarn-path)[\t ]*:?[\t ]*([^\r\n]{1,300})", re.MULTILINE
)
_LINE = re.compile(r"^[\t ]*(?!#)(\S[^\r\n]{0,500})", re.MULTILINE)

# Where in the text, and what runs.
Runs = list[tuple[int, str]]


def in_tarball(look: Look) -> Iterator[Finding]:
    for file in look.files:
        known = _known(file.path)
        if known is None:
            continue
        who, severity, runs_of = known
        if file.info.size > _LARGEST:
            if file.is_added or (file.old_info and file.old_info.size <= _LARGEST):
                yield _too_large(file, who)
            continue
        text = _text(file.content)
        before = {what for _, what in runs_of(_text(file.old_content))} if file.old_info else set()
        runs = [(place, what) for place, what in runs_of(text) if what not in before]
        if runs:
            yield _finding(file, who, severity, runs, text)


def _finding(file: LookedFile, who: str, severity: Severity, runs: Runs, text: str) -> Finding:
    place, what = runs[0]
    return Finding(
        "runs-when-opened",
        severity,
        f"It brings settings by which {who} runs a command by itself.",
        "Nobody who uses the package needs such settings. Who opens the folder, or copies it into "
        "a project, runs what they say without having asked for it; worms have spread this way.",
        "Read the command. Do not approve it unless the maintainers say what it is for.",
        path=file.path,
        line=text.count("\n", 0, place) + 1,
        excerpt=what,
        detail=f"and {len(runs) - 1} more" if len(runs) > 1 else "",
        evidence=file.change.new_sha256,
    )


def _too_large(file: LookedFile, who: str) -> Finding:
    return Finding(
        "runs-when-opened",
        Severity.HIGH,
        f"It brings settings for {who} that are too large to be searched.",
        "Such settings can run a command where the folder is opened. Nobody writes so many.",
        "Find out what they are for before you approve it.",
        path=file.path,
        detail=f"{file.info.size:,} bytes",
        evidence=file.change.new_sha256,
    )


def _known(path: str) -> tuple[str, Severity, Callable[[str], Runs]] | None:
    low = f"/{path.lower()}"
    for ending, who, severity, runs in _BY_PATH:
        if low.endswith(ending):
            return who, severity, runs
    if _HOOK.search(low) and not low.endswith((".sample", ".md", ".gitignore")):
        return "Git", Severity.MEDIUM, _first_line
    return None


_HOOK = re.compile(r"/(\.husky|\.git/hooks|\.githooks)/[a-z-]+$")


def _tasks(text: str) -> Runs:
    opens = _ON_OPEN.search(text)
    if opens is None:
        return []
    data = _json(text)
    tasks = data.get("tasks") if isinstance(data, dict) else None
    found = []
    for task in _list(tasks):
        options = task.get("runOptions") if isinstance(task, dict) else None
        if isinstance(task, dict) and isinstance(options, dict):
            if options.get("runOn") != "folderOpen":
                continue
            words = [task.get("command"), *_list(task.get("args"))]
            command = " ".join(str(word) for word in words if word)
            found.append((_place(text, task.get("command")), command or str(task.get("label"))))
    return found or _by(_COMMAND, 1)(text) or [(opens.start(), "runOn: folderOpen")]


def _settings(text: str) -> Runs:
    return [(found.start(), found[0]) for found in _ALLOWED.finditer(text)]


def _hooks(text: str) -> Runs:
    return _by(_COMMAND, 1)(text) if _HOOKS.search(text) else []


def _servers(text: str) -> Runs:
    return _by(_COMMAND, 1)(text) if _SERVERS.search(text) else []


def _agent(text: str) -> Runs:
    return _hooks(text) or _servers(text)


def _by(expression: re.Pattern[str], group: int) -> Callable[[str], Runs]:
    def runs(text: str) -> Runs:
        return [(found.start(), _plain(found[group])) for found in expression.finditer(text)]

    return runs


def _named(expression: re.Pattern[str]) -> Callable[[str], Runs]:
    def runs(text: str) -> Runs:
        return [
            (found.start(1), f"{found[1]}: {_plain(found[2])}")
            for found in expression.finditer(text)
        ]

    return runs


def _first_line(text: str) -> Runs:
    for found in _LINE.finditer(text):
        if not found[1].startswith(". ") and "husky.sh" not in found[1]:
            return [(found.start(1), found[1].strip())]
    return []


_BY_PATH: tuple[tuple[str, str, Severity, Callable[[str], Runs]], ...] = (
    ("/.vscode/tasks.json", "an editor", Severity.HIGH, _tasks),
    (".code-workspace", "an editor", Severity.HIGH, _tasks),
    ("/.vscode/settings.json", "an editor", Severity.HIGH, _settings),
    ("/.claude/settings.json", "an AI agent", Severity.HIGH, _agent),
    ("/.claude/settings.local.json", "an AI agent", Severity.HIGH, _agent),
    ("/.gemini/settings.json", "an AI agent", Severity.HIGH, _agent),
    ("/.cursor/hooks.json", "an AI agent", Severity.HIGH, _by(_COMMAND, 1)),
    ("/mcp.json", "an AI agent", Severity.MEDIUM, _servers),
    ("/.mcp.json", "an AI agent", Severity.MEDIUM, _servers),
    ("/devcontainer.json", "an editor", Severity.MEDIUM, _named(_CONTAINER)),
    ("/.devcontainer.json", "an editor", Severity.MEDIUM, _named(_CONTAINER)),
    ("/.envrc", "a shell", Severity.MEDIUM, _first_line),
    ("/.git/config", "Git", Severity.HIGH, _named(_GIT_CONFIG)),
    ("/.npmrc", "npm", Severity.HIGH, _named(_NPMRC)),
    ("/.yarnrc", "Yarn", Severity.HIGH, _named(_YARN)),
    ("/.yarnrc.yml", "Yarn", Severity.MEDIUM, _named(_YARN)),
    ("/.pnpmfile.cjs", "pnpm", Severity.MEDIUM, _first_line),
)


def _json(text: str) -> Any:
    """What an editor reads: JSON with comments and commas too many."""
    try:
        return json.loads(_COMMA.sub(r"\1", _COMMENT.sub("", text)))
    except (ValueError, RecursionError):
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _place(text: str, command: object) -> int:
    return max(0, text.find(json.dumps(command, ensure_ascii=False)[:100]))


def _plain(text: str) -> str:
    try:
        return str(json.loads(text)) if text.startswith('"') else text.strip()
    except ValueError:
        return text.strip()


def _text(content: bytes | None) -> str:
    """With plain letters that are written in escapes as what they are."""
    text = (content or b"").decode("utf-8", "replace")
    return _LETTER.sub(lambda found: chr(int(found[1], 16)), text)


_LETTER = re.compile(r"\\u00((?:4[1-9a-fA-F]|5[0-9aA]|6[1-9a-fA-F]|7[0-9aA]))")

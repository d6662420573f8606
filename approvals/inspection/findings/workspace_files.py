"""Files of an editor, of CI, of version control or of somebody's machine, which nobody installs."""

import re
from collections import defaultdict
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.CONTENT
RULES = {
    "workspace-files": "Files of editors, of CI and of somebody's machine",
    "repository-inside": "A repository's own folder: .git, .svn and the like",
    "agent-instructions": "Instructions for AI agents",
    "core-dump": "Memory of a program that crashed",
}
_WORKSPACE = re.compile(
    r"(^|/)(\.vscode|\.vscode-test|\.idea|\.fleet|\.zed|\.github|\.circleci|\.gitlab|\.buildkite"
    r"|\.devcontainer|\.husky|\.changeset|\.nyc_output|\.terraform|\.aws|\.ssh|\.cache)/"
    r"|^coverage/|(^|/)(lcov\.info|\.gitlab-ci\.ya?ml|\.travis\.ya?ml|appveyor\.ya?ml|\.drone\.ya?ml|Jenkinsfile"
    r"|azure-pipelines\.ya?ml|bitbucket-pipelines\.ya?ml|\.ds_store|thumbs\.db|desktop\.ini"
    r"|npm-debug\.log.*|yarn-error\.log|yarn-debug\.log|pnpm-debug\.log|lerna-debug\.log"
    r"|\.(bash|zsh|node_repl|psql|python)_history|\.envrc|[^/]+\.(sw[op]|orig|rej)|[^/]+~)$",
    re.IGNORECASE,
)
_REPOSITORY = re.compile(r"(^|/)(\.git|\.svn|\.hg|\.bzr|\.jj|CVS)/")
_AGENTS = re.compile(
    r"(^|/)(\.cursorrules|\.windsurfrules|\.clinerules|claude(\.local)?\.md|agents\.md|gemini\.md"
    r"|copilot-instructions\.md|\.goosehints|\.?mcp\.json|skill\.md)$"
    r"|(^|/)(\.claude|\.cursor|\.windsurf|\.continue|\.aider[^/]*|\.gemini|\.codex|\.kiro|\.roo)/",
    re.IGNORECASE,
)
_CORE = re.compile(r"(^|/)(core(\.\d+)?|vgcore\.\d+|[^/]+\.(core|dmp|mdmp|heapsnapshot|hprof))$")
_MOST_NAMES = 12


def in_tarball(look: Look) -> Iterator[Finding]:
    yield from _aggregated(look)
    for file in look.files:
        if file.is_added and _CORE.search(file.path) and _is_dump(file):
            yield Finding(
                "core-dump",
                Severity.MEDIUM,
                "The memory of a program that crashed is in the package.",
                "It holds whatever the program had in its memory: environment variables, tokens, "
                "other people's data.",
                "Do not approve it before somebody has seen what is in it.",
                path=file.path,
                evidence=file.change.new_sha256,
            )


def _aggregated(look: Look) -> Iterator[Finding]:
    added: dict[str, list[LookedFile]] = defaultdict(list)
    changed: list[LookedFile] = []
    for file in look.files:
        if rule := _rule(file.path):
            if file.is_added:
                added[rule].append(file)
            elif rule == "agent-instructions":
                changed.append(file)
    for rule, files in added.items():
        had = look.old is not None and any(_rule(path) == rule for path in look.old.files)
        yield _finding(rule, files, had=had, is_first=look.is_first)
    if changed:
        yield _finding("agent-instructions", changed, had=True, is_first=False)


def _rule(path: str) -> str:
    if _REPOSITORY.search(path):
        return "repository-inside"
    if _AGENTS.search(path):
        return "agent-instructions"
    return "workspace-files" if _WORKSPACE.search(path) else ""


def _finding(rule: str, files: list[LookedFile], *, had: bool, is_first: bool) -> Finding:
    title, why, what, severity = _WORDS[rule]
    if had or is_first:
        severity = Severity.INFO if severity == Severity.LOW else Severity.LOW
    names = [file.path for file in files]
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return Finding(
        rule,
        severity,
        title,
        why,
        what,
        path=names[0],
        detail=", ".join(names[:_MOST_NAMES]) + more if len(names) > 1 else "",
        evidence="".join(file.change.new_sha256 for file in files),
        stands_for=len(names),
    )


_WORDS = {
    "workspace-files": (
        "It brings files of an editor, of CI or of somebody's machine.",
        "Nobody who installs the package needs them. They tell of the machine it was packed on, "
        "and some run by themselves where the folder is opened.",
        "Ask what they are for. If they came by mistake, so may have others.",
        Severity.LOW,
    ),
    "repository-inside": (
        "It brings the own folder of a repository (.git or the like).",
        "That folder holds the whole history, often credentials of the remote, and hooks that run "
        "by themselves.",
        "Do not approve it before somebody has seen what is in it.",
        Severity.MEDIUM,
    ),
    "agent-instructions": (
        "It brings or changes instructions for AI agents.",
        "An agent that works on a project with this package in it may read them and do what they "
        "say, on the machine and with the rights of whoever runs it.",
        "Read them as you would read code: they may run commands, or tell an agent to.",
        Severity.MEDIUM,
    ),
}


def _is_dump(file: LookedFile) -> bool:
    return file.info.binary or file.path.endswith(".heapsnapshot")

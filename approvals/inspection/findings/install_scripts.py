"""What npm runs on installation by the package's own scripts."""

import json
import re
from collections.abc import Iterator

from approvals.inspection.commands import danger_of
from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.json_lines import KeyLines
from approvals.inspection.risk import MANIFEST, install_scripts
from approvals.inspection.script_calls import files_led_to, is_recipe, led_to
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.INSTALLATION
RULES = {
    "install-script": "Install scripts that are new or changed",
    "install-script-before": "Install scripts that were there before",
    "install-file": "New or changed files that npm runs on installation",
    "prepare-script": "Scripts that run where this is installed from git, new or changed",
}
_WHY = "It runs by itself on the machine of everyone who installs this, people and CI alike, with "
_WHY += "their rights. Most attacks on npm packages begin here, and few packages need it."
_CHECK = "Find out what needs it. Read the whole command and every file that it runs; if nothing "
_CHECK += "in the change explains it, reject."
_PREPARE = ("prepare", "preprepare", "postprepare")
_LARGEST = 256 * 1024
_MANY_LINES = 1_000
_LONGEST_LINE = 20_000
_LONGEST_EXCERPT = 400
_LINE_ENDS = "\\^\r"
_COMMENT = re.compile(r"[\t ]*(?:#(?!!)|::|rem\b)", re.IGNORECASE)
_MAY_BE_DANGER = re.compile(
    r"curl|wget|https?:|base64|openssl|xxd|powershell|certutil|bitsadmin|/dev/tcp|invoke-|\b(?:nc|ncat"
    r"|telnet|iwr|irm|fetch)\b|\b(?:node|nodejs|bun|deno|python3?|perl|ruby|php)\s",
    re.IGNORECASE,
)


def in_tarball(look: Look) -> Iterator[Finding]:
    lines = KeyLines(look.content_of(MANIFEST))
    before = install_scripts(look.manifest_old)
    seen: set[str] = set()
    for name, command in install_scripts(look.manifest_new).items():
        script = _Script(look, name, command, before.get(name))
        yield from _script(script, lines)
        for path in script.files:
            if path not in seen:
                seen.add(path)
                yield from _run_file(look, path, name, is_new=name not in before)
    old, new = _prepare_scripts(look.manifest_old), _prepare_scripts(look.manifest_new)
    for name, command in new.items():
        if old.get(name) != command:
            yield _prepare(look, name, old.get(name), lines("scripts", name))


class _Script:
    """A script that npm runs, and all that it leads to."""

    def __init__(self, look: Look, name: str, command: str, before: str | None) -> None:
        self.name, self.command, self.before = name, command, before
        self.is_first = look.is_first
        self.led = led_to(look.manifest_new, [name])
        self.was = led_to(look.manifest_old, [name]) if before is not None else {}
        files = (self.led.values(), look.new.files, look.content_of)
        self.files = files_led_to(*files)
        self.evidence = json.dumps(self.led) + look.digest_of(files_led_to(*files, loaded=True))


def _script(script: _Script, lines: KeyLines) -> Iterator[Finding]:
    name, command, before = script.name, script.command, script.before
    led, was, files, evidence = script.led, script.was, script.files, script.evidence
    known = {danger_of(text) for text in was.values()}
    if before == command:
        yield Finding(
            "install-script-before",
            Severity.INFO,
            f"The script {name} runs on installation, as it did before.",
            _WHY,
            "Nothing here: scripts that it calls and files that it runs are named on their own "
            "where they changed.",
            path=MANIFEST,
            line=lines("scripts", name),
            excerpt=command,
            is_new=False,
            evidence=evidence,
        )
    else:
        runs = f"It runs {', '.join(files)}" if files else ""
        other = f"{before} → {command}" if before is not None else ""
        danger, by = _danger(led)
        is_worse = danger and danger not in known
        usual = Severity.HIGH if before is None else Severity.MEDIUM
        word = "" if script.is_first else " changed, and" if before else " is new, and"
        calls = f"It calls {by}: {led[by]}" if danger and by != name else ""
        yield Finding(
            "install-script",
            Severity.CRITICAL if is_worse else usual,
            f"The script {name}{word} runs on the machine of everyone who installs this"
            f"{f': it {danger}' if danger else ''}.",
            _WHY,
            _CHECK,
            path=MANIFEST,
            line=lines("scripts", name),
            excerpt=command,
            detail="; ".join(filter(None, (other, runs, calls))),
            evidence=evidence,
        )
        if before is None:
            return
    for called, text in led.items():
        if called != name and was.get(called) != text:
            danger = danger_of(text)
            word = "changed" if called in was else "is new there"
            yield Finding(
                "install-script",
                Severity.CRITICAL if danger and danger not in known else Severity.MEDIUM,
                f"The script {called}, which {name} calls on installation, {word}"
                f"{f': it {danger}' if danger else ''}.",
                _WHY,
                _CHECK,
                path=MANIFEST,
                line=lines("scripts", called),
                excerpt=text,
                detail=f"{was[called]} → {text}" if called in was else f"{name}: {command}",
                evidence=evidence,
            )


def _danger(scripts: dict[str, str]) -> tuple[str, str]:
    """What one of them has no need for, and which of them; the first that has any."""
    for name, command in scripts.items():
        if danger := danger_of(command):
            return danger, name
    return "", ""


def _run_file(look: Look, path: str, name: str, *, is_new: bool) -> Iterator[Finding]:
    file = look.file_at(path)
    if file is None or (look.is_first and not is_new):
        return
    word = "" if look.is_first else ", and it is new" if file.is_added else ", and it changed"
    danger, line, excerpt = _danger_in_recipe(look, file)
    # A new script is named by itself, and is high then.
    is_grave = file.is_added and not is_new
    usual = Severity.HIGH if is_grave else Severity.MEDIUM
    yield Finding(
        "install-file",
        Severity.CRITICAL if danger else usual,
        f"npm runs this file on installation{word}{f': it {danger}' if danger else ''}.",
        _WHY,
        "Read the whole file and what it loads.",
        path=path,
        line=line,
        excerpt=excerpt,
        detail=f"By the script {name}",
        evidence=look.digest_of([path]),
    )


def _danger_in_recipe(look: Look, file: LookedFile) -> tuple[str, int, str]:
    """What a line that is new has no need for, in a file of commands; with its place."""
    content = file.content or b""
    head = content[:200].partition(b"\n")[0]
    # Whatever Node would make of its name, this is run by something else.
    is_code = syntax.language_of(file.path, head) and not is_recipe(file.path)
    if is_code or file.change.is_binary or len(content) > _LARGEST:
        return "", 1, ""
    old = file.old_content or b""
    lines = _whole_lines(content)
    before = {line for _, line in _whole_lines(old)} if len(old) <= _LARGEST else set()
    for number, line in lines:
        if number % _MANY_LINES == 0 and look.is_out_of_time():
            break
        if line not in before and _MAY_BE_DANGER.search(line) and (danger := danger_of(line)):
            return danger, number, line.strip()[:_LONGEST_EXCERPT]
    return "", 1, ""


def _whole_lines(content: bytes) -> list[tuple[int, str]]:
    """Each line that is no comment with its number; what goes on on the next is one."""
    found: list[tuple[int, str]] = []
    goes_on = False
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        if goes_on:
            first, text = found[-1]
            if len(text) < _LONGEST_LINE:
                found[-1] = (first, f"{text} {line.rstrip(_LINE_ENDS)}")
        elif not _COMMENT.match(line):
            found.append((number, line.rstrip(_LINE_ENDS)))
        else:
            continue
        goes_on = line.rstrip("\r").endswith(("\\", "^"))
    return found


def _prepare(look: Look, name: str, before: str | None, line: int | None) -> Finding:
    command = _prepare_scripts(look.manifest_new)[name]
    danger = danger_of(command)
    word = "runs where this is built" if look.is_first else "changed" if before else "is new"
    return Finding(
        "prepare-script",
        Severity.HIGH if danger and not danger_of(before or "") else Severity.LOW,
        f"The script {name} {word}{f': it {danger}' if danger else ''}.",
        "npm runs it where this package is installed from git, and on the machines of those who "
        "work on it; not where it comes from the registry.",
        "See that the command does what your build needs, and nothing else.",
        path=MANIFEST,
        line=line,
        excerpt=command,
        detail=f"{before} → {command}" if before is not None else "",
        evidence=command,
    )


def _prepare_scripts(manifest: object) -> dict[str, str]:
    scripts = manifest.get("scripts") if isinstance(manifest, dict) else None
    if not isinstance(scripts, dict):
        return {}
    return {
        name: scripts[name]
        for name in _PREPARE
        if scripts.get(name) and isinstance(scripts[name], str)
    }

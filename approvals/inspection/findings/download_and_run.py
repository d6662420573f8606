"""Code that fetches something and runs it."""

import re
from collections.abc import Iterator
from dataclasses import replace

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search import syntax
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import Needles, needles
from approvals.inspection.search.reach import reaching
from approvals.inspection.search.sign import (
    Sign,
    as_one,
    close_pair,
    is_called,
    is_for_tests,
    is_in_text,
    joined,
    leaf,
    line_of,
    next_of,
    pointing_to,
    text_around,
)
from approvals.inspection.search.signs import EVALUATES, NETWORK, PROGRAMS, SENDS, is_in_file

GROUP = Group.CODE
RULES = {
    "download-and-run": "New code that fetches something and runs it",
    "command-download": "Commands that fetch something and run it",
    "written-and-run": "Files that new code writes and runs",
    "odd-command": "Commands that hide what they run",
}
_STARTS = re.compile(rb"\b(exec|spawn)(File)?(Sync)?\s*\(")
_PIPED = re.compile(
    r"\b(curl|wget|iwr|irm)\b[^\n|]{0,300}\|\s*(sudo\s+)?(ba|z|da|k)?(sh|iex|node|python3?)\b"
    r"|\b(ba|z)?sh\s+(-c\s+)?[\"'<]*[<$]\(\s*(curl|wget)"
    r"|\b(curl|wget)\b[^\n]{0,300}(&&|;)[^\n]{0,100}(chmod|\bsh\b|\./|node\b|start\b)",
    re.IGNORECASE,
)
_ODD = (
    *("rundll32", "regsvr32", "mshta", "certutil", "bitsadmin", "-EncodedCommand", "FromBase64Str"),
    *("DownloadString", "Invoke-Expression", "powershell -e", "powershell -w hidden"),
    *("-WindowStyle Hidden", "Rundll32", "RunDll32", "base64 -d", "base64 --decode"),
)
_COMMANDS = Needles(patterns=(r"\b(curl|wget)[ '\"]",))
_ODD_NEEDLES = Needles(
    texts=_ODD, patterns=(r"[Pp]ower[Ss]hell[^\n]{0,60} -([Ee]|[Ee][Nn][Cc]|[Ww] [Hh]idden)\b",)
)
_MAKES_RUNNABLE = needles("chmod", "0o755", "0o777")
_MAKES_FILES = needles(
    patterns=(
        r"\b(writeFile|createWriteStream|appendFile|outputFile)(Sync)?\s*\(",
        r"\b(Bun\.write|writeTextFile)(Sync)?\s*\(",
    )
)
NEEDLES = joined(_COMMANDS, _MAKES_RUNNABLE, _MAKES_FILES, _ODD_NEEDLES)


ODD = Sign(_ODD_NEEDLES, is_in_text)
RUNNABLE = Sign(_MAKES_RUNNABLE, lambda _: True)
WRITES = Sign(_MAKES_FILES, lambda use: bool(use.file.language) and is_called(use))


def in_tarball(look: Look) -> Iterator[Finding]:
    yield from _in_shell(look)
    yield from _odd(look)
    yield from _in_code(look)


def _in_shell(look: Look) -> Iterator[Finding]:
    for use in Sign(_COMMANDS, _is_run).uses(look)[:1]:
        finding = as_one(
            [use],
            rule="command-download",
            severity=Severity.CRITICAL if use.file.change.rank <= _RUNS_ALONE else Severity.HIGH,
            title="A command fetches something and runs it.",
            why="What it fetches is not in the tarball, may be another thing for everybody and "
            "tomorrow, and does whatever it wants.",
            what_to_check="Find out what is fetched and why it is not in the package. As long as "
            "you do not know, reject it.",
        )
        start = next_of(_STARTS, use, 600)
        yield finding if start is None else pointing_to(finding, use.file, start)


_RUNS_ALONE = 1


def _is_run(use: Use) -> bool:
    # What stands in files of a shell has a rule of its own.
    if not use.file.language or not is_in_text(use):
        return False
    call = syntax.call_around(use.node)
    if call is not None and re.search(
        r"(console\.\w+|Error|log|warn|info)$", syntax.callee_of(call)[-60:]
    ):
        return False
    text = text_around(use)
    return bool(_PIPED.search(line_of(use) if text is None else text))


def _odd(look: Look) -> Iterator[Finding]:
    uses = ODD.uses(look)
    if uses:
        yield as_one(
            uses,
            rule="odd-command",
            severity=Severity.HIGH,
            title="A command is one that serves to hide what it runs.",
            why="Encoded commands, hidden windows, and system programs that load what they are "
            "given are what attacks use, and builds next to never.",
            what_to_check="Decode the command or look at the file that it loads.",
        )


def _in_code(look: Look) -> Iterator[Finding]:
    """The most serious of what is fetched and run, and what is written to run it."""
    fetches = reaching(look)
    yield from _written(look, fetches)
    evaluates = EVALUATES.uses(look) if fetches else []
    near = close_pair(evaluates, fetches, _NEAR)
    pair = near or close_pair(evaluates, fetches)
    if pair is not None:
        far = Severity.MEDIUM if look.is_first else Severity.HIGH
        yield _finding(*pair, Severity.CRITICAL if near else far, " and runs text as code")
        return
    if apart := _in_two_files(look, evaluates, fetches):
        yield _finding(*apart, Severity.HIGH, " and runs text as code, each in another file")
        return
    pair = close_pair(RUNNABLE.uses(look), SENDS.uses(look))
    programs = {use.file for use in PROGRAMS.uses(look)}
    if pair is not None and pair[0].file in programs:
        yield _finding(*pair, Severity.HIGH, ", makes files runnable and runs programs")


_NEAR = 1_500


def _in_two_files(look: Look, some: list[Use], others: list[Use]) -> tuple[Use, Use] | None:
    """One new file runs text, another one fetches, in a package that did neither before."""
    if look.is_first or look.had(EVALUATES.needles) or look.had(NETWORK.needles):
        return None
    ran = [use for use in some if not is_for_tests(use)][:1]
    fetched = [use for use in others if not is_for_tests(use)][:1]
    return (ran[0], fetched[0]) if ran and fetched else None


_RUNS = re.compile(
    rb"\b(require|import|_load|dlopen|Worker|((exec|spawn)(File)?(Sync)?)|fork|execa|start)\s*\("
)
_REACH = 6_000
_MOST_WRITES = 200
_LONGEST_PATH = 200


def _written(look: Look, fetches: list[Use]) -> Iterator[Finding]:
    """A file that code writes, and then runs."""
    writes = WRITES.uses(look)
    for write in writes[:_MOST_WRITES]:
        run = None if look.is_out_of_time() else _run_of(write)
        if run is None:
            continue
        fetched = close_pair([write], fetches)
        if fetched:
            severity = Severity.HIGH if look.is_first else Severity.CRITICAL
            words = ", writes a file and runs that file"
            yield pointing_to(_finding(*fetched, severity, words), write.file, run)
        else:
            severity = Severity.LOW if look.is_first else Severity.HIGH
            yield pointing_to(_made(write, severity), write.file, run)
        return
    if look.is_first or not fetches:
        return
    programs = {use.file for use in PROGRAMS.uses(look)}
    for write in writes:
        fetched = close_pair([write], fetches)
        if fetched and write.file in programs:
            yield _finding(*fetched, Severity.HIGH, ", writes files and runs programs")
            return


def _run_of(write: Use) -> int | None:
    """Where the path that is written to is loaded or started, close by."""
    piece, content = write.piece, write.file.content or b""
    call = syntax.call_around(leaf(write))
    arguments = [] if call is None else syntax.arguments_of(call)
    path = (arguments[0].text or b"") if arguments else b""
    if piece is None or not 0 < len(path) <= _LONGEST_PATH:
        return None
    whole = re.compile(rb"(?<![\w$.])%s(?![\w$])" % re.escape(path))
    low, high = max(0, write.match.start - _REACH), write.match.end + _REACH
    for number, found in enumerate(_RUNS.finditer(content, low, high)):
        if number >= _MOST_RUNS:
            break
        other = syntax.call_around(piece.at(found.start(), found.start() + 1))
        if other is None or other == call or not _is_started(found[1], write):
            continue
        given = other.child_by_field_name("arguments")
        text = b"" if given is None else (given.text or b"")[:2_000]
        if (
            whole.search(text)
            and given is not None
            and piece.start + given.start_byte < found.end()
        ):
            return found.start()
    return None


_MOST_RUNS = 100


def _is_started(name: bytes, write: Use) -> bool:
    """Whether a call of this name can start something: every pattern has an `exec`."""
    if name in (b"require", b"import", b"_load", b"dlopen", b"Worker"):
        return True
    return is_in_file(_OF_PROGRAMS, write)


_OF_PROGRAMS = re.compile(rb"process[\"'`]|execa|child_process")


def _made(shown: Use, severity: Severity) -> Finding:
    return as_one(
        [shown],
        rule="written-and-run",
        severity=severity,
        title="It writes a file, and runs that file.",
        why="What is made on the machine and run there is in no tarball: nobody can review it.",
        what_to_check="See what is written, where that comes from, and why it is not in the "
        "package as a file.",
        detail=f"Written in line {shown.line}: {shown.excerpt}",
    )


def _finding(shown: Use, fetched: Use, severity: Severity, words: str) -> Finding:
    finding = as_one(
        [shown],
        rule="download-and-run",
        severity=severity,
        title=f"{'Its' if shown.look.is_first else 'New'} code talks to the network{words}.",
        why="What is fetched when it runs is not in the tarball: no reviewer sees it, and it may "
        "be another thing for everybody.",
        what_to_check="Follow the answer from the network to where it is run. If it gets there, "
        "reject this.",
    )
    return replace(finding, detail=f"The network: {fetched.path}:{fetched.line} {fetched.excerpt}")

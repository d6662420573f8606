"""Shell, batch and PowerShell files that download programs, and run them."""

import re
from collections.abc import Iterator
from posixpath import splitext

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.risk import install_scripts
from approvals.inspection.search.look import Look, LookedFile, Use
from approvals.inspection.search.needles import needles

GROUP = Group.CODE
RULES = {"shell-script-download": "Shell and batch files that download, or download and run"}
NEEDLES = needles(
    *("curl ", "wget ", "certutil", "bitsadmin", "invoke-webrequest", "iwr ", "irm "),
    *("invoke-restmethod", "downloadfile", "downloadstring", "start-bitstransfer", "/dev/tcp/"),
    any_case=True,
)
_ENDINGS = frozenset({".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".psm1", ".command"})
_LARGEST = 256 * 1024
_LONGEST_LINE = 2_000
_SHELLS = (b"sh", b"powershell", b"pwsh")
_COMMENT = re.compile(r"[\t ]*(?:#|::|rem\b)", re.IGNORECASE)
_KEEPS = re.compile(
    r"\s-(?:o|O|outfile|f|out)\b|\s--output|>|\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\|\s*iex\b|"
    r"downloadfile|bitsadmin|/dev/tcp/",
    re.IGNORECASE,
)
_RUNS = re.compile(
    rb"chmod\s+\S{0,9}[+x7]|\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b|\|\s*(?:node|python3?|perl|iex)\b|"
    rb"\biex\b|invoke-expression|start-process|\bstart\s+/b\b|regsvr32|rundll32|mshta|/dev/tcp/|"
    rb"\bsource\s+<\(|\beval\s+[\"']?\$\(",
    re.IGNORECASE,
)


def in_tarball(look: Look) -> Iterator[Finding]:
    for file, uses in look.uses_by_file(NEEDLES).items():
        if not _is_shell(file):
            continue
        downloads = [use for use in uses if not _COMMENT.match(_line_of(use))]
        if downloads:
            kept = [use for use in downloads if _KEEPS.search(_line_of(use))]
            yield _finding(look, file, (kept or downloads)[0])


def _finding(look: Look, file: LookedFile, use: Use) -> Finding:
    does_run = _RUNS.search((file.content or b"")[:_LARGEST]) is not None
    installs = bool(install_scripts(look.manifest_new))
    severity = Severity.MEDIUM
    if does_run:
        severity = Severity.CRITICAL if installs else Severity.HIGH
    return Finding(
        "shell-script-download",
        severity,
        "A shell script downloads something, and runs what it finds then."
        if does_run
        else "A shell script downloads something.",
        "What it downloads is in no tarball and may be another thing tomorrow. Attacks bring their "
        "programs so, one for each system.",
        "Find out what runs this file, what is behind the address, and why the package needs it.",
        path=use.path,
        line=use.line,
        excerpt=use.excerpt,
        detail="The package has install scripts." if installs else "",
        evidence=file.change.new_sha256 or "",
    )


def _is_shell(file: LookedFile) -> bool:
    if splitext(file.path)[1].lower() in _ENDINGS:
        return True
    first = (file.content or b"")[:100].partition(b"\n")[0]
    return first.startswith(b"#!") and first.rstrip().endswith(_SHELLS)


def _line_of(use: Use) -> str:
    content = use.file.content or b""
    low, high = max(0, use.match.start - _LONGEST_LINE), use.match.end + _LONGEST_LINE
    start = max(low, content.rfind(b"\n", low, use.match.start) + 1)
    end = content.find(b"\n", use.match.end, high)
    return content[start : end if end >= 0 else high].decode("utf-8", "replace")

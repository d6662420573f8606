"""Tarballs that programs read differently, so that a reviewer may be shown another file than
somebody installs."""

from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.problem_findings import Weighed, weighed_findings
from approvals.inspection.risk import MANIFEST
from approvals.inspection.search.look import Look
from approvals.inspection.unseen import BECAME_CODE, MORE_DANGERS, NUL_IN_CODE

GROUP = Group.HIDING
RULES = {
    "manifest": "A package.json that is broken, or more than one",
    NUL_IN_CODE: "Code with NUL characters, which make programs hide it",
    BECAME_CODE: "Files that could not run before and are code now",
    MORE_DANGERS: "Hidden code in more files than are named",
    "two-names": "Entries with two different names",
    "duplicate": "Files that are in the tarball more than once",
    "gitignore": "Files that npm installs under another name",
    "file-and-folder": "Paths that are both a file and a folder",
    "name-collision": "Names that differ in upper and lower case only",
    "nul-in-name": "Names with a NUL character in them",
    "invisible-character": "Names with characters that cannot be seen",
    "control-character": "Names with control characters",
    "absolute-path": "Absolute paths",
    "parent-path": "Paths that climb up with '..'",
    "drive-letter": "Paths with a drive letter",
    "backslash": "Paths with a backslash",
    "no-folder": "Entries outside any folder",
    "odd-segments": "Paths with empty or '.' segments",
    "invalid-utf8": "Names that are not valid UTF-8",
    "windows-name": "Names that mean something else on Windows",
    "symlink": "Symbolic links",
    "hardlink": "Hard links",
    "device": "Devices",
    "fifo": "Named pipes",
    "setuid": "Files with the setuid, setgid or sticky bit",
    "no-end": "A tarball without an end mark",
    "gzip-members": "A tarball of several compressed streams",
    "trailing-data": "Data behind the compressed stream",
}

_HIDES = (
    "Diffs, editors and search tools take such a file for something that nobody needs to read, and "
    "Node runs it all the same."
)
_READ_IT = "Read the whole file, not just its diff. If it need not be like this, reject."
_DIFFERENTLY = (
    "npm's own packing never writes this. Programs differ in which file they make of it, so that "
    "somebody may install what no reviewer saw."
)
_REJECT = "Find out which tool packed this. Unless that explains it, reject and pack it anew."
_ODD_NAME = (
    "npm's own packing never writes such a name. It may land somewhere else than where it seems to."
)
_LINK = "npm leaves such entries out, other tools may follow or create them."
_FORM = "npm's own packing never writes this, though npm reads it well: another tool packed this."
_WHICH_TOOL = "See whether your build packs with another tool than npm."

_WEIGHTS = {
    NUL_IN_CODE: Weighed(Severity.HIGH, _HIDES, _READ_IT),
    BECAME_CODE: Weighed(
        Severity.HIGH,
        "Nobody had a reason to read it before, and its diff shows little or nothing now.",
        "Read the whole file as if it were new.",
    ),
    MORE_DANGERS: Weighed(Severity.HIGH, _HIDES, _READ_IT),
    **dict.fromkeys(("two-names",), Weighed(Severity.CRITICAL, _DIFFERENTLY, _REJECT)),
    **dict.fromkeys(
        ("duplicate", "gitignore", "file-and-folder"),
        Weighed(Severity.HIGH, _DIFFERENTLY, _REJECT),
    ),
    **dict.fromkeys(
        ("nul-in-name", "invisible-character", "absolute-path", "parent-path"),
        Weighed(Severity.HIGH, _ODD_NAME, _REJECT),
    ),
    **dict.fromkeys(
        ("name-collision", "control-character", "drive-letter", "backslash"),
        Weighed(Severity.MEDIUM, _ODD_NAME, _REJECT),
    ),
    **dict.fromkeys(
        ("no-folder", "odd-segments", "invalid-utf8", "windows-name"),
        Weighed(Severity.LOW, _ODD_NAME, "See whether the file is meant to be there."),
    ),
    **dict.fromkeys(
        ("symlink", "hardlink", "device", "fifo", "setuid"),
        Weighed(Severity.MEDIUM, _LINK, "See how it came into the package, and leave it out."),
    ),
    **dict.fromkeys(
        ("no-end", "gzip-members", "trailing-data"), Weighed(Severity.LOW, _FORM, _WHICH_TOOL)
    ),
}


def in_tarball(look: Look) -> Iterator[Finding]:
    if look.manifest_problem:
        yield Finding(
            "manifest",
            Severity.HIGH,
            look.manifest_problem,
            "What this package runs, installs and offers stands in its package.json. Where "
            "programs may read it differently, or not at all, nothing said of it is reliable.",
            "Look at package.json by hand. Unless there is a plain reason, reject it.",
            path=MANIFEST,
        )
    yield from weighed_findings(look, _WEIGHTS)

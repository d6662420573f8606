"""Findings that are a part of what a more serious one names already.

What takes the environment and sends it away is one thing to look at. That the same file takes the
environment, and that it talks to the network, is said by it.
"""

import re
from dataclasses import replace

from approvals.inspection.finding import Finding, Severity, most_serious_first

_TAKES = ("environment-sweep", "credential-files", "ci-variables", "cloud-metadata")
_TALKS = ("network", "sockets")
PARTS: dict[str, tuple[str, ...]] = {
    "exfiltration": (*_TAKES, *_TALKS, "outside-write", "install-file"),
    "download-and-run": (*_TALKS, "child-process", "dynamic-code", "install-file"),
    "written-and-run": (*_TALKS, "child-process", "dynamic-require", "install-file"),
    "command-download": ("child-process", "install-file"),
    "odd-command": ("child-process", "install-file"),
    "shell-script-download": ("network", "install-file"),
    "native-build": ("network",),
    "drop-address": ("network",),
    "reverse-shell": (*_TALKS, "child-process", "install-file"),
    "worm": (*_TAKES, *_TALKS, "child-process", "install-file"),
    "destruction": (
        *("date-condition", "place-condition", "outside-write", "child-process", "install-file"),
    ),
    "lasting-write": ("outside-write", "install-file"),
    "page-theft": _TALKS,
    "wallet-hook": _TALKS,
    "clipboard-addresses": ("clipboard",),
    "decoded-code": ("dynamic-code", "install-file"),
    "obfuscated": ("minified-source", "minified-added"),
    "hidden-data": ("dynamic-code",),
    "code-from-data": ("dynamic-code",),
    "hidden-evaluation": ("dynamic-code",),
    "programs-in-text": ("dynamic-code", "child-process"),
    "starts-shipped-file": ("child-process", "install-file"),
    "child-process": ("install-file",),
    "install-script": ("install-file",),
}
"""Rules that name a combination, with those that may name what it is made of."""
_IN_OTHERS = ("Also in ", "The same in ")
_WORD = re.compile(r"[^\s,;]+")
_LINE = re.compile(r":\d+$")


def with_parts_lowered(findings: list[Finding]) -> list[Finding]:
    """The same findings, of which those of medium weigh little where a serious one has them as its
    part in a file that it points to or names.

    What is in other files as well keeps its weight, and so does what is serious by itself.
    """
    told = {
        (part, path)
        for one in findings
        if one.severity.is_serious and one.is_new
        for part in PARTS.get(one.rule, ())
        for path in _paths(one)
    }
    return most_serious_first(
        [replace(one, severity=Severity.LOW) if _is_part(one, told) else one for one in findings]
    )


def _is_part(finding: Finding, told: set[tuple[str, str]]) -> bool:
    return (
        (finding.rule, finding.path) in told
        and finding.severity is Severity.MEDIUM
        and bool(finding.path)
        # It has more than one place.
        and not any(words in finding.detail for words in _IN_OTHERS)
    )


def _paths(finding: Finding) -> set[str]:
    return {finding.path, *(_LINE.sub("", word) for word in _WORD.findall(finding.detail))}

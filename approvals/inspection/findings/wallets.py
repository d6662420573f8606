"""Hooks into wallets and the clipboard, and addresses that are replaced."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import (
    Sign,
    as_one,
    first_of_files,
    is_for_tests,
    is_in_text,
    weight,
)

GROUP = Group.CODE
RULES = {
    "wallet-hook": "Code that puts itself between a page and a wallet",
    "clipboard": "Code that newly reads the clipboard",
    "clipboard-addresses": "Code that reads the clipboard and knows addresses of wallets",
}
_CLIPBOARD = ("clipboard.readText", "Get-Clipboard", "pbpaste", "xclip -o", "clipboardy")
_CHANGES = ("clipboard.writeText", "Set-Clipboard", "pbcopy", "clipboardData.setData")
_WALLETS = ("window.ethereum", "window.solana", "globalThis.ethereum")
NEEDLES = needles(*_CLIPBOARD, *_CHANGES, *_WALLETS)
_READS = Sign(needles(*_CLIPBOARD), lambda use: "-" not in use.needle or is_in_text(use))
_WRITES = Sign(needles(*_CHANGES), lambda _: True)
_MEETS = Sign(needles(*_WALLETS), lambda use: use.node is None or not _is_quoted(use))
_ADDRESSES = re.compile(
    rb"0x\[(?:a-f|0-9|A-F|\\d|\\da-f)|bc1[|a-z)\[]|\[a-km-zA-HJ-NP-Z|\[13\]\[|0x[0-9a-fA-F]{40}\b"
)
_HOOKED = re.compile(
    rb"(ethereum|solana)\.(request|send|sendAsync|signTransaction)\s*=[^=]"
    rb"|(globalThis|window)\.fetch\s*=[^=]|XMLHttpRequest\.prototype\.\w+\s*=[^=]"
)


def _is_quoted(use: Use) -> bool:
    return use.is_text


def in_tarball(look: Look) -> Iterator[Finding]:
    for use in first_of_files(_MEETS.uses(look)):
        if _HOOKED.search(use.file.content or b""):
            yield as_one(
                [use],
                rule="wallet-hook",
                severity=Severity.CRITICAL,
                title="It puts itself between a page and the wallet of whoever looks at it.",
                why="So code in widely used packages sent people's money to somebody else.",
                what_to_check="See what it does to requests. Only a wallet has business there.",
            )
            break
    reading = {use.file for use in _READS.uses(look)}
    for use in first_of_files(_WRITES.uses(look)):
        if use.file in reading and _ADDRESSES.search(use.file.content or b""):
            yield as_one(
                [_last(_WRITES, look, use)],
                rule="clipboard-addresses",
                severity=Severity.CRITICAL,
                title="It reads and changes the clipboard, and knows addresses of wallets.",
                why="Who pastes another address than the one that was copied pays somebody else.",
                what_to_check="See what it puts into the clipboard, and when.",
            )
            return
    uses = [use for use in _READS.uses(look) if not is_for_tests(use)]
    if uses:
        yield as_one(
            uses,
            rule="clipboard",
            severity=weight(look, _READS),
            title="It reads the clipboard.",
            why="Passwords, codes and addresses are in the clipboard of people.",
            what_to_check="See that it only does so when somebody asks for it, and where it goes.",
        )


def _last(sign: Sign, look: Look, first: Use) -> Use:
    return [use for use in sign.uses(look) if use.file is first.file][-1]

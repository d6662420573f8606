"""Commands for a shell, and what in them an honest package has no need for."""

import re

_LONGEST = 20_000
_DOWNLOADS = re.compile(
    r"\b(?:curl|wget|fetch|iwr|irm|invoke-webrequest|invoke-restmethod|certutil|bitsadmin|"
    r"start-bitstransfer|nc|ncat|telnet)\b|/dev/tcp/|https?://",
    re.IGNORECASE,
)
_TO_SHELL = re.compile(
    r"\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b|\|\s*(?:node|bun|deno|python3?|perl|ruby|php|iex)\b|"
    r"\bbash\s+<\(|\beval\b|\$\(|\biex\b|\bchmod\s+\S{0,9}[+x7]",
    re.IGNORECASE,
)
_ENCODED = re.compile(
    r"\bbase64\s+(?:-d|-D|--decode)|\bopenssl\s+(?:enc|base64)\b|\bxxd\s+-r|"
    r"\bpowershell\b.{0,200}\s-(?:e|en|enc|encodedcommand|w\s+hidden|windowstyle)\b",
    re.IGNORECASE | re.DOTALL,
)
_INLINE = re.compile(
    r"\b(?:node|nodejs|bun|deno)\b.{0,60}?\s(?:-e|-p|-pe|--eval|--print|eval)\b|"
    r"\b(?:python3?|perl|ruby|php)\s+-(?:c|e|r)\b",
    re.IGNORECASE | re.DOTALL,
)
_ARMED = re.compile(
    r"\beval\b|\bFunction\s*\(|\batob\b|base64|\bhex\b|fromCharCode|https?\b|\bfetch\b|\bnet\b|"
    r"\bdns\b|child_process|\bexec|\bspawn|process\.env|\\x[0-9a-f]{2}|\burllib|\bsocket\b",
    re.IGNORECASE,
)
_FETCHES = re.compile(r"\b(?:curl|wget|invoke-webrequest|iwr|certutil)\b", re.IGNORECASE)


def danger_of(command: str) -> str:
    """What an honest install script has no need for, as the end of a sentence; or ""."""
    command = command[:_LONGEST]
    if _ENCODED.search(command):
        return "decodes what it runs"
    if _DOWNLOADS.search(command) and _TO_SHELL.search(command):
        return "downloads what it runs"
    if (inline := _INLINE.search(command)) and _ARMED.search(command, inline.end()):
        return "carries code that loads or runs more"
    if _FETCHES.search(command):
        return "downloads something"
    return ""

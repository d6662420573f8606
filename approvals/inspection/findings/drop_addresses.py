"""Addresses of services that anybody can have data sent to, or code fetched from, unnamed."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import Sign, as_one, is_for_tests, is_in_text

GROUP = Group.CODE
RULES = {"drop-address": "Addresses of services where attacks collect data or keep their code"}
NEEDLES = needles(
    *("api.telegram.org/bot", "discord.com/api/webhooks", "discordapp.com/api/webhooks"),
    *("hooks.slack.com/services", "webhook.site", "pipedream.net", "requestbin", "beeceptor.com"),
    *("burpcollaborator", "oastify.com", ".interact.sh", ".oast.", ".dnslog.", "ngrok.io"),
    *("ngrok-free.app", "trycloudflare.com", "pastebin.com/raw", "hastebin.com/raw", "paste.ee/r"),
    *("transfer.sh", "file.io", "anonfiles", "gofile.io", "canarytokens.com"),
)
_HOST_ENDS = re.compile(r"[\w-]")


def in_tarball(look: Look) -> Iterator[Finding]:
    uses = [use for use in _SIGN.uses(look) if not is_for_tests(use)]
    if uses:
        severity = Severity.MEDIUM if look.had(NEEDLES) else Severity.HIGH
        yield as_one(
            uses,
            rule="drop-address",
            severity=Severity.LOW if look.is_first else severity,
            title="Its code has the address of a service where attacks collect data or keep code.",
            why="Chats' webhooks, pastes, tunnels and collectors belong to nobody who can be "
            "asked. Attacks send what they steal there, and fetch from there what they run.",
            what_to_check="See what is sent there or fetched from there, and whose address it is.",
            detail=", ".join(sorted({use.needle for use in uses})),
        )


def _is_one(use: Use) -> bool:
    """Whether it is an address in a text, and not the end of another name."""
    if not is_in_text(use) or "//" not in use.around(120, 0):
        return False
    before, after = use.around(1, 0)[:1], use.around(0, 1)[-1:]
    is_whole = use.needle[0] == "." or not _HOST_ENDS.match(before)
    return is_whole and not (use.needle[-1].isalpha() and after.isalnum())


_SIGN = Sign(NEEDLES, _is_one)

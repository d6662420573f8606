"""Code that writes where it has no business, and what is there starts by itself."""

import re
from collections.abc import Iterator

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import (
    Sign,
    as_one,
    is_in_text,
    next_of,
    pointing_to,
    weight,
)

GROUP = Group.CODE
RULES = {
    "outside-write": "Code that newly writes to the home directory or other packages",
    "lasting-write": "Code that changes what starts by itself: profiles, keys, scheduled jobs",
}
_LASTING = (
    *(".bashrc", ".zshrc", ".bash_profile", ".zprofile", ".zshenv", "authorized_keys", "sudoers"),
    *("LaunchAgents", "LaunchDaemons", ".config/autostart", "crontab", "/etc/cron", "/etc/hosts"),
    *("systemd/user", "/etc/systemd", "CurrentVersion\\\\Run", "Start Menu", "/etc/profile"),
    *(".github/workflows", ".git/hooks", ".profile"),
)
_LASTS = Sign(needles(*_LASTING), is_in_text)
_HOME = Sign(needles("homedir("), lambda _: True)
NEEDLES = needles(*_LASTING, "homedir(")
_WRITES = re.compile(
    rb"\b(writeFile|appendFile|createWriteStream|copyFile|outputFile|symlink|rename)(Sync)?\s*\("
    rb"|\becho\b[^\n]{0,200}>>|crontab -|launchctl load|systemctl"
)


def in_tarball(look: Look) -> Iterator[Finding]:
    for use in _LASTS.uses(look):
        if (at := next_of(_WRITES, use)) is not None:
            finding = as_one(
                [use],
                rule="lasting-write",
                severity=Severity.HIGH,
                title="It writes to a file that starts by itself, or that opens a door.",
                why="Profiles of shells, keys that may sign in, scheduled jobs and workflows run "
                "without anybody asking, long after the package is gone.",
                what_to_check="See what it writes. A library has no business there.",
                detail=f"It names {use.needle}",
            )
            yield pointing_to(finding, use.file, at)
            return
    uses = [use for use in _HOME.uses(look) if next_of(_WRITES, use) is not None]
    if uses:
        yield as_one(
            uses,
            rule="outside-write",
            severity=weight(look, _HOME),
            title="It asks for the home directory near code that writes files.",
            why="What is written outside of the package stays when the package is removed.",
            what_to_check="See what it writes there, and whether anything reads or runs it.",
        )

"""How pages show times, sizes and text from packages: {% load show %}."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.inspection.models import StagedFinding
from approvals.people.models import Role, User
from approvals.provenance.models import ProvenanceCheck
from approvals.queue.models import StagedVersion, State
from approvals.web import visible as visible_text
from approvals.web.provenance import VERDICTS
from approvals.web.reading import request_of
from registry_client import tar_paths

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400
KILO = 1024


@register.filter
def visible(value: object) -> SafeString:
    """Text from a package or a registry: escaped, hidden characters spelt out."""
    return visible_text.visible("" if value is None else str(value))


def in_words(span: timedelta) -> str:
    """A length of time in its largest unit: "3 min", "5 h", "12 d"."""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < MINUTE:
        return "under a minute"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR} h"
    return f"{seconds // DAY} d"


@register.filter
def age(value: datetime | None) -> SafeString:
    """How long ago, without "ago": for a column that is called age."""
    return _time(value, in_words(timezone.now() - value)) if value else SafeString("")


@register.filter
def when(value: datetime | None) -> SafeString:
    """A moment as "3 h ago" or "in 5 min", with the exact time in the element."""
    if value is None:
        return SafeString("never")
    span = timezone.now() - value
    if span < timedelta(seconds=-1):
        return _time(value, f"in {in_words(-span)}")
    if span < timedelta(minutes=1):
        return _time(value, "just now")
    return _time(value, f"{in_words(span)} ago")


@register.filter
def moment(value: datetime | None) -> SafeString:
    """A moment written out: "20 Nov 2025, 12:57 UTC"."""
    return _time(value, _exact(value)) if value else SafeString("never")


def _exact(value: datetime) -> str:
    local = timezone.localtime(value)
    return f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"


def _time(value: datetime, words: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"),
        _exact(value),
        words,
    )


@register.filter
def bytes_in_words(value: int | None) -> str:
    """A size: "312 B", "4.1 kB", "12 MB" (1 kB is 1024 bytes)."""
    size = float(value or 0)
    if size < KILO:
        return f"{int(size)} B"
    for unit in ("kB", "MB", "GB"):
        size /= KILO
        if size < KILO or unit == "GB":
            digits = 0 if size >= 10 else 1  # noqa: PLR2004 - two digits say enough
            return f"{size:.{digits}f} {unit}"
    raise AssertionError


@register.filter
def count(value: int | None) -> str:
    """A number with thin spaces between thousands: "12 345"."""
    return f"{value or 0:,}".replace(",", "\u202f")


@register.filter
def percent(part: int, whole: int) -> int:
    """A share of the whole in percent, never more than 100."""
    return min(100 * part // whole, 100) if whole else 0


@register.filter
def printable(value: str) -> str:
    """A path for an attribute, where no box can stand: hidden characters as escapes."""
    return tar_paths.printable(value)


@register.filter
def as_json(value: Any) -> str:
    """A string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def pairs(mapping: dict[str, Any] | None) -> list[tuple[str, Any]]:
    """Keys and values. A template's `mapping.items` would be fooled by a key called "items"."""
    return sorted(mapping.items()) if isinstance(mapping, dict) else []


@register.filter
def item(mapping: dict[Any, Any], key: object) -> Any:
    """What a mapping has under this key, None for nothing."""
    return mapping.get(key)


@register.filter
def mode(value: int | None) -> str:
    """A file's mode as ls and git write it: "755"."""
    return f"{(value or 0) & 0o7777:o}"


@register.filter
def is_web_address(value: str) -> bool:
    """Whether a link to it can only open a page: no javascript: or data: from a registry."""
    try:
        address = urlsplit(value or "")
    except ValueError:
        return False
    return address.scheme in {"http", "https"} and bool(address.hostname)


@register.filter
def host_of(value: str) -> str:
    """The host that a web address leads to."""
    return urlsplit(value).hostname or ""


STATUSES = {
    "added": ("+", "Added"),
    "removed": ("\N{MINUS SIGN}", "Removed"),
    "modified": ("\N{BULLET}", "Modified"),
    "renamed": ("\N{RIGHTWARDS ARROW}", "Renamed"),
    "mode_changed": ("#", "Mode changed"),
    "left_out": ("2", "Second copy, left out by npm"),
}


@register.filter
def status_sign(status: str) -> str:
    """What happened to a file, as one sign."""
    return STATUSES[status][0]


@register.filter
def status_words(status: str) -> str:
    return STATUSES[status][1]


@register.inclusion_tag("components/verdict.html")
def verdict_badge(verdict: str, *, quiet: bool = False) -> dict[str, object]:
    """Where a version was built, in a word; where it is `quiet`, only bad news is a badge."""
    word = VERDICTS[ProvenanceCheck.Verdict(verdict or "")]
    return {"label": word.label, "tone": word.tone, "is_badge": not quiet or word.tone == "bad"}


TONES: dict[State, tuple[str, bool]] = {
    State.STAGED: ("accent", False),
    State.APPROVING: ("accent", True),
    State.ACCEPTED: ("accent", True),
    State.LIVE: ("ok", False),
    State.REJECTING: ("warn", True),
    State.REJECTED: ("bad", False),
    State.PUBLISHED_ELSEWHERE: ("warn", False),
    State.WITHDRAWN: ("", False),
}


@register.inclusion_tag("components/badge.html")
def state_badge(staged_version: StagedVersion) -> dict[str, object]:
    """The state in words, with its tone; turning while something is under way."""
    state = State(staged_version.state)
    tone, busy = TONES[state]
    return {"label": state.label, "tone": tone, "busy": busy, "dot": not busy}


@register.filter
def severity_tone(value: str) -> str:
    """How a badge with this severity is toned."""
    return _TONES_OF_SEVERITIES.get(value, "")


_TONES_OF_SEVERITIES = {"critical": "critical", "high": "bad", "medium": "warn"}


@register.simple_tag
def finding_link(staged_version: StagedVersion, finding: StagedFinding) -> str:
    """The address of a finding's line in the diff; "" where there is none to show."""
    asked = request_of(staged_version)
    if asked is None or asked.inspection_id is None or finding.file_position is None:
        return ""
    query: dict[str, object] = {"file": finding.file_position, "in": asked.inspection_id}
    line = f"n{finding.line}" if finding.line else ""
    if line:
        query["line"] = line
    address = reverse("version", args=[staged_version.pk])
    return f"{address}?{urlencode(query)}#{line or 'files'}"


@register.filter
def person_name(user: User | None) -> str:
    """Whoever it was; accounts can go."""
    return user.get_username() if user else "somebody whose account is gone"


@register.filter
def role_name(value: str) -> str:
    """A role without what it may do: "Release manager"."""
    return Role(value).label.partition(":")[0]


@register.filter
def role_powers(value: str) -> str:
    """What a role may do, in words after "may"."""
    return _POWERS[Role(value)]


_READS = "read what waits and what was decided"
_DECIDES = f"{_READS}, and approve and reject versions"
_POWERS = {
    Role.VIEWER: _READS,
    Role.APPROVER: _DECIDES,
    Role.RELEASE_MANAGER: f"{_DECIDES}, and say where a package must come from",
    Role.ADMINISTRATOR: f"{_DECIDES}, say where a package must come from, invite people and add "
    "registries",
}

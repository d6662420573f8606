"""How pages show times, sizes and text from packages: {% load show %}."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.web import visible as visible_text

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
            return f"{size:.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"  # noqa: PLR2004
    raise AssertionError


@register.filter
def count(value: int | None) -> str:
    """A number with thin spaces between thousands: "12 345"."""
    return f"{value or 0:,}".replace(",", "\u202f")


@register.filter
def lookup(mapping: dict[str, Any] | None, key: str) -> Any:
    """mapping[key], or nothing."""
    return (mapping or {}).get(key)

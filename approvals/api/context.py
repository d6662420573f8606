"""Links that CI gives for a staged version: shown to reviewers as what they are, unverified."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from approvals.api.errors import NotUsable
from approvals.api.models import LONGEST_LINK, ContextLink, Kind, Token
from approvals.audit.record import record
from approvals.queue.models import OPEN_STATES, StagedVersion


def give_context(
    row: StagedVersion, links: Mapping[str, str], *, token: Token
) -> list[ContextLink]:
    """Keeps these links, by kind; one of a kind takes the place of the one before.

    Returns all that there are now. Raises NotUsable, and changes nothing then.
    """
    if not links:
        raise NotUsable(f"Give at least one link: {', '.join(Kind.values)}.")
    wanted = {Kind(kind): checked_link(kind, url) for kind, url in links.items()}
    with transaction.atomic():
        # Whoever else gives some waits here, so that none of a kind is written twice.
        locked = StagedVersion.objects.select_for_update(no_key=True).get(pk=row.pk)
        if locked.state not in OPEN_STATES:
            raise NotUsable(f"{row} is decided already: nobody reads its links any more.")
        there = {one.kind: one for one in ContextLink.objects.filter(staged_version=row)}
        changed = {
            kind: url for kind, url in wanted.items() if kind not in there or there[kind].url != url
        }
        for kind, url in changed.items():
            ContextLink.objects.update_or_create(
                staged_version=row,
                kind=kind,
                defaults={"url": url, "token": token, "given_at": timezone.now()},
            )
        if changed:
            record(
                "context.given",
                subject=row,
                stage_id=row.stage_id,
                token=token.name,
                links={kind.value: url for kind, url in changed.items()},
            )
    return list(ContextLink.objects.filter(staged_version=row))


def checked_link(kind: str, url: str) -> str:
    """An https:// address of a host, without a password in it. Raises NotUsable."""
    if len(url) > LONGEST_LINK:
        raise NotUsable(f"{kind} has more than {LONGEST_LINK} characters. Give a shorter link.")
    if not url.isascii() or not url.isprintable() or any(one in url for one in " \"'<>\\^`{|}"):
        raise NotUsable(f"{kind} has characters that no address has. Percent-encode them.")
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or not url.startswith("https://"):
        raise NotUsable(f"{kind} is no https:// address. Give one that a browser can open.")
    if "@" in parts.netloc:
        raise NotUsable(f"{kind} has a user name or password in it. Give it without.")
    return url

"""Runbooks: who approves some packages, what to check, how to roll back.

Whoever sets policies writes them; whoever may see a package reads the one that holds for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from approvals.audit.record import record
from approvals.people.models import User
from approvals.people.permissions import may_see_everything, may_set_policies, reaches_of
from approvals.people.scopes import EVERYTHING, ScopeRefused, check_packages, matches
from approvals.people.turnstile import turnstile
from approvals.rota.models.runbooks import Runbook, RunbookRevision

LONGEST_TEXT = 20_000
MOST_RUNBOOKS = 300
_ONLY_SOME = (
    "Only a release manager or an administrator who sees every package writes runbooks. Ask one."
)
_CHANGED_MEANWHILE = (
    "Somebody changed this runbook meanwhile. Nothing was changed by you: look at what it says "
    "now, and write yours into that."
)
# Tab and line feed aside, what text is made of has no control characters.
_CONTROLS = {chr(code) for code in range(32)} - {"\t", "\n"} | {"\x7f"}


class RunbookRefused(Exception):
    """The runbook cannot be made, changed or removed; the text says why, and what to do."""


class RunbookChangedMeanwhile(RunbookRefused):
    """The runbook is another one than the person saw."""


@dataclass(frozen=True)
class WantedRunbook:
    """A runbook as somebody wants it; `registry_url` is "" for every registry."""

    registry_url: str
    packages: str
    text: str


def may_write_runbooks(user: User) -> bool:
    """Whether this person writes runbooks: they tell people what to let out, as policies do."""
    return may_set_policies(user)


def may_see_runbook(user: User, runbook: Runbook) -> bool:
    """Who sees some packages only does not learn of others from the runbooks for them.

    They see those for some of theirs, and those for more than theirs, at registries they know.
    """
    if may_see_everything(user) or (runbook.packages == EVERYTHING and not runbook.registry_url):
        return True
    return any(
        ("" in (one.registry_url, runbook.registry_url) or one.registry_url == runbook.registry_url)
        and (matches(one.packages, runbook.packages) or matches(runbook.packages, one.packages))
        for one in reaches_of(user)
    )


def runbook_for(registry_url: str, package: str) -> RunbookRevision | None:
    """What holds for this package now, if anything: the closest of the runbooks that cover it.

    Whoever may see the package may read it, whatever else it covers.
    """
    found = next(
        (one for one in _closest_first(_that_hold()) if covers(one, registry_url, package)), None
    )
    return newest(found) if found is not None else None


def covers(runbook: Runbook, registry_url: str, package: str) -> bool:
    """Whether it is for this package, if no closer one is."""
    return runbook.registry_url in ("", registry_url) and matches(runbook.packages, package)


def runbooks_for(user: User) -> list[Runbook]:
    """Those that hold and that this person may see, by their patterns."""
    return [one for one in _that_hold() if may_see_runbook(user, one)]


def newest(runbook: Runbook) -> RunbookRevision | None:
    """What it says now; what is read meanwhile may be one revision newer than the row says."""
    return (
        RunbookRevision.objects.filter(runbook=runbook)
        .select_related("runbook", "made_by")
        .order_by("-number")
        .first()
    )


def make_runbook(wanted: WantedRunbook, *, actor: User) -> Runbook:
    """Makes a runbook for a pattern that has none. Raises RunbookRefused."""
    wanted = checked(wanted)
    with transaction.atomic():
        actor = _locked(actor)
        if _that_hold().count() >= MOST_RUNBOOKS:
            raise RunbookRefused(
                f"There are {MOST_RUNBOOKS} runbooks, which is the most. Cover several packages "
                "with one pattern, such as @acme/*."
            )
        try:
            with transaction.atomic():
                made = Runbook.objects.create(
                    registry_url=wanted.registry_url, packages=wanted.packages
                )
        except IntegrityError as error:
            raise RunbookRefused(
                f"There is a runbook for {wanted.packages} already. Change that one."
            ) from error
        _write_down(made, 1, wanted.text, actor)
        record("runbook.made", actor=actor, subject=made, **_told(made, 1, wanted.text))
    return made


def change_runbook(runbook: Runbook, text: str, *, seen: int, actor: User) -> RunbookRevision:
    """Has it say this from now on.

    `seen` is the number of the revision that the actor saw. Raises RunbookRefused and
    RunbookChangedMeanwhile.
    """
    text = checked(WantedRunbook(runbook.registry_url, runbook.packages, text)).text
    with transaction.atomic():
        actor = _locked(actor)
        changed = Runbook.objects.filter(
            pk=runbook.pk, number=seen, removed_at__isnull=True
        ).update(number=seen + 1)
        if not changed:
            raise RunbookChangedMeanwhile(_CHANGED_MEANWHILE)
        before = RunbookRevision.objects.get(runbook=runbook, number=seen)
        if before.text == text:
            transaction.set_rollback(True)
            return before
        made = _write_down(runbook, seen + 1, text, actor)
        runbook.number = seen + 1
        record("runbook.changed", actor=actor, subject=runbook, **_told(runbook, seen + 1, text))
    return made


def remove_runbook(runbook: Runbook, *, seen: int, actor: User) -> None:
    """Takes it away; its revisions stay to be read. Raises RunbookRefused."""
    with transaction.atomic():
        actor = _locked(actor)
        now = timezone.now()
        removed = Runbook.objects.filter(
            pk=runbook.pk, number=seen, removed_at__isnull=True
        ).update(removed_at=now)
        if not removed:
            raise RunbookChangedMeanwhile(_CHANGED_MEANWHILE)
        runbook.removed_at = now
        record(
            "runbook.removed",
            actor=actor,
            subject=runbook,
            packages=runbook.packages,
            registry=runbook.registry_url or "every registry",
            number=seen,
        )


def checked(wanted: WantedRunbook) -> WantedRunbook:
    """The same as it is kept. Raises RunbookRefused."""
    packages = wanted.packages.strip()
    text = wanted.text.replace("\r\n", "\n").replace("\r", "\n").strip()
    try:
        check_packages(packages)
    except ScopeRefused as error:
        raise RunbookRefused(str(error)) from error
    if wanted.registry_url and urlsplit(wanted.registry_url).scheme not in ("http", "https"):
        raise RunbookRefused("Choose among the registries that are listed.")
    if not text:
        raise RunbookRefused("Write who approves, what to check and how to roll back.")
    if len(text) > LONGEST_TEXT:
        raise RunbookRefused(
            f"A runbook has at most {LONGEST_TEXT:,} characters; this has {len(text):,}. Link to "
            "what is longer."
        )
    if _CONTROLS & set(text):
        raise RunbookRefused("There are control characters in the text. Take them out.")
    return WantedRunbook(wanted.registry_url, packages, text)


def _that_hold() -> QuerySet[Runbook]:
    return Runbook.objects.filter(removed_at__isnull=True)


def _closest_first(runbooks: Iterable[Runbook]) -> list[Runbook]:
    """A name before a pattern, more letters before fewer, one registry before every one."""
    return sorted(
        runbooks,
        key=lambda one: (
            "*" in one.packages,
            -len(one.packages.replace("*", "")),
            not one.registry_url,
            one.pk,
        ),
    )


def _write_down(runbook: Runbook, number: int, text: str, actor: User) -> RunbookRevision:
    return RunbookRevision.objects.create(runbook=runbook, number=number, text=text, made_by=actor)


def _told(runbook: Runbook, number: int, text: str) -> dict[str, Any]:
    # The text itself is in the revision; the log proves that it is still the same.
    return {
        "packages": runbook.packages,
        "registry": runbook.registry_url or "every registry",
        "number": number,
        "characters": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _locked(actor: User) -> User:
    """Reads the actor anew, who may have lost the role since, and holds off that they do."""
    actor = turnstile(actor)
    if not may_write_runbooks(actor):
        raise RunbookRefused(_ONLY_SOME)
    return actor

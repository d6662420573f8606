"""How far a decision has come: the part of a page that shows it, and changes by itself."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from approvals.decisions.carrying_out import questions, steering
from approvals.decisions.carrying_out.outcomes import GIVE_UP_AFTER, NOT_BEGUN, NOT_CARRIED_OUT
from approvals.decisions.models import (
    OPEN_ITEM_STATES,
    Action,
    Decision,
    DecisionItem,
    ItemNeed,
    ItemState,
)
from approvals.decisions.voting.votes import genuine_votes
from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.queue.models import StagedVersion, State

SECONDS = 2
HIDDEN = "a package that your role does not cover"
MOST_NAMED = 3


@dataclass(frozen=True)
class Row:
    """One version of a decision. `words` say what it waits for, or why it came to nothing."""

    item: DecisionItem
    words: str

    @property
    def version(self) -> StagedVersion:
        return self.item.staged_version

    @property
    def at(self) -> Any:
        """When it came to be as it is."""
        if self.item.state == ItemState.DONE:
            return max(self.item.state_changed_at, self.version.state_changed_at)
        return self.item.state_changed_at


@dataclass(frozen=True)
class Step:
    """What is carried out before anything of the next step that needs it."""

    number: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shown:
    """The part as HTML; `seen` tells whether it has changed, `seconds` when to ask (0: never)."""

    content: SafeString
    seen: str
    seconds: int


def decision_seen_by(user: User, decision_id: UUID) -> Decision | None:
    """The decision, for whoever may see one of its versions."""
    visible = StagedVersion.objects.visible_to(user)
    return (
        Decision.objects.select_related("user", "paused_by", "called_off_by")
        .filter(pk=decision_id, items__staged_version__in=visible)
        .distinct()
        .first()
    )


def shown(request: HttpRequest, context: Mapping[str, Any]) -> Shown:
    """The part of the page that `progress_context` is about."""
    content = render_to_string("web/decision/progress.html", dict(context), request)
    # The form's token differs each time, and time passes: neither is news.
    stable = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|<time.*?</time>', "", content)
    seen = hashlib.sha256(stable.encode()).hexdigest()[:16]
    return Shown(content, seen, context["seconds"])


def progress_context(request: HttpRequest, decision: Decision) -> dict[str, Any]:
    """What web/decision/progress.html shows, as far as this person may see it.

    In as many queries for any number of versions.
    """
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - pages are for people who are signed in
    items = list(
        DecisionItem.objects.filter(
            decision=decision, staged_version__in=StagedVersion.objects.visible_to(user)
        )
        .select_related("staged_version__package", "staged_version__registry")
        .order_by("level", "pk")
    )
    for item in items:
        item.decision = decision
    asking = next((item for item in items if item.state == ItemState.ASKING), None)
    decided = questions.progress_of(decision)
    is_mine = decision.user_id == user.pk
    not_begun = sum(item.state in NOT_BEGUN for item in items)
    in_time = timezone.now() - decision.made_at <= GIVE_UP_AFTER
    is_open = any(item.state in OPEN_ITEM_STATES for item in items)
    going_on = not_begun and in_time and not decision.called_off_at
    left = _left(items, user)
    return {
        "decision": decision,
        "items": items,
        "steps": _steps(items, asking, decision),
        "item": asking,
        "version": asking.staged_version if asking else None,
        **question_of(asking),
        "decided": decided,
        "is_mine": is_mine,
        "left_out": decided.total - len(items),
        "registry": items[0].staged_version.registry if items else None,
        "live": sum(item.staged_version.state == State.LIVE for item in items),
        "not_begun": not_begun,
        "until": decision.made_at + timedelta(seconds=GIVE_UP_AFTER.total_seconds()),
        "may_pause": going_on and not decision.paused_at and steering.may_pause(decision, user),
        "may_resume": going_on and decision.paused_at and steering.may_resume(decision, user),
        # Also what was sent: if it turns out that it was not carried out, it is not sent again.
        "may_call_off": (not_begun or (is_open and not decision.called_off_at))
        and steering.may_call_off(decision, user),
        "also_approved": _also_approved(decision, items),
        "left": left,
        "left_url": _again(decision, left),
        "seconds": SECONDS
        if any(
            item.state in OPEN_ITEM_STATES or item.staged_version.state == State.ACCEPTED
            for item in items
        )
        else 0,
    }


def question_of(item: DecisionItem | None) -> dict[str, str]:
    """What the registry wants of the person now, and where its own page is."""
    if item is None:
        return {"wanted": "", "link": ""}
    return {"wanted": questions.wanted(item), "link": questions.link_of(item)}


def _steps(
    items: Sequence[DecisionItem], asking: DecisionItem | None, decision: Decision
) -> list[Step]:
    is_waiting = any(one.state == ItemState.WAITING for one in items)
    waiting = _waits_for(decision, items) if is_waiting else {}
    by_level: dict[int, list[Row]] = defaultdict(list)
    for item in items:
        by_level[item.level].append(
            Row(item, _words(item, waiting.get(item.pk, []), asking, decision))
        )
    return [
        Step(number, tuple(by_level[level])) for number, level in enumerate(sorted(by_level), 1)
    ]


def _waits_for(decision: Decision, visible: Sequence[DecisionItem]) -> dict[int, list[str]]:
    """By item, the names of what must end before.

    What a package needs is in its own manifest; what needs it is for those who may see that.
    """
    found: dict[int, list[str]] = defaultdict(list)
    needs = ItemNeed.objects.filter(
        item__decision=decision,
        item__state=ItemState.WAITING,
        needed__state__in=OPEN_ITEM_STATES,
    ).order_by("needed__level", "needed_id")
    seen = {item.pk for item in visible}
    for item, needed, name, version in needs.values_list(
        "item_id",
        "needed_id",
        "needed__staged_version__package__name",
        "needed__staged_version__version",
    ):
        is_told = decision.action == Action.APPROVE or needed in seen
        found[item].append(f"{name} {version}" if is_told else HIDDEN)
    return found


def _words(
    item: DecisionItem, waits_for: Sequence[str], asking: DecisionItem | None, decision: Decision
) -> str:
    if item.state != ItemState.WAITING:
        shows = item.state in {*NOT_CARRIED_OUT, ItemState.CHECKING}
        return item.outcome if shows else ""
    if decision.paused_at:
        return "Paused: it is not begun."
    if waits_for:
        others = len(waits_for) - MOST_NAMED
        more = f" and {others} more" if others > 0 else ""
        return f"Waits for {', '.join(waits_for[:MOST_NAMED])}{more}."
    if asking is not None:
        return "Waits for the answer to the registry's question."
    return item.outcome


def _also_approved(decision: Decision, items: Sequence[DecisionItem]) -> list[str]:
    """Who beside the one who decided has approved them, by name."""
    if decision.action != Action.APPROVE:
        return []
    votes = genuine_votes([item.staged_version for item in items])
    people = {
        str(vote.user)
        for of_one in votes.values()
        for vote in of_one
        if vote.user_id != decision.user_id and vote.cast_at <= decision.made_at
    }
    return sorted(people)


def _left(items: Sequence[DecisionItem], user: User) -> list[StagedVersion]:
    """What was not carried out and waits in the queue again, of what the person may decide."""
    return [
        item.staged_version
        for item in items
        if item.state in NOT_CARRIED_OUT
        and item.staged_version.state == State.STAGED
        and may_decide(user, item.staged_version.registry.url, item.staged_version.package.name)
    ]


def _again(decision: Decision, left: Sequence[StagedVersion]) -> str:
    if not left:
        return ""
    name = f"confirm_{decision.action}_several"
    return f"{reverse(name)}?{urlencode([('version', row.pk) for row in left])}"

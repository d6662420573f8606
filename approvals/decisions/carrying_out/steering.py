"""Pausing, resuming and calling off what is being carried out."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.decisions.carrying_out import outcomes
from approvals.decisions.carrying_out.outcomes import GIVE_UP_AFTER
from approvals.decisions.judging.checklist import checklists_of
from approvals.decisions.models import OPEN_ITEM_STATES, Action, Decision, DecisionItem
from approvals.people.models import User
from approvals.people.permissions import may_call_off as may_call_off_package
from approvals.people.permissions import may_decide
from approvals.people.turnstile import turnstile
from approvals.queue.models import StagedVersion

CALLED_OFF_TOPIC = "decision.called_off"
TOO_LATE = (
    "It was decided too long ago to be resumed. What was not carried out goes back to the queue: "
    "look at it again and decide anew."
)
SOMETHING_ELSE = (
    "What was confirmed is not what stands there now: something else was found, it is compared "
    "with another version, or what its policy demands was changed."
)
# Being under way keeps a version from being decided again; here it is what is asked about.
_ABOUT_ITSELF = "still_waiting"


class SteeringRefused(Exception):
    """Nothing was changed; the text says why."""


class NotTheirs(SteeringRefused):
    """This person may not do that."""


@dataclass(frozen=True)
class Resumed:
    """How many go on, and what was given back to the queue instead, each with the reason."""

    going_on: int
    given_back: tuple[tuple[StagedVersion, str], ...] = ()


def pause(decision: Decision, *, user: User) -> bool:
    """Begins nothing more until `resume`; False where it was paused already.

    What was sent is brought to its end. Anybody may who may decide all of it: stopping is safe.
    Raises SteeringRefused.
    """
    with transaction.atomic():
        user = turnstile(user)
        decision = outcomes.lock_decision(decision.pk)
        if not may_pause(decision, user):
            raise NotTheirs("Only somebody who may decide all of these versions can pause them.")
        if decision.paused_at:
            return False
        if not outcomes.not_begun(decision):
            raise SteeringRefused("Nothing is left that has not begun: there is nothing to pause.")
        Decision.objects.filter(pk=decision.pk, paused_at__isnull=True).update(
            paused_at=timezone.now(), paused_by=user
        )
        _tell(decision, "decision.paused", user)
    return True


def resume(decision: Decision, *, user: User) -> Resumed:
    """Goes on with what is paused, except with what the policy has something against by now, and
    with what is not as who decided saw it.

    Only who paused it may: no open browser overrules the colleague who stopped it. Not later than
    all decisions are given up. Raises SteeringRefused.
    """
    with transaction.atomic():
        user = turnstile(user)
        decision = outcomes.lock_decision(decision.pk)
        if not decision.paused_at:
            raise SteeringRefused("It is not paused.")
        if not may_resume(decision, user):
            raise NotTheirs(f"Only {decision.paused_by}, who paused it, can resume it.")
        if timezone.now() - decision.made_at > GIVE_UP_AFTER:
            raise SteeringRefused(TOO_LATE)
        items = outcomes.not_begun(decision)
        outcomes.lock_versions_of(decision.pk)
        against = _against(decision, items)
        Decision.objects.filter(pk=decision.pk).update(paused_at=None, paused_by=None)
        outbox.publish("decision.resumed", decision=str(decision.pk))
        outcomes.give_up(
            [
                (item, f"{against[item.pk]} That came up while it was paused. Nothing was sent.")
                for item in items
                if item.pk in against
            ],
            actor=user,
        )
        ended = {
            item.pk: item
            for item in DecisionItem.objects.filter(
                pk__in=[item.pk for item in items], state__in=outcomes.NOT_CARRIED_OUT
            )
        }
        _record(decision, "decision.resumed", user, given_back=len(ended))
    given_back = tuple(
        (item.staged_version, ended[item.pk].outcome) for item in items if item.pk in ended
    )
    return Resumed(len(items) - len(ended), given_back)


def call_off(decision: Decision, *, user: User) -> int:
    """Takes back what has not begun. Returns how many versions wait in the queue again.

    What was sent is brought to its end; where it was not carried out, it is not sent again: also
    where all of it was sent. Raises SteeringRefused.
    """
    with transaction.atomic():
        user = turnstile(user)
        decision = outcomes.lock_decision(decision.pk)
        items = outcomes.not_begun(decision)
        if not may_call_off(decision, user):
            raise NotTheirs(
                f"Only {decision.user}, who decided, or a release manager or administrator for all "
                "of these versions can call it off."
            )
        if not decision.items.filter(state__in=OPEN_ITEM_STATES).exists():
            return 0
        called_off = Decision.objects.filter(pk=decision.pk, called_off_at__isnull=True).update(
            called_off_at=timezone.now(), called_off_by=user
        )
        if not items:
            if called_off:
                _record(decision, CALLED_OFF_TOPIC, user)
            return 0
        reason = f"Called off by {user}."
        return outcomes.give_up(
            [(item, reason) for item in items], actor=user, topic=CALLED_OFF_TOPIC
        )


def may_pause(decision: Decision, user: User) -> bool:
    """Whether this person may decide all of its packages."""
    return all(may_decide(user, url, name) for url, name in _packages(decision))


def may_resume(decision: Decision, user: User) -> bool:
    """Whether this person paused it, and may still decide all of it."""
    return decision.paused_by_id == user.pk and may_pause(decision, user)


def may_call_off(decision: Decision, user: User) -> bool:
    """Whether this person decided it, or answers for all of its packages."""
    if decision.user_id == user.pk:
        return user.is_active
    return all(may_call_off_package(user, url, name) for url, name in _packages(decision))


def _packages(decision: Decision) -> list[tuple[str, str]]:
    return list(
        decision.items.values_list(
            "staged_version__registry__url", "staged_version__package__name"
        ).distinct()
    )


def _against(decision: Decision, items: list[DecisionItem]) -> dict[int, str]:
    """What stands in the way now, of those that have not begun, in words."""
    # As they are now; not locked, as nobody is after a decision.
    user = User.objects.get(pk=decision.user_id)
    checklists = checklists_of(
        [item.staged_version for item in items], action=decision.action, voter=user
    )
    found = {}
    for item in items:
        row, checklist = item.staged_version, checklists[item.staged_version_id]
        if not may_decide(user, row.registry.url, row.package.name):
            found[item.pk] = f"{user} may no longer decide this."
            continue
        sentences = [
            answer.sentence for answer in checklist.unmet if answer.requirement != _ABOUT_ITSELF
        ]
        if sentences:
            found[item.pk] = " ".join(sentences)
        elif decision.action == Action.APPROVE and checklist.sight not in decision.step_up.sight:
            found[item.pk] = SOMETHING_ELSE
    return found


def _tell(decision: Decision, topic: str, user: User) -> None:
    outbox.publish(topic, decision=str(decision.pk), actor=user.get_username())
    _record(decision, topic, user)


def _record(decision: Decision, kind: str, user: User, *, given_back: int = 0) -> None:
    record(kind, actor=user, subject=decision, decision=str(decision.pk), given_back=given_back)

"""Finding out what became of a request whose answer is missing: by asking, never by guessing."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals.decisions.carrying_out import outcomes
from approvals.decisions.models import Action, Attempt, DecisionItem
from approvals.queue.models import AlarmKind, State
from approvals.queue.sync import packument_or_none, settle_vanished
from approvals.queue.transitions import raise_alarm
from registry_client.client import RegistryClient
from registry_client.errors import NotFound

# A request whose answer was lost may still be at work in the registry. Only when the staged
# version is there for so many looks, and longer than the connection could have stayed open, is it
# certain enough that the request was not carried out.
LOOKS_BEFORE_CALLING_AGAIN = 4
LONGEST_CALL = timedelta(minutes=2)


def settle(item: DecisionItem, client: RegistryClient) -> None:
    """Asks the registry where the staged version is now, and records what that means.

    `client` is one with the registry's read token: the person's own may not see it any more.
    Where no call of ours is without an answer, a staged version that is gone was decided by
    somebody else. Raises RegistryError where the registry does not answer.
    """
    row, now = item.staged_version, timezone.now()
    ours_may_have_worked = item.attempts.filter(result=Attempt.Result.UNKNOWN).exists()
    last = item.attempts.order_by("-pk").first()
    approve = item.decision.action == Action.APPROVE
    packument = packument_or_none(client, row.package.name)
    published = packument.versions.get(row.version) if packument else None
    # A registry that dies half-way may have published it and still list it as staged.
    out = published is not None and published.shasum == item.sha1
    if not (approve and ours_may_have_worked and out) and _still_staged(item, client):
        if last is None or last.result != Attempt.Result.UNKNOWN:
            outcomes.refused(item, _why_still_there(item, last))
        elif item.tries < LOOKS_BEFORE_CALLING_AGAIN or last.started_at > now - LONGEST_CALL:
            outcomes.check_later(item, "It is still staged; looking again before the next call.")
        else:
            outcomes.call_again(item, "It is still staged: the request was not carried out.")
        return

    if approve and ours_may_have_worked:
        if out:
            outcomes.carried_out(item, "found in the packument with the reviewed digest")
            return
        if published is None and _young(item):
            outcomes.check_later(
                item, "It is no longer staged and not yet published: waiting for one or the other."
            )
            return
    if not approve and ours_may_have_worked and published is None:
        outcomes.carried_out(item, "no longer staged and not published")
        return

    with transaction.atomic():
        # Locked in the order in which everything else locks: decision, item, staged version, audit.
        outcomes.lock(item)
        DecisionItem.objects.select_for_update(no_key=True).get(pk=item.pk)
        outcomes.lock_versions_of(item.decision_id)
        settle_vanished(row, packument, from_states=[outcomes.under_way(item)])
        if row.state == State.PUBLISHED_ELSEWHERE:
            outcomes.gone(item, "It was published already, without this decision.")
            return
        outcomes.gone(item, "It is no longer at the registry: somebody rejected it elsewhere.")
        if approve and ours_may_have_worked:
            raise_alarm(
                row,
                AlarmKind.ANSWER_LOST,
                f"The approval of {row} was sent, its answer was lost, and the registry neither "
                "has it staged nor has published it. Ask the registry's support.",
            )


def _still_staged(item: DecisionItem, client: RegistryClient) -> bool:
    try:
        client.staged_version(str(item.stage_id))
    except NotFound:
        return False
    return True


def _why_still_there(item: DecisionItem, last: Attempt | None) -> str:
    if last is not None and last.result == Attempt.Result.OVERTAKEN:
        return last.answer
    return (
        f"{item.staged_version.registry.name} has it staged, but does not show it to your "
        "account: ask one of the package's maintainers for access."
    )


def _young(item: DecisionItem) -> bool:
    age: timedelta = timezone.now() - item.decision.made_at
    return age < timedelta(seconds=settings.LIVE_WATCH_SECONDS)

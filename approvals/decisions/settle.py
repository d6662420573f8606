"""Finding out what became of a request whose answer is missing: by asking, never by guessing."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from approvals.decisions import outcomes
from approvals.decisions.models import Action, Attempt, DecisionItem
from approvals.queue.models import State
from approvals.queue.sync import packument_or_none, settle_vanished
from approvals.queue.transitions import raise_alarm
from registry_client.client import RegistryClient
from registry_client.errors import NotFound

# A request whose answer was lost may still be at work in the registry: only when the staged
# version is there for so many looks is it certain enough that it was not carried out.
LOOKS_BEFORE_CALLING_AGAIN = 4


def settle(item: DecisionItem, client: RegistryClient) -> None:
    """Asks the registry where the staged version is now, and records what that means.

    Where no call of ours is without an answer, a staged version that is gone was decided by
    somebody else. Raises RegistryError where the registry does not answer.
    """
    row = item.staged_version
    ours_may_have_worked = item.attempts.filter(result=Attempt.Result.UNKNOWN).exists()
    approve = item.decision.action == Action.APPROVE
    packument = packument_or_none(client, row.package.name)
    published = packument.versions.get(row.version) if packument else None
    # A registry that dies half-way may have published it and still list it as staged.
    out = published is not None and published.shasum == item.sha1
    if not (approve and ours_may_have_worked and out) and _still_staged(item, client):
        if not ours_may_have_worked:
            outcomes.refused(item, item.outcome)
        elif item.tries < LOOKS_BEFORE_CALLING_AGAIN:
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

    settle_vanished(row, packument, from_states=[outcomes.under_way(item)])
    if row.state == State.PUBLISHED_ELSEWHERE:
        outcomes.gone(item, "It was published already, without this decision.")
    else:
        outcomes.gone(item, "It is no longer at the registry: somebody rejected it elsewhere.")
        if approve and ours_may_have_worked:
            raise_alarm(
                row,
                f"The approval of {row} was sent, its answer was lost, and the registry neither "
                "has it staged nor has published it. Ask the registry's support.",
            )


def _still_staged(item: DecisionItem, client: RegistryClient) -> bool:
    try:
        client.staged_version(str(item.stage_id))
    except NotFound:
        return False
    return True


def _young(item: DecisionItem) -> bool:
    age: timedelta = timezone.now() - item.decision.made_at
    return age < timedelta(seconds=settings.LIVE_WATCH_SECONDS)

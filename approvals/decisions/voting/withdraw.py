"""Taking one's own approval back, while nothing has come of it."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import Happening, record_all
from approvals.decisions.deciding.locking import lock_versions
from approvals.decisions.models import Vote
from approvals.decisions.voting.votes import WITHDRAWN, ending_of, standing_votes
from approvals.people.models import User
from approvals.people.turnstile import turnstile
from approvals.queue.models import StagedVersion, State
from approvals.queue.transitions import news_of

MOST_AT_ONCE = 100


class WithdrawRefused(Exception):
    """The vote stands as it was; the text says why, and what to do."""


def withdraw(user: User, staged_versions: Sequence[StagedVersion]) -> int:
    """Takes this person's standing votes for these back; how many. Raises WithdrawRefused.

    No proof of presence is asked for: less goes out by it, not more.
    """
    if len(staged_versions) > MOST_AT_ONCE:
        raise WithdrawRefused(f"Choose fewer versions: at most {MOST_AT_ONCE} at once.")
    with transaction.atomic():
        user = turnstile(user)
        rows = {row.pk: row for row in lock_versions([row.pk for row in staged_versions])}
        begun = [str(row) for row in rows.values() if row.state != State.STAGED]
        if begun:
            raise WithdrawRefused(
                f"{begun[0]} is no longer waiting: an approval can be taken back only until the "
                "last one that is needed was given. Nothing was changed."
            )
        own = list(standing_votes(rows.values()).filter(user=user))
        if not own:
            raise WithdrawRefused("No approval of yours stands here. Nothing was changed.")
        Vote.objects.filter(pk__in=[vote.pk for vote in own]).update(withdrawn_at=timezone.now())
        votes = [(vote, rows[vote.staged_version_id]) for vote in own]
        outbox.publish_all(
            [
                (WITHDRAWN, row.stage_id, {**news_of(row), "actor": user.get_username()})
                for _, row in votes
            ]
        )
        record_all(
            [Happening(WITHDRAWN, user, row, row.stage_id, ending_of(vote)) for vote, row in votes]
        )
    return len(own)

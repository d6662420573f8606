"""When somebody who may decide a staged version first looked at it."""

from __future__ import annotations

from approvals.people.models import User
from approvals.people.permissions import may_decide
from approvals.queue.models import StagedVersion, State
from approvals.rota.models import FirstLook


def looked(staged_version: StagedVersion, user: User) -> None:
    """Writes down that this person opened its page: the first of those who may decide it.

    Of two at once the first counts. It changes nothing but what is measured, so that the audit log
    does not tell of it.
    """
    if staged_version.state != State.STAGED:
        return
    if not may_decide(user, staged_version.registry.url, staged_version.package.name):
        return
    # Reading first: on SQLite, every write is a turn that somebody else waits for.
    if not FirstLook.objects.filter(staged_version=staged_version).exists():
        FirstLook.objects.bulk_create(
            [FirstLook(staged_version=staged_version, person=user)], ignore_conflicts=True
        )

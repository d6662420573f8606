"""What beat calls."""

from celery import shared_task

from approvals.people import limits, presence, sessions


@shared_task
def forget_old_tries() -> None:
    limits.forget_old_tries()


@shared_task
def forget_stale_proofs() -> None:
    presence.forget_stale()


@shared_task
def forget_expired_sessions() -> None:
    sessions.forget_ended()

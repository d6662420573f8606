"""What beat calls."""

from importlib import import_module

from celery import shared_task
from django.conf import settings

from approvals.people import limits, presence


@shared_task
def forget_old_tries() -> None:
    limits.forget_old_tries()


@shared_task
def forget_stale_proofs() -> None:
    presence.forget_stale()


@shared_task
def forget_expired_sessions() -> None:
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()

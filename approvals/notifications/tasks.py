"""What beat and the doorbell call."""

from celery import shared_task

from approvals.notifications import tell


@shared_task
def tell_waiting() -> None:
    tell.tell()

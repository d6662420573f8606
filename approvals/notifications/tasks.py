"""What beat and the doorbell call."""

from celery import shared_task

from approvals.notifications import forget, tell


@shared_task
def tell_waiting() -> None:
    tell.tell()


@shared_task
def forget_old_news() -> None:
    forget.forget_old_news()

"""What beat and the doorbells call."""

from celery import shared_task

from approvals.queue import live, sync


@shared_task
def poll_due_registries() -> None:
    for registry in sync.due_registries():
        sync.poll(registry, only_if_due=True)


@shared_task
def watch_accepted_versions() -> None:
    live.watch_due()

"""What beat and the doorbells call."""

from celery import shared_task

from approvals.queue import live, published, sync


@shared_task
def poll_due_registries() -> None:
    for registry in sync.due_registries():
        sync.poll(registry, only_if_due=True)


@shared_task
def watch_accepted_versions() -> None:
    live.watch_due()


@shared_task
def look_up_published_packages() -> None:
    published.look_up_due()


@shared_task
def forget_unwanted_packages() -> None:
    published.forget_unwanted()

"""What beat and the doorbells call."""

import time

from celery import shared_task

from approvals.inspection import requests, retention
from approvals.inspection.inspecting import inspect

INSPECT_FOR_SECONDS = 60


# Above what the client allows two downloads (900 s each) and the comparison together: only what is
# really stuck is ended.
@shared_task(soft_time_limit=2700, time_limit=2760)
def inspect_waiting() -> None:
    requests.request_missing()
    until = time.monotonic() + INSPECT_FOR_SECONDS
    while time.monotonic() < until:
        work = requests.claim_due()
        if work is None:
            return
        inspect(work)
    inspect_waiting.delay()


@shared_task
def forget_expired_tarballs() -> None:
    retention.forget_expired()

"""What beat and the doorbells call."""

import time

from celery import shared_task

from approvals.inspection import requests

INSPECT_FOR_SECONDS = 60


@shared_task(soft_time_limit=600, time_limit=660)
def inspect_waiting() -> None:
    requests.request_missing()
    until = time.monotonic() + INSPECT_FOR_SECONDS
    while time.monotonic() < until:
        request = requests.claim_due()
        if request is None:
            return
        requests.inspect(request)
    inspect_waiting.delay()

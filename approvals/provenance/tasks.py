"""What beat and the doorbells call."""

import time

from celery import shared_task

from approvals.provenance import requests
from approvals.provenance.checking import check

CHECK_FOR_SECONDS = 60


# Above what one look may take (leases.LOOK_SECONDS) and its last call: only what is really stuck is
# ended.
@shared_task(soft_time_limit=900, time_limit=960)
def check_waiting() -> None:
    requests.request_missing()
    until = time.monotonic() + CHECK_FOR_SECONDS
    while time.monotonic() < until:
        work = requests.claim_due()
        if work is None:
            return
        check(work)
    check_waiting.delay()

"""What beat and the doorbells call."""

import time

from celery import shared_task

from approvals.provenance import requests
from approvals.provenance.checking import check
from approvals.provenance.leases import LEASE, LOOK_SECONDS
from approvals.provenance.trust import look_again_at_outdated

CHECK_FOR_SECONDS = 60
# The last look begins before CHECK_FOR_SECONDS are over, and its last call before LOOK_SECONDS are;
# a call takes less than a LEASE. Only what is really stuck is ended.
STUCK_AFTER_SECONDS = int(CHECK_FOR_SECONDS + LOOK_SECONDS + LEASE.total_seconds())


@shared_task(soft_time_limit=STUCK_AFTER_SECONDS, time_limit=STUCK_AFTER_SECONDS + 60)
def check_waiting() -> None:
    requests.request_missing()
    look_again_at_outdated()
    until = time.monotonic() + CHECK_FOR_SECONDS
    while time.monotonic() < until:
        work = requests.claim_due()
        if work is None:
            return
        check(work)
    check_waiting.delay()

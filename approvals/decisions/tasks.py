"""What beat and the doorbells call."""

import logging

from celery import shared_task

from approvals.decisions import execute, outcomes

logger = logging.getLogger(__name__)


@shared_task
def carry_out_waiting() -> None:
    execute.wipe_expired_proofs()
    while item := execute.claim_due():
        try:
            execute.carry_out(item)
        except outcomes.LeaseLost:
            logger.warning("stage=%s another worker took this decision over", item.stage_id)

"""What beat and the doorbells call."""

import logging

from celery import shared_task

from approvals.decisions import execute, outcomes, stepup

logger = logging.getLogger(__name__)


@shared_task
def carry_out_waiting() -> None:
    execute.wipe_expired_proofs()
    while item := execute.claim_due():
        try:
            execute.carry_out(item)
        except outcomes.LeaseLost:
            logger.warning("stage=%s another worker took this decision over", item.stage_id)
        except Exception:
            # One decision that breaks us must not keep the others waiting. Its lease runs out,
            # and then it is taken up again or given up, as for a worker that died.
            logger.exception("stage=%s carrying out its decision broke", item.stage_id)


@shared_task
def forget_stale_confirmations() -> None:
    stepup.forget_stale()

"""What beat and the doorbells call."""

import logging

from celery import shared_task

from approvals.decisions.carrying_out import calling, execute, outcomes
from approvals.decisions.deciding import stepup
from approvals.decisions.judging import policy_states
from approvals.decisions.releases import gather

logger = logging.getLogger(__name__)


@shared_task
def carry_out_waiting() -> None:
    execute.wipe_expired_proofs()
    with execute.Connections() as connections:
        while item := execute.claim_due():
            try:
                execute.carry_out(item, connections)
            except outcomes.LeaseLost:
                logger.warning("stage=%s another worker took this decision over", item.stage_id)
            except Exception:
                # One decision that breaks us must not keep the others waiting. Its lease runs out,
                # and then it is taken up again or given up, as for a worker that died.
                logger.exception("stage=%s carrying out its decision broke", item.stage_id)


@shared_task
def forget_stale_confirmations() -> None:
    stepup.forget_stale()


@shared_task
def look_at_policies() -> None:
    policy_states.refresh_due()


@shared_task
def gather_releases() -> None:
    gather.gather()


@shared_task
def refresh_published_packages() -> None:
    gather.refresh_published()


@shared_task
def tell_of_questions() -> None:
    calling.tell_of_questions()

"""What beat and the doorbells call."""

from celery import shared_task

from approvals.rota import escalation, gap_watch, leavers, swaps


@shared_task
def let_leavers_go() -> None:
    leavers.let_go()


@shared_task
def lapse_swaps() -> None:
    swaps.lapse_due()


@shared_task
def announce_gaps() -> None:
    gap_watch.announce_gaps()


@shared_task
def look_after_assignments() -> None:
    escalation.look_after()


@shared_task
def follow_duty() -> None:
    escalation.follow_duty()

"""What beat calls: it finds by itself what is due, whoever rang or did not."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.people.models import Role
from approvals.rota import tasks
from approvals.rota.models import LayerMember, Swap
from tests.approvals.factories import make_user
from tests.approvals.rota.factories import make_schedule

pytestmark = pytest.mark.django_db


def test_beat_looks_after_the_rota() -> None:
    wanted = {tasks.let_leavers_go.name, tasks.lapse_swaps.name, tasks.announce_gaps.name}

    assert wanted <= {one["task"] for one in settings.CELERY_BEAT_SCHEDULE.values()}


def test_what_is_due_is_done() -> None:
    ada, grace = make_user("ada"), make_user("grace", role=Role.VIEWER)
    schedule = make_schedule(ada, grace, is_round_the_clock=True)
    now = timezone.now()
    swap = Swap.objects.create(
        layer=schedule.layers.get(),
        asked_by=ada,
        other=make_user(),
        starts_at=now - timedelta(hours=2),
        ends_at=now - timedelta(hours=1),
    )

    tasks.let_leavers_go()
    tasks.lapse_swaps()
    LayerMember.objects.filter(left_at__isnull=True).update(left_at=now + timedelta(days=1))
    tasks.announce_gaps()

    swap.refresh_from_db()
    assert swap.state == Swap.State.LAPSED
    assert not LayerMember.objects.filter(left_at__isnull=True).exists()
    assert OutboxEvent.objects.filter(topic="rota.gap").count() == 1

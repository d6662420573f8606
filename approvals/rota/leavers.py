"""People who may decide nothing any more leave the rotations they are in.

From the moment they may not, nobody is on call by them (plans.py): the next in the rotation stands
in. This makes it last: their turns go to the others, and should they come back, somebody has to
put them in again.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record_all
from approvals.people.models import Role
from approvals.people.permissions import may_decide_anything
from approvals.rota.models import LayerMember, Schedule
from approvals.rota.releasing import release_from
from approvals.rota.schedules import CHANGED


def let_go() -> None:
    """Ends the places of all who may decide nothing any more."""
    gone = LayerMember.objects.filter(left_at__isnull=True).filter(
        Q(user__is_active=False) | Q(user__role=Role.VIEWER, user__is_superuser=False)
    )
    for key in gone.order_by("pk").values_list("pk", flat=True):
        _let_go(key)


def _let_go(key: int) -> None:
    now = timezone.now()
    with transaction.atomic():
        schedule = (
            Schedule.objects.select_for_update(no_key=True).filter(layers__members=key).first()
        )
        place = (
            LayerMember.objects.select_related("user", "layer")
            .filter(pk=key, left_at__isnull=True)
            .first()
        )
        if schedule is None or place is None or may_decide_anything(place.user):
            return
        LayerMember.objects.filter(pk=key, left_at__isnull=True).update(left_at=now)
        told = release_from(place.layer, [place.user], now, by=None)
        publish(CHANGED, schedule=schedule.name, url_path="/rota/")
        happening = Happening(
            "layer.member_left",
            None,
            place.layer,
            detail={"person": place.user.get_username(), "reason": "They may not approve."},
        )
        record_all([happening, *told])

"""People who may decide nothing any more leave the rota.

From the moment they may not, nobody is on call by them (plans.py): the next in the rotation stands
in. This makes it last: their turns go to the others, their overrides end, and should they come
back, somebody has to put them in again. What they did before stays as it was.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record_all
from approvals.people.models import Role, User
from approvals.people.permissions import may_decide_anything
from approvals.rota.models import Layer, LayerMember, Override, Schedule
from approvals.rota.releasing import release_from
from approvals.rota.schedules import CHANGED

_MAY_NOT = Q(user__is_active=False) | Q(user__role=Role.VIEWER, user__is_superuser=False)


def let_go() -> None:
    """Takes all who may decide nothing any more out of what is still to come."""
    places = LayerMember.objects.filter(_MAY_NOT, left_at__isnull=True)
    overrides = Override.objects.filter(
        _MAY_NOT, cancelled_at__isnull=True, ends_at__gt=timezone.now()
    )
    pairs = set(places.values_list("layer_id", "user_id"))
    pairs |= set(overrides.values_list("layer_id", "user_id"))
    for layer, person in sorted(pairs):
        _let_go(layer, person)


def _let_go(layer_key: int, person_key: int) -> None:
    now = timezone.now()
    with transaction.atomic():
        # A statement of its own, so that what is read next is what the one before has left.
        schedule = Schedule.objects.select_for_update(no_key=True).filter(layers=layer_key).first()
        person = User.objects.get(pk=person_key)
        if schedule is None or may_decide_anything(person):
            return
        layer = Layer.objects.get(pk=layer_key)
        left = LayerMember.objects.filter(layer=layer, user=person, left_at__isnull=True).update(
            left_at=now
        )
        told = release_from(layer, [person], now, by=None)
        if left:
            detail = {"person": person.get_username(), "reason": "They may not approve."}
            told = [Happening("layer.member_left", None, layer, detail=detail), *told]
        if told:
            publish(CHANGED, schedule=schedule.name, url_path="/rota/")
            record_all(told)

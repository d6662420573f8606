"""What of the log and of the deliveries a person may read.

That is what is about packages they may see, and about themselves.
"""

from typing import Any

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from approvals.audit.models import AuditEvent
from approvals.notifications.messages import TOPICS, Audience
from approvals.notifications.models import Delivery
from approvals.people.models import User
from approvals.people.permissions import may_manage, may_see_everything
from approvals.queue.models import Package, Registry, StagedVersion


def events_visible_to(user: User) -> QuerySet[AuditEvent]:
    """The log's events, for who is scoped without those about packages out of scope.

    Of what is about no package, they read of the registries that they know and of themselves: a
    change of somebody's scopes names packages.
    """
    if may_see_everything(user):
        return AuditEvent.objects.all()
    visible = _about(user, "stage_id") | Q(subject__in=_subjects(Package.objects.visible_to(user)))
    visible |= Q(stage_id=None, subject__in=_subjects(Registry.objects.visible_to(user)))
    visible |= Q(stage_id=None, subject=f"{User._meta.label}:{user.pk}")
    return AuditEvent.objects.filter(visible)


def deliveries_visible_to(user: User) -> QuerySet[Delivery]:
    """The deliveries of news about packages that this person may see, and about themselves.

    Who else lost a device or used a recovery code is for administrators: it says when an account
    is weak.
    """
    if may_manage(user):
        return Delivery.objects.all()
    personal, managing = _topics_for(Audience.PERSON), _topics_for(Audience.MANAGERS)
    own = Q(event__topic__in=personal, event__payload__person=user.pk)
    visible = ~Q(event__topic__in=personal + managing) & ~Q(event__payload__has_key="person")
    if not may_see_everything(user):
        visible &= _about(user, "event__stage_id")
    return Delivery.objects.filter(own | visible)


def _topics_for(audience: Audience) -> list[str]:
    return [name for name, topic in TOPICS.items() if topic.audience is audience]


def _about(user: User, field: str) -> Q:
    visible = StagedVersion.objects.visible_to(user)
    # A stage id is its registry's own word: another registry may repeat it, to have things seen.
    others = StagedVersion.objects.exclude(pk__in=visible.values("pk"))
    return Q(**{f"{field}__in": visible.values("stage_id")}) & ~Q(
        **{f"{field}__in": others.values("stage_id")}
    )


def _subjects(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    """How the log names these rows."""
    label = Value(f"{rows.model._meta.label}:")
    named = Concat(label, Cast("pk", CharField()), output_field=CharField())
    subjects: QuerySet[Any, Any] = rows.annotate(subject=named).values("subject")
    return subjects

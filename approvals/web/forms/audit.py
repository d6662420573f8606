"""What the audit log is narrowed to."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.audit.models import AuditEvent

# Outside of these, time zones run out of the calendar.
_SENSIBLE = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
_LARGEST_KEY = 2**63 - 1


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        validators=_SENSIBLE,
        widget=forms.DateInput(attrs={"type": "date"}),
    )


class AuditFilter(forms.Form):
    """Every field may stay empty."""

    about = forms.CharField(
        label="About",
        required=False,
        max_length=400,
        widget=forms.SearchInput(attrs={"placeholder": "Package, person, webhook, stage id"}),
    )
    kind = forms.CharField(
        label="What happened",
        required=False,
        max_length=60,
        widget=forms.TextInput(
            attrs={"placeholder": "decision.", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    actor = forms.CharField(
        label="Who",
        required=False,
        max_length=150,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    since = _day("From")
    until = _day("Until")
    # The sequence number that a page of the list begins after, in either direction.
    before = forms.IntegerField(
        required=False, min_value=0, max_value=_LARGEST_KEY, widget=forms.HiddenInput
    )
    after = forms.IntegerField(
        required=False, min_value=0, max_value=_LARGEST_KEY, widget=forms.HiddenInput
    )

    @property
    def is_narrowing(self) -> bool:
        return any(self.data.get(field.name, "").strip() for field in self.visible_fields())

    def narrow(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """The events that match; none at all where a field makes no sense."""
        if not self.is_valid():
            return events.none()
        wanted: dict[str, Any] = self.cleaned_data
        if wanted["about"]:
            events = events.filter(_about(wanted["about"]))
        if wanted["kind"]:
            events = events.filter(kind__startswith=wanted["kind"])
        if wanted["actor"]:
            events = events.filter(actor_name__iexact=wanted["actor"])
        if wanted["since"]:
            events = events.filter(at__gte=_midnight(wanted["since"]))
        if wanted["until"]:
            events = events.filter(at__lt=_midnight(wanted["until"] + timedelta(days=1)))
        return events


def _about(words: str) -> Q:
    try:
        return Q(stage_id=UUID(words))
    except ValueError:
        return Q(subject=words) | Q(subject_name__icontains=words)


def _midnight(day: date) -> datetime:
    """The day's beginning in Countersign's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)

"""Passing a version on, and snoozing it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from approvals.people.models import User
from approvals.rota.assignment import LONGEST_REASON

HOURS = (1, 2, 4, 8, 16, 24)
# The rule reads the clock again: what fits to the minute is not to be refused for a moment.
_A_MOMENT = timedelta(minutes=1)


def _reason(label: str, *, required: bool, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=LONGEST_REASON,
        help_text=help_text,
        error_messages={"required": "Say why: those who wait for it read it."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class PassOnForm(forms.Form):
    """To whom a version is passed on: `people` can approve it."""

    to = forms.TypedChoiceField(
        label="To whom",
        coerce=int,
        error_messages={
            "required": "Choose who is to look at it.",
            "invalid_choice": "They cannot approve it, or no longer. Choose among those listed.",
        },
    )
    reason = _reason("Why", required=False)

    def __init__(self, data: Any = None, *, people: Sequence[User], **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["to"].choices = [  # type: ignore[attr-defined] # it is a ChoiceField
            ("", "Choose …"),
            *((one.pk, str(one)) for one in people),
        ]


class SnoozeForm(forms.Form):
    """For how long nobody is asked about a version, and why."""

    hours = forms.TypedChoiceField(
        label="For how long",
        coerce=int,
        error_messages={"invalid_choice": "It cannot wait so long. Choose among those listed."},
    )
    reason = _reason(
        "Why it can wait",
        required=True,
        help_text="It stays beside the version, and in the audit log.",
    )

    def __init__(self, data: Any = None, *, latest: datetime | None, **options: Any) -> None:
        super().__init__(data, **options)
        now = timezone.now()
        self.fields["hours"].choices = [  # type: ignore[attr-defined] # it is a ChoiceField
            (one, in_words(one))
            for one in HOURS
            if latest is not None and now + timedelta(hours=one) <= latest + _A_MOMENT
        ]

    @property
    def has_choices(self) -> bool:
        """Whether there is a time for which it may wait."""
        return bool(self.fields["hours"].choices)  # type: ignore[attr-defined] # as above

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "hours" in cleaned:
            cleaned["until"] = timezone.now() + timedelta(hours=cleaned["hours"])
        return cleaned


def in_words(hours: int) -> str:
    """Such as "8 hours"."""
    return f"{hours} hour{'' if hours == 1 else 's'}"

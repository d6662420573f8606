"""Of which versions the waits are shown."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from approvals.people.scopes import LONGEST_NAME
from approvals.rota.measures import (
    Measure,
    MeasuresRefused,
    Range,
    checked,
    usual_range,
)

WORDS = {
    Measure.LOOK: "First look",
    Measure.DECISION: "Decision",
    Measure.LIVE: "Live",
}


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput(attrs={"type": "date"})
    )


class MeasuresForm(forms.Form):
    """Every field may stay empty: then the last days, and all packages."""

    packages = forms.CharField(
        label="Packages",
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(
            attrs={"placeholder": "@acme/*", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    since = _day("From")
    until = _day("Until")
    # What else an address says here, nobody has chosen.
    measure = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, registries: dict[str, str], **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["registry"] = forms.ChoiceField(
            label="Registry",
            required=False,
            choices=[("", "Every registry"), *registries.items()],
        )
        self.order_fields(("packages", "registry", "since", "until", "measure"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        usual = usual_range(timezone.localdate())
        until: date = cleaned["until"] or max(usual.until, cleaned["since"] or usual.until)
        since: date = cleaned["since"] or min(usual.since, until)
        wanted = Range(since, until, cleaned["packages"].strip(), cleaned["registry"])
        try:
            cleaned["wanted"] = checked(wanted)
        except MeasuresRefused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return cleaned

    @property
    def measure_shown(self) -> Measure:
        """For which wait the charts are."""
        chosen = self.cleaned_data.get("measure", "")
        return Measure(chosen) if chosen in list(Measure) else Measure.DECISION

    @property
    def is_narrowing(self) -> bool:
        return any(
            self.data.get(name, "").strip() for name in ("packages", "registry", "since", "until")
        )

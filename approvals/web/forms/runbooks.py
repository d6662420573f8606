"""What a runbook says, and for which packages."""

from typing import Any

from django import forms

from approvals.people.scopes import LONGEST_NAME
from approvals.rota.models import Runbook
from approvals.rota.runbooks import LONGEST_TEXT, RunbookRefused, WantedRunbook, checked

BEGINNING = """## Who approves

## What to check

## How to roll back
"""


class RunbookForm(forms.Form):
    """For a change of `runbook`, for which packages it is stays."""

    registry = forms.ChoiceField(label="At which registry", required=False)
    packages = forms.CharField(
        label="For which packages",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(
            attrs={
                "autocapitalize": "none",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "@acme/*",
            }
        ),
        error_messages={"required": "Name a package, or a pattern such as @acme/*."},
        help_text="A name, or a pattern such as @acme/* or acme-*; * alone for every package. Of "
        "several that cover a package, the closest holds.",
    )
    text = forms.CharField(
        label="What it says",
        # One more of each line end than is counted in the end.
        max_length=2 * LONGEST_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "true"}),
        error_messages={"required": "Write who approves, what to check and how to roll back."},
        help_text="Markdown: headings, lists, tables, code, links to https addresses. HTML is "
        "shown as text, and pictures become links.",
    )
    # Of the revision that the page showed: another browser may have changed it since.
    seen = forms.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput
    )

    def __init__(
        self,
        data: Any = None,
        *,
        registries: dict[str, str],
        runbook: Runbook | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self._runbook = runbook
        if runbook is not None:
            del self.fields["registry"], self.fields["packages"]
        else:
            self.fields["registry"] = forms.ChoiceField(
                label="At which registry",
                required=False,
                choices=[("", "Every registry"), *registries.items()],
            )
            self.order_fields(("packages", "registry", "text", "seen"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        about = self._runbook
        wanted = WantedRunbook(
            about.registry_url if about else cleaned["registry"],
            about.packages if about else cleaned["packages"],
            cleaned["text"],
        )
        try:
            cleaned["wanted"] = checked(wanted)
        except RunbookRefused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return cleaned


class RemoveRunbookForm(forms.Form):
    seen = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)

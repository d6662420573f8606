"""Making a token for a project's CI."""

from collections.abc import Mapping
from typing import Any

from django import forms

from approvals.api.models import LONGEST_TOKEN_NAME
from approvals.api.tokens import MOST_DAYS, WantedToken
from approvals.people.scopes import LONGEST_NAME, MOST_SCOPES, Reach, ScopeRefused, check_packages


class TokenForm(forms.Form):
    """What an administrator says of a token; `registries` are names by address."""

    name = forms.CharField(
        label="For which pipeline",
        max_length=LONGEST_TOKEN_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "acme/lib: release"}),
        error_messages={"required": "Name the project and pipeline that will hold it."},
        help_text="Pages and the log call the token so.",
    )
    packages = forms.CharField(
        label="Packages",
        max_length=MOST_SCOPES * (LONGEST_NAME + 2),
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "autocapitalize": "none",
                "spellcheck": "false",
                "placeholder": "@acme/*",
            }
        ),
        error_messages={"required": "Name the project's packages: a token covers no others."},
        help_text="One a line: a name, or a pattern such as @acme/* or acme-*. It learns of no "
        "others.",
    )
    registry = forms.ChoiceField(label="At", required=False)
    may_read = forms.BooleanField(
        label="Read states and releases, and wait for them", required=False, initial=True
    )
    may_hand_in_provenance = forms.BooleanField(
        label="Hand in provenance, which proves itself", required=False
    )
    may_give_context = forms.BooleanField(
        label="Give links, which reviewers see as “from CI, not verified”", required=False
    )
    days = forms.IntegerField(
        label="Good for so many days",
        min_value=1,
        max_value=MOST_DAYS,
        initial=90,
        help_text=f"From 1 to {MOST_DAYS}. After that, make another one.",
    )

    def __init__(self, data: Any = None, *, registries: Mapping[str, str], **options: Any) -> None:
        super().__init__(data, **options)
        choices = [("", "Every registry"), *registries.items()]
        self.fields["registry"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["registry"].says_for_itself = True  # type: ignore[attr-defined]  # see field.html

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        reaches = []
        for line in filter(None, map(str.strip, cleaned.get("packages", "").splitlines())):
            try:
                check_packages(line)
            except ScopeRefused as error:
                self.add_error("packages", str(error))
            reaches.append(Reach(cleaned.get("registry", ""), line))
        cleaned["wanted"] = WantedToken(
            name=cleaned.get("name", ""),
            reaches=reaches,
            days=cleaned.get("days") or 0,
            may_read=cleaned.get("may_read", False),
            may_hand_in_provenance=cleaned.get("may_hand_in_provenance", False),
            may_give_context=cleaned.get("may_give_context", False),
        )
        return cleaned

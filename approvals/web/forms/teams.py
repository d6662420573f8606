"""Who is in a team."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from approvals.people.models import User
from approvals.people.teams import LONGEST_TEAM_NAME, LONGEST_TEAM_WORDS, WantedTeam


class TeamForm(forms.Form):
    """A team: `people` can be in it; for a change, `name` is what it is called and stays."""

    name = forms.CharField(
        label="Name",
        max_length=LONGEST_TEAM_NAME,
        widget=forms.TextInput(
            attrs={
                "autocapitalize": "none",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "release-crew",
            }
        ),
        error_messages={"required": "Name the team, such as release-crew."},
        help_text="Small letters, digits and single hyphens. Policies use it, so that it stays.",
    )
    words = forms.CharField(
        label="What it is for",
        required=False,
        max_length=LONGEST_TEAM_WORDS,
        help_text="Everybody who signs in reads it.",
    )
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, people: Sequence[User], name: str = "", **options: Any
    ) -> None:
        super().__init__(data, **options)
        self._name = name
        if name:
            del self.fields["name"]
        self.fields["members"] = forms.TypedMultipleChoiceField(
            label="Who is in it",
            required=False,
            coerce=int,
            choices=[(one.pk, _shown(one)) for one in people],
            widget=forms.CheckboxSelectMultiple,
            error_messages={
                "invalid_choice": "There is no such person. Choose among the people listed."
            },
        )
        self.order_fields(("name", "words", "members", "seen"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cleaned["wanted"] = WantedTeam(
            self._name or cleaned.get("name", ""),
            cleaned.get("words", ""),
            cleaned.get("members", ()),
        )
        return cleaned


class RemoveTeamForm(forms.Form):
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)


def _shown(person: User) -> str:
    return str(person) if person.is_active else f"{person}: deactivated, does not count"

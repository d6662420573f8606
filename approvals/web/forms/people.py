"""Inviting people, and accepting an invitation."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts

from approvals.people.models import Role
from approvals.people.scopes import LONGEST_NAME, MOST_SCOPES, Reach, ScopeRefused, check_packages

EVERYTHING, SOME = "everything", "some"


class RoleForm(forms.Form):
    """A role, and over which packages it reaches: `registries` are names by address."""

    role = forms.ChoiceField(label="What the person may do", choices=Role.choices)
    reach = forms.ChoiceField(
        label="For which packages",
        choices=[
            (EVERYTHING, "Every package at every registry"),
            (SOME, "Only the packages named below: the person does not learn of others"),
        ],
        initial=EVERYTHING,
        help_text="An administrator always sees every package.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        registries: Mapping[str, str],
        role: str = Role.VIEWER,
        reaches: Sequence[Reach] = (),
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.initial = {"role": role, "reach": SOME if reaches else EVERYTHING, **self.initial}
        urls = ["", *registries]
        # Scopes at registries that are gone stay, until somebody takes them out.
        urls += sorted({one.registry_url for one in reaches} - set(urls))
        self._urls = {f"packages_{number}": url for number, url in enumerate(urls)}
        for name, url in self._urls.items():
            self.fields[name] = forms.CharField(
                label=f"Packages at {registries.get(url, url) or 'every registry'}",
                required=False,
                max_length=MOST_SCOPES * (LONGEST_NAME + 2),
                initial="\n".join(one.packages for one in reaches if one.registry_url == url),
                widget=forms.Textarea(
                    attrs={"rows": 3, "autocapitalize": "none", "spellcheck": "false"}
                ),
                help_text="One a line: a name, or a pattern such as @acme/* or acme-*."
                if not url
                else "",
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        reaches = []
        for name, url in self._urls.items():
            for line in filter(None, map(str.strip, cleaned.get(name, "").splitlines())):
                try:
                    check_packages(line)
                except ScopeRefused as error:
                    self.add_error(name, str(error))
                reaches.append(Reach(url, line))
        is_chief = cleaned.get("role") == Role.ADMINISTRATOR
        if cleaned.get("reach") == SOME and not is_chief and not reaches and not self.errors:
            self.add_error("reach", "Name some packages below, or choose every package.")
        cleaned["reaches"] = reaches if cleaned.get("reach") == SOME and not is_chief else []
        return cleaned


class InviteForm(RoleForm):
    field_order = ("note", "role", "reach")
    note = forms.CharField(
        label="For whom",
        max_length=200,
        required=False,
        help_text="A name or a team, to tell the invitations apart. Only administrators see it.",
    )


class AcceptForm(forms.Form):
    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
        help_text="Stands beside every decision you make, and cannot be changed.",
    )
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    first_name = forms.CharField(
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    password = forms.CharField(
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=" ".join(password_validators_help_texts()),
    )

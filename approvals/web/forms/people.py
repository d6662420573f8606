"""Inviting people, and accepting an invitation."""

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts

from approvals.people.models import Role


class InviteForm(forms.Form):
    role = forms.ChoiceField(label="What the person may do", choices=Role.choices)
    note = forms.CharField(
        label="For whom",
        max_length=200,
        required=False,
        help_text="A name or a team, to tell the invitations apart. Only administrators see it.",
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


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

"""Adding and changing registries."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html

from approvals.people.accounts import MAX_TOKEN_LENGTH
from approvals.queue.registries import LONGEST_HOST, MOST_POLL_SECONDS, MOST_PROOF_HOSTS
from registry_client.addresses import check_base_url

ABOUT_READING = (
    "Of an account that sees the packages; reading is enough. Where to make one: at npm, under "
    "Access Tokens of your account, a granular token that only reads your packages; at Verdaccio, "
    "“npm token create --read-only”. It is encrypted, sent to this registry only, and never shown "
    "again."
)
ABOUT_PROOF_HOSTS = (
    "Where this registry asks for a touch on a page of its own, the page must be on its own host, "
    "or on its domain with or without www. Name other hosts that it may use, one a line; most "
    "registries need none."
)
POLL_HELP = "How often new staged versions are looked for."


def _token_field(*, required: bool, label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=MAX_TOKEN_LENGTH,
        required=required,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=help_text,
    )


def _poll_field() -> forms.IntegerField:
    return forms.IntegerField(
        label="Seconds between polls",
        min_value=1,
        max_value=MOST_POLL_SECONDS,
        initial=lambda: settings.REGISTRY_POLL_SECONDS,
        help_text=POLL_HELP,
    )


class AddRegistryForm(forms.Form):
    name = forms.SlugField(
        max_length=60,
        help_text="Letters, digits, '-' and '_': how pages and messages call it.",
        error_messages={
            "invalid": "Write the name with letters from a to z, digits, '-' and '_' only, without "
            "spaces: acme-npm, for example."
        },
    )
    # Not a URLField, which refuses the one-word host names of private networks.
    url = forms.CharField(
        label="Address",
        max_length=500,
        widget=forms.TextInput(
            attrs={"inputmode": "url", "placeholder": "https://registry.example.org/"}
        ),
        help_text=format_html(
            "What <code>{}</code> prints. It cannot be changed later.", "npm config get registry"
        ),
    )
    read_token = _token_field(required=True, label="Read token", help_text=ABOUT_READING)
    poll_seconds = _poll_field()

    def clean_url(self) -> str:
        try:
            return check_base_url(self.cleaned_data["url"])
        except ValueError as error:
            raise forms.ValidationError(
                f"{error} It should look like https://registry.example.org/."
            ) from error


class FirstRegistryForm(AddRegistryForm):
    """The same without what can wait."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.fields["poll_seconds"]


class EditRegistryForm(forms.Form):
    enabled = forms.BooleanField(
        label="Poll this registry",
        required=False,
        help_text="Otherwise nothing new is found there, and what was found stays as it is.",
    )
    poll_seconds = _poll_field()
    read_token = _token_field(
        required=False,
        label="New read token",
        help_text=f"Leave empty to keep the one there is. {ABOUT_READING}",
    )
    proof_hosts = forms.CharField(
        label="Other hosts of its second factor",
        required=False,
        max_length=MOST_PROOF_HOSTS * (LONGEST_HOST + 2),
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "autocapitalize": "none",
                "spellcheck": "false",
                "placeholder": "login.example.org",
            }
        ),
        help_text=ABOUT_PROOF_HOSTS,
    )

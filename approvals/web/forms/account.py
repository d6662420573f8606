"""What people enter about themselves: codes, tokens, their profile."""

from django import forms

from approvals.people.accounts import MAX_TOKEN_LENGTH
from approvals.people.models import valid_shown_name
from approvals.web.forms.codes import CodeField

ABOUT_OWN_TOKENS = (
    "Of your own account there, not the one that Countersign reads with. Where to make one: at "
    "npm, under Access Tokens of your account, a granular token with read and write access to your "
    "packages that does not bypass two-factor authentication; at Verdaccio, “npm token create”. It "
    "is encrypted, sent to this registry only, and never shown again."
)


class OwnCodeForm(forms.Form):
    code = CodeField(label="Code of your authenticator app")


class TokenForm(forms.Form):
    token = forms.CharField(
        max_length=MAX_TOKEN_LENGTH,
        # Shown as dots, and left alone by password managers: it is no password of this site.
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=ABOUT_OWN_TOKENS,
    )


class ProfileForm(forms.Form):
    first_name = forms.CharField(
        max_length=150,
        required=False,
        validators=[valid_shown_name],
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        max_length=150,
        required=False,
        validators=[valid_shown_name],
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    wants_email = forms.BooleanField(
        label="Tell me by e-mail",
        required=False,
        help_text="When a version goes live, is rejected or fails.",
    )
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label="Your password",
        max_length=1000,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text="Only to change the e-mail address.",
    )

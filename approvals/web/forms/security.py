"""What people type to set up their second factors, and to show that they are here."""

from django import forms

from approvals.people.enrolment import MAX_NAME_LENGTH
from approvals.web.forms.codes import CodeField, CodeInput, RecoveryCodeField


class FactorNameForm(forms.Form):
    name = forms.CharField(
        max_length=MAX_NAME_LENGTH,
        required=False,
        help_text="Such as the device that it is on.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class FirstCodeForm(forms.Form):
    code = CodeField(
        label="Code that the app shows",
        help_text="Six digits. Used up by this: the next thing you do waits for the next code.",
        widget=CodeInput(**{"data-submits": ""}),
    )


class PresenceCodeForm(forms.Form):
    code = CodeField(
        label="Code of your authenticator app", widget=CodeInput(**{"data-submits": ""})
    )

    @classmethod
    def refused(cls, words: str, auto_id: str) -> "PresenceCodeForm":
        """The field with what is wrong beside it; what was typed is never put back."""
        form = cls({}, auto_id=auto_id, use_required_attribute=False)
        form.errors["code"] = form.error_class([words])
        return form


class RecoveryCodeForm(forms.Form):
    recovery_code = RecoveryCodeField(
        help_text="One of the ten that you kept. Each works once, and you get an e-mail about it."
    )

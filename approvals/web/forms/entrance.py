"""What people enter to get in."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm, ResetPasswordForm
from django import forms
from django.core.exceptions import ValidationError

from approvals.people import limits, sign_in
from approvals.people.adapter import client_address
from approvals.web.forms.codes import CodeField, CodeInput, RecoveryCodeField


class VerifyCodeForm(forms.Form):
    code = CodeField(
        label="Code of your authenticator app",
        widget=CodeInput(**{"data-submits": ""}),
        help_text="Six digits.",
    )


class RecoveryCodeForm(forms.Form):
    recovery_code = RecoveryCodeField(
        help_text="One of the ten that you were given; each is good once."
    )


class NewPasswordForm(ResetPasswordForm):  # type: ignore[misc] # allauth has no annotations
    """allauth's, limited by what was typed: whether anybody has that address is not said."""

    def clean_email(self) -> str:
        email: str = super().clean_email()
        # Not whom allauth wrote to there at some time.
        person = sign_in.person_written_to(email)
        self.users = [person] if person and person.is_active else []
        return email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            limits.take(
                "password_reset",
                person=cleaned.get("email", ""),
                address=client_address(get_adapter().request),
            )
        except limits.TooManyTries as error:
            raise ValidationError(str(error)) from error
        return cleaned


class OtherPasswordForm(ChangePasswordForm):  # type: ignore[misc] # allauth has no annotations
    """allauth's; an open browser is no place to guess the password either."""

    def clean_oldpassword(self) -> str:
        who = {"person": self.user, "address": client_address(get_adapter().request)}
        try:
            limits.take("sign_in", **who)
        except limits.TooManyTries as error:
            raise ValidationError(str(error)) from error
        password: str = super().clean_oldpassword()
        limits.give_back("sign_in", **who)
        return password

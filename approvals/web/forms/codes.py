"""Fields for one-time codes."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from approvals.people import recovery_codes


class CodeInput(forms.TextInput):
    """A code is typed afresh each time: a refused one is never put back into the page."""

    def __init__(self, **attrs: str) -> None:
        super().__init__(
            attrs={
                "class": "code-input",
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "spellcheck": "false",
                **attrs,
            }
        )

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class CodeField(forms.CharField):
    """Six digits off an authenticator app, however they are grouped."""

    widget = CodeInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"label": "Code", "max_length": 12, **kwargs})
        self.error_messages["required"] = "Enter the code that your app shows."


class RecoveryCodeField(forms.CharField):
    """One of the codes that were shown once, however it is grouped."""

    def __init__(self, **kwargs: Any) -> None:
        widget = CodeInput(inputmode="text", autocomplete="off", autocapitalize="none")
        super().__init__(**{"label": "Recovery code", "max_length": 40, "widget": widget, **kwargs})
        self.error_messages["required"] = "Enter one of your recovery codes."

    def validate(self, value: str) -> None:
        super().validate(value)
        if not recovery_codes.looks_like_one(value):
            raise ValidationError(
                "This is no recovery code: those are ten letters and digits, such as 4kb7k-yy9xk."
            )

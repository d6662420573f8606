"""Fields for one-time codes."""

from typing import Any

from django import forms


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

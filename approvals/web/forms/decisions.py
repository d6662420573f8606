"""Confirming a decision."""

from typing import Any

from django import forms

from approvals.decisions.decide import LONGEST_REASON
from approvals.web.forms.codes import CodeField, CodeInput


class ApproveForm(forms.Form):
    # Written by the page itself, anew each time it is shown.
    step_up = forms.UUIDField(widget=forms.HiddenInput)
    code = CodeField(
        label="Your one-time code",
        help_text="The six digits that your authenticator app shows for Countersign now.",
        widget=CodeInput(autofocus="true"),
    )
    registry_code = forms.CharField(
        label="The registry's one-time code",
        help_text=(
            "If your account at the registry uses one-time codes. Leave it empty for a passkey: "
            "the registry will ask for it in a moment."
        ),
        required=False,
        max_length=80,
        widget=CodeInput(autocomplete="off"),
    )


class RejectForm(ApproveForm):
    reason = forms.CharField(
        label="Reason",
        help_text="Everyone who is told of the rejection reads this. It stays in the audit log.",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    field_order = ("step_up", "reason", "code", "registry_code")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.pop("autofocus", None)

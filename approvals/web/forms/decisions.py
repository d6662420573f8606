"""Confirming a decision."""

from typing import Any

from django import forms

from approvals.decisions.deciding.decide import LONGEST_REASON
from approvals.people.models import RegistryAccount, SecondFactor
from approvals.web.forms.codes import CodeField, CodeInput

ASKED_FOR = {
    SecondFactor.CODE: (
        "What the authenticator of your account there shows, not Countersign's. Left empty, the "
        "registry asks for it in a moment."
    ),
    SecondFactor.UNKNOWN: (
        "Only if your account there uses one-time codes: what its own authenticator shows, not "
        "Countersign's. Left empty, the registry asks for what it wants in a moment."
    ),
}


class ApproveForm(forms.Form):
    # A passkey stands for the code, so that the browser must not insist on it.
    use_required_attribute = False

    # What the page said would be decided, as a hash; what is decided must be the same.
    seen = forms.RegexField(r"\A[0-9a-f]{64}\Z", widget=forms.HiddenInput)
    intent = forms.UUIDField(required=False, widget=forms.HiddenInput)
    assertion = forms.CharField(required=False, max_length=16_384, widget=forms.HiddenInput)
    registry_code = forms.CharField(
        label="The registry's one-time code",
        required=False,
        max_length=80,
        widget=CodeInput(autocomplete="off"),
    )
    code = CodeField(
        label="Your one-time code",
        help_text="The six digits that your authenticator app shows for Countersign now.",
        error_messages={"required": "Enter the code that your app shows, or use your passkey."},
        # Not focused: the browser would scroll past what the page says.
        widget=CodeInput(**{"data-submits": ""}),
    )

    def __init__(
        self,
        *args: Any,
        account: RegistryAccount | None = None,
        proved: bool = True,
        overrides: bool = False,
        is_last: bool = True,
        **kwargs: Any,
    ) -> None:
        """`proved` unless it is only about what will be decided, before the proof is made;
        `overrides` where something goes out in spite of the policy; `is_last` unless others have
        to approve, too, so that nothing is sent to the registry yet.
        """
        super().__init__(*args, **kwargs)
        if overrides:
            self.fields["reason"] = forms.CharField(
                label="Why it may go out in spite of that",
                help_text="It is shown with the version for ever, and stays in the audit log.",
                max_length=LONGEST_REASON,
                error_messages={"required": "Say why: everyone who reads the version will see it."},
                widget=forms.Textarea(attrs={"rows": 4}),
            )
            self.order_fields(RejectForm.field_order)
        if not proved or self.data.get("assertion"):
            self.fields["code"].required = False
        wanted = account.second_factor if account else SecondFactor.UNKNOWN
        if is_last and wanted in ASKED_FOR:
            field = self.fields["registry_code"]
            field.help_text = ASKED_FOR[SecondFactor(wanted)]
            self.fields["code"].widget.attrs["data-submits-with"] = "#id_registry_code"
        else:
            del self.fields["registry_code"]


class RejectForm(ApproveForm):
    reason = forms.CharField(
        label="Reason",
        help_text="Everyone who is told of the rejection reads this. It stays in the audit log.",
        max_length=LONGEST_REASON,
        error_messages={"required": "Say why: whoever staged it will want to know."},
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    field_order = ("seen", "intent", "assertion", "reason", "registry_code", "code")

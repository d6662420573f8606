"""Why something goes out at a time when nothing may."""

from django import forms

from approvals.decisions.models.votes import LONGEST_REASON


class GlassForm(forms.Form):
    reason = forms.CharField(
        label="Why it cannot wait",
        help_text="Everyone is told of it and reads this. It stays with the version for ever.",
        max_length=LONGEST_REASON,
        error_messages={"required": "Say why it cannot wait: the second person decides by it."},
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class SecondForm(forms.Form):
    # What the page showed: somebody may have asked anew, for another reason.
    reason = forms.CharField(max_length=LONGEST_REASON, widget=forms.HiddenInput)

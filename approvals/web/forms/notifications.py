"""Adding and changing webhooks, and narrowing the list of deliveries."""

from django import forms

from approvals.notifications.models import Delivery
from approvals.notifications.webhook_address import URL_LIMIT, WebhookRefused, checked_url
from approvals.notifications.webhooks import NAME_LIMIT


class WebhookForm(forms.Form):
    name = forms.CharField(max_length=NAME_LIMIT, help_text="How pages and the log call it.")
    # Not a URLField, which refuses the one-word host names of private networks.
    url = forms.CharField(
        label="Address",
        max_length=URL_LIMIT,
        widget=forms.TextInput(
            attrs={
                "inputmode": "url",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "https://chat.example.org/hooks/42",
            }
        ),
        help_text="Gets a POST for each piece of news. Only administrators see more than its host.",
    )

    def clean_url(self) -> str:
        try:
            return checked_url(self.cleaned_data["url"])
        except WebhookRefused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


class EditWebhookForm(WebhookForm):
    enabled = forms.BooleanField(
        label="Send to this webhook",
        required=False,
        help_text="Switching it off also gives up what still waits for it.",
    )


class DeliveryFilter(forms.Form):
    state = forms.ChoiceField(
        required=False,
        choices=[("", "All"), *((state.value, state.label) for state in Delivery.State)],
    )

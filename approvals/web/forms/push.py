"""What a browser hands over that wants to be told."""

from django import forms

from approvals.notifications.push_address import SUBSCRIPTION_LIMIT


class BrowserForm(forms.Form):
    subscription = forms.CharField(max_length=SUBSCRIPTION_LIMIT)

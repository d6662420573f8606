"""Which of the changed files are shown."""

from django import forms

from approvals.inspection.models import FileChange


class FileFilter(forms.Form):
    """Every field may stay empty."""

    path = forms.CharField(required=False, max_length=1000)
    status = forms.ChoiceField(required=False, choices=[("", ""), *FileChange.Status.choices])
    # A folder, with its slash at the end. Paths may begin and end with blanks.
    under = forms.CharField(required=False, max_length=4000, strip=False, widget=forms.HiddenInput)

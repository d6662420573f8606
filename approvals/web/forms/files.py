"""Which of the changed files are shown."""

from django import forms

from approvals.inspection.models import FileChange
from approvals.web.filetree import VENDORED


class FileFilter(forms.Form):
    """Every field may stay empty."""

    path = forms.CharField(required=False, max_length=1000)
    status = forms.ChoiceField(
        required=False, choices=[("", "All changes"), *FileChange.Status.choices]
    )
    kind = forms.ChoiceField(
        required=False,
        choices=[("", "All kinds"), *FileChange.Kind.choices, (VENDORED, "Vendored")],
    )
    # Whether the files that are the same on both sides are listed, too.
    unchanged = forms.BooleanField(required=False)
    # A folder, with its slash at the end. Paths may begin and end with blanks.
    under = forms.CharField(required=False, max_length=4000, strip=False, widget=forms.HiddenInput)

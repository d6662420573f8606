"""Handing in a bundle, and saying where a package must be built."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from registry_client.provenance import MAX_BUNDLE

_PLAIN = {"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}


class HandInForm(forms.Form):
    bundle = forms.FileField(
        label="Sigstore bundle",
        max_length=255,
        widget=forms.FileInput(
            attrs={
                "accept": ".json,.sigstore,application/json",
                "aria-describedby": "hand-in-help",
            }
        ),
        error_messages={
            "required": "Choose a file with a Sigstore bundle first.",
            "empty": "That file is empty. Choose one with a Sigstore bundle.",
        },
    )

    def clean_bundle(self) -> "UploadedFile[Any]":
        bundle: UploadedFile[Any] = self.cleaned_data["bundle"]
        if bundle.size is None or bundle.size > MAX_BUNDLE:
            raise forms.ValidationError(
                f"That file is larger than {MAX_BUNDLE // 1024} kB: it cannot be a bundle."
            )
        return bundle


class PublisherForm(forms.Form):
    repository = forms.CharField(
        max_length=500,
        widget=forms.TextInput(
            attrs={**_PLAIN, "inputmode": "url", "placeholder": "https://github.com/acme/lib"}
        ),
        error_messages={"required": "Write the repository's address."},
        help_text="Its address. Pin a proven release instead, and the numbers of repository and "
        "owner are held, too: an address alone can be taken over by somebody else.",
    )
    workflow = forms.CharField(
        label="Workflow file",
        max_length=300,
        required=False,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": ".github/workflows/release.yml"}),
        help_text="Its path in the repository. Empty: any workflow.",
    )
    ref_pattern = forms.CharField(
        label="Branch or tag",
        max_length=300,
        required=False,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "refs/heads/main"}),
        help_text="refs/heads/main, or with * for anything: refs/tags/v*. Empty: any.",
    )
    environment = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="The deployment environment that the workflow runs in. Empty: any, or none.",
    )

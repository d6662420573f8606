"""What a list of staged versions is narrowed to."""

import contextlib
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q

from approvals.decisions.judging.policy_states import waiting_for
from approvals.people.models import User
from approvals.queue.models import Package, StagedVersionQuerySet, State
from approvals.rota.standing import assigned_to
from approvals.web.patterns import like_of


class VersionFilter(forms.Form):
    """What a list is narrowed to; every field may stay empty."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=214,
        strip=True,
        widget=forms.SearchInput(attrs={"placeholder": "Package, version, tag, who staged it"}),
    )
    package = forms.CharField(
        label="Package name",
        required=False,
        max_length=214,
        widget=forms.TextInput(
            attrs={"placeholder": "@scope/*", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    registry = forms.ChoiceField(label="Registry", required=False)
    state = forms.ChoiceField(label="State", required=False)
    whom = forms.ChoiceField(
        label="Waiting for",
        required=False,
        choices=[("", "Anybody"), ("me", "Me"), ("assigned", "Me: I am asked to look")],
    )

    def __init__(
        self, data: Any, *, states: list[State], registries: list[str], user: User | None = None
    ) -> None:
        """With `user`, also to what waits for this person."""
        super().__init__(data)
        self._user = user
        if user is None:
            del self.fields["whom"]
        self.fields["registry"] = forms.ChoiceField(
            label="Registry",
            required=False,
            choices=[("", "All registries"), *((name, name) for name in registries)],
        )
        self.fields["state"] = forms.ChoiceField(
            label="State",
            required=False,
            choices=[("", "All states"), *((state.value, state.label) for state in states)],
        )

    @property
    def is_narrowing(self) -> bool:
        return any(self.data.get(name, "").strip() for name in self.fields)

    def narrow(self, rows: StagedVersionQuerySet) -> StagedVersionQuerySet:
        """The rows that match; none at all where a field makes no sense."""
        if not self.is_valid():
            return rows.none()
        wanted = self.cleaned_data
        if wanted["registry"]:
            rows = rows.filter(registry__name=wanted["registry"])
        if wanted["state"]:
            rows = rows.filter(state=wanted["state"])
        if wanted["package"]:
            # Packages are far fewer than versions, so the pattern is tried on them.
            rows = rows.filter(
                package__in=Package.objects.filter(name__like=like_of(wanted["package"]))
            )
        if self._user is not None and wanted["whom"] == "me":
            rows = rows.filter(waiting_for(self._user))
        if self._user is not None and wanted["whom"] == "assigned":
            rows = rows.filter(assigned_to(self._user))
        if wanted["q"]:
            rows = rows.filter(_matching(wanted["q"]))
        return rows


def _matching(words: str) -> Q:
    found = Q()
    for word in words.split()[:8]:
        name, _, version = word[1:].partition("@")
        part = (
            Q(package__name__icontains=word)
            | Q(version__icontains=word)
            | Q(tag__icontains=word)
            | Q(actor__icontains=word)
        )
        if version:
            part |= Q(package__name__iexact=word[0] + name, version__istartswith=version)
        with contextlib.suppress(ValueError):
            part |= Q(stage_id=UUID(word))
        found &= part
    return found

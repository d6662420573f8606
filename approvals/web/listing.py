"""Lists of staged versions: filters, search, pages. A constant number of queries at any length."""

import contextlib
import hashlib
import re
from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from approvals.queue.models import Package, Registry, StagedVersion, StagedVersionQuerySet, State

PER_PAGE = 50


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

    def __init__(self, data: Any, *, states: list[State], registries: list[str]) -> None:
        super().__init__(data)
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
                package__in=Package.objects.filter(name__regex=glob_as_regex(wanted["package"]))
            )
        if wanted["q"]:
            rows = rows.filter(_matching(wanted["q"]))
        return rows


def glob_as_regex(glob: str) -> str:
    """`*` stands for any characters and `?` for one; all else for itself.

    The regular expression means the same to Python (which SQLite uses) and to PostgreSQL.
    """
    parts = ("[^\n]*" if c == "*" else "[^\n]" if c == "?" else re.escape(c) for c in glob)
    # A hundred asterisks in a row would make the matcher try every way to share out a name.
    return "^" + re.sub(r"(\[\^\n\]\*)+", "[^\n]*", "".join(parts)) + "$"


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


def page_of(rows: StagedVersionQuerySet, number: str | None) -> Page[Any]:
    """One page, with everything a row of the list shows.

    The page is chosen by keys alone, which an index can do; only its rows are read whole.
    """
    page: Page[Any] = Paginator(rows.values_list("pk", flat=True), PER_PAGE).get_page(number)
    keys = list(page.object_list)
    found = (
        StagedVersion.objects.with_package()
        .select_related("inspection_request__inspection")
        .defer(
            "extra",
            "registry__sealed_read_token",
            "inspection_request__maintainers",
            # A summary holds manifests and a README: far too much to read for fifty rows.
            "inspection_request__inspection__summary",
        )
        .in_bulk(keys)
    )
    page.object_list = [found[key] for key in keys if key in found]
    return page


def registry_names() -> dict[str, str]:
    """The name of each registry, by its address."""
    return dict(Registry.objects.values_list("url", "name"))


def render_list(
    request: HttpRequest, page_template: str, list_template: str, context: dict[str, Any]
) -> HttpResponse:
    """The whole page; or for its own polling only the list, or 204 where nothing changed."""
    content = render_to_string(list_template, context, request)
    part = {"content": content, "seen": hashlib.sha256(content.encode()).hexdigest()[:16]}
    polled = "HX-Request" in request.headers and request.GET.get("part") == "list"
    if polled and request.GET.get("seen") == part["seen"]:
        return HttpResponse(status=204)
    if polled:
        response = render(request, "components/live_content.html", part)
    else:
        response = render(request, page_template, {**context, "live": part})
    response["Cache-Control"] = "no-store"
    return response

"""How long versions wait: figures, charts, and the same as CSV."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from approvals.queue.models import Registry
from approvals.rota.charts import bars_of, columns_of, in_words
from approvals.rota.exporting import rows_as_csv, versions_as_csv
from approvals.rota.measures import (
    MOST_DAYS,
    Figures,
    Measure,
    MeasuresRefused,
    Range,
    Row,
    Waited,
    figures_of,
    waits_of,
)
from approvals.web.forms.measures import WORDS, MeasuresForm
from approvals.web.views.guards import SignedInRequest

EXPORTS = ("versions", "packages", "teams")
# In a table of the page; the export has all of them.
MOST_ROWS = 100


@require_GET
def measures(request: SignedInRequest) -> HttpResponse:
    form = _form(request)
    context: dict[str, Any] = {"form": form, "most_days": MOST_DAYS}
    if form.is_valid():
        try:
            waits = waits_of(request.user, form.cleaned_data["wanted"])
            context |= _shown(waits, form.cleaned_data["wanted"], form.measure_shown)
        except MeasuresRefused as refusal:
            form.add_error(None, str(refusal))
    return render(request, "web/measures/measures.html", context)


@require_GET
def measures_export(request: SignedInRequest) -> HttpResponse:
    """The same figures for a spreadsheet; `what` is one of EXPORTS."""
    form, what = _form(request), request.GET.get("what", EXPORTS[0])
    if what not in EXPORTS:
        form.errors  # noqa: B018 - has the form look at what it was sent
        form.add_error(None, f"Choose what to export: {', '.join(EXPORTS)}.")
    if form.is_valid():
        try:
            wanted: Range = form.cleaned_data["wanted"]
            return _csv(what, wanted, waits_of(request.user, wanted))
        except MeasuresRefused as refusal:
            form.add_error(None, str(refusal))
    context = {"form": form, "most_days": MOST_DAYS}
    return render(request, "web/measures/measures.html", context, status=400)


def _csv(what: str, wanted: Range, waits: list[Waited]) -> HttpResponse:
    if what == "versions":
        text = versions_as_csv(waits)
    else:
        figures = figures_of(waits, wanted)
        text = (
            rows_as_csv("package", figures.packages)
            if what == "packages"
            else rows_as_csv("team", figures.teams)
        )
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"waits-{what}-{wanted.since:%Y-%m-%d}-{wanted.until:%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _shown(waits: list[Waited], wanted: Range, measure: Measure) -> dict[str, Any]:
    figures: Figures = figures_of(waits, wanted)
    return {
        "wanted": wanted,
        "measure": measure,
        "measure_words": WORDS[measure],
        "tabs": [(one.value, words, one is measure) for one, words in WORDS.items()],
        "total": figures.total,
        "total_cells": _cells(figures.total),
        "days_each": figures.days_each,
        "over_time": columns_of(figures.over_time, measure, figures.days_each),
        "groups": [
            {
                "key": key,
                "title": title,
                "what": what,
                "rows": [(row, _cells(row)) for row in rows[:MOST_ROWS]],
                "others": len(rows[MOST_ROWS:]),
                "chart": bars_of(rows, measure),
            }
            for key, title, what, rows in (
                ("packages", "Per package", "Package", figures.packages),
                ("teams", "Per team", "Team", figures.teams),
            )
        ],
    }


def _cells(row: Row) -> list[dict[str, Any]]:
    """What the tables say of each wait."""
    cells = []
    for measure, words in WORDS.items():
        spread = row.spread(measure)
        cells.append(
            {
                "words": words,
                "count": spread.count if spread else 0,
                "median": in_words(spread.median) if spread else "",
                "tail": in_words(spread.tail) if spread else "",
            }
        )
    return cells


def _form(request: SignedInRequest) -> MeasuresForm:
    registries = Registry.objects.visible_to(request.user).order_by("name")
    return MeasuresForm(request.GET, registries=dict(registries.values_list("url", "name")))

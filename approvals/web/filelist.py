"""The list of a comparison's files: a tree, or what a filter finds of it."""

from collections.abc import Iterable
from operator import attrgetter, itemgetter
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator

from approvals.inspection.compare import ENGINE
from approvals.inspection.engine import engine_number
from approvals.web import filetree
from approvals.web.filetree import Folder
from approvals.web.forms.files import FileFilter
from approvals.web.reading import Reading
from approvals.web.views.guards import SignedInRequest

# Up to so many changed files stand in the tree at once; more are loaded folder by folder.
FILES_AT_ONCE = 150
FILES_PER_PAGE = 100
FOLDERS_AT_ONCE = 500


def files_of(request: SignedInRequest, reading: Reading) -> dict[str, Any]:
    """What the list of files shows: a tree, or pages of what a filter found."""
    inspection = reading.inspection
    form = FileFilter(request.GET)
    makes_sense = form.is_valid()
    wanted: dict[str, Any] = {"path": "", "status": "", "kind": "", "unchanged": False, "under": ""}
    wanted |= form.cleaned_data
    under = wanted["under"]
    changes = filetree.changes_under(inspection.pk, request.user, under)
    narrowing = {name: wanted[name] for name in ("path", "status", "kind")}
    is_tree = makes_sense and not any(narrowing.values())
    all_at_once = (
        is_tree and not wanted["unchanged"] and filetree.fits_at_once(changes, under, FILES_AT_ONCE)
    )
    folders: list[Folder] = []
    found: Any
    if not makes_sense:
        found = []
    elif not is_tree:
        found = filetree.listed(filetree.narrowed(changes, **narrowing))
        if wanted["unchanged"] and not wanted["status"]:
            same = filetree.unchanged_rows(inspection.pk, under)
            same = filetree.holding(same, path=wanted["path"], kind=wanted["kind"])
            found = sorted([*found, *same], key=itemgetter("path"))
    elif wanted["unchanged"] or all_at_once:
        rows = [*filetree.listed(changes)]
        if wanted["unchanged"]:
            rows += filetree.unchanged_rows(inspection.pk, under)
        tree = filetree.tree_of(rows, under)
        folders = sorted(tree.folders.values(), key=attrgetter("path"))
        found = sorted(tree.files, key=itemgetter("path"))
    else:
        folders = filetree.folders_in(changes, under, FOLDERS_AT_ONCE + 1)
        found = filetree.directly_in(changes, under)
    page = Paginator(found, FILES_PER_PAGE).get_page(request.GET.get("page"))
    rest = {"page": page.next_page_number()} if page.has_next() else {}
    return {
        "next_query": urlencode(rest | {name: wanted[name] or "" for name in wanted}),
        "form": form,
        "wanted": wanted,
        "under": under,
        "total": inspection.files_changed,
        "is_tree": is_tree,
        "all_at_once": all_at_once,
        "most_folders": FOLDERS_AT_ONCE if len(folders) > FOLDERS_AT_ONCE else None,
        "page": page,
        "entries": filetree.in_order(
            _folders_of(page, folders[:FOLDERS_AT_ONCE]), _named(page, under)
        ),
        "knows_kinds": engine_number(inspection.engine_version) == ENGINE,
    }


def _folders_of(page: Page[dict[str, Any]], folders: list[Folder]) -> list[Folder]:
    """The folders whose place is among the files of this page, in the order of paths."""
    files = page.paginator.object_list
    first = files[page.start_index() - 2]["path"] if page.has_previous() else ""
    if not page.has_next():
        return [folder for folder in folders if folder.path > first]
    last = files[page.end_index() - 1]["path"]
    return [folder for folder in folders if first < folder.path <= last]


def _named(rows: Iterable[dict[str, Any]], under: str) -> list[dict[str, Any]]:
    named = list(rows)
    for row in named:
        row.setdefault("name", row["path"].removeprefix(under))
    return named

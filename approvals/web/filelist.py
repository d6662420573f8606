"""The list of a comparison's files: a tree, or what a filter finds of it."""

from typing import Any

from django.core.paginator import Paginator

from approvals.web import filetree
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
    files: dict[str, Any] = {
        "form": form,
        "wanted": wanted,
        "total": inspection.files_changed,
        "under": under,
    }
    narrowing = {name: wanted[name] for name in ("path", "status", "kind")}
    found: Any
    if any(narrowing.values()) or not makes_sense:
        found = filetree.listed(filetree.narrowed(changes, **narrowing))
        if not makes_sense:
            found = found.none()
        elif wanted["unchanged"] and not wanted["status"]:
            same = filetree.unchanged_rows(inspection.pk, under)
            same = filetree.holding(same, path=wanted["path"], kind=wanted["kind"])
            found = [*found, *same]
    elif wanted["unchanged"]:
        rows = [*filetree.listed(changes), *filetree.unchanged_rows(inspection.pk, under)]
        tree = filetree.tree_of(rows, under)
        files |= {"is_tree": True, "folders": list(tree.folders.values())}
        found = tree.files
    elif filetree.fits_at_once(changes, under, FILES_AT_ONCE):
        tree = filetree.tree_of(filetree.listed(changes), under)
        files |= {"is_tree": True, "all_at_once": True, "folders": list(tree.folders.values())}
        found = tree.files
    else:
        folders = filetree.folders_in(changes, under, FOLDERS_AT_ONCE + 1)
        files |= {
            "is_tree": True,
            "folders": folders[:FOLDERS_AT_ONCE],
            "most_folders": FOLDERS_AT_ONCE if len(folders) > FOLDERS_AT_ONCE else None,
        }
        found = filetree.directly_in(changes, under)
    page = Paginator(found, FILES_PER_PAGE).get_page(request.GET.get("page"))
    first = page.number == 1 and files.get("is_tree")
    files["page"] = page
    files["entries"] = filetree.in_order(files["folders"] if first else [], _named(page, under))
    return files


def _named(rows: Any, under: str) -> list[dict[str, Any]]:
    named: list[dict[str, Any]] = list(rows)
    for row in named:
        row.setdefault("name", row["path"].removeprefix(under))
    return named

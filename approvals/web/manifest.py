"""package.json's facts before and after, grouped for the review page."""

import json
from dataclasses import dataclass, field
from typing import Any

# Shown also where they did not change; everything else only as a change.
FACTS = (
    "description",
    "author",
    "license",
    "repository",
    "homepage",
    "bugs",
    "engines",
    "type",
    "main",
    "module",
    "types",
    "exports",
    "bin",
    "scripts",
    "dependencies",
    "peerDependencies",
    "optionalDependencies",
    "bundleDependencies",
    "devDependencies",
    "publishConfig",
    "files",
    "os",
    "cpu",
    "keywords",
)
BY_KEY = frozenset(
    {
        "engines",
        "bin",
        "scripts",
        "dependencies",
        "peerDependencies",
        "optionalDependencies",
        "devDependencies",
        "publishConfig",
    }
)
MOST_ENTRIES = 200
LONGEST_VALUE = 2_000


@dataclass(frozen=True)
class Entry:
    """One fact; a side that has none is None."""

    key: str
    old: str | None
    new: str | None
    changed: bool

    @property
    def how(self) -> str:
        if not self.changed:
            return "unchanged"
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


@dataclass
class Group:
    """The facts of one field; `left_out` counts those beyond what a page should hold."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    left_out: int = 0

    def add(self, entry: Entry) -> None:
        if len(self.entries) < MOST_ENTRIES:
            self.entries.append(entry)
        else:
            self.left_out += 1


def changed_facts(summary: dict[str, Any]) -> list[Group]:
    """What differs, field by field, in the order in which the comparison found it."""
    groups: dict[str, Group] = {}
    for change in summary.get("manifest_changes") or []:
        name = str(change.get("field", ""))
        group = groups.setdefault(name, Group(name))
        group.add(
            Entry(
                key=str(change.get("key") or ""),
                old=_short(change.get("old")),
                new=_short(change.get("new")),
                changed=True,
            )
        )
    return list(groups.values())


def unchanged_facts(summary: dict[str, Any]) -> list[Group]:
    """The rest of what a reviewer wants to know of the staged package.json."""
    manifest = summary.get("manifest_new") or {}
    changed = {
        (change.get("field"), change.get("key") or "")
        for change in summary.get("manifest_changes") or []
    }
    groups = []
    for name in FACTS:
        value = manifest.get(name)
        if value in (None, "", [], {}):
            continue
        group = Group(name)
        if name in BY_KEY and isinstance(value, dict):
            facts = {str(key): part for key, part in value.items()}
        else:
            facts = {"": value}
        for key, part in facts.items():
            if (name, key) not in changed:
                text = _short(_as_text(part))
                group.add(Entry(key, text, text, changed=False))
        if group.entries:
            groups.append(group)
    return groups


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("url"), str) and len(value) <= 3:  # noqa: PLR2004 - type, url, directory
        folder = value.get("directory")
        return f"{value['url']} (folder {folder})" if folder else value["url"]
    return json.dumps(value, ensure_ascii=False)


def _short(text: Any) -> str | None:
    if text is None:
        return None
    words = str(text)
    if len(words) <= LONGEST_VALUE:
        return words
    return f"{words[:LONGEST_VALUE]} … {len(words) - LONGEST_VALUE:,} more characters"

"""Staged versions as a registry describes them, and a complete list of them."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from registry_client.addresses import check_package_name, check_stage_id
from registry_client.errors import IncompleteListing, NotARegistry, clean_words
from registry_client.versions import parse_version

PER_PAGE = 100
MAX_PAGES = 500
PASSES = 3
MAX_TEXT = 256
MAX_EXTRA_VALUES = 1000
MAX_EXTRA_DEPTH = 10
MAX_EXTRA_TEXT = 4096
# No registry staged anything before or after. Nearer the ends of what a datetime can hold, a time
# cannot even be shown in every time zone.
YEARS = range(2000, 2200)

_KNOWN = {
    "id",
    "packageName",
    "version",
    "tag",
    "createdAt",
    "actor",
    "actorType",
    "access",
    "shasum",
}


@dataclass(frozen=True)
class StagedItem:
    """One staged version.

    `id` is a UUID in lower case, `created_at` is aware and in UTC, `shasum` the tarball's SHA-1 in
    lower-case hex. `extra` holds what else the registry said, cleaned of what cannot be stored.
    """

    id: str
    package_name: str
    version: str
    tag: str
    created_at: datetime
    actor: str
    actor_type: str
    access: str
    shasum: str
    extra: dict[str, Any]

    @classmethod
    def from_json(cls, obj: object) -> Self:
        """The item, with everything checked; NotARegistry says which field is unusable."""
        if not isinstance(obj, dict):
            raise _unusable("description")
        shasum = _text(obj, "shasum").lower()
        if not re.fullmatch(r"[0-9a-f]{40}", shasum):
            raise _unusable("shasum")
        version = _text(obj, "version")
        if parse_version(version) is None:
            raise _unusable("version")
        try:
            stage_id = check_stage_id(_text(obj, "id"))
            name = check_package_name(_text(obj, "packageName"))
        except ValueError as exc:
            raise NotARegistry(f"The registry describes a staged version unusably. {exc}") from None
        return cls(
            id=stage_id,
            package_name=name,
            version=version,
            tag=_text(obj, "tag"),
            created_at=_time(_text(obj, "createdAt")),
            actor=_shown(obj, "actor"),
            actor_type=_shown(obj, "actorType"),
            access=_shown(obj, "access"),
            shasum=shasum,
            extra=_extra({k: v for k, v in obj.items() if k not in _KNOWN}),
        )


def _unusable(field: str) -> NotARegistry:
    return NotARegistry(f"The registry describes a staged version without a usable {field}.")


def _text(obj: dict[str, Any], field: str) -> str:
    """A field that means something to a machine, so it is taken as it is or not at all."""
    value = obj.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise _unusable(field)
    if not value.isprintable() or value != value.strip():
        raise _unusable(field)
    return value


def _shown(obj: dict[str, Any], field: str) -> str:
    """A field that is only shown; "" if it is missing."""
    value = obj.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unusable(field)
    return clean_words(value, MAX_TEXT)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        # Without an offset it is UTC, as the protocol says all of them are.
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _unusable("createdAt") from None
    if moment.year not in YEARS:
        raise _unusable("createdAt")
    return moment


def _extra(values: dict[str, Any]) -> dict[str, Any]:
    """Unknown values with text cleaned; NotARegistry where they are too many or too deep."""
    if not values:
        return {}
    left = MAX_EXTRA_VALUES

    def clean(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > MAX_EXTRA_DEPTH:
            raise _unusable("set of other fields")
        match value:
            case str():
                return clean_words(value, MAX_EXTRA_TEXT)
            case dict():
                return {clean_words(k, MAX_TEXT): clean(v, depth + 1) for k, v in value.items()}
            case list():
                return [clean(v, depth + 1) for v in value]
            # 1e999 is JSON, but infinity cannot be stored as JSON again.
            case float() if not math.isfinite(value):
                return None
        return value

    return {clean_words(k, MAX_TEXT): clean(v, 1) for k, v in values.items()}


@dataclass
class _Pass:
    """One reading of all pages: the items by id, how many came, and each page's `total`."""

    items: dict[str, StagedItem]
    received: int
    totals: list[int]

    @property
    def is_exact(self) -> bool:
        """Nothing moved: every page named the same total, and just as many different ids came."""
        return len(set(self.totals)) == 1 and len(self.items) == self.received == self.totals[-1]

    @property
    def misses_nothing(self) -> bool:
        """All that was listed when the pass began was seen, whatever was added meanwhile.

        The list is newest first. What is added pushes the rest to later places, where it is seen
        twice. Only removals pull entries to places that were read already; then between two pages
        fewer were added than removed, and the total shrinks.
        """
        return (
            self.totals == sorted(self.totals)
            and self.received >= self.totals[-1]
            and len(self.items) >= self.totals[0]
        )


def read_all(fetch: Callable[[int, int], object]) -> list[StagedItem]:
    """All staged versions from `fetch(page, per_page)`, which returns one page's JSON.

    The list is read again when it shifts underneath. Raises IncompleteListing if it does not come
    to rest or names more versions than it shows, and NotARegistry if a page is unusable.
    """
    for _ in range(PASSES):
        one = _read_pages(fetch)
        if one.is_exact:
            return list(one.items.values())
    if one.misses_nothing:
        return list(one.items.values())
    raise IncompleteListing(
        f"The registry's list of staged versions is incomplete: it names {one.totals[-1]} and "
        f"showed {len(one.items)}. It will be read again."
    )


def _read_pages(fetch: Callable[[int, int], object]) -> _Pass:
    one = _Pass({}, 0, [])
    for page in range(MAX_PAGES):
        items, total = _page(fetch(page, PER_PAGE))
        one.totals.append(total)
        one.received += len(items)
        one.items.update((item.id, item) for item in items)
        if not items or one.received >= total:
            break
    return one


def _page(document: object) -> tuple[list[StagedItem], int]:
    items = document.get("items") if isinstance(document, dict) else None
    total = document.get("total") if isinstance(document, dict) else None
    if not isinstance(items, list) or type(total) is not int or total < 0:
        raise NotARegistry(
            "The registry's list of staged versions is unusable. Does it offer staged publishing?"
        )
    return [StagedItem.from_json(item) for item in items], total

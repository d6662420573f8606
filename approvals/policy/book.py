"""Which policy holds for which package: the first that covers it, in the order people gave them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from approvals.audit.models import AuditEvent
from approvals.audit.record import is_written_here
from approvals.people.scopes import EVERYTHING, matches
from approvals.policy.models import PolicyRevision
from approvals.policy.requirement import Requirement
from approvals.policy.requirements import kinds
from approvals.sealing import SealBroken, seal, unseal

CHANGED = "policies.changed"
"""The audit event that each revision is made with."""
BROKEN = (
    "The policies in the database are not what anybody has set on the Policies page, so that "
    "nothing is approved. Have an administrator look at the audit log, and at who can write to the "
    "database; then set the policies again."
)


@dataclass(frozen=True)
class Policy:
    """What must hold for the packages of a pattern, at one registry (by address) or at all ("").

    `requirements` are the settings of each configured requirement, by its key. `key` stays the same
    through all revisions.
    """

    key: str
    name: str
    registry_url: str
    packages: str
    requirements: dict[str, dict[str, Any]] = field(default_factory=dict)

    def covers(self, registry_url: str, package: str) -> bool:
        return self.registry_url in ("", registry_url) and matches(self.packages, package)

    @property
    def is_default(self) -> bool:
        """The one that holds where no other does; there is always exactly one, the last."""
        return self.key == DEFAULT.key

    @cached_property
    def mark(self) -> str:
        """Tells what it demands from what any other demands: 64 hexadecimal digits."""
        content = json.dumps([kinds_in_force(), self.requirements], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @cached_property
    def in_force(self) -> tuple[Requirement, ...]:
        """What it demands, and what is demanded everywhere."""
        return tuple(
            kind(self.requirements.get(key))
            for key, kind in kinds().items()
            if kind.is_always_in_force or key in self.requirements
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "name": self.name,
            "registry_url": self.registry_url,
            "packages": self.packages,
            "requirements": self.requirements,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Policy:
        # Of a requirement that a later Countersign had, this one knows nothing.
        known = {key: one for key, one in row["requirements"].items() if key in kinds()}
        return cls(row["key"], row["name"], row["registry_url"], row["packages"], known)


# What holds before anybody has written a policy: one approval by anyone who may decide.
DEFAULT = Policy(
    key="default",
    name="Default",
    registry_url="",
    packages=EVERYTHING,
    requirements={
        "approvals": {
            "wanted": [{"number": 1, "of": ["anyone"]}],
            "counts_for": "each",
            "void_on": ["finding", "baseline", "policy"],
        }
    },
)


@dataclass(frozen=True)
class Book:
    """All policies of one revision, in the order in which they are tried; the default is last.

    `number` is 0 before the first. `broken` says why they cannot be relied on, "" where they can.
    """

    number: int = 0
    policies: tuple[Policy, ...] = (DEFAULT,)
    broken: str = ""

    def policy_for(self, registry_url: str, package: str) -> Policy:
        covering = (one for one in self.policies if one.covers(registry_url, package))
        return next(covering, self.policies[-1])


def current_book() -> Book:
    """The policies as they hold now, in two queries."""
    newest = PolicyRevision.objects.order_by("-number").first()
    told = AuditEvent.objects.filter(kind=CHANGED).order_by("-sequence").first()
    book = book_of(newest) if newest else Book()
    # Whoever takes the newest away brings an older one back; the log still knows of it.
    if book.number != (told.detail.get("number") if told else 0):
        return Book(book.number, book.policies, BROKEN)
    # It would know of nothing if one could be written there by hand, too.
    if told is not None and not is_written_here(told):
        return Book(book.number, book.policies, BROKEN)
    return book


def book_of(revision: PolicyRevision) -> Book:
    """The policies of one revision."""
    try:
        policies = tuple(Policy.from_json(row) for row in revision.policies)
        genuine = unseal(revision.sealed, bound_to=_binding(revision.number)) == _content(revision)
    except (SealBroken, KeyError, TypeError, AttributeError):
        return Book(revision.number, broken=BROKEN)
    if not genuine or not policies or not policies[-1].is_default:
        return Book(revision.number, broken=BROKEN)
    return Book(revision.number, policies)


def seal_revision(revision: PolicyRevision) -> None:
    """Makes a new revision one that is relied on."""
    revision.sealed = seal(_content(revision), bound_to=_binding(revision.number))


def kinds_in_force() -> list[str]:
    """The requirements that hold everywhere."""
    return [key for key, kind in kinds().items() if kind.is_always_in_force]


def _binding(number: int) -> str:
    return f"policies {number}"


def _content(revision: PolicyRevision) -> str:
    return json.dumps([revision.number, revision.policies], sort_keys=True)

"""What the pages of policies show of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from approvals.people.models import User
from approvals.people.permissions import may_see_everything
from approvals.people.scopes import EVERYTHING
from approvals.policy.book import Book, Policy, book_of
from approvals.policy.describe import PolicyChange, changes_between, configured, hidden_by
from approvals.policy.models import PolicyRevision
from approvals.policy.requirement import Requirement
from approvals.policy.revise import as_seen_by, may_see_policy
from approvals.queue.models import Package

MOST_NAMES = 5


@dataclass(frozen=True)
class PolicyRow:
    """One policy with what it demands and for which packages here it is the one that holds."""

    place: int
    policy: Policy
    covers: str
    demands: list[Requirement]
    names: list[str]
    number: int
    hidden_by: Policy | None

    @property
    def more(self) -> int:
        return self.number - len(self.names)


def policy_rows(user: User, book: Book, registries: Mapping[str, str]) -> list[PolicyRow]:
    """The policies that this person may read of, in the order in which they are tried."""
    shown = [one for one in book.policies if may_see_policy(user, one)]
    packages = _packages_of(user, book)
    # What stands before a policy may be hidden from this person.
    sees_all = may_see_everything(user)
    return [
        PolicyRow(
            place=book.policies.index(one) + 1 if sees_all else number,
            policy=one,
            covers=covered(one, registries),
            demands=configured(as_seen_by(user, one)),
            names=packages[one.key][:MOST_NAMES],
            number=len(packages[one.key]),
            hidden_by=hidden_by(book.policies, one) if sees_all else None,
        )
        for number, one in enumerate(shown, start=1)
    ]


def covered(policy: Policy, registries: Mapping[str, str]) -> str:
    """For which packages a policy is; registries by their names."""
    packages = "every package" if policy.packages == EVERYTHING else policy.packages
    where = registries.get(policy.registry_url, policy.registry_url) or "every registry"
    return f"{packages} at {where}"


def _packages_of(user: User, book: Book) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    rows = Package.objects.visible_to(user).order_by("name", "registry__name")
    for url, name in rows.values_list("registry__url", "name"):
        found[book.policy_for(url, name).key].append(name)
    return found


@dataclass(frozen=True)
class RevisionRow:
    """One revision with what it changed; `is_broken` where it is not as anybody set it."""

    revision: PolicyRevision
    changes: list[PolicyChange]
    is_broken: bool
    follows_broken: bool = False


def revision_rows(
    revisions: Sequence[PolicyRevision], earlier: PolicyRevision | None
) -> list[RevisionRow]:
    """Revisions, newest first, each against the one before; `earlier` comes before the last."""
    books = [book_of(one) for one in revisions]
    books.append(book_of(earlier) if earlier else Book())
    return [
        RevisionRow(
            revision,
            changes_between(before.policies, book.policies)
            if not book.broken and not before.broken
            else [],
            bool(book.broken),
            bool(before.broken),
        )
        for revision, book, before in zip(revisions, books, books[1:], strict=False)
    ]

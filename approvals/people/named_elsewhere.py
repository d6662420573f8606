"""Whose account a name is, or ever was, that somebody has at a CI system or a registry.

What was linked once is never forgotten: otherwise whoever is to be kept out by an account would
link another in its place. The audit log has it, and a name in it only ever keeps somebody out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from allauth.socialaccount.models import SocialAccount

from approvals.audit.models import AuditEvent
from approvals.people.models import RegistryAccount, User


def linked_ever() -> set[tuple[str, str, int]]:
    """Every account at a registry that was ever linked: its address, the name, whose it was.

    In two queries.
    """
    now = RegistryAccount.objects.values_list("registry_url", "username", "user_id")
    before = (
        (str(detail.get("registry_url", "")), str(detail.get("username", "")), key)
        for key, detail in _told("account.linked")
    )
    return {*now, *before}


def _told(kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    events = AuditEvent.objects.filter(kind=kind, actor__isnull=False)
    for key, detail in events.values_list("actor_id", "detail"):
        if key is not None and isinstance(detail, dict):
            yield key, detail


class Names:
    """The people by the names they go by, or went by, here, at GitHub and at registries.

    Read in five queries.

    Letters' case makes no difference. A name can be several people's: nobody proves here that a
    name from outside is theirs, so that it may keep somebody out and let nobody in.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, set[int]] = defaultdict(set)
        self._at_github: dict[str, set[int]] = defaultdict(set)
        self._by_github_id: dict[str, set[int]] = defaultdict(set)
        for name, key in User.objects.values_list("username", "pk"):
            self._by_name[name.casefold()].add(key)
        for _, name, key in linked_ever():
            self._by_name[name.casefold()].add(key)
        connected = SocialAccount.objects.filter(provider="github")
        for number, profile, key in connected.values_list("uid", "extra_data", "user_id"):
            self._by_github_id[str(number)].add(key)
            login = profile.get("login") if isinstance(profile, dict) else None
            if isinstance(login, str) and login:
                self._at_github[login.casefold()].add(key)

        for key, detail in _told("github.connected"):
            login = detail.get("account")
            if isinstance(login, str) and login:
                self._at_github[login.casefold()].add(key)

    def people(self, names: Iterable[str]) -> frozenset[int]:
        """The keys of all who may be called by one of these names."""
        return frozenset(key for name in names for key in self._by_name.get(name.casefold(), ()))

    def people_at_github(self, names: Iterable[str], ids: Iterable[str] = ()) -> frozenset[int]:
        """The same of names, or numbers, of accounts at GitHub."""
        names = list(names)
        logins = {key for name in names for key in self._at_github.get(name.casefold(), ())}
        numbers = {key for number in ids for key in self._by_github_id.get(number, ())}
        return self.people(names) | logins | numbers

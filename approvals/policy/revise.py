"""Changing the policies: each change is a new revision of all of them, that says who and why.

Release managers and administrators change them, with a fresh proof that they are here, which is
bound to the whole of what the policies will be. Where the policies in the database are not what
anybody has set, an administrator sets those of an earlier revision again.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Lower

from approvals.audit.models import AuditEvent
from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.people import presence
from approvals.people.models import Team, User
from approvals.people.permissions import (
    may_manage,
    may_see_everything,
    may_set_policies,
    reaches_of,
)
from approvals.people.presence import Proof
from approvals.people.scopes import ScopeRefused, check_packages, matches
from approvals.people.turnstile import turnstile
from approvals.policy.book import (
    CHANGED,
    DEFAULT,
    Book,
    Policy,
    book_of,
    current_book,
    seal_revision,
)
from approvals.policy.describe import changes_between
from approvals.policy.models import LONGEST_WORDS, PolicyRevision
from approvals.policy.requirement import Requirement, SettingRefused
from approvals.policy.requirements import kinds
from approvals.policy.teams_in_use import names_in
from approvals.queue.models import Registry

TOPIC = "policies.changed"
MOST_POLICIES = 100
LONGEST_POLICY_NAME = 60
LONGEST_TYPED = 10_000
# What the column holds.
_HIGHEST_NUMBER = 2_147_483_647
_ONLY_SOME = "Only a release manager or an administrator who sees every package sets policies."
_CHANGED_MEANWHILE = (
    "Somebody changed the policies meanwhile. Nothing was changed by you: look at what they say "
    "now, and try again."
)
_STILL_BROKEN = (
    "Setting the policies again does not help: the audit log says of a later revision than it has "
    "recorded. Have whoever runs the database look at the log's last events."
)


class PolicyRefused(Exception):
    """The policies cannot be changed so; the text says why, and what to do.

    Where it is about one requirement, or one of its options, they are named.
    """

    def __init__(self, words: str, *, requirement: str = "", option: str = "") -> None:
        super().__init__(words)
        self.requirement, self.option = requirement, option


class PolicyChangedMeanwhile(PolicyRefused):
    """The policies are other ones than the person saw."""


@dataclass(frozen=True)
class WantedPolicy:
    """A policy as somebody wants it; `key` is "" for a new one, tried before the one of `before`.

    `requirements` is what was typed about each requirement that it demands, by key and option.
    """

    key: str
    name: str
    registry_url: str
    packages: str
    requirements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    before: str = DEFAULT.key


@dataclass(frozen=True)
class Change:
    """All policies as somebody wants them, instead of those of revision `seen`, and why."""

    seen: int
    before: tuple[Policy, ...]
    after: tuple[Policy, ...]
    words: str
    # Sets them again where they cannot be relied on.
    is_restoration: bool = False

    @property
    def purpose(self) -> str:
        """That for which presence is proven before the policies are these."""
        content = [self.seen, [one.as_json() for one in self.after], self.words]
        text = json.dumps(content, sort_keys=True)
        return f"policies {hashlib.sha256(text.encode()).hexdigest()}"


# ---------- what somebody wants


def setting(wanted: WantedPolicy, *, seen: int, words: str) -> Change:
    """Adds a policy, or changes the one of its key. Raises PolicyRefused."""
    book, words = _relied_on(seen), _checked_words(words)
    former = _policy(book, wanted.key) if wanted.key else None
    policy = checked(wanted, book)
    if former is None:
        if len(book.policies) >= MOST_POLICIES:
            raise PolicyRefused(
                f"There are {MOST_POLICIES} policies, which is the most. Remove one, or cover "
                "several packages with one pattern."
            )
        at = book.policies.index(_policy(book, wanted.before))
        after = (*book.policies[:at], policy, *book.policies[at:])
    else:
        after = tuple(policy if one == former else one for one in book.policies)
    return _change(book, after, words)


def removal(key: str, *, seen: int, words: str) -> Change:
    """Removes a policy: the next one that covers a package holds for it. Raises PolicyRefused."""
    book, words = _relied_on(seen), _checked_words(words)
    policy = _policy(book, key)
    if policy.is_default:
        raise PolicyRefused("The default stays: it holds where no other policy does.")
    return _change(book, tuple(one for one in book.policies if one != policy), words)


def move(key: str, *, before: str, seen: int, words: str) -> Change:
    """Has a policy be tried before the one whose key is `before`. Raises PolicyRefused."""
    book, words = _relied_on(seen), _checked_words(words)
    policy, following = _policy(book, key), _policy(book, before)
    if policy.is_default:
        raise PolicyRefused("The default is always tried last.")
    others = [one for one in book.policies if one != policy]
    at = book.policies.index(policy) if policy == following else others.index(following)
    return _change(book, (*others[:at], policy, *others[at:]), words)


def restoration(number: int, *, seen: int, words: str) -> Change:
    """Sets the policies of an earlier revision again; of 0, the default alone.

    Also where those of now cannot be relied on. Raises PolicyRefused.
    """
    book, words = current_book(), _checked_words(words)
    _check_as_seen(book, seen)
    wanted = revision_book(number)
    if wanted is None or wanted.broken:
        raise PolicyRefused("There is no such revision that can be relied on. Choose another one.")
    if wanted.policies == book.policies and not book.broken:
        raise PolicyRefused("The policies are the same as in this revision already.")
    return Change(seen, book.policies, wanted.policies, words, is_restoration=True)


def revision_book(number: int) -> Book | None:
    """The policies of a revision, None where there is no such; those of 0 are the default."""
    if number == 0:
        return Book()
    if not 0 < number <= _HIGHEST_NUMBER:
        return None
    found = PolicyRevision.objects.filter(number=number).first()
    return book_of(found) if found else None


def checked(wanted: WantedPolicy, book: Book) -> Policy:
    """The policy as it is kept. Raises PolicyRefused."""
    former = _policy(book, wanted.key) if wanted.key else None
    name = " ".join(wanted.name.split())
    if not name or any(unicodedata.category(one)[0] == "C" for one in name):
        raise PolicyRefused("Give the policy a name, to tell it from others.")
    if len(name) > LONGEST_POLICY_NAME:
        raise PolicyRefused(f"Give the policy a name of at most {LONGEST_POLICY_NAME} characters.")
    others = [one for one in book.policies if one != former]
    if any(one.name.casefold() == name.casefold() for one in others):
        raise PolicyRefused(f"Another policy is called “{name}” already. Give it another name.")
    registry_url, packages = wanted.registry_url, wanted.packages.strip()
    if former is not None and former.is_default:
        registry_url, packages = DEFAULT.registry_url, DEFAULT.packages
    elif not _is_known(registry_url, former):
        raise PolicyRefused("There is no such registry. Choose one, or every registry.")
    try:
        check_packages(packages)
    except ScopeRefused as error:
        raise PolicyRefused(str(error)) from error
    return Policy(
        key=former.key if former else f"p{book.number + 1}",
        name=name,
        registry_url=registry_url,
        packages=packages,
        requirements={
            key: checked_settings(key, typed) for key, typed in sorted(wanted.requirements.items())
        },
    )


def choosable() -> dict[str, type[Requirement]]:
    """The requirements about which a policy can say something, by key."""
    return {
        key: kind for key, kind in kinds().items() if not kind.is_always_in_force or kind.options
    }


def checked_settings(key: str, typed: Mapping[str, str]) -> dict[str, Any]:
    """The settings that these texts mean for one requirement. Raises PolicyRefused."""
    kind = choosable().get(key)
    if kind is None:
        raise PolicyRefused(f"There is no requirement “{key[:60]}” to choose.")
    known = {option.name for option in kind.options}
    for name, text in typed.items():
        if name not in known:
            raise PolicyRefused(f"{kind.title} has no option “{name[:60]}”.", requirement=key)
        if len(text) > LONGEST_TYPED or "\0" in text:
            raise PolicyRefused(
                f"Write at most {LONGEST_TYPED} characters.", requirement=key, option=name
            )
    try:
        settings = kind.checked(dict(typed))
    except SettingRefused as error:
        raise PolicyRefused(str(error), requirement=key, option=error.option) from error
    # As every database gives it back.
    kept: dict[str, Any] = json.loads(json.dumps(settings))
    return kept


# ---------- making it so


def revise(change: Change, proof: Proof, *, actor: User, session: str) -> PolicyRevision:
    """Makes the policies what the change says. The proof is the actor's.

    Raises PolicyRefused, PolicyChangedMeanwhile and PresenceRefused.
    """
    # What is refused anyway uses up no code.
    book = current_book()
    _check_may(actor, book, change)
    _check_as_seen(book, change.seen)
    check_names(change)
    presence.prove_with(actor, proof, session=session, purpose=change.purpose)
    with transaction.atomic():
        # Holds off that the actor loses the role, and that a team goes that the policies name.
        actor = turnstile(actor)
        check_names(change, lock=True)
        number, book = _next_number(), current_book()
        _check_may(actor, book, change)
        _check_as_seen(book, change.seen)
        revision = PolicyRevision(
            number=number,
            policies=[one.as_json() for one in change.after],
            made_by=actor,
            words=change.words,
        )
        seal_revision(revision)
        try:
            with transaction.atomic():
                revision.save(force_insert=True)
        except IntegrityError as error:
            raise PolicyChangedMeanwhile(_CHANGED_MEANWHILE) from error
        publish(TOPIC, number=number, actor=str(actor), url_path="/policies/")
        record(
            CHANGED,
            actor=actor,
            subject=revision,
            number=number,
            words=change.words,
            **_said(change),
        )
        if current_book().broken:
            raise PolicyRefused(_STILL_BROKEN)
    return revision


# ---------- who reads of them


def may_see_policy(user: User, policy: Policy) -> bool:
    """Who sees some packages only does not learn of others from the policies for them.

    They see those for some of theirs, and those for more than theirs, at registries they know.
    """
    if may_see_everything(user) or policy.is_default:
        return True
    return any(
        ("" in (one.registry_url, policy.registry_url) or one.registry_url == policy.registry_url)
        and (matches(one.packages, policy.packages) or matches(policy.packages, one.packages))
        for one in reaches_of(user)
    )


def as_seen_by(user: User, policy: Policy) -> Policy:
    """The policy without its lines for packages of which this person sees none."""
    if may_see_everything(user):
        return policy
    shown = {key: _without_hidden(user, one) for key, one in policy.requirements.items()}
    return replace(policy, requirements={key: one for key, one in shown.items() if one is not None})


# ---------- parts of it


def _without_hidden(user: User, settings: dict[str, Any]) -> dict[str, Any] | None:
    """What of the settings this person may read; None where nothing is left of some lines."""
    shown = dict(settings)
    for name, value in settings.items():
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            shown[name] = [one for one in value if _is_for_some_of(user, one)]
            if not shown[name]:
                return None
    return shown


def _is_for_some_of(user: User, line: Any) -> bool:
    packages = line.get("packages") if isinstance(line, dict) else None
    return not packages or any(
        matches(one.packages, str(pattern)) or matches(str(pattern), one.packages)
        for one in reaches_of(user)
        for pattern in packages
    )


def _relied_on(seen: int) -> Book:
    book = current_book()
    _check_as_seen(book, seen)
    if book.broken:
        raise PolicyRefused(book.broken)
    return book


def _policy(book: Book, key: str) -> Policy:
    found = next((one for one in book.policies if one.key == key), None)
    if found is None:
        raise PolicyChangedMeanwhile(
            "This policy is no longer there: somebody removed it meanwhile. Nothing was changed."
        )
    return found


def _is_known(registry_url: str, former: Policy | None) -> bool:
    # A registry that is gone stays, until somebody chooses another one.
    if registry_url in ("", former.registry_url if former else ""):
        return True
    return "\0" not in registry_url and Registry.objects.filter(url=registry_url).exists()


def _change(book: Book, after: Sequence[Policy], words: str) -> Change:
    if tuple(after) == book.policies:
        raise PolicyRefused("This is how it is already: nothing would change.")
    return Change(book.number, book.policies, tuple(after), words)


def _checked_words(words: str) -> str:
    words = " ".join(words.split())
    if not words or "\0" in words:
        raise PolicyRefused("Say why: it stays beside the change, for everybody who reads it.")
    if len(words) > LONGEST_WORDS:
        raise PolicyRefused(f"Say why in at most {LONGEST_WORDS} characters.")
    return words


def _check_may(actor: User, book: Book, change: Change) -> None:
    if not may_set_policies(actor):
        raise PolicyRefused(_ONLY_SOME)
    if book.broken and not (may_manage(actor) and change.is_restoration):
        raise PolicyRefused(book.broken)


def _check_as_seen(book: Book, seen: int) -> None:
    if book.number != seen:
        raise PolicyChangedMeanwhile(_CHANGED_MEANWHILE)


def check_names(change: Change, *, lock: bool = False) -> None:
    """Refuses what names a team or a person that there is not; what was named before may stay."""
    named = names_in(one for one in change.after if one not in change.before)
    people = {one[1:].casefold() for one in named if one.startswith("@")}
    team_names = {one for one in named if not one.startswith("@")}
    rows = Team.objects.filter(name__in=team_names).order_by("pk")
    if lock:
        rows = rows.select_for_update(no_key=True)
    for gone in sorted(team_names - {one.name for one in rows}):
        raise PolicyRefused(
            f"There is no team “{gone[:60]}”. Have an administrator make it, or name another one.",
            **_place_of(gone, change),
        )
    active = User.objects.filter(is_active=True).annotate(folded=Lower("username"))
    there = set(active.filter(folded__in=people).values_list("folded", flat=True))
    for gone in sorted(people - there):
        raise PolicyRefused(
            f"There is nobody called “@{gone[:60]}” who may sign in. Look it up.",
            **_place_of(f"@{gone}", change),
        )


def _place_of(name: str, change: Change) -> dict[str, str]:
    """The requirement and the option that name somebody, where a policy begins to."""
    for policy in change.after:
        for one in () if policy in change.before else policy.in_force:
            if name in {other.casefold() for other in one.names()}:
                lines = [option.name for option in one.options if option.kind == "lines"]
                return {"requirement": one.key, "option": "".join(lines[:1])}
    return {}


def _next_number() -> int:
    """Above all that the table and the log know of."""
    rows = PolicyRevision.objects.order_by("-number").values_list("number", flat=True)
    told = AuditEvent.objects.filter(kind=CHANGED).order_by("-sequence")
    numbers = [*rows[:1], *told.values_list("detail__number", flat=True)[:1]]
    number = max([one for one in numbers if type(one) is int], default=0) + 1
    if number > _HIGHEST_NUMBER:
        raise PolicyRefused(
            "Somebody wrote a revision into the database by hand, with the highest number there "
            "can be. Have whoever runs the database take it out, then set the policies again."
        )
    return number


def _said(change: Change) -> dict[str, Any]:
    changes = changes_between(change.before, change.after)
    return {
        "before": [f"{one.name}: {line}" for one in changes for line in one.before],
        "after": [f"{one.name}: {line}" for one in changes for line in one.after],
    }

"""Sessions: verified by a second factor or not yet, in use or left alone, and how they end.

Signing in with a password makes a session that is not verified: it reaches nothing but the page
that asks for a second factor. approvals.people.middleware keeps it to that.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, TypeVar

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone

from approvals.audit.record import record
from approvals.people.models import User
from approvals.people.turnstile import turnstile

# Names in the session.
VERIFIED, SIGNED_IN_AT, SEEN_AT = "second_factor", "signed_in_at", "seen_at"
# How exactly it is known when a session was last used: each look costs a write.
SEEN_EVERY_SECONDS = 60

View = TypeVar("View", bound=Callable[..., Any])


def unverified_allowed(view: View) -> View:
    """Marks a view that a session reaches before its second factor was shown."""
    view.unverified_allowed = True  # type: ignore[attr-defined] # functions carry attributes
    return view


def first_factor_allowed(view: View) -> View:
    """Marks a view of setting up a second factor, open as long as the person has none at all."""
    view.first_factor_allowed = True  # type: ignore[attr-defined] # functions carry attributes
    return view


def not_activity_when(asked_by_itself: Callable[[HttpRequest], bool]) -> Callable[[View], View]:
    """Marks a view that pages also ask by themselves: then it keeps no session in use."""

    def mark(view: View) -> View:
        view.not_activity_when = asked_by_itself  # type: ignore[attr-defined] # as above
        return view

    return mark


def not_activity(view: View) -> View:
    """Marks a view that only pages ask, by themselves: it does not keep a session in use."""
    return not_activity_when(lambda request: True)(view)


def is_activity(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """Whether somebody did something, and not only their page."""
    asked_by_itself = getattr(view, "not_activity_when", None)
    return asked_by_itself is None or not asked_by_itself(request)


def session_id(request: HttpRequest) -> str:
    """Names this session without giving it away: the SHA-256 of its key."""
    if not request.session.session_key:
        request.session.create()
    return hashlib.sha256(str(request.session.session_key).encode()).hexdigest()


def is_verified(request: HttpRequest) -> bool:
    """Whether whoever is signed in showed a second factor in this session."""
    verified = request.session.get(VERIFIED)
    return (
        request.user.is_authenticated
        and isinstance(verified, dict)
        and verified.get("user") == request.user.pk
    )


def mark_verified(request: HttpRequest, method: str) -> None:
    """Lets the session in, under a new key: one that was planted before is worth nothing."""
    person = _person(request)
    _change_key(request, request.session.cycle_key)
    rotate_token(request)
    request.session[VERIFIED] = {
        "method": method,
        "at": _now(),
        "user": person.pk,
    }
    with transaction.atomic():
        record("session.verified", actor=person, subject=person, method=method)


def keep_this_session(request: HttpRequest) -> None:
    """Lets this browser stay signed in after its person changed what ends all their sessions."""
    user = User.objects.get(pk=_person(request).pk)
    _change_key(request, lambda: update_session_auth_hash(request, user))


def begin(request: HttpRequest) -> None:
    """Starts the clock of a session whose person has just signed in; it is not verified yet."""
    request.session.pop(VERIFIED, None)
    # As far as browsers go along, it also ends with them.
    request.session.set_expiry(0)
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = _now()
    _write_down(request)


def is_over(request: HttpRequest) -> bool:
    """Whether the session was left alone for too long, or is too old."""
    begun, seen = (request.session.get(name) for name in (SIGNED_IN_AT, SEEN_AT))
    if not isinstance(begun, int) or not isinstance(seen, int):
        return True
    now = _now()
    return now - begun >= settings.SESSION_COOKIE_AGE or now - seen >= settings.SESSION_IDLE_SECONDS


def note_activity(request: HttpRequest) -> None:
    """Somebody did something in this session."""
    if _now() - request.session[SEEN_AT] >= SEEN_EVERY_SECONDS:
        request.session[SEEN_AT] = _now()
        _write_down(request)


@dataclass(frozen=True)
class OpenSession:
    """A browser in which a person is signed in."""

    pk: int
    browser: str
    address: str
    since: datetime
    last_seen: datetime
    is_this: bool


def sessions_of(request: HttpRequest) -> list[OpenSession]:
    """Where whoever is signed in here is signed in, this browser first."""
    _write_down(request)
    rows = UserSession.objects.purge_and_list(request.user)
    found = [
        OpenSession(
            pk=row.pk,
            browser=browser_name(row.user_agent),
            address=row.ip,
            since=row.created_at,
            last_seen=row.last_seen_at,
            is_this=row.session_key == request.session.session_key,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (not one.is_this, -one.last_seen.timestamp()))


def end_one(user: User, pk: int) -> bool:
    """Ends one session of this person; False where they have no such session."""
    row = UserSession.objects.filter(pk=pk, user_id=user.pk).first()
    if row is None:
        return False
    with transaction.atomic():
        row.end()
        record("session.ended", actor=user, subject=user, sessions=1)
    return True


def end_others(request: HttpRequest) -> int:
    """Ends all sessions of whoever is signed in but this one; returns how many were listed."""
    user = _person(request)
    with transaction.atomic():
        turnstile(user)
        others = [
            row
            for row in UserSession.objects.purge_and_list(user)
            if row.session_key != request.session.session_key
        ]
        ended = _end(others)
        # Also those that no list knows of.
        _outdate_sessions(user.pk)
        record("session.ended", actor=user, subject=user, sessions=ended)
    keep_this_session(request)
    return ended


def end_all_of(user: User) -> int:
    """Ends every session of this person, for good: not even a reactivated person has them again.

    Belongs into the transaction of why. Returns how many were listed.
    """
    ended = _end(UserSession.objects.filter(user_id=user.pk))
    _outdate_sessions(user.pk)
    return ended


def forget_ended() -> None:
    """Deletes what is kept of sessions that are over: their addresses are nobody's business."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()


def browser_name(user_agent: str) -> str:
    """What people call the program that sent this User-Agent header."""
    names = (
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    )
    name = next((shown for sign, shown in names if sign in user_agent), "")
    system = next((shown for sign, shown in systems if sign in user_agent), "")
    if name and system:
        return f"{name} on {system}"
    return name or system or "Unknown browser"


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied("Nobody is signed in.")
    return request.user


def _end(rows: Iterable[Any]) -> int:
    ended = 0
    for row in rows:
        row.end()
        ended += 1
    return ended


def _outdate_sessions(pk: int) -> None:
    User.objects.filter(pk=pk).update(authenticator_changes=F("authenticator_changes") + 1)


def _change_key(request: HttpRequest, change: Callable[[], object]) -> None:
    """Has the session's key changed by `change`, and its entry in the list with it."""
    before = request.session.session_key
    change()
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


def _write_down(request: HttpRequest) -> None:
    """Notes browser, address and time for the list of sessions."""
    if not hasattr(request, "user"):
        return  # made by a program; the first real request of the session is noted
    try:
        UserSession.objects.create_from_request(request)
    except PermissionDenied:
        # Who is behind a proxy that says nothing has no address to list.
        return


def _now() -> int:
    return int(timezone.now().timestamp())

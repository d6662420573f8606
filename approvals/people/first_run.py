"""The first run: from a dashboard without people to one with an administrator who can decide.

`manage.py up` prints a link that is good once. Whoever opens it becomes the first administrator,
and every page leads on from there until the rest is set up. A dashboard that got its first person
in another way has no first run.
"""

import hashlib
import hmac
import secrets
from enum import Enum

from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.people.invitations import MAX_TOKEN_LENGTH, NewPerson, unsaved_person
from approvals.people.models import FirstRun, Role, User
from approvals.people.permissions import may_manage

NO_LONGER_GOOD = (
    "This link is not valid: it was used already, or `manage.py up` has printed a newer one since. "
    "Look for the newest link where it was started, or sign in."
)
# What this process knows for good: a first run that is over never begins again.
_is_over = False


class FirstRunRefused(Exception):
    """This step cannot be taken; the text says why, and what to do."""


class Stage(Enum):
    """How far the first run has come."""

    WAITS_FOR_LINK = "nobody has opened the link"
    SETTING_UP = "there is an administrator, and more to set up"
    OVER = "everything is set up, or was never to be set up like this"


def stage() -> Stage:
    """How far it has come; costs no query once it is over."""
    global _is_over  # noqa: PLW0603 - every request asks, and the answer never changes back
    if _is_over:
        return Stage.OVER
    run = FirstRun.objects.filter(done_at=None).first()
    if run is not None and run.user_id is not None:
        return Stage.SETTING_UP
    if run is not None and not User.objects.exists():
        return Stage.WAITS_FOR_LINK
    # Without people there may still be a link before long.
    _is_over = run is not None or User.objects.exists()
    return Stage.OVER


def offer() -> str | None:
    """The token of a new link, which makes all earlier ones worthless; None if people are here."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        if User.objects.exists():
            return None
        FirstRun.objects.update_or_create(
            pk=1, defaults={"token_hash": _hash(token), "user": None, "done_at": None}
        )
    return token


def check(token: str) -> None:
    """Raises FirstRunRefused unless this link still makes the first administrator."""
    run = FirstRun.objects.filter(pk=1, user=None, done_at=None).first()
    _check(run, token)


def make_administrator(token: str, person: NewPerson) -> User:
    """Makes the first administrator, once.

    Raises FirstRunRefused, and ValidationError (by field) for what cannot be taken.
    """
    check(token)
    user = unsaved_person(person, Role.ADMINISTRATOR)
    try:
        with transaction.atomic():
            # Whoever comes second waits here, and then finds it taken.
            run = FirstRun.objects.select_for_update().filter(pk=1, user=None, done_at=None).first()
            _check(run, token)
            user.save()
            FirstRun.objects.filter(pk=1).update(user=user, token_hash="")
            record("person.added", subject=user, role=user.role, by="the link of the first run")
    except IntegrityError as error:
        raise FirstRunRefused(NO_LONGER_GOOD) from error
    return user


def finish(*, actor: User) -> None:
    """Opens the dashboard: what is not set up by now is done later. Raises FirstRunRefused."""
    with transaction.atomic():
        if not may_manage(User.objects.get(pk=actor.pk)):
            raise FirstRunRefused("Only an administrator sets Countersign up.")
        if FirstRun.objects.filter(done_at=None, user__isnull=False).update(done_at=timezone.now()):
            record("first_run.finished", actor=actor, subject=actor)


def _check(run: FirstRun | None, token: str) -> None:
    is_right = (
        run is not None
        and run.token_hash != ""
        and len(token) <= MAX_TOKEN_LENGTH
        and hmac.compare_digest(run.token_hash, _hash(token))
    )
    if not is_right or User.objects.exists():
        raise FirstRunRefused(NO_LONGER_GOOD)


def _hash(token: str) -> str:
    # The token has 256 random bits, so that a plain hash is not guessed back.
    return hashlib.sha256(token.encode()).hexdigest()

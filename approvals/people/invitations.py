"""Invitations: a link that an administrator hands to one person, good for one account."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.people import presence
from approvals.people.membership import (
    CHOOSE_A_ROLE,
    add_scopes,
    fingerprint_of,
    tell_of_administrator,
)
from approvals.people.models import Invitation, Role, User
from approvals.people.permissions import may_manage
from approvals.people.presence import Proof
from approvals.people.scopes import Reach, ScopeRefused, checked

LIFETIME = timedelta(hours=72)
_ONLY_ADMINISTRATORS = "Only an administrator invites people."
MAX_TOKEN_LENGTH = 100
# The same for both: a link must not be good for finding out who has an account.
TAKEN = (
    "This user name and e-mail address cannot be taken together. Choose another user name. If you "
    "have an account here already, sign in with it."
)


class InvitationRefused(Exception):
    """The invitation cannot be made, used or withdrawn; the text says why, and what to do."""


@dataclass(frozen=True)
class NewPerson:
    """Who somebody with an invitation wants to be."""

    username: str
    email: str
    password: str
    first_name: str = ""
    last_name: str = ""

    def __repr__(self) -> str:
        return f"NewPerson({self.username!r})"


def open_invitations() -> QuerySet[Invitation]:
    """Those that still let somebody in."""
    return Invitation.objects.filter(_still_good()).select_related("created_by")


def invitation_to(role: str, reaches: Sequence[Reach]) -> str:
    """The purpose for which presence is proven before somebody is invited with this role."""
    return f"invite: {fingerprint_of(role, reaches)}"


def invite(
    proof: Proof,
    *,
    actor: User,
    session: str,
    role: str,
    note: str = "",
    reaches: Sequence[Reach] = (),
) -> tuple[Invitation, str]:
    """Makes an invitation and returns it with its token, which cannot be had again.

    The role reaches over `reaches`; without any, and an administrator's, over every package.
    Raises InvitationRefused where `actor` may not, or the role or a scope is none, and
    PresenceRefused where `actor` does not prove to be here.
    """
    if role not in Role.values:
        raise InvitationRefused(CHOOSE_A_ROLE)
    try:
        scopes = checked(reaches) if role != Role.ADMINISTRATOR else []
    except ScopeRefused as error:
        raise InvitationRefused(str(error)) from error
    if not may_manage(actor):
        raise InvitationRefused(_ONLY_ADMINISTRATORS)
    purpose = invitation_to(role, scopes)
    presence.prove_with(actor, proof, session=session, purpose=purpose)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        actor = User.objects.select_for_update(no_key=True).get(pk=actor.pk)
        if not may_manage(actor):
            raise InvitationRefused(_ONLY_ADMINISTRATORS)
        invitation = Invitation.objects.create(
            token_hash=_hash(token),
            role=role,
            scopes=[[one.registry_url, one.packages] for one in scopes],
            note=note.strip()[:200],
            created_by=actor,
            expires_at=timezone.now() + LIFETIME,
        )
        if role == Role.ADMINISTRATOR:
            publish(
                "administrator.invited",
                who=invitation.note or "somebody",
                actor=str(actor),
                not_to=actor.pk,
                url_path="/people/",
            )
        detail: dict[str, Any] = {"scopes": [str(one) for one in scopes]} if scopes else {}
        record("invitation.made", actor=actor, subject=invitation, role=role, **detail)
    return invitation, token


def reaches_of(invitation: Invitation) -> list[Reach]:
    """Over what the role of whoever comes will reach; none for everything."""
    return [Reach(url, packages) for url, packages in invitation.scopes]


def find(token: str) -> Invitation:
    """The invitation of this token, if it still lets somebody in. Raises InvitationRefused."""
    invitation = None
    if len(token) <= MAX_TOKEN_LENGTH:
        invitation = open_invitations().filter(token_hash=_hash(token)).first()
    if invitation is None:
        raise _no_longer_good()
    return invitation


def accept(token: str, person: NewPerson) -> User:
    """Makes the account that the invitation allows, once.

    Raises InvitationRefused if the invitation is used, withdrawn, too old or none, and
    ValidationError (by field) for a name, address or password that cannot be taken.
    """
    invitation = find(token)
    user = unsaved_person(person, invitation.role)
    try:
        with transaction.atomic():
            # Locked by a statement of its own, so that what is checked next is what whoever came
            # first has left. (An update that is guarded across a join is no guard on PostgreSQL.)
            Invitation.objects.select_for_update().get(pk=invitation.pk)
            if not Invitation.objects.filter(_still_good(), pk=invitation.pk).exists():
                raise _no_longer_good()
            user.save()
            add_scopes(user, reaches_of(invitation))
            Invitation.objects.filter(pk=invitation.pk).update(
                accepted_by=user, accepted_at=timezone.now()
            )
            if may_manage(user):
                tell_of_administrator(user, actor=user)
            record("invitation.accepted", actor=user, subject=invitation, role=invitation.role)
    except IntegrityError as error:
        raise ValidationError({NON_FIELD_ERRORS: [TAKEN]}) from error
    return user


def withdraw(invitation: Invitation, *, actor: User) -> None:
    """Makes the link worthless. Raises InvitationRefused if it was used or withdrawn before."""
    if not may_manage(actor):
        raise InvitationRefused("Only an administrator withdraws invitations.")
    with transaction.atomic():
        withdrawn = Invitation.objects.filter(
            pk=invitation.pk, accepted_at__isnull=True, withdrawn_at__isnull=True
        ).update(withdrawn_at=timezone.now())
        if not withdrawn:
            raise InvitationRefused("This invitation was used or withdrawn already.")
        record("invitation.withdrawn", actor=actor, subject=invitation, role=invitation.role)


def _still_good() -> Q:
    return Q(
        accepted_at__isnull=True,
        withdrawn_at__isnull=True,
        expires_at__gt=timezone.now(),
        # Whoever lost the right to invite has no invitations out either.
        created_by__is_active=True,
    ) & (Q(created_by__is_superuser=True) | Q(created_by__role=Role.ADMINISTRATOR))


def _no_longer_good() -> InvitationRefused:
    # One sentence for all cases: a guessed link must not learn that another one exists.
    return InvitationRefused(
        "This invitation is not valid: it was used, withdrawn, or is older than 72 hours. "
        "Ask an administrator for a new one."
    )


def _hash(token: str) -> str:
    # The token has 256 random bits, so that a plain hash is not guessed back.
    return hashlib.sha256(token.encode()).hexdigest()


def unsaved_person(person: NewPerson, role: str) -> User:
    """The account, not yet saved. Raises ValidationError."""
    user = User(
        username=person.username.strip(),
        email=person.email.strip().lower(),
        first_name=person.first_name.strip(),
        last_name=person.last_name.strip(),
        role=role,
    )
    problems: dict[str, list[str]] = {}
    try:
        # Names and addresses as the model wants them; the password's hash is made below.
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        problems |= error.message_dict
    try:
        validate_password(person.password, user)
    except ValidationError as error:
        problems["password"] = error.messages
    if problems:
        raise ValidationError(problems)
    if User.objects.filter(
        Q(username__iexact=user.username) | Q(email__iexact=user.email)
    ).exists():
        raise ValidationError({NON_FIELD_ERRORS: [TAKEN]})
    user.set_password(person.password)
    return user

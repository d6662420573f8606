"""Who belongs, with which role: changed by administrators, and by each person for themselves.

Whatever gives somebody more needs a fresh proof that the administrator is here: an open browser of
theirs must not make another administrator. Taking everything away needs none, so that it is quick.
"""

import hashlib
import json
from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record, record_all
from approvals.people import presence, sessions
from approvals.people.accounts import forget_all
from approvals.people.models import (
    Invitation,
    Role,
    Scope,
    User,
    valid_shown_name,
)
from approvals.people.passwords import check_own_password
from approvals.people.permissions import may_manage
from approvals.people.presence import Proof
from approvals.people.scopes import Reach, ScopeRefused, checked

CHOOSE_A_ROLE = "Choose a role: viewer, approver, release manager or administrator."
_ONLY_ADMINISTRATORS = "Only an administrator changes what people may do."


class PersonNotChanged(Exception):
    """The change is not allowed; the text says why, and what to do."""


def role_change_of(person: User, role: str, reaches: Sequence[Reach] | None) -> str:
    """The purpose for which presence is proven before `person` gets this role over these."""
    return f"role of {person.pk}: {fingerprint_of(role, reaches)}"


def reactivation_of(person: User) -> str:
    """The purpose for which presence is proven before `person` is let in again."""
    return f"let {person.pk} in again"


def fingerprint_of(role: str, reaches: Sequence[Reach] | None) -> str:
    """Stands for exactly this role over exactly these packages, in however many there are."""
    scopes = (
        None
        if reaches is None
        else sorted({(one.registry_url, one.packages.strip()) for one in reaches})
    )
    if role == Role.ADMINISTRATOR:
        scopes = []
    return hashlib.sha256(json.dumps([role, scopes]).encode()).hexdigest()


def tell_of_administrator(person: User, *, actor: User) -> None:
    """Tells the other administrators that `person` is one now. Belongs into the transaction."""
    publish(
        "administrator.added",
        person=person.pk,
        who=str(person),
        actor=str(actor),
        not_to=actor.pk,
        url_path="/people/",
    )


def change_role(
    person: User,
    role: str,
    proof: Proof,
    *,
    actor: User,
    session: str,
    reaches: Sequence[Reach] | None = None,
) -> None:
    """Gives `person` another role, over `reaches`: none for every package, None for those of now.

    An administrator's role always reaches over everything. The proof is the actor's. Raises
    PersonNotChanged and PresenceRefused.
    """
    if role not in Role.values:
        raise PersonNotChanged(CHOOSE_A_ROLE)
    try:
        reaches = None if reaches is None else checked(reaches)
    except ScopeRefused as error:
        raise PersonNotChanged(str(error)) from error
    # What is refused anyway uses up no code.
    _check_may_manage(actor)
    if role != Role.ADMINISTRATOR:
        _keep_one_administrator(person, actor, "give up the role of administrator")
    purpose = role_change_of(person, role, reaches)
    presence.prove_with(actor, proof, session=session, purpose=purpose)
    with transaction.atomic():
        person = _locked(person, actor)
        before, scopes_before = person.role, _scopes_of(person)
        was_administrator = may_manage(person)
        scopes = scopes_before if reaches is None else list(reaches)
        if role == Role.ADMINISTRATOR:
            scopes = []
        # A superuser counts as an administrator whatever the role says, so it follows the role.
        superuser = person.is_superuser and role == Role.ADMINISTRATOR
        if (before, person.is_superuser, scopes_before) == (role, superuser, scopes):
            return
        withdrawn = []
        if role != Role.ADMINISTRATOR:
            _keep_one_administrator(person, actor, "give up the role of administrator")
            withdrawn = _withdraw_invitations_of(person, actor)
        User.objects.filter(pk=person.pk).update(role=role, is_superuser=superuser)
        changed: dict[str, object] = {"before": before, "after": role}
        if scopes != scopes_before:
            Scope.objects.filter(user=person).delete()
            add_scopes(person, scopes)
            changed |= {
                "scopes_before": [str(one) for one in scopes_before],
                "scopes_after": [str(one) for one in scopes],
            }
        person.role, person.is_superuser = role, superuser
        over = ", ".join(str(one) for one in scopes) or "every package"
        publish(
            "person.role_changed",
            person=person.pk,
            role=f"{Role(role).label.partition(':')[0].lower()}, for {over}",
            actor=str(actor),
            url_path="/people/",
        )
        if may_manage(person) and not was_administrator:
            tell_of_administrator(person, actor=actor)
        record_all([Happening("person.role_changed", actor, person, detail=changed), *withdrawn])


def add_scopes(person: User, reaches: Sequence[Reach]) -> None:
    """Narrows the role of somebody who has no scopes. Belongs into the transaction of why."""
    Scope.objects.bulk_create(
        Scope(user=person, registry_url=one.registry_url, packages=one.packages) for one in reaches
    )


def deactivate(person: User, *, actor: User) -> None:
    """Shuts `person` out at once, and forgets the tokens that acted for them.

    Raises PersonNotChanged.
    """
    with transaction.atomic():
        person = _locked(person, actor)
        if not person.is_active:
            return
        _keep_one_administrator(person, actor, "deactivate yourself")
        withdrawn = _withdraw_invitations_of(person, actor)
        forgotten = forget_all(person, actor=actor)
        User.objects.filter(pk=person.pk).update(is_active=False)
        # For good: should they ever be let in again, no browser that was left open is.
        sessions.end_all_of(person)
        record_all(
            [
                Happening("person.deactivated", actor, person),
                *forgotten,
                *withdrawn,
            ]
        )


def reactivate(person: User, proof: Proof, *, actor: User, session: str) -> None:
    """Lets `person` sign in again; registry accounts have to be linked anew.

    The proof is the actor's. Raises PersonNotChanged and PresenceRefused.
    """
    _check_may_manage(actor)
    presence.prove_with(actor, proof, session=session, purpose=reactivation_of(person))
    with transaction.atomic():
        person = _locked(person, actor)
        if not person.is_active:
            User.objects.filter(pk=person.pk).update(is_active=True)
            person.is_active = True
            if may_manage(person):
                tell_of_administrator(person, actor=actor)
            record("person.reactivated", actor=actor, subject=person)


def change_profile(
    user: User,
    *,
    first_name: str,
    last_name: str,
    wants_email: bool,
    email: str,
    password: str = "",
) -> None:
    """Changes what people may change of themselves.

    Another e-mail address needs the password, because a new password can be had by e-mail.
    Raises PersonNotChanged and WrongPassword.
    """
    email = email.strip().lower()
    before = user.email
    moved = email != before
    if moved:
        try:
            validate_email(email)
        except ValidationError as error:
            raise PersonNotChanged("This is not an e-mail address.") from error
        check_own_password(user, password)
    try:
        for name in (first_name, last_name):
            valid_shown_name(name)
    except ValidationError as error:
        raise PersonNotChanged(" ".join(error.messages)) from error
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(
                first_name=first_name[:150],
                last_name=last_name[:150],
                wants_email=wants_email,
                email=email,
            )
            if moved:
                # allauth's list of addresses, which it fills by itself: the old one is no way in.
                EmailAddress.objects.filter(user_id=user.pk).delete()
                # To whoever reads the old address: the change may not be their own.
                publish("person.email_changed", person=user.pk, former_address=before)
                record("person.email_changed", actor=user, subject=user)
    except IntegrityError as error:
        raise PersonNotChanged("This e-mail address cannot be used here. Type another.") from error
    user.refresh_from_db()


def _administrators() -> QuerySet[User]:
    return User.objects.filter(
        Q(role=Role.ADMINISTRATOR) | Q(is_superuser=True), is_active=True
    ).order_by("pk")


def _check_may_manage(actor: User) -> None:
    if not may_manage(actor):
        raise PersonNotChanged(_ONLY_ADMINISTRATORS)


def _locked(person: User, actor: User) -> User:
    """Reads `person` anew, holding off every other change of who is an administrator."""
    # All of them in the order of their keys, in which everything else locks people too.
    keys = _administrators().values_list("pk", flat=True)
    locked = {
        one.pk: one
        for one in User.objects.filter(Q(pk__in=keys) | Q(pk=person.pk))
        .order_by("pk")
        .select_for_update(no_key=True)
    }
    if actor.pk not in locked or not may_manage(locked[actor.pk]):
        raise PersonNotChanged(_ONLY_ADMINISTRATORS)
    return locked[person.pk]


def _keep_one_administrator(person: User, actor: User, doing: str) -> None:
    if person.pk == actor.pk:
        raise PersonNotChanged(
            f"You cannot {doing}: ask another administrator, so that one is always left."
        )


def _scopes_of(person: User) -> list[Reach]:
    return sorted(Reach(one.registry_url, one.packages) for one in person.scopes.all())


def _withdraw_invitations_of(person: User, actor: User) -> list[Happening]:
    """Withdraws them, and returns what is to be recorded of it."""
    invitations = list(
        Invitation.objects.select_for_update().filter(
            created_by=person, accepted_at__isnull=True, withdrawn_at__isnull=True
        )
    )
    Invitation.objects.filter(pk__in=[one.pk for one in invitations]).update(
        withdrawn_at=timezone.now()
    )
    return [
        Happening("invitation.withdrawn", actor, one, detail={"role": one.role})
        for one in invitations
    ]

"""Who belongs, with which role: changed by administrators, and by each person for themselves."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record, record_all
from approvals.people import sessions
from approvals.people.accounts import unlinked
from approvals.people.models import (
    Invitation,
    RegistryAccount,
    Role,
    Scope,
    User,
    valid_shown_name,
)
from approvals.people.passwords import check_own_password
from approvals.people.permissions import may_manage
from approvals.people.scopes import Reach, ScopeRefused, checked

CHOOSE_A_ROLE = "Choose a role: viewer, approver, release manager or administrator."


class PersonNotChanged(Exception):
    """The change is not allowed; the text says why, and what to do."""


def change_role(
    person: User, role: str, *, actor: User, reaches: Sequence[Reach] | None = None
) -> None:
    """Gives `person` another role, over `reaches`: none for every package, None for those of now.

    An administrator's role always reaches over everything. Raises PersonNotChanged.
    """
    if role not in Role.values:
        raise PersonNotChanged(CHOOSE_A_ROLE)
    try:
        reaches = None if reaches is None else checked(reaches)
    except ScopeRefused as error:
        raise PersonNotChanged(str(error)) from error
    with transaction.atomic():
        person = _locked(person, actor)
        before, scopes_before = person.role, _scopes_of(person)
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
        accounts = list(RegistryAccount.objects.select_for_update().filter(user=person))
        RegistryAccount.objects.filter(user=person).delete()
        User.objects.filter(pk=person.pk).update(is_active=False)
        # For good: should they ever be let in again, no browser that was left open is.
        sessions.end_all_of(person)
        record_all(
            [
                Happening("person.deactivated", actor, person),
                *(unlinked(account, actor=actor) for account in accounts),
                *withdrawn,
            ]
        )


def reactivate(person: User, *, actor: User) -> None:
    """Lets `person` sign in again; registry accounts have to be linked anew.

    Raises PersonNotChanged.
    """
    with transaction.atomic():
        person = _locked(person, actor)
        if not person.is_active:
            User.objects.filter(pk=person.pk).update(is_active=True)
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
        raise PersonNotChanged("Only an administrator changes what people may do.")
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

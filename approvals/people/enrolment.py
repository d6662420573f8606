"""Adding, naming and removing a person's second factors, by themselves or after a loss.

Whoever has a factor proves to be here with one before another comes or one goes; the last one
stays. Of each change the person is told, and it ends their other sessions.
"""

import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record, record_all
from approvals.people import accounts, factors, passkeys, presence, recovery_codes, totp
from approvals.people.factors import Factor
from approvals.people.models import Confirmation, SealedTOTPDevice, User
from approvals.people.permissions import may_manage
from approvals.people.presence import Proof
from approvals.people.turnstile import turnstile

MAX_FACTORS = 20
MAX_NAME_LENGTH = 60
# How long after the proof of presence the new factor may take: it has to be found and set up.
ENROLMENT_TIME = totp.ENROLMENT_TIME

# What presence is proven for.
ADD = "add a second factor"
NEW_CODES = "new recovery codes"
_GRANTED = "second factor may be added"
_START_AGAIN = "Nothing was added: it took too long, or was begun in another window. Start again."


class EnrolmentRefused(Exception):
    """The factor cannot be added, renamed or removed; the text says why, and what to do."""


@dataclass(frozen=True)
class Added:
    """A new factor, and the recovery codes that were made with the first one, to be shown once."""

    factor: Factor
    recovery_codes: list[str] = field(default_factory=list, repr=False)
    # The registry accounts that were linked before the first factor, and are linked no more.
    unlinked: int = 0


@dataclass(frozen=True)
class PendingApp:
    """An authenticator app that waits for its first code, as only its own session sees it."""

    name: str
    # As people type it into an app: base32 in groups of four.
    secret: str = field(repr=False)
    qr_svg: bytes = field(repr=False)


def removal_of(factor: Factor) -> str:
    """The purpose for which presence is proven before `factor` is removed."""
    return f"remove {factor.key}"


def reset_of(person: AbstractBaseUser) -> str:
    """The purpose for which an administrator's presence is proven before a reset."""
    return f"reset second factors of {person.pk}"


def confirm_with_passkey(user: User, *, session: str, purpose: str) -> Confirmation:
    """A challenge for one of this person's passkeys, for one of the purposes of this module.

    Raises EnrolmentRefused.
    """
    known = {ADD, NEW_CODES, *map(removal_of, factors.factors_of(user))}
    if may_manage(user):
        known |= {reset_of(person) for person in User.objects.only("pk")}
    if purpose not in known:
        raise EnrolmentRefused("There is nothing to confirm any more. Load the page again.")
    return presence.open_confirmation(user, session=session, purpose=purpose)


# ---------- adding


def allow_adding(user: AbstractBaseUser, proof: Proof, *, session: str) -> None:
    """Lets this session add one factor within the next minutes, now that `user` proved to be here.

    A recovery code will do: whoever lost everything else adds a new factor with it. Raises
    PresenceRefused and EnrolmentRefused.
    """
    proven = factors.has_factor(user)
    if proven:
        presence.prove_with(user, proof, session=session, purpose=ADD, recovery=True)
    _open_grant(user, session, proven=proven)


def may_add(user: AbstractBaseUser, *, session: str) -> bool:
    """Whether this session may add a factor now: the first one, or one that was allowed."""
    return _grant(user, session) is not None or not factors.has_factor(user)


def passkey_options(user: User, *, session: str) -> dict[str, Any]:
    """What navigator.credentials.create is given. Raises EnrolmentRefused."""
    grant = _grant(user, session) or _open_grant(user, session, proven=False)
    try:
        return passkeys.registration_options(user, grant.challenge)
    except factors.FactorRefused as error:
        raise EnrolmentRefused(str(error)) from error


def add_passkey(user: AbstractBaseUser, credential: str, name: str, *, session: str) -> Added:
    """Keeps the passkey that the browser made. Raises EnrolmentRefused."""
    name = _valid_name(name)
    with transaction.atomic():
        person = _with_room(user)
        challenge = _spend_grant(person, session)
        try:
            made = passkeys.register(person, challenge, credential, name or _free_name(person))
        except factors.FactorRefused as error:
            raise EnrolmentRefused(str(error)) from error
        return _added(person, "passkey", made.pk)


def begin_app(user: AbstractBaseUser, name: str, *, session: str) -> PendingApp:
    """Makes an authenticator app's secret, which this session sees until its first code came.

    Raises EnrolmentRefused.
    """
    name = _valid_name(name)
    with transaction.atomic():
        person = _with_room(user)
        if factors.has_factor(person):
            _spend_grant(person, session)
        device = totp.begin(person, session=session, name=name or _free_name(person, app=True))
    return _shown(device)


def pending_app(user: AbstractBaseUser, *, session: str) -> PendingApp | None:
    """The app that was begun in this session and waits for its first code."""
    device = totp.pending_enrolment(user, session=session)
    return _shown(device) if device else None


def confirm_app(user: AbstractBaseUser, code: str, *, session: str) -> Added:
    """Takes the app in, once it showed a right code, which that uses up.

    Raises EnrolmentRefused where nothing waits for a code in this session, and FactorRefused.
    """
    totp.six_digits(code)
    added = None
    with factors.counted("code", user):
        with transaction.atomic(durable=True):
            person = _with_room(user)
            device = totp.pending_enrolment(person, session=session)
            if device is None:
                raise EnrolmentRefused(_START_AGAIN)
            refusal = totp.try_first_code(person, device, code)
            if not refusal:
                added = _added(person, "app", device.pk)
        # Once the pause that a wrong one causes is committed, and still as a try that counts.
        if added is None:
            raise totp.CodeRefused(refusal)
    return added


def abandon_app(user: AbstractBaseUser) -> None:
    """Forgets a new authenticator app that was not confirmed."""
    totp.forget_pending(user)


# ---------- changing


def rename(user: AbstractBaseUser, key: str, name: str) -> None:
    """Gives one of this person's factors another name. Raises EnrolmentRefused."""
    name = _valid_name(name)
    if not name:
        raise EnrolmentRefused("Type a name, such as the device that it is on.")
    with transaction.atomic():
        person = turnstile(user)
        factor = _find(person, key)
        if factor.kind == "passkey":
            passkeys.rename(factor.pk, name)
        else:
            SealedTOTPDevice.objects.filter(pk=factor.pk).update(name=name)
        record(
            "factor.renamed",
            actor=person,
            subject=person,
            factor=factor.kind,
            name=name,
            before=factor.name,
        )


def remove(user: AbstractBaseUser, key: str, proof: Proof, *, session: str) -> Factor:
    """Removes one of this person's factors, but never the last.

    Raises EnrolmentRefused and PresenceRefused.
    """
    factor = _removable(user, key)
    presence.prove_with(user, proof, session=session, purpose=removal_of(factor))
    with transaction.atomic():
        person = turnstile(user)
        # Again, now that nobody else is at it: what was one of two may be the last one by now.
        factor = _removable(person, key)
        if factor.kind == "passkey":
            passkeys.remove(factor.pk)
        else:
            SealedTOTPDevice.objects.filter(pk=factor.pk).delete()
        _changed(person)
        publish(
            "factor.removed",
            person=person.pk,
            factor=_described(factor),
            actor=str(person),
            url_path="/security/",
        )
        record("factor.removed", actor=person, subject=person, factor=factor.kind, name=factor.name)
    return factor


def new_recovery_codes(user: AbstractBaseUser, proof: Proof, *, session: str) -> list[str]:
    """Ten new codes instead of all earlier ones, to be shown once.

    Raises EnrolmentRefused and PresenceRefused.
    """
    if not factors.has_factor(user):
        raise EnrolmentRefused("Add a passkey or an authenticator app first: codes come with it.")
    presence.prove_with(user, proof, session=session, purpose=NEW_CODES)
    with transaction.atomic():
        person = turnstile(user)
        codes = recovery_codes.make(person)
        publish("recovery_codes.made", person=person.pk, actor=str(person), url_path="/security/")
        record("recovery_codes.made", actor=person, subject=person)
    return codes


# ---------- after a loss


def reset_factors(person: User, proof: Proof, *, actor: User, session: str) -> None:
    """Removes all second factors of somebody who lost them; the proof is the administrator's.

    Raises EnrolmentRefused and PresenceRefused.
    """
    if not may_manage(actor):
        raise EnrolmentRefused("Only an administrator removes somebody else's second factors.")
    if person.pk == actor.pk:
        raise EnrolmentRefused(
            "Your own second factors you remove under Security; another administrator can remove "
            "all of them."
        )
    if not _has_anything(person):
        raise EnrolmentRefused(f"{person} has no second factor.")
    presence.prove_with(actor, proof, session=session, purpose=reset_of(person))
    with transaction.atomic():
        # Both, in one order, so that two administrators who reset each other do not wait forever.
        locked = {one.pk: turnstile(one) for one in sorted((person, actor), key=lambda one: one.pk)}
        if not may_manage(locked[actor.pk]):
            raise EnrolmentRefused("Only an administrator removes somebody else's second factors.")
        _reset(locked[person.pk], actor=actor, by="")


def reset_from_command_line(person: User) -> bool:
    """The same for whoever runs this program: the way out of an administrator who lost all.

    Returns whether there was anything to remove.
    """
    with transaction.atomic():
        locked = turnstile(person)
        if not _has_anything(locked):
            return False
        _reset(locked, actor=None, by="the command line")
    return True


def _reset(person: User, *, actor: User | None, by: str) -> None:
    for one in passkeys.passkeys_of(person):
        passkeys.remove(one.pk)
    SealedTOTPDevice.objects.filter(user_id=person.pk).delete()
    recovery_codes.forget(person)
    _changed(person)
    publish("factors.reset", person=person.pk, actor=str(actor or by), url_path="/security/")
    record("factors.reset", actor=actor, subject=person, by=by)


# ---------- inside


def _open_grant(user: AbstractBaseUser, session: str, *, proven: bool) -> Confirmation:
    with transaction.atomic():
        person = turnstile(user)
        # Looked at again, now that no factor can come in between.
        if not proven and factors.has_factor(person):
            raise EnrolmentRefused(_START_AGAIN)
        return presence.open_confirmation(person, session=session, purpose=_GRANTED)


def _shown(device: SealedTOTPDevice) -> PendingApp:
    return PendingApp(device.name, totp.secret_text(device), totp.qr_svg(device))


def _grant(user: AbstractBaseUser, session: str) -> Confirmation | None:
    found = presence.open_ones(user, session=session, purpose=_GRANTED, seconds=_seconds())
    return found[0] if found else None


def _seconds() -> int:
    return int(ENROLMENT_TIME / timedelta(seconds=1))


def _spend_grant(person: User, session: str) -> str:
    """The challenge of what this session was allowed, which is used up."""
    grant = _grant(person, session)
    if grant is None:
        raise EnrolmentRefused(_START_AGAIN)
    Confirmation.objects.filter(pk=grant.pk).update(consumed_at=timezone.now())
    return grant.challenge


def _with_room(user: AbstractBaseUser) -> User:
    person = turnstile(user)
    if not person.is_active:
        raise EnrolmentRefused("This account was deactivated. Ask an administrator.")
    if len(factors.factors_of(person)) >= MAX_FACTORS:
        raise EnrolmentRefused(f"You have {MAX_FACTORS} second factors: remove one first.")
    return person


def _added(person: User, kind: str, pk: int) -> Added:
    """Writes down and tells what came in, in the caller's transaction."""
    everything = factors.factors_of(person)
    factor = next(one for one in everything if (one.kind, one.pk) == (kind, pk))
    codes, unlinked = list[str](), list[Happening]()
    if len(everything) == 1:
        codes = recovery_codes.make(person)
        # Nobody proved to be the one who linked them: whoever got rid of all factors, and knows the
        # password, must not act at a registry with what its person left here.
        unlinked = accounts.forget_all(person, actor=person)
    _changed(person)
    publish(
        "factor.added",
        person=person.pk,
        factor=_described(factor),
        actor=str(person),
        url_path="/security/",
    )
    if unlinked:
        publish("accounts.unlinked", person=person.pk, url_path="/accounts/")
    detail: dict[str, object] = {"factor": kind, "name": factor.name}
    record_all([Happening("factor.added", person, person, detail=detail), *unlinked])
    return Added(factor, codes, len(unlinked))


def _changed(person: User) -> None:
    """Ends all sessions of `person`, and whatever was begun in any of them."""
    # What was begun without a proof, as the first factor, must not come in as a second one.
    totp.forget_pending(person)
    Confirmation.objects.filter(user=person, consumed_at__isnull=True).update(
        consumed_at=timezone.now()
    )
    User.objects.filter(pk=person.pk).update(authenticator_changes=F("authenticator_changes") + 1)


def _find(user: AbstractBaseUser, key: str) -> Factor:
    found = next((one for one in factors.factors_of(user) if one.key == key), None)
    if found is None:
        raise EnrolmentRefused("You have no such second factor any more.")
    return found


def _removable(user: AbstractBaseUser, key: str) -> Factor:
    factor = _find(user, key)
    if len(factors.factors_of(user)) == 1:
        raise EnrolmentRefused(
            "This is your last second factor, and without one nobody lets you in. Add another "
            "one first."
        )
    return factor


def _has_anything(person: User) -> bool:
    return factors.has_factor(person) or bool(factors.recovery_codes_left(person))


def _described(factor: Factor) -> str:
    kind = "passkey" if factor.kind == "passkey" else "authenticator app"
    return f"{kind} “{factor.name}”"


def _valid_name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME_LENGTH:
        raise EnrolmentRefused(f"A name has at most {MAX_NAME_LENGTH} characters.")
    if any(unicodedata.category(one)[0] == "C" for one in name):
        raise EnrolmentRefused("A name cannot have characters that are not seen.")
    return name


def _free_name(person: User, *, app: bool = False) -> str:
    """A name that none of the person's factors has, for whoever typed none."""
    taken = {one.name for one in factors.factors_of(person)}
    base = "Authenticator app" if app else "Passkey"
    names = [base, *(f"{base} {number}" for number in range(2, MAX_FACTORS + 2))]
    return next(name for name in names if name not in taken)

"""What the audit log says of signing in and out, and of passwords.

The caller's transaction is joined where there is one, so that the event commits with what it
describes.
"""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.people import limits, totp
from approvals.people.models import User


def signed_in(user: AbstractBaseUser, *, address: str) -> None:
    """Records that `user` signed in from `address` (the client's IP address, or nothing)."""
    with transaction.atomic():
        record("person.signed_in", actor=user, subject=user, address=address)


def person_called(name: str) -> User | None:
    """Whose user name or e-mail address this is."""
    return User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name)).first()


def person_written_to(address: str) -> User | None:
    """Whose e-mail address this is now. What allauth keeps of former ones does not count."""
    return User.objects.filter(email=address.strip().lower()).first()


def sign_in_failed(name: str, *, address: str) -> None:
    """Records a failed sign-in as `name`, a user name or an e-mail address.

    A name that belongs to nobody is not written down: it may be a password in the wrong field.
    """
    person = person_called(name)
    with transaction.atomic():
        record("person.sign_in_failed", subject=person, known=bool(person), address=address)


def signed_out(user: AbstractBaseUser, *, address: str) -> None:
    """Records that `user` signed out."""
    with transaction.atomic():
        record("person.signed_out", actor=user, subject=user, address=address)


def change_password(user: User, password: str, *, by_mail: bool) -> None:
    """Sets the password; `by_mail` if a link sent by e-mail stood for the old one."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        # Whoever knew the former one may have typed wrong codes. Not the tries of a whole day:
        # who can read the person's mail can also change the password, again and again.
        totp.end_pauses(user)
        for kind in ("door_code", "door_recovery"):
            limits.clear(kind, person=user)
        if by_mail:
            # Every session ends: whoever guessed in one of them is out.
            for kind in ("code", "code_a_day", "recovery"):
                limits.clear(kind, person=user)
        publish("person.password_changed", person=user.pk, url_path="/security/")
        record("person.password_changed", actor=user, subject=user, by_mail=by_mail)

"""People's own accounts at registries, and the tokens that act for them there."""

import re

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.audit.record import Happening, record, record_all
from approvals.people.models import RegistryAccount, User
from approvals.sealing import seal, unseal
from registry_client.client import RegistryClient
from registry_client.errors import NotAuthorised, RegistryError

MAX_TOKEN_LENGTH = 4096
MAX_NAME_LENGTH = 214  # what RegistryAccount.username holds
# A person waits for the answer, so this asks once and not for long.
READ_TIMEOUT_SECONDS = 10.0


class AccountNotLinked(Exception):
    """The account could not be linked; the text says why, and what to do."""


def link_account(user: User, *, registry_url: str, token: str) -> RegistryAccount:
    """Asks the registry whose token this is, and keeps it sealed to that registry's address.

    A token linked before is replaced. Raises AccountNotLinked, also where the account is another
    person's: what the registry records of a decision must name who made it.
    """
    token = token.strip()
    # Printable ASCII without spaces is what an Authorization header can carry.
    if not re.fullmatch(rf"[!-~]{{1,{MAX_TOKEN_LENGTH}}}", token):
        raise AccountNotLinked(
            "This is not a token: paste it whole, without spaces or line breaks."
        )
    username = _whose(registry_url, token)
    try:
        return _keep(user, registry_url, username, token)
    except IntegrityError as error:
        raise AccountNotLinked(
            f"The account {username} is linked by somebody else already. Link your own: whatever "
            "you decide is recorded there under its name."
        ) from error


def _keep(user: User, registry_url: str, username: str, token: str) -> RegistryAccount:
    with transaction.atomic():
        account, _ = RegistryAccount.objects.update_or_create(
            user=user,
            registry_url=registry_url,
            defaults={
                "username": username,
                "sealed_token": seal(token, bound_to=registry_url),
                "linked_at": timezone.now(),
                "refused_at": None,
            },
        )
        record(
            "account.linked",
            actor=user,
            subject=account,
            registry_url=registry_url,
            username=username,
        )
    return account


def unlink_account(account: RegistryAccount, *, actor: AbstractBaseUser | None) -> None:
    """Forgets the account and its token; done twice, it is recorded once."""
    with transaction.atomic():
        gone, _ = RegistryAccount.objects.filter(pk=account.pk).delete()
        if gone:
            record_all([unlinked(account, actor=actor)])


def unlinked(account: RegistryAccount, *, actor: AbstractBaseUser | None) -> Happening:
    """What is recorded of an account that was forgotten."""
    return Happening(
        "account.unlinked",
        actor,
        account,
        detail={"registry_url": account.registry_url, "username": account.username},
    )


def token_of(account: RegistryAccount) -> str:
    """The token, for its own registry's address only. Raises SealBroken."""
    return unseal(account.sealed_token, bound_to=account.registry_url)


def mark_refused(account: RegistryAccount) -> None:
    """Notes that the registry no longer accepts this token, so that its person links again.

    A token that was replaced in the meantime is left alone.
    """
    with transaction.atomic():
        noted = RegistryAccount.objects.filter(
            pk=account.pk, sealed_token=account.sealed_token, refused_at__isnull=True
        ).update(refused_at=timezone.now())
        if noted:
            record(
                "account.token_refused",
                subject=account,
                registry_url=account.registry_url,
                username=account.username,
            )


def _whose(registry_url: str, token: str) -> str:
    try:
        with RegistryClient(
            registry_url, token, read_timeout=READ_TIMEOUT_SECONDS, max_tries=1
        ) as client:
            username = client.whoami()
    except NotAuthorised as error:
        raise AccountNotLinked(
            "The registry does not know this token: it was mistyped, revoked or has expired. "
            f"Make a new one there and paste it whole. {error}"
        ) from error
    except (RegistryError, ValueError) as error:
        raise AccountNotLinked(f"The registry did not say whose token this is: {error}") from error
    if not username or len(username) > MAX_NAME_LENGTH:
        raise AccountNotLinked("The registry did not say whose token this is. Is it the right one?")
    return username

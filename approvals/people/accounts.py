"""People's own accounts at registries, and the tokens that act for them there."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.audit.outbox import publish
from approvals.audit.record import Happening, record, record_all
from approvals.people.models import CodeUse, RegistryAccount, SecondFactor, User
from registry_client.client import RegistryClient
from registry_client.errors import NotAuthorised, RegistryError

MAX_TOKEN_LENGTH = 4096
MAX_NAME_LENGTH = 214  # what RegistryAccount.username holds
# A person waits for the answer, so this asks once and not for long.
READ_TIMEOUT_SECONDS = 10.0
# When an account last worked is kept no more exactly than this.
NOTED_FOR = timedelta(minutes=1)


class AccountNotLinked(Exception):
    """The account could not be linked; the text says why, and what to do."""


def link_account(user: User, *, registry_url: str, token: str) -> RegistryAccount:
    """Asks the registry whose token this is, and keeps it sealed to all that.

    A token linked before is replaced. Raises AccountNotLinked, also where the account is another
    person's: what the registry records of a decision must name who made it.
    """
    token = token.strip()
    # Printable ASCII without spaces is what an Authorization header can carry.
    if not re.fullmatch(rf"[!-~]{{1,{MAX_TOKEN_LENGTH}}}", token):
        raise AccountNotLinked(
            "This is not a token: paste it whole, without spaces or line breaks."
        )
    username, bypasses = _whose(registry_url, token)
    try:
        return _keep(user, registry_url, username, token, bypasses=bypasses)
    except IntegrityError as error:
        raise AccountNotLinked(
            f"The account {username} is linked by somebody else already. Link your own: whatever "
            "you decide is recorded there under its name."
        ) from error


def note_asked(account: RegistryAccount, how: SecondFactor) -> None:
    """The registry asked for this account's second factor in this way: so it is not bypassed."""
    _learn(account, second_factor=how, bypasses_second_factor=False, last_worked_at=timezone.now())


def note_worked(
    account: RegistryAccount, *, proof_given: bool, by_code: bool, code_served_again: bool
) -> None:
    """The registry carried a decision out with this account.

    Without any proof given, its token needs none: whoever holds it publishes alone.
    """
    now = timezone.now()
    learned: dict[str, Any] = {"forbidden_at": None, "forbidden_words": ""}
    if not proof_given:
        learned |= {"second_factor": SecondFactor.NONE, "bypasses_second_factor": True}
    elif by_code and account.second_factor == SecondFactor.UNKNOWN:
        # Its person gave a code before anybody asked: they know.
        learned["second_factor"] = SecondFactor.CODE
    if code_served_again:
        learned["codes"] = CodeUse.AGAIN
    is_news = any(getattr(account, name) != value for name, value in learned.items())
    # A batch says the same of its account a hundred times within a minute.
    if is_news or account.last_worked_at is None or now - account.last_worked_at > NOTED_FOR:
        _learn(account, **learned, last_worked_at=now)


def note_codes_serve_once(account: RegistryAccount) -> None:
    """The registry refused a code, or its page's proof, at its second call."""
    _learn(account, codes=CodeUse.ONCE)


def mark_forbidden(account: RegistryAccount, words: str) -> None:
    """Notes that the registry did not let this account decide (403), and with which words."""
    with transaction.atomic():
        if _learn(account, forbidden_at=timezone.now(), forbidden_words=words[:600]):
            record(
                "account.forbidden",
                subject=account,
                registry_url=account.registry_url,
                username=account.username,
                words=words[:600],
            )


def troubles(account: RegistryAccount, registry_name: str) -> list[str]:
    """What is wrong with a linked account and what to do, one sentence or two each."""
    found = []
    if account.refused_at:
        found.append(
            f"{registry_name} no longer accepts the token of {account.username}: it was revoked "
            "or has expired. Make a new one there and link the account again."
        )
    if account.forbidden_at:
        said = f" It said: “{account.forbidden_words}”" if account.forbidden_words else ""
        found.append(
            f"{registry_name} did not let {account.username} decide.{said} Ask a maintainer of the "
            "package for the right to publish it, or link a token that may write."
        )
    if account.bypasses_second_factor:
        found.append(
            f"The token of {account.username} publishes at {registry_name} without a second "
            "factor: whoever steals it needs nobody's touch. Turn two-factor authentication on "
            "there, make a token that does not bypass it, and link the account again."
        )
    return found


def troubles_of(user: User, registries: Mapping[str, str]) -> list[str]:
    """What is wrong with this person's accounts at these registries (address to name).

    Not that one was refused, which is among the things still to be set up. One query.
    """
    accounts = RegistryAccount.objects.filter(
        user=user, registry_url__in=registries, refused_at__isnull=True
    ).order_by("registry_url")
    return [
        trouble
        for account in accounts
        for trouble in troubles(account, registries[account.registry_url])
    ]


def _learn(account: RegistryAccount, **learned: Any) -> bool:
    """Keeps what the registry showed of this token; one that was replaced since is left alone."""
    kept = RegistryAccount.objects.filter(pk=account.pk, sealed_token=account.sealed_token).update(
        **learned
    )
    if kept:
        for name, value in learned.items():
            setattr(account, name, value)
    return bool(kept)


def _keep(
    user: User, registry_url: str, username: str, token: str, *, bypasses: bool
) -> RegistryAccount:
    sealed = RegistryAccount(user=user, registry_url=registry_url, username=username)
    sealed.seal_token(token)
    with transaction.atomic():
        account, _ = RegistryAccount.objects.update_or_create(
            user=user,
            registry_url=registry_url,
            defaults={
                "username": username,
                "sealed_token": sealed.sealed_token,
                "linked_at": timezone.now(),
                "refused_at": None,
                # What was learned of another token, or long ago, may not hold any more.
                "forbidden_at": None,
                "forbidden_words": "",
                "last_worked_at": timezone.now(),
                "second_factor": SecondFactor.UNKNOWN,
                "codes": CodeUse.UNKNOWN,
                "bypasses_second_factor": bypasses,
            },
        )
        _tell("account.linked", account, actor=user)
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
            _tell("account.unlinked", account, actor=actor)
            record_all([unlinked(account, actor=actor)])


def forget_all(person: User, *, actor: AbstractBaseUser | None) -> list[Happening]:
    """Forgets all accounts of this person with their tokens; returns what is to be recorded.

    Belongs into the transaction of why.
    """
    accounts = list(RegistryAccount.objects.select_for_update().filter(user=person).order_by("pk"))
    RegistryAccount.objects.filter(user=person).delete()
    return [unlinked(account, actor=actor) for account in accounts]


def _tell(topic: str, account: RegistryAccount, *, actor: AbstractBaseUser | None) -> None:
    """Tells its person, as an open browser is enough to do it."""
    publish(
        topic,
        person=account.user_id,
        account=account.username,
        registry=account.registry_url,
        actor=str(actor) if actor else None,
        url_path="/accounts/",
    )


def unlinked(account: RegistryAccount, *, actor: AbstractBaseUser | None) -> Happening:
    """What is recorded of an account that was forgotten."""
    return Happening(
        "account.unlinked",
        actor,
        account,
        detail={"registry_url": account.registry_url, "username": account.username},
    )


def token_of(account: RegistryAccount) -> str:
    """The token, for its own person, registry's address and name there only. Raises SealBroken."""
    return account.open_token()


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


def _whose(registry_url: str, token: str) -> tuple[str, bool]:
    """The token's user, and whether the registry says that it needs no second factor."""
    try:
        with RegistryClient(
            registry_url, token, read_timeout=READ_TIMEOUT_SECONDS, max_tries=1
        ) as client:
            username = client.whoami()
            bypasses = client.bypasses_second_factor() is True
    except NotAuthorised as error:
        raise AccountNotLinked(
            "The registry does not know this token: it was mistyped, revoked or has expired. "
            f"Make a new one there and paste it whole. {error}"
        ) from error
    except (RegistryError, ValueError) as error:
        raise AccountNotLinked(f"The registry did not say whose token this is: {error}") from error
    if not username or len(username) > MAX_NAME_LENGTH:
        raise AccountNotLinked("The registry did not say whose token this is. Is it the right one?")
    return username, bypasses

"""People, their roles, the invitations that brought them, and their accounts at registries."""

from __future__ import annotations

import json
import unicodedata
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from approvals.audit.record import record
from approvals.sealing import SealBroken, SealedField, seal, unseal

# Narrow on purpose: no two names that look alike, and none that reads as somebody's e-mail address.
valid_username = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
    "A user name starts with a letter or digit, and has letters, digits, '.', '_' and '-' only.",
)


def valid_shown_name(text: str) -> None:
    """Refuses a first or last name that could pass for another text. Raises ValidationError.

    Control and format characters turn round or hide what stands beside them; brackets are how a
    person's user name is shown.
    """
    if any(unicodedata.category(one)[0] == "C" or one in "()\u2028\u2029" for one in text):
        raise ValidationError(
            "A name cannot have brackets, or characters that are not seen, such as line breaks."
        )


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer: reads"
    APPROVER = "approver", "Approver: also approves and rejects"
    RELEASE_MANAGER = (
        "release_manager",
        "Release manager: also says where a package must come from",
    )
    ADMINISTRATOR = "administrator", "Administrator: also invites people and adds registries"


class UserManager(DjangoUserManager["User"]):
    """Makes people; e-mail addresses are kept in lower case, so that each belongs to one."""

    def create_user(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **extra_fields: Any,
    ) -> User:
        return super().create_user(username, (email or "").lower(), password, **extra_fields)

    def create_superuser(
        self,
        username: str,
        email: str | None = None,
        password: str | None = None,
        **extra_fields: Any,
    ) -> User:
        """What `manage.py createsuperuser` calls: the first administrator."""
        extra_fields.setdefault("role", Role.ADMINISTRATOR)
        with transaction.atomic(using=self.db):
            user = super().create_superuser(
                username, (email or "").lower(), password, **extra_fields
            )
            record("person.added", subject=user, role=user.role, by="the command line")
        return user


class User(AbstractUser):
    """A person who signs in."""

    username = models.CharField(
        "user name",
        max_length=150,
        unique=True,
        validators=[valid_username],
        error_messages={"unique": "Somebody has this user name already."},
    )
    first_name = models.CharField(max_length=150, blank=True, validators=[valid_shown_name])
    last_name = models.CharField(max_length=150, blank=True, validators=[valid_shown_name])
    email = models.EmailField("e-mail address", unique=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)
    wants_email = models.BooleanField(
        "tell me by e-mail",
        default=True,
        help_text="When a version goes live, is rejected or fails.",
    )
    # Grows with each authenticator app that comes or goes, and ends the sessions from before.
    authenticator_changes = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_name_once_in_any_case"),
            models.UniqueConstraint(Lower("email"), name="user_email_once_in_any_case"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="user_role_known"
            ),
        ]

    def __str__(self) -> str:
        # Everybody chooses their own full name: without the user name, it would say nothing.
        name = self.get_full_name()
        if not name or name.casefold() == self.username.casefold():
            return name or self.username
        return f"{name} ({self.username})"

    def get_session_auth_hash(self) -> str:
        """What a session must hold to be this person's still."""
        return self._since_authenticator(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """The same under each earlier secret key."""
        return map(self._since_authenticator, super().get_session_auth_fallback_hash())

    def _since_authenticator(self, session_hash: str) -> str:
        return f"{session_hash}.{self.authenticator_changes}"


class Scope(models.Model):
    """Some packages that a person's role covers. Who has none of these has all packages.

    `packages` is a name in which "*" stands for anything but "/"; alone, for everything.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="scopes")
    # By address, like the accounts; empty for every registry.
    registry_url = models.CharField(max_length=500, blank=True)
    packages = models.CharField(max_length=214)

    class Meta:
        ordering = ["registry_url", "packages"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "registry_url", "packages"], name="scope_once_per_person"
            ),
            models.CheckConstraint(
                condition=~models.Q(packages=""), name="scope_names_some_packages"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.packages} at {self.registry_url or 'every registry'}"


class Team(models.Model):
    """Some people under a name that policies use: "2 of frontend"."""

    name = models.SlugField(max_length=40, unique=True)
    words = models.CharField("what it is for", max_length=200, blank=True)
    members = models.ManyToManyField(User, blank=True, related_name="teams")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class FirstRun(models.Model):
    """Setting up a dashboard that has no people yet, by whoever holds the printed link.

    One row at most, made by `manage.py up`; none where people were there before it.
    """

    # Only a hash is kept: reading the database must not make anyone an administrator.
    token_hash = models.CharField(max_length=64)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_first_run"),
        ]

    def __str__(self) -> str:
        return "first run"


class Invitation(models.Model):
    """A link that lets one person in, once."""

    # Only a hash is kept: reading the database must not let anyone in.
    token_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=20, choices=Role)
    # The scopes of whoever comes: [registry address or "", packages] each; empty for everything.
    scopes = models.JSONField(default=list, blank=True)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_by = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="invitation"
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(accepted_by__isnull=True, accepted_at__isnull=True)
                | models.Q(accepted_by__isnull=False, accepted_at__isnull=False),
                name="invitation_accepted_by_someone_at_some_time",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at__isnull=True) | models.Q(withdrawn_at__isnull=True),
                name="invitation_accepted_or_withdrawn",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="invitation_role_known"
            ),
        ]

    def __str__(self) -> str:
        return self.note or f"invitation of {self.created_at:%Y-%m-%d}"


class SecondFactor(models.TextChoices):
    """What a registry wants before it carries out a decision of an account."""

    UNKNOWN = "unknown", "not known yet"
    NONE = "none", "nothing"
    CODE = "code", "a one-time code"
    WEB = "web", "a touch on the registry's own page"


class CodeUse(models.TextChoices):
    """How often a registry takes one code."""

    UNKNOWN = "unknown", "not known yet"
    ONCE = "once", "good for one call"
    AGAIN = "again", "good for several calls while it lasts"


class RegistryAccount(models.Model):
    """A person's own account at a registry, with the token that acts for them there.

    It names the registry by its address, and the token is sealed to that address, to the person and
    to their name there: pointing a registry's row somewhere else does not send anybody's token
    there, and copied into somebody else's row it does not open.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="registry_accounts")
    registry_url = models.URLField(max_length=500)
    username = models.CharField(max_length=214)
    sealed_token = SealedField()
    linked_at = models.DateTimeField(default=timezone.now)
    # Set when the registry no longer accepts the token; the person is asked to link again.
    refused_at = models.DateTimeField(null=True, blank=True)
    # When, and with which words, the registry last said that this account may not decide (403).
    forbidden_at = models.DateTimeField(null=True, blank=True)
    forbidden_words = models.CharField(max_length=600, blank=True)
    last_worked_at = models.DateTimeField(null=True, blank=True)
    # How the registry asked for this account's second factor when it last did.
    second_factor = models.CharField(
        max_length=10, choices=SecondFactor, default=SecondFactor.UNKNOWN
    )
    # Whether one code served a second call.
    codes = models.CharField(max_length=10, choices=CodeUse, default=CodeUse.UNKNOWN)
    # The registry says so, or took a decision without asking for a second factor.
    bypasses_second_factor = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "registry_url"], name="one_account_per_person_and_registry"
            ),
            models.UniqueConstraint(
                fields=["registry_url", "username"], name="one_person_per_registry_account"
            ),
            models.CheckConstraint(
                condition=models.Q(second_factor__in=SecondFactor.values),
                name="account_second_factor_known",
            ),
            models.CheckConstraint(
                condition=models.Q(codes__in=CodeUse.values), name="account_code_use_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.registry_url}"

    def seal_token(self, token: str) -> None:
        self.sealed_token = seal(token, bound_to=self._bound_to)

    def open_token(self) -> str:
        """The token, as it was sealed for this very account. Raises SealBroken."""
        return unseal(self.sealed_token, bound_to=self._bound_to)

    @property
    def _bound_to(self) -> str:
        # Migration 0003 writes the same.
        return json.dumps(["token", self.user_id, self.registry_url, self.username])


# Each doubles the pause, which begins with one second.
MOST_FAILURES = 9


class SealedTOTPDevice(TOTPDevice):  # type: ignore[misc] # django-otp has no annotations
    """django-otp's TOTP device with its secret sealed to its person.

    A copy of the database must not be enough to compute anybody's codes, and a row written into
    it must not give one person's authenticator to another.
    """

    sealed_key = SealedField()
    # The session that an app waits in for its first code; its secret opens in no other.
    session = ""
    # django-otp's, which has no annotations.
    throttling_failure_count: int

    class Meta:
        verbose_name = "authenticator app"

    def __str__(self) -> str:
        return f"authenticator app of {self.user}"

    def verify_is_allowed(self) -> tuple[bool, Any]:
        """As django-otp says, but no pause is longer than 256 seconds.

        Its own doubles up to a day, in which whoever types wrong codes keeps the person out.
        """
        self.throttling_failure_count = min(self.throttling_failure_count, MOST_FAILURES)
        allowed: tuple[bool, Any] = super().verify_is_allowed()
        return allowed

    def seal_key(self, key: bytes) -> None:
        """Takes `key` as this device's secret; django-otp's own column for it stays empty."""
        self.key = ""
        self.sealed_key = seal(key.hex(), bound_to=self._bound_to)

    @property
    def bin_key(self) -> bytes:
        """The secret, for django-otp. Raises SealBroken."""
        return bytes.fromhex(unseal(self.sealed_key, bound_to=self._bound_to))

    @property
    def _bound_to(self) -> str:
        bound_to = f"totp of {self.user_id}"
        return bound_to if self.confirmed else f"{bound_to} in session {self.session}"


class Passkey(models.Model):
    """What vouches for a passkey of allauth's: a row written into its table lets nobody in."""

    authenticator = models.OneToOneField(
        "mfa.Authenticator", on_delete=models.CASCADE, related_name="passkey"
    )
    # The digest of the credential and its public key, sealed to the person.
    sealed_digest = SealedField()
    # What the authenticator last counted; one that counts backwards was copied. 0: it never counts.
    sign_count = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"passkey {self.authenticator_id}"


class RecoveryCode(models.Model):
    """One of a person's ten ways back in. `mac` is keyed, so that nobody computes it elsewhere."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    mac = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "mac"], name="recovery_code_once"),
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"


class Confirmation(models.Model):
    """A proof of presence that was asked for, for one purpose in one session: good once.

    Sealed, because it is a permission: a row written into the database allows nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="confirmations")
    # SHA-256 of the session's key.
    session = models.CharField(max_length=64)
    purpose = models.CharField(max_length=100)
    # What a passkey signs: 32 random bytes in hexadecimal.
    challenge = models.CharField(max_length=64)
    opened_at = models.DateTimeField(default=timezone.now)
    consumed_at = models.DateTimeField(null=True, blank=True)
    # The challenge, sealed to everything above.
    sealed = SealedField()

    def __str__(self) -> str:
        return f"{self.purpose} by {self.user_id}"

    def seal(self) -> None:
        self.sealed = seal(self.challenge, bound_to=self._bound_to)

    def is_genuine(self) -> bool:
        """Whether this program wrote it down, as it stands here."""
        try:
            return unseal(self.sealed, bound_to=self._bound_to) == self.challenge
        except SealBroken:
            return False

    @property
    def _bound_to(self) -> str:
        return json.dumps(
            [
                "confirmation",
                str(self.pk),
                self.user_id,
                self.session,
                self.purpose,
                self.opened_at.timestamp(),
            ]
        )


class TryCount(models.Model):
    """How often something was tried lately by, or at, one person or address."""

    what = models.CharField(max_length=20)
    # A keyed digest of the person or the address: this table tells nobody who tried.
    whose = models.CharField(max_length=64)
    since = models.DateTimeField(default=timezone.now)
    number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["what", "whose"], name="tries_counted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.number} of {self.what}"

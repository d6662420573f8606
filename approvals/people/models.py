"""People, their roles, the invitations that brought them, and their accounts at registries."""

from __future__ import annotations

import unicodedata
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
from approvals.sealing import SealedField, seal, unseal

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
    VIEWER = "viewer", "Viewer: reads everything"
    APPROVER = "approver", "Approver: also approves and rejects"
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


class Invitation(models.Model):
    """A link that lets one person in, once."""

    # Only a hash is kept: reading the database must not let anyone in.
    token_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=20, choices=Role)
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


class RegistryAccount(models.Model):
    """A person's own account at a registry, with the token that acts for them there.

    It names the registry by its address, and the token is sealed to that address: pointing a
    registry's row somewhere else does not send anybody's token there.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="registry_accounts")
    registry_url = models.URLField(max_length=500)
    username = models.CharField(max_length=214)
    sealed_token = SealedField()
    linked_at = models.DateTimeField(default=timezone.now)
    # Set when the registry no longer accepts the token; the person is asked to link again.
    refused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "registry_url"], name="one_account_per_person_and_registry"
            ),
            models.UniqueConstraint(
                fields=["registry_url", "username"], name="one_person_per_registry_account"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.registry_url}"


class SealedTOTPDevice(TOTPDevice):  # type: ignore[misc] # django-otp has no annotations
    """django-otp's TOTP device with its secret sealed to its person.

    A copy of the database must not be enough to compute anybody's codes, and a row written into
    it must not give one person's authenticator to another.
    """

    sealed_key = SealedField()

    class Meta:
        verbose_name = "authenticator app"

    def __str__(self) -> str:
        return f"authenticator app of {self.user}"

    def seal_key(self, key: bytes) -> None:
        """Takes `key` as this device's secret; django-otp's own column for it stays empty."""
        self.key = ""
        self.sealed_key = seal(key.hex(), bound_to=f"totp of {self.user_id}")

    @property
    def bin_key(self) -> bytes:
        """The secret, for django-otp. Raises SealBroken."""
        return bytes.fromhex(unseal(self.sealed_key, bound_to=f"totp of {self.user_id}"))

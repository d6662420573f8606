"""People, their roles, the invitations that brought them, and their accounts at registries."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from approvals.sealing import SealedField


class Role(models.TextChoices):
    VIEWER = "viewer", "Viewer: reads everything"
    APPROVER = "approver", "Approver: also approves and rejects"
    ADMINISTRATOR = "administrator", "Administrator: also invites people and adds registries"


class User(AbstractUser):
    """A person who signs in."""

    email = models.EmailField("e-mail address", unique=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)
    wants_email = models.BooleanField(
        "tell me by e-mail",
        default=True,
        help_text="When a version goes live, is rejected or fails.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="user_role_known"
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username


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
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.registry_url}"

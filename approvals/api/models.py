"""What CI comes with: its tokens, and the links that it gives."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.people.scopes import Reach
from approvals.queue.models import StagedVersion

LONGEST_TOKEN_NAME = 80
LONGEST_LINK = 2000
# The fields that say what a token may do, in words.
MAY = {
    "may_read": "read states and releases",
    "may_hand_in_provenance": "hand in provenance",
    "may_give_context": "give links",
}


class Token(models.Model):
    """What one project's CI shows to call the API. Kept as a hash: nobody sees it again.

    It covers the packages of its scopes, and none without one.
    """

    name = models.CharField(max_length=LONGEST_TOKEN_NAME, unique=True)
    hash = models.CharField(max_length=64, unique=True)
    # Its first characters, to tell which of several a pipeline holds.
    begins_with = models.CharField(max_length=16)
    may_read = models.BooleanField(default=True)
    may_hand_in_provenance = models.BooleanField(default=False)
    may_give_context = models.BooleanField(default=False)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    made_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    # To the minute: it is not written down for every call.
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(may_read=True)
                | Q(may_hand_in_provenance=True)
                | Q(may_give_context=True),
                name="api_token_allows_something",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("made_at")), name="api_token_expires_later"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_good(self) -> bool:
        """Whether the API takes it at this moment."""
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def reaches(self) -> list[Reach]:
        """The packages that it covers."""
        return [Reach(one.registry_url, one.packages) for one in self.scopes.all()]


class TokenScope(models.Model):
    """Some packages that a token covers: "*" in the name stands for anything but "/"."""

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="scopes")
    # By address, as in people's scopes; empty for every registry.
    registry_url = models.CharField(max_length=500, blank=True)
    packages = models.CharField(max_length=214)

    class Meta:
        ordering = ["registry_url", "packages"]
        constraints = [
            models.UniqueConstraint(
                fields=["token", "registry_url", "packages"], name="api_token_scope_once"
            ),
            models.CheckConstraint(
                condition=~Q(packages=""), name="api_token_scope_names_some_packages"
            ),
        ]

    def __str__(self) -> str:
        return str(Reach(self.registry_url, self.packages))


class Kind(models.TextChoices):
    """What a link from CI leads to."""

    PULL_REQUEST = "pull_request", "Pull request"
    CHANGELOG = "changelog", "Changelog"
    TEST_REPORT = "test_report", "Test report"
    RUN = "run", "Run"


class ContextLink(models.Model):
    """A link that CI gave for a staged version. Nothing about it is verified."""

    staged_version = models.ForeignKey(
        StagedVersion, on_delete=models.CASCADE, related_name="context_links"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    url = models.CharField(max_length=LONGEST_LINK)
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["staged_version", "kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["staged_version", "kind"], name="context_link_once_per_kind"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=Kind.values), name="context_link_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(url__startswith="https://"), name="context_link_is_https"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.staged_version_id}"

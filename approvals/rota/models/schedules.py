"""Schedules as people made them, and what they arranged with one another since."""

from __future__ import annotations

from datetime import time

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from approvals.people.scopes import matches

LONGEST_NAME = 60
LONGEST_WORDS = 200
LONGEST_ZONE = 64
MOST_LENGTH = 1000


class Schedule(models.Model):
    """Who is on call for some packages. The first that covers a package, by position, holds."""

    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    position = models.PositiveIntegerField()
    # By address, like scopes and policies; empty for every registry.
    registry_url = models.CharField(max_length=500, blank=True)
    # Patterns of names as in scopes, one a line.
    packages = models.TextField()
    # Somebody has to be there at every hour. Without it, only in the hours of its layers.
    is_round_the_clock = models.BooleanField(default=False)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="schedule_has_a_name"),
            models.CheckConstraint(condition=~Q(packages=""), name="schedule_names_some_packages"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def globs(self) -> list[str]:
        """The patterns of names that it covers."""
        return self.packages.split("\n")

    def covers(self, registry_url: str, package: str) -> bool:
        """Whether it is for this package, if no schedule before it is."""
        return self.registry_url in ("", registry_url) and any(
            matches(glob, package) for glob in self.globs
        )


class Layer(models.Model):
    """A rotation of people in a schedule: turns of one length, begun at a hand-over time.

    Days and weeks are those of the layer's time zone, so that turns change hands at the same time
    by the clock there all year; hours are real ones. Where several layers have somebody, the first
    by position is on call; incident layers come last for what is ordinary, and first for what is
    urgent.
    """

    class Kind(models.TextChoices):
        WEEK = "week", "Whole week"
        WEEKDAY = "weekday", "Weekdays"
        WEEKEND = "weekend", "Weekend"
        INCIDENT = "incident", "Incidents"

    class Unit(models.TextChoices):
        HOURS = "hours", "hours"
        DAYS = "days", "days"
        WEEKS = "weeks", "weeks"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="layers")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.WEEK)
    position = models.PositiveIntegerField()
    time_zone = models.CharField(max_length=LONGEST_ZONE, default="UTC")
    # The first turn begins on this day, and every turn at this time, by the clock there.
    start_date = models.DateField()
    handover_time = models.TimeField(default=time(9))
    length = models.PositiveIntegerField(default=1)
    unit = models.CharField(max_length=10, choices=Unit, default=Unit.WEEKS)
    # The days of the week on which its hours begin, from 0 for Monday, sorted.
    weekdays = models.JSONField(default=list)
    # Both or none; none for the whole of these days. Hours that end no later than they begin end
    # on the next day, which need not be one of these.
    from_time = models.TimeField(null=True, blank=True)
    until_time = models.TimeField(null=True, blank=True)
    # Since when it is in nobody's way: removed, or its turns made other ones, by another layer in
    # its place. What was stays as it was.
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["week", "weekday", "weekend", "incident"]),
                name="layer_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(unit__in=["hours", "days", "weeks"]), name="layer_unit_known"
            ),
            models.CheckConstraint(
                condition=Q(length__gte=1, length__lte=MOST_LENGTH), name="layer_length"
            ),
            models.CheckConstraint(
                condition=Q(from_time__isnull=True, until_time__isnull=True)
                | Q(from_time__isnull=False, until_time__isnull=False),
                name="layer_hours_have_both_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.schedule}"


class LayerMember(models.Model):
    """Somebody's place in a rotation, from when to when. Kept when they leave: it was their turn.

    Somebody who leaves and comes back has a second of these.
    """

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rota_places"
    )
    position = models.PositiveIntegerField()
    joined_at = models.DateTimeField(default=timezone.now)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["layer", "user"],
                condition=Q(left_at__isnull=True),
                name="one_place_per_person_and_layer",
            ),
            models.CheckConstraint(
                condition=Q(left_at__isnull=True) | Q(left_at__gte=F("joined_at")),
                name="layer_member_left_after_joining",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.layer}"


class Swap(models.Model):
    """Somebody asks another person to take their time in a layer, perhaps for some of the other's.

    Nothing changes until the other accepts.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Asked"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"
        LAPSED = "lapsed", "Lapsed"

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="swaps")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="swaps_asked"
    )
    other = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="swaps_to_answer"
    )
    # What the other would take.
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # What whoever asks would take of the other's in return, if anything.
    back_starts_at = models.DateTimeField(null=True, blank=True)
    back_ends_at = models.DateTimeField(null=True, blank=True)
    words = models.CharField(max_length=LONGEST_WORDS, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    asked_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["layer", "asked_by", "other", "starts_at"],
                condition=Q(state="asked"),
                name="swap_asked_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "accepted", "declined", "withdrawn", "lapsed"]),
                name="swap_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="asked", answered_at__isnull=True)
                | (~Q(state="asked") & Q(answered_at__isnull=False)),
                name="swap_answered_at_some_time",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="swap_ends_after_it_starts"
            ),
            models.CheckConstraint(
                condition=Q(back_starts_at__isnull=True, back_ends_at__isnull=True)
                | Q(
                    back_starts_at__isnull=False,
                    back_ends_at__isnull=False,
                    back_ends_at__gt=F("back_starts_at"),
                ),
                name="swap_back_has_both_ends",
            ),
            models.CheckConstraint(
                condition=~Q(asked_by=F("other")), name="swap_is_between_two_people"
            ),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(state="asked"), name="swaps_to_lapse"),
        ]

    def __str__(self) -> str:
        return f"{self.layer} from {self.asked_by} to {self.other}"


class Override(models.Model):
    """Somebody is on call in a layer for a while, whoever's turn it is. Of several, the newest."""

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="overrides")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rota_overrides"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # It stands in for turns only: outside the layer's hours nobody is on call by it.
    only_in_hours = models.BooleanField(default=False)
    words = models.CharField(max_length=LONGEST_WORDS, blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    made_at = models.DateTimeField(default=timezone.now)
    swap = models.ForeignKey(
        Swap, null=True, blank=True, on_delete=models.CASCADE, related_name="overrides"
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["starts_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="override_ends_after_it_starts"
            ),
        ]
        indexes = [
            models.Index(
                fields=["layer", "ends_at"],
                condition=Q(cancelled_at__isnull=True),
                name="overrides_that_hold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.layer}"


class EscalationStep(models.Model):
    """Who is told of a version that nobody takes, and how long after the step before."""

    class Whom(models.TextChoices):
        ON_CALL = "on_call", "who is on call"
        NEXT = "next", "who is next in the rotation"
        ALL_APPROVERS = "all_approvers", "everybody who may approve it"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    # After the step before it; the first one after the version could be decided.
    after_minutes = models.PositiveIntegerField()
    whom = models.CharField(max_length=20, choices=Whom)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "position"], name="escalation_step_once_per_position"
            ),
            models.CheckConstraint(
                condition=Q(whom__in=["on_call", "next", "all_approvers"]),
                name="escalation_whom_known",
            ),
        ]

    def __str__(self) -> str:
        return f"step {self.position} of {self.schedule}"


class GapNotice(models.Model):
    """A time without anybody on call, of which people were told."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="gap_notices")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    told_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["starts_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "starts_at"], name="gap_told_once_per_schedule"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="gap_ends_after_it_starts"
            ),
        ]

    def __str__(self) -> str:
        return f"gap in {self.schedule}"


class CalendarFeed(models.Model):
    """An address where a calendar program reads shifts: one person's, or a whole schedule's.

    It shows no more than its owner may see, and nothing once they are shut out.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_feeds"
    )
    # Empty for the owner's own shifts.
    schedule = models.ForeignKey(
        Schedule, null=True, blank=True, on_delete=models.CASCADE, related_name="feeds"
    )
    # Only a hash is kept: reading the database must not let anybody read along.
    secret_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(default=timezone.now)
    last_read_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner"],
                condition=Q(schedule__isnull=True, revoked_at__isnull=True),
                name="one_own_feed_per_person",
            ),
            models.UniqueConstraint(
                fields=["owner", "schedule"],
                condition=Q(schedule__isnull=False, revoked_at__isnull=True),
                name="one_feed_per_person_and_schedule",
            ),
        ]

    def __str__(self) -> str:
        return f"calendar of {self.schedule or self.owner}"

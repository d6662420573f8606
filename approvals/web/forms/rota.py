"""Schedules, their layers and steps; who takes whose time on call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms

from approvals.people.models import User
from approvals.rota.models import EscalationStep, Layer
from approvals.rota.models.schedules import LONGEST_NAME, LONGEST_WORDS, LONGEST_ZONE, MOST_LENGTH
from approvals.rota.schedules import (
    LONGEST_WAIT_MINUTES,
    MOST_PEOPLE,
    ScheduleRefused,
    WantedLayer,
    WantedSchedule,
    WantedStep,
)
from approvals.rota.templates import TEMPLATES, Group
from approvals.rota.wall_clock import moment

_PLAIN = {"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
_ZONES = {**_PLAIN, "list": "time-zones", "placeholder": "Europe/Berlin"}
LONGEST_TYPED = 5000
MOST_PLACES, PLACES_AT_ONCE, MOST_GROUPS = MOST_PEOPLE, 4, 4
MOST_STEPS = 6
WEEKDAYS = (
    *((0, "Mon"), (1, "Tue"), (2, "Wed"), (3, "Thu")),
    *((4, "Fri"), (5, "Sat"), (6, "Sun")),
)


def _silence(field: forms.Field) -> forms.Field:
    """Has components/field.html not call it optional."""
    field.says_for_itself = True  # type: ignore[attr-defined]  # how field.html knows it
    return field


class TimeZoneField(forms.CharField):
    """A time zone by its IANA name, typed with suggestions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=LONGEST_ZONE,
            widget=forms.TextInput(attrs=_ZONES),
            error_messages={"required": "Name a time zone, such as Europe/Berlin."},
            **options,
        )

    def clean(self, value: Any) -> str:
        name = str(super().clean(value))
        if name and name not in available_timezones():
            raise forms.ValidationError(
                f"“{name[:40]}” is no time zone. Write one such as Europe/Berlin or UTC."
            )
        return name


class MomentField(forms.CharField):
    """A day and time by the clock of `zone`, as browsers send them."""

    def __init__(self, *, zone: ZoneInfo, **options: Any) -> None:
        self._zone = zone
        super().__init__(
            max_length=30,
            widget=forms.TextInput(attrs={"type": "datetime-local", "step": "60"}),
            error_messages={"required": "Say when: a day and a time."},
            **options,
        )

    def clean(self, value: Any) -> datetime:
        text = str(super().clean(value))
        try:
            typed = datetime.fromisoformat(text)
        except ValueError as error:
            raise forms.ValidationError("Write a day and a time, as 2026-11-20T09:00.") from error
        if typed.tzinfo is not None or not date(2000, 1, 1) <= typed.date() <= date(2100, 1, 1):
            raise forms.ValidationError("Write a day and a time of this century.")
        return moment(typed.date(), typed.time(), self._zone)


class ExactMomentField(forms.CharField):
    """A moment that the page knew, hidden in it."""

    widget = forms.HiddenInput

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=40, **options)

    def clean(self, value: Any) -> datetime | None:
        text = str(super().clean(value))
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise forms.ValidationError("This page is out of date. Load it again.") from error


# ---------- a schedule


class _ScheduleFields(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Give the schedule a name, to tell it from others."},
    )
    packages = forms.CharField(
        label="For which packages",
        max_length=LONGEST_TYPED,
        widget=forms.Textarea(attrs={"rows": 3, **_PLAIN, "placeholder": "@acme/*"}),
        error_messages={"required": "Name a package, or a pattern such as @acme/*."},
        help_text="One a line: a name, or a pattern such as @acme/* or acme-*; * alone for every "
        "package.",
    )
    is_round_the_clock = forms.BooleanField(
        label="Somebody has to be there at every hour",
        required=False,
        help_text="Otherwise only the hours of its layers count: outside them nobody is missed.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        registries: Mapping[str, str],
        registry_url: str = "",
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        urls = dict.fromkeys([*registries, registry_url])
        self.fields["registry_url"] = _silence(
            forms.ChoiceField(
                label="At which registry",
                required=False,
                initial=registry_url,
                choices=[
                    ("", "Every registry"),
                    *((url, registries.get(url, url)) for url in urls if url),
                ],
            )
        )

    def refuse(self, refusal: ScheduleRefused) -> None:
        """Says what is wrong beside the field that it is about, if there is one."""
        self.add_error(_place_of(self, refusal.field), str(refusal))

    @property
    def wanted(self) -> WantedSchedule:
        """The schedule that was typed, once it is valid."""
        typed = self.cleaned_data
        return WantedSchedule(
            name=typed["name"],
            registry_url=typed["registry_url"],
            packages=[line.strip() for line in typed["packages"].splitlines() if line.strip()],
            is_round_the_clock=typed["is_round_the_clock"],
        )


class ScheduleForm(_ScheduleFields):
    """What a schedule is called, and for which packages it is."""

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.order_fields(("name", "packages", "registry_url", "is_round_the_clock"))


class NewScheduleForm(_ScheduleFields):
    """A schedule from a template: `people` can be on call, in as many groups as `places` says.

    Each of `places` is for how many people the group has fields. Most templates have one group.
    """

    template = forms.ChoiceField(
        label="Made as",
        choices=[(one.key, one.name) for one in TEMPLATES],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what it is made as."},
    )
    start_date = forms.DateField(
        label="The first turn begins in the week of",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": "Say in which week the first turn begins."},
    )

    def __init__(
        self,
        data: Any = None,
        *,
        people: Sequence[User],
        places: Sequence[int],
        zone: str,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self._groups = []
        for at, number in enumerate(places):
            self.fields[f"zone_{at}"] = TimeZoneField(
                label="Time zone",
                initial=zone if at == 0 else "",
                required=at == 0,
                help_text="Turns change hands at 09:00 by the clock there, all year.",
            )
            _silence(self.fields[f"zone_{at}"])
            self._groups.append(Places(self, people, number, prefix=f"place_{at}"))

    @property
    def groups(self) -> list[tuple[forms.BoundField, Places]]:
        """The groups, for templates: their time zone, and who is in them."""
        return [(self[f"zone_{at}"], one) for at, one in enumerate(self._groups)]

    @property
    def chosen_groups(self) -> list[Group]:
        """The groups that were typed, once they are valid."""
        return [
            Group(self.cleaned_data[f"zone_{at}"], self.cleaned_data[f"people_{at}"])
            for at in range(len(self._groups))
            if self.cleaned_data[f"people_{at}"]
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        has_groups = any(one.has_groups for one in TEMPLATES if one.key == cleaned.get("template"))
        for at, group in enumerate(self._groups):
            is_meant = at == 0 or has_groups
            cleaned[f"people_{at}"] = group.chosen(cleaned) if is_meant else []
            if cleaned[f"people_{at}"] and not cleaned.get(f"zone_{at}", "-"):
                self.add_error(f"zone_{at}", "Name their time zone, such as Asia/Tokyo.")
        if not cleaned["people_0"] and not any(
            name in self.errors for name in self._groups[0].names
        ):
            self.add_error(self._groups[0].names[0], "Choose at least one person.")
        if has_groups and not any(cleaned[f"people_{at}"] for at in range(1, len(self._groups))):
            self.add_error(self._groups[1].names[0], "Choose who follows the first group.")
        return cleaned


class Places:
    """Fields in which people are put in the order of their turns, as part of a form."""

    def __init__(
        self,
        form: forms.Form,
        people: Sequence[User],
        number: int,
        *,
        chosen: Sequence[int] = (),
        prefix: str = "place",
    ) -> None:
        self._form = form
        number = min(max(number, len(chosen), 1), MOST_PLACES)
        self.names = [f"{prefix}_{at}" for at in range(number)]
        for at, name in enumerate(self.names):
            form.fields[name] = _silence(
                forms.TypedChoiceField(
                    label=f"{_ordinal(at + 1)} turn",
                    required=False,
                    coerce=int,
                    empty_value=None,
                    initial=chosen[at] if at < len(chosen) else None,
                    choices=[("", "Nobody"), *((one.pk, str(one)) for one in people)],
                    error_messages={
                        "invalid_choice": "They cannot be on call. Choose among those listed."
                    },
                )
            )

    @property
    def fields(self) -> list[forms.BoundField]:
        """For templates."""
        return [self._form[name] for name in self.names]

    @property
    def may_be_more(self) -> bool:
        """Whether more would be added."""
        return len(self.names) < MOST_PLACES

    def chosen(self, cleaned: Mapping[str, Any]) -> list[int]:
        """The people's keys in order; whoever stands there twice is refused at the second."""
        found: list[int] = []
        for name in self.names:
            person = cleaned.get(name)
            if person is None:
                continue
            if person in found:
                self._form.add_error(name, "They have a turn already. Choose somebody else.")
            else:
                found.append(person)
        return found


def _place_of(form: forms.Form, field: str) -> str | None:
    field = "place_0" if field == "people" else field
    return field if field in form.fields else None


def time_zones() -> list[str]:
    """The names that a field of a time zone suggests."""
    places = (one for one in available_timezones() if "/" in one and not one.startswith("Etc/"))
    return ["UTC", *sorted(places)]


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number % 100 < 14 else ending}"  # noqa: PLR2004 - 11th to 13th


class LayerForm(forms.Form):
    """A rotation: who takes turns, how long each is, and in which hours."""

    kind = forms.ChoiceField(
        label="For",
        choices=Layer.Kind.choices,
        help_text="Incidents: on call first for what a policy calls urgent, and last otherwise.",
    )
    length = forms.IntegerField(
        label="A turn lasts",
        min_value=1,
        max_value=MOST_LENGTH,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    unit = forms.ChoiceField(label="Hours, days or weeks", choices=Layer.Unit.choices)
    start_date = forms.DateField(
        label="The first turn begins on",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    handover_time = forms.TimeField(
        label="Hand-over at",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    time_zone = TimeZoneField(label="Time zone")
    weekdays = forms.TypedMultipleChoiceField(
        label="On which days",
        coerce=int,
        choices=WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one day."},
    )
    from_time = forms.TimeField(
        label="From",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    until_time = forms.TimeField(
        label="Until",
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        people: Sequence[User],
        places: int,
        chosen: Sequence[int] = (),
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.people = Places(self, people, places, chosen=chosen)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cleaned["people"] = self.people.chosen(cleaned)
        if (cleaned.get("from_time") is None) != (cleaned.get("until_time") is None):
            missing = "from_time" if cleaned.get("from_time") is None else "until_time"
            self.add_error(missing, "Say both, or neither for the whole day.")
        return cleaned

    def refuse(self, refusal: ScheduleRefused) -> None:
        """Says what is wrong beside the field that it is about, if there is one."""
        self.add_error(_place_of(self, refusal.field), str(refusal))

    @property
    def wanted(self) -> WantedLayer:
        """The layer that was typed, once it is valid."""
        typed = self.cleaned_data
        return WantedLayer(
            kind=typed["kind"],
            time_zone=typed["time_zone"],
            start_date=typed["start_date"],
            handover_time=typed["handover_time"],
            length=typed["length"],
            unit=typed["unit"],
            weekdays=sorted(typed["weekdays"]),
            from_time=typed["from_time"],
            until_time=typed["until_time"],
            people=typed["people"],
        )


def layer_initial(layer: Layer) -> dict[str, Any]:
    """What the form of a layer begins with."""
    names = ("kind", "length", "unit", "start_date", "handover_time", "time_zone", "weekdays")
    return {
        **{name: getattr(layer, name) for name in (*names, "from_time", "until_time")},
    }


def new_layer_initial(today: date, zone: str) -> dict[str, Any]:
    """The same of a new one."""
    return {
        "kind": Layer.Kind.WEEK,
        "length": 1,
        "unit": Layer.Unit.WEEKS,
        "start_date": today,
        "handover_time": time(9),
        "time_zone": zone,
        "weekdays": [day for day, _ in WEEKDAYS],
    }


class StepsForm(forms.Form):
    """Who is told of a version that nobody takes, step by step; an empty wait ends them."""

    def __init__(
        self, data: Any = None, *, steps: Sequence[EscalationStep], **options: Any
    ) -> None:
        super().__init__(data, **options)
        for at in range(MOST_STEPS):
            step = steps[at] if at < len(steps) else None
            self.fields[f"after_{at}"] = _silence(
                forms.IntegerField(
                    label="Minutes after it is assigned" if at == 0 else "Minutes later",
                    required=False,
                    min_value=0,
                    max_value=LONGEST_WAIT_MINUTES,
                    initial=step.after_minutes if step else None,
                    widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
                )
            )
            self.fields[f"whom_{at}"] = _silence(
                forms.ChoiceField(
                    label="Ask",
                    required=False,
                    choices=[("", "Nobody further"), *EscalationStep.Whom.choices],
                    initial=step.whom if step else "",
                )
            )

    @property
    def rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """For templates."""
        return [(self[f"after_{at}"], self[f"whom_{at}"]) for at in range(MOST_STEPS)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        steps = []
        for at in range(MOST_STEPS):
            whom, after = cleaned.get(f"whom_{at}"), cleaned.get(f"after_{at}")
            if not whom:
                if after is not None:
                    self.add_error(f"whom_{at}", "Say who is asked then, or clear the minutes.")
                continue
            if after is None:
                if f"after_{at}" not in self.errors:
                    self.add_error(f"after_{at}", "Say after how many minutes.")
                continue
            steps.append(WantedStep(after_minutes=after, whom=whom))
        cleaned["steps"] = steps
        return cleaned


class MoveForm(forms.Form):
    """Where in the order of schedules this one is tried, counted from 1."""

    position = forms.TypedChoiceField(label="Try it as", coerce=int)

    def __init__(self, data: Any = None, *, names: Sequence[str], **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["position"].choices = [  # type: ignore[attr-defined] # it is a ChoiceField
            (at, f"{at}. (now {name})") for at, name in enumerate(names, start=1)
        ]


# ---------- who takes whose time


class OverrideForm(forms.Form):
    """Somebody is on call for a while, whoever's turn it is."""

    def __init__(
        self,
        data: Any = None,
        *,
        layers: Sequence[tuple[int, str]],
        people: Sequence[User],
        zone: ZoneInfo,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.fields["person"] = forms.TypedChoiceField(
            label="Who is on call",
            coerce=int,
            choices=[(one.pk, str(one)) for one in people],
            error_messages={"invalid_choice": "They cannot be on call. Choose among those listed."},
        )
        self.fields["layer"] = forms.TypedChoiceField(label="In", coerce=int, choices=layers)
        if len(layers) == 1:
            self.fields["layer"].widget = forms.HiddenInput()
            self.fields["layer"].initial = layers[0][0]
        self.fields["starts_at"] = MomentField(label="From", zone=zone)
        self.fields["ends_at"] = MomentField(label="To", zone=zone)
        self.fields["words"] = forms.CharField(
            label="Why",
            required=False,
            max_length=LONGEST_WORDS,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", "It must end after it begins.")
        return cleaned


class HandOverForm(forms.Form):
    """Whom somebody asks to take a shift of theirs, in whole; sent by the button with a name."""

    other = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    layer = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    starts_at = ExactMomentField()
    ends_at = ExactMomentField()
    back_starts_at = ExactMomentField(required=False)
    back_ends_at = ExactMomentField(required=False)
    words = forms.CharField(required=False, max_length=LONGEST_WORDS)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        back = (cleaned.get("back_starts_at"), cleaned.get("back_ends_at"))
        cleaned["back"] = back if all(back) else None
        return cleaned


class HandOverNowForm(forms.Form):
    """Whom somebody asks to take the rest of the turn that they have now."""

    other = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    layer = forms.IntegerField(min_value=1, max_value=2**63 - 1)


class TakeOverForm(forms.Form):
    """Which shift somebody takes over themselves."""

    layer = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    starts_at = ExactMomentField()
    ends_at = ExactMomentField()

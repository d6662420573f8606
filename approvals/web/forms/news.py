"""Where news go, what a place gets, and when it is quiet."""

from collections.abc import Sequence
from typing import Any

from django import forms

from approvals.notifications.destinations import ADDRESS_LIMIT, MOST_PACKAGES, NAME_LIMIT
from approvals.notifications.messages import KINDS
from approvals.notifications.models import Destination
from approvals.people.models import Team
from approvals.people.scopes import LONGEST_NAME
from approvals.policy.times import DAYS
from approvals.queue.models import Registry

MINE, EVERYONE = "me", "everyone"
_TEAM = "team-"


def _address_field(**options: Any) -> forms.CharField:
    return forms.CharField(
        label="Address",
        max_length=ADDRESS_LIMIT,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
        **options,
    )


class DestinationForm(forms.Form):
    """A new place. Who manages also adds those of teams, and shared ones."""

    owner = forms.ChoiceField(label="For whom")
    kind = forms.ChoiceField(
        label="What it is",
        choices=[
            (Destination.Kind.APPRISE, "A chat, or a pager"),
            (Destination.Kind.EMAIL, "An e-mail address, of a team or shared"),
        ],
    )
    name = forms.CharField(max_length=NAME_LIMIT, help_text="How pages and the log call it.")
    address = _address_field(
        help_text=(
            "For a chat or a pager, as apprise writes it: slack://…, msteams://…, discord://…, "
            "ntfys://…, pagerduty://…. It is kept sealed and not shown again. A team's e-mail "
            "without an address goes to each member."
        ),
    )

    def __init__(self, data: Any = None, *, teams: Sequence[Team] | None, **options: Any) -> None:
        super().__init__(data, **options)
        self._teams = {f"{_TEAM}{team.pk}": team for team in teams or ()}
        if teams is None:
            del self.fields["owner"]
            del self.fields["kind"]
            return
        self.fields["owner"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (MINE, "Me alone"),
            (EVERYONE, "Shared: nobody's own"),
            *((key, f"Team {team.name}") for key, team in self._teams.items()),
        ]

    @property
    def is_mine(self) -> bool:
        return bool(self.cleaned_data.get("owner", MINE) == MINE)

    @property
    def team(self) -> Team | None:
        return self._teams.get(self.cleaned_data.get("owner", ""))


class EditDestinationForm(forms.Form):
    name = forms.CharField(max_length=NAME_LIMIT)
    address = _address_field(
        help_text="Leave it empty to keep the one there is, which is not shown again."
    )
    enabled = forms.BooleanField(
        label="Send news there",
        required=False,
        help_text="Switching it off also gives up what still waits for it.",
    )

    def __init__(self, data: Any = None, *, may_type: bool, **options: Any) -> None:
        super().__init__(data, **options)
        if not may_type:
            del self.fields["address"]


class SubscriptionForm(forms.Form):
    """What one place gets. Nothing chosen means everything."""

    kinds = forms.MultipleChoiceField(
        label="Which news",
        required=False,
        choices=list(KINDS.items()),
        widget=forms.CheckboxSelectMultiple,
    )
    packages = forms.CharField(
        label="Of which packages",
        required=False,
        max_length=MOST_PACKAGES * (LONGEST_NAME + 2),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text="A name or a pattern a line, such as @acme/*. Empty for every package.",
    )
    registry_url = forms.ChoiceField(label="At which registry", required=False)

    def __init__(self, data: Any = None, *, registries: Sequence[Registry], **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["registry_url"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            ("", "Every registry"),
            *((registry.url, registry.name) for registry in registries),
        ]

    def wanted(self) -> dict[str, Any]:
        typed = self.cleaned_data
        return {
            "kinds": typed["kinds"],
            "packages": typed["packages"].splitlines(),
            "registry_url": typed["registry_url"],
        }


class QuietHoursForm(forms.Form):
    starts = forms.TimeField(label="From", widget=forms.TimeInput(attrs={"type": "time"}))
    ends = forms.TimeField(
        label="To",
        widget=forms.TimeInput(attrs={"type": "time"}),
        help_text="On the next day where it is not later; the same time is a whole day.",
    )
    weekdays = forms.TypedMultipleChoiceField(
        label="Beginning on",
        coerce=int,
        choices=list(enumerate(DAYS)),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one day."},
    )
    time_zone = forms.CharField(
        label="Time zone",
        max_length=64,
        help_text="Such as Europe/Berlin, or UTC.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

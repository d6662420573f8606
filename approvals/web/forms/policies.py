"""What must hold for which packages: built from what each requirement says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django import forms
from django.forms.boundfield import BoundField

from approvals.people.scopes import LONGEST_NAME
from approvals.policy.book import DEFAULT, Policy
from approvals.policy.describe import configured
from approvals.policy.models import LONGEST_WORDS
from approvals.policy.requirement import Option, Requirement
from approvals.policy.revise import (
    LONGEST_POLICY_NAME,
    LONGEST_TYPED,
    PolicyRefused,
    WantedPolicy,
    checked_settings,
    choosable,
)

_PLAIN = {"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
_LONGEST_NUMBER = 20
_LONGEST_TEXT = 300
# What a new policy begins with.
_USUAL = frozenset(DEFAULT.requirements)


def _why(help_text: str) -> forms.CharField:
    return forms.CharField(
        label="Why",
        max_length=LONGEST_WORDS,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why: it stays beside the change."},
        help_text=help_text,
    )


class ChangeForm(forms.Form):
    """Why the policies are changed, and which revision of them the page showed."""

    words = _why("It stays in the history of the policies, and in the audit log.")
    # Another browser may have changed them since.
    seen = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        # Whoever only looks what would come of it has nothing to say yet.
        self._is_preview = data is not None and "preview" in data
        self.fields["words"].required = not self._is_preview

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self._is_preview and not cleaned.get("words"):
            cleaned["words"] = "A preview"
        if "seen" in self.errors:
            # Beside a field that nobody sees, nobody reads it.
            self.add_error(None, "This page says nothing of what it showed. Load the page again.")
        return cleaned

    def refuse(self, refusal: PolicyRefused) -> None:
        """Says what is wrong."""
        self.add_error(None, str(refusal))


class MoveForm(ChangeForm):
    """`policies` are all of them, `moved` the one that is to be tried elsewhere."""

    field_order = ("before", "words", "seen")

    def __init__(
        self, data: Any = None, *, policies: Sequence[Policy], moved: Policy, **options: Any
    ) -> None:
        super().__init__(data, **options)
        others = [one for one in policies if one != moved]
        self.fields["before"] = forms.ChoiceField(
            label="Try it before",
            choices=[(one.key, _numbered(one, policies)) for one in others],
            initial=next((other.key for one, other in pairwise(policies) if one == moved), None),
        )
        self.order_fields(self.field_order)


@dataclass(frozen=True)
class Group:
    """One requirement as the form shows it: whether it is demanded, and what can be said of it."""

    title: str
    words: str
    check: BoundField | None
    options: tuple[BoundField, ...]


class PolicyForm(ChangeForm):
    """A policy: `policy` for a change, None for a new one. `registries` are names by address."""

    name = forms.CharField(
        label="Name",
        max_length=LONGEST_POLICY_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Give the policy a name, to tell it from others."},
    )
    packages = forms.CharField(
        label="For which packages",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "@acme/*"}),
        error_messages={"required": "Name a package, or a pattern such as @acme/*."},
        help_text="A name, or a pattern such as @acme/* or acme-*; * alone for every package.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        policies: Sequence[Policy],
        registries: Mapping[str, str],
        policy: Policy | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self._policy = policy
        settings = {one.key: one.typed() for one in configured(policy)} if policy else {}
        if policy is not None:
            about = {"name": policy.name, "packages": policy.packages}
            about["registry_url"] = policy.registry_url
            self.initial = {**about, **self.initial}
        if policy is not None and policy.is_default:
            del self.fields["packages"]
        else:
            urls = dict.fromkeys([*registries, policy.registry_url if policy else ""])
            self.fields["registry_url"] = forms.ChoiceField(
                label="At which registry",
                required=False,
                choices=[
                    ("", "Every registry"),
                    *((url, registries.get(url, url)) for url in urls if url),
                ],
            )
            _silence(self.fields["registry_url"])
        if policy is None:
            self.fields["before"] = forms.ChoiceField(
                label="Tried before",
                choices=[(one.key, _numbered(one, policies)) for one in policies],
                initial=DEFAULT.key,
                help_text="The first policy that covers a package holds for it.",
            )
        about_fields = ("name", "packages", "registry_url", "before")
        self._about = [one for one in about_fields if one in self.fields]
        for key, kind in choosable().items():
            self._add(kind, settings.get(key), is_new=policy is None)

    def _add(self, kind: type[Requirement], typed: Mapping[str, str] | None, is_new: bool) -> None:
        if not kind.is_always_in_force:
            self.fields[_check(kind.key)] = forms.BooleanField(
                label=kind.title,
                required=False,
                initial=typed is not None or (is_new and kind.key in _USUAL),
                help_text=kind.words,
            )
        for option in kind.options:
            field = _field(option, option.initial if typed is None else typed.get(option.name, ""))
            # Whether it may stay empty, the requirement knows, and its help says.
            _silence(field)
            self.fields[_name(kind.key, option)] = field

    @property
    def about(self) -> list[BoundField]:
        """What it is called, and for which packages it is."""
        return [self[name] for name in self._about]

    @property
    def groups(self) -> list[Group]:
        """The requirements, in the order of their titles."""
        kinds = sorted(choosable().items(), key=lambda one: one[1].title)
        return [
            Group(
                kind.title,
                kind.words,
                self[_check(key)] if _check(key) in self.fields else None,
                tuple(self[_name(key, option)] for option in kind.options),
            )
            for key, kind in kinds
        ]

    @property
    def last(self) -> list[BoundField]:
        """What ends the form."""
        return [self["words"], self["seen"]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        requirements = {}
        for key, kind in choosable().items():
            if not kind.is_always_in_force and not cleaned.get(_check(key)):
                continue
            names = {option.name: _name(key, option) for option in kind.options}
            if any(name in self.errors for name in names.values()):
                continue
            typed = {option: _typed(cleaned.get(name)) for option, name in names.items()}
            try:
                checked_settings(key, typed)
            except PolicyRefused as refusal:
                self.refuse(refusal)
            requirements[key] = typed
        cleaned["wanted"] = WantedPolicy(
            key=self._policy.key if self._policy else "",
            name=cleaned.get("name", ""),
            registry_url=cleaned.get("registry_url", ""),
            packages=cleaned.get("packages", ""),
            requirements=requirements,
            before=cleaned.get("before", DEFAULT.key),
        )
        return cleaned

    def refuse(self, refusal: PolicyRefused) -> None:
        """Says what is wrong beside the field that it is about, if there is one."""
        places = (
            f"{refusal.requirement}-{refusal.option}",
            _check(refusal.requirement),
        )
        self.add_error(next((one for one in places if one in self.fields), None), str(refusal))


def _silence(field: forms.Field) -> None:
    """Has components/field.html not call it optional."""
    field.says_for_itself = True  # type: ignore[attr-defined]


def _check(key: str) -> str:
    return f"demands-{key}"


def _name(key: str, option: Option) -> str:
    return f"{key}-{option.name}"


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value or "")


def _numbered(policy: Policy, policies: Sequence[Policy]) -> str:
    return f"{policies.index(policy) + 1}. {policy.name}"


def _field(option: Option, typed: str) -> forms.Field:
    common: dict[str, Any] = {
        "label": option.label,
        "help_text": option.help,
        "required": False,
        "initial": typed,
    }
    if option.kind == "flag":
        return forms.BooleanField(**common | {"initial": typed == "yes"})
    if option.kind == "choice":
        return forms.ChoiceField(choices=option.choices, **common)
    if option.kind == "lines":
        area = forms.Textarea(attrs={"rows": 3, **_PLAIN})
        return forms.CharField(max_length=LONGEST_TYPED, widget=area, **common)
    numeric = {"inputmode": "numeric"} if option.kind == "number" else {}
    longest = _LONGEST_NUMBER if option.kind == "number" else _LONGEST_TEXT
    return forms.CharField(
        max_length=longest, widget=forms.TextInput(attrs=_PLAIN | numeric), **common
    )

"""How much a rule counts, for which packages, and why."""

from typing import Any

from django import forms

from approvals.inspection.finding import Group
from approvals.inspection.models import LONGEST_WORDS, RuleSetting
from approvals.inspection.rule_settings import RuleNotSet, Rules, Wanted, checked
from approvals.people.scopes import LONGEST_NAME

_CHOICES = [
    ("", "Choose"),
    *((one.value, one.label.capitalize()) for one in RuleSetting.Weight),
]
_NO_WEIGHT = {"required": "Choose how much its findings count."}
_PLAIN = {"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}


class RuleForm(forms.Form):
    """`rule` is the one to set; for a change of `setting`, which packages it is for stays."""

    packages = forms.CharField(
        label="For which packages",
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "@acme/*"}),
        error_messages={"required": "Name a package, or a pattern such as @acme/*."},
        help_text="A name, or a pattern such as @acme/* or acme-*; * alone for every package. Of "
        "several that cover a package, the closest holds.",
    )
    weight = forms.ChoiceField(
        label="Its findings count as",
        choices=_CHOICES,
        error_messages=_NO_WEIGHT,
        help_text="Off: they are not shown. As the rule says: whatever a wider setting says.",
    )
    words = forms.CharField(
        label="Why",
        max_length=LONGEST_WORDS,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: whoever reviews these packages reads it."},
        help_text="Whoever reviews these packages reads it, and it stays in the audit log.",
    )
    # Of the setting that the page showed: another browser may have changed it since.
    seen = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        *,
        rule: str,
        rules: Rules,
        setting: RuleSetting | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self._rule, self._rules, self._setting = rule, rules, setting
        if rule in rules[Group.LIMITS]:
            self.fields["weight"] = forms.ChoiceField(
                label="Its findings count as",
                choices=[one for one in _CHOICES if one[0] != RuleSetting.Weight.OFF],
                error_messages=_NO_WEIGHT,
                help_text="What was not looked at is always said: it can only count less.",
            )
        if setting is not None:
            del self.fields["packages"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        packages = self._setting.packages if self._setting else cleaned["packages"]
        wanted = Wanted(self._rule, packages, cleaned["weight"], cleaned["words"])
        try:
            cleaned["wanted"] = checked(wanted, self._rules)
        except RuleNotSet as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return cleaned


class RemoveForm(forms.Form):
    seen = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

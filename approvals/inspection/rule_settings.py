"""How much each rule counts, for which packages: switched off, weighed anew, or as it says.

Administrators change it, with a fresh proof that they are here: what is switched off is not seen by
whoever reviews, so that an open browser of theirs must not be enough.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.inspection.finding import Group, Severity, digest
from approvals.inspection.findings import rules_in_words
from approvals.inspection.models import LONGEST_WORDS, RuleSetting
from approvals.people import presence
from approvals.people.models import User
from approvals.people.permissions import may_manage, may_see_everything, reaches_of
from approvals.people.presence import Proof
from approvals.people.scopes import EVERYTHING, ScopeRefused, check_packages, matches

Weight = RuleSetting.Weight
Rules = Mapping[Group, Mapping[str, str]]
"""Each rule's id with what it looks for, by what it is about."""
MOST_SETTINGS = 300
_ONLY_ADMINISTRATORS = "Only an administrator sets rules."
_CHANGED_MEANWHILE = (
    "Somebody changed this setting meanwhile. Nothing was changed by you: look at what it says now."
)


class RuleNotSet(Exception):
    """The setting cannot be made, changed or removed; the text says why, and what to do."""


class RuleSetMeanwhile(RuleNotSet):
    """The setting is another one than the person saw."""


@dataclass(frozen=True)
class Weights:
    """All settings, by rule: the closest pattern first."""

    settings: dict[str, list[RuleSetting]] = field(default_factory=dict)

    def severity(self, rule: str, package: str, usual: Severity) -> Severity | None:
        """How serious a finding of this rule is for this package; None where it is off."""
        for setting in self.settings.get(rule, ()):
            if matches(setting.packages, package):
                if setting.weight == Weight.OFF:
                    return None
                return usual if setting.weight == Weight.USUAL else Severity(setting.weight)
        return usual

    def that_hold(self, package: str) -> list[RuleSetting]:
        """What has rules weigh otherwise for this package than they say: one setting a rule."""
        closest = (
            next((one for one in settings if matches(one.packages, package)), None)
            for _, settings in sorted(self.settings.items())
        )
        return [one for one in closest if one is not None and one.weight != Weight.USUAL]


@dataclass(frozen=True)
class Wanted:
    """What somebody wants a rule to count, for the packages of a pattern, and why."""

    rule: str
    packages: str
    weight: str
    words: str

    @property
    def purpose(self) -> str:
        """That for which presence is proven before the rule counts so much for these."""
        return f"rule {_fingerprint('set', self.rule, self.packages, self.weight)}"


def removal_of(setting: RuleSetting) -> str:
    """The purpose for which presence is proven before a setting is removed."""
    return f"rule {_fingerprint('unset', setting.rule, setting.packages, setting.weight)}"


def mark_of(setting: RuleSetting | None) -> str:
    """Tells a setting as it stands from what it was and will be; "" where there is none."""
    return f"{setting.pk}-{setting.set_at:%Y%m%d%H%M%S%f}" if setting else ""


def settings_for(package_name: str) -> list[RuleSetting]:
    """What has rules weigh otherwise for the package of this name, with who said so and why.

    Whoever may see the package may read it, whatever else the settings' patterns cover.
    """
    return _weights(RuleSetting.objects.select_related("set_by")).that_hold(package_name)


def may_see_setting(user: User, setting: RuleSetting) -> bool:
    """Who sees some packages only does not learn of others from what is set for them.

    They see what is set for some of theirs, and what is set for more than theirs.
    """
    if may_see_everything(user) or setting.packages == EVERYTHING:
        return True
    # A pattern within another is matched by it: no star covers more than a star does.
    return any(
        matches(one.packages, setting.packages) or matches(setting.packages, one.packages)
        for one in reaches_of(user)
    )


def checked(wanted: Wanted, rules: Rules) -> Wanted:
    """The same as it is kept. Raises RuleNotSet."""
    words, packages = " ".join(wanted.words.split()), wanted.packages.strip()
    group = next((group for group, ids in rules.items() if wanted.rule in ids), None)
    if group is None:
        raise RuleNotSet(f"There is no rule “{wanted.rule[:60]}”.")
    if wanted.weight not in Weight.values:
        raise RuleNotSet("Choose how much the rule counts.")
    if group == Group.LIMITS and wanted.weight == Weight.OFF:
        raise RuleNotSet(
            "What was not looked at is always said: this rule cannot be switched off. It can count "
            "less."
        )
    try:
        check_packages(packages)
    except ScopeRefused as error:
        raise RuleNotSet(str(error)) from error
    if not words or "\0" in words:
        raise RuleNotSet("Say why: whoever reviews these packages reads it.")
    if len(words) > LONGEST_WORDS:
        raise RuleNotSet(f"Say why in at most {LONGEST_WORDS} characters.")
    return Wanted(wanted.rule, packages, wanted.weight, words)


def set_rule(
    wanted: Wanted, proof: Proof, *, rules: Rules, seen: str, actor: User, session: str
) -> RuleSetting:
    """Has a rule count as much as is wanted, for the packages of a pattern.

    `seen` is the mark of the setting that the actor wants to change, "" for a new one; `rules` are
    all that there are. The proof is the actor's. Raises RuleNotSet and PresenceRefused.
    """
    wanted = checked(wanted, rules)
    # What is refused anyway uses up no code.
    _check_may_manage(actor)
    _check_as_seen(_setting(wanted), wanted, seen)
    presence.prove_with(actor, proof, session=session, purpose=wanted.purpose)
    with transaction.atomic():
        _locked(actor)
        # All of them: whoever sets another one at the same moment counts this one, too.
        list(RuleSetting.objects.select_for_update(of=("self",)).order_by("pk").values_list("pk"))
        before = _setting(wanted)
        _check_as_seen(before, wanted, seen)
        values = {"weight": wanted.weight, "words": wanted.words}
        setter = {"set_by": actor, "set_at": timezone.now()}
        if before is None:
            if RuleSetting.objects.count() >= MOST_SETTINGS:
                raise RuleNotSet(
                    f"There are {MOST_SETTINGS} settings, which is the most. Remove one, or cover "
                    "several packages with one pattern."
                )
            try:
                with transaction.atomic():
                    setting = RuleSetting.objects.create(
                        rule=wanted.rule, packages=wanted.packages, **values, **setter
                    )
            except IntegrityError as error:
                raise RuleSetMeanwhile(_CHANGED_MEANWHILE) from error
        else:
            rows = RuleSetting.objects.filter(pk=before.pk, set_at=before.set_at)
            if not rows.update(**values, **setter):
                raise RuleSetMeanwhile(_CHANGED_MEANWHILE)
            setting = RuleSetting.objects.get(pk=before.pk)
        record(
            "rule.set",
            actor=actor,
            subject=setting,
            rule=wanted.rule,
            packages=wanted.packages,
            **_said(before, setting),
        )
    return setting


def unset_rule(setting: RuleSetting, proof: Proof, *, seen: str, actor: User, session: str) -> None:
    """Has a rule count for these packages as the next setting says, or as it says itself.

    `seen` is the setting's mark when the actor saw it; the proof is the actor's. Raises RuleNotSet
    and PresenceRefused.
    """
    _check_may_manage(actor)
    if mark_of(setting) != seen:
        raise RuleSetMeanwhile(_CHANGED_MEANWHILE)
    presence.prove_with(actor, proof, session=session, purpose=removal_of(setting))
    with transaction.atomic():
        _locked(actor)
        rows = RuleSetting.objects.filter(pk=setting.pk, set_at=setting.set_at)
        if not rows.delete()[0]:
            raise RuleSetMeanwhile(_CHANGED_MEANWHILE)
        record(
            "rule.unset",
            actor=actor,
            subject=setting,
            rule=setting.rule,
            packages=setting.packages,
            **_said(setting, None),
        )


def weights_of_rules() -> Weights:
    """The settings as they are now, in one query."""
    return _weights(RuleSetting.objects.all())


def _weights(rows: Iterable[RuleSetting]) -> Weights:
    limits = rules_in_words()[Group.LIMITS]
    by_rule: dict[str, list[RuleSetting]] = defaultdict(list)
    for setting in rows:
        # What was not looked at is always said: also by a rule that was about something else when
        # it was switched off.
        if setting.weight != Weight.OFF or setting.rule not in limits:
            by_rule[setting.rule].append(setting)
    for settings in by_rule.values():
        settings.sort(key=_closeness)
    return Weights(dict(by_rule))


def _closeness(setting: RuleSetting) -> tuple[bool, int, str]:
    """A name before a pattern, and of patterns the one that says more."""
    return ("*" in setting.packages, -len(setting.packages.replace("*", "")), setting.packages)


def _fingerprint(*parts: str) -> str:
    return digest(json.dumps(parts))


def _said(before: RuleSetting | None, after: RuleSetting | None) -> dict[str, Any]:
    return {
        "before": before.weight if before else None,
        "after": after.weight if after else None,
        **({"words_before": before.words} if before else {}),
        **({"words": after.words} if after else {}),
    }


def _setting(wanted: Wanted) -> RuleSetting | None:
    return RuleSetting.objects.filter(rule=wanted.rule, packages=wanted.packages).first()


def _check_as_seen(setting: RuleSetting | None, wanted: Wanted, seen: str) -> None:
    if mark_of(setting) == seen:
        return
    if setting is not None and not seen:
        raise RuleSetMeanwhile(
            f"This rule is set for {wanted.packages} already ({setting.get_weight_display()}). "
            "Change that setting."
        )
    raise RuleSetMeanwhile(_CHANGED_MEANWHILE)


def _check_may_manage(actor: User) -> None:
    if not may_manage(actor):
        raise RuleNotSet(_ONLY_ADMINISTRATORS)


def _locked(actor: User) -> None:
    """Reads the actor anew, who may have lost the role since, and holds off that they do."""
    _check_may_manage(User.objects.select_for_update(no_key=True).get(pk=actor.pk))

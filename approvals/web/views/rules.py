"""What is looked for, and how much it counts: everybody reads it, administrators set it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.inspection.finding import Group
from approvals.inspection.models import RuleSetting
from approvals.inspection.rule_settings import (
    RuleNotSet,
    RuleSetMeanwhile,
    Wanted,
    mark_of,
    may_see_setting,
    removal_of,
    set_rule,
    unset_rule,
)
from approvals.people import presence, sessions
from approvals.people.scopes import LONGEST_NAME
from approvals.provenance.findings import all_rules_in_words
from approvals.web.forms.rules import RemoveForm, RuleForm
from approvals.web.views.guards import SignedInRequest, managers_only
from approvals.web.views.proofs import (
    empty_code_form,
    no_offer,
    offer,
    proof_of,
    ways_of,
    with_refused_proof,
)


@dataclass(frozen=True)
class ShownRule:
    """One rule with its settings that the person may see."""

    rule: str
    looks_for: str
    settings: list[RuleSetting] = field(default_factory=list)


@require_GET
def rules(request: SignedInRequest) -> HttpResponse:
    found = list(RuleSetting.objects.select_related("set_by"))
    shown = [one for one in found if may_see_setting(request.user, one)]
    groups = list(_groups(shown))
    known = {one.rule for _, group in groups for one in group}
    return render(
        request,
        "web/rules/rules.html",
        {
            "groups": groups,
            "set_ones": [one for _, group in groups for one in group if one.settings],
            "gone": [one for one in shown if one.rule not in known],
            "some_are_hidden": len(shown) < len(found),
        },
    )


def _groups(settings: list[RuleSetting]) -> Iterator[tuple[Group, list[ShownRule]]]:
    for group, words in all_rules_in_words().items():
        shown = [
            ShownRule(rule, looks_for, [one for one in settings if one.rule == rule])
            for rule, looks_for in words.items()
        ]
        if shown:
            yield group, shown


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def rule_set(request: SignedInRequest, rule: str) -> HttpResponse:
    """Says for some packages how much a rule counts."""
    looks_for = _looks_for(rule)
    form = RuleForm(
        request.POST if request.method == "POST" else None,
        rule=rule,
        rules=all_rules_in_words(),
        initial={"packages": request.GET.get("packages", "")[:LONGEST_NAME]},
    )
    return _set(
        request,
        form,
        {
            "rule": rule,
            "looks_for": looks_for,
            "action": reverse("rule_set", args=[rule]),
            "options_url": reverse("rule_set_options", args=[rule]),
        },
    )


@managers_only
@require_POST
def rule_set_options(request: SignedInRequest, rule: str) -> HttpResponse:
    """What the administrator's passkey has to sign for the setting that the form names."""
    _looks_for(rule)
    form = RuleForm(request.POST, rule=rule, rules=all_rules_in_words())
    return (
        offer(request, form.cleaned_data["wanted"].purpose) if form.is_valid() else no_offer(form)
    )


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def rule_setting(request: SignedInRequest, pk: int) -> HttpResponse:
    """Changes a setting."""
    setting = get_object_or_404(RuleSetting.objects.select_related("set_by"), pk=pk)
    return _set(request, _change_form(request, setting), _about(setting))


@managers_only
@require_POST
def rule_setting_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign for the change that the form names."""
    form = _change_form(request, get_object_or_404(RuleSetting, pk=pk))
    return (
        offer(request, form.cleaned_data["wanted"].purpose) if form.is_valid() else no_offer(form)
    )


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_POST
def rule_setting_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Has the rule count for these packages as if nobody had set it for them."""
    setting = get_object_or_404(RuleSetting.objects.select_related("set_by"), pk=pk)
    form = RemoveForm(request.POST, auto_id="remove_%s")
    code_form = empty_code_form("remove_%s")
    if form.is_valid():
        try:
            unset_rule(
                setting,
                proof_of(request),
                seen=form.cleaned_data["seen"],
                actor=request.user,
                session=sessions.session_id(request),
            )
        except RuleSetMeanwhile as refusal:
            messages.error(request, str(refusal))
            return redirect("rule_setting", pk=pk)
        except RuleNotSet as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, "remove_%s")
        else:
            messages.success(
                request, f"What was set for {setting.packages} is removed from {setting.rule}."
            )
            return _back(setting.rule)
    shown = {"remove_form": form, "remove_code_form": code_form}
    change_form = RuleForm(
        rule=setting.rule, rules=all_rules_in_words(), setting=setting, initial=_initial(setting)
    )
    return _page(request, change_form, _about(setting) | shown)


@managers_only
@require_POST
def rule_setting_remove_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign before a setting is removed."""
    return offer(request, removal_of(get_object_or_404(RuleSetting, pk=pk)))


def _looks_for(rule: str) -> str:
    for words in all_rules_in_words().values():
        if rule in words:
            return words[rule]
    raise Http404("There is no such rule.")


def _about(setting: RuleSetting) -> dict[str, object]:
    is_known = any(setting.rule in words for words in all_rules_in_words().values())
    return {
        "rule": setting.rule,
        "looks_for": _looks_for(setting.rule) if is_known else "",
        "setting": setting,
        "action": reverse("rule_setting", args=[setting.pk]),
        "options_url": reverse("rule_setting_options", args=[setting.pk]),
        "remove_form": RemoveForm(initial={"seen": mark_of(setting)}, auto_id="remove_%s"),
        "remove_code_form": empty_code_form("remove_%s"),
    }


def _change_form(request: SignedInRequest, setting: RuleSetting) -> RuleForm:
    return RuleForm(
        request.POST if request.method == "POST" else None,
        rule=setting.rule,
        rules=all_rules_in_words(),
        setting=setting,
        initial=_initial(setting),
    )


def _initial(setting: RuleSetting) -> dict[str, str]:
    return {"weight": setting.weight, "words": setting.words, "seen": mark_of(setting)}


def _set(request: SignedInRequest, form: RuleForm, about: dict[str, object]) -> HttpResponse:
    code_form = empty_code_form("set_%s")
    if request.method == "POST" and form.is_valid():
        try:
            setting = set_rule(
                form.cleaned_data["wanted"],
                proof_of(request),
                rules=all_rules_in_words(),
                seen=form.cleaned_data["seen"],
                actor=request.user,
                session=sessions.session_id(request),
            )
        except RuleSetMeanwhile as refusal:
            messages.error(request, str(refusal))
            return _to_what_is_set(form.cleaned_data["wanted"])
        except RuleNotSet as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, "set_%s")
        else:
            messages.success(request, _done(setting))
            return _back(setting.rule)
    return _page(request, form, about | {"code_form": code_form})


def _to_what_is_set(wanted: Wanted) -> HttpResponse:
    found = RuleSetting.objects.filter(rule=wanted.rule, packages=wanted.packages).first()
    return redirect("rule_setting", pk=found.pk) if found else _back(wanted.rule)


def _done(setting: RuleSetting) -> str:
    if setting.weight == RuleSetting.Weight.OFF:
        return f"{setting.rule} is off for {setting.packages}: its findings are not shown there."
    return f"{setting.rule} counts {_as(setting)} for {setting.packages}."


def _as(setting: RuleSetting) -> str:
    label = setting.get_weight_display()
    return label if setting.weight == RuleSetting.Weight.USUAL else f"as {label}"


def _page(request: SignedInRequest, form: RuleForm, about: dict[str, object]) -> HttpResponse:
    return render(
        request,
        "web/rules/set.html",
        {"code_form": empty_code_form("set_%s"), **about, "form": form, **ways_of(request)},
    )


def _back(rule: str) -> HttpResponse:
    return redirect(f"{reverse('rules')}#{rule}")

"""Teams: everybody sees who is in which, administrators change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people import presence, sessions
from approvals.people.models import Team, User
from approvals.people.teams import (
    TeamChangedMeanwhile,
    TeamRefused,
    change_team,
    make_team,
    mark_of,
    members_that_count,
    removal_of,
)
from approvals.policy.book import Policy, current_book
from approvals.policy.revise import may_see_policy
from approvals.policy.teams_in_use import names_in, policies_naming, remove_team
from approvals.web.forms.teams import RemoveTeamForm, TeamForm
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
class TeamRow:
    """A team, who is in it, and the policies that count on it."""

    team: Team
    members: list[User]
    left: list[User]
    policies: list[Policy]


@require_GET
def teams(request: SignedInRequest) -> HttpResponse:
    book = current_book()
    named = [(one, names_in([one])) for one in book.policies if may_see_policy(request.user, one)]
    rows = [
        TeamRow(
            team,
            members_that_count(team),
            [one for one in team.members.all() if not one.is_active],
            [policy for policy, names in named if team.name in names],
        )
        for team in Team.objects.prefetch_related("members")
    ]
    return render(request, "web/teams/teams.html", {"rows": rows})


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def team_add(request: SignedInRequest) -> HttpResponse:
    """Makes a team."""
    form, code_form = _form(request, None), empty_code_form("set_%s")
    if request.method == "POST" and form.is_valid():
        try:
            team = make_team(
                form.cleaned_data["wanted"],
                proof_of(request),
                actor=request.user,
                session=sessions.session_id(request),
            )
        except TeamRefused as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, "set_%s")
        else:
            messages.success(request, f"There is a team {team} now. Policies can name it.")
            return redirect("teams")
    return _page(request, None, form=form, code_form=code_form)


@managers_only
@require_POST
def team_add_options(request: SignedInRequest) -> HttpResponse:
    """What the administrator's passkey has to sign for the team that the form names."""
    form = _form(request, None)
    return (
        offer(request, form.cleaned_data["wanted"].purpose) if form.is_valid() else no_offer(form)
    )


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def team(request: SignedInRequest, pk: int) -> HttpResponse:
    """Changes who is in a team, and what it is for."""
    found = get_object_or_404(Team, pk=pk)
    form, code_form = _form(request, found), empty_code_form("set_%s")
    if request.method == "POST" and form.is_valid():
        try:
            change_team(
                found,
                form.cleaned_data["wanted"],
                proof_of(request),
                seen=form.cleaned_data["seen"],
                actor=request.user,
                session=sessions.session_id(request),
            )
        except TeamChangedMeanwhile as refusal:
            messages.error(request, str(refusal))
            return _to_what_is(pk)
        except TeamRefused as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, "set_%s")
        else:
            messages.success(request, f"The team {found} is changed, and counts so at once.")
            return redirect("teams")
    return _page(request, found, form=form, code_form=code_form)


@managers_only
@require_POST
def team_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign for the change that the form names."""
    form = _form(request, get_object_or_404(Team, pk=pk))
    return (
        offer(request, form.cleaned_data["wanted"].purpose) if form.is_valid() else no_offer(form)
    )


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_POST
def team_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Removes a team that no policy names."""
    found = get_object_or_404(Team, pk=pk)
    form = RemoveTeamForm(request.POST, auto_id="remove_%s")
    code_form = empty_code_form("remove_%s")
    if form.is_valid():
        try:
            remove_team(
                found,
                proof_of(request),
                seen=form.cleaned_data["seen"],
                actor=request.user,
                session=sessions.session_id(request),
            )
        except TeamChangedMeanwhile as refusal:
            messages.error(request, str(refusal))
            return _to_what_is(pk)
        except TeamRefused as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, "remove_%s")
        else:
            messages.success(request, f"The team {found.name} is removed.")
            return redirect("teams")
    return _page(request, found, remove_form=form, remove_code_form=code_form)


@managers_only
@require_POST
def team_remove_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign before a team is removed."""
    return offer(request, removal_of(get_object_or_404(Team, pk=pk)))


def _form(request: SignedInRequest, team: Team | None) -> TeamForm:
    data = request.POST if request.method == "POST" else None
    return _team_form(team, data)


def _team_form(team: Team | None, data: Any = None) -> TeamForm:
    people = User.objects.order_by("-is_active", "username").distinct()
    if team is None:
        return TeamForm(data, people=list(people.filter(is_active=True)), auto_id="set_%s")
    return TeamForm(
        data,
        # Whoever was deactivated can be taken out, and not put in.
        people=list(people.filter(Q(is_active=True) | Q(teams=team))),
        name=team.name,
        initial={
            "words": team.words,
            "members": list(team.members.values_list("pk", flat=True)),
            "seen": mark_of(team),
        },
        auto_id="set_%s",
    )


def _page(request: SignedInRequest, team: Team | None, **shown: Any) -> HttpResponse:
    about: dict[str, Any] = {
        "action": reverse("team_add"),
        "options_url": reverse("team_add_options"),
        "code_form": empty_code_form("set_%s"),
    }
    if team is not None:
        about = {
            "action": reverse("team", args=[team.pk]),
            "options_url": reverse("team_options", args=[team.pk]),
            "form": _team_form(team),
            "code_form": empty_code_form("set_%s"),
            "remove_form": RemoveTeamForm(initial={"seen": mark_of(team)}, auto_id="remove_%s"),
            "remove_code_form": empty_code_form("remove_%s"),
            "policies": policies_naming(team.name),
        }
    return render(
        request, "web/teams/team.html", {"team": team, **about, **shown, **ways_of(request)}
    )


def _to_what_is(pk: int) -> HttpResponse:
    return redirect("team", pk=pk) if Team.objects.filter(pk=pk).exists() else redirect("teams")

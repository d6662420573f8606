"""People and invitations: everybody sees who belongs, administrators change it."""

from collections.abc import Mapping

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.people import accounts, enrolment, factors, invitations, limits, presence, sessions
from approvals.people.adapter import client_address
from approvals.people.membership import (
    PersonNotChanged,
    change_role,
    deactivate,
    reactivate,
    reactivation_of,
    role_change_of,
)
from approvals.people.models import Invitation, RegistryAccount, Role, User
from approvals.people.permissions import may_manage, may_see_everything, reaches_of
from approvals.queue.models import Registry
from approvals.web.forms.account import OwnCodeForm
from approvals.web.forms.people import AcceptForm, InviteForm, RoleForm
from approvals.web.reach import reach_line, reach_rows
from approvals.web.views.guards import SignedInRequest, managers_only
from approvals.web.views.proofs import (
    empty_code_form,
    no_offer,
    offer,
    proof_of,
    ways_of,
    with_refused_proof,
)


@require_GET
def people(request: SignedInRequest) -> HttpResponse:
    with_factors = factors.people_with_factors()
    everybody = User.objects.prefetch_related("registry_accounts", "scopes").order_by(
        "-is_active", "username"
    )
    names = _registry_names()
    # Whoever sees some packages only does not learn of others from somebody else's scopes.
    sees_scopes = may_see_everything(request.user)
    return render(
        request,
        "web/people/people.html",
        {
            "rows": [
                {
                    "person": person,
                    "has_factor": person.pk in with_factors,
                    "scopes": reach_rows(reaches_of(person), names)
                    if sees_scopes or person.pk == request.user.pk
                    else [],
                    "accounts": [
                        (account, _troubles(account, names))
                        for account in person.registry_accounts.all()
                    ],
                }
                for person in everybody
            ],
            "invitations": [
                (one, reach_rows(invitations.reaches_of(one), names))
                for one in invitations.open_invitations()
            ]
            if may_manage(request.user)
            else [],
        },
    )


def _registry_names() -> dict[str, str]:
    return dict(Registry.objects.values_list("url", "name"))


def _troubles(account: RegistryAccount, names: Mapping[str, str]) -> list[str]:
    return accounts.troubles(account, names.get(account.registry_url, account.registry_url))


def _person_page(request: SignedInRequest, person: User, **forms: object) -> HttpResponse:
    names = _registry_names()
    reaches = reaches_of(person)
    return render(
        request,
        "web/people/person.html",
        {
            "person": person,
            "is_self": person.pk == request.user.pk,
            **ways_of(request),
            "factors": factors.factors_of(person),
            "recovery_codes_left": factors.recovery_codes_left(person),
            "scopes": reach_rows(reaches, names),
            "teams": person.teams.all(),
            "accounts": [
                (account, _troubles(account, names))
                for account in person.registry_accounts.order_by("registry_url")
            ],
            "role_form": RoleForm(registries=names, role=person.role, reaches=reaches),
            "role_code_form": empty_code_form("role_%s"),
            "again_code_form": empty_code_form("again_%s"),
            "lost_form": OwnCodeForm(auto_id="lost_%s"),
            **forms,
        },
    )


@never_cache
@managers_only
@require_GET
def person(request: SignedInRequest, pk: int) -> HttpResponse:
    return _person_page(request, get_object_or_404(User, pk=pk))


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_POST
def person_role(request: SignedInRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(User, pk=pk)
    form = RoleForm(request.POST, registries=_registry_names(), reaches=reaches_of(chosen))
    if not form.is_valid():
        return _person_page(request, chosen, role_form=form)
    wanted = form.cleaned_data
    try:
        change_role(
            chosen,
            wanted["role"],
            proof_of(request),
            actor=request.user,
            session=sessions.session_id(request),
            reaches=wanted["reaches"],
        )
    except PersonNotChanged as refusal:
        messages.error(request, str(refusal))
        return _person_page(request, chosen, role_form=form)
    except presence.PresenceRefused as refusal:
        code_form = with_refused_proof(request, form, refusal, "role_%s")
        return _person_page(request, chosen, role_form=form, role_code_form=code_form)
    chosen.refresh_from_db()
    over = " Only of the packages named." if wanted["reaches"] else ""
    messages.success(request, f"{chosen} is now {Role(chosen.role).label.lower()}.{over}")
    return redirect("person", pk=pk)


@managers_only
@require_POST
def person_role_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign for the role that the form names."""
    chosen = get_object_or_404(User, pk=pk)
    form = RoleForm(request.POST, registries=_registry_names(), reaches=reaches_of(chosen))
    if not form.is_valid():
        return no_offer(form)
    wanted = form.cleaned_data
    return offer(request, role_change_of(chosen, wanted["role"], wanted["reaches"]))


@managers_only
@require_POST
def person_deactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(User, pk=pk)
    try:
        deactivate(chosen, actor=request.user)
    except PersonNotChanged as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{chosen} is signed out everywhere and cannot sign in.")
    return redirect("person", pk=pk)


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_POST
def person_reactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(User, pk=pk)
    try:
        reactivate(
            chosen,
            proof_of(request),
            actor=request.user,
            session=sessions.session_id(request),
        )
    except PersonNotChanged as refusal:
        messages.error(request, str(refusal))
    except presence.PresenceRefused as refusal:
        return _person_page(request, chosen, again_refusal=str(refusal))
    else:
        messages.success(request, f"{chosen} can sign in again, and has to link accounts anew.")
    return redirect("person", pk=pk)


@managers_only
@require_POST
def person_reactivate_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign before this person is let in again."""
    return offer(request, reactivation_of(get_object_or_404(User, pk=pk)))


@sensitive_post_parameters("code", "assertion")
@managers_only
@require_POST
def person_reset_factors(request: SignedInRequest, pk: int) -> HttpResponse:
    """Removes the second factors of somebody who lost them; the administrator proves to be here."""
    chosen = get_object_or_404(User, pk=pk)
    form = OwnCodeForm(request.POST, auto_id="lost_%s")
    proof = proof_of(request)
    if proof.assertion or form.is_valid():
        try:
            enrolment.reset_factors(
                chosen, proof, actor=request.user, session=sessions.session_id(request)
            )
        except (presence.PresenceRefused, enrolment.EnrolmentRefused) as refusal:
            form = OwnCodeForm(None if proof.assertion else request.POST, auto_id="lost_%s")
            if proof.assertion:
                messages.error(request, str(refusal))
                return redirect("person", pk=pk)
            form.add_error("code", str(refusal))
        else:
            messages.success(
                request,
                f"{chosen} has no second factor any more, and sets up a new one at the next "
                "sign-in.",
            )
            return redirect("person", pk=pk)
    return _person_page(request, chosen, lost_form=form)


@managers_only
@require_POST
def person_reset_options(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the administrator's passkey has to sign for that."""
    return offer(request, enrolment.reset_of(get_object_or_404(User, pk=pk)))


@sensitive_post_parameters("code", "assertion")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def invite(request: SignedInRequest) -> HttpResponse:
    names = _registry_names()
    form = InviteForm(request.POST or None, registries=names)
    code_form = empty_code_form("invite_%s")
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            invitation, token = invitations.invite(
                proof_of(request),
                actor=request.user,
                session=sessions.session_id(request),
                role=wanted["role"],
                note=wanted["note"],
                reaches=wanted["reaches"],
            )
        except invitations.InvitationRefused as refusal:
            form.add_error(None, str(refusal))
        except presence.PresenceRefused as refusal:
            code_form = with_refused_proof(request, form, refusal, "invite_%s")
        else:
            path = reverse("invitation", args=[token])
            link = (
                settings.PUBLIC_URL + path
                if settings.PUBLIC_URL
                else request.build_absolute_uri(path)
            )
            # Shown in this one answer: kept nowhere, not even in the session.
            return render(
                request,
                "web/people/invited.html",
                {
                    "invitation": invitation,
                    "link": link,
                    "scopes": reach_rows(invitations.reaches_of(invitation), names),
                },
            )
    return render(
        request,
        "web/people/invite.html",
        {"form": form, "code_form": code_form, **ways_of(request)},
    )


@managers_only
@require_POST
def invite_options(request: SignedInRequest) -> HttpResponse:
    """What the administrator's passkey has to sign for the invitation that the form names."""
    form = InviteForm(request.POST, registries=_registry_names())
    if not form.is_valid():
        return no_offer(form)
    wanted = form.cleaned_data
    return offer(request, invitations.invitation_to(wanted["role"], wanted["reaches"]))


@managers_only
@require_POST
def invitation_withdraw(request: SignedInRequest, pk: int) -> HttpResponse:
    try:
        invitations.withdraw(get_object_or_404(Invitation, pk=pk), actor=request.user)
    except invitations.InvitationRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "The invitation is withdrawn: its link lets nobody in.")
    return redirect("people")


@sensitive_post_parameters("password")
@never_cache
@login_not_required
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation's link leads: makes the account, and signs it in."""
    if request.user.is_authenticated:
        return render(request, "web/people/invitation_signed_in.html")
    form = AcceptForm(request.POST or None)
    address = client_address(request)
    try:
        # Counted until it turns out to be right: neither links nor names are to be guessed.
        limits.take("invitation", address=address)
        found = invitations.find(token)
        if request.method == "POST" and form.is_valid():
            user = invitations.accept(token, invitations.NewPerson(**form.cleaned_data))
            limits.give_back("invitation", address=address)
            get_adapter(request).login(request, user)
            messages.success(
                request, f"Welcome, {user}. One thing more: a second factor, which only you have."
            )
            return redirect("security")
        if request.method == "GET":
            limits.give_back("invitation", address=address)
    except limits.TooManyTries as refusal:
        return render(
            request, "web/people/invitation_refused.html", {"refusal": str(refusal)}, status=429
        )
    except invitations.InvitationRefused as refusal:
        return render(
            request, "web/people/invitation_refused.html", {"refusal": str(refusal)}, status=410
        )
    except ValidationError as error:
        form.add_error(None, error)
    # Without the names of registries: nothing of them is told before the second factor.
    only = reach_line(invitations.reaches_of(found), {})
    return render(
        request,
        "web/people/invitation.html",
        {"form": form, "invitation": found, "only": only},
    )

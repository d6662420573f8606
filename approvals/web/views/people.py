"""People and invitations: everybody sees who belongs, administrators change it."""

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

from approvals.people import invitations, totp
from approvals.people.membership import PersonNotChanged, change_role, deactivate, reactivate
from approvals.people.models import Invitation, Role, User
from approvals.people.permissions import may_manage
from approvals.web.forms.account import OwnCodeForm
from approvals.web.forms.people import AcceptForm, InviteForm, RoleForm
from approvals.web.views.guards import SignedInRequest, managers_only


@require_GET
def people(request: SignedInRequest) -> HttpResponse:
    with_totp = totp.people_with_totp()
    everybody = User.objects.prefetch_related("registry_accounts").order_by(
        "-is_active", "username"
    )
    return render(
        request,
        "web/people/people.html",
        {
            "rows": [
                {"person": person, "has_totp": person.pk in with_totp} for person in everybody
            ],
            "invitations": invitations.open_invitations() if may_manage(request.user) else [],
        },
    )


def _person_page(request: SignedInRequest, person: User, **forms: object) -> HttpResponse:
    return render(
        request,
        "web/people/person.html",
        {
            "person": person,
            "is_self": person.pk == request.user.pk,
            "has_totp": totp.has_totp(person),
            "accounts": person.registry_accounts.order_by("registry_url"),
            "role_form": RoleForm(initial={"role": person.role}),
            "lost_form": OwnCodeForm(auto_id="lost_%s"),
            **forms,
        },
    )


@managers_only
@require_GET
def person(request: SignedInRequest, pk: int) -> HttpResponse:
    return _person_page(request, get_object_or_404(User, pk=pk))


@managers_only
@require_POST
def person_role(request: SignedInRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(User, pk=pk)
    try:
        change_role(chosen, request.POST.get("role", ""), actor=request.user)
    except PersonNotChanged as refusal:
        messages.error(request, str(refusal))
    else:
        chosen.refresh_from_db()
        messages.success(request, f"{chosen} is now {Role(chosen.role).label.lower()}.")
    return redirect("person", pk=pk)


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


@managers_only
@require_POST
def person_reactivate(request: SignedInRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(User, pk=pk)
    try:
        reactivate(chosen, actor=request.user)
    except PersonNotChanged as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{chosen} can sign in again, and has to link accounts anew.")
    return redirect("person", pk=pk)


@sensitive_post_parameters("code")
@managers_only
@require_POST
def person_lost_totp(request: SignedInRequest, pk: int) -> HttpResponse:
    chosen = get_object_or_404(User, pk=pk)
    form = OwnCodeForm(request.POST, auto_id="lost_%s")
    if form.is_valid():
        try:
            totp.remove_lost(chosen, actor=request.user, code=form.cleaned_data["code"])
        except (totp.CodeRefused, totp.EnrolmentRefused) as refusal:
            form.add_error("code", str(refusal))
        else:
            messages.success(request, f"{chosen} can set up a new authenticator app now.")
            return redirect("person", pk=pk)
    return _person_page(request, chosen, lost_form=form)


@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def invite(request: SignedInRequest) -> HttpResponse:
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            invitation, token = invitations.invite(actor=request.user, **form.cleaned_data)
        except invitations.InvitationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            path = reverse("invitation", args=[token])
            link = (
                settings.PUBLIC_URL + path
                if settings.PUBLIC_URL
                else request.build_absolute_uri(path)
            )
            # Shown in this one answer: kept nowhere, not even in the session.
            return render(
                request, "web/people/invited.html", {"invitation": invitation, "link": link}
            )
    return render(request, "web/people/invite.html", {"form": form})


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
    try:
        found = invitations.find(token)
        if request.method == "POST" and form.is_valid():
            user = invitations.accept(token, invitations.NewPerson(**form.cleaned_data))
            get_adapter(request).login(request, user)
            messages.success(request, f"Welcome, {user}. Set up what you need to decide.")
            return redirect("security" if user.role != Role.VIEWER else "/")
    except invitations.InvitationRefused as refusal:
        return render(
            request, "web/people/invitation_refused.html", {"refusal": str(refusal)}, status=410
        )
    except ValidationError as error:
        form.add_error(None, error)
    return render(request, "web/people/invitation.html", {"form": form, "invitation": found})

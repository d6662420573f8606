"""What pages need on which an administrator shows to be here before something is changed."""

from http import HTTPStatus

from django import forms
from django.http import JsonResponse

from approvals.people import factors, limits, presence, sessions
from approvals.people.adapter import client_address
from approvals.web.forms.security import PresenceCodeForm
from approvals.web.views.guards import SignedInRequest

# A browser's answer has a few kilobytes.
LONGEST_ASSERTION = 20_000


def ways_of(request: SignedInRequest) -> dict[str, object]:
    """How the person can prove to be here."""
    return {
        "may_use_passkey": factors.has_passkey(request.user),
        "may_use_code": factors.has_app(request.user),
    }


def empty_code_form(auto_id: str) -> PresenceCodeForm:
    """An empty field for a code."""
    # In one form with a passkey's button, which must not ask for a code.
    return PresenceCodeForm(auto_id=auto_id, use_required_attribute=False)


def proof_of(request: SignedInRequest) -> presence.Proof:
    """What the person has sent to prove to be here."""
    return presence.Proof(
        code=request.POST.get("code", "")[:80],
        confirmation=request.POST.get("confirmation", "")[:80],
        assertion=request.POST.get("assertion", "")[:LONGEST_ASSERTION],
        address=client_address(request),
    )


def with_refused_proof(
    request: SignedInRequest, form: forms.Form, refusal: presence.PresenceRefused, auto_id: str
) -> PresenceCodeForm:
    """Says beside the code that it was refused, and of a passkey above the form."""
    if request.POST.get("assertion") or not factors.has_app(request.user):
        form.add_error(None, str(refusal))
        return empty_code_form(auto_id)
    return PresenceCodeForm.refused(str(refusal), auto_id)


def offer(request: SignedInRequest, purpose: str) -> JsonResponse:
    """What the person's passkey has to sign for this purpose."""
    try:
        limits.take("passkey_asked", person=request.user, address=client_address(request))
        confirmation = presence.open_confirmation(
            request.user, session=sessions.session_id(request), purpose=purpose
        )
        options = presence.passkey_options(confirmation)
    except (presence.PresenceRefused, limits.TooManyTries) as refusal:
        return JsonResponse({"error": str(refusal)}, status=HTTPStatus.CONFLICT)
    return JsonResponse({"options": options, "fields": {"confirmation": str(confirmation.pk)}})


def no_offer(form: forms.Form) -> JsonResponse:
    """What is wrong with the form whose act the passkey was to sign."""
    words = [
        str(error) if name == "__all__" else f"{form.fields[name].label}: {error}"
        for name, errors in form.errors.items()
        for error in errors
    ]
    return JsonResponse({"error": " ".join(words)}, status=HTTPStatus.UNPROCESSABLE_ENTITY)

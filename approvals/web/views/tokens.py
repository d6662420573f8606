"""Tokens for CI: administrators make them, see when they were used last, and revoke them."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.api.models import Token
from approvals.api.tokens import TokenRefused, make_token, may_of, revoke_token
from approvals.queue.models import Registry
from approvals.web.forms.tokens import TokenForm
from approvals.web.reach import reach_line
from approvals.web.views.guards import SignedInRequest, managers_only


@dataclass(frozen=True)
class TokenRow:
    """A token, and what the page says of it."""

    token: Token
    reach: str
    may: str


@managers_only
@require_GET
def tokens(request: SignedInRequest) -> HttpResponse:
    names = _registries()
    rows = [
        TokenRow(one, reach_line(one.reaches, names), ", ".join(may_of(one)))
        for one in Token.objects.select_related("made_by").prefetch_related("scopes")
    ]
    good = [row for row in rows if row.token.is_good]
    over = [row for row in rows if not row.token.is_good]
    return render(request, "web/tokens/tokens.html", {"good": good, "over": over})


@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def token_make(request: SignedInRequest) -> HttpResponse:
    """Makes a token and shows it, this once."""
    data = request.POST if request.method == "POST" else None
    form = TokenForm(data, registries=_registries())
    if form.is_valid():
        try:
            token, secret = make_token(form.cleaned_data["wanted"], actor=request.user)
        except TokenRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            # Not a redirect: the secret would have to be kept in the open somewhere in between.
            return render(request, "web/tokens/made.html", {"token": token, "secret": secret})
    return render(request, "web/tokens/make.html", {"form": form})


@managers_only
@require_POST
def token_revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(Token, pk=pk)
    if revoke_token(token, actor=request.user):
        messages.success(request, f"{token} is revoked: no call with it is answered any more.")
    else:
        messages.info(request, f"{token} was revoked already.")
    return redirect("tokens")


def _registries() -> dict[str, str]:
    return dict(Registry.objects.values_list("url", "name"))

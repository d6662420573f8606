"""The registries that are watched, and how that goes."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from approvals.queue.models import Registry
from approvals.queue.registries import (
    RegistryNotUsable,
    TokenView,
    add_and_look,
    change_registry,
)
from approvals.web.forms.registries import AddRegistryForm, EditRegistryForm
from approvals.web.views.guards import SignedInRequest, managers_only


@require_GET
def registries(request: SignedInRequest) -> HttpResponse:
    return render(
        request,
        "web/registries/registries.html",
        {"registries": Registry.objects.visible_to(request.user)},
    )


@sensitive_post_parameters("read_token")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def registry_add(request: SignedInRequest) -> HttpResponse:
    form = AddRegistryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            registry, seen = add_and_look(actor=request.user, **form.cleaned_data)
        except RegistryNotUsable as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request,
                f"{registry.name} answered and is added. {seen.sentences} What waits there appears "
                "in the queue.",
            )
            warn_of(request, seen)
            return redirect("registries")
    return render(request, "web/registries/add.html", {"form": form})


@sensitive_post_parameters("read_token")
@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def registry_edit(request: SignedInRequest, pk: int) -> HttpResponse:
    registry = get_object_or_404(Registry, pk=pk)
    form = EditRegistryForm(
        request.POST or None,
        initial={
            "enabled": registry.enabled,
            "poll_seconds": registry.poll_seconds,
            "proof_hosts": registry.proof_hosts,
        },
    )
    if request.method == "POST" and form.is_valid():
        try:
            seen = change_registry(
                registry,
                actor=request.user,
                read_token=form.cleaned_data["read_token"] or None,
                poll_seconds=form.cleaned_data["poll_seconds"],
                enabled=form.cleaned_data["enabled"],
                proof_hosts=form.cleaned_data["proof_hosts"],
            )
        except RegistryNotUsable as refusal:
            form.add_error(None, str(refusal))
        else:
            told = f" {seen.sentences}" if seen else ""
            messages.success(request, f"{registry.name} is saved.{told}")
            if seen:
                warn_of(request, seen)
            return redirect("registries")
    return render(request, "web/registries/edit.html", {"form": form, "registry": registry})


def warn_of(request: SignedInRequest, seen: TokenView) -> None:
    """Says apart from the success what is odd about what the token may see."""
    for warning in seen.warnings:
        messages.warning(request, warning)

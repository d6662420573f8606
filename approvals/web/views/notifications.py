"""Webhooks, and how each delivery went."""

import re
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.notifications import webhooks
from approvals.notifications.channels import channels
from approvals.notifications.errors import NotDelivered
from approvals.notifications.messages import subject_of
from approvals.notifications.models import Delivery, Webhook
from approvals.notifications.retry import NothingToRetry, try_all_parked, try_now
from approvals.notifications.webhook_address import WebhookRefused, origin_of
from approvals.web.forms.notifications import DeliveryFilter, EditWebhookForm, WebhookForm
from approvals.web.views.guards import SignedInRequest, managers_only
from approvals.web.visibility import deliveries_visible_to

PER_PAGE = 50


@dataclass(frozen=True)
class Row:
    """One delivery and what the page adds to it."""

    delivery: Delivery
    subject: str
    path: str
    to: str
    is_on_its_way: bool
    is_quiet: bool


@require_GET
def notifications(request: SignedInRequest) -> HttpResponse:
    form = DeliveryFilter(request.GET)
    visible = deliveries_visible_to(request.user)
    deliveries = visible.select_related("event").order_by("-id")
    state = form.cleaned_data["state"] if form.is_valid() else ""
    if state:
        deliveries = deliveries.filter(state=state)
    page = Paginator(deliveries, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "web/notifications/notifications.html",
        {
            "webhooks": [
                (hook, origin_of(hook.url), getattr(hook, "destination", None))
                for hook in Webhook.objects.select_related("destination")
            ],
            "states": form.fields["state"].choices,  # type: ignore[attr-defined]  # a ChoiceField
            "state": state,
            "page": page,
            "rows": _rows(page),
            "failed_count": visible.filter(state=Delivery.State.FAILED).count(),
            "parked_count": visible.filter(state=Delivery.State.PARKED).count(),
        },
    )


def _rows(page: Page[Any]) -> list[Row]:
    now = timezone.now()
    labels: dict[tuple[str, str], str] = {}
    for name, channel in channels().items():
        found = [delivery.recipient for delivery in page if delivery.channel == name]
        if found:
            labels |= {(name, key): label for key, label in channel.labels(found).items()}
    return [
        Row(
            delivery,
            subject_of(delivery.event),
            _own_path(delivery.event.payload.get("url_path")),
            labels.get((delivery.channel, delivery.recipient), delivery.recipient),
            delivery.state == Delivery.State.WAITING
            and delivery.lease_until is not None
            and delivery.lease_until > now,
            delivery.state == Delivery.State.WAITING
            and delivery.quiet_until is not None
            and delivery.quiet_until > now,
        )
        for delivery in page
    ]


def _own_path(path: object) -> str:
    return path if isinstance(path, str) and re.fullmatch(r"/[a-z0-9][a-z0-9/-]*", path) else ""


@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def webhook_add(request: SignedInRequest) -> HttpResponse:
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            webhook, secret = webhooks.add_webhook(actor=request.user, **form.cleaned_data)
        except WebhookRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            # Not a redirect: the secret would have to be kept in the open somewhere in between.
            return render(
                request,
                "web/notifications/webhook_added.html",
                {"webhook": webhook, "secret": secret},
            )
    return render(request, "web/notifications/webhook_add.html", {"form": form})


@never_cache
@managers_only
@require_http_methods(["GET", "POST"])
def webhook_edit(request: SignedInRequest, pk: int) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=pk)
    form = EditWebhookForm(
        request.POST or None,
        initial={"name": webhook.name, "url": webhook.url, "enabled": webhook.enabled},
    )
    if request.method == "POST" and form.is_valid():
        try:
            webhooks.change_webhook(webhook, actor=request.user, **form.cleaned_data)
        except WebhookRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"{webhook.name} is saved.")
            return redirect("notifications")
    return render(
        request, "web/notifications/webhook_edit.html", {"form": form, "webhook": webhook}
    )


@managers_only
@require_POST
def webhook_test(request: SignedInRequest, pk: int) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=pk)
    try:
        messages.success(request, webhooks.send_test(webhook, request.user))
    except NotDelivered as error:
        messages.error(request, f"The test did not arrive at {webhook.name}. {error}")
    return redirect("notifications")


@managers_only
@require_POST
def webhook_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    webhook = get_object_or_404(Webhook, pk=pk)
    webhooks.remove_webhook(webhook, actor=request.user)
    messages.success(request, f"{webhook.name} is removed and gets nothing more.")
    return redirect("notifications")


@managers_only
@require_POST
def delivery_try_now(request: SignedInRequest, pk: int) -> HttpResponse:
    delivery = get_object_or_404(Delivery.objects.select_related("event"), pk=pk)
    try:
        try_now(delivery, actor=request.user)
    except NothingToRetry as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, "It is tried again right now. Reload to see how that went.")
    return redirect("notifications")


@managers_only
@require_POST
def deliveries_send_parked(request: SignedInRequest) -> HttpResponse:
    try:
        number = try_all_parked(actor=request.user)
    except NothingToRetry as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, f"{number} sent again from now on. Reload to see how it went.")
    return redirect("notifications")

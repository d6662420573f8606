"""What must hold for which packages: everybody reads it, release managers set it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from approvals.decisions.judging.preview import LIMIT, Preview, would_have_said
from approvals.people import presence, sessions
from approvals.people.permissions import may_manage, may_see_everything, may_set_policies
from approvals.policy.book import Book, Policy, current_book
from approvals.policy.describe import always, changes_between, in_words
from approvals.policy.models import PolicyRevision
from approvals.policy.revise import (
    Change,
    PolicyChangedMeanwhile,
    PolicyRefused,
    check_names,
    move,
    removal,
    restoration,
    revise,
    revision_book,
    setting,
)
from approvals.queue.models import Registry
from approvals.web.forms.policies import ChangeForm, MoveForm, PolicyForm
from approvals.web.forms.security import PresenceCodeForm
from approvals.web.policies import covered, policy_rows, revision_rows
from approvals.web.views.guards import SignedInRequest, policy_setters_only
from approvals.web.views.proofs import (
    empty_code_form,
    no_offer,
    offer,
    proof_of,
    ways_of,
    with_refused_proof,
)

REVISIONS_PER_PAGE = 20


@require_GET
def policies(request: SignedInRequest) -> HttpResponse:
    book = current_book()
    rows = policy_rows(request.user, book, _registry_names())
    sees_all = may_see_everything(request.user)
    return render(
        request,
        "web/policies/policies.html",
        {
            "book": book,
            "rows": rows,
            "always": always(),
            "some_are_hidden": len(rows) < len(book.policies),
            "may_set": may_set_policies(request.user) and not book.broken,
            "may_restore": may_manage(request.user),
            "sees_history": sees_all,
            "revision": PolicyRevision.objects.select_related("made_by")
            .filter(number=book.number)
            .first()
            if sees_all and not book.broken
            else None,
        },
    )


@sensitive_post_parameters("code", "assertion")
@never_cache
@policy_setters_only
@require_http_methods(["GET", "POST"])
def policy_add(request: SignedInRequest) -> HttpResponse:
    """Adds a policy."""
    book = current_book()
    if book.broken:
        return _not_now(request, book)
    form = _policy_form(request, book, None)
    if request.method == "GET":
        return _policy_page(request, book, None, form=form)
    tried = _try(request, form, "set_%s", _setting)
    if tried.changed:
        messages.success(request, f"“{form.cleaned_data['name']}” is added, and holds at once.")
        return redirect("policies")
    return tried.answer or _policy_page(request, book, None, form=form, **tried.shown("code_form"))


@policy_setters_only
@require_POST
def policy_add_options(request: SignedInRequest) -> HttpResponse:
    """What the person's passkey has to sign for the policy that the form names."""
    return _offer(request, _policy_form(request, current_book(), None), _setting)


@sensitive_post_parameters("code", "assertion")
@never_cache
@policy_setters_only
@require_http_methods(["GET", "POST"])
def policy(request: SignedInRequest, key: str) -> HttpResponse:
    """Changes a policy."""
    book = current_book()
    if book.broken:
        return _not_now(request, book)
    found = _policy_of(book, key)
    form = _policy_form(request, book, found)
    if request.method == "GET":
        return _policy_page(request, book, found, form=form)
    tried = _try(request, form, "set_%s", _setting)
    if tried.changed:
        messages.success(request, f"“{form.cleaned_data['name']}” is changed, and holds at once.")
        return redirect("policies")
    return tried.answer or _policy_page(request, book, found, form=form, **tried.shown("code_form"))


@policy_setters_only
@require_POST
def policy_options(request: SignedInRequest, key: str) -> HttpResponse:
    """What the person's passkey has to sign for the change that the form names."""
    book = current_book()
    return _offer(request, _policy_form(request, book, _policy_of(book, key)), _setting)


@sensitive_post_parameters("code", "assertion")
@never_cache
@policy_setters_only
@require_POST
def policy_move(request: SignedInRequest, key: str) -> HttpResponse:
    """Has a policy be tried earlier or later."""
    book = current_book()
    if book.broken:
        return _not_now(request, book)
    found = _policy_of(book, key)
    form = _move_form(request, book, found)
    tried = _try(request, form, "move_%s", _moving(key))
    if tried.changed:
        other = _policy_of(book, form.cleaned_data["before"])
        messages.success(request, f"“{found.name}” is tried before “{other.name}” now.")
        return redirect("policies")
    shown = {"move_form": form, **tried.shown("move_code_form")}
    return tried.answer or _policy_page(request, book, found, **shown)


@policy_setters_only
@require_POST
def policy_move_options(request: SignedInRequest, key: str) -> HttpResponse:
    """What the person's passkey has to sign before a policy is tried elsewhere."""
    book = current_book()
    return _offer(request, _move_form(request, book, _policy_of(book, key)), _moving(key))


@sensitive_post_parameters("code", "assertion")
@never_cache
@policy_setters_only
@require_POST
def policy_remove(request: SignedInRequest, key: str) -> HttpResponse:
    """Leaves its packages to the policies that come after it."""
    book = current_book()
    if book.broken:
        return _not_now(request, book)
    found = _policy_of(book, key)
    form = ChangeForm(request.POST, auto_id="remove_%s")
    tried = _try(request, form, "remove_%s", _removing(key))
    if tried.changed:
        messages.success(request, f"“{found.name}” is removed.")
        return redirect("policies")
    shown = {"remove_form": form, **tried.shown("remove_code_form")}
    return tried.answer or _policy_page(request, book, found, **shown)


@policy_setters_only
@require_POST
def policy_remove_options(request: SignedInRequest, key: str) -> HttpResponse:
    """What the person's passkey has to sign before a policy is removed."""
    return _offer(request, ChangeForm(request.POST), _removing(key))


# ---------- earlier revisions


@require_GET
def policy_history(request: SignedInRequest) -> HttpResponse:
    """Every revision with what it changed, newest first."""
    _check_sees_history(request)
    found = PolicyRevision.objects.select_related("made_by").order_by("-number")
    page = Paginator(found, REVISIONS_PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page)
    earlier = found.filter(number__lt=shown[-1].number).first() if shown else None
    book = current_book()
    return render(
        request,
        "web/policies/history.html",
        {"page": page, "rows": revision_rows(shown, earlier), "book": book},
    )


@never_cache
@require_GET
def policy_revision(request: SignedInRequest, number: int) -> HttpResponse:
    """All policies as they were; 0 is what holds before anybody has set any."""
    _check_sees_history(request)
    return _revision_page(request, number)


@sensitive_post_parameters("code", "assertion")
@never_cache
@policy_setters_only
@require_POST
def policy_restore(request: SignedInRequest, number: int) -> HttpResponse:
    """Sets the policies of an earlier revision again."""
    form = ChangeForm(request.POST, auto_id="set_%s")
    tried = _try(request, form, "set_%s", _restoring(number))
    if tried.changed:
        messages.success(request, f"The policies are those of {_called(number)} again.")
        return redirect("policies")
    return tried.answer or _revision_page(request, number, form=form, **tried.shown("code_form"))


@policy_setters_only
@require_POST
def policy_restore_options(request: SignedInRequest, number: int) -> HttpResponse:
    """What the person's passkey has to sign before those are set again."""
    return _offer(request, ChangeForm(request.POST), _restoring(number))


# ---------- parts of it

Wanting = Callable[[dict[str, Any]], Change]
"""What a form that was filled in right wants. Raises PolicyRefused."""


@dataclass(frozen=True)
class _Tried:
    """What came of a form: the policies are changed, or what else there is to be answered."""

    changed: bool = False
    answer: HttpResponse | None = None
    code_form: PresenceCodeForm | None = None
    outlook: Preview | None = None

    def shown(self, name: str) -> dict[str, Any]:
        """For the page; the code's field under this name."""
        return {name: self.code_form, "outlook": self.outlook}


def _try(request: SignedInRequest, form: ChangeForm, auto_id: str, wanting: Wanting) -> _Tried:
    code_form = empty_code_form(auto_id)
    if not form.is_valid():
        return _Tried(code_form=code_form)
    try:
        change = wanting(form.cleaned_data)
        check_names(change)
        if "preview" in request.POST:
            outlook = would_have_said(request.user, change.before, change.after)
            return _Tried(code_form=code_form, outlook=outlook)
        session = sessions.session_id(request)
        revise(change, proof_of(request), actor=request.user, session=session)
    except PolicyChangedMeanwhile as refusal:
        messages.error(request, str(refusal))
        return _Tried(answer=redirect("policies"))
    except PolicyRefused as refusal:
        form.refuse(refusal)
        return _Tried(code_form=code_form)
    except presence.PresenceRefused as refusal:
        return _Tried(code_form=with_refused_proof(request, form, refusal, auto_id))
    return _Tried(changed=True)


def _offer(request: SignedInRequest, form: ChangeForm, wanting: Wanting) -> HttpResponse:
    if form.is_valid():
        try:
            change = wanting(form.cleaned_data)
            check_names(change)
            return offer(request, change.purpose)
        except PolicyRefused as refusal:
            form.refuse(refusal)
    return no_offer(form)


def _setting(wanted: dict[str, Any]) -> Change:
    return setting(wanted["wanted"], seen=wanted["seen"], words=wanted["words"])


def _moving(key: str) -> Wanting:
    return lambda wanted: move(
        key, before=wanted["before"], seen=wanted["seen"], words=wanted["words"]
    )


def _removing(key: str) -> Wanting:
    return lambda wanted: removal(key, seen=wanted["seen"], words=wanted["words"])


def _restoring(number: int) -> Wanting:
    return lambda wanted: restoration(number, seen=wanted["seen"], words=wanted["words"])


def _policy_form(request: SignedInRequest, book: Book, policy: Policy | None) -> PolicyForm:
    return PolicyForm(
        request.POST if request.method == "POST" else None,
        policies=book.policies,
        registries=_registry_names(),
        policy=policy,
        initial={"seen": book.number},
        auto_id="set_%s",
    )


def _move_form(request: SignedInRequest, book: Book, policy: Policy) -> MoveForm:
    return MoveForm(request.POST, policies=book.policies, moved=policy, auto_id="move_%s")


def _policy_page(
    request: SignedInRequest, book: Book, policy: Policy | None, **shown: Any
) -> HttpResponse:
    seen = {"seen": book.number}
    about: dict[str, Any] = {
        "action": reverse("policy", args=[policy.key]) if policy else reverse("policy_add"),
        "options_url": reverse("policy_options", args=[policy.key])
        if policy
        else reverse("policy_add_options"),
        "code_form": empty_code_form("set_%s"),
        "limit": LIMIT,
    }
    if policy is not None:
        # What another form of this page was sent with leaves this one as it is.
        about["form"] = PolicyForm(
            policies=book.policies,
            registries=_registry_names(),
            policy=policy,
            initial=seen,
            auto_id="set_%s",
        )
        about["covers"] = covered(policy, _registry_names())
        if not policy.is_default:
            about |= {
                "move_form": MoveForm(
                    policies=book.policies, moved=policy, initial=seen, auto_id="move_%s"
                ),
                "move_code_form": empty_code_form("move_%s"),
                "remove_form": ChangeForm(initial=seen, auto_id="remove_%s"),
                "remove_code_form": empty_code_form("remove_%s"),
            }
    return render(
        request,
        "web/policies/policy.html",
        {"policy": policy, **about, **shown, **ways_of(request)},
    )


def _revision_page(request: SignedInRequest, number: int, **shown: Any) -> HttpResponse:
    then = revision_book(number)
    if then is None:
        raise Http404("There is no such revision.")
    book = current_book()
    may_set = may_manage(request.user) if book.broken else may_set_policies(request.user)
    differs = book.broken or then.policies != book.policies
    return render(
        request,
        "web/policies/revision.html",
        {
            "number": number,
            "called": _called(number),
            "revision": PolicyRevision.objects.select_related("made_by")
            .filter(number=number)
            .first(),
            "then": then,
            "rows": [(one, in_words(one)) for one in then.policies],
            "changes": changes_between(book.policies, then.policies),
            "book": book,
            "may_restore": may_set and differs and not then.broken,
            "differs": differs,
            "form": ChangeForm(initial={"seen": book.number}, auto_id="set_%s"),
            "code_form": empty_code_form("set_%s"),
            "limit": LIMIT,
            **shown,
            **ways_of(request),
        },
    )


def _called(number: int) -> str:
    return f"revision {number}" if number else "the beginning"


def _policy_of(book: Book, key: str) -> Policy:
    found = next((one for one in book.policies if one.key == key), None)
    if found is None:
        raise Http404("There is no such policy.")
    return found


def _registry_names() -> dict[str, str]:
    return dict(Registry.objects.order_by("name").values_list("url", "name"))


def _not_now(request: SignedInRequest, book: Book) -> HttpResponse:
    messages.error(request, book.broken)
    return redirect("policies")


def _check_sees_history(request: SignedInRequest) -> None:
    if not may_see_everything(request.user):
        raise PermissionDenied(
            "The history names packages that you do not see. Ask somebody who sees every package."
        )

"""What people say of a version, a file of it or a line: adding it, and taking one's own back."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from approvals.decisions.models import Comment
from approvals.decisions.models.comments import LONGEST_COMMENT
from approvals.decisions.talking.comments import CommentRefused, say, take_back
from approvals.inspection.keep import diff_text
from approvals.inspection.models import FileChange
from approvals.people.sessions import not_activity_when
from approvals.queue.models import StagedVersion
from approvals.web import comments
from approvals.web.listing import is_poll
from approvals.web.live import mark_of
from approvals.web.reading import Reading, get_version, options_of, reading_and_change, whole
from approvals.web.views.guards import SignedInRequest


@not_activity_when(is_poll)
@require_http_methods(["GET", "HEAD", "POST"])
def version_comments(request: SignedInRequest, pk: int) -> HttpResponse:
    """Adds a comment on the whole version; or the list of all, for the page that has it."""
    staged_version = get_version(request.user, pk)
    if request.method != "POST":
        if "HX-Request" not in request.headers:
            return redirect(_discussion(pk))
        part = list_of(request, staged_version)
        if request.GET.get("said") == part["seen"]:
            return HttpResponse(status=204)
        return render(request, "web/review/said_list.html", {"said_list": part})
    try:
        say(staged_version, user=request.user, text=request.POST.get("text", ""))
    except CommentRefused as refusal:
        context = {"version": staged_version, "action": request.path, "back": _discussion(pk)}
        return _form_page(request, context, refusal)
    return redirect(_discussion(pk))


@require_POST
def take_comment_back(request: SignedInRequest, pk: int, comment: int) -> HttpResponse:
    """Forgets what one's own comment on this version said."""
    staged_version = get_version(request.user, pk)
    own = get_object_or_404(Comment, pk=comment, staged_version=staged_version)
    own.staged_version = staged_version
    page = comments.page_of(own)
    try:
        take_back(own, user=request.user)
    except CommentRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Your comment was taken back: what it said is forgotten.")
    return redirect(page)


@require_http_methods(["GET", "HEAD", "POST"])
def file_comment(request: SignedInRequest, pk: int, inspection: int, position: int) -> HttpResponse:
    """Says something of a file, or of the line that `at` names ("n12", "o12").

    A page of its own; for htmx the rows under the line, with a form unless `show` is "list".
    """
    reading, change = reading_and_change(request.user, pk, inspection, position)
    source = request.POST if request.method == "POST" else request.GET
    at = _anchor(source)
    line = comments.line_at(reading, change, diff_text(change), at) if at else None
    refusal = None
    if at and line is None:
        refusal = CommentRefused(
            "There is no such line in what is shown of this file. Choose one by its number, or say "
            "it of the whole file."
        )
    elif request.method == "POST":
        try:
            say(
                reading.version,
                user=request.user,
                text=request.POST.get("text", ""),
                path=change.path,
                side=line.side if line else "",
                line=line.number if line else None,
                excerpt=comments.excerpt_of(line.text) if line else "",
            )
        except CommentRefused as error:
            refusal = error
        else:
            return _said(request, reading, change, line)
    context = _about(request, reading, change, line)
    if "HX-Request" in request.headers and request.GET.get("show") == "list" and not refusal:
        return render(request, "web/review/line_rows.html", context)
    return _form_page(request, context, refusal)


def list_of(request: SignedInRequest, staged_version: StagedVersion) -> dict[str, Any]:
    """The list of all comments, ready to be shown, and what tells it from a later one."""
    context = comments.discussion_of(staged_version, request.user) | {"version": staged_version}
    content = render_to_string("web/review/said_content.html", context, request)
    return context | {"content": content, "seen": mark_of(content)}


def _about(
    request: SignedInRequest, reading: Reading, change: FileChange, line: comments.Line | None
) -> dict[str, Any]:
    said = comments.of_file(reading, change, request.user)
    anchor = line.anchor if line else ""
    page = reading.page_of(change.position)
    return {
        "version": reading.version,
        "reading": reading,
        "change": change,
        "line": line,
        "at": anchor,
        "options": options_of(request),
        "said": [
            one
            for one in said
            if one.anchor == anchor
            and not (
                line and (one.is_gone or one.comment.excerpt != comments.excerpt_of(line.text))
            )
        ],
        "action": reverse("file_comment", args=_arguments(reading, change)),
        "back": f"{page}&line={anchor}#{anchor}" if anchor else f"{page}#files",
        "longest_comment": LONGEST_COMMENT,
    }


def _arguments(reading: Reading, change: FileChange) -> list[int]:
    return [reading.version.pk, reading.inspection.pk, change.position]


def _said(
    request: SignedInRequest, reading: Reading, change: FileChange, line: comments.Line | None
) -> HttpResponse:
    context = _about(request, reading, change, line)
    if "HX-Request" in request.headers and line is not None:
        return render(request, "web/review/line_rows.html", context)
    return redirect(context["back"])


def _form_page(
    request: SignedInRequest, context: dict[str, Any], refusal: CommentRefused | None
) -> HttpResponse:
    """The form, with what was typed and why it was refused."""
    context |= {
        "refusal": str(refusal or ""),
        "text": request.POST.get("text", "")[:LONGEST_COMMENT],
        "longest_comment": LONGEST_COMMENT,
        "with_form": True,
    }
    if "HX-Request" in request.headers and context.get("at"):
        # htmx shows no answer that failed.
        return render(request, "web/review/line_rows.html", context)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK
    return render(request, "web/comment.html", context, status=status)


def _anchor(source: Any) -> str:
    """The line that a form or an address names; "" for the whole file."""
    if source.get("at"):
        return str(source["at"])[:12]
    if not source.get("line", "").strip():
        return ""
    side = "o" if source.get("side") == Comment.Side.OLD else "n"
    return f"{side}{whole(source['line'].strip())}"


def _discussion(pk: int) -> str:
    return f"{reverse('version', args=[pk])}#discussion"

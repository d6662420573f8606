"""The API: every call that there is. Each parses, calls one rule, and answers.

None approves or rejects: the rooms that do are closed to this one (pyproject.toml).
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Path, Query, Schema
from ninja.errors import HttpError, ValidationError
from ninja.security import HttpBearer
from pydantic import ConfigDict, Field

from approvals.api import awaited
from approvals.api.answers import (
    ContextAnswer,
    ContextGiven,
    Error,
    HandedIn,
    Outcome,
    ReleaseAnswer,
    VersionAnswer,
    VersionPage,
    release_answer,
    version_answers,
)
from approvals.api.context import give_context
from approvals.api.errors import NotFound, NotSignedIn, NotUsable, Refused, TooLarge, TooMany
from approvals.api.finding import (
    check_may,
    may_ever_cover,
    newest_first,
    release_by_id,
    version_by_name,
    version_by_stage,
    versions_of,
)
from approvals.api.models import LONGEST_LINK, Kind, Token
from approvals.api.tokens import TokenRefused, token_of
from approvals.people import limits
from approvals.people.adapter import client_address
from approvals.provenance.hand_in import BundleRefused, hand_in
from approvals.queue.models import StagedVersion, State
from registry_client.provenance import MAX_BUNDLE

NOT_FOUND_YET = "none"
# What PostgreSQL stores as a key, and SQLite as a number.
_LARGEST_KEY = 2**63 - 1


class TokenRequest(HttpRequest):
    """What reaches an operation: its token is good, and has calls left."""

    auth: Token


class _Bearer(HttpBearer):
    def __call__(self, request: HttpRequest) -> Token:
        found: Token | None = super().__call__(request)
        if found is None:
            raise NotSignedIn("Send a token: Authorization: Bearer cst_…")
        return found

    def authenticate(self, request: HttpRequest, token: str) -> Token:
        try:
            found = token_of(token.strip())
        except TokenRefused as refusal:
            _count("api_refused", address=client_address(request))
            raise NotSignedIn(str(refusal)) from refusal
        # One that was held was counted when it came.
        if not awaited.is_held(request):
            _count("api", person=f"token {found.pk}")
        return found


api = NinjaAPI(
    title="Countersign",
    version="1",
    description="What CI asks Countersign, and hands in. No call approves or rejects anything.",
    urls_namespace="api",
    auth=_Bearer(),
    docs_url=None,
)

_REFUSALS = dict.fromkeys((400, 401, 403, 404, 409, 413, 422, 429, 503), Error)
_Name = Annotated[str, Field(min_length=1, max_length=214, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Version = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f/]+$")]
_Registry = Annotated[
    str,
    Field(
        max_length=60,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="The registry's name, where several have it",
    ),
]


class AtRegistry(Schema):
    """Where."""

    registry: _Registry = ""


class OneVersion(AtRegistry):
    """How one version is asked for."""

    wait: int = Field(
        0,
        ge=0,
        le=awaited.MOST_SECONDS,
        description="Hold the answer for so many seconds, or until the state is another one",
    )
    state: str = Field(
        "",
        max_length=30,
        pattern=r"^[a-z_]*$",
        description="The state that you know (none: not found yet): where it is another one, the "
        "answer comes at once",
    )


class Listed(AtRegistry):
    """Which versions are listed."""

    package: Annotated[str, Field(max_length=214, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    state: State | None = Field(None, description="The registry's state: staged is all that waits")
    before: int | None = Field(None, ge=1, le=_LARGEST_KEY, description="`next` of the page before")
    limit: int = Field(50, ge=1, le=100)


_Link = Annotated[str, Field(min_length=9, max_length=LONGEST_LINK, pattern="^https://")]


class ContextHandedIn(Schema):
    """Links of this staged version: at least one."""

    model_config = ConfigDict(extra="forbid")

    pull_request: _Link | None = None
    changelog: _Link | None = None
    test_report: _Link | None = None
    run: _Link | None = None


@api.get("/stages", response={200: VersionPage, **_REFUSALS}, summary="List staged versions")
def stages(request: TokenRequest, listed: Query[Listed]) -> VersionPage:
    """The staged versions of the packages that the token covers, the newest first."""
    _check(request, "may_read", Listed)
    rows = versions_of(request.auth, listed.registry)
    if listed.package:
        rows = rows.filter(package__name=listed.package)
    if listed.state is not None:
        rows = rows.filter(state=listed.state)
    found, following = newest_first(rows, before=listed.before, limit=listed.limit)
    return VersionPage(items=version_answers(found), next=following)


@api.get(
    "/stages/{stage_id}",
    response={200: VersionAnswer, **_REFUSALS},
    summary="One staged version, by its stage id",
)
def stage(request: TokenRequest, stage_id: UUID, asked: Query[OneVersion]) -> VersionAnswer:
    """With ?wait, held until its state changes. A version that is not found yet is waited for."""
    _check(request, "may_read", OneVersion)
    before = awaited.mark_of(stage_id) if asked.wait else frozenset()
    try:
        row = version_by_stage(request.auth, stage_id, asked.registry)
    except NotFound:
        _wait(request, asked, stage_id, before, None)
        raise
    return _answer(request, asked, stage_id, before, row)


@api.get(
    "/packages/{path:name}/versions/{version}",
    response={200: VersionAnswer, **_REFUSALS},
    summary="What was staged last as this version of a package",
)
def package_version(
    request: TokenRequest,
    name: Path[_Name],
    version: Path[_Version],
    asked: Query[OneVersion],
) -> VersionAnswer:
    """With ?wait, held until its state changes. A version that is not found yet is waited for.

    A version that was rejected may be staged again: then this answers for the newer one, and only
    its stage id tells the two apart.
    """
    _check(request, "may_read", OneVersion)
    key = (name, version)
    before = awaited.mark_of(key) if asked.wait else frozenset()
    try:
        row = version_by_name(request.auth, name, version, asked.registry)
    except NotFound:
        if may_ever_cover(request.auth, name):
            _wait(request, asked, key, before, None)
        raise
    return _answer(request, asked, key, before, row)


@api.post(
    "/stages/{stage_id}/provenance",
    response={200: HandedIn, **_REFUSALS},
    summary="Hand in a Sigstore bundle",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The bundle as it is, or the registry's answer about attestations with "
            "exactly one provenance in it",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
def provenance(request: TokenRequest, stage_id: UUID, at: Query[AtRegistry]) -> HandedIn:
    """It proves itself against the tarball's digest, or is refused."""
    _check(request, "may_hand_in_provenance", AtRegistry)
    row = version_by_stage(request.auth, stage_id, at.registry)
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BUNDLE:
        raise TooLarge(f"A bundle has at most {MAX_BUNDLE:,} bytes.")
    try:
        content = request.read(MAX_BUNDLE + 1)
        kept = hand_in(row, content, actor=None, given_with=request.auth.name)
    except BundleRefused as refusal:
        raise NotUsable(str(refusal)) from refusal
    return HandedIn(sha256=kept.sha256, verified=bool(row.sha512))


@api.post(
    "/stages/{stage_id}/context",
    response={200: ContextGiven, **_REFUSALS},
    summary="Give links for reviewers",
)
def context(
    request: TokenRequest,
    stage_id: UUID,
    links: ContextHandedIn,
    at: Query[AtRegistry],
) -> ContextGiven:
    """They are shown on the review page as “from CI, not verified”."""
    _check(request, "may_give_context", AtRegistry)
    row = version_by_stage(request.auth, stage_id, at.registry)
    found = give_context(row, links.dict(exclude_none=True), token=request.auth)
    return ContextGiven(context=[ContextAnswer(kind=Kind(one.kind), url=one.url) for one in found])


@api.get(
    "/releases/{release_id}",
    response={200: ReleaseAnswer, **_REFUSALS},
    summary="Versions that belong together",
)
def release(request: TokenRequest, release_id: UUID) -> ReleaseAnswer:
    """A release, with those of its versions that the token covers."""
    _check(request, "may_read")
    return release_answer(*release_by_id(request.auth, release_id))


def _check(request: TokenRequest, action: str, takes: type[Schema] | None = None) -> None:
    """Refuses what the token was not made for, and a parameter that would mean nothing."""
    check_may(request.auth, action)
    known = set(takes.model_fields) if takes else set[str]()
    unknown = sorted(set(request.GET) - known)
    if unknown:
        raise NotUsable(f"{unknown[0][:40]!r} is no parameter of this call: /api/v1/docs has all.")


def _answer(
    request: TokenRequest,
    asked: OneVersion,
    key: awaited.Key,
    before: awaited.Mark,
    row: StagedVersion,
) -> VersionAnswer:
    [answer] = version_answers([row])
    if answer.outcome is Outcome.WAITING:
        _wait(request, asked, key, before, answer.state.value)
    return answer


def _wait(
    request: TokenRequest,
    asked: OneVersion,
    key: awaited.Key,
    before: awaited.Mark,
    state: str | None,
) -> None:
    known = state or NOT_FOUND_YET
    if asked.wait and asked.state in ("", known):
        awaited.leave(request, awaited.Awaited(key, before, known, asked.wait))


def _count(what: str, *, person: str = "", address: str = "") -> None:
    try:
        limits.take(what, person=person, address=address)
    except limits.TooManyTries as error:
        raise TooMany(
            f"Too many calls. Try again in {error.seconds} seconds, or hold one call with ?wait "
            "instead of making many.",
            retry_after=error.seconds,
        ) from error


@api.exception_handler(Refused)
def _refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    return refusal_response(request, refusal)


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """ninja's own: a body that is no JSON."""
    response = refusal_response(request, Refused(f"{error}: it must be JSON."))
    response.status_code = error.status_code
    return response


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return refusal_response(request, TooLarge("The body is too large. Give less at once."))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, invalid: ValidationError) -> HttpResponse:
    return refusal_response(request, NotUsable(_in_words(invalid)))


def refusal_response(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """The refusal as JSON."""
    body = {"error": refusal.word, "message": str(refusal)}
    response: HttpResponse = api.create_response(request, body, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    if refusal.status == NotSignedIn.status:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _in_words(invalid: ValidationError) -> str:
    found = []
    for one in invalid.errors[:5]:
        *_, name = one.get("loc") or ("",)
        found.append(f"{name}: {one.get('msg', 'is not valid')}")
    return "; ".join(found) + ". /api/v1/docs says what this call takes."

"""Whoever is scoped: what is out of scope is nowhere, and nothing can be done to it."""

import re
from http import HTTPStatus

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.audit.outbox import publish
from approvals.audit.record import record
from approvals.decisions.models import ChangeRequest, Comment, Decision, StepUp
from approvals.notifications.deliver import deliver_due
from approvals.notifications.models import Delivery
from approvals.notifications.tell import tell
from approvals.people.models import Role, Scope, User
from approvals.provenance.models import ExpectedPublisher
from approvals.queue.models import Registry, StagedVersion, State
from approvals.web.urls import urlpatterns
from tests.approvals.codes import code_now, enrol
from tests.approvals.factories import (
    make_account,
    make_decision,
    make_inspection,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import HTMX, sign_in, text_of

pytestmark = pytest.mark.django_db

ROLES = [Role.VIEWER, Role.APPROVER, Role.RELEASE_MANAGER]
VERSION_PAGES = [
    pattern for pattern in urlpatterns if str(pattern.pattern).startswith("versions/<int:pk>/")
]


@pytest.fixture
def registry() -> Registry:
    return make_registry("npm")


@pytest.fixture
def inside(registry: Registry) -> StagedVersion:
    return make_staged_version("@acme/ui", registry=registry)


@pytest.fixture
def outside(registry: Registry) -> StagedVersion:
    version = make_staged_version("hidden-thing", "7.7.7", registry=registry)
    make_inspection(version)
    return version


def scoped(role: Role, *packages: str, url: str = "") -> User:
    user = make_user(role=role)
    for one in packages or ["@acme/*"]:
        Scope.objects.create(user=user, registry_url=url, packages=one)
    return user


def address_of(pattern: URLPattern, version: StagedVersion) -> str:
    values = {
        "pk": version.pk,
        "inspection": version.inspection_request.inspection_id,
        "position": 0,
        "side": "new",
        "change_request": ChangeRequest.objects.create(
            staged_version=version, user=make_user(), reason="It lacks a changelog."
        ).pk,
        "comment": Comment.objects.create(
            staged_version=version, user=make_user(), text="Why is it so large?"
        ).pk,
    }
    names = re.findall(r"<\w+:(\w+)>", str(pattern.pattern))
    return reverse(str(pattern.name), kwargs={name: values[name] for name in names})


# ---------- every page of a version


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("pattern", VERSION_PAGES, ids=lambda pattern: str(pattern.name))
def test_every_page_of_a_version_out_of_scope_is_not_found(
    pattern: URLPattern, role: Role, outside: StagedVersion
) -> None:
    browser = sign_in(scoped(role))
    address = address_of(pattern, outside)
    events = AuditEvent.objects.count()
    asked = {
        "path": "LICENSE",
        "against": "1.4.0",
        "from": "1",
        "version": "1.4.0",
        "reason": "because",
        "code": "123456",
        "viewed": "yes",
    }
    for headers in ({}, HTMX):
        for answer in (
            browser.get(address, asked, headers=headers),
            browser.post(address, asked, headers=headers),
        ):
            # A page that takes no such requests says so to everybody; some lead elsewhere first.
            led = answer.status_code == HTTPStatus.FOUND
            told = browser.get(answer.headers["Location"]) if led else answer
            assert told.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
            assert "hidden-thing" not in told.content.decode()
    assert AuditEvent.objects.count() == events
    outside.refresh_from_db()
    assert outside.state == State.STAGED


def test_the_walk_finds_the_pages() -> None:
    assert len(VERSION_PAGES) > 20


@pytest.mark.parametrize("role", ROLES)
def test_within_the_scope_pages_are_as_for_everybody(role: Role, inside: StagedVersion) -> None:
    make_inspection(inside)
    browser = sign_in(scoped(role))
    assert browser.get(reverse("version", args=[inside.pk])).status_code == HTTPStatus.OK
    inspection = inside.inspection_request.inspection_id
    files = reverse("version_files", args=[inside.pk, inspection])
    assert browser.get(files).status_code == HTTPStatus.OK


def test_anothers_comparison_is_not_had_through_a_version_in_scope(
    inside: StagedVersion, outside: StagedVersion
) -> None:
    make_inspection(inside)
    browser = sign_in(scoped(Role.VIEWER))
    comparison = [inside.pk, outside.inspection_request.inspection_id]
    for name in ("version_files", "unchanged_file", "unchanged_raw"):
        address = reverse(name, args=comparison)
        assert browser.get(address, {"path": "LICENSE"}).status_code == HTTPStatus.NOT_FOUND
    for name, more in (("file_diff", [0]), ("file_raw", [0, "new"]), ("file_whole", [0, "new"])):
        answer = browser.get(reverse(name, args=[*comparison, *more]))
        assert answer.status_code == HTTPStatus.NOT_FOUND


# ---------- deciding


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_scoped_approver_cannot_decide_outside(
    action: str, inside: StagedVersion, outside: StagedVersion
) -> None:
    user = scoped(Role.APPROVER)
    enrol(user)
    make_account(user, outside.registry)
    browser = sign_in(user)
    form = {"version": [str(outside.pk)], "reason": "because", "code": code_now(user)}
    several = {**form, "version": [str(inside.pk), str(outside.pk)]}
    for name, data in ((f"confirm_{action}_several", form), (f"{action}_intent", form)):
        answer = browser.post(reverse(name), data)
        assert "hidden-thing" not in answer.content.decode()
    for name in (f"confirm_{action}_several", f"{action}_intent"):
        answer = browser.post(reverse(name), several)
        assert "hidden-thing" not in answer.content.decode()
    assert not StepUp.objects.filter(consumed_at__isnull=False).exists()
    assert not Decision.objects.exists()
    assert set(StagedVersion.objects.values_list("state", flat=True)) == {State.STAGED}


def test_the_page_of_a_decision_outside_is_not_found(outside: StagedVersion) -> None:
    item = make_decision(outside, make_user())
    for name in ("decision", "decision_status"):
        address = reverse(name, args=[item.decision_id])
        browser = sign_in(scoped(Role.APPROVER))
        answer = browser.get(address, headers=HTMX)
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert sign_in(make_user()).get(address, headers=HTMX).status_code == HTTPStatus.OK


def test_a_page_that_was_open_when_scopes_came_is_worth_nothing(outside: StagedVersion) -> None:
    user = make_user()
    make_account(user, outside.registry)
    enrol(user)
    browser = sign_in(user)
    address = reverse("confirm_approve", args=[outside.pk])
    page = browser.get(address).content.decode()
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    assert "seen" in fields
    Scope.objects.create(user=user, packages="@acme/*")
    answer = browser.post(address, {**fields, "code": code_now(user)})
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert not Decision.objects.exists()


# ---------- expectations


@pytest.mark.parametrize("role", Role)
def test_who_says_where_a_package_must_be_built(role: Role, inside: StagedVersion) -> None:
    browser = sign_in(scoped(role))
    may = role in {Role.RELEASE_MANAGER, Role.ADMINISTRATOR}
    page = reverse("publisher", args=[inside.pk])
    assert (browser.get(page).status_code == HTTPStatus.OK) is may
    for name in ("pin_baseline", "publisher_remove"):
        answer = browser.post(reverse(name, args=[inside.pk]))
        assert answer.status_code == (HTTPStatus.FOUND if may else HTTPStatus.FORBIDDEN)
    assert not ExpectedPublisher.objects.exists()


# ---------- lists


def test_queue_and_history_leave_out_what_is_out_of_scope(
    inside: StagedVersion, outside: StagedVersion
) -> None:
    make_staged_version("hidden-thing", "7.7.6", state=State.REJECTED)
    make_staged_version("@acme/core", "1.0.0", state=State.REJECTED)
    browser = sign_in(scoped(Role.VIEWER))
    page = text_of(browser.get("/"))
    assert "@acme/ui" in page
    assert "hidden-thing" not in page
    assert "hidden-thing" not in text_of(browser.get("/", {"q": "7.7.7"}))
    page = text_of(browser.get("/history/"))
    assert "@acme/core" in page
    assert "hidden-thing" not in page
    part = browser.get("/", {"part": "list"}, headers=HTMX)
    assert "hidden-thing" not in part.content.decode()


@pytest.mark.parametrize(
    ("packages", "line"),
    [
        (["@acme/*"], "You see only @acme/* ."),
        (["b", "a"], "You see only a, b ."),
        ([f"p{number}" for number in range(7)], "You see only p0, p1, p2, p3, p4 and 2 more ."),
    ],
    ids=["one", "two", "many"],
)
def test_the_queue_and_the_profile_say_what_one_sees_only(packages: list[str], line: str) -> None:
    browser = sign_in(scoped(Role.APPROVER, *packages))
    assert line in text_of(browser.get("/"))
    profile = text_of(browser.get(reverse("profile")))
    assert all(f"{one} at every registry" in profile for one in packages)


def test_a_scope_at_one_registry_names_it(registry: Registry) -> None:
    browser = sign_in(scoped(Role.APPROVER, url=registry.url))
    assert "You see only @acme/* at npm ." in text_of(browser.get("/"))


def test_who_sees_everything_is_told_so() -> None:
    browser = sign_in(make_user(role=Role.APPROVER))
    assert "You see only" not in text_of(browser.get("/"))
    assert "Every package at every registry" in text_of(browser.get(reverse("profile")))


def test_nothing_staged_in_scope_tells_nothing_of_what_is_elsewhere(
    outside: StagedVersion,
) -> None:
    page = text_of(sign_in(scoped(Role.APPROVER)).get("/"))
    assert "Nothing is staged yet" in page
    assert "hidden-thing" not in page


def test_the_queue_takes_as_many_queries_for_many_as_for_few(registry: Registry) -> None:
    browser = sign_in(scoped(Role.APPROVER, "@acme/*", "left-*", "right", "@*/core"))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get("/").status_code == HTTPStatus.OK
        return len(captured)

    make_staged_version("@acme/ui", registry=registry)
    few = queries()
    for number in range(20):
        make_staged_version(f"@acme/p{number}", registry=registry)
        make_staged_version(f"hidden-{number}", registry=registry)
    assert queries() == few


def test_registries_without_anything_in_scope_are_not_named(inside: StagedVersion) -> None:
    make_registry("secret-registry", failing_since=inside.created_at, failure_reason="away")
    browser = sign_in(scoped(Role.VIEWER, url=inside.registry.url))
    for page in ("/", "/history/", "/registries/", "/accounts/"):
        assert "secret-registry" not in browser.get(page).content.decode()
    assert "secret-registry" in sign_in(make_user()).get("/registries/").content.decode()


# ---------- the log, and what is told


def test_the_log_leaves_out_what_is_out_of_scope(
    client: Client, inside: StagedVersion, outside: StagedVersion
) -> None:
    user = scoped(Role.VIEWER)
    with transaction.atomic():
        for version in (inside, outside):
            record("test.version", subject=version, stage_id=version.stage_id)
            record("publisher.pinned", subject=version.package)
        record("person.role_changed", subject=make_user("mia"), scopes_after=["hidden-thing"])
        record("person.role_changed", subject=user)
        record("test.other", subject=None, what="hidden-thing")
    browser = sign_in(user)
    page = browser.get("/audit/")
    assert "hidden-thing" not in page.content.decode()
    told = [row.event for row in page.context["rows"]]
    assert {(event.kind, event.subject_name) for event in told} >= {
        ("person.role_changed", str(user)),
        ("publisher.pinned", "@acme/ui"),
        ("test.version", str(inside)),
    }
    assert {event.subject_name for event in told} == {str(user), "@acme/ui", str(inside)}
    for query in ("hidden-thing", str(outside.stage_id), f"queue.Package:{outside.package_id}"):
        found = browser.get("/audit/", {"about": query})
        assert list(found.context["rows"]) == []
    assert "hidden-thing" in sign_in(make_user()).get("/audit/").content.decode()


def test_another_registry_cannot_have_a_stage_id_seen_by_repeating_it(
    outside: StagedVersion,
) -> None:
    with transaction.atomic():
        record("test.version", subject=outside, stage_id=outside.stage_id)
    theirs = make_registry("theirs")
    make_staged_version("@acme/ui", registry=theirs, stage_id=outside.stage_id)
    page = sign_in(scoped(Role.VIEWER)).get("/audit/")
    assert "test.version" not in [row.event.kind for row in page.context["rows"]]


@pytest.mark.parametrize("url", ["", "https://npm.registry.example.org/"], ids=["any", "one"])
def test_who_is_written_to(
    inside: StagedVersion,
    outside: StagedVersion,
    url: str,
    mailoutbox: list[object],
    settings: Settings,
) -> None:
    settings.GATHER_SECONDS = 0
    scoped(Role.APPROVER, url=url)
    make_user("everywhere")
    for version in (inside, outside):
        _news(version)
        tell()
    told = sorted(
        (mail.subject.rpartition(": ")[2], mail.to[0].partition("@")[0] == "everywhere")
        for mail in mailoutbox
    )
    assert told == [
        ("@acme/ui@1.5.0", False),
        ("@acme/ui@1.5.0", True),
        ("hidden-thing@7.7.7", True),
    ]


def test_scopes_that_came_meanwhile_count_when_a_mail_is_sent(
    outside: StagedVersion, mailoutbox: list[object]
) -> None:
    user = make_user()
    with transaction.atomic():
        event = _news(outside)
    delivery = Delivery.objects.create(event=event, channel="email", recipient=user.email)
    Scope.objects.create(user=user, packages="@acme/*")
    deliver_due()
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.FAILED
    assert delivery.last_error == "The person it was for may not see it any more."
    assert mailoutbox == []


def test_deliveries_out_of_scope_are_not_listed(
    inside: StagedVersion, outside: StagedVersion
) -> None:
    for version in (inside, outside):
        Delivery.objects.create(
            event=_news(version),
            channel="email",
            recipient="mia@example.org",
            state=Delivery.State.FAILED,
        )
    page = text_of(sign_in(scoped(Role.VIEWER)).get("/notifications/"))
    assert "@acme/ui" in page
    assert "hidden-thing" not in page
    assert "1 delivery failed" in page


def _news(version: StagedVersion) -> object:
    with transaction.atomic():
        return publish(
            "staged_version.live",
            stage_id=version.stage_id,
            package=version.package.name,
            version=version.version,
        )

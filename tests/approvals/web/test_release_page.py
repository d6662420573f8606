import re
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from html import unescape

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals.decisions.emergency.sealed_glass import seal_glass
from approvals.decisions.models import BrokenGlass, Decision, ItemState, Release, ReleaseMember
from approvals.decisions.releases.overview import overview_of
from approvals.inspection.finding import Severity
from approvals.inspection.models import ViewedFile
from approvals.people.models import Role, Scope, User
from approvals.queue.models import PublishedPackage, Registry, StagedVersion, State
from approvals.web.releases import part_of, rows_of
from tests.approvals.codes import enrol
from tests.approvals.demands import also, wanting
from tests.approvals.factories import (
    make_account,
    make_decision,
    make_finding,
    make_inspection,
    make_inspection_request,
    make_policies,
    make_registry,
    make_staged_version,
    make_user,
)
from tests.approvals.web.pages import HTMX, assert_strict, sign_in, text_of

pytestmark = pytest.mark.django_db

HARMLESS = [make_finding(rule="odd", severity=Severity.INFO, title="Good to know.")]
LONG_NAME = "@" + "s" * 49 + "/" + "n" * 90
HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><b>bold</b>",
    "@acme/\u202egnp.elif",
    "\u05d0\u05d1\u05d2",
    LONG_NAME,
)


@pytest.fixture
def registry() -> Registry:
    return make_registry("npm")


@pytest.fixture
def ada(registry: Registry) -> User:
    """Somebody who may decide, and can."""
    user = make_user("ada")
    enrol(user)
    make_account(user, registry)
    return user


@pytest.fixture
def client(ada: User) -> Client:
    return sign_in(ada)


def make_release(registry: Registry, **fields: object) -> Release:
    return Release.objects.create(registry=registry, **fields)


def join(
    release: Release,
    name: str,
    version: str = "2.1.0",
    *,
    needs: Mapping[str, str] | None = None,
    baseline: str = "2.0.0",
    is_late: bool = False,
    is_compared: bool = True,
    **fields: object,
) -> StagedVersion:
    """A version of the release that was compared, and asks for what it `needs`."""
    row = make_staged_version(name, version, registry=release.registry, **fields)
    manifest = {"name": name, "version": version, "dependencies": dict(needs or {})}
    if is_compared:
        make_inspection(
            row,
            baseline_version=baseline,
            findings=HARMLESS,
            manifest_new=manifest,
            manifest_old=manifest if baseline else None,
            manifest_changes=[],
        )
    ReleaseMember.objects.create(release=release, staged_version=row, why="person", is_late=is_late)
    return row


def publish(registry: Registry, name: str, *versions: str) -> None:
    """What the registry said when it was asked for this package."""
    PublishedPackage.objects.create(
        registry=registry,
        name=name,
        versions=list(versions),
        due_at=None,
        latest=versions[-1] if versions else "",
        looked_at=timezone.now(),
    )


@pytest.fixture
def trio(registry: Registry) -> Release:
    """Core, and what needs it, and what needs that."""
    release = make_release(registry)
    join(release, "@acme/core", "3.0.0")
    join(release, "@acme/theme", needs={"@acme/core": "^3.0.0"})
    join(release, "@acme/ui", needs={"@acme/theme": "^2.1.0"})
    for name in ("@acme/core", "@acme/theme", "@acme/ui"):
        publish(registry, name, "2.0.0")
    return release


def page(client: Client, release: Release, **query: object) -> str:
    response = client.get(reverse("release", args=[release.pk]), query)
    assert response.status_code == 200
    assert_strict(response)
    return text_of(response)


def row_of(name: str) -> StagedVersion:
    return StagedVersion.objects.get(package__name=name)


def keys_of(*names: str) -> list[int]:
    return [row_of(name).pk for name in names]


def arrange(client: Client, action: str, release: Release, **form: object) -> str:
    """Sends a form of the page; what the page says that it leads to."""
    response = client.post(reverse(f"release_{action}", args=[release.pk]), form, follow=True)
    assert response.status_code == 200
    return text_of(response)


def test_the_page_says_what_would_go_out_to_whom_and_in_what_order(
    client: Client, trio: Release
) -> None:
    text = page(client, trio)
    for words in (
        "Release of 3 packages",
        "3 of 3 wait",
        "1 major, 2 minor",
        "Everyone Dist-tag latest",
        "6 files",
        "0 of 6 files viewed by you",
        "All 3 that wait are chosen",
        "Approve 3 versions: make them installable by everyone",
        "Reject 3 versions: delete them from the registry for good",
        "@acme/ui 2.1.0 needs the staged @acme/theme 2.1.0.",
    ):
        assert words in text
    order = [
        text.index(name) for name in ("@acme/core 3.0.0", "@acme/theme 2.1.0", "@acme/ui 2.1.0")
    ]
    assert order == sorted(order)


def test_every_package_leads_to_its_own_page(client: Client, trio: Release) -> None:
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    for key in keys_of("@acme/core", "@acme/theme", "@acme/ui"):
        assert f'href="{reverse("version", args=[key])}"' in html


def test_files_that_one_has_viewed_count_over_the_whole(
    client: Client, ada: User, trio: Release
) -> None:
    inspection = row_of("@acme/core").inspection_request.inspection
    assert inspection is not None
    ViewedFile.objects.create(user=ada, change=inspection.files.first())
    ViewedFile.objects.create(user=make_user(), change=inspection.files.last())
    text = page(client, trio)
    assert "1 of 6 files viewed by you" in text
    assert "1 of 2 viewed" in text


def test_what_others_need_cannot_be_left_out_unnoticed(client: Client, trio: Release) -> None:
    chosen = keys_of("@acme/theme", "@acme/ui")
    text = page(client, trio, chosen="yes", version=chosen)
    assert "2 of 3 chosen, 1 left out" in text
    assert "needs the staged @acme/core 3.0.0; without it, installs of @acme/theme" in text
    part = client.get(reverse("release_choice", args=[trio.pk]), {"version": chosen}, headers=HTMX)
    assert "needs the staged @acme/core 3.0.0; without it" in text_of(part)
    assert "Approve 2 versions: make them installable by everyone" in text_of(part)


def test_what_is_ticked_without_scripts_stays_ticked(client: Client, trio: Release) -> None:
    [core] = keys_of("@acme/core")
    response = client.get(reverse("release", args=[trio.pk]), {"chosen": "yes", "version": core})
    boxes = re.findall(
        r'name="version" value="(\d+)" form="chosen"( checked)?', response.content.decode()
    )
    assert [int(key) for key, ticked in boxes if ticked] == [core]
    assert len(boxes) == 3
    plain = client.get(reverse("release_choice", args=[trio.pk]), {"version": core})
    assert plain["Location"].endswith(f"?version={core}&chosen=yes")


def test_nothing_ticked_offers_nothing(client: Client, trio: Release) -> None:
    text = page(client, trio, chosen="yes")
    assert "None chosen" in text
    assert "Approve " not in text


def test_the_button_leads_to_a_confirmation_of_exactly_these(client: Client, trio: Release) -> None:
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert f'action="{reverse("confirm_approve_several")}"' in html
    assert f'formaction="{reverse("confirm_reject_several")}"' in html
    chosen = keys_of("@acme/core", "@acme/theme")
    confirmation = client.get(reverse("confirm_approve_several"), {"version": chosen})
    assert "Approve 2 versions" in text_of(confirmation)
    assert "What these need" not in text_of(confirmation)


def test_the_confirmation_says_again_what_is_left_out(
    client: Client, registry: Registry, trio: Release
) -> None:
    join(trio, "@acme/modal", needs={"@acme/ghost": "^1.0.0"})
    publish(registry, "@acme/ghost")
    missing = "@acme/modal 2.1.0 asks for @acme/ghost"
    left_out = "@acme/theme 2.1.0 needs the staged @acme/core 3.0.0; without it"
    for names in (("@acme/theme",), ("@acme/theme", "@acme/modal")):
        chosen = {"version": keys_of(*names)}
        text = text_of(client.get(reverse("confirm_approve_several"), chosen))
        assert left_out in text
        assert (missing in text) == ("@acme/modal" in names)
        assert left_out not in text_of(client.get(reverse("confirm_reject_several"), chosen))


def test_what_is_missing_is_named_before_anything_is_approved(
    client: Client, registry: Registry, trio: Release
) -> None:
    join(trio, "@acme/modal", needs={"@acme/ghost": "^1.0.0", "@acme/core": "^9.0.0"})
    publish(registry, "@acme/ghost")
    text = page(client, trio)
    assert "What they need, and would not get" in text
    assert "@acme/ghost ^1.0.0" in text
    assert "the staged 3.0.0 does not satisfy" in text


def test_what_is_not_looked_up_yet_is_said(client: Client, trio: Release) -> None:
    join(trio, "@acme/modal", needs={"@acme/ghost": "^1.0.0"})
    assert "still being looked up" in page(client, trio)


def test_packages_that_need_each_other_are_named(client: Client, registry: Registry) -> None:
    release = make_release(registry)
    join(release, "@acme/hen", needs={"@acme/egg": "^2.1.0"})
    join(release, "@acme/egg", needs={"@acme/hen": "^2.1.0"})
    text = page(client, release)
    assert "These need one another, so that none can come last" in text


def test_what_is_unusual_is_said_once_with_the_packages(client: Client, registry: Registry) -> None:
    release = make_release(registry)
    join(release, "@acme/core")
    late = join(release, "@acme/late", is_late=True, tag="next")
    bad = join(release, "@acme/bad", is_compared=False)
    make_inspection(bad, findings=[make_finding(severity=Severity.CRITICAL)])
    join(release, "@acme/first", "1.0.0", baseline="")
    failed = join(release, "@acme/failed", is_compared=False)
    make_inspection_request(failed, "failed")
    text = page(client, release)
    for words in (
        "Something may be an attack or an accident: @acme/bad",
        "The comparison failed: @acme/failed",
        "Came late, when people could look at this already: @acme/late",
        "A first release: @acme/first",
        "Another dist-tag than latest: @acme/late",
        "4 of 5 compared",
        "1 critical",
    ):
        assert words in text
    assert late.pk


def test_what_the_policy_wants_is_said_once_for_all(client: Client, trio: Release) -> None:
    make_policies({"approvals": {"wanted": [{"number": 2, "of": "anyone"}]}})
    text = page(client, trio)
    assert "What the policy still wants" in text
    assert "(all 3)" in text
    assert "0 of 2 approvals" in text
    assert "Approve 3 versions: nothing is sent yet" in text


def test_somebody_who_only_looks_is_offered_nothing(trio: Release) -> None:
    client = sign_in(make_user(role=Role.VIEWER))
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert "Release of 3 packages" in html
    assert 'name="version"' not in html
    assert "Approve 3 versions" not in html
    assert "Split, move or merge" not in html
    assert "Your role only lets you look." in html


def test_of_what_a_role_does_not_cover_only_the_number_is_said(
    registry: Registry, trio: Release
) -> None:
    user = make_user()
    Scope.objects.create(user=user, packages="@acme/ui")
    client = sign_in(user)
    for address in (reverse("release", args=[trio.pk]),):
        text = text_of(client.get(address))
        assert "@acme/ui" in text
        assert "2 more packages of this release are not shown" in text
        assert "@acme/core" not in text
    hidden = keys_of("@acme/core")
    part = client.get(reverse("release_choice", args=[trio.pk]), {"version": hidden}, headers=HTMX)
    assert "None chosen" in text_of(part)
    said = arrange(client, "split", trio, version=hidden)
    assert "not here any more" in said
    assert row_of("@acme/core").release_member.release_id == trio.pk


@pytest.mark.parametrize(
    "name", ["release", "release_status", "release_choice", "release_split", "release_move"]
)
def test_of_a_release_out_of_reach_nothing_is_said(trio: Release, name: str) -> None:
    user = make_user()
    Scope.objects.create(user=user, packages="@elsewhere/*")
    client = sign_in(user)
    ask = client.post if name in {"release_split", "release_move"} else client.get
    for key in (trio.pk, uuid.uuid4()):
        assert ask(reverse(name, args=[key]), headers=HTMX).status_code == 404


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_stay_text(client: Client, registry: Registry, name: str) -> None:
    release = make_release(registry)
    join(release, "@acme/core")
    join(release, name, "1.0.0-<b>", needs={"@acme/core": "*"})
    join(release, "@acme/ui", needs={name: "*"})
    response = client.get(reverse("release", args=[release.pk]))
    assert_strict(response)
    html = response.content.decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "<b>" not in html
    assert "\u202e" not in html
    assert html.count("<svg") == html.count("</svg>") > 0


def test_the_drawing_is_for_the_eye_and_the_list_for_everybody(
    client: Client, trio: Release
) -> None:
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    drawing = html[html.index("<svg") : html.rindex("</svg>")]
    assert 'aria-hidden="true"' in drawing
    assert drawing.count("<rect") == 3
    assert drawing.count('class="graph__stroke"') == 2
    assert "<title>@acme/core 3.0.0</title>" in drawing
    assert "The same as a list: 2 dependencies" in text_of(
        client.get(reverse("release", args=[trio.pk]))
    )


def test_too_much_for_a_drawing_is_listed(client: Client, registry: Registry) -> None:
    release = make_release(registry)
    join(release, "p0")
    for number in range(1, 41):
        join(release, f"p{number}", needs={f"p{number - 1}": "^2.0.0"})
    html = client.get(reverse("release", args=[release.pk])).content.decode()
    assert "<svg" not in html
    assert "too much of it for a drawing" in html
    assert "p40 2.1.0 needs the staged p39 2.1.0." in html


@pytest.mark.parametrize("name", ["release", "release_status", "release_choice"])
def test_the_number_of_queries_does_not_grow(client: Client, registry: Registry, name: str) -> None:
    join(make_release(registry), "something-else")
    numbers = []
    for size in (2, 60):
        release = make_release(registry)
        rows = [
            join(release, f"@s{size}/p{one}", needs={f"@s{size}/p{one - 1}": "^2.0.0"})
            for one in range(size)
        ]
        query = {"version": [row.pk for row in rows]} if name == "release_choice" else {}
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(reverse(name, args=[release.pk]), query, headers=HTMX)
        assert response.status_code == 200
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
    assert numbers[0] < 80


def poll(client: Client, release: Release, html: str) -> tuple[int, str, str]:
    """What the page asks by itself, as it stands in `html`."""
    section = html[html.index('<section id="release"') :]
    address = re.search(r'hx-get="([^"]+)"', section)
    seen = re.search(r'name="seen" value="(\w{16})"', section)
    assert address
    assert seen
    response = client.get(address[1], {"seen": seen[1]}, headers=HTMX)
    return response.status_code, response.content.decode(), response.get("HX-Trigger", "")


def test_the_page_changes_by_itself_and_only_when_something_did(
    client: Client, trio: Release
) -> None:
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert poll(client, trio, html)[0] == 204
    join(trio, "@acme/late", is_late=True)
    status, part, trigger = poll(client, trio, html)
    assert (status, trigger) == (200, "release-changed")
    assert "@acme/late" in part
    # What came since is not ticked by itself.
    assert " checked" not in part
    assert client.get(reverse("release_status", args=[trio.pk])).status_code == 302


def test_a_decision_that_somebody_makes_shows_up_with_its_progress(
    client: Client, trio: Release
) -> None:
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    make_decision(row_of("@acme/core"), make_user("grace"))
    status, part, _ = poll(client, trio, html)
    assert status == 200
    assert 'id="decision"' in part
    assert "hx-swap-oob" in part
    assert "0 of 1 accepted" in part
    later = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert "0 of 1 accepted" in later
    assert "Approving" in later
    # What is still there can be decided.
    assert "All 2 that wait are chosen" in later


def test_what_was_not_carried_out_can_be_approved_again(client: Client, trio: Release) -> None:
    row = row_of("@acme/core")
    make_decision(row, make_user("grace"), item_state=ItemState.FAILED, outcome="Refused: why.")
    StagedVersion.objects.filter(pk=row.pk).update(state=State.STAGED)
    text = page(client, trio)
    assert "Refused: why." in text
    assert "All 3 that wait are chosen" in text


def test_a_page_of_which_nothing_will_change_stops_asking(client: Client, trio: Release) -> None:
    StagedVersion.objects.update(state=State.LIVE)
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert "What was staged" in html
    assert "release_status" not in html
    assert reverse("release_status", args=[trio.pk]) not in html
    assert 'id="chosen"' not in html


def merge_mark(client: Client, release: Release) -> str:
    """What the form that merges says that the page showed."""
    html = client.get(reverse("release", args=[release.pk])).content.decode()
    form = html[html.index(f'action="{reverse("release_merge", args=[release.pk])}"') :]
    found = re.search(r'name="seen" value="(\w{64})"', form)
    assert found
    return found[1]


def test_making_some_of_them_a_release_of_their_own(client: Client, trio: Release) -> None:
    said = arrange(client, "split", trio, version=keys_of("@acme/ui", "@acme/theme"))
    assert "2 versions are a release of their own now." in said
    assert "Release of 2 packages" in said
    assert row_of("@acme/ui").release_member.release_id != trio.pk
    assert row_of("@acme/core").release_member.release_id == trio.pk


def test_moving_and_merging(client: Client, registry: Registry, trio: Release) -> None:
    other = make_release(registry)
    join(other, "@acme/cli")
    assert "@acme/cli 2.1.0" in page(client, trio)
    said = arrange(client, "move", trio, version=keys_of("@acme/ui"), into=str(other.pk))
    assert "1 version is in this release now." in said
    assert row_of("@acme/ui").release_member.release_id == other.pk
    seen = merge_mark(client, trio)
    join(trio, "@acme/late")
    assert "have come into that release" in arrange(
        client, "merge", trio, into=str(other.pk), seen=seen
    )
    assert "Look at it again" in arrange(client, "merge", trio, into=str(other.pk))
    seen = merge_mark(client, trio)
    said = arrange(client, "merge", trio, into=str(other.pk), seen=seen)
    assert "The two are one release now." in said
    assert "Release of 5 packages" in said


@pytest.mark.parametrize(
    ("action", "form", "words"),
    [
        ("split", {}, "Tick the packages to move first."),
        ("split", {"version": ["x", "-1", "9" * 30]}, "Tick the packages to move first."),
        ("split", {"version": 999_999}, "not here any more"),
        ("move", {"version": "ui"}, "Choose the other release first."),
        ("move", {"version": "ui", "into": "\0"}, "Choose the other release first."),
        ("move", {"version": "ui", "into": str(uuid.uuid4())}, "not there any more"),
        ("merge", {"into": "nothing"}, "Choose the other release first."),
        ("merge", {"into": str(uuid.uuid4())}, "not there any more"),
    ],
)
def test_forms_that_make_no_sense_change_nothing(
    client: Client, trio: Release, action: str, form: dict[str, object], words: str
) -> None:
    if form.get("version") == "ui":
        form = {**form, "version": keys_of("@acme/ui")}
    assert words in arrange(client, action, trio, **form)
    assert trio.members.count() == 3


def test_a_page_that_is_out_of_date_moves_nothing(
    client: Client, registry: Registry, trio: Release
) -> None:
    other, third = make_release(registry), make_release(registry)
    join(other, "@acme/cli")
    join(third, "@acme/third")
    ui = keys_of("@acme/ui")
    ReleaseMember.objects.filter(staged_version__in=ui).update(release=other)
    for action in ("split", "move"):
        arrange(client, action, trio, version=ui, into=str(third.pk))
        assert row_of("@acme/ui").release_member.release_id == other.pk


def test_what_was_begun_is_settled(client: Client, registry: Registry, trio: Release) -> None:
    other = make_release(registry)
    join(other, "@acme/cli")
    make_decision(row_of("@acme/core"), make_user("grace"))
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert "Split, move or merge" not in html
    assert "is settled" in html
    for action in ("split", "move", "merge"):
        arrange(client, action, trio, version=keys_of("@acme/ui"), into=str(other.pk))
        assert trio.members.count() == 3
    # Rejecting settles nothing.
    Decision.objects.update(action="reject", reason="It reads the environment.")
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert "Split, move or merge" in html
    assert "is settled" not in html


def test_who_only_looks_arranges_nothing(registry: Registry, trio: Release) -> None:
    client = sign_in(make_user(role=Role.VIEWER))
    for action in ("split", "move", "merge"):
        response = client.post(
            reverse(f"release_{action}", args=[trio.pk]), {"version": keys_of("@acme/ui")}
        )
        assert response.status_code == 403
    assert trio.members.count() == 3


def test_the_queue_and_the_list_name_releases(client: Client, trio: Release) -> None:
    for name in ("queue", "releases"):
        response = client.get(reverse(name))
        assert_strict(response)
        assert reverse("release", args=[trio.pk]) in response.content.decode()
        assert "3 packages" in text_of(response)
    assert reverse("release", args=[trio.pk]) not in client.get("/?q=acme").content.decode()


def test_a_package_on_its_own_is_no_release_in_lists(client: Client, registry: Registry) -> None:
    alone = make_release(registry)
    join(alone, "left-pad")
    assert "No release waits" in text_of(client.get(reverse("releases")))
    assert "One package on its own" in page(client, alone)


def test_a_versions_page_says_what_it_is_part_of(ada: User, trio: Release) -> None:
    row = row_of("@acme/ui")
    found = part_of(row, ada)
    assert found is not None
    assert (found.total, found.waiting) == (3, 3)
    html = render_to_string("web/release/part_of.html", {"part_of": found, "may_decide": True})
    assert "Part of a release of 3 packages" in html
    scoped = make_user()
    Scope.objects.create(user=scoped, packages="@acme/ui")
    alone = part_of(row, scoped)
    assert alone is not None
    assert alone.total == 1
    assert part_of(make_staged_version("left-pad"), ada) is None


def test_who_does_not_go_on_comes_back_to_the_release_with_the_same_ticks(
    client: Client, registry: Registry, trio: Release
) -> None:
    chosen = keys_of("@acme/core", "@acme/theme")
    back = f"{reverse('release', args=[trio.pk])}?chosen=yes"
    html = client.get(reverse("release", args=[trio.pk])).content.decode()
    assert f'name="release" value="{trio.pk}"' in html
    for name in ("confirm_approve_several", "confirm_reject_several"):
        shown = client.get(reverse(name), {"version": chosen, "release": str(trio.pk)})
        form = shown.content.decode()
        assert back in form
        for key in chosen:
            assert f"&amp;version={key}" in form
    elsewhere = make_release(registry)
    join(elsewhere, "@acme/cli")
    # Only a release that all of them are in leads back.
    for other in (str(elsewhere.pk), str(uuid.uuid4()), "x", "\0", ""):
        query = {"version": chosen, "release": other}
        shown = client.get(reverse("confirm_approve_several"), query)
        assert shown.status_code == 200
        assert "chosen=yes" not in shown.content.decode()


def freeze() -> None:
    """Nothing goes out in these days."""
    days = f"{date.today()} to {date.today() + timedelta(9)} Fair"
    make_policies(wanting("1 of anyone") | also("release_times", zone="UTC", freezes=days))


def make_glass(row: StagedVersion, user: User) -> None:
    """Somebody has asked to break it."""
    one = BrokenGlass(staged_version=row, user=user, reason="It is burning.")
    seal_glass(one)
    one.save()


def test_the_glass_is_broken_for_all_that_are_chosen_at_once(
    client: Client, ada: User, trio: Release
) -> None:
    chosen = keys_of("@acme/core", "@acme/theme")
    assert "Break the glass" not in page(client, trio)
    freeze()
    query = {"chosen": "yes", "version": chosen}
    html = client.get(reverse("release", args=[trio.pk]), query).content.decode()
    link = re.search(rf'href="({reverse("break_glass")}[^"]*)">Break the glass: let 2', html)
    assert link
    asking = text_of(client.get(unescape(link[1])))
    assert "@acme/core" in asking
    assert "@acme/theme" in asking
    for row in StagedVersion.objects.filter(pk__in=chosen):
        make_glass(row, make_user("grace") if row.pk == chosen[0] else ada)
    html = client.get(reverse("release", args=[trio.pk]), query).content.decode()
    assert "Break the glass" not in html
    # One's own asking is for others to agree to.
    assert f'{reverse("second_glass")}?version={chosen[0]}&amp;"' in html


def test_whoever_only_looks_breaks_no_glass(trio: Release) -> None:
    freeze()
    client = sign_in(make_user(role=Role.VIEWER))
    query = {"version": keys_of("@acme/core")}
    part = client.get(reverse("release_choice", args=[trio.pk]), query, headers=HTMX)
    assert "Break the glass" not in text_of(part)


def test_what_came_late_or_is_not_proven_beside_others_waits_for_a_tick(
    registry: Registry, ada: User
) -> None:
    release = make_release(registry)
    proven, late, stranger = (
        join(release, "@acme/core"),
        join(release, "@acme/late", is_late=True),
        join(release, "@acme/evil"),
    )
    members = ReleaseMember.objects.exclude(staged_version=stranger)
    members.update(why="commit", commit="https://git.example.org/acme@0dd0dd0")
    overview = overview_of(release, ada)
    rows = {row.row.key: row for row in rows_of(overview, ada, None)}
    assert [rows[one.pk].is_chosen for one in (proven, late, stranger)] == [True, False, False]
    assert [rows[one.pk].is_unproven for one in (proven, late, stranger)] == [False, False, True]
    content = sign_in(ada).get(reverse("release", args=[release.pk])).content.decode()
    assert content.count("Nothing proves that it belongs here") == 1

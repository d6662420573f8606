"""What the release page says, and the queue of releases."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.decisions.models import Release, ReleaseMember
from approvals.decisions.releases.gather import gather
from approvals.decisions.releases.overview import open_releases, overview_of, release_rows
from approvals.inspection.models import FileChange
from approvals.inspection.viewed import set_viewed
from approvals.people.models import Scope, User
from approvals.queue.models import StagedVersion, State
from tests.approvals.decisions.releases.conftest import (
    COMMIT,
    OTHER_COMMIT,
    REPOSITORY,
    Monorepo,
    vote,
)
from tests.approvals.factories import make_decision, make_user

LICENSE = {
    "path": "LICENSE",
    "old_sha256": "a" * 64,
    "new_sha256": "b" * 64,
    "added_lines": 1,
    "removed_lines": 1,
}
NODE = {"field": "engines", "key": "node", "old": ">=18", "new": ">=20"}


def banner(path: str, place: int) -> dict[str, Any]:
    diff = f"@@ -{place},2 +{place},3 @@\n context of {path}\n+/*! built by acme */\n"
    return {"path": path, "diff": diff, "added_lines": 1, "removed_lines": 0}


def three(monorepo: Monorepo, **more: Any) -> Release:
    monorepo.stage("@acme/ui", commit=COMMIT, dependencies={"@acme/core": "^2.0.0"}, **more)
    monorepo.stage("@acme/core", commit=COMMIT, **more)
    monorepo.stage("@acme/app", commit=COMMIT, dependencies={"@acme/ui": "^2.0.0"}, **more)
    gather()
    return Release.objects.get()


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


def scoped(name: str, packages: str) -> User:
    user = make_user(name)
    Scope.objects.create(user=user, packages=packages)
    return user


def test_members_go_in_the_order_of_approving(monorepo: Monorepo, ada: User) -> None:
    overview = overview_of(three(monorepo), ada)

    assert [(row.version.package.name, row.level) for row in overview.members] == [
        ("@acme/core", 0),
        ("@acme/ui", 1),
        ("@acme/app", 2),
    ]
    assert [len(level) for level in overview.levels] == [1, 1, 1]
    core = overview.members[0]
    assert (core.step, core.baseline_version, core.files_changed) == ("major", "1.0.0", 2)
    assert core.why == "built from the same commit"
    assert core.checklist.case.voter is None
    assert (overview.hidden, overview.problems, overview.decision) == (0, (), None)


def test_what_somebody_may_not_see_is_only_counted(monorepo: Monorepo) -> None:
    release = three(monorepo)

    overview = overview_of(release, scoped("eve", "@acme/ui"))

    assert [row.version.package.name for row in overview.members] == ["@acme/ui"]
    assert overview.hidden == 2
    assert overview_of(release, scoped("mallory", "@evil/*")).members == ()


def test_what_is_viewed_is_counted_over_the_whole(monorepo: Monorepo, ada: User) -> None:
    release = three(monorepo)
    changes = list(FileChange.objects.order_by("pk"))
    set_viewed(ada, changes[0], viewed=True)
    set_viewed(ada, changes[2], viewed=True)
    set_viewed(make_user(), changes[3], viewed=True)

    overview = overview_of(release, ada)

    assert (overview.progress.viewed, overview.progress.total) == (2, 6)
    assert not overview.progress.is_done


def test_problems_are_named_and_those_that_are_still_looked_up_are_not(
    monorepo: Monorepo, ada: User
) -> None:
    monorepo.stage("@acme/ui", commit=COMMIT, dependencies={"@acme/gone": "^1.0.0"})
    monorepo.stage("@acme/core", commit=COMMIT)
    monorepo.unreadable("@acme/broken")
    gather()
    release = ReleaseMember.objects.get(staged_version__package__name="@acme/ui").release
    before = overview_of(release, ada)
    unread = "What these depend on is not known, as they are not compared: @acme/broken@2.0.0."
    assert (before.problems, before.is_looked_up) == ((unread,), False)

    monorepo.published("@acme/gone")
    after = overview_of(release, ada)

    assert after.is_looked_up
    assert after.problems == (
        "@acme/ui 2.0.0 asks for @acme/gone ^1.0.0, which is neither staged nor published at npm: "
        "installs of @acme/ui 2.0.0 will fail.",
        unread,
    )


def test_a_ring_is_named(monorepo: Monorepo, ada: User) -> None:
    monorepo.stage("@acme/a", commit=COMMIT, dependencies={"@acme/b": "2.0.0"})
    monorepo.stage("@acme/b", commit=COMMIT, dependencies={"@acme/a": "2.0.0"})
    gather()

    overview = overview_of(Release.objects.get(), ada)

    assert [[row.package.name for row in ring] for ring in overview.cycles] == [
        ["@acme/a", "@acme/b"]
    ]


def test_what_is_the_same_in_all_is_shown_once(monorepo: Monorepo, ada: User) -> None:
    for number, name in enumerate(("@acme/a", "@acme/b", "@acme/c", "@acme/d")):
        files = [LICENSE, {"path": "own.js", "diff": f"@@ -1 +1 @@\n+{name}\n"}]
        if number < 3:
            files.append(banner(f"dist/{name[6:]}.js", number + 5))
        changes = [NODE] if number else [NODE, {**NODE, "field": "scripts"}]
        monorepo.stage(name, commit=COMMIT, files=files, changes=changes)
    # All of a new package is new: that says nothing of the others.
    monorepo.stage("@acme/new", commit=COMMIT, baseline_version="", files=[])
    gather()

    found = overview_of(Release.objects.get(), ada).common

    assert [(one.words, one.in_all, len(one.packages)) for one in found] == [
        ("LICENSE: modified alike, to the same content", True, 4),
        ("package.json: engines node", True, 4),
        ("dist/a.js, dist/b.js, dist/c.js: the same lines changed (1 added, 0 removed)", False, 3),
    ]
    assert (found[1].old, found[1].new, found[1].is_file) == (">=18", ">=20", False)
    assert found[0].is_file
    assert FileChange.objects.filter(
        inspection=found[0].inspection, position=found[0].position, path="LICENSE"
    ).exists()


def test_the_latest_decision_over_any_is_known(monorepo: Monorepo, ada: User) -> None:
    release = three(monorepo)
    row = StagedVersion.objects.get(package__name="@acme/core")
    item = make_decision(row, ada)

    overview = overview_of(release, ada)

    assert overview.decision == item.decision
    assert [row.version.package.name for row in overview.waiting] == ["@acme/ui", "@acme/app"]


def queries(doing: Callable[[], object]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        doing()
    return len(captured)


def test_the_queries_are_as_many_for_any_number_of_versions(monorepo: Monorepo, ada: User) -> None:
    names = [f"@acme/p{number:02}" for number in range(30)]
    for number, name in enumerate(names):
        asked = dict.fromkeys(names[:number], "^2.0.0") | {"ms": "^2.0.0"}
        monorepo.stage(name, commit=COMMIT if number < 3 else OTHER_COMMIT, dependencies=asked)
    gather()
    few, many = [
        Release.objects.get(members__staged_version__package__name=name)
        for name in (names[0], names[-1])
    ]
    assert (few.members.count(), many.members.count()) == (3, 27)
    overview_of(few, ada)

    assert queries(lambda: overview_of(few, ada)) == queries(lambda: overview_of(many, ada))
    one = queries(lambda: release_rows(ada, [few]))
    assert one == queries(lambda: release_rows(ada, [few, many]))
    assert queries(lambda: open_releases(ada)) <= one + 2


def test_the_queue_lists_releases_of_which_several_wait(monorepo: Monorepo, ada: User) -> None:
    release = three(monorepo)
    monorepo.stage("left-pad", repository="acme/left-pad")
    gather()

    (row,) = open_releases(ada)

    assert (row.release, row.waiting, row.total, row.registry) == (release, 3, 3, "npm")
    assert row.packages == ("@acme/app", "@acme/core", "@acme/ui")
    assert (row.commit, row.source) == (f"{REPOSITORY}@{COMMIT}", "github.com/acme/monorepo")
    assert open_releases(scoped("eve", "@acme/ui")) == []
    StagedVersion.objects.filter(package__name="@acme/ui").update(state=State.LIVE)
    assert [(row.waiting, row.total) for row in open_releases(ada)] == [(2, 3)]
    StagedVersion.objects.filter(package__name="@acme/core").update(state=State.LIVE)
    assert open_releases(ada) == []


def test_a_release_that_has_begun_is_listed_as_long_as_several_wait(
    monorepo: Monorepo, ada: User
) -> None:
    release = three(monorepo)
    assert [row.has_begun for row in open_releases(ada)] == [False]
    assert overview_of(release, ada).begun_at is None
    given = vote(release.members.get(staged_version__package__name="@acme/ui").staged_version)

    (row,) = open_releases(ada)
    assert (row.release, row.has_begun) == (release, True)
    assert overview_of(release, ada).begun_at == given.cast_at

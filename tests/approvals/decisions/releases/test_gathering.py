"""What belongs together is found: by the commit that built it, or by who staged it and when."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.models import Action, ItemState, Release, ReleaseMember
from approvals.decisions.releases.belonging import repository_in
from approvals.decisions.releases.gather import gather
from approvals.inspection.models import FileChange, InspectionRequest
from approvals.inspection.viewed import set_viewed
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.queue.models import PublishedPackage, StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.decisions.releases.conftest import (
    COMMIT,
    OTHER_COMMIT,
    REPOSITORY,
    Monorepo,
    together,
    vote,
)
from tests.approvals.factories import make_decision, make_registry, make_staged_version, make_user


def member(row: StagedVersion) -> ReleaseMember:
    return ReleaseMember.objects.get(staged_version=row)


def age(release: Release, **ago: float) -> None:
    Release.objects.filter(pk=release.pk).update(found_at=timezone.now() - timedelta(**ago))


def test_the_same_commit_is_one_release_whoever_staged_and_whenever(monorepo: Monorepo) -> None:
    rows = [
        monorepo.stage("@acme/core", commit=COMMIT),
        monorepo.stage("ui", commit=COMMIT, after=4000, repository=None),
        monorepo.stage("@other/app", commit=COMMIT, staged={"actor": "somebody"}),
    ]
    monorepo.stage("@acme/tools", commit=OTHER_COMMIT)

    assert gather() == 4

    assert together() == [["@acme/core", "@other/app", "ui"], ["@acme/tools"]]
    assert {member(row).why for row in rows} == {"commit"}
    assert member(rows[0]).commit == f"{REPOSITORY}@{COMMIT}"


def test_a_version_alone_is_in_a_release_of_its_own(monorepo: Monorepo) -> None:
    row = monorepo.stage("left-pad")

    gather()

    assert member(row).why == "alone"
    assert gather() == 0
    assert not AuditEvent.objects.filter(kind__startswith="release.").exists()


def test_another_repository_with_the_same_commit_is_another_release(monorepo: Monorepo) -> None:
    first = monorepo.stage("@acme/core", commit=COMMIT)
    second = monorepo.stage("@acme/ui", looked=False)
    monorepo.prove(second, COMMIT, "https://github.com/mallory/monorepo")

    gather()

    assert member(first).release != member(second).release


def test_another_registry_is_another_release(monorepo: Monorepo) -> None:
    monorepo.stage("@acme/core", commit=COMMIT)
    monorepo.stage("@acme/ui", commit=COMMIT, registry=make_registry("elsewhere"))

    gather()

    assert together() == [["@acme/core"], ["@acme/ui"]]


def test_without_provenance_the_same_actor_at_the_same_time_from_the_same_repository(
    monorepo: Monorepo,
) -> None:
    rows = [
        monorepo.stage("core", repository={"url": f"git+{REPOSITORY}.git", "directory": "core"}),
        monorepo.stage("ui", repository="acme/monorepo", after=60),
        monorepo.stage("app", repository="github:acme/monorepo", after=600),
    ]
    monorepo.stage("late", after=601)
    monorepo.stage("other", repository="acme/other")
    monorepo.stage("unsaid", repository=None)
    monorepo.stage("somebodys", staged={"actor": "somebody"})
    monorepo.stage("nobodys", staged={"actor": ""})

    gather()

    assert together() == [
        ["app", "core", "ui"],
        ["late"],
        ["nobodys"],
        ["other"],
        ["somebodys"],
        ["unsaid"],
    ]
    assert {member(row).why for row in rows} == {"run"}
    assert member(rows[0]).source == "github.com/acme/monorepo"


def test_the_window_is_a_setting(monorepo: Monorepo, settings: Settings) -> None:
    settings.RELEASE_WINDOW_SECONDS = 30
    monorepo.stage("core")
    monorepo.stage("ui", after=31)

    gather()

    assert together() == [["core"], ["ui"]]


def test_where_a_package_names_no_repository_its_scope_says_where_it_is_from(
    monorepo: Monorepo,
) -> None:
    monorepo.stage("@acme/core", repository=None)
    monorepo.stage("@acme/ui", repository=None)
    monorepo.stage("@other/ui", repository=None)
    monorepo.stage("@acme/app", repository="acme/monorepo")
    monorepo.stage("@acme/lost", repository="acme/elsewhere")

    gather()

    assert together() == [
        ["@acme/app", "@acme/core", "@acme/ui"],
        ["@acme/lost"],
        ["@other/ui"],
    ]


@pytest.mark.parametrize(
    ("field", "repository"),
    [
        ("https://github.com/Acme/UI", "github.com/acme/ui"),
        ("git+https://github.com/acme/ui.git", "github.com/acme/ui"),
        ("git://github.com/acme/ui.git#main", "github.com/acme/ui"),
        ("git+ssh://git@github.com/acme/ui.git", "github.com/acme/ui"),
        ("git@github.com:acme/ui.git", "github.com/acme/ui"),
        ("github:acme/ui", "github.com/acme/ui"),
        ("gitlab:acme/ui", "gitlab.com/acme/ui"),
        ("acme/ui", "github.com/acme/ui"),
        ({"type": "git", "url": "acme/ui", "directory": "packages/ui"}, "github.com/acme/ui"),
        ("https://git.example.org/Acme/UI/", "git.example.org/Acme/UI"),
        ({"url": ["acme/ui"]}, ""),
        (["acme/ui"], ""),
        (17, ""),
        ("", ""),
        ("https://[broken/acme/ui", ""),
        ("acme\n/ui", ""),
        ("x" * 1000, ""),
    ],
)
def test_the_spellings_of_a_repository(field: object, repository: str) -> None:
    assert repository_in(field) == repository


def test_a_version_waits_until_it_is_compared_and_its_provenance_was_looked_for(
    monorepo: Monorepo,
) -> None:
    row = monorepo.stage("core", looked=False)
    make_staged_version("uncompared", registry=monorepo.registry)
    assert gather() == 0

    ProvenanceCheck.objects.create(staged_version=row, failure="The registry is away.")

    assert gather() == 1
    assert together() == [["core"]]


def test_nothing_waits_for_ever_for_a_look_at_its_provenance(monorepo: Monorepo) -> None:
    row = monorepo.stage("core", looked=False)
    long_ago = timezone.now() - timedelta(seconds=61)
    StagedVersion.objects.update(found_at=long_ago)
    InspectionRequest.objects.update(requested_at=long_ago)
    assert gather() == 0
    row.inspection_request.inspection.made_at = long_ago
    row.inspection_request.inspection.save()

    assert gather() == 1


def test_what_cannot_be_compared_is_placed_as_well(monorepo: Monorepo) -> None:
    monorepo.unreadable("@acme/broken")
    monorepo.stage("@acme/core", repository=None)

    gather()

    assert together() == [["@acme/broken", "@acme/core"]]


@pytest.mark.parametrize("state", [state for state in State if state != State.STAGED])
def test_what_does_not_wait_is_not_placed(monorepo: Monorepo, state: State) -> None:
    row = monorepo.stage("core")
    StagedVersion.objects.filter(pk=row.pk).update(state=state)

    assert gather() == 0


def test_an_arrival_joins_and_is_told_of(monorepo: Monorepo) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    assert member(first).why == "alone"

    second = monorepo.stage("ui", commit=COMMIT)
    gather()

    assert member(second).release == member(first).release
    assert (member(first).why, member(second).why) == ("commit", "commit")
    assert not member(second).is_late
    event = AuditEvent.objects.get(kind="release.joined")
    assert event.stage_id == second.stage_id
    assert event.detail["release"] == str(member(first).release_id)
    news = OutboxEvent.objects.get(topic="release.joined")
    assert (news.payload["package"], news.payload["is_late"]) == ("ui", False)


def test_who_joins_what_was_there_to_look_at_is_late(monorepo: Monorepo) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    age(member(first).release, seconds=121)

    second = monorepo.stage("ui", commit=COMMIT)
    gather()

    assert member(second).is_late
    assert not member(first).is_late
    assert AuditEvent.objects.get(kind="release.joined").detail["is_late"] is True


def test_who_joins_what_somebody_has_begun_to_read_is_late(monorepo: Monorepo) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    change = FileChange.objects.filter(inspection=first.inspection_request.inspection).first()
    assert change
    set_viewed(make_user(), change, viewed=True)

    second = monorepo.stage("ui", commit=COMMIT)
    gather()

    assert member(second).is_late


def test_nothing_joins_a_release_whose_approval_has_begun(monorepo: Monorepo) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    vote(first)

    monorepo.stage("ui", commit=COMMIT)
    monorepo.stage("app", commit=COMMIT)
    monorepo.stage("unproven")
    gather()

    assert together() == [["app", "ui", "unproven"], ["core"]]
    assert member(first).why == "alone"


@pytest.mark.parametrize("given", ["vote", "decision that failed"])
def test_what_is_approved_before_it_is_placed_takes_nobody_in(
    monorepo: Monorepo, given: str
) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    if given == "vote":
        vote(first)
    else:
        make_decision(first, make_user(), item_state=ItemState.FAILED)
        StagedVersion.objects.filter(pk=first.pk).update(state=State.STAGED)
    monorepo.stage("ui", commit=COMMIT)
    gather()
    monorepo.stage("app", commit=COMMIT)
    gather()

    if given == "vote":
        assert together() == [["app", "ui"], ["core"]]
        assert member(first).why == "alone"
    else:
        assert together() == [["app", "core", "ui"]]


def test_what_is_approved_before_it_is_placed_joins_nobody_but_its_like(
    monorepo: Monorepo,
) -> None:
    monorepo.stage("core", commit=COMMIT)
    gather()
    for name in ("ui", "app"):
        vote(monorepo.stage(name, commit=COMMIT))
    gather()

    assert together() == [["app", "ui"], ["core"]]


@pytest.mark.parametrize("field", ["withdrawn_at", "voided_at"])
def test_what_was_approved_and_is_not_any_more_takes_others_in(
    monorepo: Monorepo, field: str
) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    given = vote(first)
    setattr(given, field, timezone.now())
    given.void_reason = "It is void." if field == "voided_at" else ""
    given.save()
    monorepo.stage("ui", commit=COMMIT)
    gather()

    assert together() == [["core", "ui"]]


def test_what_is_rejected_keeps_nobody_out(monorepo: Monorepo) -> None:
    rejected, _ = monorepo.stage("core", commit=COMMIT), monorepo.stage("ui", commit=COMMIT)
    gather()
    make_decision(rejected, make_user(), Action.REJECT)
    monorepo.stage("app", commit=COMMIT)
    gather()

    assert together() == [["app", "core", "ui"]]


def test_nothing_joins_a_release_in_which_nobody_waits_any_more(monorepo: Monorepo) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    StagedVersion.objects.filter(pk=first.pk).update(state=State.WITHDRAWN)

    monorepo.stage("core", commit=COMMIT)
    gather()

    assert together() == [["core"], ["core"]]


def test_nothing_joins_by_itself_what_a_person_made(monorepo: Monorepo) -> None:
    first = monorepo.stage("core", commit=COMMIT)
    gather()
    Release.objects.update(made_by=make_user())

    second = monorepo.stage("ui", commit=COMMIT)
    gather()

    assert member(first).release != member(second).release


def test_provenance_that_comes_later_leads_to_where_it_belongs(monorepo: Monorepo) -> None:
    proven = monorepo.stage("core", commit=COMMIT, staged={"actor": "ci"})
    stray = monorepo.stage("ui", staged={"actor": "somebody"})
    friend = monorepo.stage("app", staged={"actor": "somebody"})
    gather()
    assert together() == [["app", "ui"], ["core"]]

    monorepo.prove(stray, COMMIT)
    assert gather() == 1

    assert together() == [["app"], ["core", "ui"]]
    assert member(stray).why == "commit"
    assert member(friend).why == "alone"
    assert member(proven).why == "commit"
    assert gather() == 0


def test_a_release_that_loses_its_last_version_is_gone(monorepo: Monorepo) -> None:
    monorepo.stage("core", commit=COMMIT)
    stray = monorepo.stage("ui", staged={"actor": "somebody"})
    gather()

    monorepo.prove(stray, COMMIT)
    gather()

    assert Release.objects.count() == 1


def test_who_is_proven_to_be_of_another_commit_does_not_stay_among_strangers(
    monorepo: Monorepo,
) -> None:
    rows = [monorepo.stage(name) for name in ("core", "ui", "app", "docs")]
    gather()
    assert len(together()) == 1

    monorepo.prove(rows[0], COMMIT)
    monorepo.prove(rows[1], COMMIT)
    monorepo.prove(rows[2], OTHER_COMMIT)
    gather()

    assert together() == [["app"], ["core", "docs", "ui"]]
    assert member(rows[2]).why == "alone"
    assert member(rows[1]).why == "commit"


def test_the_only_one_that_is_proven_stays_with_its_run(monorepo: Monorepo) -> None:
    rows = [monorepo.stage(name) for name in ("core", "ui")]
    gather()

    monorepo.prove(rows[0], COMMIT)
    gather()
    assert together() == [["core", "ui"]]
    # And who is proven to be of the same commit finds it there.
    monorepo.stage("app", commit=COMMIT, staged={"actor": "somebody"})
    gather()

    assert together() == [["app", "core", "ui"]]


def test_what_is_not_proven_joins_no_release_of_two_commits(monorepo: Monorepo) -> None:
    rows = [monorepo.stage("core", commit=COMMIT), monorepo.stage("ui", commit=OTHER_COMMIT)]
    release = monorepo.release(*rows)
    for row, commit in zip(rows, (COMMIT, OTHER_COMMIT), strict=True):
        ReleaseMember.objects.filter(staged_version=row).update(commit=f"{REPOSITORY}@{commit}")

    alone = monorepo.stage("app")
    gather()

    assert member(alone).release != release


def test_what_a_person_placed_stays_whatever_is_proven(monorepo: Monorepo) -> None:
    monorepo.stage("core", commit=COMMIT)
    stray = monorepo.stage("ui", staged={"actor": "somebody"})
    gather()
    ReleaseMember.objects.filter(staged_version=stray).update(why="person", placed_by=make_user())

    monorepo.prove(stray, COMMIT)
    assert gather() == 0

    assert together() == [["core"], ["ui"]]


def test_nothing_leaves_a_release_that_has_begun(monorepo: Monorepo) -> None:
    monorepo.stage("core", commit=COMMIT)
    stray = monorepo.stage("ui", staged={"actor": "somebody"})
    gather()
    begun = member(stray).release
    vote(stray)

    monorepo.prove(stray, COMMIT)
    gather()

    assert member(stray).release == begun


def test_a_proof_for_another_tarball_says_nothing(monorepo: Monorepo) -> None:
    monorepo.stage("core", commit=COMMIT, staged={"actor": "ci"})
    other = monorepo.stage("ui", commit=COMMIT, staged={"actor": "somebody"})
    StagedVersion.objects.filter(pk=other.pk).update(sha512="c" * 128)

    gather()

    assert together() == [["core"], ["ui"]]
    assert member(other).commit == ""


@pytest.mark.parametrize("outcome", ["refused", "missing"])
def test_what_is_not_verified_says_nothing(monorepo: Monorepo, outcome: str) -> None:
    monorepo.stage("core", commit=COMMIT, staged={"actor": "ci"})
    monorepo.stage("ui", commit=COMMIT, staged={"actor": "somebody"})
    Provenance.objects.filter(package__name="ui").update(outcome=outcome)

    gather()

    assert together() == [["core"], ["ui"]]


def test_many_are_gathered_in_a_few_queries(
    monorepo: Monorepo, django_assert_max_num_queries: object
) -> None:
    for number in range(40):
        monorepo.stage(f"@acme/p{number:02}", commit=COMMIT)

    with django_assert_max_num_queries(60):  # type: ignore[operator]  # pytest-django's
        assert gather() == 40

    assert len(together()) == 1


def test_what_the_gathered_ask_for_is_looked_up(monorepo: Monorepo) -> None:
    monorepo.stage(
        "@acme/ui",
        dependencies={"@acme/core": "^1.0.0", "ms": "^2.0.0", "new": "1.0.0"},
        old={"dependencies": {"@acme/core": "^1.0.0", "ms": "^2.0.0"}},
    )

    gather()

    assert set(PublishedPackage.objects.values_list("name", flat=True)) == {"@acme/core", "new"}


def test_more_than_one_batch_is_gathered(
    monorepo: Monorepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("approvals.decisions.releases.gather.BATCH", 3)
    for number in range(8):
        monorepo.stage(f"@acme/p{number}", commit=COMMIT)

    assert gather() == 8

    assert len(together()) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_release() -> None:
    monorepo = Monorepo(make_registry("npm"))
    for number in range(6):
        monorepo.stage(f"@acme/p{number}", commit=COMMIT)

    results = at_once(gather, gather, gather)

    assert sorted(results, key=str) == [0, 0, 6]
    assert len(together()) == 1
    assert ReleaseMember.objects.count() == 6


def test_what_is_unrelated_is_neither_held_nor_written_anew(monorepo: Monorepo) -> None:
    """One bot stages all that the team has, each from a repository of its own."""
    names = (f"@acme/p{number:02}" for number in range(40))

    def stage() -> None:
        name = next(names)
        monorepo.stage(name, repository=f"https://github.com/{name.removeprefix('@')}")

    sizes = []
    for beside in (2, 20):
        for _ in range(beside):
            stage()
        gather()
        stage()
        with CaptureQueriesContext(connection) as queries:
            assert gather() == 1
        written = [one["sql"] for one in queries.captured_queries if one["sql"][:6] == "UPDATE"]
        assert not any("releasemember" in sql for sql in written)
        sizes.append(sum(len(one["sql"]) for one in queries.captured_queries))
    assert len(together()) == 24
    assert abs(sizes[0] - sizes[1]) < 100


@pytest.mark.parametrize("first", [REPOSITORY, None])
def test_who_says_no_repository_is_of_the_run_by_scope_whoever_came_first(
    monorepo: Monorepo, first: str | None
) -> None:
    second = None if first else REPOSITORY
    monorepo.stage("@acme/core", repository=first)
    gather()
    monorepo.stage("@acme/ui", repository=second)
    gather()

    assert together() == [["@acme/core", "@acme/ui"]]

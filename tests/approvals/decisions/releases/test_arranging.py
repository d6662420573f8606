"""People split, move and merge what was found, as far as they may decide it."""

import pytest
from django.utils import timezone

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.decisions.models import Action, ItemState, Release, ReleaseMember, Vote
from approvals.decisions.releases.arrange import (
    ArrangementRefused,
    merge,
    move_to,
    seen_of,
    split,
)
from approvals.decisions.releases.gather import gather
from approvals.people.models import Role, Scope, User
from approvals.queue.models import StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.decisions.releases.conftest import (
    COMMIT,
    OTHER_COMMIT,
    Monorepo,
    together,
    vote,
)
from tests.approvals.factories import make_decision, make_registry, make_user


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def two(monorepo: Monorepo) -> tuple[Release, Release]:
    """A release of three packages, and one of two."""
    for name in ("core", "ui", "app"):
        monorepo.stage(name, commit=COMMIT)
    for name in ("docs", "site"):
        monorepo.stage(name, commit=OTHER_COMMIT)
    gather()
    return release_of("core"), release_of("docs")


def row(name: str) -> StagedVersion:
    return StagedVersion.objects.with_package().get(package__name=name)


def release_of(name: str) -> Release:
    return Release.objects.get(members__staged_version__package__name=name)


def test_some_are_split_off(two: tuple[Release, Release], ada: User, monorepo: Monorepo) -> None:
    made = split(two[0], [row("ui"), row("app")], actor=ada)

    assert together() == [["app", "ui"], ["core"], ["docs", "site"]]
    assert made.made_by == ada
    member = ReleaseMember.objects.get(staged_version=row("ui"))
    assert (member.why, member.placed_by, member.is_late) == ("person", ada, False)
    events = AuditEvent.objects.filter(kind="release.arranged")
    assert {event.stage_id for event in events} == {row("ui").stage_id, row("app").stage_id}
    assert events[0].detail == {"how": "split", "from": str(two[0].pk), "to": str(made.pk)}
    assert events[0].actor_name == "ada"
    assert OutboxEvent.objects.get(topic="release.arranged").payload["actor"] == "ada"
    # What comes later joins those whom nobody moved.
    monorepo.stage("late", commit=COMMIT)
    gather()
    assert together() == [["app", "ui"], ["core", "late"], ["docs", "site"]]


def test_some_are_moved(two: tuple[Release, Release], ada: User) -> None:
    move_to([row("ui")], two[1], actor=ada, source=two[0])

    assert together() == [["app", "core"], ["docs", "site", "ui"]]


def test_the_last_that_is_moved_leaves_no_release_behind(
    two: tuple[Release, Release], ada: User
) -> None:
    move_to([row("docs"), row("site")], two[0], actor=ada)

    assert Release.objects.get() == two[0]


def test_one_is_merged_into_another_and_what_belongs_to_it_follows(
    two: tuple[Release, Release], ada: User, monorepo: Monorepo
) -> None:
    merge(two[1], into=two[0], actor=ada)
    monorepo.stage("late", commit=OTHER_COMMIT)
    gather()

    assert together() == [["app", "core", "docs", "late", "site", "ui"]]


def refused(doing: object) -> str:
    before = together()
    with pytest.raises(ArrangementRefused) as caught:
        doing()  # type: ignore[operator]  # as given
    assert together() == before
    assert not AuditEvent.objects.filter(kind="release.arranged").exists()
    return str(caught.value)


def test_a_stale_page_moves_nothing(two: tuple[Release, Release], ada: User) -> None:
    core, docs = two
    assert "not in that release now" in refused(lambda: split(docs, [row("ui")], actor=ada))
    assert "not in that release now" in refused(
        lambda: (
            move_to([row("ui")], docs, actor=ada, source=docs)
            if release_of("ui") == docs
            else split(docs, [row("ui"), row("docs")], actor=ada)
        )
    )
    assert "in that release already" in refused(lambda: move_to([row("ui")], core, actor=ada))
    assert "Tick at least one" in refused(lambda: split(core, [], actor=ada))
    assert "all there is" in refused(
        lambda: split(core, [row(name) for name in ("core", "ui", "app")], actor=ada)
    )
    assert "same release" in refused(lambda: merge(core, into=core, actor=ada))


def test_a_release_that_is_gone_takes_nothing(two: tuple[Release, Release], ada: User) -> None:
    gone = Release.objects.create(registry=two[0].registry)
    Release.objects.filter(pk=gone.pk).delete()
    gone = Release(pk=gone.pk, registry=two[0].registry)

    assert "not there any more" in refused(lambda: move_to([row("ui")], gone, actor=ada))
    assert "not there any more" in refused(lambda: merge(gone, into=two[0], actor=ada))
    assert "not there any more" in refused(lambda: split(gone, [row("ui")], actor=ada))


@pytest.mark.parametrize("begun", [0, 1])
def test_nothing_of_a_release_moves_whose_approval_has_begun(
    two: tuple[Release, Release], ada: User, begun: int
) -> None:
    given = vote(row(("core", "docs")[begun]))

    assert "has begun" in refused(lambda: move_to([row("ui")], two[1], actor=ada))
    assert "has begun" in refused(lambda: merge(two[0], into=two[1], actor=ada))
    if not begun:
        assert "has begun" in refused(lambda: split(two[0], [row("ui")], actor=ada))
    # What was taken back holds nothing any more.
    Vote.objects.filter(pk=given.pk).update(withdrawn_at=timezone.now())
    move_to([row("ui")], two[1], actor=ada)
    assert together() == [["app", "core"], ["docs", "site", "ui"]]


@pytest.mark.parametrize(
    ("state", "action", "moves"),
    [
        (ItemState.WAITING, Action.APPROVE, False),
        (ItemState.CHECKING, Action.APPROVE, False),
        (ItemState.DONE, Action.APPROVE, False),
        (ItemState.FAILED, Action.APPROVE, True),
        (ItemState.HELD, Action.APPROVE, True),
        (ItemState.WAITING, Action.REJECT, True),
        (ItemState.DONE, Action.REJECT, True),
    ],
)
def test_what_is_carried_out_holds_the_release_and_what_was_not_does_not(
    two: tuple[Release, Release], ada: User, state: ItemState, action: Action, moves: bool
) -> None:
    make_decision(row("core"), ada, action, item_state=state)

    if moves:
        move_to([row("ui")], two[1], actor=ada)
        assert release_of("ui") == two[1]
    else:
        assert "has begun" in refused(lambda: move_to([row("ui")], two[1], actor=ada))


def test_what_came_since_is_not_merged_unseen(
    two: tuple[Release, Release], ada: User, monorepo: Monorepo
) -> None:
    seen = seen_of([row(name).pk for name in ("site", "docs")])
    monorepo.stage("late", commit=OTHER_COMMIT)
    gather()

    assert "have come into that release" in refused(
        lambda: merge(two[1], into=two[0], actor=ada, seen=seen)
    )
    seen = seen_of([row(name).pk for name in ("late", "site", "docs")])
    merge(two[1], into=two[0], actor=ada, seen=seen)
    assert Release.objects.get() == two[0]


def test_what_does_not_wait_is_not_moved(two: tuple[Release, Release], ada: User) -> None:
    StagedVersion.objects.filter(package__name="ui").update(state=State.PUBLISHED_ELSEWHERE)

    assert "does not wait" in refused(lambda: move_to([row("ui")], two[1], actor=ada))


def test_another_registry_takes_nothing(two: tuple[Release, Release], ada: User) -> None:
    other = Monorepo(make_registry("elsewhere"))
    other.stage("theirs")
    gather()

    assert "one registry only" in refused(
        lambda: move_to([row("ui")], release_of("theirs"), actor=ada)
    )


def test_only_who_may_decide_all_of_it_moves_it(two: tuple[Release, Release]) -> None:
    viewer = make_user(role=Role.VIEWER)
    scoped = make_user()
    for name in ("ui", "docs"):
        Scope.objects.create(user=scoped, packages=name)
    elsewhere = make_user()
    Scope.objects.create(user=elsewhere, packages="ui")

    for user in (viewer, elsewhere):
        assert (
            "may not decide" in refused(lambda user=user: move_to([row("ui")], two[1], actor=user))
            or user == viewer
        )
    assert "may decide" in refused(lambda: split(two[0], [row("ui")], actor=viewer))
    assert "may decide" in refused(lambda: split(two[0], [row("ui"), row("app")], actor=scoped))
    assert "may decide" in refused(lambda: merge(two[0], into=two[1], actor=scoped))
    move_to([row("ui")], two[1], actor=scoped)
    assert together() == [["app", "core"], ["docs", "site", "ui"]]


def test_whoever_lost_the_right_meanwhile_moves_nothing(
    two: tuple[Release, Release], ada: User
) -> None:
    User.objects.filter(pk=ada.pk).update(role=Role.VIEWER)

    assert "may decide" in refused(lambda: split(two[0], [row("ui")], actor=ada))


@pytest.mark.django_db(transaction=True)
def test_two_people_who_move_the_same_at_once_do_not_both() -> None:
    monorepo = Monorepo(make_registry("npm"))
    for name in ("core", "ui", "app"):
        monorepo.stage(name, commit=COMMIT)
    gather()
    release = release_of("core")
    ada, grace, ui, app = make_user("ada"), make_user("grace"), row("ui"), row("app")

    results = at_once(
        lambda: split(release, [ui, app], actor=ada),
        lambda: split(release, [app], actor=grace),
        gather,
    )

    assert sum(isinstance(result, Release) for result in results) == 1
    assert sum(isinstance(result, ArrangementRefused) for result in results) == 1
    assert ReleaseMember.objects.count() == 3
    assert Release.objects.count() == 2

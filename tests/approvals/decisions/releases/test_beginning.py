"""A decision begins the releases of what it is about, whatever moves at the same time."""

import pytest

from approvals.decisions.deciding import decide as deciding
from approvals.decisions.deciding.decide import SomebodyElseWasFaster
from approvals.decisions.models import Decision, Release
from approvals.decisions.releases.arrange import ArrangementRefused, split
from approvals.decisions.releases.begun import begun_since
from approvals.decisions.releases.gather import gather
from approvals.decisions.voting.withdraw import withdraw
from approvals.queue.models import StagedVersion, State
from tests.approvals.decisions.conftest import Desk, desk
from tests.approvals.decisions.releases.conftest import COMMIT, Monorepo, together
from tests.approvals.demands import wanting
from tests.approvals.factories import make_policies

__all__ = ["desk"]


@pytest.fixture
def versions(desk: Desk) -> list[StagedVersion]:
    monorepo = Monorepo(desk.registry)
    rows = [monorepo.stage(f"@acme/p{number}", commit=COMMIT) for number in range(3)]
    gather()
    return rows


def test_deciding_one_begins_the_whole_release(desk: Desk, versions: list[StagedVersion]) -> None:
    desk.decide(staged_versions=versions[:1])

    assert begun_since(Release.objects.all())
    Monorepo(desk.registry).stage("@acme/late", commit=COMMIT)
    gather()
    assert versions[0].release_member.release.members.count() == 3


def test_an_approval_given_before_anything_is_placed_keeps_its_like_out(desk: Desk) -> None:
    make_policies(wanting("2 of anyone"))
    monorepo = Monorepo(desk.registry)
    first = monorepo.stage("@acme/core", commit=COMMIT)
    desk.decide(staged_versions=[first])
    for name in ("@acme/ui", "@acme/app"):
        monorepo.stage(name, commit=COMMIT)
        gather()

    assert together() == [["@acme/app", "@acme/ui"], ["@acme/core"]]


def test_what_is_taken_back_lets_others_join_and_leave(
    desk: Desk, versions: list[StagedVersion]
) -> None:
    make_policies(wanting("2 of anyone"))
    desk.decide(staged_versions=versions[:2])
    release = Release.objects.get(members__staged_version=versions[0])
    with pytest.raises(ArrangementRefused, match="has begun"):
        split(release, versions[2:], actor=desk.ada)
    withdraw(desk.ada, versions[:1])
    with pytest.raises(ArrangementRefused, match="has begun"):
        split(release, versions[2:], actor=desk.ada)
    withdraw(desk.ada, versions[1:2])
    Monorepo(desk.registry).stage("@acme/late", commit=COMMIT)
    gather()
    split(release, versions[2:], actor=desk.ada)

    assert ["@acme/late", "@acme/p0", "@acme/p1"] in together()


def test_a_decision_that_is_refused_begins_nothing(
    desk: Desk, versions: list[StagedVersion]
) -> None:
    with pytest.raises(deciding.DecisionRefused):
        desk.decide(staged_versions=versions, code="000000")

    assert not begun_since(Release.objects.all())


@pytest.mark.parametrize(("times", "is_made"), [(1, True), (2, True), (3, False)])
def test_what_is_moved_while_it_is_decided_is_decided_where_it_is_then(
    desk: Desk,
    versions: list[StagedVersion],
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    is_made: bool,
) -> None:
    hold = deciding._hold_releases
    seen: list[int] = []

    def held_elsewhere(rows: list[StagedVersion]) -> object:
        """What was held is not what they are in by the time that they are locked."""
        seen.append(1)
        members = hold(rows)
        return set() if len(seen) <= times else members

    monkeypatch.setattr(deciding, "_hold_releases", held_elsewhere)
    if is_made:
        desk.decide(staged_versions=versions)
        assert Decision.objects.get().items.count() == 3
        assert begun_since(Release.objects.all())
    else:
        with pytest.raises(SomebodyElseWasFaster, match="other releases"):
            desk.decide(staged_versions=versions)
        assert not Decision.objects.exists()
        assert not StagedVersion.objects.exclude(state=State.STAGED).exists()
        assert not begun_since(Release.objects.all())

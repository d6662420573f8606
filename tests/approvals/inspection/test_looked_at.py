"""Who marks findings as looked at, and for how long it holds."""

from collections.abc import Callable
from functools import partial

import pytest

from approvals.audit.models import AuditEvent
from approvals.inspection.finding import Severity
from approvals.inspection.looked_at import NotLookedAt, look_at, take_back
from approvals.inspection.models import LookedAt, RuleSetting, StagedFinding
from approvals.inspection.standing import standing_findings
from approvals.people.membership import deactivate
from approvals.people.models import Role, User
from approvals.people.scopes import Reach
from approvals.queue.models import StagedVersion, State
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_finding, make_inspection, make_staged_version, make_user
from tests.approvals.managing import change_role

pytestmark = pytest.mark.django_db

FOUND = make_finding(path="lib/a.js", line=3)


@pytest.fixture
def row() -> StagedVersion:
    return staged()


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def staged(name: str = "@acme/ui", version: str = "1.5.0") -> StagedVersion:
    row = make_staged_version(name, version)
    make_inspection(row, findings=[FOUND])
    return row


def mark(user: User, row: StagedVersion, words: str = "ours", **named: str) -> LookedAt:
    finding = StagedFinding.objects.get(staged_version=row)
    given = {"rule": finding.rule, "fingerprint": finding.fingerprint} | named
    return look_at(user, row, words=words, **given)


def unmark(user: User, row: StagedVersion) -> None:
    finding = StagedFinding.objects.get(staged_version=row)
    take_back(user, row, finding.rule, finding.fingerprint)


def is_open(row: StagedVersion) -> bool:
    (found,) = standing_findings(row)
    return found.is_open


def test_it_holds_for_the_package_until_it_is_taken_back(ada: User, row: StagedVersion) -> None:
    mark(ada, row, "  our own\n updater ")
    after, other = staged(version="1.5.1"), staged("@acme/other")
    assert [is_open(one) for one in (row, after, other)] == [False, False, True]
    (found,) = standing_findings(after)
    assert found.looked_at is not None
    assert (found.looked_at.by, found.looked_at.words) == (ada, "our own updater")
    unmark(make_user("grace"), after)
    assert [is_open(one) for one in (row, after)] == [True, True]
    events = AuditEvent.objects.filter(kind__startswith="finding.").order_by("sequence")
    assert [(event.kind, event.actor_name, event.stage_id) for event in events] == [
        ("finding.looked_at", "ada", row.stage_id),
        ("finding.look_taken_back", "grace", after.stage_id),
    ]


@pytest.mark.parametrize(
    "words",
    ["", " \n\t ", "x" * 301, "a\0b", "\0", "\ud800"],
    ids=["none", "blank", "long", "nul", "only-nul", "surrogate"],
)
def test_it_needs_words_that_can_be_read(ada: User, row: StagedVersion, words: str) -> None:
    with pytest.raises(NotLookedAt, match="Say"):
        mark(ada, row, words)
    assert is_open(row)


@pytest.mark.parametrize(
    "named",
    [{"rule": "x\0"}, {"fingerprint": "\0"}, {"fingerprint": "\ud800"}, {"fingerprint": "0" * 64}],
    ids=["nul-in-rule", "nul", "surrogate", "another"],
)
def test_what_is_not_found_is_not_marked(
    ada: User, row: StagedVersion, named: dict[str, str]
) -> None:
    with pytest.raises(NotLookedAt, match="not there any more"):
        mark(ada, row, **named)
    with pytest.raises(NotLookedAt, match="not there any more"):
        take_back(ada, row, **({"rule": FOUND.rule, "fingerprint": "\0"} | named))


def as_viewer(ada: User) -> None:
    change_role(ada, Role.VIEWER, actor=make_user(role=Role.ADMINISTRATOR))


def deactivated(ada: User) -> None:
    deactivate(ada, actor=make_user(role=Role.ADMINISTRATOR))


def elsewhere(ada: User) -> None:
    chief = make_user(role=Role.ADMINISTRATOR)
    change_role(ada, ada.role, actor=chief, reaches=[Reach("", "@other/*")])


@pytest.mark.parametrize("end", [as_viewer, deactivated, elsewhere])
def test_who_may_not_decide_any_more_marks_nothing_with_a_page_from_before(
    ada: User, row: StagedVersion, end: Callable[[User], None]
) -> None:
    opened_before = User.objects.get(pk=ada.pk)
    end(ada)
    with pytest.raises(NotLookedAt, match="Only approvers"):
        mark(opened_before, row)
    grace = make_user("grace")
    mark(grace, row)
    with pytest.raises(NotLookedAt, match="Only approvers"):
        unmark(opened_before, row)
    assert not is_open(row)


@pytest.mark.parametrize("state", [State.LIVE, State.REJECTED, State.WITHDRAWN])
def test_what_a_decision_stood_on_is_left_alone(
    ada: User, row: StagedVersion, state: State
) -> None:
    StagedVersion.objects.update(state=state)
    with pytest.raises(NotLookedAt, match="decided already"):
        mark(ada, row)
    assert is_open(row)
    StagedVersion.objects.update(state=State.STAGED)
    mark(ada, row)
    StagedVersion.objects.update(state=state)
    with pytest.raises(NotLookedAt, match="decided already"):
        unmark(ada, row)
    assert not is_open(row)


@pytest.mark.parametrize("weight", ["off", "low"])
def test_it_is_recorded_as_serious_as_it_was_shown(
    ada: User, row: StagedVersion, weight: str
) -> None:
    RuleSetting.objects.create(rule=FOUND.rule, packages="@acme/*", weight=weight, words="known")
    if weight == "off":
        with pytest.raises(NotLookedAt, match="switched off"):
            mark(ada, row)
        return
    mark(ada, row)
    assert FOUND.severity != Severity.LOW
    assert AuditEvent.objects.get(kind="finding.looked_at").detail["severity"] == "low"


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_marks_and_the_others_are_told() -> None:
    row = staged()
    people = [make_user(name) for name in ("ada", "grace", "mary")]
    results = at_once(*[partial(mark, user, row, user.username) for user in people])
    (won,) = [one for one in results if isinstance(one, LookedAt)]
    assert all(isinstance(one, NotLookedAt) for one in results if one is not won), results
    assert LookedAt.objects.get() == won
    assert AuditEvent.objects.filter(kind="finding.looked_at").count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_taken_back_once() -> None:
    row = staged()
    people = [make_user(name) for name in ("ada", "grace")]
    mark(people[0], row)
    results = at_once(*[partial(unmark, user, row) for user in people])
    assert results.count(None) == 1
    assert any(isinstance(one, NotLookedAt) for one in results), results
    assert AuditEvent.objects.filter(kind="finding.look_taken_back").count() == 1

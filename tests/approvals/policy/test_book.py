"""Policies that were written into the database by hand: nothing is approved, and it is said."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from approvals.audit.models import AuditEvent
from approvals.people.models import Role, User
from approvals.policy.book import CHANGED, DEFAULT, Policy, book_of, current_book
from approvals.policy.models import PolicyRevision
from approvals.policy.revise import PolicyRefused, removal, restoration
from approvals.queue.models import StagedVersion
from tests.approvals.factories import make_inspection, make_policies, make_staged_version, make_user
from tests.approvals.policies import WHY, carry_out, names, put, wanted
from tests.approvals.seen import in_the_way

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


@pytest.fixture
def row(chief: User) -> StagedVersion:
    """A version that could be approved, after three revisions."""
    row = make_staged_version("@acme/ui")
    make_inspection(row)
    for number in range(3):
        put(chief, f"Policy {number}", f"other-{number}")
    return StagedVersion.objects.with_package().get(pk=row.pk)


def newest() -> PolicyRevision:
    return PolicyRevision.objects.order_by("-number")[0]


def edited() -> None:
    revision = newest()
    revision.policies[-1]["requirements"] = {}
    revision.save()


def renumbered() -> None:
    PolicyRevision.objects.filter(number=3).update(number=4)


def removed() -> None:
    newest().delete()


def all_removed() -> None:
    PolicyRevision.objects.all().delete()


def inserted() -> None:
    chief = User.objects.get(username="chief")
    policies = [replace(DEFAULT, requirements={}).as_json()]
    PolicyRevision.objects.create(number=4, policies=policies, made_by=chief, words="x", sealed="x")


def brought_back() -> None:
    """An earlier revision, with its own seal, as the newest."""
    old = PolicyRevision.objects.get(number=1)
    PolicyRevision.objects.create(
        number=4, policies=old.policies, made_by=old.made_by, words="x", sealed=old.sealed
    )


def sealed_for_another() -> None:
    old, new = PolicyRevision.objects.get(number=1), newest()
    PolicyRevision.objects.filter(pk=new.pk).update(policies=old.policies, sealed=old.sealed)


def garbled() -> None:
    PolicyRevision.objects.filter(number=3).update(policies={"a": [1]})


def without_default() -> None:
    PolicyRevision.objects.filter(number=3).update(policies=newest().policies[:-1])


def unheard_of() -> None:
    AuditEvent.objects.filter(kind=CHANGED).order_by("-sequence")[0].delete()


def told_otherwise() -> None:
    event = AuditEvent.objects.filter(kind=CHANGED).order_by("-sequence")[0]
    AuditEvent.objects.filter(pk=event.pk).update(detail={"number": "three"})


def told_by_hand() -> None:
    """The newest revision and what the log says of it are gone; the log's last one says so."""
    newest().delete()
    told = AuditEvent.objects.filter(kind=CHANGED).order_by("-sequence")
    AuditEvent.objects.filter(pk=told[0].pk).update(detail={"number": newest().number})


TAMPERINGS = [
    edited,
    renumbered,
    removed,
    all_removed,
    inserted,
    brought_back,
    sealed_for_another,
    garbled,
    without_default,
    unheard_of,
    told_otherwise,
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_nothing_is_approved_by_policies_that_nobody_set(
    row: StagedVersion, chief: User, tamper: Callable[[], None]
) -> None:
    assert in_the_way(row) == []
    tamper()
    assert "not what anybody has set" in current_book().broken
    [sentence] = in_the_way(row)
    assert "nothing is approved" in sentence
    # Getting rid of a version stays possible.
    assert in_the_way(row, "reject") == []
    # What builds on them is refused: only setting them again helps.
    seen = current_book().number
    for begin in (
        lambda: wanted("Other", "other", seen=seen),
        lambda: removal("p1", seen=seen, words=WHY),
    ):
        with pytest.raises(PolicyRefused, match="not what anybody has set"):
            begin()


def test_what_the_log_is_made_to_say_is_not_believed(row: StagedVersion) -> None:
    told_by_hand()
    assert current_book().broken
    assert in_the_way(row) != []


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_an_administrator_sets_them_again(
    row: StagedVersion, chief: User, tamper: Callable[[], None]
) -> None:
    tamper()
    seen = current_book().number
    number = 0 if tamper is all_removed else 2
    mona = make_user("mona", role=Role.RELEASE_MANAGER)
    with pytest.raises(PolicyRefused, match="Have an administrator"):
        carry_out(restoration(number, seen=seen, words=WHY), mona)
    revision = carry_out(restoration(number, seen=seen, words="Somebody wrote here."), chief)
    book = current_book()
    assert not book.broken
    told = {2, 3, seen}
    assert book.number == revision.number > max(told)
    assert names() == (["Policy 0", "Policy 1", "Default"] if number else ["Default"])
    assert in_the_way(row) == []
    put(chief, "Other", "other")


def test_only_what_somebody_set_can_be_set_again(row: StagedVersion, chief: User) -> None:
    edited()
    with pytest.raises(PolicyRefused, match="no such revision that can be relied on"):
        restoration(3, seen=3, words=WHY)


def test_a_number_that_leaves_no_room_is_said(row: StagedVersion, chief: User) -> None:
    PolicyRevision.objects.create(
        number=2**31 - 1, policies=[], made_by=chief, words="x", sealed="x"
    )
    seen = current_book().number
    with pytest.raises(PolicyRefused, match="take it out"):
        carry_out(restoration(2, seen=seen, words=WHY), chief)


def test_requirements_of_a_later_countersign_are_left_out(chief: User) -> None:
    make_policies({"approvals": DEFAULT.requirements["approvals"], "from_the_future": {"a": 1}})
    [policy] = current_book().policies
    assert set(policy.requirements) == {"approvals"}


def test_each_revision_keeps_what_it_said(row: StagedVersion) -> None:
    books = [book_of(one) for one in PolicyRevision.objects.order_by("number")]
    assert [len(book.policies) for book in books] == [2, 3, 4]
    assert not any(book.broken for book in books)


def test_the_mark_tells_demands_apart_and_not_names() -> None:
    one = Policy("p1", "One", "", "a", {"approvals": {"wanted": []}})
    same = Policy("p2", "Two", "", "b", {"approvals": {"wanted": []}})
    other = Policy("p1", "One", "", "a", {})
    assert one.mark == same.mark != other.mark

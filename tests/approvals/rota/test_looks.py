"""Who was the first to look at a version, of those who may decide it."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse

from approvals.people.models import Role, Scope
from approvals.queue.models import State
from approvals.rota.looks import looked
from approvals.rota.models import FirstLook
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_inspection, make_staged_version, make_user
from tests.approvals.web.pages import sign_in

pytestmark = pytest.mark.django_db


def test_the_first_who_may_decide_it_counts_and_keeps_counting() -> None:
    row = make_staged_version()
    viewer = make_user(role=Role.VIEWER)
    stranger = make_user()
    Scope.objects.create(user=stranger, packages="@acme/*")
    ada, grace = make_user(), make_user()
    start = datetime(2026, 1, 7, 10, tzinfo=UTC)
    for minutes, user in enumerate((viewer, stranger, ada, grace, ada)):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            looked(row, user)
    [found] = FirstLook.objects.all()
    assert (found.staged_version, found.person) == (row, ada)
    assert found.at == start + timedelta(minutes=2)


def test_what_does_not_wait_is_not_looked_at_first() -> None:
    row = make_staged_version(state=State.LIVE)
    looked(row, make_user())
    assert not FirstLook.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_the_first() -> None:
    row = make_staged_version()
    people = [make_user() for _ in range(4)]
    results = at_once(*[lambda user=user: looked(row, user) for user in people])
    assert results == [None] * 4
    assert FirstLook.objects.count() == 1


def test_opening_its_page_is_looking_at_it() -> None:
    row = make_staged_version()
    make_inspection(row)
    ada = make_user()
    assert sign_in(ada).get(reverse("version", args=[row.pk])).status_code == 200
    assert FirstLook.objects.get().person == ada

"""The first run: one link, one administrator, once."""

import threading
from dataclasses import replace

import pytest
from django.db import connection, connections

from approvals.audit.models import AuditEvent
from approvals.people import first_run
from approvals.people.first_run import FirstRunRefused, Stage, make_administrator, offer, stage
from approvals.people.invitations import NewPerson
from approvals.people.models import FirstRun, Role, User
from tests.approvals.factories import make_user

pytestmark = pytest.mark.django_db

ADA = NewPerson("ada", "Ada@Example.org", "correct horse battery", "Ada")


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_run, "_is_over", False)


def link() -> str:
    token = offer()
    assert token is not None
    return token


def test_from_the_link_to_the_end() -> None:
    assert stage() is Stage.OVER  # nobody has printed a link
    token = link()
    assert stage() is Stage.WAITS_FOR_LINK
    ada = make_administrator(token, ADA)
    assert (ada.role, ada.email, ada.is_superuser) == (
        Role.ADMINISTRATOR,
        "ada@example.org",
        False,
    )
    assert stage() is Stage.SETTING_UP
    first_run.finish(actor=ada)
    assert stage() is Stage.OVER
    kinds = AuditEvent.objects.order_by("sequence").values_list("kind", flat=True)
    assert list(kinds) == ["person.added", "first_run.finished"]


def test_the_link_is_good_once() -> None:
    token = link()
    make_administrator(token, ADA)
    with pytest.raises(FirstRunRefused, match="used already"):
        make_administrator(token, replace(ADA, username="eve", email="eve@example.org"))
    assert User.objects.count() == 1


def test_a_new_link_makes_the_earlier_one_worthless() -> None:
    earlier, newer = link(), link()
    with pytest.raises(FirstRunRefused, match="printed a newer one"):
        make_administrator(earlier, ADA)
    make_administrator(newer, ADA)


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "ü" * 43, "a" * 10_000])
def test_guesses_are_refused(token: str) -> None:
    link()
    with pytest.raises(FirstRunRefused):
        make_administrator(token, ADA)
    assert not User.objects.exists()


def test_the_database_holds_no_link() -> None:
    token = link()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM people_firstrun")
        row = cursor.fetchall()
    assert token not in str(row)
    with pytest.raises(FirstRunRefused):
        make_administrator(FirstRun.objects.get().token_hash, ADA)


def test_where_people_are_there_is_no_first_run() -> None:
    token = link()
    make_user("root", role=Role.ADMINISTRATOR)  # as createsuperuser does
    assert offer() is None
    assert stage() is Stage.OVER
    with pytest.raises(FirstRunRefused):
        make_administrator(token, ADA)


def test_once_over_it_never_begins_again_and_costs_nothing(
    django_assert_num_queries: object,
) -> None:
    first_run.finish(actor=make_administrator(link(), ADA))
    assert stage() is Stage.OVER
    with django_assert_num_queries(0):  # type: ignore[operator]  # pytest-django's fixture
        assert stage() is Stage.OVER


def test_only_an_administrator_ends_it() -> None:
    make_administrator(link(), ADA)
    with pytest.raises(FirstRunRefused, match="Only an administrator"):
        first_run.finish(actor=make_user(role=Role.RELEASE_MANAGER))
    assert stage() is Stage.SETTING_UP


@pytest.mark.django_db(transaction=True)
def test_two_people_with_the_link_one_wins() -> None:
    token = link()
    outcomes: list[str] = []
    start = threading.Barrier(3)

    def come_in(name: str) -> None:
        start.wait()
        try:
            make_administrator(token, replace(ADA, username=name, email=f"{name}@example.org"))
            outcomes.append("in")
        except FirstRunRefused:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=come_in, args=(name,)) for name in ("ada", "eve", "mia")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "refused", "refused"]
    assert User.objects.count() == 1

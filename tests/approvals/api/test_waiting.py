"""Calls that are held: woken by a change, ended by time, bounded, and let go by who hangs up."""

import asyncio
import json
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError

from approvals.api.awaited import AWAITED, HELD, Awaited, Key, Mark, mark_of, marks_of
from approvals.api.waiting import HoldingCalls, Message, Scope, WaitersFull, Waiting
from approvals.decisions.models import PolicyState
from approvals.queue.models import State
from tests.approvals.factories import make_registry, make_staged_version

LONG = 60
OLD, NEW = frozenset({("old",)}), frozenset({("new",)})


class Database:
    """What the poller finds; counts how often it looks, and for how many."""

    def __init__(self) -> None:
        self.marks: dict[Key, Mark] = {}
        self.looks: list[int] = []
        self.threads: set[int] = set()
        self.fails = False

    def __call__(self, keys: Collection[Key]) -> dict[Key, Mark]:
        self.looks.append(len(keys))
        self.threads.add(threading.get_ident())
        if self.fails:
            self.fails = False
            raise DatabaseError("away")
        return {key: self.marks.get(key, OLD) for key in keys}


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, LONG))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def waits(key: Key, mark: Mark = OLD) -> Awaited:
    return Awaited(key, mark, "staged", LONG)


def test_many_wait_for_one_look_and_one_thread() -> None:
    database, stages = Database(), [uuid4() for _ in range(300)]

    async def doing() -> None:
        waiting = Waiting(most=300, pause=0.001, look=database)
        before = threading.active_count()
        all_of_them = [
            asyncio.create_task(waiting.until_changed(waits(one), LONG)) for one in stages
        ]
        await until(lambda: len(database.looks) > 2)
        assert threading.active_count() <= before + 1
        assert waiting.number == 300
        database.marks = dict.fromkeys(stages, NEW)
        assert await asyncio.gather(*all_of_them) == [True] * 300
        assert waiting.number == 0

    run(doing())
    assert len(database.threads) == 1
    assert max(database.looks) == 300


def test_only_those_whose_version_changed_are_woken() -> None:
    database, one, other = Database(), uuid4(), ("@acme/lib", "1.0.0")

    async def doing() -> None:
        waiting = Waiting(most=9, pause=0.001, look=database)
        first = asyncio.create_task(waiting.until_changed(waits(one), LONG))
        second = asyncio.create_task(waiting.until_changed(waits(other), LONG))
        await until(lambda: bool(database.looks))
        database.marks[one] = NEW
        assert await first
        looks = len(database.looks)
        await until(lambda: len(database.looks) > looks + 2)
        assert not second.done()
        database.marks[other] = NEW
        assert await second

    run(doing())


def test_a_change_before_the_first_look_is_not_missed() -> None:
    database, stage = Database(), uuid4()
    database.marks[stage] = NEW

    async def doing() -> None:
        waiting = Waiting(most=1, pause=0.001, look=database)
        assert await waiting.until_changed(waits(stage), LONG)

    run(doing())


def test_nobody_looks_while_nobody_waits() -> None:
    database = Database()

    async def doing() -> None:
        waiting = Waiting(most=1, pause=0.001, look=database)
        assert not await waiting.until_changed(waits(uuid4()), 0.02)
        await asyncio.sleep(0.02)
        looks = len(database.looks)
        await asyncio.sleep(0.05)
        assert len(database.looks) == looks
        # And again once somebody does.
        database.marks[stage := uuid4()] = NEW
        assert await waiting.until_changed(waits(stage), LONG)

    run(doing())


def test_more_than_may_wait_are_refused_and_places_come_free() -> None:
    async def doing() -> None:
        waiting = Waiting(most=2, pause=0.001, look=Database())
        two = [asyncio.create_task(waiting.until_changed(waits(uuid4()), LONG)) for _ in range(2)]
        await until(lambda: waiting.number == 2)
        with pytest.raises(WaitersFull):
            await waiting.until_changed(waits(uuid4()), LONG)
        two[0].cancel()
        await until(lambda: waiting.number == 1)
        assert not await waiting.until_changed(waits(uuid4()), 0.01)
        two[1].cancel()

    run(doing())


def test_a_database_that_is_away_for_a_moment_loses_nobody() -> None:
    database, stage = Database(), uuid4()
    database.fails, database.marks[stage] = True, NEW

    async def doing() -> None:
        waiting = Waiting(most=1, pause=0.001, look=database)
        assert await waiting.until_changed(waits(stage), LONG)

    run(doing())
    assert len(database.looks) >= 2


def test_at_the_end_everybody_is_let_go_and_nobody_waits_any_more() -> None:
    async def doing() -> None:
        waiting = Waiting(most=9, pause=0.001, look=Database())
        two = [asyncio.create_task(waiting.until_changed(waits(uuid4()), LONG)) for _ in range(2)]
        await until(lambda: waiting.number == 2)
        waiting.release()
        assert await asyncio.gather(*two) == [False, False]
        assert not await waiting.until_changed(waits(uuid4()), LONG)

    run(doing())


class Views:
    """Answers with a state; while it is staged, it says that it would wait."""

    def __init__(self, stage: UUID) -> None:
        self.stage, self.state, self.mark = stage, "staged", OLD
        self.asked: list[bool] = []

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.asked.append(HELD in scope)
        if self.state != "live":
            scope[AWAITED] = Awaited(self.stage, self.mark, self.state, LONG)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.state.encode()})


SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/api/v1/stages/x",
    "query_string": b"wait=55",
}


async def stays() -> Message:
    await asyncio.sleep(LONG)
    return {"type": "http.disconnect"}


def body_of(sent: list[Message]) -> str:
    return b"".join(one.get("body", b"") for one in sent).decode()


def test_a_call_is_answered_with_what_it_waited_for() -> None:
    database, views, sent = Database(), Views(uuid4()), list[Message]()

    async def keep(message: Message) -> None:
        sent.append(message)

    async def doing() -> None:
        waiting = Waiting(most=1, pause=0.001, look=database)
        call = asyncio.create_task(HoldingCalls(views, waiting)(dict(SCOPE), stays, keep))
        await until(lambda: waiting.number == 1)
        assert not sent
        # Something of it changes that is not its state: it is looked at, and held on.
        views.mark = database.marks[views.stage] = frozenset({("policy",)})
        await until(lambda: len(views.asked) == 2 and waiting.number == 1)
        assert not sent
        views.state, database.marks[views.stage] = "live", NEW
        await call

    run(doing())
    assert body_of(sent) == "live"
    # Only the first of them counts as a call.
    assert views.asked == [False, True, True]


def test_who_hangs_up_waits_no_more() -> None:
    database, sent = Database(), list[Message]()
    hung_up = asyncio.Event()

    async def gone() -> Message:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    async def doing() -> None:
        waiting = Waiting(most=1, pause=0.001, look=database)
        call = asyncio.create_task(HoldingCalls(Views(uuid4()), waiting)(dict(SCOPE), gone, keep))
        await until(lambda: waiting.number == 1)
        hung_up.set()
        await call
        assert waiting.number == 0

    run(doing())
    assert not sent


def test_one_too_many_gets_a_clear_answer() -> None:
    sent = list[Message]()

    async def keep(message: Message) -> None:
        sent.append(message)

    async def doing() -> None:
        await HoldingCalls(Views(uuid4()), Waiting(most=0))(dict(SCOPE), stays, keep)

    run(doing())
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"10") in sent[0]["headers"]
    assert json.loads(body_of(sent))["error"] == "too_many_waiters"


@pytest.mark.parametrize(
    "other",
    [
        {"method": "POST"},
        {"path": "/versions/1/"},
        {"query_string": b""},
        {"type": "websocket"},
    ],
    ids=str,
)
def test_nothing_else_is_held(other: dict[str, Any]) -> None:
    assert HoldingCalls.wants(SCOPE)
    assert not HoldingCalls.wants(SCOPE | other)  # type: ignore[operator]  # a plain dict


@pytest.mark.django_db
def test_marks_differ_as_soon_as_an_answer_may(django_assert_num_queries: Any) -> None:
    row = make_staged_version("@acme/lib", "1.0.0")
    others = [make_staged_version(f"pkg-{number}") for number in range(5)]
    keys: list[Key] = [row.stage_id, ("@acme/lib", "1.0.0"), ("@acme/lib", "2.0.0"), uuid4()]
    keys += [one.stage_id for one in others]
    with django_assert_num_queries(1):
        before = marks_of(keys)
    assert before[keys[2]] == before[keys[3]] == frozenset()

    def changed() -> set[Key]:
        nonlocal before
        after = marks_of(keys)
        found = {key for key in keys if before[key] != after[key]}
        before = after
        return found

    assert changed() == set()
    type(row).objects.filter(pk=row.pk).update(state=State.APPROVING)
    assert changed() == set(keys[:2])
    type(row).objects.filter(pk=row.pk).update(alarm="other digest")
    assert changed() == set(keys[:2])
    PolicyState.objects.create(staged_version=others[0], outcome="blocked", sentence="no")
    assert changed() == {others[0].stage_id}
    make_staged_version("@acme/lib", "2.0.0")
    assert changed() == {keys[2]}
    # The same at another registry is another thing that may be meant.
    make_staged_version("@acme/lib", "1.0.0", registry=make_registry("other"))
    assert changed() == {keys[1]}
    assert mark_of(keys[1]) == before[keys[1]]

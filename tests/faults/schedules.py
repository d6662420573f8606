"""Random schedules: a decision is made, and then workers, time and people come as they like.

A schedule is drawn from its seed alone. One that fails is shown with the steps that it needs to.
"""

import contextlib
import os
import random
import time
from dataclasses import dataclass, replace
from typing import Any, get_args

from approvals.decisions.models import Action
from approvals.queue import live
from tests.faults.troubles import Event, Trouble, What, When
from tests.faults.world import World

SCHEDULES = 130
# Set while looking for what fails: the first failure is shown as it was found.
NO_SHRINKING = "COUNTERSIGN_TESTS_NO_SHRINKING"
# How late each event may be that something happens to.
LATEST: dict[Event, int] = {"claim": 1, "commit": 4, "decision": 1, "call": 2, "statement": 40}
TROUBLES: list[tuple[What, Event]] = [
    *(("dies", event) for event in LATEST),
    *(("is held up", event) for event in LATEST),
    ("loses the database", "commit"),
    ("loses the database", "statement"),
    ("has its session ended", "commit"),
    ("has its session ended", "statement"),
]
FATES = ["not connected", "never arrives", "arrives late", "slow", "answer lost", "slow answer"]
FATES_OF_QUESTIONS = ["not connected", "broken", "slow"]
STATUSES = [429, 503, 502, 500]
# What must have happened in each of the files.
OFTEN = 1
MUST_HAPPEN = {
    *(what for what, _ in TROUBLES),
    *(f"{when} {event}" for _, event in TROUBLES for when in get_args(When)),
    *(f"decision {fate}" for fate in FATES),
    *(f"question {fate}" for fate in FATES_OF_QUESTIONS),
    *(f"registry says {status}" for status in STATUSES),
    "registry loses an answer",
    "registry shows it late",
    "arrived late",
    "clock goes forward",
    "clock goes back",
    "answered",
    "paused",
    "resumed",
    "called off",
    "carried out",
    "not carried out",
    "held",
}
# How often each kind of step is taken, compared with the others.
STEPS = {
    "work_in_trouble": 5,
    "work_on_a_bad_line": 3,
    "work_at_a_bad_registry": 2,
    "work_at_a_slow_registry": 2,
    "time_passes": 3,
    "clock_is_set": 1,
    "what_is_late_goes_on": 2,
    "answer": 3,
    "steer": 2,
}


@dataclass(frozen=True)
class Step:
    """One thing that happens: a method of Schedule, and what it is given."""

    name: str
    given: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is decided, and what happens then."""

    seed: str
    given: dict[str, Any]
    answers: bool
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        steps = [f"  {step.name} {step.given}" for step in self.steps]
        return "\n".join([f"seed {self.seed}", f"  {self.given} {self.answers=}", *steps])


def draw(seed: str, number: int) -> Plan:
    """The plan of this seed; by their `number`, plans take turns in what strikes first."""
    chance = random.Random(seed)
    versions = chance.choice([2, 1, 2, 3])
    needs = [(1, 0), (2, 0), (2, 1)]
    given = {
        "number": versions,
        "action": chance.choice([Action.APPROVE, Action.APPROVE, Action.REJECT]),
        "mode": chance.choice(["none", "none", "classic", "single-use", "web"]),
        "needs": [need for need in needs if need[0] < versions and chance.random() < 0.4],
        "holds": chance.random() < 0.7,
        "with_code": chance.random() < 0.7,
    }
    what, event = TROUBLES[number % len(TROUBLES)]
    first = Step(
        "work_in_trouble",
        {"trouble": _trouble(chance, what, event), "items": 100},
    )
    names = chance.choices(list(STEPS), list(STEPS.values()), k=chance.randint(1, 4))
    steps = [first, *(_step(name, chance) for name in names)]
    if chance.random() < 0.6:
        # The line is bad while it is struck, too.
        steps.insert(0, Step("bad_line", {"fates": [FATES[number % len(FATES)]]}))
    if number % 5 == 0:
        fate = FATES_OF_QUESTIONS[number // 5 % len(FATES_OF_QUESTIONS)]
        steps.insert(0, Step("bad_line_for_questions", {"fates": [fate]}))
    if number % 10 == 7:
        # What another version needs is refused.
        given |= {"number": 2, "needs": [(1, 0)], "holds": True}
        refusal = {"status": 403, "count": 1, "retry_after": None, "method": None, "fates": []}
        steps.insert(0, Step("work_at_a_bad_registry", refusal))
    return Plan(seed, given, chance.random() < 0.7, tuple(steps))


def _trouble(chance: random.Random, what: What, event: Event) -> Trouble:
    number = chance.randint(0, chance.randint(0, LATEST[event]))
    return Trouble(what, chance.choice(get_args(When)), event, number)


def _step(name: str, chance: random.Random) -> Step:
    given: dict[str, Any] = {}
    match name:
        case "work_in_trouble":
            given = {
                "trouble": _trouble(chance, *chance.choice(TROUBLES)),
                "items": chance.choice([100, 100, 1]),
            }
        case "work_on_a_bad_line":
            given = {"fates": chance.choices(FATES, k=chance.randint(1, 2))}
        case "work_at_a_bad_registry":
            given = {
                "status": chance.choice(STATUSES),
                "count": chance.choice([1, 3, 8]),
                "retry_after": chance.choice([None, 1, 45, 600]),
                "method": chance.choice([None, "POST", "DELETE", "GET"]),
                "fates": chance.choices(FATES_OF_QUESTIONS, k=chance.randint(0, 3)),
            }
        case "work_at_a_slow_registry":
            given = {
                "answers": chance.randint(0, 2),
                "seconds": chance.choice([0.0, 5.0, 120.0, 2000.0]),
            }
        case "time_passes":
            given = {"seconds": chance.choice([0.5, 2, 5, 20, 61, 130, 600])}
        case "clock_is_set":
            given = {"seconds": chance.choice([-7200, -90, -20, 20, 90, 900, 7200])}
        case "answer":
            given = {"how": chance.choice(["rightly", "rightly", "wrongly", "again"])}
        case "steer":
            given = {
                "how": chance.choice(
                    ["pause", "pause resume", "pause resume", "resume", "call_off"]
                )
            }
    return Step(name, given)


class Schedule:
    """Carries a plan out in a world; each step of it is a method."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, plan: Plan) -> None:
        """From the decision to its end. Raises AssertionError where anything is not as it must be.

        What must hold at any moment is looked at after every step.
        """
        self.world.begin()
        self.world.decide(**plan.given)
        for step in plan.steps:
            getattr(self, step.name)(**step.given)
            self.world.check()
        self.world.drive_to_the_end(answers=plan.answers)
        self.world.check_end()

    def work_in_trouble(self, trouble: Trouble, items: int) -> None:
        self.world.work(trouble, items)

    def bad_line(self, fates: list[str]) -> None:
        self.world.on_the_way = list(fates)

    def bad_line_for_questions(self, fates: list[str]) -> None:
        self.world.on_asking = list(fates)

    def work_on_a_bad_line(self, fates: list[str]) -> None:
        self.world.on_the_way = list(fates)
        self.world.work()

    def work_at_a_bad_registry(
        self,
        status: int,
        count: int,
        retry_after: int | None,
        method: str | None,
        fates: list[str],
    ) -> None:
        disturbances = self.world.house.sandbox.app.disturbances
        disturbances.refuse(status, count, "/", retry_after, method)
        self.world.on_asking = list(fates)
        self.world.work()

    def work_at_a_slow_registry(self, answers: int, seconds: float) -> None:
        disturbances = self.world.house.sandbox.app.disturbances
        disturbances.lose_answers(answers)
        disturbances.delay_visibility(seconds)
        self.world.count("registry shows it late", bool(seconds))
        self.world.work()

    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def clock_is_set(self, seconds: float) -> None:
        self.world.set_clock(seconds)

    def what_is_late_goes_on(self) -> None:
        self.world.go_on()
        self.world.arrive()
        live.watch_due()

    def answer(self, how: str) -> None:
        self.world.answer(how)

    def steer(self, how: str) -> None:
        for one in how.split():
            self.world.steer(one)


def run_schedules(world: World, part: int, seconds: float, number: int = SCHEDULES) -> None:
    """The same schedules in every run, and for `seconds` others."""
    with world.turning():
        for one in range(number):
            _run(world, draw(f"{part}.{one}", one))
        seldom = {what for what in MUST_HAPPEN if world.happened[what] < OFTEN}
        assert not seldom, f"Hardly any schedule had {sorted(seldom)}: {world.happened}"
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            other = random.SystemRandom().randrange(2**32)
            _run(world, draw(str(other), other))


def _run(world: World, plan: Plan) -> None:
    try:
        Schedule(world).run(plan)
    except AssertionError as error:
        text = f"{error}\n{plan}"
    except Exception as error:
        # What no check foresaw: the traceback says more than fewer steps would.
        error.add_note(str(plan))
        raise
    else:
        return
    if not os.environ.get(NO_SHRINKING):
        for step in reversed(plan.steps):
            shorter = replace(plan, steps=tuple(one for one in plan.steps if one is not step))
            with contextlib.suppress(Exception):
                try:
                    Schedule(world).run(shorter)
                except AssertionError as error:
                    plan, text = shorter, f"{error}\n{shorter}"
    raise AssertionError(text)

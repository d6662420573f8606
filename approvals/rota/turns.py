"""Whom to ask about a staged version: who is on call, and then step by step whoever is after them.

Only people whose approval would bring it on are asked, and whoever comes next in the rotation
stands in for the others. Where it has nobody of them, who is on call looks at it all the same, and
the steps go on to those who could approve it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from approvals.decisions.judging.checklist import Checklist
from approvals.rota.able import able_to_help, urgent_wait
from approvals.rota.models import EscalationStep, Schedule
from approvals.rota.on_call import OnCall, Plan, next_on_call, on_call
from approvals.rota.plans import first_covering, plans_of, without

Whom = EscalationStep.Whom
# After the last step, those who were asked are reminded after this, and then after twice as long
# each time, up to the longest.
PAUSE, URGENT_PAUSE = timedelta(hours=4), timedelta(minutes=30)
LONGEST_PAUSE, LONGEST_URGENT_PAUSE = timedelta(hours=24), timedelta(hours=4)
_MOST_DOUBLED = 8


@dataclass(frozen=True)
class Step:
    """Who is asked, and how long after the step before."""

    wait: timedelta
    whom: str


# Where a schedule says nothing of it.
USUAL = (
    Step(timedelta(), Whom.ON_CALL),
    Step(timedelta(minutes=15), Whom.NEXT),
    Step(timedelta(minutes=30), Whom.ALL_APPROVERS),
)


@dataclass(frozen=True)
class Turn:
    """Who is asked now: one `person`, or `people`; and how many steps are taken with it."""

    step: int
    people: frozenset[int]
    person: int | None = None
    # Until when the person is on call, where that is why they are asked.
    until: datetime | None = None


@dataclass(frozen=True)
class Rota:
    """Every schedule with its steps and its plan: for many versions at once."""

    schedules: Sequence[Schedule]
    plans: Mapping[int, Plan] = field(default_factory=dict)
    steps: Mapping[int, tuple[Step, ...]] = field(default_factory=dict)

    @classmethod
    def now(cls) -> Rota:
        """As it is in the database, in constant queries."""
        schedules = list(Schedule.objects.all())
        if not schedules:
            return cls(())
        steps: dict[int, list[Step]] = defaultdict(list)
        for row in EscalationStep.objects.order_by("schedule", "position"):
            steps[row.schedule_id].append(Step(timedelta(minutes=row.after_minutes), row.whom))
        return cls(schedules, plans_of(schedules), {key: tuple(one) for key, one in steps.items()})

    def schedule_for(self, checklist: Checklist) -> Schedule | None:
        row = checklist.version
        return first_covering(self.schedules, row.registry.url, row.package.name)

    def turns(self, checklist: Checklist) -> Turns | None:
        """None where no schedule is for the package."""
        schedule = self.schedule_for(checklist)
        if schedule is None:
            return None
        able = able_to_help(checklist)
        plan, may = self.plans[schedule.pk], {one.key for one in checklist.case.deciders}
        return Turns(
            schedule,
            without(plan, able),
            without(plan, may),
            self.steps.get(schedule.pk) or USUAL,
            able,
            urgent_wait(checklist),
        )


@dataclass(frozen=True)
class Turns:
    """The steps of one version.

    Everybody is absent from its plan who could not bring it on; and from `of_all`, who may not
    decide it at all.
    """

    schedule: Schedule
    plan: Plan
    of_all: Plan
    steps: tuple[Step, ...]
    able: frozenset[int]
    urgent_wait: timedelta | None

    @property
    def is_urgent(self) -> bool:
        return self.urgent_wait is not None

    @property
    def first_step(self) -> int:
        """How many steps are taken where a version is assigned to who is on call."""
        first = self.steps[0]
        return 1 if first.whom == Whom.ON_CALL and not first.wait else 0

    def on_call(self, at: datetime) -> OnCall | None:
        """Who is on call and could bring it on; else who may at least decide it."""
        plans = (self.plan, self.of_all)
        asked = (on_call(one, at, urgent=self.is_urgent) for one in plans)
        return next((one for one in asked if one is not None), None)

    def first(self, at: datetime) -> Turn:
        """Who is on call; where nobody is, whom the next steps name, without any wait."""
        found = self.on_call(at)
        if found is None:
            return self.after(self.first_step, at) or Turn(len(self.steps), self.able)
        return Turn(self.first_step, frozenset({found.person}), found.person, found.until)

    def after(
        self,
        taken: int,
        at: datetime,
        *,
        asked: Iterable[int] = (),
        looking: Iterable[int] = (),
    ) -> Turn | None:
        """Whom the steps name after so many; None where all are taken.

        A step that names nobody is passed over, and so is one that names only people who are
        `looking` already. Who is on call and was not among those `asked` is the next to ask.
        """
        before, over = frozenset(asked), frozenset(looking)
        for number, step in enumerate(self.steps[taken:], start=taken + 1):
            if step.whom == Whom.ALL_APPROVERS:
                if people := self.able - over:
                    return Turn(number, people)
                continue
            found = on_call(self.plan, at, urgent=self.is_urgent)
            if step.whom == Whom.NEXT and (found is None or found.person in before | over):
                found = next_on_call(self.plan, at, urgent=self.is_urgent)
            if found is not None and found.person not in over:
                return Turn(number, frozenset({found.person}), found.person, found.until)
        return None

    def wait(self, taken: int, reminders: int = 0) -> timedelta:
        """How long to wait after so many steps and reminders."""
        if taken < len(self.steps):
            wait = self.steps[taken].wait
            return min(wait, self.urgent_wait) if self.urgent_wait is not None else wait
        doubled: int = 2 ** min(reminders, _MOST_DOUBLED)
        if self.is_urgent:
            return min(URGENT_PAUSE * doubled, LONGEST_URGENT_PAUSE)
        return min(PAUSE * doubled, LONGEST_PAUSE)

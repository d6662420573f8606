"""Several workers that really work at the same time, each on a database connection of its own."""

import random

import pytest

from approvals.decisions.models import Action
from tests.approvals.at_once import at_once
from tests.faults.world import World

SCHEDULES = 12
WORKERS = 3


def test_workers_at_the_same_time_decide_each_version_once(
    world: World, pytestconfig: pytest.Config
) -> None:
    with world.turning():
        for number in range(SCHEDULES + int(pytestconfig.getoption("--fuzz-seconds"))):
            chance = random.Random(number)
            world.begin()
            world.decide(
                4,
                chance.choice([Action.APPROVE, Action.REJECT]),
                "none",
                needs=[(one, one - 1) for one in range(1, 4) if chance.random() < 0.3],
            )
            for _ in range(3):
                world.on_the_way = chance.choices(
                    ["", "answer lost", "never arrives", "not connected", "slow"], k=3
                )
                results = at_once(*[world.work] * WORKERS)
                assert results == [""] * WORKERS, results
                world.clock.advance(chance.choice([1, 20, 70]))
            world.drive_to_the_end(answers=True)
            world.check_end()

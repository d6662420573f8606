"""Random schedules of what goes wrong while decisions are carried out: see schedules.py.

Every run tries the same ones; `tests/run --fuzz-seconds 600 tests/faults` goes on with others.
A part of them, so that several processes share the work.
"""

import pytest

from tests.faults.schedules import run_schedules
from tests.faults.world import World


def test_each_version_is_decided_once_or_says_why_not(
    world: World, pytestconfig: pytest.Config
) -> None:
    run_schedules(world, 2, pytestconfig.getoption("--fuzz-seconds"))

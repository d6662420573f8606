"""Random schedules of what goes wrong while decisions are carried out: see schedules.py.

Every run tries the same ones; `tests/run --fuzz-seconds 600 tests/faults` goes on with others.
"""

import pytest

from tests.faults.schedules import run_schedules
from tests.faults.world import World


def test_each_version_is_decided_once_or_says_why_not(
    world: World, pytestconfig: pytest.Config
) -> None:
    run_schedules(world, 1, pytestconfig.getoption("--fuzz-seconds"))

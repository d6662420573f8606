"""A small organisation with a registry, for tests of what cannot be done from a browser."""

import pytest

from approvals.people import first_run
from tests.approvals.conftest import house, no_pauses, sandbox
from tests.approvals.people.conftest import clock

__all__ = ["clock", "house", "no_pauses", "sandbox"]


@pytest.fixture(autouse=True)
def _set_up_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has answered for a while: nothing asks for the first run any more."""
    monkeypatch.setattr(first_run, "_is_over", True)

"""Blocks that take too long are interrupted, others never are."""

import os
import threading

from registry_client.watchdog import watched


def test_a_block_that_takes_too_long_is_interrupted() -> None:
    interrupted = threading.Event()
    with watched(0.01, interrupted.set) as deadline:
        assert interrupted.wait(10)
        assert deadline.expired


def test_an_early_deadline_is_not_kept_waiting_by_a_later_one() -> None:
    late, early = threading.Event(), threading.Event()
    with watched(100, late.set), watched(0.01, early.set):
        assert early.wait(10)
        assert not late.is_set()


def test_deadlines_are_met_one_after_another() -> None:
    for _ in range(3):
        interrupted = threading.Event()
        with watched(0.01, interrupted.set):
            assert interrupted.wait(10)


def test_a_block_that_ended_is_left_alone() -> None:
    wrong, right = threading.Event(), threading.Event()
    with watched(0.01, wrong.set):
        pass
    with watched(0.05, right.set):
        assert right.wait(10)
    assert not wrong.is_set()


def test_an_interrupt_that_fails_does_not_end_the_watch() -> None:
    def fail() -> None:
        failed.set()
        raise OSError

    failed, interrupted = threading.Event(), threading.Event()
    with watched(0.01, fail):
        assert failed.wait(10)
    with watched(0.01, interrupted.set):
        assert interrupted.wait(10)


def test_a_forked_child_has_a_watch_of_its_own() -> None:
    """Workers are forked from a parent that may have talked to a registry already."""
    with watched(100, lambda: None):
        child = os.fork()
        if not child:
            interrupted = threading.Event()
            with watched(0.01, interrupted.set):
                os._exit(0 if interrupted.wait(10) else 1)
        assert os.waitpid(child, 0)[1] == 0

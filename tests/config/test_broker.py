"""The broker of the embedded default: several processes, and a death in the middle."""

import multiprocessing
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from config.broker import SCHEME, empty

MESSAGES = 300


def connection(folder: Path) -> Connection:
    for name in ("messages", "control"):
        (folder / name).mkdir(exist_ok=True)
    return Connection(
        f"{SCHEME}://localhost//",
        transport_options={
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.001,
        },
    )


def write(folder: Path, first: int, name: str = "bell") -> None:
    with connection(folder) as broker, broker.SimpleQueue(name) as queue:
        for number in range(first, first + MESSAGES):
            queue.put({"number": number})


def test_readers_and_writers_at_once_lose_nothing_and_do_not_die(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write, args=(tmp_path, at)) for at in (0, MESSAGES)]
    with connection(tmp_path) as broker, broker.SimpleQueue("bell") as queue:
        for writer in writers:
            writer.start()
        taken = [take(queue) for _ in range(2 * MESSAGES)]
        for writer in writers:
            writer.join()
    assert sorted(taken) == list(range(2 * MESSAGES))
    assert not list((tmp_path / "messages").iterdir())


def test_a_message_half_written_by_a_killed_process_is_never_read(tmp_path: Path) -> None:
    with connection(tmp_path) as broker, broker.SimpleQueue("bell") as queue:
        (tmp_path / "messages" / ".1_2.bell.msg").write_text('{"body": ')
        with pytest.raises(Empty):
            queue.get_nowait()


def test_what_an_earlier_run_left_can_be_removed(tmp_path: Path) -> None:
    earlier = multiprocessing.get_context("fork").Process(target=write, args=(tmp_path, 0, "old"))
    earlier.start()
    earlier.join()
    (tmp_path / "control" / "old.exchange").write_text('[["cut')
    empty(tmp_path)
    write(tmp_path, 7, "old")
    with connection(tmp_path) as broker, broker.SimpleQueue("old") as queue:
        assert take(queue) == 7


def take(queue: SimpleQueue) -> int:
    message = queue.get(timeout=20)
    message.ack()
    return int(message.payload["number"])

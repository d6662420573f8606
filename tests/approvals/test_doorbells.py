"""Every doorbell is one that somebody rings: a topic that nobody publishes wakes nobody."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from approvals.audit import outbox
from approvals.decisions.emergency import glass
from approvals.decisions.judging.policy_states import FOR_ALL
from approvals.queue.models import State

ROOM = Path(__file__).resolve().parents[2] / "approvals"
TOPIC = re.compile(r"[a-z_]+\.[a-z_]+")
PUBLISHING, RECORDING = {"publish", "publish_all"}, {"record", "record_all", "Happening"}


def said_in(calls: set[str]) -> set[str]:
    """What calls of these functions name in what they are given, in all of the code."""
    found: set[str] = set()
    for path in ROOM.rglob("*.py"):
        tree = ast.parse(path.read_text())
        module = ".".join(path.relative_to(ROOM.parent).with_suffix("").parts)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _called(call) in calls:
                found |= set(_texts(call, module))
    return {one for one in found if TOPIC.fullmatch(one)}


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _texts(call: ast.Call, module: str) -> Iterator[str]:
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and node.id.isupper():
            value = getattr(import_module(module), node.id, None)
            if isinstance(value, str):
                yield value
        elif isinstance(node, ast.JoinedStr) and ast.unparse(node).endswith("{to.value}'"):
            yield from (f"staged_version.{state.value}" for state in State)


# Gathered in a list that is published, or given to what publishes them: by the module.
GATHERED = {
    "voting/casting.py": "vote.cast",
    "carrying_out/outcomes.py": "staged_version.held",
}


def test_somebody_rings_every_doorbell() -> None:
    published = said_in(PUBLISHING) | {glass.ASKED, glass.BROKEN}
    for module, topic in GATHERED.items():
        assert f'"{topic}"' in (ROOM / "decisions" / module).read_text()
        published.add(topic)
    # Publishing leaves an empty list behind for what nobody rings for.
    rung = {topic for topic, bells in outbox._doorbells.items() if bells} - {outbox.ANY_TOPIC}
    assert len(rung) > 20
    assert sorted(rung - published) == []


def test_what_changes_the_policies_of_all_versions_is_recorded_somewhere() -> None:
    recorded = said_in(RECORDING)
    for kind in FOR_ALL:
        assert any(one.startswith(kind) if kind.endswith(".") else one == kind for one in recorded)

"""What the registry is asked about new dependencies: never without bounds, never with harm."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from approvals.inspection import asking
from approvals.inspection.asking import ask_about
from approvals.inspection.leases import LeaseLost
from approvals.inspection.models import InspectionRequest, StagedFinding
from approvals.inspection.staging import Dependency
from registry_client.client import RegistryClient
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.conftest import House

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture(autouse=True)
def _var(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"


def silent(step: str, done: int, total: int) -> None:
    pass


def asked(house: House, new: dict[str, Any], old: dict[str, Any] | None = None) -> list[Dependency]:
    with RegistryClient(house.sandbox.url) as client:
        return list(ask_about(old, new, client, silent))


def lookups(sandbox: SandboxRegistry) -> list[str]:
    return [call.path for call in sandbox.control.calls(method="GET")]


def test_what_is_known_of_a_new_dependency(house: House) -> None:
    house.publish("some-thing", "1.0.0")
    house.publish("some-thing", "1.2.0", scripts={"postinstall": "node x.js", "test": "no"})
    house.publish("some-thing", "2.0.0")
    (one,) = asked(house, {"dependencies": {"some-thing": "^1.0.0"}})
    assert (one.name, one.version, one.failure) == ("some-thing", "1.2.0", "")
    assert one.install_scripts == {"postinstall": "node x.js"}
    assert one.first_published_at is not None
    assert one.version_published_at is not None
    assert one.first_published_at <= one.version_published_at


def test_only_what_is_new_and_from_the_registry_is_asked_for(house: House) -> None:
    house.sandbox.control.reset()
    old = {"dependencies": {"there-before": "1"}}
    new = {
        "dependencies": {"there-before": "2", "from-git": "github:a/b", "odd": "workspace:*"},
        "devDependencies": {"for-developers": "1"},
        "peerDependencies": {"if-there": "1"},
        "peerDependenciesMeta": {"if-there": {"optional": True}},
    }
    assert asked(house, new, old) == []
    assert lookups(house.sandbox) == []


def test_an_alias_is_asked_for_under_the_other_name(house: House) -> None:
    house.publish("@scope/real", "1.0.0")
    (one,) = asked(house, {"dependencies": {"shown": "npm:@scope/real@^1"}})
    assert (one.name, one.version) == ("shown", "1.0.0")


@pytest.mark.parametrize("name", ["no-such-thing", "@no/such"])
def test_one_that_is_not_there_is_missing(house: House, name: str) -> None:
    (one,) = asked(house, {"dependencies": {name: "1"}})
    assert one.is_missing
    assert one.failure


def test_a_name_that_can_be_none_is_a_failure_and_no_crash(house: House) -> None:
    house.publish("some-thing", "1.0.0")
    names = {"../../etc": "1", "A b": "1", "": "1", "some-thing": "1"}
    *odd, good = asked(house, {"dependencies": names})
    assert [bool(one.failure) for one in odd] == [True, True, True]
    assert good.version == "1.0.0"


def test_so_many_are_asked_for_and_of_the_others_it_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST_DEPENDENCIES", 2)
    found = asked(house, {"dependencies": {f"none-{n}": "1" for n in range(5)}})
    assert [one.is_missing for one in found] == [True, True, False, False, False]
    assert found[-1].failure == "Only 2 new dependencies are asked for."


def test_time_that_is_used_up_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_SECONDS", -1.0)
    house.sandbox.control.reset()
    (one,) = asked(house, {"dependencies": {"some-thing": "1"}})
    assert "time for questions was used up" in one.failure
    assert lookups(house.sandbox) == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_registry_that_cannot_answer_is_left_alone(house: House, status: int) -> None:
    house.publish("known", "1.0.0")
    house.sandbox.control.reset()
    house.sandbox.control.refuse(status, prefix="/none-1", count=20)
    names = ["known", "none-1", "none-2", "none-3"]
    known, *others = asked(house, {"dependencies": dict.fromkeys(names, "1")})
    assert known.version == "1.0.0"
    assert len({one.failure for one in others}) == 1
    assert all(one.failure and not one.is_missing for one in others)
    assert set(lookups(house.sandbox)) == {"/known", "/none-1"}


def test_an_answer_that_is_too_large_is_a_failure(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.publish("some-thing", "1.0.0")
    monkeypatch.setattr(asking, "MOST_BYTES", 10)
    (one,) = asked(house, {"dependencies": {"some-thing": "1"}})
    assert one.failure
    assert not one.is_missing


def test_a_worker_that_lost_its_lease_asks_no_more(house: House) -> None:
    def lost(step: str, done: int, total: int) -> None:
        raise LeaseLost

    with RegistryClient(house.sandbox.url) as client, pytest.raises(LeaseLost):
        ask_about(None, {"dependencies": {"some-thing": "1"}}, client, lost)


def test_an_inspection_keeps_what_was_found(house: House) -> None:
    house.publish("left-pad", "1.4.2")
    house.publish("some-thing", "1.0.0", scripts={"install": "node x.js"})
    house.stage("left-pad", "1.5.0", dependencies={"some-thing": "^1", "no-such-thing": "1"})
    house.poll()
    house.inspect()
    kept = StagedFinding.objects.filter(source=StagedFinding.Source.REGISTRY)
    rules = dict(kept.values_list("rule", "severity"))
    assert rules["dependency-install-script"] == "high"
    assert rules["dependency-young"] == "high"
    assert rules["dependency-missing"] == "high"


def test_a_registry_that_fails_here_fails_no_inspection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.publish("left-pad", "1.4.2")
    house.publish("some-thing", "1.0.0")
    house.stage("left-pad", "1.5.0", dependencies={"some-thing": "^1"})
    house.poll()
    monkeypatch.setattr(asking, "MOST_BYTES", 10)
    house.inspect()
    assert InspectionRequest.objects.get().state == InspectionRequest.State.DONE
    (finding,) = StagedFinding.objects.filter(rule="limit-dependencies")
    assert (finding.severity, finding.detail[:10]) == ("low", "some-thing")

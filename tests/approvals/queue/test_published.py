"""What is published of packages that staged versions depend on is looked up, and kept."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.audit.models import OutboxEvent
from approvals.queue import published
from approvals.queue.models import PublishedPackage, Registry
from approvals.queue.published import forget_unwanted, look_up_due, want
from registry_client.client import RegistryClient
from registry_client.errors import Forbidden, RateLimited, RegistryUnavailable
from registry_client.versions import Packument
from tests.approvals.at_once import at_once
from tests.approvals.conftest import House
from tests.approvals.factories import make_registry


def row(name: str) -> PublishedPackage:
    return PublishedPackage.objects.get(name=name)


def due_now() -> None:
    PublishedPackage.objects.filter(due_at__isnull=False).update(due_at=timezone.now())


def test_what_is_wanted_is_looked_up_with_the_token_that_reads(house: House) -> None:
    house.publish("@acme/core", "1.0.0")
    house.publish("@acme/core", "1.10.0")
    house.publish("@acme/core", "1.9.0")

    assert want(house.registry, ["@acme/core", "gone", "@acme/core", "", "x" * 215, "a\0b"]) == 2
    assert OutboxEvent.objects.filter(topic="packages.wanted").count() == 1
    assert look_up_due() == 2

    core, gone = row("@acme/core"), row("gone")
    assert (core.versions, core.latest) == (["1.0.0", "1.9.0", "1.10.0"], "1.9.0")
    assert (gone.versions, gone.latest, gone.failure) == ([], "", "")
    assert core.looked_at is not None
    assert gone.looked_at is not None
    assert (core.due_at, core.tries) == (None, 0)
    assert look_up_due() == 0


def test_what_was_looked_up_lately_is_not_wanted_again(house: House) -> None:
    want(house.registry, ["left-pad"])
    look_up_due()
    assert want(house.registry, ["left-pad"]) == 0
    house.publish("left-pad", "1.0.0")

    PublishedPackage.objects.update(looked_at=timezone.now() - timedelta(minutes=6))
    assert want(house.registry, ["left-pad"]) == 1
    assert want(house.registry, ["left-pad"]) == 0
    look_up_due()

    assert row("left-pad").versions == ["1.0.0"]


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    asked: list[str] = []

    def packument(self: RegistryClient, name: str) -> Packument:
        asked.append(name)
        raise error

    monkeypatch.setattr(RegistryClient, "packument", packument)
    return asked


def test_a_failure_is_kept_and_tried_again_after_pauses_that_grow(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry()
    asked = failing(monkeypatch, Forbidden("The token may not read it."))
    want(registry, ["a", "b"])

    assert look_up_due() == 2
    assert asked == ["a", "b"]
    first = row("a")
    assert (first.failure, first.tries, first.looked_at) == ("The token may not read it.", 1, None)
    assert first.due_at
    assert first.due_at > timezone.now()
    assert look_up_due() == 0
    due_now()
    look_up_due()
    second = row("a")
    assert second.due_at
    assert second.due_at - timezone.now() > timedelta(seconds=8)

    for _ in range(published.MOST_TRIES):
        due_now()
        look_up_due()
    assert (row("a").due_at, len(asked)) == (None, 2 * published.MOST_TRIES)
    assert want(registry, ["a"]) == 1
    assert (row("a").tries, row("a").failure) == (0, "The token may not read it.")


def test_what_was_known_stays_when_a_later_look_fails(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry()
    PublishedPackage.objects.create(
        registry=registry, name="a", versions=["1.0.0"], latest="1.0.0", looked_at=timezone.now()
    )
    failing(monkeypatch, Forbidden("No."))

    look_up_due()

    assert (row("a").versions, row("a").failure) == (["1.0.0"], "No.")
    assert row("a").looked_at is not None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(RegistryUnavailable("It is away."), 4), (RateLimited("Slow down.", retry_after=90), 85)],
)
def test_a_registry_that_is_away_is_left_alone_for_a_while(
    db: None, monkeypatch: pytest.MonkeyPatch, error: Exception, seconds: int
) -> None:
    registry = make_registry()
    asked = failing(monkeypatch, error)
    want(registry, ["a", "b", "c"])

    assert look_up_due() == 1
    assert asked == ["a"]
    for name in ("a", "b", "c"):
        due = row(name).due_at
        assert due
        assert due - timezone.now() > timedelta(seconds=seconds)
    assert row("b").failure == ""


def test_one_package_that_breaks_us_does_not_keep_the_others(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, RuntimeError("a bug"))
    want(make_registry(), ["a", "b"])

    assert look_up_due() == 2
    assert row("a").failure.startswith("Countersign itself failed (RuntimeError)")


def test_a_token_that_cannot_be_read_is_said(db: None) -> None:
    registry = make_registry()
    Registry.objects.update(sealed_read_token=b"not sealed by anybody")
    want(registry, ["a", "b"])

    look_up_due()

    assert row("a").failure
    assert row("b").failure
    assert look_up_due() == 0


def test_a_registry_that_is_switched_off_is_not_asked(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = failing(monkeypatch, Forbidden("No."))
    registry = make_registry(enabled=False)
    want(registry, ["a"])

    assert look_up_due() == 0
    assert asked == []


def test_a_slow_registry_keeps_no_other_waiting(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(published.time, "monotonic", lambda: clock[0])
    asked: list[str] = []

    def packument(self: RegistryClient, name: str) -> Packument:
        asked.append(name)
        clock[0] += 25 if name.startswith("slow") else 1
        raise Forbidden("No.")

    monkeypatch.setattr(RegistryClient, "packument", packument)
    monkeypatch.setattr(published, "MOST_AT_ONCE", 6)
    want(make_registry("slow"), [f"slow-{number}" for number in range(9)])
    want(make_registry("quick"), ["quick-1", "quick-2"])

    assert look_up_due() == 4
    assert asked == ["slow-0", "slow-1", "quick-1", "quick-2"]
    assert OutboxEvent.objects.filter(topic="packages.wanted", payload__packages=0).count() == 1


def test_what_nobody_has_wanted_for_long_is_forgotten(db: None) -> None:
    registry = make_registry()
    now = timezone.now()
    for name, looked_at, due_at in (
        ("lately", now - timedelta(days=29), None),
        ("long ago", now - timedelta(days=31), None),
        ("wanted again", now - timedelta(days=31), now),
        ("given up", None, None),
        ("new", None, now),
    ):
        PublishedPackage.objects.create(
            registry=registry, name=name, looked_at=looked_at, due_at=due_at
        )

    assert forget_unwanted() == 2

    kept = set(PublishedPackage.objects.values_list("name", flat=True))
    assert kept == {"lately", "wanted again", "new"}


def test_there_are_bounds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "MOST_VERSIONS", 2)
    monkeypatch.setattr(published, "MOST_WANTED", 3)
    monkeypatch.setattr(published, "MOST_AT_ONCE", 2)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        house.publish("a", version)

    assert want(house.registry, ["d", "c", "b", "a"]) == 3
    assert (look_up_due(), look_up_due(), look_up_due()) == (2, 1, 0)

    assert row("a").versions == ["1.1.0", "1.2.0"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_ask_for_each_package_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = make_registry()
    asked = failing(monkeypatch, Forbidden("No."))
    names = [f"p{number}" for number in range(5)]

    at_once(lambda: want(registry, names), lambda: want(registry, reversed(names)))
    assert PublishedPackage.objects.count() == 5
    at_once(look_up_due, look_up_due)

    assert sorted(asked) == names

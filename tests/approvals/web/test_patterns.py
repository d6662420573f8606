"""Globs that people, and attackers, type."""

import pytest

from approvals.queue.models import Package
from approvals.web.patterns import like_of
from tests.approvals.factories import make_registry

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("@acme/*", {"@acme/ui", "@acme/core"}),
        ("*", {"@acme/ui", "@acme/core", "left-pad", "a_b", "axb"}),
        ("*ad", {"left-pad"}),
        ("LEFT-???", {"left-pad"}),
        ("a_b", {"a_b"}),
        ("a?b", {"a_b", "axb"}),
        ("a%b", set()),
        ("a!b", set()),
        ("[a-z]*", set()),
        ("left", set()),
    ],
)
def test_a_glob_finds(glob: str, found: set[str]) -> None:
    registry = make_registry()
    for name in ("@acme/ui", "@acme/core", "left-pad", "a_b", "axb"):
        Package.objects.create(registry=registry, name=name)
    names = Package.objects.filter(name__like=like_of(glob)).values_list("name", flat=True)
    assert set(names) == found


def test_a_pattern_made_to_take_for_ever_is_answered() -> None:
    registry = make_registry()
    Package.objects.create(registry=registry, name="a" * 214)
    hostile = like_of("*?" * 40 + "!")
    assert not Package.objects.filter(name__like=hostile).exists()

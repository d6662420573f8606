"""Scopes: what they cover, said alike in memory and in SQL, whatever is typed or called so."""

import itertools
import random

import pytest

from approvals.people.models import Role, Scope, User
from approvals.people.permissions import (
    may_decide,
    may_decide_anything,
    may_manage,
    may_see,
    may_see_everything,
    may_set_expectations,
)
from approvals.people.scopes import (
    MOST_SCOPES,
    Reach,
    ScopeRefused,
    checked,
    matches,
    packages_within,
)
from approvals.queue.models import Package, Registry, StagedVersion
from tests.approvals.factories import make_registry, make_staged_version, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("glob", "name", "covered"),
    [
        ("*", "left-pad", True),
        ("*", "@acme/left-pad", True),
        ("left-pad", "left-pad", True),
        ("left-pad", "left-pad2", False),
        ("left-pad", "Left-Pad", False),
        ("left_pad", "left-pad", False),
        ("acme-*", "acme-", True),
        ("acme-*", "acme-ui", True),
        ("acme-*", "ACME-ui", False),
        ("acme-*", "acme-ui/left-pad", False),
        ("@acme/*", "@acme/ui", True),
        ("@acme/*", "@acme2/ui", False),
        ("@acme/*", "@acme/ui/more", False),
        ("@*/ui", "@acme/ui", True),
        ("@*/ui", "@acme/x/ui", False),
        ("@acme*", "@acme/ui", False),
        ("**", "@acme/ui", False),
        ("**", "ui", True),
        ("a*b*a", "aba", True),
        ("a*b*a", "ab", False),
        ("a*a", "a", False),
        ("a*bc*cd", "abcd", False),
        ("a*bc*cd", "abccd", True),
        ("*-ui-*", "acme-ui-kit", True),
        ("%", "left-pad", False),
        ("[a-z]*", "left-pad", False),
        ("?eft-pad", "left-pad", False),
    ],
)
def test_what_a_pattern_covers(glob: str, name: str, covered: bool) -> None:
    assert matches(glob, name) is covered
    Package.objects.create(registry=make_registry(), name=name)
    wanted = packages_within([Reach("", glob)], name="name", registry_url="registry__url")
    assert Package.objects.filter(wanted).exists() is covered


def test_the_database_and_the_memory_agree() -> None:
    """Of whatever names and patterns; also where several scopes are one filter."""
    one, other = make_registry("one"), make_registry("other")
    letters = "ab/_-%!*?[]"
    draw = random.Random(5)
    names = {"".join(draw.choices(letters, k=draw.randint(1, 6))) for _ in range(300)}
    Package.objects.bulk_create(
        Package(registry=registry, name=name) for registry in (one, other) for name in names
    )
    packages = [(row.pk, row.registry.url, row.name) for row in _packages()]
    for _ in range(60):
        reaches = [
            Reach(draw.choice(["", one.url, other.url]), _pattern(draw, letters))
            for _ in range(draw.randint(1, 4))
        ]
        found = set(
            Package.objects.filter(
                packages_within(reaches, name="name", registry_url="registry__url")
            ).values_list("pk", flat=True)
        )
        assert found == {
            pk for pk, url, name in packages if any(one.covers(url, name) for one in reaches)
        }, reaches


def _packages() -> list[Package]:
    return list(Package.objects.select_related("registry"))


def _pattern(draw: random.Random, letters: str) -> str:
    return "".join(draw.choices(letters + "***", k=draw.randint(1, 5)))


def test_no_pattern_takes_its_time() -> None:
    """Matching by trial would not come to an end with this one."""
    Package.objects.bulk_create(
        Package(registry=registry, name="a" * 213 + ending)
        for registry in [make_registry()]
        for ending in "bc"
    )
    glob = "*".join(["a" * 4] * 50) + "d"
    wanted = packages_within([Reach("", glob)], name="name", registry_url="registry__url")
    assert not Package.objects.filter(wanted).exists()
    assert not matches(glob, "a" * 214)


@pytest.mark.parametrize(
    "packages",
    [
        *("", " ", "/", "a/", "/a", "a/b/c", "a b", "a\nb", "a\0b", "é", "[a]", "a?", "%", "'"),
        *("a" * 215, "*a*b*c*d", "****"),
    ],
    ids=repr,
)
def test_what_is_no_pattern_of_names_is_refused(packages: str) -> None:
    with pytest.raises(ScopeRefused):
        checked([Reach("", packages)])


def test_each_scope_is_kept_once() -> None:
    assert checked([Reach("", " @acme/* "), Reach("", "@acme/*")]) == [Reach("", "@acme/*")]


def test_there_are_not_endlessly_many() -> None:
    many = [Reach("", f"p{number}") for number in range(MOST_SCOPES + 1)]
    assert checked(many[1:])
    with pytest.raises(ScopeRefused, match="at most 50"):
        checked(many)


def scoped(role: Role, *scopes: tuple[str, str]) -> User:
    user = make_user(role=role)
    Scope.objects.bulk_create(
        Scope(user=user, registry_url=url, packages=packages) for url, packages in scopes
    )
    return User.objects.get(pk=user.pk)


URL = "https://one.registry.example.org/"
OTHER = "https://other.registry.example.org/"


@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_over_its_scopes(role: Role) -> None:
    user = scoped(role, (URL, "@acme/*"))
    is_chief = role == Role.ADMINISTRATOR
    for url, package, inside in (
        (URL, "@acme/ui", True),
        (OTHER, "@acme/ui", False),
        (URL, "left-pad", False),
    ):
        seen = inside or is_chief
        assert may_see(user, url, package) is seen
        assert may_decide(user, url, package) is (seen and role != Role.VIEWER)
        expects = role in {Role.RELEASE_MANAGER, Role.ADMINISTRATOR}
        assert may_set_expectations(user, url, package) is (seen and expects)
    assert may_see_everything(user) is is_chief
    assert may_decide_anything(user) is (role != Role.VIEWER)
    assert may_manage(user) is is_chief


@pytest.mark.parametrize("role", Role)
def test_without_scopes_a_role_reaches_over_everything(role: Role) -> None:
    user = make_user(role=role)
    assert may_see(user, URL, "@acme/ui")
    assert may_see_everything(user)
    assert may_decide(user, URL, "@acme/ui") is (role != Role.VIEWER)


@pytest.mark.parametrize("role", Role)
def test_whoever_is_deactivated_may_nothing(role: Role) -> None:
    user = make_user(role=role, is_active=False)
    make_staged_version()
    assert not may_see(user, URL, "@acme/ui")
    assert not may_see_everything(user)
    assert not may_decide(user, URL, "@acme/ui")
    assert not may_set_expectations(user, URL, "@acme/ui")
    assert not StagedVersion.objects.visible_to(user).exists()
    assert not Package.objects.visible_to(user).exists()
    assert not Registry.objects.visible_to(user).exists()


def test_rows_are_those_that_may_be_seen() -> None:
    one, other = make_registry("one", url=URL), make_registry("other", url=OTHER)
    names = ["@acme/ui", "@acme/core", "@acmee/ui", "left-pad"]
    for registry, name in itertools.product((one, other), names):
        make_staged_version(name, registry=registry)
    for scopes in (
        [(URL, "@acme/*")],
        [("", "@acme/*")],
        [(URL, "*"), (OTHER, "left-pad")],
        [(URL, "left-pad"), ("", "@*/core")],
        [("https://gone.registry.example.org/", "*")],
        [("", "*")],
    ):
        user = scoped(Role.APPROVER, *scopes)
        visible = set(StagedVersion.objects.visible_to(user))
        assert visible == {
            row
            for row in StagedVersion.objects.select_related("package", "registry")
            if may_see(user, row.registry.url, row.package.name)
        }, scopes


def test_registries_are_those_with_something_to_see() -> None:
    one, other = make_registry("one", url=URL), make_registry("other", url=OTHER)
    assert set(Registry.objects.visible_to(scoped(Role.VIEWER, (URL, "x")))) == {one}
    assert set(Registry.objects.visible_to(scoped(Role.VIEWER, ("", "x")))) == {one, other}
    assert set(Registry.objects.visible_to(make_user())) == {one, other}

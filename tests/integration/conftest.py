"""Registries and their users, for every test in this folder."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from approvals.people.models import User as Person
from approvals.queue.models import StagedVersion
from approvals.queue.registries import add_registry
from registry_client.client import RegistryClient
from registry_client.sandbox.server import SandboxRegistry
from tests.integration.dashboard import Dashboard
from tests.integration.npm import why_npm_is_missing
from tests.integration.registries import RegistryUnderTest, Sandbox, Verdaccio
from tests.integration.verdaccio import VerdaccioRegistry, why_verdaccio_is_missing

_numbers = itertools.count(1)


@dataclass(frozen=True)
class User:
    """A registry account with a second factor."""

    name: str
    token: str = field(repr=False)
    registry: RegistryUnderTest

    def code(self, lasting: float = 5.0) -> str:
        """Return a code that was never used; see RegistryUnderTest.code."""
        return self.registry.code(self.name, lasting)

    def wrong_code(self) -> str:
        """Return six digits that are no code of this user."""
        return self.registry.wrong_code(self.name)


@pytest.fixture(scope="session", params=["sandbox", "verdaccio"])
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryUnderTest]:
    """Each registry in turn, running; one per run, so tests use packages and users of their own."""
    missing = why_npm_is_missing()
    if not missing and request.param == "verdaccio":
        missing = why_verdaccio_is_missing()
    if missing:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "verdaccio":
        with VerdaccioRegistry(folder / "data") as verdaccio:
            yield Verdaccio(folder, verdaccio)
    else:
        with SandboxRegistry(folder / "data", otp="single-use") as sandbox:
            yield Sandbox(folder, sandbox)


@pytest.fixture
def maintainer(registry: RegistryUnderTest) -> User:
    """A user of the registry whom no other test uses."""
    return _new_user(registry, "maintainer")


@pytest.fixture
def stranger(registry: RegistryUnderTest) -> User:
    """Another such user, who has nothing to do with the maintainer's packages."""
    return _new_user(registry, "stranger")


@pytest.fixture
def reviewer(registry: RegistryUnderTest) -> User:
    """A third one, who decides what the maintainer stages."""
    return _new_user(registry, "reviewer")


@pytest.fixture
def dashboard(registry: RegistryUnderTest, maintainer: User, transactional_db: None) -> Dashboard:
    """Countersign, reading this registry with the maintainer's token."""
    return Dashboard(
        add_registry(actor=None, name=registry.kind, url=registry.url, read_token=maintainer.token)
    )


@pytest.fixture
def ada(dashboard: Dashboard, reviewer: User) -> Person:
    """The reviewer as a person who signs in to the dashboard."""
    return dashboard.approver(reviewer.name, reviewer.token)


@pytest.fixture
def waiting(
    registry: RegistryUnderTest,
    dashboard: Dashboard,
    maintainer: User,
    reviewer: User,
    package_name: str,
) -> StagedVersion:
    """The first release of a package, staged with the real npm, found and inspected."""
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    registry.let_decide(package_name, reviewer.name)
    return dashboard.found(stage_id)


@pytest.fixture
def client(registry: RegistryUnderTest, maintainer: User) -> Iterator[RegistryClient]:
    """A client with the maintainer's token."""
    with registry.client(maintainer.token) as connected:
        yield connected


@pytest.fixture
def package_name() -> str:
    """A package name no other test uses."""
    return f"package-{next(_numbers)}"


def _new_user(registry: RegistryUnderTest, role: str) -> User:
    name = f"{role}-{next(_numbers)}"
    return User(name, registry.create_user(name), registry)

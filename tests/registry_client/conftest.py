"""A client and a mocked registry for tests that need no network."""

from collections.abc import Iterator

import pytest
import responses

from registry_client.client import RegistryClient
from tests.registry_client.http_server import BASE, TOKEN


@pytest.fixture
def client() -> RegistryClient:
    """A client with a token that waits for nothing."""
    return RegistryClient(BASE + "/", TOKEN, sleep=lambda seconds: None)


@pytest.fixture
def registry() -> Iterator[responses.RequestsMock]:
    """A registry that knows only what a test tells it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock

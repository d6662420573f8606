"""Waiting for a proof that the person makes on the registry's own page."""

import pytest
import responses

from registry_client import errors
from registry_client.client import RegistryClient
from registry_client.proof import Waiting, poll_web_proof
from tests.registry_client.http_server import BASE, TOKEN, Handler, serving

DONE = f"{BASE}/-/v1/done?sessionId=abc"


def test_the_proof_is_awaited_and_then_there(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.get(DONE, status=202, json={}, headers={"retry-after": "5"})
    registry.get(DONE, status=200, json={"token": "proof-token"})
    assert poll_web_proof(client, DONE) == Waiting(5.0)
    assert poll_web_proof(client, DONE) == "proof-token"
    assert registry.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("asked", "waits"), [(None, 2.0), ("0", 1.0), ("0.001", 1.0), ("86400", 60.0), ("soon", 2.0)]
)
def test_the_wait_is_neither_a_rush_nor_a_day(
    client: RegistryClient, registry: responses.RequestsMock, asked: str | None, waits: float
) -> None:
    registry.get(DONE, status=202, headers={"retry-after": asked} if asked else {})
    assert poll_web_proof(client, DONE) == Waiting(waits)


def test_a_rate_limit_means_waiting(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.get(DONE, status=429, headers={"retry-after": "9"})
    assert poll_web_proof(client, DONE) == Waiting(9.0)
    assert len(registry.calls) == 1


def test_the_token_stays_away_from_another_host(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    for url in (
        "https://login.example.org/done",
        "https://registry.example.org:8443/npm/done",
        "https://registry.example.org.evil.example/done",
    ):
        registry.get(url, json={"token": "proof-token"})
        assert poll_web_proof(client, url) == "proof-token"
        assert "Authorization" not in registry.calls[-1].request.headers


@pytest.mark.parametrize(
    "url",
    [
        "http://registry.example.org/npm/done",
        "http://127.0.0.1:9000/done",
        "http://[::1]/done",
        "ftp://registry.example.org/done",
        "file:///etc/passwd",
        "https://user:pass@registry.example.org/",
        "/-/done",
        "",
    ],
)
def test_an_address_that_nobody_should_ask_is_refused(
    client: RegistryClient, registry: responses.RequestsMock, url: str
) -> None:
    with pytest.raises(errors.NotARegistry):
        poll_web_proof(client, url)
    assert len(registry.calls) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_plain_http_is_fine_when_the_registry_is_on_this_machine(host: str) -> None:
    def done(handler: Handler) -> None:
        handler.say(200, {"token": "proof-token"})

    with serving(done) as server, RegistryClient(server.url, TOKEN) as client:
        url = server.url.replace("127.0.0.1", host)
        assert poll_web_proof(client, url + "/done") == "proof-token"


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"token": ""},
        {"token": 5},
        {"token": "a b"},
        {"token": "a\n"},
        {"token": "x" * 5000},
    ],
)
def test_a_proof_that_is_none_is_refused(
    client: RegistryClient, registry: responses.RequestsMock, document: object
) -> None:
    registry.get(DONE, json=document)
    with pytest.raises(errors.NotARegistry):
        poll_web_proof(client, DONE)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, errors.NotAuthorised),
        (404, errors.NotFound),
        (410, errors.RequestRefused),
        (503, errors.RegistryUnavailable),
    ],
)
def test_a_flow_that_is_over_says_so_without_its_address(
    client: RegistryClient,
    registry: responses.RequestsMock,
    status: int,
    error: type[errors.RegistryError],
) -> None:
    registry.get(DONE, status=status, json={"error": "session expired"})
    with pytest.raises(error, match="session expired") as caught:
        poll_web_proof(client, DONE)
    assert "sessionId" not in str(caught.value)
    assert len(registry.calls) == 1

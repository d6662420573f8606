"""Waiting for a proof that the person makes on the registry's own page."""

from urllib.parse import urlsplit

import pytest
import responses

from registry_client import errors
from registry_client.addresses import is_of_site
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


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.example.org:8443/npm/done",
        "https://www.example.org/done",
        "https://example.org/done",
        "https://sign-in.example.net/done",
    ],
)
def test_the_token_stays_away_from_another_origin_of_the_registrys_site(
    registry: responses.RequestsMock, url: str
) -> None:
    registry.get(url, json={"token": "proof-token"})
    with RegistryClient(BASE, TOKEN, proof_hosts=["sign-in.example.net"]) as client:
        assert poll_web_proof(client, url) == "proof-token"
    assert "Authorization" not in registry.calls[-1].request.headers


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.example.org.evil.example/done",
        "https://example.net/done",
        "https://login.example.org/done",
        "https://evil-example.org/done",
        "https://org/done",
        "https://93.184.216.34/done",
    ],
)
def test_nobody_elses_site_is_asked(
    client: RegistryClient, registry: responses.RequestsMock, url: str
) -> None:
    host = url.split("/")[2]
    with pytest.raises(errors.NotARegistry, match=f"It is at {host}.*an administrator can list"):
        poll_web_proof(client, url)
    assert len(registry.calls) == 0


def test_nor_where_the_registry_redirects_to(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    elsewhere = "https://evil.example.net/done"
    registry.get(DONE, status=302, headers={"location": elsewhere})
    with pytest.raises(errors.NotARegistry):
        poll_web_proof(client, DONE)
    assert [call.request.url for call in registry.calls] == [DONE]


@pytest.mark.parametrize(
    ("base", "url", "same"),
    [
        ("https://registry.example.org", "https://www.example.org/", True),
        ("https://a.b.example.co.uk", "https://example.co.uk/", True),
        ("https://a.b.example.co.uk", "https://www.example.co.uk/", True),
        ("https://example.org", "https://www.example.org/", True),
        # Where each customer has a host below one domain, a neighbour is a stranger.
        ("https://acme.example.org", "https://mallory.example.org/", False),
        ("https://acme.example.org", "https://acme.mallory.example.org/", False),
        ("https://example.org", "https://mallory.example.org/", False),
        ("https://a.b.example.org", "https://b.example.org/", False),
        ("https://alice.github.io", "https://github.io/", False),
        ("https://alice.github.io", "https://www.github.io/", False),
        ("https://one.example.co.uk", "https://two.other.co.uk/", False),
        ("https://alice.github.io", "https://mallory.github.io/", False),
        ("https://registry.example.org", "https://REGISTRY.example.org/x", True),
        ("https://192.0.2.7", "https://192.0.2.7:8443/", True),
        ("https://192.0.2.7", "https://3.192.0.2.7/", False),
        ("https://10.0.2.7", "https://11.0.2.7/", False),
        ("https://[2001:db8::1]", "https://[2001:db8::2]/", False),
        ("https://npm", "https://npm/", True),
        ("https://npm", "https://sso/", False),
        ("https://com", "https://example.com/", False),
    ],
)
def test_what_a_site_is(base: str, url: str, same: bool) -> None:
    assert is_of_site(urlsplit(url), urlsplit(base)) is same


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

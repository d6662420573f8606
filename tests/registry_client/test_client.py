"""What a client may be given, and what it asks of a registry."""

from collections.abc import Callable
from typing import Any

import pytest
import responses

from registry_client import errors
from registry_client.client import Attestation, RegistryClient
from tests.registry_client.http_server import BASE, TOKEN


def sent(registry: responses.RequestsMock) -> Any:
    return registry.calls[-1].request


# The client itself


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry.example.org",
        "ftp://registry.example.org",
        "file:///etc/passwd",
        "https://",
        "https:///npm",
        "https://alice:secret@registry.example.org",
        "https://alice@registry.example.org",
        "https://registry.example.org/?x=1",
        "https://registry.example.org/#x",
        "https://registry.example.org/../x",
        "https://registry.example.org:0",
        "https://registry.example.org:65536",
        "https://registry.example.org:x",
        "https://registry.example.org\\@evil.example.org",
        "https://registry.example.org/a b",
        "https://registry.example.org/\r\nx: y",
        "https://[::1",
        "https://registry.example.org/" + "x" * 3000,
    ],
)
def test_an_address_that_can_be_no_registry_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RegistryClient(url)


def test_an_address_keeps_its_path_and_may_be_plain_http() -> None:
    assert RegistryClient("http://10.0.0.5:4873/npm//").base_url == "http://10.0.0.5:4873/npm"


@pytest.mark.parametrize("token", ["a b", "a\r\nx: y", "tökén", "x" * 5000])
def test_a_token_that_can_be_none_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        RegistryClient(BASE, token)
    assert token not in str(caught.value)


def test_the_token_is_in_no_repr(client: RegistryClient) -> None:
    assert TOKEN not in repr(client)
    assert TOKEN not in repr(client.transport)
    assert "registry.example.org" in repr(client)


def test_without_a_token_none_is_sent(registry: responses.RequestsMock) -> None:
    registry.get(f"{BASE}/-/whoami", json={"error": "no"}, status=401)
    with pytest.raises(errors.NotAuthorised):
        RegistryClient(BASE).whoami()
    assert "Authorization" not in sent(registry).headers


def test_whoami(client: RegistryClient, registry: responses.RequestsMock) -> None:
    registry.get(f"{BASE}/-/whoami", json={"username": "alice"})
    assert client.whoami() == "alice"
    assert sent(registry).headers["Authorization"] == f"Bearer {TOKEN}"


# Names and attestations


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("lib", "/lib"),
        ("@acme/lib", "/@acme%2flib"),
        ("JSONStream", "/JSONStream"),
        ("@acme/_x", "/@acme%2f_x"),
        ("a" * 214, "/" + "a" * 214),
    ],
)
def test_names_are_escaped_as_npm_does(
    client: RegistryClient, registry: responses.RequestsMock, name: str, path: str
) -> None:
    registry.get(f"{BASE}{path}", json={"name": name})
    assert client.packument(name).name == name
    assert sent(registry).url.lower() == f"{BASE}{path}".lower()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "@a", "@/b", "@a/", "@a/..", "a b", "a%2fb", "-/\n", "é"]
)
def test_names_that_can_be_none_are_not_asked_for(client: RegistryClient, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: client.packument(name),
        lambda: client.attestations(name, "1.0.0"),
        lambda: client.staged_versions(name),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="package name"):
            call()


def test_attestations(client: RegistryClient, registry: responses.RequestsMock) -> None:
    found = {"predicateType": "https://slsa.dev/provenance/v1", "bundle": {"a": 1}, "other": 1}
    registry.get(f"{BASE}/-/npm/v1/attestations/@acme%2flib@1.5.0", json={"attestations": [found]})
    assert client.attestations("@acme/lib", "1.5.0") == [
        Attestation("https://slsa.dev/provenance/v1", {"a": 1})
    ]


@pytest.mark.parametrize("body", ["", '{"error": "Not found"}', "<html>Cannot GET</html>"])
def test_no_attestations(
    client: RegistryClient, registry: responses.RequestsMock, body: str
) -> None:
    registry.get(f"{BASE}/-/npm/v1/attestations/lib@1.5.0", status=404, body=body)
    assert client.attestations("lib", "1.5.0") == []


def test_a_failure_is_not_taken_for_no_attestations(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.get(f"{BASE}/-/npm/v1/attestations/lib@1.5.0", status=500)
    with pytest.raises(errors.RegistryUnavailable):
        client.attestations("lib", "1.5.0")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"attestations": {}},
        {"attestations": [5]},
        {"attestations": [{"predicateType": 1, "bundle": {}}]},
        {"attestations": [{"predicateType": "x", "bundle": []}]},
        {"attestations": [{"predicateType": "x", "bundle": {}}] * 1000},
    ],
)
def test_attestations_that_are_none_are_refused(
    client: RegistryClient, registry: responses.RequestsMock, document: object
) -> None:
    registry.get(f"{BASE}/-/npm/v1/attestations/lib@1.5.0", json=document)
    with pytest.raises(errors.NotARegistry):
        client.attestations("lib", "1.5.0")

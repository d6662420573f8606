"""Decisions: what is sent, and what every refusal of a registry means."""

import json
import pickle
from typing import Any

import pytest
import responses

from registry_client import errors
from registry_client.client import RegistryClient
from tests.registry_client.http_server import BASE, STAGE_ID, TOKEN

STAGE = f"{BASE}/-/stage"


def sent(registry: responses.RequestsMock) -> Any:
    return registry.calls[-1].request


# Decisions


def test_approving_says_how_it_can_be_asked_for_proof(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=201, json={"message": "Published."})
    assert client.approve(STAGE_ID.upper()) == "Published."
    headers = sent(registry).headers
    assert headers["npm-auth-type"] == "web"
    assert headers["npm-command"] == "stage"
    assert "npm-otp" not in headers
    assert not sent(registry).body


def test_approving_with_a_proof(client: RegistryClient, registry: responses.RequestsMock) -> None:
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=200, json={})
    assert client.approve(STAGE_ID, "123456") == ""
    assert sent(registry).headers["npm-otp"] == "123456"


@pytest.mark.parametrize(("status", "body"), [(204, ""), (200, '{"ok": true}')])
def test_rejecting(
    client: RegistryClient, registry: responses.RequestsMock, status: int, body: str
) -> None:
    registry.delete(f"{STAGE}/{STAGE_ID}", status=status, body=body)
    client.reject(STAGE_ID, "123456")
    headers = sent(registry).headers
    assert (headers["npm-otp"], headers["npm-auth-type"]) == ("123456", "web")


def test_rejecting_with_a_page_for_an_answer_is_lost(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.delete(f"{STAGE}/{STAGE_ID}", status=200, body="<html>hello</html>")
    with pytest.raises(errors.AnswerLost):
        client.reject(STAGE_ID)


@pytest.mark.parametrize("code", ["12 34", "1\r\nx: y", "\uff11\uff12\uff13", "1" * 5000])
def test_a_code_that_can_be_none_is_not_sent(
    client: RegistryClient, registry: responses.RequestsMock, code: str
) -> None:
    with pytest.raises(errors.SecondFactorRefused) as caught:
        client.approve(STAGE_ID, code)
    assert code not in str(caught.value)
    assert len(registry.calls) == 0


ONE_TIME = "You must provide a one-time pass. Upgrade your client to use 2FA."
WEB = {"authUrl": "https://www.example.org/auth/x", "doneUrl": f"{BASE}/-/done?id=x"}

REFUSALS: list[tuple[str, int, dict[str, str], object, str | None, type[errors.RegistryError]]] = [
    ("npm: no code", 401, {"www-authenticate": "OTP"}, {}, None, errors.SecondFactorNeeded),
    (
        "verdaccio: no code",
        401,
        {"www-authenticate": "otp"},
        {"error": ONE_TIME},
        None,
        errors.SecondFactorNeeded,
    ),
    (
        "among other schemes",
        401,
        {"www-authenticate": "Basic, OTP"},
        {},
        None,
        errors.SecondFactorNeeded,
    ),
    ("words alone", 401, {}, {"message": ONE_TIME}, None, errors.SecondFactorNeeded),
    (
        "words under the usual header",
        401,
        {"www-authenticate": "Bearer"},
        {"error": ONE_TIME},
        None,
        errors.SecondFactorNeeded,
    ),
    (
        "verdaccio: wrong, used or locked",
        401,
        {"www-authenticate": "otp"},
        {"error": ONE_TIME},
        "123456",
        errors.SecondFactorRefused,
    ),
    ("wrong code in words", 401, {}, {"error": "Invalid OTP"}, "1", errors.SecondFactorRefused),
    ("web proof refused", 401, {"www-authenticate": "OTP"}, WEB, "t", errors.SecondFactorRefused),
    ("web", 401, {"www-authenticate": "OTP"}, WEB, None, errors.WebSecondFactorNeeded),
    ("web without the header", 401, {}, WEB, None, errors.WebSecondFactorNeeded),
    (
        "revoked",
        401,
        {"www-authenticate": "Bearer"},
        {"error": "bad username/password, access denied"},
        None,
        errors.NotAuthorised,
    ),
    (
        "revoked, code sent",
        401,
        {"www-authenticate": "Bearer"},
        {"error": "bad username/password, access denied"},
        "123456",
        errors.NotAuthorised,
    ),
    ("address", 401, {"www-authenticate": "ipaddress"}, {}, None, errors.NotAuthorised),
    ("nothing said", 401, {}, None, None, errors.NotAuthorised),
    (
        "verdaccio: the password behind the token was changed",
        403,
        {},
        {"error": "bad username/password, access denied"},
        "123456",
        errors.NotAuthorised,
    ),
    ("forbidden", 403, {}, {"error": "unauthorized access"}, None, errors.Forbidden),
    (
        "npm: published, as 403",
        403,
        {},
        {"error": "You cannot publish over the previously published versions: 1.5.0."},
        None,
        errors.AlreadyPublished,
    ),
    ("gone", 404, {}, {"error": "no such staged package version"}, None, errors.NotFound),
    ("gone, as text", 404, {}, "Not Found", None, errors.NotFound),
    ("gone, silently", 404, {}, None, None, errors.NotFound),
    (
        "npm: staged",
        409,
        {},
        {"message": "Cannot publish over previously staged version"},
        None,
        errors.AlreadyStaged,
    ),
    (
        "verdaccio: staged",
        409,
        {},
        {"error": "@acme/lib@1.5.0 is already staged"},
        None,
        errors.AlreadyStaged,
    ),
    (
        "verdaccio: published",
        409,
        {},
        {"error": "this package is already present"},
        None,
        errors.AlreadyPublished,
    ),
    ("other conflict", 409, {}, {"error": "try again"}, None, errors.Conflict),
    ("too many", 429, {}, {"message": "slow down"}, None, errors.RateLimited),
    ("bad request", 400, {}, {"error": "bad"}, None, errors.RequestRefused),
    ("teapot", 418, {}, {"error": "short and stout"}, None, errors.RequestRefused),
    ("nonsense status", 304, {}, None, None, errors.AnswerLost),
]


@pytest.mark.parametrize(
    "case", [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_a_refused_approval_says_what_to_do(
    client: RegistryClient,
    registry: responses.RequestsMock,
    case: tuple[int, dict[str, str], object, str | None, type[errors.RegistryError]],
) -> None:
    status, headers, body, proof, expected = case
    text = "" if body is None else json.dumps(body)
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=status, body=text, headers=headers)
    with pytest.raises(errors.RegistryError) as caught:
        client.approve(STAGE_ID, proof)
    error = caught.value
    assert type(error) is expected
    assert error.status == status
    if isinstance(body, dict) and body is not WEB:
        words = next(iter(body.values()), "")
        assert error.words == words
        assert words in str(error)
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__  # noqa: S301 # its own


def test_the_web_flow_carries_its_addresses_but_does_not_show_them(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    said = {"message": f"Prove that it is you at {WEB['authUrl']}."}
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=401, json={**WEB, **said})
    with pytest.raises(errors.SecondFactorNeeded) as caught:
        client.approve(STAGE_ID)
    error = caught.value
    assert isinstance(error, errors.WebSecondFactorNeeded)
    assert (error.auth_url, error.done_url) == (WEB["authUrl"], WEB["doneUrl"])
    assert error.words == "Prove that it is you at [address]."
    for address in WEB.values():
        assert address not in f"{error} {error!r}"


@pytest.mark.parametrize(
    "change",
    [
        {"authUrl": "javascript:alert(1)"},
        {"authUrl": "http://www.example.org/auth"},
        {"doneUrl": "http://169.254.169.254/latest"},
        {"doneUrl": "http://127.0.0.1:6379/"},
        {"doneUrl": "http://registry.example.org/npm/-/done"},
        {"doneUrl": "https://user:pass@www.example.org/"},
        {"authUrl": "data:text/html,x"},
        {"authUrl": ""},
        {"authUrl": "https://www.example.net/auth"},
        {"doneUrl": "https://example.org.evil.example/done"},
    ],
)
def test_a_web_flow_at_an_address_nobody_should_open_is_refused(
    client: RegistryClient, registry: responses.RequestsMock, change: dict[str, str]
) -> None:
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=401, json={**WEB, **change})
    with pytest.raises(errors.NotARegistry):
        client.approve(STAGE_ID)


def test_a_refused_host_of_the_web_flow_is_named_with_what_to_do(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    asked = {**WEB, "authUrl": "https://www.example.net/auth/secret"}
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=401, json=asked)
    with pytest.raises(errors.NotARegistry) as caught:
        client.approve(STAGE_ID)
    assert "It is at www.example.net, which is not the registry's own site." in str(caught.value)
    assert "an administrator can list it" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_host_that_an_administrator_listed_may_ask(registry: responses.RequestsMock) -> None:
    asked = {**WEB, "authUrl": "https://www.example.net/auth"}
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=401, json=asked)
    with (
        RegistryClient(BASE, TOKEN, proof_hosts=["www.example.net"]) as client,
        pytest.raises(errors.WebSecondFactorNeeded) as caught,
    ):
        client.approve(STAGE_ID)
    assert caught.value.auth_url == asked["authUrl"]


LISTED = {"token": TOKEN[:8], "key": "k", "bypass_2fa": True}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, {"objects": [{"token": "npm_other", "bypass_2fa": False}, LISTED]}, True),
        (200, {"objects": [{**LISTED, "bypass_2fa": False}]}, False),
        (200, {"objects": [{**LISTED, "bypass_2fa": "yes"}]}, None),
        (200, {"objects": [{"token": TOKEN[:8]}]}, None),
        (200, {"objects": [LISTED, LISTED]}, None),
        (200, {"objects": [{**LISTED, "token": ""}, {**LISTED, "token": "npm"}]}, None),
        (200, {"objects": [None, 1, {"token": 5}]}, None),
        (200, {"objects": 1}, None),
        (200, [], None),
        (401, {}, None),
        (404, {}, None),
        (503, {}, None),
    ],
)
def test_whether_a_token_needs_no_second_factor_is_said_by_few(
    client: RegistryClient,
    registry: responses.RequestsMock,
    status: int,
    body: object,
    says: bool | None,
) -> None:
    registry.get(f"{BASE}/-/npm/v1/tokens", status=status, json=body)
    assert client.bypasses_second_factor() is says
    assert len(registry.calls) == 1


@pytest.mark.parametrize("status", [404, 409])
def test_a_web_page_says_nothing_about_a_version(
    client: RegistryClient, registry: responses.RequestsMock, status: int
) -> None:
    """A proxy that has lost its registry must not make versions vanish."""
    page = "<html><h1>No such site</h1></html>"
    registry.get(f"{STAGE}/{STAGE_ID}", status=status, body=page, content_type="text/html")
    with pytest.raises(errors.NotARegistry):
        client.staged_version(STAGE_ID)


def test_words_are_bounded_clean_and_free_of_secrets(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    words = f"\x1b[31mno\u202e {TOKEN}\r\nwith 123456 " + "x" * 10_000
    registry.post(f"{STAGE}/{STAGE_ID}/approve", status=403, json={"message": words})
    with pytest.raises(errors.Forbidden) as caught:
        client.approve(STAGE_ID, "123456")
    said = caught.value.words
    assert said.startswith("[31mno [secret] with [secret] xxx")
    assert len(said) <= 500
    for secret in (TOKEN, "123456"):
        assert secret not in f"{caught.value} {caught.value!r}"


def test_a_rate_limit_says_how_long(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.delete(f"{STAGE}/{STAGE_ID}", status=429, headers={"retry-after": "90"})
    with pytest.raises(errors.RateLimited) as caught:
        client.reject(STAGE_ID)
    assert caught.value.retry_after == 90

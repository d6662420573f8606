"""Passkeys: what a genuine one signs is taken, and whatever else a browser sends is refused."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import transaction
from pytest_django import Settings

from approvals.audit.models import AuditEvent
from approvals.people import factors, passkeys
from approvals.people.models import Passkey, User
from approvals.people.passkeys import PasskeyRefused
from tests.approvals.at_once import at_once
from tests.approvals.codes import enrol_passkey
from tests.approvals.factories import make_user
from tests.webauthn import SoftAuthenticator, decoded, encoded

pytestmark = pytest.mark.django_db


def new_challenge() -> str:
    return secrets.token_hex(32)


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def key(ana: User) -> SoftAuthenticator:
    """Ana's, with one passkey."""
    return enrol_passkey(ana, "Laptop")


def sign(user: User, key: SoftAuthenticator, challenge: str) -> str:
    return key.get(passkeys.options(user, challenge))


def register(user: User, key: SoftAuthenticator, name: str = "Phone") -> Authenticator:
    challenge = new_challenge()
    made = key.create(passkeys.registration_options(user, challenge))
    with transaction.atomic():
        return passkeys.register(user, challenge, made, name)


# ---------- what is asked for


def test_a_new_passkey_must_be_found_without_a_name_and_be_unlocked(ana: User) -> None:
    options = passkeys.registration_options(ana, new_challenge())
    wanted = options["authenticatorSelection"]
    assert (wanted["residentKey"], wanted["userVerification"]) == ("required", "required")
    assert options["rp"] == {"id": "localhost", "name": "Countersign"}
    assert {one["alg"] for one in options["pubKeyCredParams"]} == {-7, -8, -257}
    json.dumps(options)


def test_the_browser_is_told_which_passkeys_there_are(ana: User, key: SoftAuthenticator) -> None:
    mine = [encoded(one.id) for one in key.credentials]
    for options, name in (
        (passkeys.options(ana, new_challenge()), "allowCredentials"),
        (passkeys.registration_options(ana, new_challenge()), "excludeCredentials"),
    ):
        assert [one["id"] for one in options[name]] == mine
    assert passkeys.options(ana, new_challenge())["userVerification"] == "required"


def test_signing_in_names_nobody(ana: User, key: SoftAuthenticator) -> None:
    options = passkeys.sign_in_options(new_challenge())
    assert not options.get("allowCredentials")
    assert options["userVerification"] == "required"


# ---------- what is taken


def test_a_passkey_proves_presence(ana: User, key: SoftAuthenticator) -> None:
    challenge = new_challenge()
    assert factors.check_passkey(ana, challenge, sign(ana, key, challenge)) == "passkey"
    (factor,) = factors.factors_of(ana)
    assert (factor.kind, factor.name) == ("passkey", "Laptop")
    assert factor.last_used_at is not None


def test_each_of_several_passkeys_does(ana: User, key: SoftAuthenticator) -> None:
    phone = enrol_passkey(ana, "Phone")
    for one in (key, phone, key):
        challenge = new_challenge()
        passkeys.check(ana, challenge, sign(ana, one, challenge))
    assert [one.name for one in factors.factors_of(ana)] == ["Laptop", "Phone"]


def test_a_passkey_says_whose_it_is(ana: User, key: SoftAuthenticator) -> None:
    enrol_passkey(make_user("ben"))
    challenge = new_challenge()
    assert passkeys.who_signed(challenge, key.get(passkeys.sign_in_options(challenge))) == ana


def test_passkeys_that_do_not_count_go_on_working(ana: User) -> None:
    key = SoftAuthenticator(counts=False)
    register(ana, key)
    for _ in range(2):
        challenge = new_challenge()
        passkeys.check(ana, challenge, sign(ana, key, challenge))


# ---------- what is not


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://localhost:8001"},
        {"origin": "https://localhost:8000"},
        {"origin": "http://evil.localhost:8000"},
        {"origin": "http://localhost:8000.evil.example"},
        {"origin": ""},
        {"rp_id": "evil.example"},
        {"user_present": False},
        {"user_verified": False},
        {"cross_origin": True},
        {"challenge": encoded(bytes(32))},
        {"challenge": ""},
    ],
    ids=lambda change: "-".join(f"{name} {value}" for name, value in change.items()),
)
def test_what_was_not_signed_here_by_a_person_for_this_is_refused(
    ana: User, key: SoftAuthenticator, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(key, name, value)
    challenge = new_challenge()
    asked = challenge if change != {"challenge": ""} else new_challenge()
    assertion = key.get(passkeys.options(ana, asked))
    with pytest.raises(PasskeyRefused, match="not accepted"):
        passkeys.check(ana, challenge, assertion)
    with pytest.raises(PasskeyRefused, match="not accepted"):
        passkeys.who_signed(challenge, assertion)
    assert AuditEvent.objects.filter(kind="passkey.refused").exists() != ("cross_origin" in change)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://localhost:8001"},
        {"rp_id": "evil.example"},
        {"user_present": False},
        {"user_verified": False},
        {"cross_origin": True},
        {"challenge": encoded(bytes(32))},
    ],
    ids=lambda change: "-".join(f"{name} {value}" for name, value in change.items()),
)
def test_what_was_not_made_here_for_this_person_is_no_passkey(
    ana: User, change: dict[str, Any]
) -> None:
    with pytest.raises(PasskeyRefused, match="not accepted"):
        register(ana, SoftAuthenticator(**change))
    assert not factors.has_factor(ana)


def test_one_persons_passkey_proves_nothing_of_another(ana: User, key: SoftAuthenticator) -> None:
    ben = make_user("ben")
    enrol_passkey(ben)
    challenge = new_challenge()
    assertion = key.get(passkeys.options(ana, challenge))
    with pytest.raises(PasskeyRefused):
        passkeys.check(ben, challenge, assertion)
    # Nor with a handle that says it were Ben's.
    key.credentials[0].user_handle = str(ben.pk).encode()
    for check in (passkeys.check, lambda _, *more: passkeys.who_signed(*more)):
        with pytest.raises(PasskeyRefused):
            check(ben, challenge, key.get(passkeys.sign_in_options(challenge)))


def test_a_passkey_that_counts_backwards_was_copied(ana: User, key: SoftAuthenticator) -> None:
    challenge = new_challenge()
    passkeys.check(ana, challenge, sign(ana, key, challenge))
    key.credentials[0].sign_count -= 1
    challenge = new_challenge()
    with pytest.raises(PasskeyRefused, match="counted backwards"):
        passkeys.check(ana, challenge, sign(ana, key, challenge))
    key.counts = False
    key.credentials[0].sign_count = 0
    with pytest.raises(PasskeyRefused, match="counted backwards"):
        passkeys.check(ana, challenge, sign(ana, key, challenge))
    assert AuditEvent.objects.filter(kind="passkey.refused").count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_assertion_of_one_that_counts_is_taken_once(ana: User, key: SoftAuthenticator) -> None:
    challenge = new_challenge()
    assertion = sign(ana, key, challenge)
    outcomes = at_once(*[lambda: passkeys.check(ana, challenge, assertion)] * 3)
    assert outcomes.count(None) == 1
    assert [type(one) for one in outcomes if one is not None] == [PasskeyRefused] * 2


def test_a_deactivated_person_proves_nothing(ana: User, key: SoftAuthenticator) -> None:
    User.objects.filter(pk=ana.pk).update(is_active=False)
    challenge = new_challenge()
    with pytest.raises(PasskeyRefused, match="deactivated"):
        passkeys.check(ana, challenge, sign(ana, key, challenge))


def test_the_same_passkey_is_not_added_twice(ana: User) -> None:
    ben = make_user("ben")
    challenge = new_challenge()
    made = SoftAuthenticator().create(passkeys.registration_options(ana, challenge))
    passkeys.register(ana, challenge, made, "Laptop")
    for person in (ana, ben):
        with pytest.raises(PasskeyRefused, match="added before"):
            passkeys.register(person, challenge, made, "Again")


def test_a_passkey_that_its_device_does_not_keep_is_refused(ana: User) -> None:
    challenge = new_challenge()
    made = json.loads(SoftAuthenticator().create(passkeys.registration_options(ana, challenge)))
    made["clientExtensionResults"]["credProps"]["rk"] = False
    with pytest.raises(PasskeyRefused, match="does not keep passkeys"):
        passkeys.register(ana, challenge, json.dumps(made), "Old key")


# ---------- hostile texts


def _with(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(sent: dict[str, Any]) -> object:
        *outer, last = path.split(".")
        place = sent
        for name in outer:
            place = place[name]
        place[last] = value
        return sent

    return change


_NO_ANSWER = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "an empty object": "{}",
    "deep": "[" * 8000,
    "deep objects": '{"a":' * 2700,
    "not a number": '{"id": NaN}',
    "long": "{" + " " * 20_000 + "}",
    "a lone surrogate": '{"id": "\\ud800", "rawId": "\\ud800", "response": {}}',
    "a null character": '{"id": "\\u0000", "rawId": "\\u0000", "response": {"clientDataJSON": ""}}',
}
_WRONG_PARTS: list[tuple[str, object]] = [
    (path, value)
    for path in (
        "id",
        "rawId",
        "type",
        "response",
        "response.clientDataJSON",
        "response.authenticatorData",
        "response.signature",
        "response.userHandle",
        "response.attestationObject",
        "clientExtensionResults",
    )
    for value in (None, "", "é", 7, [], {}, [{}], {"a": {"a": 1}}, "AAAA", encoded(b"[]"), True)
]


@pytest.mark.parametrize("text", _NO_ANSWER.values(), ids=_NO_ANSWER.keys())
def test_what_is_no_answer_is_refused(ana: User, key: SoftAuthenticator, text: str) -> None:
    challenge = new_challenge()
    with pytest.raises(PasskeyRefused):
        passkeys.check(ana, challenge, text)
    with pytest.raises(PasskeyRefused):
        passkeys.who_signed(challenge, text)
    with pytest.raises(PasskeyRefused):
        passkeys.register(ana, challenge, text, "x")


def test_an_answer_with_a_part_of_another_kind_is_refused_or_harmless(
    ana: User, key: SoftAuthenticator
) -> None:
    """Many in one test: each is a line of a table, and none may be an error of another kind."""
    harmless = {"id", "type", "clientExtensionResults", "response.attestationObject"}
    for path, value in _WRONG_PARTS:
        challenge = new_challenge()
        sent = json.loads(sign(ana, key, challenge))
        text = json.dumps(_with(path, value)(sent))
        if path in harmless or (path == "response.userHandle" and value is None):
            # Not what is checked: taken or refused, but never an error.
            try:
                passkeys.check(ana, challenge, text)
            except PasskeyRefused:
                continue
        else:
            with pytest.raises(PasskeyRefused):
                passkeys.check(ana, challenge, text)
            with pytest.raises(PasskeyRefused):
                passkeys.who_signed(challenge, text)


def test_a_new_passkey_with_a_part_of_another_kind_is_refused_or_harmless(ana: User) -> None:
    needed = {"rawId", "response", "response.clientDataJSON", "response.attestationObject"}
    for path, value in _WRONG_PARTS:
        challenge = new_challenge()
        made = json.loads(SoftAuthenticator().create(passkeys.registration_options(ana, challenge)))
        text = json.dumps(_with(path, value)(made))
        try:
            with transaction.atomic():
                passkeys.register(ana, challenge, text, "x")
        except PasskeyRefused:
            continue
        assert path not in needed, (path, value)


@pytest.mark.parametrize("length", [0, 1, 36, 37, 54, 55, 60, 100])
def test_cut_or_garbled_authenticator_data_is_refused(
    ana: User, key: SoftAuthenticator, length: int
) -> None:
    challenge = new_challenge()
    sent = json.loads(sign(ana, key, challenge))
    whole = decoded(sent["response"]["authenticatorData"])
    for data in (whole[:length], whole + bytes(length + 1), b"\xff" * length):
        sent["response"]["authenticatorData"] = encoded(data)
        if data == whole:
            continue
        with pytest.raises(PasskeyRefused):
            passkeys.check(ana, challenge, json.dumps(sent))


def test_another_signature_is_refused(ana: User, key: SoftAuthenticator) -> None:
    challenge = new_challenge()
    other = SoftAuthenticator()
    other.create(passkeys.registration_options(ana, challenge))
    stolen = other.credentials[0]
    # An attacker's key under the id of Ana's.
    stolen.id = key.credentials[0].id
    with pytest.raises(PasskeyRefused):
        passkeys.check(ana, challenge, other.get({"challenge": challenge}, credential=stolen))


# ---------- whoever has the database


def test_a_row_written_into_allauths_table_lets_nobody_in(ana: User) -> None:
    attacker = SoftAuthenticator()
    challenge = new_challenge()
    made = json.loads(attacker.create(passkeys.registration_options(ana, challenge)))
    Authenticator.objects.create(
        user=ana, type="webauthn", data={"name": "Planted", "credential": made}
    )
    assert not factors.has_factor(ana)
    with pytest.raises(PasskeyRefused):
        passkeys.who_signed(challenge, attacker.get(passkeys.sign_in_options(challenge)))


def test_a_passkey_moved_to_another_person_is_worth_nothing(
    ana: User, key: SoftAuthenticator
) -> None:
    ben = make_user("ben")
    Authenticator.objects.update(user=ben)
    key.credentials[0].user_handle = str(ben.pk).encode()
    challenge = new_challenge()
    with pytest.raises(PasskeyRefused):
        passkeys.who_signed(challenge, key.get(passkeys.sign_in_options(challenge)))


def test_a_key_swapped_in_the_row_is_worth_nothing(ana: User, key: SoftAuthenticator) -> None:
    attacker = SoftAuthenticator()
    challenge = new_challenge()
    made = json.loads(attacker.create(passkeys.registration_options(ana, challenge)))
    row = Authenticator.objects.get(user=ana)
    row.data["credential"]["response"]["attestationObject"] = made["response"]["attestationObject"]
    row.save()
    with pytest.raises(PasskeyRefused):
        passkeys.who_signed(challenge, attacker.get(passkeys.sign_in_options(challenge)))
    assert passkeys.options(ana, challenge).get("allowCredentials", []) == []


def test_broken_rows_do_not_stand_in_the_way_of_the_others(
    ana: User, key: SoftAuthenticator
) -> None:
    for number, data in enumerate(({}, {"name": "x"}, {"credential": None}, [], "text", 7)):
        row = Authenticator.objects.create(user=ana, type="webauthn", data=data)
        Passkey.objects.create(authenticator=row, sealed_digest=f"nonsense {number}")
    challenge = new_challenge()
    passkeys.check(ana, challenge, sign(ana, key, challenge))
    assert len(factors.factors_of(ana)) == 7


# ---------- where they work


@pytest.mark.parametrize(
    ("address", "work"),
    [
        ("http://localhost:8000", True),
        ("https://sign.example.org", True),
        ("http://127.0.0.1:8000", False),
        ("https://[::1]:8000", False),
        ("https://10.0.0.7", False),
    ],
)
def test_browsers_allow_passkeys_at_names_only(
    ana: User, settings: Settings, address: str, work: bool
) -> None:
    settings.PASSKEY_ORIGIN = address
    assert factors.passkeys_work_here() is work
    if not work:
        for doing in (passkeys.options, passkeys.registration_options):
            with pytest.raises(PasskeyRefused, match="under a host name"):
                doing(ana, new_challenge())
        with pytest.raises(PasskeyRefused, match="under a host name"):
            passkeys.who_signed(new_challenge(), "{}")


@pytest.mark.parametrize(
    ("configured", "as_browsers_say"),
    [
        ("https://Sign.Example.ORG:443", "https://sign.example.org"),
        ("https://sign.example.org:8443", "https://sign.example.org:8443"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
    ],
    ids=["capitals and a port that is understood", "another port", "other letters"],
)
def test_the_address_may_be_spelled_otherwise_than_browsers_do(
    ana: User, settings: Settings, configured: str, as_browsers_say: str
) -> None:
    settings.PASSKEY_ORIGIN = configured
    key = SoftAuthenticator(origin=as_browsers_say)
    register(ana, key)
    challenge = new_challenge()
    passkeys.check(ana, challenge, sign(ana, key, challenge))
    key.origin = "https://elsewhere.example.org"
    with pytest.raises(PasskeyRefused):
        passkeys.check(ana, challenge, sign(ana, key, challenge))


def test_the_host_header_decides_nothing(ana: User, settings: Settings) -> None:
    settings.PASSKEY_ORIGIN = "https://sign.example.org"
    options = passkeys.registration_options(ana, new_challenge())
    assert options["rp"]["id"] == "sign.example.org"

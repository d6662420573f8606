"""Passkeys: allauth keeps them, fido2 checks what they sign, and a seal says whose they are.

Challenges are the caller's: random, written down with what they are for, and used once.
Whatever comes from a browser is hostile until fido2 and the checks here have passed it.
"""

import hashlib
import ipaddress
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from allauth.account.utils import url_str_to_user_pk
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from approvals.audit.record import record
from approvals.people.mfa import origin, relying_party_id
from approvals.people.models import Passkey, User
from approvals.people.refusals import FactorRefused
from approvals.people.turnstile import turnstile
from approvals.sealing import SealBroken, seal, unseal

MAX_JSON_LENGTH = 16 * 1024
MAX_CREDENTIAL_ID_LENGTH = 1023  # what WebAuthn allows
# ES256, EdDSA, RS256: what authenticators in use sign with. No SHA-1 (-65535).
ALGORITHMS = (-7, -8, -257)
NOT_ACCEPTED = (
    "This passkey was not accepted. Use one that you added here yourself, at this address, and "
    "unlock it with its PIN, fingerprint or face."
)
NOT_HERE = (
    "Passkeys do not work at this address, as browsers refuse them where it is a number. "
    "Open the dashboard under a host name, or use an authenticator app."
)
COUNTED_BACKWARDS = (
    "This passkey counted backwards, which happens when somebody has copied it. Remove it, and "
    "use another second factor."
)
DEACTIVATED = "This account was deactivated. Ask an administrator."

_Parsed = TypeVar("_Parsed")


class PasskeyRefused(FactorRefused):
    """What the browser sent proves nothing, or is no new passkey; the text says what to do."""


def available() -> bool:
    """Whether browsers allow passkeys at this dashboard's address, which must not be a number."""
    host = relying_party_id()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host)
    return False


def passkeys_of(user: AbstractBaseUser) -> list[Authenticator]:
    """This person's passkeys, oldest first."""
    return list(_all().filter(user_id=user.pk).order_by("pk"))


def has_passkey(user: AbstractBaseUser) -> bool:
    return bool(_all().filter(user_id=user.pk).exists())


def people_with_passkeys() -> set[int]:
    return set(_all().values_list("user_id", flat=True))


# ---------- asking


def options(user: AbstractBaseUser, challenge: str) -> dict[str, Any]:
    """What navigator.credentials.get is given so that one of this person's passkeys answers."""
    return _request_options([_credential(one) for one in _genuine(user)], challenge)


def sign_in_options(challenge: str) -> dict[str, Any]:
    """The same for whoever comes: the passkey says whose it is."""
    return _request_options(None, challenge)


def registration_options(user: AbstractBaseUser, challenge: str) -> dict[str, Any]:
    """What navigator.credentials.create is given to make a new passkey of this person's."""
    _must_be_available()
    creation, _ = _server().register_begin(
        user=PublicKeyCredentialUserEntity(
            **get_adapter().get_public_key_credential_user_entity(user)
        ),
        credentials=[_credential(one) for one in _genuine(user)],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=bytes.fromhex(challenge),
        extensions={"credProps": True},
    )
    return _as_json(creation["publicKey"])


# ---------- checking


def check(user: AbstractBaseUser, challenge: str, assertion: str) -> None:
    """Takes an assertion over `challenge` as proof that this person is here now.

    Commits what was counted before it raises PasskeyRefused: call it outside a transaction.
    """
    _check(user, challenge, _assertion(assertion))


def must_be_assertion(text: str) -> None:
    """Raises PasskeyRefused for what no browser sends."""
    _assertion(text)


def who_signed(challenge: str, assertion: str) -> User:
    """Whose passkey signed `challenge`. Raises PasskeyRefused, in the same words for whatever."""
    answer = _assertion(assertion)
    user = _named_by(answer.response.user_handle)
    if user is None:
        raise PasskeyRefused(NOT_ACCEPTED)
    _check(user, challenge, answer)
    return user


def _check(user: AbstractBaseUser, challenge: str, answer: AuthenticationResponse) -> None:
    with transaction.atomic(durable=True):
        person = turnstile(user)
        refusal = _refusal(person, challenge, answer)
        if refusal:
            record("passkey.refused", actor=person, subject=person, why=refusal)
    if refusal:
        raise PasskeyRefused(refusal)


def _refusal(person: User, challenge: str, answer: AuthenticationResponse) -> str:
    """Why the assertion proves nothing, or nothing if it does; then the use is written down."""
    if not person.is_active:
        return DEACTIVATED
    handle = answer.response.user_handle
    if handle is not None and handle != _handle_of(person):
        return NOT_ACCEPTED
    # Locked with the person, so that an assertion is counted once.
    found = next((one for one in _genuine(person) if _id_of(one) == answer.raw_id), None)
    if found is None:
        return NOT_ACCEPTED
    try:
        _guarded(
            partial(
                _server().authenticate_complete, _state(challenge), [_credential(found)], answer
            )
        )
    except PasskeyRefused as error:
        return str(error)
    passkey: Passkey = found.passkey
    counted = answer.response.authenticator_data.counter
    # Zero on both sides: this kind of authenticator never counts.
    if (counted or passkey.sign_count) and counted <= passkey.sign_count:
        return COUNTED_BACKWARDS
    Passkey.objects.filter(pk=passkey.pk).update(sign_count=counted)
    Authenticator.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
    return ""


# ---------- keeping


def register(user: User, challenge: str, credential: str, name: str) -> Authenticator:
    """Keeps the new passkey that signed `challenge`, in the caller's transaction.

    Whether it may be added is decided before, in enrolment.py. Raises PasskeyRefused.
    """
    _must_be_available()
    answer = _guarded(lambda: RegistrationResponse.from_dict(_parsed(credential)))
    _same_origin(answer.response.client_data.cross_origin)
    auth_data = _guarded(partial(_server().register_complete, _state(challenge), answer))
    data = auth_data.credential_data
    if data is None or answer.raw_id != data.credential_id:
        raise PasskeyRefused(NOT_ACCEPTED)
    if not 0 < len(data.credential_id) <= MAX_CREDENTIAL_ID_LENGTH:
        raise PasskeyRefused(NOT_ACCEPTED)
    if data.public_key.get(3) not in ALGORITHMS:
        raise PasskeyRefused(
            "This passkey signs in a way that is not accepted here. Use another device."
        )
    if _says_not_resident(answer.client_extension_results):
        raise PasskeyRefused(
            "This device does not keep passkeys by itself. Use another one: a phone, a computer, "
            "or a security key with a PIN."
        )
    raw_id = websafe_encode(data.credential_id)
    if _all().filter(data__credential__rawId=raw_id).exists():
        raise PasskeyRefused("This passkey was added before.")
    # Only what is needed to check it again, in one spelling.
    kept = {
        "id": raw_id,
        "rawId": raw_id,
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(answer.response.client_data),
            "attestationObject": websafe_encode(answer.response.attestation_object),
        },
        "clientExtensionResults": {"credProps": {"rk": True}},
    }
    authenticator = Authenticator.objects.create(
        user=user,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": name, "credential": kept},
    )
    Passkey.objects.create(
        authenticator=authenticator,
        sealed_digest=seal(_digest(data), bound_to=_bound_to(user.pk)),
        sign_count=auth_data.counter,
    )
    return authenticator


def name_of(authenticator: Authenticator) -> str:
    name = authenticator.data.get("name") if isinstance(authenticator.data, dict) else None
    return str(name or "passkey")


def rename(pk: int, name: str) -> None:
    authenticator = _all().get(pk=pk)
    authenticator.data["name"] = name
    authenticator.save(update_fields=["data"])


def remove(pk: int) -> None:
    _all().filter(pk=pk).delete()


# ---------- inside


def _all() -> Any:
    return Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN, passkey__isnull=False)


def _genuine(user: AbstractBaseUser) -> list[Authenticator]:
    """Those that were added through this program, which holds the sealing keys."""
    rows = _all().filter(user_id=user.pk).select_related("passkey").order_by("pk")
    return [one for one in rows if _is_genuine(one)]


def _is_genuine(authenticator: Authenticator) -> bool:
    try:
        digest = unseal(
            authenticator.passkey.sealed_digest, bound_to=_bound_to(authenticator.user_id)
        )
        return digest == _digest(_credential(authenticator))
    except (SealBroken, PasskeyRefused):
        return False


def _credential(authenticator: Authenticator) -> AttestedCredentialData:
    """The key that is kept. Raises PasskeyRefused if the row is not what was written once."""

    def read() -> AttestedCredentialData:
        answer = RegistrationResponse.from_dict(authenticator.data["credential"])
        data: AttestedCredentialData | None = (
            answer.response.attestation_object.auth_data.credential_data
        )
        if data is None:
            raise ValueError("no credential")
        return data

    return _guarded(read)


def _id_of(authenticator: Authenticator) -> bytes:
    credential_id: bytes = _credential(authenticator).credential_id
    return credential_id


def _digest(data: AttestedCredentialData) -> str:
    return hashlib.sha256(bytes(data)).hexdigest()


def _bound_to(user_pk: int) -> str:
    return f"passkey of {user_pk}"


def _handle_of(user: AbstractBaseUser) -> bytes:
    handle: bytes = get_adapter().get_public_key_credential_user_entity(user)["id"]
    return handle


def _named_by(handle: bytes | None) -> User | None:
    def find() -> User | None:
        pk = url_str_to_user_pk((handle or b"").decode())
        return User.objects.filter(pk=pk).first()

    try:
        return _guarded(find)
    except PasskeyRefused:
        return None


def _must_be_available() -> None:
    if not available():
        raise PasskeyRefused(NOT_HERE)


def _server() -> Fido2Server:
    entity = get_adapter().get_public_key_credential_rp_entity()
    server = Fido2Server(
        PublicKeyCredentialRpEntity(**entity),
        # The very address, not whatever ends in its host.
        verify_origin=lambda said: said == origin(),
    )
    server.timeout = settings.STEP_UP_SECONDS * 1000  # type: ignore[assignment] # fido2 annotates it as None alone
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=algorithm)
        for algorithm in ALGORITHMS
    ]
    return server


def _state(challenge: str) -> dict[str, Any]:
    """What fido2 compares the answer with; always our own, never the session's."""
    return {
        "challenge": websafe_encode(bytes.fromhex(challenge)),
        "user_verification": UserVerificationRequirement.REQUIRED,
    }


def _request_options(
    credentials: list[AttestedCredentialData] | None, challenge: str
) -> dict[str, Any]:
    _must_be_available()
    request, _ = _server().authenticate_begin(
        credentials=credentials,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=bytes.fromhex(challenge),
    )
    return _as_json(request["publicKey"])


def _as_json(mapping: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(mapping)))
    return plain


def _assertion(text: str) -> AuthenticationResponse:
    _must_be_available()
    answer: AuthenticationResponse = _guarded(
        lambda: AuthenticationResponse.from_dict(_parsed(text))
    )
    _same_origin(answer.response.client_data.cross_origin)
    return answer


def _same_origin(cross_origin: object) -> None:
    # Inside another site's frame, the person does not see what they sign.
    if cross_origin is not False:
        raise PasskeyRefused(NOT_ACCEPTED)


def _says_not_resident(extensions: object) -> bool:
    properties = extensions.get("credProps") if isinstance(extensions, Mapping) else None
    return isinstance(properties, Mapping) and properties.get("rk") is False


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > MAX_JSON_LENGTH:
        raise ValueError("too long")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def _guarded(parse: Callable[[], _Parsed]) -> _Parsed:
    """What `parse` returns; PasskeyRefused for whatever else a hostile text makes of it."""
    try:
        return parse()
    except PasskeyRefused:
        raise
    except Exception as error:
        # JSON, CBOR and keys from outside go through three libraries, each with errors of its own.
        raise PasskeyRefused(NOT_ACCEPTED) from error

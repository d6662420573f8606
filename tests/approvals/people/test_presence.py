"""A proof of presence is good for one purpose, in one session, once, for two minutes."""

import secrets
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.people import enrolment, factors, presence, recovery_codes
from approvals.people.models import Confirmation, Role, User
from approvals.people.presence import PresenceRefused
from tests.approvals.at_once import at_once
from tests.approvals.codes import code_now, enrol, enrol_passkey
from tests.approvals.factories import make_user
from tests.approvals.people.conftest import ELSEWHERE, SESSION
from tests.webauthn import SoftAuthenticator

pytestmark = pytest.mark.django_db

PURPOSE = "remove app-1"


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def key(ana: User) -> SoftAuthenticator:
    return enrol_passkey(ana)


def opened(user: User, session: str = SESSION, purpose: str = PURPOSE) -> Confirmation:
    return presence.open_confirmation(user, session=session, purpose=purpose)


def prove(
    user: User,
    confirmation: Confirmation,
    assertion: str,
    *,
    session: str = SESSION,
    purpose: str = PURPOSE,
) -> factors.Method:
    return presence.prove(
        user,
        session=session,
        purpose=purpose,
        confirmation=str(confirmation.pk),
        assertion=assertion,
    )


def signed(key: SoftAuthenticator, confirmation: Confirmation) -> str:
    return key.get(presence.passkey_options(confirmation))


def test_a_passkey_proves_it_once(ana: User, key: SoftAuthenticator) -> None:
    confirmation = opened(ana)
    assert prove(ana, confirmation, signed(key, confirmation)) == "passkey"
    for assertion in (signed(key, confirmation), signed(key, confirmation)):
        with pytest.raises(PresenceRefused, match="used already"):
            prove(ana, confirmation, assertion)


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.django_db(transaction=True)
def test_of_four_with_the_same_assertion_one_is_taken(ana: User, counts: bool) -> None:
    key = enrol_passkey(ana)
    key.counts = counts
    confirmation = opened(ana)
    assertion = signed(key, confirmation)
    outcomes = at_once(*[lambda: prove(ana, confirmation, assertion)] * 4)
    assert outcomes.count("passkey") == 1
    assert sum(isinstance(one, PresenceRefused) for one in outcomes) == 3


def test_a_code_proves_it_once(ana: User) -> None:
    enrol(ana)
    code = code_now(ana)
    assert presence.prove(ana, session=SESSION, purpose=PURPOSE, code=code) == "totp"
    with pytest.raises(PresenceRefused, match="used before"):
        presence.prove(ana, session=SESSION, purpose="something else", code=code)


def test_a_proof_is_worth_nothing_elsewhere(ana: User, key: SoftAuthenticator) -> None:
    confirmation = opened(ana)
    assertion = signed(key, confirmation)
    for session, purpose in (
        (ELSEWHERE, PURPOSE),
        (SESSION, "remove app-2"),
        (SESSION, "second factor may be added"),
    ):
        with pytest.raises(PresenceRefused):
            prove(ana, confirmation, assertion, session=session, purpose=purpose)
    # None of these spent it.
    assert prove(ana, confirmation, assertion) == "passkey"


def test_a_proof_of_another_person_is_worth_nothing(ana: User, key: SoftAuthenticator) -> None:
    ben = make_user("ben")
    bens = enrol_passkey(ben)
    with pytest.raises(PresenceRefused, match="used already"):
        prove(ben, opened(ana), signed(bens, opened(ben)))
    confirmation = opened(ben)
    with pytest.raises(PresenceRefused, match="not accepted"):
        prove(ben, confirmation, key.get(presence.passkey_options(opened(ana))))


def test_the_assertion_for_one_confirmation_does_not_prove_another(
    ana: User, key: SoftAuthenticator
) -> None:
    first, second = opened(ana), opened(ana)
    with pytest.raises(PresenceRefused, match="not accepted"):
        prove(ana, second, signed(key, first))
    # A refused one is used up too: another touch is for another challenge.
    with pytest.raises(PresenceRefused, match="used already"):
        prove(ana, second, signed(key, second))


def test_two_minutes_are_all_there_is(ana: User, key: SoftAuthenticator) -> None:
    confirmation = opened(ana)
    assertion = signed(key, confirmation)
    Confirmation.objects.update(opened_at=timezone.now() - timedelta(seconds=121))
    with pytest.raises(PresenceRefused, match="older than two minutes"):
        prove(ana, confirmation, assertion)


@pytest.mark.parametrize("which", ["", "7", "nonsense", str(uuid.UUID(int=0)), "\x00"])
def test_what_is_no_confirmation_is_refused(ana: User, key: SoftAuthenticator, which: str) -> None:
    assertion = signed(key, opened(ana))
    with pytest.raises(PresenceRefused, match="try again"):
        presence.prove(
            ana, session=SESSION, purpose=PURPOSE, confirmation=which, assertion=assertion
        )


@pytest.mark.parametrize("code", ["", "   "])
def test_nothing_proves_nothing(ana: User, key: SoftAuthenticator, code: str) -> None:
    with pytest.raises(PresenceRefused, match="with a passkey, or with a code"):
        presence.prove(ana, session=SESSION, purpose=PURPOSE, code=code)


def test_a_recovery_code_counts_only_where_it_may(ana: User) -> None:
    enrol(ana)
    code = recovery_codes.make(ana)[0]
    with pytest.raises(PresenceRefused, match="six digits"):
        presence.prove(ana, session=SESSION, purpose=PURPOSE, code=code)
    method = presence.prove(ana, session=SESSION, purpose=PURPOSE, code=code, recovery=True)
    assert method == "recovery"


def test_pages_open_confirmations_only_for_what_is_confirmed(ana: User) -> None:
    app = enrol(ana)
    for purpose in (enrolment.ADD, enrolment.NEW_CODES, f"remove app-{app.pk}"):
        enrolment.confirm_with_passkey(ana, session=SESSION, purpose=purpose)
    chief = make_user("chief", role=Role.ADMINISTRATOR)
    enrolment.confirm_with_passkey(chief, session=SESSION, purpose=enrolment.reset_of(ana))
    before = Confirmation.objects.count()
    for purpose in (
        "",
        "second factor may be added",
        f"remove app-{app.pk + 1}",
        enrolment.reset_of(chief),
        secrets.token_hex(200),
    ):
        with pytest.raises(enrolment.EnrolmentRefused, match="nothing to confirm"):
            enrolment.confirm_with_passkey(ana, session=SESSION, purpose=purpose)
    assert Confirmation.objects.count() == before


def test_old_confirmations_are_forgotten(ana: User) -> None:
    opened(ana)
    old = opened(ana)
    Confirmation.objects.filter(pk=old.pk).update(opened_at=timezone.now() - timedelta(days=2))
    assert presence.forget_stale() == 1
    assert Confirmation.objects.count() == 1

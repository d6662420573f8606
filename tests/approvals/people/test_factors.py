"""The one place through which everything else sees somebody's second factors."""

import secrets

import pytest
from pytest_django import Settings

from approvals.people import factors, passkeys, recovery_codes, sign_in
from approvals.people.models import SealedTOTPDevice, User
from tests.approvals.codes import code_now, enrol, enrol_passkey, wrong_code
from tests.approvals.factories import make_user
from tests.approvals.people.conftest import Clock, unlock

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make_user("ana")


def test_whoever_has_nothing_has_no_factor(ana: User) -> None:
    assert factors.factors_of(ana) == []
    assert not factors.has_factor(ana)
    assert factors.people_with_factors() == set()
    with pytest.raises(factors.FactorRefused, match="no authenticator app yet"):
        factors.check_code(ana, "123456")


def test_passkeys_come_first_and_each_has_a_key_of_its_own(ana: User) -> None:
    app = enrol(ana)
    assert (factors.has_app(ana), factors.has_passkey(ana)) == (True, False)
    enrol_passkey(ana, "Laptop")
    assert (factors.has_app(ana), factors.has_passkey(ana)) == (True, True)
    passkey, second = factors.factors_of(ana)
    assert (passkey.kind, passkey.name) == ("passkey", "Laptop")
    assert (second.key, second.name) == (f"app-{app.pk}", "authenticator app")
    assert passkey.last_used_at is None
    ben = make_user("ben")
    enrol_passkey(ben)
    make_user("cid")
    assert factors.people_with_factors() == {ana.pk, ben.pk}


def test_an_app_that_was_not_confirmed_is_no_factor(ana: User) -> None:
    enrol(ana)
    SealedTOTPDevice.objects.update(confirmed=False)
    assert not factors.has_factor(ana)


def test_codes_say_how_presence_was_proven(ana: User) -> None:
    enrol(ana)
    recovery = recovery_codes.make(ana)
    assert factors.check_code(ana, code_now(ana)) == "totp"
    assert factors.check_code(ana, recovery[0], recovery=True) == "recovery"
    assert factors.recovery_codes_left(ana) == 9
    with pytest.raises(factors.FactorRefused, match="six digits"):
        factors.check_code(ana, recovery[1])
    assert factors.recovery_codes_left(ana) == 9


def test_wrong_codes_stop_at_the_limit_whatever_the_address(ana: User, settings: Settings) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "code": {"person": (3, 900)}}
    enrol(ana)
    for number in range(3):
        with pytest.raises(factors.FactorRefused, match="wrong"):
            factors.check_code(ana, wrong_code(ana), address=f"192.0.2.{number}")
        unlock(ana)
    for code in (wrong_code(ana), code_now(ana)):
        with pytest.raises(factors.TooManyTries, match="Too many tries"):
            factors.check_code(ana, code, address="192.0.2.9")
    # Nobody else is kept waiting.
    ben = make_user("ben")
    enrol(ben)
    factors.check_code(ben, code_now(ben), address="192.0.2.9")


def test_guessing_recovery_codes_stops_at_such_a_limit(ana: User, settings: Settings) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "recovery": {"person": (3, 900)}}
    right = recovery_codes.make(ana)[0]
    for _ in range(3):
        with pytest.raises(factors.FactorRefused, match="wrong"):
            factors.check_code(ana, "zzzzz-zzzzz", recovery=True)
    with pytest.raises(factors.TooManyTries):
        factors.check_code(ana, right, recovery=True)
    assert factors.recovery_codes_left(ana) == 10


def test_right_codes_and_what_is_no_code_cost_no_tries(ana: User, settings: Settings) -> None:
    once = {"person": (1, 900)}
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "code": once, "recovery": once}
    enrol(ana)
    for code in recovery_codes.make(ana)[:3]:
        factors.check_code(ana, code, recovery=True)
        with pytest.raises(factors.FactorRefused, match="six digits"):
            factors.check_code(ana, "12345")
    factors.check_code(ana, code_now(ana))


def test_passkeys_have_a_limit_of_their_own(ana: User, settings: Settings) -> None:
    settings.TRY_LIMITS = {
        **settings.TRY_LIMITS,
        "code": {"person": (1, 900)},
        "step_up": {"person": (2, 900)},
    }
    key = enrol_passkey(ana)
    enrol(ana)
    with pytest.raises(factors.FactorRefused):
        factors.check_code(ana, wrong_code(ana))
    challenge = secrets.token_hex(32)
    options = passkeys.options(ana, challenge)
    for _ in range(3):
        factors.check_passkey(ana, challenge, key.get(options))
    elsewhere = passkeys.options(ana, secrets.token_hex(32))
    for _ in range(2):
        with pytest.raises(factors.FactorRefused, match="not accepted"):
            factors.check_passkey(ana, challenge, key.get(elsewhere))
    with pytest.raises(factors.TooManyTries):
        factors.check_passkey(ana, challenge, key.get(options))


def test_what_no_passkey_signed_is_no_try(ana: User, settings: Settings) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "step_up": {"person": (1, 900)}}
    key = enrol_passkey(ana)
    challenge = secrets.token_hex(32)
    for text in ("x", "{}", "[]", "null", '{"id": 7}', "{" * 5000):
        with pytest.raises(factors.FactorRefused, match="not accepted"):
            factors.check_passkey(ana, challenge, text)
    assert factors.check_passkey(ana, challenge, key.get(passkeys.options(ana, challenge)))


def test_tries_at_the_door_use_up_nothing_inside(ana: User, settings: Settings) -> None:
    enrol(ana)
    key = enrol_passkey(ana)
    challenge, other = secrets.token_hex(32), secrets.token_hex(32)
    for _ in range(settings.TRY_LIMITS["door_code"]["person"][0]):
        with pytest.raises(factors.FactorRefused, match="wrong"):
            factors.check_code(ana, wrong_code(ana), at_door=True)
    for _ in range(settings.TRY_LIMITS["door_step_up"]["person"][0]):
        assertion = key.get(passkeys.options(ana, other))
        with pytest.raises(factors.FactorRefused, match="not accepted"):
            factors.check_passkey(ana, challenge, assertion, at_door=True)
    assertion = key.get(passkeys.options(ana, challenge))
    for at_door in (True, False):
        if at_door:
            with pytest.raises(factors.TooManyTries):
                factors.check_code(ana, code_now(ana), at_door=True)
            with pytest.raises(factors.TooManyTries):
                factors.check_passkey(ana, challenge, assertion, at_door=True)
        else:
            # No limit and no pause.
            assert factors.check_code(ana, code_now(ana)) == "totp"
            assert factors.check_passkey(ana, challenge, assertion) == "passkey"


@pytest.mark.parametrize("at_door", [True, False])
def test_codes_cannot_be_guessed_for_days(
    ana: User, clock: Clock, settings: Settings, at_door: bool
) -> None:
    enrol(ana)
    number = settings.TRY_LIMITS["door_code_a_day" if at_door else "code_a_day"]["person"][0]
    tried, began = 0, clock.now
    while clock.now - began < 86_000:
        unlock(ana)
        try:
            factors.check_code(ana, wrong_code(ana), at_door=at_door)
        except factors.TooManyTries:
            clock.now += 900
        except factors.FactorRefused:
            tried += 1
    assert tried == number


@pytest.mark.parametrize("by", ["passkey", "recovery code"])
def test_whoever_shows_another_factor_is_not_kept_waiting(ana: User, by: str) -> None:
    enrol(ana)
    key = enrol_passkey(ana)
    recovery = recovery_codes.make(ana)[0]
    for _ in range(9):
        with pytest.raises(factors.FactorRefused, match="wrong"):
            factors.check_code(ana, wrong_code(ana))
        unlock(ana)
    with pytest.raises(factors.FactorRefused, match="wrong"):
        factors.check_code(ana, wrong_code(ana), recovery=True)
    with pytest.raises(factors.FactorRefused, match="Too many"):
        factors.check_code(ana, code_now(ana))
    if by == "passkey":
        challenge = secrets.token_hex(32)
        factors.check_passkey(ana, challenge, key.get(passkeys.options(ana, challenge)))
    else:
        factors.check_code(ana, recovery, recovery=True, at_door=True)
    assert factors.check_code(ana, code_now(ana)) == "totp"


def test_a_new_password_ends_the_pauses_that_the_old_one_led_to(ana: User) -> None:
    enrol(ana)
    with pytest.raises(factors.FactorRefused, match="wrong"):
        factors.check_code(ana, wrong_code(ana))
    for _ in range(10):
        with pytest.raises(factors.FactorRefused, match="wrong"):
            factors.check_code(ana, wrong_code(ana), at_door=True)
    for at_door in (True, False):
        with pytest.raises(factors.FactorRefused, match="Too many"):
            factors.check_code(ana, code_now(ana), at_door=at_door)
    sign_in.change_password(ana, "another long password", by_mail=True)
    assert factors.check_code(ana, code_now(ana), at_door=True) == "totp"
    with pytest.raises(factors.FactorRefused, match="used before"):
        factors.check_code(ana, code_now(ana))


def test_a_new_password_does_not_give_a_guesser_another_day(ana: User, clock: Clock) -> None:
    enrol(ana)
    tried = 0
    for _ in range(20):
        sign_in.change_password(ana, "another long password", by_mail=True)
        for _ in range(10):
            try:
                factors.check_code(ana, wrong_code(ana), at_door=True)
            except factors.TooManyTries:
                continue
            except factors.FactorRefused:
                tried += 1
    assert tried == 50


def test_a_code_at_the_door_ends_what_a_guesser_inside_has_used_up(ana: User) -> None:
    enrol(ana)
    for _ in range(10):
        with pytest.raises(factors.FactorRefused, match="wrong"):
            factors.check_code(ana, wrong_code(ana))
        unlock(ana)
    with pytest.raises(factors.TooManyTries):
        factors.check_code(ana, code_now(ana))
    factors.check_code(ana, code_now(ana), at_door=True)
    assert factors.check_code(ana, code_now(ana, steps=1)) == "totp"


def test_a_recovery_code_lets_in_whoever_was_kept_out_by_wrong_codes(ana: User) -> None:
    enrol(ana)
    recovery = recovery_codes.make(ana)[0]
    for _ in range(12):
        with pytest.raises(factors.FactorRefused):
            factors.check_code(ana, wrong_code(ana), at_door=True)
    assert factors.check_code(ana, recovery, recovery=True, at_door=True) == "recovery"
    assert factors.check_code(ana, code_now(ana), at_door=True) == "totp"

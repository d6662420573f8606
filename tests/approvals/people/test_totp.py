"""Codes of authenticator apps: each proves presence once, and guessing gets slower and slower."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pyotp
import pytest
from django.db import connection, transaction
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.people import enrolment, totp
from approvals.people.models import SealedTOTPDevice, User
from approvals.sealing import SealBroken
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_user
from tests.approvals.people.conftest import ELSEWHERE, SESSION, Clock, Phone, add_app, unlock

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def phone(ana: User, clock: Clock) -> Phone:
    """Ana's phone, enrolled; the code it was confirmed with is spent."""
    return add_app(ana, clock, "Phone")


def test_an_app_counts_only_once_it_showed_a_right_code(ana: User, clock: Clock) -> None:
    device = enrolment.begin_app(ana, "", session=SESSION)
    phone = Phone(device.secret, clock)
    assert not totp.has_totp(ana)
    with pytest.raises(totp.CodeRefused, match="no authenticator app yet"):
        totp.verify(ana, phone.code())

    enrolment.confirm_app(ana, phone.code(), session=SESSION)

    assert totp.has_totp(ana)
    assert totp.people_with_totp() == {ana.pk}
    assert totp.pending_enrolment(ana, session=SESSION) is None
    assert AuditEvent.objects.get(kind="factor.added").actor_id == ana.pk


def test_what_the_app_is_told_makes_the_codes_that_are_accepted(ana: User, clock: Clock) -> None:
    device = totp.begin(ana, session=SESSION, name="Phone")
    url = urlsplit(device.config_url)
    assert (url.scheme, url.netloc) == ("otpauth", "totp")
    asked = parse_qs(url.query)
    assert asked["issuer"] == ["Countersign"]
    assert asked["secret"] == [totp.secret_text(device).replace(" ", "")]
    code = pyotp.TOTP(asked["secret"][0]).at(int(clock()))
    enrolment.confirm_app(ana, code, session=SESSION)


def test_the_qr_code_is_an_image_without_styles(ana: User) -> None:
    device = enrolment.begin_app(ana, "", session=SESSION)
    image = ElementTree.fromstring(device.qr_svg)  # noqa: S314 - our own
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    for element in image.iter():
        assert "style" not in element.attrib
        assert not element.tag.endswith(("style", "script"))


def test_the_secret_is_seen_in_the_session_that_began_and_in_no_other(
    ana: User, clock: Clock
) -> None:
    device = enrolment.begin_app(ana, "", session=SESSION)
    phone = Phone(device.secret, clock)
    assert enrolment.pending_app(ana, session=SESSION) == device
    assert enrolment.pending_app(ana, session=ELSEWHERE) is None
    assert device.secret not in repr(device)
    with pytest.raises(enrolment.EnrolmentRefused, match="Start again"):
        enrolment.confirm_app(ana, phone.code(), session=ELSEWHERE)
    assert not totp.has_totp(ana)
    # Not even the row gives it away: what is sealed opens for that session alone.
    stored = SealedTOTPDevice.objects.get(user=ana)
    stored.session = ELSEWHERE
    with pytest.raises(SealBroken):
        totp.secret_text(stored)


def test_the_code_that_confirmed_the_app_proves_nothing_else(ana: User, clock: Clock) -> None:
    phone = Phone(enrolment.begin_app(ana, "", session=SESSION).secret, clock)
    enrolment.confirm_app(ana, phone.code(), session=SESSION)
    with pytest.raises(totp.CodeRefused, match=r"used before\. Wait for the next one"):
        totp.verify(ana, phone.code())


def test_a_code_is_good_once(ana: User, phone: Phone, clock: Clock) -> None:
    totp.verify(ana, phone.code())
    with pytest.raises(totp.CodeRefused, match="used before"):
        totp.verify(ana, phone.code())
    unlock(ana)
    with pytest.raises(totp.CodeRefused, match="used before"):
        totp.verify(ana, phone.code())
    unlock(ana)
    clock.next_step()
    totp.verify(ana, phone.code())


def test_a_code_older_than_a_used_one_is_refused(ana: User, phone: Phone) -> None:
    totp.verify(ana, phone.code(steps=1))
    with pytest.raises(totp.CodeRefused, match="used before"):
        totp.verify(ana, phone.code())


# ---------- several apps


def test_the_codes_of_each_app_are_good_once(ana: User, phone: Phone, clock: Clock) -> None:
    tablet = add_app(ana, clock, "Tablet")
    for device in (phone, tablet):
        totp.verify(ana, device.code())
    for device in (phone, tablet):
        with pytest.raises(totp.CodeRefused, match="used before"):
            totp.verify(ana, device.code())
        unlock(ana)


def test_using_one_app_leaves_the_pauses_of_the_others_alone(
    ana: User, phone: Phone, clock: Clock
) -> None:
    tablet = add_app(ana, clock, "Tablet")
    for _ in range(5):
        totp.verify(ana, phone.code())
        clock.next_step()
    totp.verify(ana, tablet.code())
    assert not SealedTOTPDevice.objects.filter(throttling_failure_count__gt=0).exists()


def test_a_wrong_code_pauses_all_apps_and_a_right_one_ends_it(
    ana: User, phone: Phone, clock: Clock
) -> None:
    tablet = add_app(ana, clock, "Tablet")
    wrong = next(code for code in map("{:06d}".format, range(50)) if code != phone.code())
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.verify(ana, wrong)
    for device in (phone, tablet):
        with pytest.raises(totp.CodeRefused, match="try again in 1 second"):
            totp.verify(ana, device.code())
    unlock(ana)
    totp.verify(ana, tablet.code())
    totp.verify(ana, phone.code())


def test_the_last_use_of_the_app_that_showed_the_code_is_known(
    ana: User, phone: Phone, clock: Clock
) -> None:
    add_app(ana, clock, "Tablet")
    before = {device.name: device.last_used_at for device in totp.devices_of(ana)}
    clock.next_step()
    totp.verify(ana, phone.code())
    after = {device.name: device.last_used_at for device in totp.devices_of(ana)}
    assert after["Phone"] == timezone.now() != before["Phone"]
    assert after["Tablet"] == before["Tablet"]


def test_an_app_that_no_longer_opens_does_not_stand_in_the_way_of_the_others(
    ana: User, phone: Phone, clock: Clock
) -> None:
    broken = SealedTOTPDevice(user=ana, name="Planted", confirmed=True, sealed_key="nonsense")
    broken.save()
    totp.verify(ana, phone.code())


# ---------- wrong codes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "1234567",
        "12345a",
        "-12345",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "1" * 5000,
    ],
)
def test_what_is_no_code_is_refused_and_costs_no_try(ana: User, phone: Phone, text: str) -> None:
    with pytest.raises(totp.CodeRefused, match="six digits"):
        totp.verify(ana, text)
    totp.verify(ana, phone.code())


def test_a_code_may_be_typed_in_groups(ana: User, phone: Phone) -> None:
    code = phone.code()
    totp.verify(ana, f" {code[:3]} {code[3:]}\n")


def test_a_wrong_code_makes_even_the_right_one_wait(ana: User, phone: Phone) -> None:
    with pytest.raises(totp.CodeRefused, match="This code is wrong"):
        totp.verify(ana, phone.wrong_code())
    with pytest.raises(totp.CodeRefused, match="Too many wrong codes: try again in 1 second"):
        totp.verify(ana, phone.code())
    refused = AuditEvent.objects.get(kind="totp.refused")
    assert refused.actor_id == ana.pk
    unlock(ana)
    totp.verify(ana, phone.code())


def test_guessing_gets_slower_and_slower(ana: User, phone: Phone) -> None:
    waits = []
    for _ in range(6):
        with pytest.raises(totp.CodeRefused, match="wrong"):
            totp.verify(ana, phone.wrong_code())
        with pytest.raises(totp.CodeRefused, match="try again in") as locked:
            totp.verify(ana, phone.code())
        waits.append(int(str(locked.value).split("try again in ")[1].split()[0]))
        unlock(ana)
    assert waits == [1, 2, 4, 8, 16, 32]


def test_no_pause_is_longer_than_five_minutes(ana: User, phone: Phone, clock: Clock) -> None:
    SealedTOTPDevice.objects.update(
        throttling_failure_count=40, throttling_failure_timestamp=timezone.now()
    )
    with pytest.raises(totp.CodeRefused, match="try again in 256 seconds"):
        totp.verify(ana, phone.code())
    clock.now += 257
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.verify(ana, phone.wrong_code())
    clock.now += 257
    totp.verify(ana, phone.code())


def test_at_the_door_nothing_pauses(ana: User, phone: Phone, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(totp.CodeRefused, match="wrong"):
            totp.verify(ana, phone.wrong_code(), at_door=True)
    totp.verify(ana, phone.code())
    clock.next_step()
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.verify(ana, phone.wrong_code())
    # A pause that somebody inside caused is none at the door, and a right code there ends it.
    totp.verify(ana, phone.code(), at_door=True)
    with pytest.raises(totp.CodeRefused, match="used before"):
        totp.verify(ana, phone.code(), at_door=True)
    clock.next_step()
    totp.verify(ana, phone.code())


@pytest.mark.django_db(transaction=True)
def test_a_refusal_and_its_pause_are_committed(ana: User, phone: Phone) -> None:
    with pytest.raises(totp.CodeRefused):
        totp.verify(ana, phone.wrong_code())
    device = SealedTOTPDevice.objects.get(user=ana)
    assert device.throttling_failure_count == 1
    assert AuditEvent.objects.filter(kind="totp.refused").count() == 1


@pytest.mark.django_db(transaction=True)
def test_verifying_inside_a_transaction_that_could_be_undone_is_an_error(
    ana: User, phone: Phone
) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        totp.verify(ana, phone.code())


def test_somebody_elses_code_is_wrong(ana: User, phone: Phone, clock: Clock) -> None:
    ben = make_user("ben")
    bens = add_app(ben, clock)
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.verify(ana, bens.code())


def test_a_deactivated_person_proves_nothing(ana: User, phone: Phone) -> None:
    User.objects.filter(pk=ana.pk).update(is_active=False)
    with pytest.raises(totp.CodeRefused, match="deactivated"):
        totp.verify(ana, phone.code())


@pytest.mark.django_db(transaction=True)
def test_four_browsers_with_the_same_code_one_wins(ana: User, phone: Phone) -> None:
    code = phone.code()
    outcomes = at_once(*[lambda: totp.verify(ana, code)] * 4)
    assert outcomes.count(None) == 1
    assert all(isinstance(one, totp.CodeRefused) for one in outcomes if one is not None)


# ---------- enrolling


def test_a_secret_that_was_shown_long_ago_cannot_be_confirmed(ana: User, clock: Clock) -> None:
    phone = Phone(enrolment.begin_app(ana, "", session=SESSION).secret, clock)
    SealedTOTPDevice.objects.update(created_at=timezone.now() - timedelta(minutes=16))
    with pytest.raises(enrolment.EnrolmentRefused, match="took too long"):
        enrolment.confirm_app(ana, phone.code(), session=SESSION)
    assert totp.pending_enrolment(ana, session=SESSION) is None


def test_beginning_again_forgets_the_secret_before(ana: User, clock: Clock) -> None:
    first = Phone(enrolment.begin_app(ana, "", session=SESSION).secret, clock)
    enrolment.begin_app(ana, "", session=SESSION)
    with pytest.raises(totp.CodeRefused):
        enrolment.confirm_app(ana, first.code(), session=SESSION)
    assert not totp.has_totp(ana)


def test_confirming_is_throttled_too(ana: User, clock: Clock) -> None:
    phone = Phone(enrolment.begin_app(ana, "", session=SESSION).secret, clock)
    with pytest.raises(totp.CodeRefused, match="wrong"):
        enrolment.confirm_app(ana, phone.wrong_code(), session=SESSION)
    with pytest.raises(totp.CodeRefused, match="try again in"):
        enrolment.confirm_app(ana, phone.code(), session=SESSION)


# ---------- whoever has the database


def test_a_copy_of_the_database_does_not_hold_the_secret(ana: User) -> None:
    device = totp.begin(ana, session=SESSION, name="Phone")
    forms = {device.bin_key.hex(), totp.secret_text(device).replace(" ", "")}
    with connection.cursor() as cursor:
        for table in ("otp_totp_totpdevice", "people_sealedtotpdevice"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - the two names above
            row = " ".join(map(str, cursor.fetchone() or ()))
            assert not any(form.lower() in row.lower() for form in forms)


def test_a_row_moved_to_another_person_is_worth_nothing(ana: User, phone: Phone) -> None:
    ben = make_user("ben")
    SealedTOTPDevice.objects.update(user=ben)
    with pytest.raises(totp.CodeRefused, match="cannot be checked"):
        totp.verify(ben, phone.code())

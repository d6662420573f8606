"""Codes of authenticator apps: each proves presence once, and guessing gets slower and slower."""

import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pyotp
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from approvals.audit.models import AuditEvent
from approvals.people import totp
from approvals.people.models import Role, SealedTOTPDevice, User
from tests.approvals.factories import make_user
from tests.approvals.people.conftest import Clock, Phone, unlock

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def phone(ana: User, clock: Clock) -> Phone:
    """Ana's phone, enrolled; the code it was confirmed with is spent."""
    phone = Phone(totp.secret_text(totp.begin_enrolment(ana)), clock)
    totp.confirm_enrolment(ana, phone.code())
    clock.next_step()
    return phone


def test_an_app_counts_only_once_it_showed_a_right_code(ana: User, clock: Clock) -> None:
    device = totp.begin_enrolment(ana)
    phone = Phone(totp.secret_text(device), clock)
    assert not totp.has_totp(ana)
    with pytest.raises(totp.CodeRefused, match="no authenticator app yet"):
        totp.verify(ana, phone.code())

    totp.confirm_enrolment(ana, phone.code())

    assert totp.has_totp(ana)
    assert totp.people_with_totp() == {ana.pk}
    assert totp.pending_enrolment(ana) is None
    assert AuditEvent.objects.get(kind="totp.enrolled").actor_id == ana.pk


def test_what_the_app_is_told_makes_the_codes_that_are_accepted(ana: User, clock: Clock) -> None:
    device = totp.begin_enrolment(ana)
    url = urlsplit(device.config_url)
    assert (url.scheme, url.netloc) == ("otpauth", "totp")
    asked = parse_qs(url.query)
    assert asked["issuer"] == ["Countersign"]
    assert asked["secret"] == [totp.secret_text(device).replace(" ", "")]
    totp.confirm_enrolment(ana, pyotp.TOTP(asked["secret"][0]).at(int(clock())))


def test_the_qr_code_is_an_image_without_styles(ana: User) -> None:
    image = ElementTree.fromstring(totp.qr_svg(totp.begin_enrolment(ana)))  # noqa: S314 - our own
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    for element in image.iter():
        assert "style" not in element.attrib
        assert not element.tag.endswith(("style", "script"))


def test_the_code_that_confirmed_the_app_proves_nothing_else(ana: User, clock: Clock) -> None:
    phone = Phone(totp.secret_text(totp.begin_enrolment(ana)), clock)
    totp.confirm_enrolment(ana, phone.code())
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
    bens = Phone(totp.secret_text(totp.begin_enrolment(ben)), clock)
    totp.confirm_enrolment(ben, bens.code())
    clock.next_step()
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.verify(ana, bens.code())


def test_a_deactivated_person_proves_nothing(ana: User, phone: Phone) -> None:
    User.objects.filter(pk=ana.pk).update(is_active=False)
    with pytest.raises(totp.CodeRefused, match="deactivated"):
        totp.verify(ana, phone.code())


@pytest.mark.django_db(transaction=True)
def test_two_browsers_with_the_same_code_one_wins(ana: User, phone: Phone) -> None:
    code = phone.code()
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def use_it() -> None:
        start.wait()
        try:
            totp.verify(ana, code)
            outcomes.append("proved")
        except totp.CodeRefused as refusal:
            outcomes.append(str(refusal))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes.count("proved") == 1
    assert len(outcomes) == 4


def test_replacing_an_app_needs_a_code_of_the_old_one(
    ana: User, phone: Phone, clock: Clock
) -> None:
    with pytest.raises(totp.CodeRefused):
        totp.begin_enrolment(ana)
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.begin_enrolment(ana, phone.wrong_code())
    assert totp.pending_enrolment(ana) is None
    unlock(ana)

    new_phone = Phone(totp.secret_text(totp.begin_enrolment(ana, phone.code())), clock)
    clock.next_step()
    totp.verify(ana, phone.code())  # the old one works until the new one does
    totp.confirm_enrolment(ana, new_phone.code())
    clock.next_step()

    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.verify(ana, phone.code())
    unlock(ana)
    totp.verify(ana, new_phone.code())
    assert AuditEvent.objects.filter(kind="totp.enrolled").latest("at").detail["replaced"] is True


def test_a_secret_that_was_shown_long_ago_cannot_be_confirmed(ana: User, clock: Clock) -> None:
    device = totp.begin_enrolment(ana)
    phone = Phone(totp.secret_text(device), clock)
    SealedTOTPDevice.objects.update(created_at=timezone.now() - timedelta(minutes=16))
    with pytest.raises(totp.EnrolmentRefused, match="waited for too long"):
        totp.confirm_enrolment(ana, phone.code())
    assert totp.pending_enrolment(ana) is None


def test_beginning_again_forgets_the_secret_before(ana: User, clock: Clock) -> None:
    first = Phone(totp.secret_text(totp.begin_enrolment(ana)), clock)
    totp.begin_enrolment(ana)
    with pytest.raises(totp.CodeRefused):
        totp.confirm_enrolment(ana, first.code())
    assert not totp.has_totp(ana)


def test_confirming_is_throttled_too(ana: User, clock: Clock) -> None:
    phone = Phone(totp.secret_text(totp.begin_enrolment(ana)), clock)
    with pytest.raises(totp.CodeRefused, match="wrong"):
        totp.confirm_enrolment(ana, phone.wrong_code())
    with pytest.raises(totp.CodeRefused, match="try again in"):
        totp.confirm_enrolment(ana, phone.code())


def test_removing_needs_a_code(ana: User, phone: Phone) -> None:
    with pytest.raises(totp.CodeRefused):
        totp.remove(ana, phone.wrong_code())
    assert totp.has_totp(ana)
    unlock(ana)
    totp.remove(ana, phone.code())
    assert not totp.has_totp(ana)
    assert AuditEvent.objects.filter(kind="totp.removed", actor=ana).count() == 1


def test_a_lost_app_is_removed_by_an_administrator_with_their_own_code(
    ana: User, phone: Phone, clock: Clock
) -> None:
    chief = make_user("chief", role=Role.ADMINISTRATOR)
    with pytest.raises(totp.CodeRefused, match="no authenticator app"):
        totp.remove_lost(ana, actor=chief, code=phone.code())
    chiefs = Phone(totp.secret_text(totp.begin_enrolment(chief)), clock)
    totp.confirm_enrolment(chief, chiefs.code())
    clock.next_step()
    with pytest.raises(totp.EnrolmentRefused, match="Only an administrator"):
        totp.remove_lost(chief, actor=ana, code=phone.code())
    totp.remove_lost(ana, actor=chief, code=chiefs.code())
    assert not totp.has_totp(ana)
    event = AuditEvent.objects.get(kind="totp.removed")
    assert (event.actor_id, event.subject) == (chief.pk, f"people.User:{ana.pk}")


def test_a_copy_of_the_database_does_not_hold_the_secret(ana: User) -> None:
    device = totp.begin_enrolment(ana)
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

"""Second factors come and go only with a proof by an existing one, and the last one stays."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import AuditEvent, OutboxEvent
from approvals.people import enrolment, factors, presence, recovery_codes, totp
from approvals.people.enrolment import EnrolmentRefused
from approvals.people.models import Confirmation, RegistryAccount, Role, User
from approvals.people.presence import PresenceRefused, Proof
from tests.approvals.at_once import at_once
from tests.approvals.codes import enrol_passkey
from tests.approvals.factories import make_account, make_registry, make_user
from tests.approvals.people.conftest import ELSEWHERE, SESSION, Clock, Phone, add_app, unlock
from tests.webauthn import SoftAuthenticator

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def phone(ana: User, clock: Clock) -> Phone:
    """Ana's phone with her only second factor, an app."""
    return add_app(ana, clock, "Phone")


def add_passkey(user: User, name: str = "", session: str = SESSION) -> enrolment.Added:
    made = SoftAuthenticator().create(enrolment.passkey_options(user, session=session))
    return enrolment.add_passkey(user, made, name, session=session)


def first_app(user: User, clock: Clock, session: str = SESSION) -> enrolment.Added:
    device = enrolment.begin_app(user, "", session=session)
    return enrolment.confirm_app(user, Phone(device.secret, clock).code(), session=session)


def names(user: User) -> list[str]:
    return [one.name for one in factors.factors_of(user)]


def changes_of(user: User) -> int:
    return User.objects.get(pk=user.pk).authenticator_changes


# ---------- the first one


@pytest.mark.parametrize("kind", ["passkey", "app"])
def test_the_first_factor_comes_with_ten_recovery_codes(ana: User, clock: Clock, kind: str) -> None:
    added = add_passkey(ana) if kind == "passkey" else first_app(ana, clock)
    assert added.factor.kind == kind
    assert len(added.recovery_codes) == 10
    recovery_codes.use(ana, added.recovery_codes[0])
    assert added.recovery_codes[0] not in repr(added)


def test_a_second_one_brings_no_codes_and_keeps_those_there_are(ana: User, phone: Phone) -> None:
    codes = recovery_codes.make(ana)
    enrolment.allow_adding(ana, Proof(code=phone.code()), session=SESSION)
    assert add_passkey(ana).recovery_codes == []
    recovery_codes.use(ana, codes[0])


def test_each_change_is_told_recorded_and_ends_other_sessions(ana: User, clock: Clock) -> None:
    before = changes_of(ana)
    added = first_app(ana, clock)
    assert changes_of(ana) == before + 1
    (news,) = OutboxEvent.objects.filter(topic="factor.added")
    assert news.payload["person"] == ana.pk
    assert added.factor.name in news.payload["factor"]
    event = AuditEvent.objects.get(kind="factor.added")
    assert (event.actor_id, event.detail["factor"], event.detail["name"]) == (
        ana.pk,
        "app",
        "Authenticator app",
    )


@pytest.mark.parametrize("kind", ["app", "passkey"])
@pytest.mark.parametrize("before", ["nothing", "a reset", "rows that were deleted"])
def test_whoever_enrols_a_first_factor_inherits_no_registry_account(
    ana: User, clock: Clock, kind: str, before: str
) -> None:
    if before != "nothing":
        enrol_passkey(ana)
    account = make_account(ana, make_registry())
    others = make_account(make_user("ben"), make_registry())
    if before == "a reset":
        enrolment.reset_from_command_line(ana)
    else:
        Authenticator.objects.all().delete()
    assert RegistryAccount.objects.filter(pk=account.pk).exists()

    added = first_app(ana, clock) if kind == "app" else add_passkey(ana)

    assert added.unlinked == 1
    assert list(RegistryAccount.objects.all()) == [others]
    event = AuditEvent.objects.get(kind="account.unlinked")
    assert (event.actor_id, event.detail["username"]) == (ana.pk, "ana")
    assert OutboxEvent.objects.get(topic="accounts.unlinked").payload["person"] == ana.pk


def test_a_second_factor_leaves_registry_accounts_alone(ana: User, phone: Phone) -> None:
    make_account(ana, make_registry())
    enrolment.allow_adding(ana, Proof(code=phone.code()), session=SESSION)
    assert add_passkey(ana).unlinked == 0
    assert RegistryAccount.objects.filter(user=ana).exists()
    assert not OutboxEvent.objects.filter(topic="accounts.unlinked").exists()


# ---------- a further one


def test_a_further_one_needs_a_proof(ana: User, phone: Phone) -> None:
    assert not enrolment.may_add(ana, session=SESSION)
    with pytest.raises(EnrolmentRefused):
        enrolment.passkey_options(ana, session=SESSION)
    with pytest.raises(EnrolmentRefused):
        enrolment.begin_app(ana, "Mine too", session=SESSION)
    with pytest.raises(EnrolmentRefused):
        enrolment.add_passkey(ana, "{}", "Mine too", session=SESSION)
    for proof in (Proof(), Proof(code=phone.wrong_code()), Proof(assertion="{}")):
        with pytest.raises(PresenceRefused):
            enrolment.allow_adding(ana, proof, session=SESSION)
    assert not enrolment.may_add(ana, session=SESSION)
    assert names(ana) == ["Phone"]


def test_one_proof_lets_one_factor_in_here_and_for_some_minutes(ana: User, phone: Phone) -> None:
    enrolment.allow_adding(ana, Proof(code=phone.code()), session=SESSION)
    assert enrolment.may_add(ana, session=SESSION)
    assert not enrolment.may_add(ana, session=ELSEWHERE)
    with pytest.raises(EnrolmentRefused):
        add_passkey(ana, session=ELSEWHERE)
    add_passkey(ana, "Laptop")
    assert names(ana) == ["Laptop", "Phone"]
    with pytest.raises(EnrolmentRefused):
        add_passkey(ana, "One more")
    with pytest.raises(EnrolmentRefused):
        enrolment.begin_app(ana, "One more", session=SESSION)


def test_a_permission_to_add_does_not_last(ana: User, phone: Phone) -> None:
    enrolment.allow_adding(ana, Proof(code=phone.code()), session=SESSION)
    Confirmation.objects.update(opened_at=timezone.now() - timedelta(minutes=16))
    with pytest.raises(EnrolmentRefused):
        add_passkey(ana)


def test_a_passkey_proves_it_as_well(ana: User, clock: Clock) -> None:
    key = enrol_passkey(ana)
    confirmation = enrolment.confirm_with_passkey(ana, session=SESSION, purpose=enrolment.ADD)
    proof = Proof(
        confirmation=str(confirmation.pk),
        assertion=key.get(presence.passkey_options(confirmation)),
    )
    enrolment.allow_adding(ana, proof, session=SESSION)
    first_app(ana, clock)
    assert names(ana) == ["Passkey", "Authenticator app"]


def test_a_recovery_code_lets_a_factor_in_but_takes_none_out(
    ana: User, phone: Phone, clock: Clock
) -> None:
    add_app(ana, clock, "Tablet")
    codes = recovery_codes.make(ana)
    key = factors.factors_of(ana)[0].key
    for doing in (
        lambda: enrolment.remove(ana, key, Proof(code=codes[0]), session=SESSION),
        lambda: enrolment.new_recovery_codes(ana, Proof(code=codes[0]), session=SESSION),
    ):
        with pytest.raises(PresenceRefused, match="six digits"):
            doing()
    enrolment.allow_adding(ana, Proof(code=codes[0]), session=SESSION)
    add_passkey(ana)
    assert factors.recovery_codes_left(ana) == 9


def test_what_was_begun_as_the_first_factor_does_not_come_in_as_the_second(
    ana: User, clock: Clock
) -> None:
    """Somebody with the stolen password, waiting for Ana to set up hers."""
    device = enrolment.begin_app(ana, "Thief's", session=ELSEWHERE)
    thiefs = Phone(device.secret, clock)
    thiefs_key = SoftAuthenticator().create(enrolment.passkey_options(ana, session=ELSEWHERE))

    add_passkey(ana)

    with pytest.raises(EnrolmentRefused):
        enrolment.confirm_app(ana, thiefs.code(), session=ELSEWHERE)
    with pytest.raises(EnrolmentRefused):
        enrolment.add_passkey(ana, thiefs_key, "Thief's", session=ELSEWHERE)
    assert names(ana) == ["Passkey"]


@pytest.mark.django_db(transaction=True)
def test_of_two_first_factors_at_once_one_comes_in(ana: User) -> None:
    made = [
        (SoftAuthenticator().create(enrolment.passkey_options(ana, session=session)), session)
        for session in (SESSION, ELSEWHERE)
    ]

    def adding(made: str, session: str) -> Callable[[], enrolment.Added]:
        return lambda: enrolment.add_passkey(ana, made, "", session=session)

    outcomes = at_once(*[adding(*one) for one in made])
    assert sorted(type(one).__name__ for one in outcomes) == ["Added", "EnrolmentRefused"]
    assert len(names(ana)) == 1


def test_twenty_are_enough(ana: User, clock: Clock) -> None:
    phones = [add_app(ana, clock, f"Phone {number}") for number in range(20)]
    enrolment.allow_adding(ana, Proof(code=phones[0].code()), session=SESSION)
    with pytest.raises(EnrolmentRefused, match="remove one first"):
        add_passkey(ana)


def test_a_deactivated_person_adds_nothing(ana: User) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(EnrolmentRefused, match="deactivated"):
        add_passkey(ana)


# ---------- names


def test_whoever_types_no_name_gets_one_that_is_free(ana: User, clock: Clock) -> None:
    phone = add_app(ana, clock)
    for expected in ("Passkey", "Passkey 2"):
        enrolment.allow_adding(ana, Proof(code=phone.code()), session=SESSION)
        clock.next_step()
        assert add_passkey(ana).factor.name == expected


def test_renaming(ana: User, phone: Phone) -> None:
    enrol_passkey(ana)
    for factor in factors.factors_of(ana):
        enrolment.rename(ana, factor.key, f"  My   {factor.kind} ")
    assert names(ana) == ["My passkey", "My app"]
    assert AuditEvent.objects.filter(kind="factor.renamed").count() == 2


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb", "a\x00b", "a\u200bb"])
def test_a_name_that_cannot_be_read_is_refused(ana: User, phone: Phone, name: str) -> None:
    (factor,) = factors.factors_of(ana)
    with pytest.raises(EnrolmentRefused):
        enrolment.rename(ana, factor.key, name)
    assert names(ana) == ["Phone"]


def test_somebody_elses_factor_is_not_there(ana: User, phone: Phone, clock: Clock) -> None:
    ben = make_user("ben")
    bens = [add_app(ben, clock, name) for name in ("Ben's", "Ben's other")]
    (key,) = (one.key for one in factors.factors_of(ana))
    with pytest.raises(EnrolmentRefused, match="no such second factor"):
        enrolment.rename(ben, key, "Stolen")
    with pytest.raises(EnrolmentRefused, match="no such second factor"):
        enrolment.remove(ben, key, Proof(code=bens[0].code()), session=SESSION)
    assert names(ana) == ["Phone"]


# ---------- removing


def test_removing_needs_a_proof_for_that_very_factor(ana: User, phone: Phone, clock: Clock) -> None:
    key = enrol_passkey(ana)
    passkey, app = factors.factors_of(ana)
    confirmation = enrolment.confirm_with_passkey(
        ana, session=SESSION, purpose=enrolment.removal_of(passkey)
    )
    proof = Proof(
        confirmation=str(confirmation.pk),
        assertion=key.get(presence.passkey_options(confirmation)),
    )
    for wrong in (Proof(), Proof(code=phone.wrong_code()), proof):
        with pytest.raises(PresenceRefused):
            enrolment.remove(ana, app.key, wrong, session=SESSION)
    assert len(names(ana)) == 2
    before = changes_of(ana)

    enrolment.remove(ana, passkey.key, proof, session=SESSION)

    assert names(ana) == ["Phone"]
    assert changes_of(ana) == before + 1
    news = OutboxEvent.objects.get(topic="factor.removed")
    assert (news.payload["person"], "Passkey" in news.payload["factor"]) == (ana.pk, True)
    assert AuditEvent.objects.get(kind="factor.removed").detail["name"] == "Passkey"


def test_the_last_factor_stays(ana: User, phone: Phone) -> None:
    (factor,) = factors.factors_of(ana)
    with pytest.raises(EnrolmentRefused, match="your last second factor"):
        enrolment.remove(ana, factor.key, Proof(code=phone.code()), session=SESSION)
    assert names(ana) == ["Phone"]
    # The code was not even looked at.
    totp.verify(ana, phone.code())


@pytest.mark.django_db(transaction=True)
def test_two_removals_at_once_leave_one_factor(ana: User) -> None:
    keys = [enrol_passkey(ana, name) for name in ("One", "Two")]
    proofs = []
    for factor, key in zip(factors.factors_of(ana), keys, strict=True):
        confirmation = enrolment.confirm_with_passkey(
            ana, session=SESSION, purpose=enrolment.removal_of(factor)
        )
        assertion = key.get(presence.passkey_options(confirmation))
        proofs.append((factor.key, Proof(confirmation=str(confirmation.pk), assertion=assertion)))

    def removing(key: str, proof: Proof) -> Callable[[], object]:
        return lambda: enrolment.remove(ana, key, proof, session=SESSION)

    outcomes = at_once(*[removing(*one) for one in proofs])

    assert len(names(ana)) == 1
    refused = [one for one in outcomes if isinstance(one, Exception)]
    assert [type(one) for one in refused] in ([EnrolmentRefused], [PresenceRefused])


def test_what_was_allowed_before_a_change_is_not_allowed_after_it(
    ana: User, phone: Phone, clock: Clock
) -> None:
    tablet = add_app(ana, clock, "Tablet")
    enrolment.allow_adding(ana, Proof(code=phone.code()), session=ELSEWHERE)
    key = factors.factors_of(ana)[0].key
    enrolment.remove(ana, key, Proof(code=tablet.code()), session=SESSION)
    assert not enrolment.may_add(ana, session=ELSEWHERE)


# ---------- recovery codes on request


def test_new_codes_need_a_proof_and_are_told(ana: User, phone: Phone, clock: Clock) -> None:
    old = recovery_codes.make(ana)
    with pytest.raises(PresenceRefused):
        enrolment.new_recovery_codes(ana, Proof(), session=SESSION)
    codes = enrolment.new_recovery_codes(ana, Proof(code=phone.code()), session=SESSION)
    assert len(codes) == 10
    assert OutboxEvent.objects.filter(topic="recovery_codes.made").count() == 1
    with pytest.raises(recovery_codes.RecoveryCodeRefused):
        recovery_codes.use(ana, old[0])
    written = str([*AuditEvent.objects.values(), *OutboxEvent.objects.values()])
    assert not any(code in written for code in codes)


def test_codes_alone_are_no_factor(ana: User) -> None:
    with pytest.raises(EnrolmentRefused, match="first"):
        enrolment.new_recovery_codes(ana, Proof(), session=SESSION)


# ---------- after a loss


@pytest.fixture
def chief() -> User:
    return make_user("chief", role=Role.ADMINISTRATOR)


def test_an_administrator_resets_somebody_with_their_own_proof(
    ana: User, phone: Phone, clock: Clock, chief: User
) -> None:
    enrol_passkey(ana)
    codes = recovery_codes.make(ana)
    chiefs = add_app(chief, clock)
    for proof in (Proof(), Proof(code=phone.code()), Proof(code=codes[0])):
        with pytest.raises(PresenceRefused):
            enrolment.reset_factors(ana, proof, actor=chief, session=SESSION)
    clock.next_step(10)
    before = changes_of(ana)

    enrolment.reset_factors(ana, Proof(code=chiefs.code()), actor=chief, session=SESSION)

    assert not factors.has_factor(ana)
    assert factors.recovery_codes_left(ana) == 0
    assert changes_of(ana) == before + 1
    assert OutboxEvent.objects.get(topic="factors.reset").payload["person"] == ana.pk
    event = AuditEvent.objects.get(kind="factors.reset")
    assert (event.actor_id, event.subject) == (chief.pk, f"people.User:{ana.pk}")
    assert factors.has_factor(chief)


def test_a_passkey_of_the_administrator_is_bound_to_whom_it_is_about(
    ana: User, phone: Phone, clock: Clock, chief: User
) -> None:
    ben = make_user("ben")
    add_app(ben, clock)
    key = enrol_passkey(chief)
    confirmation = enrolment.confirm_with_passkey(
        chief, session=SESSION, purpose=enrolment.reset_of(ben)
    )
    proof = Proof(
        confirmation=str(confirmation.pk),
        assertion=key.get(presence.passkey_options(confirmation)),
    )
    with pytest.raises(PresenceRefused):
        enrolment.reset_factors(ana, proof, actor=chief, session=SESSION)
    enrolment.reset_factors(ben, proof, actor=chief, session=SESSION)
    assert factors.has_factor(ana)


def test_only_administrators_reset_and_never_themselves(
    ana: User, phone: Phone, clock: Clock, chief: User
) -> None:
    ben = make_user("ben")
    add_app(ben, clock)
    chiefs = add_app(chief, clock)
    with pytest.raises(EnrolmentRefused, match="Only an administrator"):
        enrolment.reset_factors(ben, Proof(code=phone.code()), actor=ana, session=SESSION)
    with pytest.raises(EnrolmentRefused, match="under Security"):
        enrolment.reset_factors(chief, Proof(code=chiefs.code()), actor=chief, session=SESSION)
    with pytest.raises(EnrolmentRefused, match="has no second factor"):
        enrolment.reset_factors(
            make_user("cid"), Proof(code=chiefs.code()), actor=chief, session=SESSION
        )
    assert factors.people_with_factors() == {ana.pk, ben.pk, chief.pk}


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_reset_each_other_do_not_wait_forever(clock: Clock) -> None:
    one, two = (make_user(name, role=Role.ADMINISTRATOR) for name in ("one", "two"))
    phones = {user.pk: add_app(user, clock) for user in (one, two)}

    def resetting(person: User, actor: User) -> Callable[[], object]:
        proof = Proof(code=phones[actor.pk].code())
        return lambda: enrolment.reset_factors(person, proof, actor=actor, session=SESSION)

    outcomes = at_once(resetting(one, two), resetting(two, one))
    assert outcomes.count(None) >= 1


def test_whoever_runs_the_program_lets_a_lone_administrator_in_again(
    chief: User, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="no second factor"):
        call_command("reset_factors", "chief")
    with pytest.raises(CommandError, match="Nobody here"):
        call_command("reset_factors", "chef")
    add_app(chief, clock)
    enrol_passkey(chief)
    before = changes_of(chief)

    call_command("reset_factors", "CHIEF")

    assert "signed out everywhere" in capsys.readouterr().out
    assert not factors.has_factor(chief)
    assert changes_of(chief) == before + 1
    event = AuditEvent.objects.get(kind="factors.reset")
    assert (event.actor_id, event.detail["by"]) == (None, "the command line")
    assert OutboxEvent.objects.get(topic="factors.reset").payload["person"] == chief.pk


def test_wrong_first_codes_count_as_tries(ana: User, clock: Clock, settings: Settings) -> None:
    settings.TRY_LIMITS = {**settings.TRY_LIMITS, "code": {"person": (3, 900)}}
    device = enrolment.begin_app(ana, "", session=SESSION)
    wrong = Phone(device.secret, clock).wrong_code()
    for _ in range(3):
        with pytest.raises(totp.CodeRefused):
            enrolment.confirm_app(ana, wrong, session=SESSION)
        unlock(ana)
    with pytest.raises(factors.TooManyTries):
        enrolment.confirm_app(ana, wrong, session=SESSION)

"""A proof of presence is worth nothing for anybody or anything else, later, or twice.

All of it through the pages, with genuine codes and signatures, beside a registry that would do
whatever it is asked: it must not be asked.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from approvals.decisions.models import Decision, StepUp
from approvals.people.membership import deactivate
from approvals.people.models import Role, Scope, SealedTOTPDevice
from approvals.people.scopes import Reach
from approvals.people.totp import USED_BEFORE, WRONG
from approvals.queue.models import StagedVersion
from approvals.sealing import seal
from registry_client.sandbox.server import SandboxRegistry
from tests.approvals.codes import wrong_code
from tests.approvals.conftest import House
from tests.approvals.factories import make_user
from tests.approvals.managing import change_role
from tests.approvals.web.pages import text_of
from tests.security.browsing import (
    Browser,
    assert_nothing_was_decided,
    assert_refused,
    browser_of,
    ready,
)

pytestmark = pytest.mark.django_db

AGAIN = "Look once more at what the page says, and confirm again."
NOT_YOURS = "This confirmation is not yours, or is gone. Confirm again."
NOT_ACCEPTED = "This passkey was not accepted."


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxRegistry]:
    """A registry that asks nobody for a code: only Countersign stands in the way."""
    with SandboxRegistry(tmp_path / "sandbox", otp="none") as registry:
        yield registry


@pytest.fixture
def ada(house: House) -> Browser:
    return browser_of(house, "ada")


@pytest.fixture
def grace(house: House) -> Browser:
    return browser_of(house, "grace")


@pytest.fixture
def rows(house: House, ada: Browser, grace: Browser) -> list[StagedVersion]:
    return ready(house, "left-pad", "right-pad")


def assert_decides(house: House, browser: Browser, form: dict[str, Any]) -> None:
    """What was refused to others, its own person can still do: the refusal was about them."""
    assert browser.send(form).status_code == 302
    house.work()
    assert house.approvals_sent() == len(form["version"])


def proved_by(proof: str, browser: Browser, form: dict[str, Any]) -> dict[str, Any]:
    return browser.touched(form) if proof == "passkey" else form | {"code": browser.code()}


@pytest.mark.parametrize("proof", ["passkey", "code"])
def test_a_proof_decides_what_it_is_for(
    house: House, ada: Browser, rows: list[StagedVersion], proof: str
) -> None:
    form = ada.page(rows)
    assert_decides(
        house, ada, ada.touched(form) if proof == "passkey" else form | {"code": ada.code()}
    )


# ---------- swapped


def test_one_intents_signature_proves_no_other_intent(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    """Two tabs on the same page: each asks for its own touch."""
    form = ada.page(rows)
    first, second = ada.touched(form), ada.touched(form)
    swapped = first | {"assertion": second["assertion"]}
    assert_refused(ada.send(swapped), NOT_ACCEPTED)
    assert_nothing_was_decided(house)


def test_each_of_two_tabs_is_for_its_own_versions(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    left, right = (ada.touched(ada.page([row])) for row in rows)
    proof = {name: right[name] for name in ("intent", "assertion")}
    assert_refused(ada.send(left | proof), AGAIN)
    assert_nothing_was_decided(house)
    assert_decides(house, ada, left)


@pytest.mark.parametrize(
    ("opened", "sent"), [("approve", "reject"), ("reject", "approve")], ids=["reject", "approve"]
)
def test_a_touch_for_one_action_is_for_no_other(
    house: House, ada: Browser, rows: list[StagedVersion], opened: str, sent: str
) -> None:
    proved = ada.touched(ada.page(rows, opened), opened)
    proof = {name: proved[name] for name in ("intent", "assertion")}
    assert_refused(ada.send(ada.page(rows, sent) | proof, sent), AGAIN)
    # Nor does it help to say that one had seen what the other page shows.
    assert_refused(ada.send(proved | {"reason": "x"}, sent), "Your code was not used.")
    assert_nothing_was_decided(house)


def test_what_another_page_showed_is_not_what_a_code_decides(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    seen = ada.page(rows, "reject")["seen"]
    code = ada.code()
    form = ada.page(rows)
    assert_refused(ada.send(form | {"seen": seen, "code": code}), "Your code was not used.")
    assert_nothing_was_decided(house)
    # And it was not: the code still counts.
    assert_decides(house, ada, form | {"code": code})


def test_an_intent_is_for_nobody_else(
    house: House, ada: Browser, grace: Browser, rows: list[StagedVersion]
) -> None:
    adas = ada.touched(ada.page(rows))
    assert_refused(grace.send(adas), NOT_YOURS)
    graces = grace.touched(grace.page(rows))
    assert_refused(grace.send(graces | {"intent": adas["intent"]}), NOT_YOURS)
    assert_refused(grace.send(graces | {"assertion": adas["assertion"]}), NOT_ACCEPTED)
    assert_nothing_was_decided(house)
    assert_decides(house, ada, adas)


def test_somebody_elses_passkey_does_not_sign_for_ada(
    house: House, ada: Browser, grace: Browser, rows: list[StagedVersion]
) -> None:
    form = ada.page(rows)
    asked = ada.begin(form)
    graces = grace.authenticator.get(
        asked["options"], credential=grace.authenticator.credentials[0]
    )
    assert_refused(ada.send(form | asked["fields"] | {"assertion": graces}), NOT_ACCEPTED)
    assert_nothing_was_decided(house)


def test_somebody_elses_code_does_not_decide_for_ada(
    house: House, ada: Browser, grace: Browser, rows: list[StagedVersion]
) -> None:
    assert_refused(ada.send(ada.page(rows) | {"code": grace.code()}), WRONG)
    assert_nothing_was_decided(house)


def test_a_touch_is_for_the_session_that_asked_for_it(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    proved = ada.touched(ada.page(rows))
    assert_refused(ada.another().send(proved), NOT_YOURS)
    assert_nothing_was_decided(house)
    assert_decides(house, ada, proved)


def test_a_touch_of_before_signing_out_is_worth_nothing_after_signing_in(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    proved = ada.touched(ada.page(rows))
    ada.client.logout()
    assert "/account/login/" in ada.send(proved)["Location"]
    assert_refused(Browser(ada.user, ada.authenticator, ada.client).send(proved), NOT_YOURS)
    assert_nothing_was_decided(house)


def test_signing_in_by_passkey_signs_no_decision(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    options = Client().post("/sign-in/passkey/options/").json()["options"]
    form = ada.page(rows)
    fields = ada.begin(form)["fields"]
    assertion = ada.authenticator.get(options)
    assert_refused(ada.send(form | fields | {"assertion": assertion}), NOT_ACCEPTED)
    assert_nothing_was_decided(house)


def test_what_a_decision_asks_for_signs_nobody_in(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    proved = ada.touched(ada.page(rows))
    stranger = Client()
    stranger.post("/sign-in/passkey/options/")
    stranger.post("/sign-in/passkey/", {"assertion": proved["assertion"]})
    assert "/account/login/" in stranger.get("/")["Location"]
    assert_nothing_was_decided(house)


# ---------- edited


def test_an_edited_selection_needs_a_new_touch(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    left, right = rows
    both, one = ada.touched(ada.page(rows)), ada.touched(ada.page([left]))
    proof = {name: one[name] for name in ("intent", "assertion")}
    # One added to what was touched for, one left out of it, and another instead of it.
    assert_refused(ada.send(both | proof), AGAIN)
    assert_refused(ada.send(one | {"version": [left.pk, right.pk]}), "Your code was not used.")
    assert_refused(ada.send(both | {"version": [left.pk]}), "Your code was not used.")
    assert_refused(ada.send(one | {"version": [right.pk]}), "Your code was not used.")
    assert_nothing_was_decided(house)


def test_the_address_of_one_version_decides_no_other(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    left, right = rows
    proved = ada.touched(ada.page([left]))
    response = ada.client.post(f"/versions/{right.pk}/approve/", proved)
    assert_refused(response, "Your code was not used.")
    assert_nothing_was_decided(house)


def test_an_edited_reason_needs_a_new_touch(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    proved = ada.touched(ada.page(rows, "reject"), "reject")
    assert_refused(ada.send(proved | {"reason": "Ada is a fool."}, "reject"), AGAIN)
    assert_nothing_was_decided(house)


# ---------- replayed


def test_a_touch_decides_once(house: House, ada: Browser, rows: list[StagedVersion]) -> None:
    left, right = rows
    proved = ada.touched(ada.page([left]))
    assert_decides(house, ada, proved)
    again = ada.send(proved)
    assert again.status_code in {409, 422}
    other = ada.page([right]) | {name: proved[name] for name in ("intent", "assertion")}
    assert_refused(ada.send(other), AGAIN)
    assert_refused(ada.send(other | {"seen": proved["seen"]}), "Your code was not used.")
    # Not even for a fresh intent.
    asked = ada.begin(ada.page([right]))
    assert_refused(
        ada.send(ada.page([right]) | asked["fields"] | {"assertion": proved["assertion"]}),
        NOT_ACCEPTED,
    )
    house.work()
    assert house.approvals_sent() == Decision.objects.count() == 1


def test_a_code_decides_once(house: House, ada: Browser, rows: list[StagedVersion]) -> None:
    left, right = rows
    form = ada.page([left]) | {"code": ada.code()}
    assert_decides(house, ada, form)
    refused = ada.send(ada.page([right]) | {"code": form["code"]})
    assert_refused(refused, USED_BEFORE)
    assert form["code"] not in refused.content.decode()
    house.work()
    assert house.approvals_sent() == Decision.objects.count() == 1


def test_the_code_that_signed_in_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    code = ada.code()
    client = Client()
    client.post("/account/login/", {"login": "ada", "password": "a long password"})
    assert client.post("/verify/", {"code": code})["Location"] == "/"
    form = Browser.page(ada, rows)
    assert_refused(client.post("/approve/", form | {"code": code}), USED_BEFORE)
    assert_nothing_was_decided(house)


def test_the_code_that_opened_the_security_page_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    code = ada.code()
    assert ada.client.post("/security/allow/", {"code": code}).status_code == 302
    assert_refused(ada.send(ada.page(rows) | {"code": code}), USED_BEFORE)
    assert_nothing_was_decided(house)


@pytest.mark.parametrize("code", ["", "000 000", "12345", "١٢٣٤٥٦", "recovery"])
def test_what_is_no_code_of_an_app_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion], code: str
) -> None:
    if code == "recovery":
        # Recovery codes let people in; they do not stand for them when something goes out.
        made = ada.client.post("/security/recovery-codes/", {"code": ada.code()})
        code = re.findall(r"\b[a-z0-9]{4,6}(?:-[a-z0-9]{4,6})+\b", text_of(made), re.I)[0]
    elif code == "000 000":
        code = wrong_code(ada.user)
    assert ada.send(ada.page(rows) | {"code": code}).status_code == 422
    assert_nothing_was_decided(house)


# ---------- too late


def test_a_touch_counts_for_120_seconds(
    house: House, ada: Browser, rows: list[StagedVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    proved = ada.touched(ada.page(rows))
    late = timezone.now() + timedelta(seconds=django_settings.STEP_UP_SECONDS + 1)
    with monkeypatch.context() as patched:
        patched.setattr(timezone, "now", lambda: late)
        assert_refused(ada.send(proved), "This confirmation expired")
    assert_nothing_was_decided(house)


def test_a_page_of_yesterday_asks_for_a_touch_of_today(
    house: House, ada: Browser, rows: list[StagedVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An intent that is made young again in the database is not genuine any more."""
    proved = ada.touched(ada.page(rows))
    StepUp.objects.update(opened_at=timezone.now() - timedelta(seconds=1))
    assert_refused(ada.send(proved), NOT_YOURS)
    assert_nothing_was_decided(house)


# ---------- changed in between


@pytest.mark.parametrize("field", ["shasum", "sha512"])
@pytest.mark.parametrize("proof", ["passkey", "code"])
def test_another_digest_needs_another_look(
    house: House, ada: Browser, rows: list[StagedVersion], field: str, proof: str
) -> None:
    form = proved_by(proof, ada, ada.page(rows))
    wide = {"shasum": 40, "sha512": 128}[field]
    StagedVersion.objects.filter(pk=rows[0].pk).update(**{field: "0" * wide})
    response = ada.send(form)
    assert response.status_code in {409, 422}
    assert_nothing_was_decided(house)


def removed(ada: Browser) -> None:
    deactivate(ada.user, actor=make_user(role=Role.ADMINISTRATOR))


def demoted(ada: Browser) -> None:
    change_role(ada.user, Role.VIEWER, actor=make_user(role=Role.ADMINISTRATOR))


def narrowed(ada: Browser) -> None:
    change_role(
        ada.user,
        Role.APPROVER,
        actor=make_user(role=Role.ADMINISTRATOR),
        reaches=[Reach("", "@elsewhere/*")],
    )


def narrowed_by_half(ada: Browser) -> None:
    Scope.objects.create(user=ada.user, packages="left-pad")


CHANGES = [removed, demoted, narrowed, narrowed_by_half]


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
@pytest.mark.parametrize("proof", ["passkey", "code"])
def test_who_lost_the_right_in_between_decides_nothing(
    house: House,
    ada: Browser,
    rows: list[StagedVersion],
    change: Callable[[Browser], None],
    proof: str,
) -> None:
    form = proved_by(proof, ada, ada.page(rows))
    change(ada)
    response = ada.send(form)
    if change is removed:
        assert "/account/login/" in response["Location"]
    elif change is demoted:
        assert_refused(response, "Your role only lets you look.", 403)
    elif change is narrowed:
        assert response["Location"] == "/"
    else:
        assert_refused(response, "Your code was not used.")
    assert_nothing_was_decided(house)


def test_a_passkey_that_was_removed_in_between_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    proved = ada.touched(ada.page(rows))
    key = next(
        one for one in re.findall(r"passkey-\d+", ada.client.get("/security/").content.decode())
    )
    gone = ada.client.post(f"/security/factors/{key}/remove/", {"code": ada.code()})
    assert gone.status_code == 302
    assert ada.send(proved).status_code == 422
    assert_nothing_was_decided(house)


def test_an_app_that_was_lost_in_between_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    form = ada.page(rows) | {"code": ada.code()}
    SealedTOTPDevice.objects.filter(user=ada.user).delete()
    assert ada.send(form).status_code == 422
    assert_nothing_was_decided(house)


# ---------- forged


def change_signature(assertion: str) -> str:
    sent = json.loads(assertion)
    signature = sent["response"]["signature"]
    sent["response"]["signature"] = signature[:-4] + (
        "AAAA" if signature[-4:] != "AAAA" else "BBBB"
    )
    return json.dumps(sent)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_verified", False),
        ("user_present", False),
        ("origin", "https://countersign.example.net"),
        ("rp_id", "example.net"),
        ("challenge", "AAAA"),
        ("cross_origin", True),
    ],
    ids=["not verified", "not present", "other site", "other id", "other challenge", "framed"],
)
def test_what_a_fake_page_or_a_borrowed_key_signs_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion], name: str, value: object
) -> None:
    setattr(ada.authenticator, name, value)
    assert_refused(ada.send(ada.touched(ada.page(rows))), NOT_ACCEPTED)
    assert_nothing_was_decided(house)


@pytest.mark.parametrize(
    "assertion",
    ["", "{}", "[]", "null", "x" * 20_000, '{"id": 1}', "changed signature", "\x00"],
    ids=["empty", "object", "list", "null", "long", "number", "changed signature", "nul"],
)
def test_what_is_no_signature_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion], assertion: str
) -> None:
    proved = ada.touched(ada.page(rows))
    if assertion == "changed signature":
        assertion = change_signature(proved["assertion"])
    assert ada.send(proved | {"assertion": assertion}).status_code == 422
    assert_nothing_was_decided(house)


def test_an_intent_written_into_the_database_decides_nothing(
    house: House, ada: Browser, rows: list[StagedVersion]
) -> None:
    """Whoever has the database, and not the keys, has nobody's presence."""
    proved = ada.touched(ada.page(rows))
    step_up = StepUp.objects.get()
    step_up.sealed_proof = seal("proved", bound_to="elsewhere")
    step_up.save()
    assert_refused(ada.send(proved), NOT_YOURS)
    assert_nothing_was_decided(house)


def test_a_passkey_written_into_the_database_decides_nothing(
    house: House, ada: Browser, grace: Browser, rows: list[StagedVersion]
) -> None:
    # Grace's row, given to ada beside her own.
    Authenticator.objects.filter(user=grace.user).update(user=ada.user)
    form = ada.page(rows)
    asked = ada.begin(form)
    graces = grace.authenticator.get(
        asked["options"], credential=grace.authenticator.credentials[0]
    )
    assert_refused(ada.send(form | asked["fields"] | {"assertion": graces}), NOT_ACCEPTED)
    assert_nothing_was_decided(house)

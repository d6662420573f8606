"""After a rotation every secret opens with the new key alone, and none was lost on the way."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from approvals.notifications.models import Webhook
from approvals.people import recovery_codes
from approvals.people.models import RegistryAccount
from approvals.queue.models import Registry
from approvals.sealing import SealBroken, seal, unseal
from config.management.commands import rotate_sealing_keys
from config.management.commands.rotate_sealing_keys import sealed_columns
from tests.approvals.factories import make_account, make_registry, make_user

pytestmark = pytest.mark.django_db
OLD, NEW = "the key of last year", "the key of this year"


@pytest.fixture(autouse=True)
def _old_key(settings: Settings) -> None:
    settings.SEALING_KEYS = [OLD]


def webhook(number: int) -> Webhook:
    url = f"https://chat.example.org/{number}"
    return Webhook.objects.create(
        name=f"chat {number}", url=url, sealed_secret=seal(f"secret {number}", bound_to=url)
    )


def rotate() -> str:
    out = StringIO()
    call_command("rotate_sealing_keys", stdout=out, stderr=out, no_color=True)
    return out.getvalue()


def test_every_kind_of_secret_is_sealed_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_sealing_keys, "BATCH", 2)
    registry = make_registry(token="read token")
    make_account(make_user(), registry, token="own token")
    for number in range(5):
        webhook(number)
    settings.SEALING_KEYS = [NEW, OLD]
    said = rotate()
    assert "notifications.Webhook sealed_secret: 5 sealed anew." in said
    assert "All 7 secrets are sealed with the first key." in said

    settings.SEALING_KEYS = [NEW]
    registry = Registry.objects.get()
    account = RegistryAccount.objects.get()
    assert unseal(registry.sealed_read_token, bound_to=registry.url) == "read token"
    assert account.open_token() == "own token"
    for number, hook in enumerate(Webhook.objects.order_by("pk")):
        assert unseal(hook.sealed_secret, bound_to=hook.url) == f"secret {number}"


def test_all_columns_that_hold_secrets_are_known() -> None:
    columns = {f"{model._meta.label}.{field}" for model, field in sealed_columns()}
    assert columns >= {
        "queue.Registry.sealed_read_token",
        "people.Confirmation.sealed",
        "people.RegistryAccount.sealed_token",
        "decisions.RegistryProof.sealed_code",
        "notifications.Webhook.sealed_secret",
    }


def test_a_secret_that_does_not_open_is_named_and_left(settings: Settings) -> None:
    good, bad = webhook(1), webhook(2)
    settings.SEALING_KEYS = ["a key that was lost"]
    lost = seal("lost secret", bound_to=bad.url)
    Webhook.objects.filter(pk=bad.pk).update(sealed_secret=lost)
    settings.SEALING_KEYS = [NEW, OLD]
    out = StringIO()
    with pytest.raises(CommandError, match="1 could not be opened") as refused:
        call_command("rotate_sealing_keys", stdout=out, stderr=out)
    assert refused.value.returncode == 1
    assert f"notifications.Webhook {bad.pk} (sealed_secret)" in out.getvalue()
    assert lost not in out.getvalue()
    bad.refresh_from_db()
    assert bad.sealed_secret == lost
    settings.SEALING_KEYS = [NEW]
    good.refresh_from_db()
    assert unseal(good.sealed_secret, bound_to=good.url) == "secret 1"


def test_what_is_changed_meanwhile_is_not_overwritten(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = webhook(1)
    newer = seal("newer secret", bound_to=hook.url)
    settings.SEALING_KEYS = [NEW, OLD]
    plain_reseal = rotate_sealing_keys.reseal
    changes = [newer]

    def reseal_while_somebody_saves(sealed: str) -> str:
        if changes:
            Webhook.objects.filter(pk=hook.pk).update(sealed_secret=changes.pop())
        return plain_reseal(sealed)

    monkeypatch.setattr(rotate_sealing_keys, "reseal", reseal_while_somebody_saves)
    rotate()
    settings.SEALING_KEYS = [NEW]
    hook.refresh_from_db()
    assert unseal(hook.sealed_secret, bound_to=hook.url) == "newer secret"


def test_what_is_removed_meanwhile_stays_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook(1)
    settings.SEALING_KEYS = [NEW, OLD]
    plain_reseal = rotate_sealing_keys.reseal

    def reseal_while_somebody_removes(sealed: str) -> str:
        Webhook.objects.all().delete()
        return plain_reseal(sealed)

    monkeypatch.setattr(rotate_sealing_keys, "reseal", reseal_while_somebody_removes)
    assert "All 0 secrets" in rotate()
    assert not Webhook.objects.exists()


def test_before_the_rotation_the_new_key_alone_opens_nothing(settings: Settings) -> None:
    hook = webhook(1)
    settings.SEALING_KEYS = [NEW]
    with pytest.raises(SealBroken):
        unseal(hook.sealed_secret, bound_to=hook.url)


def test_it_says_whose_recovery_codes_need_the_earlier_keys(settings: Settings) -> None:
    assert "Recovery codes" not in rotate()
    for _ in range(2):
        recovery_codes.make(make_user())
    settings.SEALING_KEYS = [NEW, OLD]
    assert "Recovery codes of 2 people cannot be sealed anew" in rotate()

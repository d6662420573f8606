"""What people do in their browsers, and what others do with what they get hold of."""

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.decisions.models import Decision, DecisionItem, StepUp
from approvals.people.models import RegistryAccount, SealedTOTPDevice, User
from approvals.queue.models import StagedVersion, State
from tests.approvals.codes import code_now, enrol_passkey
from tests.approvals.conftest import House
from tests.approvals.web.pages import sign_in, text_of
from tests.webauthn import SoftAuthenticator

REASON = "It phones home."


@dataclass
class Browser:
    """A person with a passkey and an app, signed in and verified in a browser of their own."""

    user: User
    authenticator: SoftAuthenticator
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        sign_in(self.user, self.client)

    def another(self) -> "Browser":
        """The same person in another browser."""
        return Browser(self.user, self.authenticator)

    def code(self) -> str:
        """A code of the app that counts as unused."""
        SealedTOTPDevice.objects.filter(user=self.user).update(
            last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
        )
        return code_now(self.user)

    def page(self, rows: list[StagedVersion], action: str = "approve") -> dict[str, Any]:
        """Opens the page that confirms; returns what its form holds."""
        keys = [row.pk for row in rows]
        response = self.client.get(reverse(f"confirm_{action}_several"), {"version": keys})
        assert response.status_code == 200, text_of(response)
        seen = response.content.decode().split('name="seen" value="')[1].split('"')[0]
        form: dict[str, Any] = {"version": keys, "seen": seen}
        return form | {"reason": REASON} if action == "reject" else form

    def begin(self, form: dict[str, Any], action: str = "approve") -> dict[str, Any]:
        """Presses the passkey's button: the intent, and what is to be signed."""
        answer = self.client.post(reverse(f"{action}_intent"), form)
        assert answer.status_code == 200, answer.content
        asked: dict[str, Any] = answer.json()
        return asked

    def touched(self, form: dict[str, Any], action: str = "approve") -> dict[str, Any]:
        """The same form once the passkey was touched, ready to be sent."""
        asked = self.begin(form, action)
        return form | asked["fields"] | {"assertion": self.authenticator.get(asked["options"])}

    def send(self, form: dict[str, Any], action: str = "approve") -> HttpResponse:
        return self.client.post(reverse(f"confirm_{action}_several"), form)


def browser_of(house: House, name: str) -> Browser:
    """An approver with a linked account, an app and a passkey that syncs, so that it counts not."""
    user = house.person(name)
    authenticator = enrol_passkey(user)
    authenticator.counts = False
    return Browser(user, authenticator)


def ready(house: House, *names: str) -> list[StagedVersion]:
    """Versions that wait at the registry, found and compared."""
    return [house.ready(name) for name in names]


def assert_nothing_was_decided(house: House) -> None:
    """Whatever was sent: nothing is decided, nothing went to the registry, nothing changed."""
    house.work()
    assert not Decision.objects.exists()
    assert not DecisionItem.objects.exists()
    assert not StepUp.objects.filter(consumed_at__isnull=False).exists()
    assert set(StagedVersion.objects.values_list("state", flat=True)) <= {State.STAGED}
    calls = house.sandbox.control.calls(method="POST", prefix="/-/stage/")
    assert [call for call in calls if call.path.endswith(("/approve", "/reject"))] == []


def assert_refused(response: HttpResponse, words: str, status: int = 422) -> None:
    """The page says what to do, and gives nothing of the proof back."""
    assert response.status_code == status, text_of(response)
    assert words in text_of(response)


def unlink(user: User) -> None:
    RegistryAccount.objects.filter(user=user).delete()

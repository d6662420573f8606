"""A person's hands at a browser: each click, key and touch is counted."""

import json
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page


@dataclass
class Count:
    """What it took a person from opening the queue to the last "accepted"."""

    clicks: int = 0
    keys: int = 0
    codes: int = 0
    touches: int = 0

    def as_json(self) -> str:
        return json.dumps(vars(self))


class Passkey:
    """A virtual authenticator of one page: touched at once whenever it is asked, and counted.

    `credential` puts a passkey into it that was registered elsewhere (the fields of CDP's
    WebAuthn.addCredential); without, the page may register one.
    """

    def __init__(self, page: Page, credential: dict[str, Any] | None = None) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        added = self._cdp.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self._id = added["authenticatorId"]
        self.touches = 0
        self._cdp.on("WebAuthn.credentialAsserted", self._touched)
        self._cdp.on("WebAuthn.credentialAdded", self._touched)
        if credential is not None:
            self._cdp.send(
                "WebAuthn.addCredential",
                {"authenticatorId": self._id, "credential": credential},
            )
            self.touches = 0

    def refuse(self) -> None:
        """From now on nobody touches it, and nobody is recognised by it."""
        self._cdp.send(
            "WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": False}
        )

    def _touched(self, _: object) -> None:
        self.touches += 1


@dataclass
class Hands:
    """Does what a person does on a page, and counts it."""

    page: Page
    passkey: Passkey | None = None
    count: Count = field(default_factory=Count)

    def click(self, what: Locator) -> None:
        what.click()
        self.count.clicks += 1

    def type(self, where: Locator, text: str) -> None:
        """Types into a field that has the focus, or clicks it first."""
        if not where.evaluate("element => element === document.activeElement"):
            self.click(where)
        where.press_sequentially(text)
        self.count.keys += len(text)
        if text.isdecimal():
            self.count.codes += 1

    def touch_elsewhere(self, what: Locator) -> None:
        """The click on a registry's own page that stands for a touch there."""
        what.click()
        self.count.touches += 1

    def total(self) -> Count:
        touched = self.passkey.touches if self.passkey else 0
        return Count(**{**vars(self.count), "touches": self.count.touches + touched})

"""Why something was not delivered, and what that means for the next try."""

from enum import Enum


class HoldsUp(Enum):
    """What else would fail in the same way if it were tried now."""

    NOTHING = "nothing"
    RECIPIENT = "recipient"
    CHANNEL = "channel"


class NotDelivered(Exception):
    """The message did not arrive, as far as is known. str() is the sentence for the page.

    `final` means that no later try can help, `gone` also that the address is nobody's any more.
    `retry_after` is the least number of seconds that the receiver asked to be left alone; `status`
    is the one of its HTTP answer, where it gave one. The sentence holds no secret, nor an address's
    path.
    """

    def __init__(
        self,
        words: str,
        *,
        final: bool = False,
        holds_up: HoldsUp = HoldsUp.NOTHING,
        retry_after: float = 0.0,
        status: int = 0,
        gone: bool = False,
    ) -> None:
        super().__init__(words)
        self.final = final
        self.holds_up = holds_up
        self.retry_after = retry_after
        self.status = status
        self.gone = gone


class AddressRefused(Exception):
    """What was typed cannot be used as an address. str() is the sentence for the page."""

"""Every way a registry says no, as types a caller can act on.

`str(error)` is a plain sentence fit for a page; `error.words` holds what the registry itself said,
bounded and without control characters, because it comes from outside. No error carries a token or
a code.
"""

import unicodedata

MAX_WORDS = 500


def clean_words(text: str, limit: int = MAX_WORDS) -> str:
    """Text from a registry, made safe to show in one line: at most `limit` characters.

    Control, format (bidirectional overrides among them) and surrogate characters become spaces.
    """
    # Only the beginning is looked at: the text may be megabytes long.
    plain = text[: limit * 4]
    if not plain.isprintable():
        plain = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in plain)
    return " ".join(plain.split())[:limit]


class RegistryError(Exception):
    """What went wrong when talking to a registry.

    Attributes: `words`, the registry's own words ("" if it gave none); `status`, the HTTP status
    (None if no answer arrived).
    """

    def __init__(self, sentence: str, *, words: str = "", status: int | None = None) -> None:
        self.words = clean_words(words)
        self.status = status
        super().__init__(f"{sentence} The registry says: {self.words}" if self.words else sentence)


class NotAuthorised(RegistryError):
    """401: the token is missing, wrong, expired or revoked."""


class SecondFactorNeeded(RegistryError):
    """401: the call has to be sent again with a code of the account's second factor."""


class WebSecondFactorNeeded(SecondFactorNeeded):
    """401: the person has to prove presence on the registry's own page.

    Attributes: `auth_url`, which the person opens; `done_url`, which is polled meanwhile. Both are
    secrets of this one call and stay out of `str` and `repr`.
    """

    def __init__(
        self,
        sentence: str,
        *,
        auth_url: str = "",
        done_url: str = "",
        words: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(sentence, words=words, status=status)
        self.auth_url = auth_url
        self.done_url = done_url


class SecondFactorRefused(RegistryError):
    """A code was sent and not taken: wrong, expired, used before, or the account is locked out."""


class Forbidden(RegistryError):
    """403: the token's user may not do this."""


class NotFound(RegistryError):
    """404: the registry does not have it, or does not let this user see it."""


class Conflict(RegistryError):
    """409: the registry's state does not allow it."""


class AlreadyPublished(Conflict):
    """This version is published already."""


class AlreadyStaged(Conflict):
    """This version is staged already, or its publication is still under way."""


class RateLimited(RegistryError):
    """429, or a Retry-After too long to wait for. Attribute: `retry_after`, in seconds."""

    def __init__(
        self,
        sentence: str,
        *,
        retry_after: float = 0.0,
        words: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(sentence, words=words, status=status)
        self.retry_after = retry_after


class RegistryUnavailable(RegistryError):
    """The registry could not be reached or could not answer; nothing was carried out."""


class AnswerLost(RegistryError):
    """An approve or reject may have been carried out, but no usable answer arrived.

    Settle it by asking the registry, never by sending it again.
    """


class DigestMismatch(RegistryError):
    """A download is not what the registry announced.

    Attributes: `expected` and `actual`, as `algorithm-hex`.
    """

    def __init__(self, sentence: str, *, expected: str = "", actual: str = "") -> None:
        super().__init__(sentence)
        self.expected = expected
        self.actual = actual


class TooLarge(RegistryError):
    """An answer is longer than its limit. Attribute: `limit`, in bytes."""

    def __init__(self, sentence: str, *, limit: int = 0) -> None:
        super().__init__(sentence)
        self.limit = limit


class NotARegistry(RegistryError):
    """The answer is not a registry's: a web page, nonsense, or a redirect that leads nowhere."""


class RequestRefused(RegistryError):
    """Any other 4xx."""


class IncompleteListing(RegistryError):
    """The list of staged versions could not be read completely: conclude nothing from it."""

"""How the API says no: a status, a word for programs, and a sentence for people."""

from __future__ import annotations


class Refused(Exception):
    """The call is refused. `word` is for programs and stays; str() says what to do."""

    status = 400
    word = "bad_request"

    def __init__(self, sentence: str, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(sentence)


class NotSignedIn(Refused):
    status, word = 401, "no_token"


class NotAllowed(Refused):
    status, word = 403, "not_allowed"


class NotFound(Refused):
    status, word = 404, "not_found"


class Ambiguous(Refused):
    status, word = 409, "ambiguous"


class NotUsable(Refused):
    """What was handed in is of no use; nothing changed."""

    status, word = 422, "refused"


class TooLarge(Refused):
    status, word = 413, "too_large"


class TooMany(Refused):
    status, word = 429, "too_many"

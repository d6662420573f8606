"""JSON that every program reads alike: what one reader takes and another does not is refused.

Of a key that comes twice some programs believe the first, others the last. Where something signed
is read, that difference would let one document mean two things.
"""

import json
from typing import Any, NoReturn

MAX_DEPTH = 64


class NotStrict(ValueError):
    """It is no JSON, or programs could differ about what it says."""


def parse_strictly(text: str | bytes, limit: int) -> Any:
    """The JSON value of at most `limit` bytes of UTF-8; NotStrict with a sentence if unusable."""
    if len(text) > limit:
        raise NotStrict(f"It is larger than {limit} bytes.")
    try:
        data = text if isinstance(text, bytes) else text.encode()
        if len(data) > limit:
            raise NotStrict(f"It is larger than {limit} bytes.")
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except NotStrict:
        raise
    except (ValueError, RecursionError):
        raise NotStrict("It is not JSON.") from None
    _check(value, 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrict("It has the same key twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrict("It is not JSON.")  # NaN and Infinity are Python's, not JSON's


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotStrict("It is nested too deeply.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate can be escaped in JSON, and no UTF-8 text can hold it.
        raise NotStrict("It has half a character.") from None

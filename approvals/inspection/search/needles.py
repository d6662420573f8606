"""Literal texts and patterns, searched for all at once.

YARA-X looks for all of them in one pass over a file, which takes the same time for one as for a
thousand. It is memory-safe, and every search of it is bounded in time and matches.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import yara_x

MOST_MATCHES = 1_000
"""Of one needle in one file."""
_MOST_SECONDS = 5


class SearchTookTooLong(Exception):
    """This content was not searched to its end."""


@dataclass(frozen=True)
class Needles:
    """What one rule looks for: texts as they are, and patterns as YARA has them.

    A pattern needs a text of at least three characters in it that never varies, or it makes every
    search slow. With `any_case`, letters count in either case; with `in_base64`, texts are found
    where they stand in what Base64 encodes, and patterns as they are.
    """

    texts: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    any_case: bool = False
    in_base64: bool = False
    others: tuple["Needles", ...] = ()

    def keys(self) -> list[str]:
        """Each as YARA's syntax has it."""
        modifier = " nocase" if self.any_case else ""
        encoding = " base64" if self.in_base64 else modifier
        return [
            *(f'"{_escaped(text)}"{encoding}' for text in self.texts),
            *(f"/{pattern}/{modifier}" for pattern in self.patterns),
            *(key for other in self.others for key in other.keys()),  # noqa: SIM118 - own
        ]


def needles(
    *texts: str, patterns: Iterable[str] = (), any_case: bool = False, in_base64: bool = False
) -> Needles:
    """What a rule module puts into `NEEDLES`."""
    return Needles(tuple(texts), tuple(patterns), any_case, in_base64)


def together(*several: Needles) -> Needles:
    """Needles of different kinds as one."""
    return Needles(others=several)


@dataclass(frozen=True, slots=True)
class Match:
    """One place: bytes `start` to `end` (exclusive), and the key of what was looked for."""

    start: int
    end: int
    key: str


class Searcher:
    """Looks for the needles of several rules at once."""

    def __init__(self, wanted: Iterable[Needles]) -> None:
        self._keys = sorted({key for one in wanted for key in one.keys()})  # noqa: SIM118 - own
        strings = "\n".join(f"$n{number} = {key}" for number, key in enumerate(self._keys))
        source = f"rule needles {{ strings:\n{strings}\ncondition: any of them }}"
        self._rules = yara_x.compile(source if strings else "rule needles { condition: false }")
        # A scanner belongs to the thread that made it, and dies with it.
        self._of_thread = threading.local()

    def _scanner(self) -> yara_x.Scanner:
        scanner: yara_x.Scanner | None = getattr(self._of_thread, "scanner", None)
        if scanner is None:
            scanner = self._of_thread.scanner = yara_x.Scanner(self._rules)
            scanner.set_timeout(_MOST_SECONDS)
            scanner.max_matches_per_pattern(MOST_MATCHES)
        return scanner

    def matches(self, content: bytes) -> list[Match]:
        """Every match in order of place. Raises SearchTookTooLong."""
        try:
            results = self._scanner().scan(content)
        except yara_x.TimeoutError as error:
            raise SearchTookTooLong from error
        found = [
            Match(
                match.offset, match.offset + match.length, self._keys[int(pattern.identifier[2:])]
            )
            for rule in results.matching_rules
            for pattern in rule.patterns
            for match in pattern.matches
        ]
        found.sort(key=lambda match: (match.start, -match.end))
        return found


def _escaped(text: str) -> str:
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}"  # noqa: PLR2004 - printable ASCII
        for byte in text.encode()
    )

"""Data about people: many addresses, account or card numbers. Counted, never shown."""

import re
from collections.abc import Iterator
from posixpath import basename, splitext

from approvals.inspection.finding import Finding, Group, Severity
from approvals.inspection.search.look import Look, LookedFile

GROUP = Group.CONTENT
RULES = {
    "personal-data": "Data about people: many e-mail addresses, account or card numbers",
    "limit-personal-data": "Files of data that were too large to be searched for people",
}
LIMITS = ("limit-personal-data",)
_DATA = frozenset(
    {
        *(
            ".json",
            ".jsonl",
            ".ndjson",
            ".csv",
            ".tsv",
            ".sql",
            ".xml",
            ".yml",
            ".yaml",
            ".txt",
            ".log",
        ),
        *(".db", ".dump", ".bak", ".dat", ".ldif", ".vcf", ".mbox", ".eml", ".har", ".geojson"),
    }
)
_CODE = frozenset({".js", ".cjs", ".mjs", ".ts"})
_LIKE_DATA = re.compile(
    r"(^|/|[._-])(tests?|fixtures?|mocks?|data|seeds?|samples?|dumps?|customers?|users?|people"
    r"|contacts?|export|backup)([./_-]|$)",
    re.IGNORECASE,
)
_ABOUT_AUTHORS = re.compile(
    r"^(authors?|contributors?|maintainers?|licen[cs]es?|copying|notice|changelog|changes|history"
    r"|readme|credits|third.?party|package|package-lock|npm-shrinkwrap|composer|bower|codeowners"
    r"|.*licen[cs]es?|security)\b",
    re.IGNORECASE,
)
_MAIL = "e-mail addresses"
_IBAN = "account numbers (IBAN)"
_CARD = "card numbers"
_PHONE = "phone numbers"
_LARGEST = 4 * 1024 * 1024
_ALL = 8 * 1024 * 1024
_HOST = re.compile(rb"@((?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,12})\b")
_LOCAL = re.compile(rb"[A-Za-z0-9._%+-]{1,64}\Z")
_NOBODYS = re.compile(
    rb"(^|\.)(example\.[a-z]+|test\.[a-z]+|[a-z.]*\.(test|example|invalid|localhost|local)"
    rb"|(domain|email|mail|foo|bar|acme|company|website|host|noreply\.github|users\.noreply\.github)"
    rb"\.[a-z]+|[^.]+\.(js|ts|css|png|jpg|svg|json|html|dev-only))$",
    re.IGNORECASE,
)
_IBANS = re.compile(rb"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARDS = re.compile(
    rb"(?<![0-9.])(?:4[0-9]{3}|5[1-5][0-9]{2}|6011|65[0-9]{2})(?:[ -]?[0-9]{4}){3}(?![0-9.])"
)
_PHONES = re.compile(
    rb"(?<![0-9.])\+[1-9][0-9]{0,2}[ -.]?\(?[0-9]{2,4}\)?(?:[ -.]?[0-9]{2,4}){2,4}(?![0-9])"
)
_TEST_CARDS = (
    b"4242",
    b"41111111",
    b"40128888",
    b"55555555",
    b"51051051",
    b"60110000",
    b"60111111",
    b"40000",
    b"52008282",
    b"6011",
    b"42222222",
    b"52345678",
    b"45320",
    b"49927398",
)
_FEW_DIGITS = 4
_LEAST_DIGITS = 60
_DIGITS = 0.08
"""Of all characters, in a list of numbers of people."""
_SHARE = 0.6
_MOST = 20_000
_MOST_NAMES = 8


def in_tarball(look: Look) -> Iterator[Finding]:
    room = _ALL
    left_out: list[LookedFile] = []
    found: list[tuple[LookedFile, dict[str, int]]] = []
    for file in look.files:
        if file.info.binary or not _is_data(file.path):
            continue
        if file.info.size > min(room, _LARGEST) or look.is_out_of_time():
            left_out.append(file)
            continue
        content = file.content or b""
        if not _may_have(content):
            continue
        room -= len(content)
        counts = _counts(content)
        before = _counts(file.old_content or b"") if file.old_info else {}
        new = {what: count - before.get(what, 0) for what, count in counts.items()}
        told = {what: count for what, count in new.items() if count >= _LEAST[what]}
        if told:
            found.append((file, told))
    if found:
        yield _finding(found)
    if left_out:
        yield _limit(left_out)


def _limit(left_out: list[LookedFile]) -> Finding:
    return Finding(
        "limit-personal-data",
        Severity.INFO,
        "Files of data were not searched for data about people: there is too much of it.",
        "What is in them was not looked at in this regard.",
        "See what kind of data they have.",
        path=left_out[0].path,
        detail=", ".join(file.path for file in left_out[:_MOST_NAMES])
        + (f" and {len(left_out) - _MOST_NAMES:,} more" if len(left_out) > _MOST_NAMES else ""),
        stands_for=len(left_out),
    )


def _finding(found: list[tuple[LookedFile, dict[str, int]]]) -> Finding:
    found.sort(key=lambda one: max(one[1].values()), reverse=True)
    is_much = any(count >= _MUCH[what] for _, counts in found for what, count in counts.items())
    parts = [
        f"{file.path}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}"
        for file, counts in found[:_MOST_NAMES]
    ]
    more = f"; and {len(found) - _MOST_NAMES:,} more files" if len(found) > _MOST_NAMES else ""
    return Finding(
        "personal-data",
        Severity.MEDIUM if is_much else Severity.LOW,
        "It brings what may be data about real people.",
        "What is published can be read by everybody and cannot be taken back. Test data has been "
        "copied from real customers before.",
        "See whether the data is made up. If it is not, do not approve it.",
        path=found[0][0].path,
        detail="; ".join(parts) + more,
        evidence="".join(file.change.new_sha256 for file, _ in found),
        stands_for=len(found),
    )


_LEAST = {_MAIL: 25, _IBAN: 5, _CARD: 5, _PHONE: 30}
_MUCH = {_MAIL: 100, _IBAN: 20, _CARD: 20, _PHONE: 200}


def _is_data(path: str) -> bool:
    name = basename(path)
    ending = splitext(name)[1].lower()
    if _ABOUT_AUTHORS.match(name) or "node_modules/" in path:
        return False
    return ending in _DATA or (ending in _CODE and bool(_LIKE_DATA.search(path)))


def _may_have(content: bytes) -> bool:
    """A cheap look: whether there is enough of anything to be worth counting."""
    return (
        content.count(b"@") >= _LEAST[_MAIL]
        or content.count(b"+") >= _LEAST[_PHONE]
        or _has_many_digits(content)
    )


def _has_many_digits(content: bytes) -> bool:
    digits = len(content) - len(content.translate(None, b"0123456789"))
    return digits >= _LEAST_DIGITS and digits >= _DIGITS * len(content)


def _counts(content: bytes) -> dict[str, int]:
    has_digits = _has_many_digits(content)
    return {
        _MAIL: len(_addresses(content)),
        _IBAN: len(_ibans(content)) if has_digits else 0,
        _CARD: len(_cards(content)) if has_digits else 0,
        _PHONE: len(_phones(content)),
    }


def _addresses(content: bytes) -> set[bytes]:
    if content.count(b"@") < _LEAST[_MAIL]:
        return set()
    found: set[bytes] = set()
    for match in _HOST.finditer(content):
        if len(found) >= _MOST:
            break
        start = match.start()
        local = _LOCAL.search(content, max(0, start - 64), start)
        if local and not _NOBODYS.search(match[1]):
            found.add((local[0] + match[0]).lower())
    return found


def _ibans(content: bytes) -> set[bytes]:
    found: set[bytes] = set()
    for match in _IBANS.finditer(content):
        number = match[0].replace(b" ", b"")
        if len(found) < _MOST and 15 <= len(number) <= 34 and _is_iban(number):  # noqa: PLR2004 - ISO 13616
            found.add(number)
    return found


def _is_iban(number: bytes) -> bool:
    digits = "".join(str(int(chr(char), 36)) for char in number[4:] + number[:4])
    return int(digits) % 97 == 1


def _cards(content: bytes) -> set[bytes]:
    right: set[bytes] = set()
    wrong = 0
    for match in _CARDS.finditer(content):
        if len(right) + wrong >= _MOST:
            break
        number = match[0].replace(b" ", b"").replace(b"-", b"")
        if not _is_luhn(number):
            wrong += 1
        elif not number.startswith(_TEST_CARDS) and len(set(number)) > _FEW_DIGITS:
            right.add(number)
    # One in ten of any numbers has a right check digit.
    return right if len(right) >= _SHARE * (len(right) + wrong) else set()


def _is_luhn(number: bytes) -> bool:
    total = 0
    for place, char in enumerate(reversed(number)):
        digit = char - 48
        if place % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2  # noqa: PLR2004 - two digits then
        total += digit
    return total % 10 == 0


def _phones(content: bytes) -> set[bytes]:
    if content.count(b"+") < _LEAST[_PHONE]:
        return set()
    found: set[bytes] = set()
    for match in _PHONES.finditer(content):
        if len(found) >= _MOST:
            break
        found.add(match[0])
    return found

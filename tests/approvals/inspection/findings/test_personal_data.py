"""Data about people: counted, and never shown."""

import random

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

RULE = "personal-data"


def card(number: int) -> str:
    """A number with a right check digit."""
    start = f"4539{random.Random(number).randint(10**10, 10**11 - 1)}"
    total = 0
    for place, char in enumerate(reversed(start)):
        digit = int(char)
        if place % 2 == 0:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return f"{start}{-total % 10}"


def iban(number: int) -> str:
    account = f"{number + 37040044:08}{number * 7 + 532013000:010}"
    check = 98 - int(f"{account}131400") % 97
    return f"DE{check:02}{account}"


ROWS = {
    "e-mail addresses": lambda n: f"anna.{n}@mail-{n % 9}.io",
    "account numbers (IBAN)": iban,
    "card numbers": card,
    "phone numbers": lambda n: f"+49 151 {5_000_000 + n * 7919}",
}


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize("path", ["data/customers.csv", "test/fixtures/people.json", "dump.sql"])
def test_people_are_counted_and_not_shown(what: str, path: str) -> None:
    rows = [ROWS[what](number) for number in range(250)]
    (finding,) = found_in("\n".join(f'"{row}",' for row in rows), path, rule=RULE)
    assert (finding.severity, finding.path) == (Severity.MEDIUM, path)
    assert f"250 {what}" in finding.detail
    assert not any(row in str(vars(finding)) for row in rows)


def test_a_few_are_low_and_fewer_nothing() -> None:
    for count, expected in ((40, [Severity.LOW]), (10, [])):
        text = "\n".join(ROWS["e-mail addresses"](number) for number in range(count))
        assert [one.severity for one in found_in(text, "users.csv", rule=RULE)] == expected


@pytest.mark.parametrize("path", ["AUTHORS", "CONTRIBUTORS.txt", "LICENSE.txt", "CHANGELOG.txt"])
def test_people_who_made_the_package_do_not_count(path: str) -> None:
    text = "\n".join(ROWS["e-mail addresses"](number) for number in range(200))
    assert found_in(text, path, rule=RULE) == []


@pytest.mark.parametrize(
    "row",
    [
        "anna.{n}@example.com",
        "anna.{n}@a.test",
        "icon@{n}x.png",
        "4242424242424242 {n}",
        "{n:016}",
        "1.{n:016}",
    ],
    ids=range(6),
)
def test_what_is_made_up_does_not_count(row: str) -> None:
    text = "\n".join(row.format(n=number * 7919 + 4_000_000_000_000_000) for number in range(300))
    assert found_in(text, "data.csv", rule=RULE) == []


def test_what_was_there_does_not_count() -> None:
    text = "\n".join(ROWS["e-mail addresses"](number) for number in range(200))
    before = {**QUIET, "users.csv": text}
    assert found(before, {**before, "users.csv": f"{text}\nx"}, rule=RULE) == []


def test_what_is_too_large_is_said() -> None:
    (finding,) = found_in("a,b\n" * 1_200_000, "dump.csv", rule="limit-personal-data")
    assert (finding.severity, finding.path) == (Severity.INFO, "dump.csv")


def test_several_files_are_one_finding_with_the_worst_first() -> None:
    few, many = (
        "\n".join(ROWS["e-mail addresses"](number) for number in range(count))
        for count in (40, 150)
    )
    (finding,) = found(QUIET, {**QUIET, "a.csv": few, "b.csv": many}, rule=RULE)
    assert (finding.severity, finding.path, finding.stands_for) == (Severity.MEDIUM, "b.csv", 2)
    assert "a.csv: 40 e-mail addresses" in finding.detail

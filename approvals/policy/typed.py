"""Reading what somebody typed for the options of a requirement: bounded, and refused with words
that say what to write."""

from __future__ import annotations

import re
from collections.abc import Mapping

from approvals.policy.requirement import SettingRefused

LONGEST_TEXT = 200
LONGEST_LINES = 10_000
MOST_LINES = 100
_NUMBER = re.compile(r"[0-9]{1,6}")


def text_of(typed: Mapping[str, str], option: str, *, longest: int = LONGEST_TEXT) -> str:
    """One line of text, without spaces around it; "" where nothing was typed."""
    text = typed.get(option, "").strip()
    if len(text) > longest:
        raise SettingRefused(option, f"This is too long: write at most {longest:,} characters.")
    if not text.isprintable():
        raise SettingRefused(option, "There is a character in it that nobody sees. Type it anew.")
    return text


def lines_of(typed: Mapping[str, str], option: str, *, most: int = MOST_LINES) -> list[str]:
    """The lines that are not empty, with single spaces between words."""
    text = typed.get(option, "")
    if len(text) > LONGEST_LINES:
        raise SettingRefused(
            option, f"This is too long: write at most {LONGEST_LINES:,} characters."
        )
    lines = [" ".join(line.split()) for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if len(lines) > most:
        raise SettingRefused(option, f"These are {len(lines)} lines: write at most {most}.")
    if not all(line.isprintable() for line in lines):
        raise SettingRefused(option, "There is a character in it that nobody sees. Type it anew.")
    return lines


def number_of(typed: Mapping[str, str], option: str, *, least: int, most: int, of_what: str) -> int:
    """A whole number within these bounds; `of_what` is as "days"."""
    text = text_of(typed, option)
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise SettingRefused(
            option, f"Write a number of {of_what} in digits, from {least} to {most:,}."
        )
    return int(text)


def choice_of(typed: Mapping[str, str], option: str, choices: Mapping[str, str]) -> str:
    """One of the keys of `choices`."""
    text = text_of(typed, option)
    if text not in choices:
        raise SettingRefused(option, f"Choose one of: {', '.join(choices.values())}.")
    return text


def flag_of(typed: Mapping[str, str], option: str) -> bool:
    """Whether it was ticked."""
    text = text_of(typed, option)
    if text not in ("", "yes"):
        raise SettingRefused(option, "Tick it, or leave it.")
    return text == "yes"


def flag(is_set: bool) -> str:
    """The inverse of `flag_of`."""
    return "yes" if is_set else ""

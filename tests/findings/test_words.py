"""What findings say to a maintainer: whole sentences, and on a first release nothing of a past that
it has not."""

import re
from pathlib import Path

import pytest

from tests.findings.test_attacks import ATTACKS, compared, every_manner

_PAST = re.compile(r"\b(before|newly|no longer|in more places|changed|new|now)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[A-Z“0-9a-z].*[.?]$", re.DOTALL)


@pytest.mark.parametrize(("name", "manner"), every_manner())
def test_findings_are_sentences_and_true_on_a_first_release(
    name: str, manner: str, tmp_path: Path
) -> None:
    attack = ATTACKS[name]
    first = compared(tmp_path, None, attack.after[manner]).findings
    later = compared(tmp_path, attack.before, attack.after[manner]).findings
    for one in (*first, *later):
        for text in (one.title, one.why, one.what_to_check):
            assert _SENTENCE.match(text), (one.rule, text)
    assert {one.title for one in first if _PAST.search(one.title)} == set()

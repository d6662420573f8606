"""Code that became denser."""

import base64
import random

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found

SOURCE = "exports.pad = function pad(s, n) {\n  return s.padStart(n);\n};\n" * 40
NOISE = base64.b64encode(random.Random(7).randbytes(6_000)).decode()


def test_a_block_of_noise_in_plain_source_is_worth_a_look() -> None:
    new = {"index.js": f"{SOURCE}const kept = '{NOISE}';\n"}
    (finding,) = found({"index.js": SOURCE}, new, rule="entropy-jump")
    assert finding.severity is Severity.MEDIUM


def test_more_source_is_not() -> None:
    new = {"index.js": f"{SOURCE}{SOURCE.replace('pad', 'cut')}"}
    assert found({"index.js": SOURCE}, new, rule="entropy-jump") == []


def test_a_picture_in_the_code_is_not() -> None:
    new = {"index.js": f"{SOURCE}const icon = 'data:image/png;base64,{NOISE}';\n"}
    assert found({"index.js": SOURCE}, new, rule="entropy-jump") == []

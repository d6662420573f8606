"""npm's bundle for sigstore@2.0.0, of August 2023, which lies beside the repository.

It is of the kind that only intoto_entries.py verifies, and nobody but Sigstore can make another.
"""

import json
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parents[3] / "shared/data/sigstore-2.0.0.sigstore.json"
PACKAGE, VERSION = "sigstore", "2.0.0"
SHA512 = (
    "46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1"
    "e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c"
)

needs_real_bundle = pytest.mark.skipif(
    not PATH.exists(), reason=f"{PATH} is not there: the bundle of sigstore@2.0.0."
)


def real_bundle() -> dict[str, Any]:
    """The bundle as it lies there."""
    document: dict[str, Any] = json.loads(PATH.read_text())
    return document

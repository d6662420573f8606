"""What a new release makes of the rows of the one before."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from approvals.queue.models import StagedVersion
from tests.approvals.factories import MANIFEST_NEW, make_inspection, make_staged_version

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"gitHead": "ab" * 20}, "ab" * 20),
        ({"gitHead": "c" * 500}, "c" * 100),
        ({"gitHead": "ab\u202e"}, ""),
        ({"gitHead": {"a": "b"}}, ""),
        ({}, ""),
    ],
    ids=["commit", "long", "hidden", "object", "none"],
)
def test_versions_that_were_compared_earlier_get_their_commit(
    said: dict[str, Any], kept: str
) -> None:
    make_staged_version(version="1.6.0")
    make_inspection(make_staged_version(), manifest_new=MANIFEST_NEW | said)
    import_module("approvals.inspection.migrations.0003_git_heads").fill(apps, None)
    heads = dict(StagedVersion.objects.values_list("version", "git_head"))
    assert heads == {"1.5.0": kept, "1.6.0": ""}

"""Has every version that is still to be decided looked at again, so that its findings are kept."""

from typing import Any

from django.db import migrations
from django.utils import timezone


def look_again(apps: Any, schema_editor: Any) -> None:
    now = timezone.now()
    apps.get_model("provenance", "ProvenanceCheck").objects.filter(
        state__in=["waiting", "done"],
        staged_version__state__in=["staged", "approving", "rejecting"],
    ).update(state="waiting", looks=0, tries=0, compared_at=None, requested_at=now, due_at=now)


class Migration(migrations.Migration):
    dependencies = [("provenance", "0001_initial"), ("inspection", "0004_findings")]

    operations = [migrations.RunPython(look_again, migrations.RunPython.noop)]

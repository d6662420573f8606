"""What was compared before staged versions had a `git_head` says it in its summary."""

from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    rows = apps.get_model("queue", "StagedVersion").objects
    done = apps.get_model("inspection", "InspectionRequest").objects.exclude(inspection=None)
    head_of = F("inspection__summary__manifest_new__gitHead")
    for pk, head in list(done.values_list("staged_version_id", head_of)):
        if isinstance(head, str) and head.isprintable() and head.strip():
            rows.filter(pk=pk).update(git_head=head.strip()[:100])


class Migration(migrations.Migration):
    dependencies = [
        ("inspection", "0002_reading_diffs"),
        ("queue", "0002_git_head"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

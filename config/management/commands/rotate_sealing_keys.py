"""Seals every stored secret with the first of COUNTERSIGN_SEALING_KEYS."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from approvals.people.models import RecoveryCode
from approvals.sealing import SealBroken, SealedField, reseal

BATCH = 200


class Command(BaseCommand):
    help = (
        "Put the new key in front in COUNTERSIGN_SEALING_KEYS, restart everything, then run this: "
        "afterwards the earlier keys can be taken out. May run while Countersign does, and again. "
        "Exits with 1 if a secret opens with none of the keys, and names its row."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        total, broken = 0, list[str]()
        for model, field in sealed_columns():
            resealed = 0
            for key, sealed in _sealed_values(model, field):
                try:
                    resealed += _rotate(model, field, key, sealed)
                except SealBroken:
                    broken.append(f"{model._meta.label} {key} ({field})")
            total += resealed
            self.stdout.write(f"{model._meta.label} {field}: {resealed} sealed anew.")
        for row in broken:
            self.stderr.write(f"Opens with none of the keys: {row}")
        if broken:
            raise CommandError(
                f"{total} secrets have the first key now, {len(broken)} could not be opened. "
                "Put the key they were sealed with back into COUNTERSIGN_SEALING_KEYS, or enter "
                "these secrets again."
            )
        self.stdout.write(self.style.SUCCESS(f"All {total} secrets are sealed with the first key."))
        people = RecoveryCode.objects.filter(used_at__isnull=True).values("user").distinct().count()
        if people:
            self.stdout.write(
                f"Recovery codes of {people} people cannot be sealed anew: nobody can read them. "
                "Those made under a key that you take out stop working, so have them make new ones."
            )


def sealed_columns() -> Iterator[tuple[type[Model], str]]:
    """Every column that holds sealed text, as (model, column's field name)."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not model._meta.managed:
            continue
        for field in model._meta.local_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


def _sealed_values(model: type[Model], field: str) -> Iterator[tuple[Any, str]]:
    """(primary key, sealed text) of each row that has one, read in batches."""
    rows = model._base_manager.exclude(**{field: ""}).order_by("pk").values_list("pk", field)
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:BATCH])


def _rotate(model: type[Model], field: str, key: Any, sealed: str) -> bool:
    """Seals one value anew; False if the row is gone. Raises SealBroken.

    What somebody stores meanwhile is not overwritten, but sealed anew in its turn: it may come
    from a process that still seals with the earlier key.
    """
    rows = model._base_manager.filter(pk=key)
    while sealed:
        if rows.filter(**{field: sealed}).update(**{field: reseal(sealed)}):
            return True
        sealed = rows.values_list(field, flat=True).first() or ""
    return False

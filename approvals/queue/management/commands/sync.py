"""`manage.py sync`: polls once and prints what changed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from approvals.queue.models import Registry
from approvals.queue.sync import poll


class Command(BaseCommand):
    help = "Polls the registries once, whether due or not, and prints what changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--registry", metavar="NAME", help="only this registry")

    def handle(self, *args: Any, registry: str | None, **options: Any) -> None:
        registries = Registry.objects.filter(enabled=True)
        if registry:
            registries = Registry.objects.filter(name=registry)
        if not registries:
            known = ", ".join(Registry.objects.values_list("name", flat=True))
            if not known:
                raise CommandError("There is no registry yet: an administrator adds one.")
            if registry:
                raise CommandError(f"There is no registry {registry}. Known: {known}.")
            raise CommandError(f"No registry is enabled. Name one to poll it anyway: {known}.")
        failed = []
        for each in registries:
            result = poll(each)
            if result is None:
                self.stdout.write(f"{each}: another worker is polling it at this moment")
                continue
            if result.failure:
                failed.append(each.name)
                self.stderr.write(f"{each}: {result.failure}")
                continue
            for word, rows in (
                ("found", result.found),
                ("back again", result.returned),
                ("published elsewhere", result.published_elsewhere),
                ("withdrawn", result.withdrawn),
            ):
                for row in rows:
                    self.stdout.write(f"{each}: {word} {row} ({row.tag}) {row.stage_id}")
            self.stdout.write(f"{each}: {result.waiting} waiting at the registry")
        if failed:
            raise CommandError(f"Could not poll {', '.join(failed)}.")

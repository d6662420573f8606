"""`manage.py demo_code NAME`: what the authenticators of one of the demo's people show now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.demo import DemoNotPossible, codes_of


class Command(BaseCommand):
    help = "Prints the current codes of one of the demo's people."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="ada or grace")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            codes = codes_of(name)
        except DemoNotPossible as error:
            raise CommandError(str(error)) from error
        left = f"for {codes.seconds_left} more seconds"
        spent = "used already: ask again when it has changed" if codes.used else left
        self.stdout.write(f"Countersign  {codes.dashboard}  ({spent})")
        self.stdout.write(f"registry     {codes.registry}  ({left})")

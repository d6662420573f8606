"""Checks the chained log from the first event to the last."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.audit.chain import Head, verify


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


class Command(BaseCommand):
    help = (
        "Proves that no audit event was changed, removed or added by hand. Write the printed head "
        "down somewhere else, and give it to --expect next time: then the end cannot be cut off "
        "unnoticed either. Exits with 1 at the first broken event."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect",
            type=_head,
            metavar="SEQ:HASH",
            help="a head that was printed earlier and must still be part of the chain",
        )

    def handle(self, *args: Any, expect: Head | None, **options: Any) -> None:
        found = verify(expect)
        if not found.ok:
            raise CommandError(f"The audit log is broken. {found.problem}")
        self.stdout.write(f"The audit log is unbroken: {found.events} events.")
        self.stdout.write(f"Head: {found.head}")

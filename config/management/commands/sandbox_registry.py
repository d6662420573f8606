"""`manage.py sandbox_registry`: an npm registry with staged publishing to try things out on."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry_client.sandbox.answers import SandboxProblem
from registry_client.sandbox.second_factor import MODES
from registry_client.sandbox.server import serve


class Command(BaseCommand):
    help = "Serve a sandbox npm registry with staged publishing on the loopback address."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=4874, help="default: %(default)s")
        parser.add_argument(
            "--data", type=Path, required=True, help="the folder that keeps its packages"
        )
        parser.add_argument(
            "--otp",
            choices=MODES,
            default="classic",
            help="how its second factor behaves (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        def tell(line: str) -> None:
            self.stdout.write(line)
            self.stdout.flush()

        try:
            serve(options["data"].resolve(), port=options["port"], otp=options["otp"], tell=tell)
        except SandboxProblem as problem:
            raise CommandError(str(problem)) from problem

"""`manage.py up`: the whole dashboard with one command."""

import errno
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from approvals.people import first_run
from config import broker, demo
from config.processes import ChildStopped, Processes, Stopped, answers, why_not_listen
from registry_client.sandbox.answers import SandboxProblem
from registry_client.sandbox.demo_organisation import DemoOrganisation
from registry_client.sandbox.second_factor import MODES

STARTS_WITHIN_SECONDS = 60
LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65_535
# Each with its queue, and how many things it does at once. A look for provenance only waits for a
# registry, and nobody waits for it: one after the other spares registry and memory.
WORKERS = {
    "worker": ("countersign", 2),
    "decider": ("decisions", 2),
    "inspector": ("inspection", 2),
    "prover": ("provenance", 1),
}
# One for all of them, for `--one-worker`: what takes long may keep the other things waiting.
ONE_WORKER = {"worker": (",".join(queue for queue, _ in WORKERS.values()), 3)}


class Command(BaseCommand):
    help = "Migrates, then runs the web server, the workers and beat until Ctrl-C."
    # The database may be empty: the checks run once it is migrated, in the programs started.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=LOOPBACK, help="default: %(default)s")
        parser.add_argument("--port", type=_port, default=8000, help="default: %(default)s")
        parser.add_argument(
            "--demo", action="store_true", help="with a sandbox registry and a small organisation"
        )
        parser.add_argument(
            "--sandbox-port", type=_port, default=4874, help="default: %(default)s (with --demo)"
        )
        parser.add_argument(
            "--sandbox-otp",
            choices=MODES,
            default="classic",
            help="the sandbox's second factor (with --demo; default: %(default)s)",
        )
        parser.add_argument(
            "--one-worker",
            action="store_true",
            help="one worker for all queues instead of one for each, for small machines: needs a "
            "third of the memory, but a large tarball or a slow registry can hold decisions up",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with Processes(settings.BASE_DIR) as processes:
                self._run(processes, options)
        except Stopped:
            self._say("Stopped.")
        except (ChildStopped, TimeoutError, demo.DemoNotPossible, SandboxProblem) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used: {' '.join(str(error).split())} Check DATABASE_URL, "
                f"or that {settings.VAR_DIR} can be written."
            ) from error
        except OSError as error:
            raise CommandError(f"{error.strerror}: {error.filename or ''}".rstrip(": ")) from error

    def _run(self, processes: Processes, options: dict[str, Any]) -> None:
        host, port = options["host"], options["port"]
        self._check_port(host, port, "--port")
        if options["demo"]:
            self._check_port(LOOPBACK, options["sandbox_port"], "--sandbox-port")
            if port == options["sandbox_port"]:
                raise CommandError("--port and --sandbox-port must be different ports.")
        env = self._environment(host, port)
        self._check_broker()

        self._say("Preparing the database and the static files …")
        if not settings.REDIS_URL:
            # The messages of an earlier run are of no use: beat finds what they were about.
            broker.empty(settings.BROKER_DIR)
        with _database_in_use():
            call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        # Before anything answers, so that no page is open to nobody in particular.
        link = None if options["demo"] else self._first_link()
        organisation = self._start_demo(processes, env, options) if options["demo"] else None
        workers = ONE_WORKER if options["one_worker"] else WORKERS
        self._start_programs(processes, env, host, port, workers)
        url = env.get("COUNTERSIGN_URL", settings.PUBLIC_URL)
        if organisation is None:
            self._greet(url, link)
        else:
            self._greet_demo(processes, organisation, url, options["sandbox_port"])
        processes.watch()

    def _first_link(self) -> str | None:
        """The path of the page that makes the first administrator; None where people are here."""
        with _database_in_use():
            token = first_run.offer()
        return f"/first-run/link/{token}/" if token else None

    def _check_port(self, host: str, port: int, option: str) -> None:
        words = why_not_listen(host, port)
        if words == os.strerror(errno.EADDRINUSE):
            raise CommandError(
                f"{host}:{port} is taken by another program. Stop it, or choose another port "
                f"with {option}."
            )
        if words:
            raise CommandError(f"Nothing can listen on {host}:{port}: {words}.")

    def _check_broker(self) -> None:
        if not settings.REDIS_URL:
            return
        try:
            with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5) as broker:
                broker.ping()
        except redis.RedisError as error:
            raise CommandError(f"Redis cannot be used: {error} Check REDIS_URL.") from error
        except ValueError:
            raise CommandError("REDIS_URL must look like redis://HOST:PORT/NUMBER.") from None

    def _environment(self, host: str, port: int) -> dict[str, str]:
        # As the path that it is: relative ones mean another folder in the programs.
        env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "COUNTERSIGN_VAR": str(settings.VAR_DIR),
        }
        if not settings.PUBLIC_URL:
            if host not in settings.LOOPBACK_HOSTS:
                raise CommandError(
                    f"Everyone who reaches {host} would reach Countersign: set COUNTERSIGN_URL to "
                    "its https:// address first (README, “Deploying”)."
                )
            # By its name: browsers allow no passkeys where the address is a number.
            name = "localhost" if host == LOOPBACK else host
            env["COUNTERSIGN_URL"] = f"http://{name}:{port}"
        return env

    def _start_demo(
        self, processes: Processes, env: dict[str, str], options: dict[str, Any]
    ) -> DemoOrganisation:
        port = options["sandbox_port"]
        url = f"http://{LOOPBACK}:{port}/"
        self._say("Building the demo: a sandbox registry with a small organisation …")
        with _database_in_use():
            demo.check_database(url)
        organisation = demo.build_sandbox()
        command = ("sandbox_registry", f"--port={port}", f"--data={demo.sandbox_folder()}")
        self._manage(processes, "sandbox", env, *command, f"--otp={options['sandbox_otp']}")
        processes.wait_until(
            lambda: answers(LOOPBACK, port),
            seconds=STARTS_WITHIN_SECONDS,
            what="The sandbox registry",
        )
        with _database_in_use():
            demo.build_dashboard(organisation, url)
        return organisation

    def _start_programs(
        self,
        processes: Processes,
        env: dict[str, str],
        host: str,
        port: int,
        workers: dict[str, tuple[str, int]],
    ) -> None:
        self._say("Starting the web server, the workers and beat …")
        python = [sys.executable, "-m"]
        for name, (queues, at_once) in workers.items():
            options = (f"--queues={queues}", f"--hostname={name}@%h", f"--concurrency={at_once}")
            quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
            celery = [*python, "celery", "--app=config", "--quiet"]
            processes.start(name, [*celery, "worker", *options, *quiet, "--loglevel=WARNING"], env)
        pid_file = Path(settings.VAR_DIR) / "beat.pid"
        pid_file.unlink(missing_ok=True)
        processes.start(
            "beat",
            [*python, "celery", "--app=config", "--quiet", "beat", f"--pidfile={pid_file}"],
            env,
        )
        bind = f"--bind={host}:{port}"
        processes.start("web", [*python, "gunicorn", "--config=python:config.gunicorn", bind], env)
        processes.wait_until(
            lambda: answers(host, port), seconds=STARTS_WITHIN_SECONDS, what="The web server"
        )

    def _greet(self, url: str, link: str | None) -> None:
        begin = (
            "Nobody is here yet. Open this link to set it up; it is good once, and whoever opens "
            f"it first becomes the administrator:\n\n  {url}{link}\n\n"
            if link
            else ""
        )
        self._say(f"\nCountersign is at {url}\n{begin}Ctrl-C stops it.\n")

    def _greet_demo(
        self, processes: Processes, organisation: DemoOrganisation, url: str, sandbox_port: int
    ) -> None:
        with _database_in_use():
            processes.wait_until(
                demo.comparisons_finished,
                seconds=STARTS_WITHIN_SECONDS,
                what="The comparison of the demo's tarballs",
            )
        people = "\n".join(
            f"  {name:6}  password {organisation.users[name].password}  ({role})"
            for name, role in demo.ROLES.items()
        )
        self._say(
            f"\nCountersign is at {url}\n\nSign in as\n{people}\n\n"
            "Their codes, for the dashboard and for the sandbox registry:\n"
            f"  {sys.executable} manage.py demo_code ada\n\n"
            f"The sandbox registry is at http://{LOOPBACK}:{sandbox_port}/ and everything in it "
            "is made up.\nCtrl-C stops all of it.\n"
        )

    def _manage(self, processes: Processes, name: str, env: dict[str, str], *command: str) -> None:
        manage = str(settings.BASE_DIR / "manage.py")
        processes.start(name, [sys.executable, manage, *command], env)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_PORT:
        raise ArgumentTypeError(f"a port is a number between 1 and {HIGHEST_PORT}")
    return int(text)


@contextmanager
def _database_in_use() -> Iterator[None]:
    # The programs that are started must not inherit a connection, nor find the file locked by one.
    try:
        yield
    finally:
        connections.close_all()

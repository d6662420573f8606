"""Compares tarballs that lie on this machine, as the review page does."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.inspection.compare import compare_tarballs
from approvals.inspection.engine import engine_version
from approvals.inspection.limits import compare_limits
from approvals.inspection.printed import printed
from approvals.inspection.results import Comparison, Status, Totals
from registry_client.tar_paths import printable
from registry_client.tarball import TarballError

EXIT_UNREADABLE = 2
_VERBOSE = 2
_PATIENCE = 1.0
_PROGRESS_EVERY = 0.1


class Command(BaseCommand):
    help = (
        "Shows what is in an npm tarball, against an earlier one, and first what a reviewer must "
        "not miss: findings, the most serious first. No registry is asked, so that nothing is said "
        "of who staged it, and as what. Nothing is unpacked, and nothing of it is run. Exits with "
        "2 if a tarball cannot be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.usage = "manage.py inspect [OLD.tgz] NEW.tgz [--json] [--verbosity 2]"
        parser.add_argument(
            "tarballs",
            nargs="+",
            type=Path,
            metavar="TARBALL",
            help="the tarball, after the one to compare it with, if any",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="print all that was found as JSON, each finding as rule, severity, title, path, "
            "line, new and detail; the lists are whole",
        )

    def handle(
        self, *args: Any, tarballs: list[Path], verbosity: int, as_json: bool, **options: Any
    ) -> None:
        if len(tarballs) > 2:  # noqa: PLR2004 - old and new
            raise CommandError("Give one tarball, or two.", returncode=EXIT_UNREADABLE)
        old, new = (None, *tarballs)[-2:]
        assert new is not None  # noqa: S101 - tells mypy what argparse has settled
        digests = tuple(None if path is None else _digest(path) for path in (old, new))
        progress = _Progress(self.stderr)
        try:
            found = compare_tarballs(
                new, old, limits=compare_limits(), on_progress=progress.on_progress
            )
        except TarballError as error:
            raise _unreadable(new, str(error)) from error
        except OSError as error:
            raise _unreadable(new, f"{error.strerror}.") from error
        finally:
            progress.clear()
        for problem in found.old_problems:
            if problem.rule == "baseline-unreadable" and old is not None:
                raise _unreadable(old, problem.sentence.partition(": ")[2])
        if as_json:
            self._write(_as_json(found, digests))
        else:
            self._write(printed(found, digests, is_whole=verbosity >= _VERBOSE))

    def _write(self, text: str) -> None:
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        try:
            self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self.stdout.flush()
        except BrokenPipeError:
            # Whoever read it has seen enough. What Python would still flush goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Progress:
    """One line on the terminal, once it takes long enough to be missed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._begun = time.monotonic()
        self._next = self._begun + _PATIENCE
        self._shown = 0
        self._wanted = bool(getattr(stream, "isatty", lambda: False)())

    def on_progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._wanted or now < self._next:
            return
        self._next = now + _PROGRESS_EVERY
        line = f"{stage}: {done * 100 // total if total else 100} %"
        self._line(line)

    def clear(self) -> None:
        if self._shown:
            self._line("")
            self._stream.write("\r", ending="")

    def _line(self, line: str) -> None:
        self._stream.write(f"\r{line:<{self._shown}}", ending="")
        self._stream.flush()
        self._shown = len(line)


def _digest(path: Path) -> str:
    """The SHA-512 of a file in hex."""
    try:
        if path.exists() and not path.is_file():
            raise _unreadable(path, "It is not a file.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha512").hexdigest()
    except OSError as error:
        raise _unreadable(path, f"{error.strerror}.") from error
    except ValueError as error:
        raise _unreadable(path, "There is no such file.") from error


def _unreadable(path: Path, sentence: str) -> CommandError:
    return CommandError(printable(f"{path}: {sentence}"), returncode=EXIT_UNREADABLE)


def _as_json(found: Comparison, digests: tuple[str | None, ...]) -> str:
    statuses = [change.status for change in found.files]
    result = {
        "engine": engine_version(),
        "old": _side(found.manifest_old, found.old, digests[0]),
        "new": _side(found.manifest_new, found.new, digests[1]),
        "totals": {
            **{status: statuses.count(status) for status in get_args(Status)},
            "additions": found.added_lines,
            "deletions": found.removed_lines,
        },
        "files": [
            {
                "path": change.path,
                "old_path": change.old_path,
                "status": change.status,
                "additions": change.added_lines,
                "deletions": change.removed_lines,
                "binary": change.is_binary,
                "old_size": change.old_size,
                "new_size": change.new_size,
            }
            for change in found.files
        ],
        "manifest": [
            {"field": change.field, "key": change.key, "old": change.old, "new": change.new}
            for change in found.manifest_changes
        ],
        "findings": [finding.as_json() for finding in found.findings],
    }
    return json.dumps(result, indent=2)


def _side(
    manifest: dict[str, Any] | None, totals: Totals | None, digest: str | None
) -> dict[str, Any] | None:
    if totals is None:
        return None
    manifest = manifest or {}
    return {
        "name": manifest.get("name"),
        "version": manifest.get("version"),
        "sha512": digest,
        "files": totals.files,
        "unpacked_size": totals.unpacked_size,
    }

"""What every test runs under: no TLS redirect, quick passwords, no broker, a database on disk."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connections
from pytest_django import Settings

from config.celery import app as celery_app

# How the property of a test is called that holds what it counted.
COUNTED = "counted: "


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds",
        type=float,
        default=0,
        metavar="SECONDS",
        help="how long each fuzz test goes on with other input than in every run (default: not)",
    )


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file: threads that share a database in memory do not wait for one another."""
    if django_settings.ON_SQLITE:
        path: Path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connections["default"].settings_dict["TEST"]["NAME"] = str(path)


@pytest.fixture(autouse=True)
def _settings_of_tests(settings: Settings, tmp_path: Path) -> None:
    settings.SECURE_SSL_REDIRECT = False
    # Nobody waits for more news of the kind, unless that is what a test is about.
    settings.GATHER_SECONDS = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "tarballs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                **settings.STORAGES["tarballs"]["OPTIONS"],
                "location": str(tmp_path / "tarballs"),
            },
        },
    }
    # Where the receivers of tests are.
    settings.NOTIFY_ALLOW = ("127.0.0.1",)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture(autouse=True, scope="session")
def _broker_in_memory() -> Iterator[None]:
    before = celery_app.conf.broker_url
    celery_app.conf.broker_url = "memory://localhost/"
    yield
    celery_app.conf.broker_url = before


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI everything is there: an integration or browser test that skips itself has failed."""
    report = yield
    slow = item.get_closest_marker("integration") or item.get_closest_marker("browser")
    if report.skipped and slow and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a decision costs a person, as the browser tests counted it."""
    rows = [
        (str(name), json.loads(str(value)))
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name.startswith(COUNTED)
    ]
    if not rows:
        return
    terminalreporter.section("From the queue to the last “accepted”")
    head = f"{'':56}{'clicks':>8}{'keys':>8}{'codes':>8}{'touches':>8}"
    terminalreporter.write_line(head)
    for name, count in sorted(rows):
        numbers = "".join(f"{count[what]:>8}" for what in ("clicks", "keys", "codes", "touches"))
        terminalreporter.write_line(f"{name.removeprefix(COUNTED):56}{numbers}")

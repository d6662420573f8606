"""What somebody reads who sets a variable wrong."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from approvals.inspection.results import CompareLimits
from registry_client.tarball import Limits

PROJECT = Path(__file__).resolve().parents[2]
KEY = "k" * 50


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("COUNTERSIGN_") or name in {"DATABASE_URL", "REDIS_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COUNTERSIGN_VAR", str(tmp_path))


def settings_now() -> dict[str, Any]:
    return runpy.run_path(str(PROJECT / "config" / "settings.py"))


WRONG = [
    ("COUNTERSIGN_DEBUG", "maybe"),
    ("COUNTERSIGN_BEHIND_PROXY", "2"),
    ("COUNTERSIGN_SECRET_KEY", "hunter2"),
    ("COUNTERSIGN_SEALING_KEYS", "hunter2"),
    ("COUNTERSIGN_SEALING_KEYS", f"{KEY},hunter2"),
    ("COUNTERSIGN_SEALING_KEYS", f"{KEY},,{KEY}"),
    ("COUNTERSIGN_SEALING_KEYS", ","),
    ("COUNTERSIGN_URL", "https://[bad"),
    ("COUNTERSIGN_URL", "https://"),
    ("COUNTERSIGN_URL", "https://countersign.example.org:port"),
    ("COUNTERSIGN_URL", "https://countersign.example.org/here"),
    ("COUNTERSIGN_URL", "https://mia:hunter2@countersign.example.org"),
    ("COUNTERSIGN_URL", "http://countersign.example.org"),
    ("COUNTERSIGN_URL", "countersign.example.org"),
    ("COUNTERSIGN_HSTS_SECONDS", "abc"),
    ("COUNTERSIGN_HSTS_SECONDS", "-1"),
    ("COUNTERSIGN_SESSION_SECONDS", "0"),
    ("COUNTERSIGN_SESSION_IDLE_SECONDS", "59"),
    ("COUNTERSIGN_GITHUB_URL", "http://github.example.org"),
    ("COUNTERSIGN_GITHUB_CLIENT_ID", "half-of-it"),
    ("COUNTERSIGN_GITHUB_CLIENT_SECRET", "half-of-it"),
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "mysql://mia:hunter2@db.example.org/name"),
    ("DATABASE_URL", "postgres://mia:hunter2@db.example.org:port/name"),
    ("DATABASE_URL", "postgres://mia:hunter2@db.example.org"),
    ("DATABASE_URL", "postgres://mia:hunter2@[db/name"),
    ("DATABASE_URL", "sqlite:///"),
    ("REDIS_URL", "redis.example.org"),
    ("REDIS_URL", "http://:hunter2@redis.example.org"),
    ("REDIS_URL", "redis://"),
    ("REDIS_URL", "redis://:hunter2@redis.example.org:port/0"),
    ("COUNTERSIGN_SWEEP_SECONDS", "x"),
    ("COUNTERSIGN_SWEEP_SECONDS", "0"),
    ("COUNTERSIGN_SWEEP_SECONDS", "-3"),
    ("COUNTERSIGN_SWEEP_SECONDS", "nan"),
    ("COUNTERSIGN_SWEEP_SECONDS", "inf"),
    ("COUNTERSIGN_POLL_SECONDS", "abc"),
    ("COUNTERSIGN_POLL_SECONDS", "0"),
    ("COUNTERSIGN_POLL_SECONDS", "1.5"),
    ("COUNTERSIGN_DOWNLOAD_LIMIT_MB", "-1"),
    ("COUNTERSIGN_NOTIFY_ALLOW", "https://chat.example.org"),
    ("COUNTERSIGN_NOTIFY_ALLOW", "chat.example.org,10.0.0.0/99"),
    ("COUNTERSIGN_TARBALL_STORAGE", "S3"),
    ("COUNTERSIGN_TARBALL_STORAGE", "storages/s3.py"),
    ("COUNTERSIGN_TARBALL_STORAGE", "storages.backends.s3."),
    ("COUNTERSIGN_TARBALL_STORAGE_OPTIONS", "hunter2"),
    ("COUNTERSIGN_TARBALL_STORAGE_OPTIONS", '["hunter2"]'),
    ("COUNTERSIGN_TARBALL_STORAGE_OPTIONS", '{"access_key": "hunter2"'),
    ("COUNTERSIGN_TARBALL_DAYS", "0"),
    ("COUNTERSIGN_TARBALL_UNPACKED_MB", "0"),
    ("COUNTERSIGN_TARBALL_FILE_MB", "1.5"),
    ("COUNTERSIGN_TARBALL_ENTRIES", "many"),
    ("COUNTERSIGN_TARBALL_RATIO", "0"),
    ("COUNTERSIGN_TARBALL_PATH_LENGTH", "-1"),
    ("COUNTERSIGN_TARBALL_PATH_DEPTH", "0"),
    ("COUNTERSIGN_TARBALL_DIFF_FILE_MB", "0"),
    ("COUNTERSIGN_TARBALL_DIFFS_MB", "x"),
    ("COUNTERSIGN_QUESTION_SECONDS", "soon"),
    ("COUNTERSIGN_CALL_LEASE_SECONDS", "0"),
    ("COUNTERSIGN_LIVE_WATCH_SECONDS", "0"),
    ("COUNTERSIGN_GATHER_SECONDS", "-1"),
    ("COUNTERSIGN_NEWS_DAYS", "0"),
    ("COUNTERSIGN_NOT_VISIBLE_SECONDS", "0"),
    ("COUNTERSIGN_LIVE_DOWNLOAD_SECONDS", "0"),
    ("COUNTERSIGN_CODE_WANTED_SECONDS", "-1"),
    ("COUNTERSIGN_PROVENANCE_HISTORY", "-1"),
    ("COUNTERSIGN_PROVENANCE_HISTORY", "all"),
    ("COUNTERSIGN_REKOR_URL", "log.example.org"),
    ("COUNTERSIGN_REKOR_URL", "http://log.example.org"),
    ("COUNTERSIGN_REKOR_URL", "https://mia:hunter2@log.example.org"),
    ("COUNTERSIGN_REKOR_URL", "https://log.example.org/?key=hunter2"),
    ("COUNTERSIGN_REKOR_URL", "https://log.example.org:port"),
    ("COUNTERSIGN_REKOR_URL", "https://"),
    ("COUNTERSIGN_TUF_URL", "file:///etc"),
    ("COUNTERSIGN_TUF_URL", "http://tuf.example.org"),
    ("COUNTERSIGN_EMAIL_URL", "smtp+tls://mia:hunter2@mail.example.org:port"),
    ("COUNTERSIGN_EMAIL_URL", "smtp://"),
    ("COUNTERSIGN_EMAIL_URL", "mail.example.org"),
    ("COUNTERSIGN_TIME_ZONE", "Foo/Bar"),
    ("COUNTERSIGN_TIME_ZONE", "../../etc/passwd"),
    ("COUNTERSIGN_LOG_LEVEL", "loud"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_told_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refused:
        settings_now()
    words = str(refused.value)
    assert words.startswith(f"{name} ")
    assert "\n" not in words
    assert "hunter2" not in words


@pytest.mark.parametrize("name", sorted({name for name, _ in WRONG}))
def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # Keys are made once, so that both find the same.
    without = settings_now()
    monkeypatch.setenv(name, "")
    with_it = settings_now()
    assert {key: with_it[key] for key in with_it if key.isupper()} == {
        key: without[key] for key in without if key.isupper()
    }


@pytest.mark.parametrize(
    ("name", "value", "setting", "meant"),
    [
        ("COUNTERSIGN_DEBUG", "Yes", "DEBUG", True),
        ("COUNTERSIGN_SECRET_KEY", KEY, "SECRET_KEY", KEY),
        ("COUNTERSIGN_SEALING_KEYS", f"{KEY}, {KEY}2", "SEALING_KEYS", [KEY, f"{KEY}2"]),
        (
            "COUNTERSIGN_URL",
            "https://c.example.org:8443/",
            "PUBLIC_URL",
            "https://c.example.org:8443",
        ),
        ("COUNTERSIGN_URL", "http://[::1]:8000", "SESSION_COOKIE_SECURE", False),
        ("COUNTERSIGN_HSTS_SECONDS", "0", "SECURE_HSTS_SECONDS", 0),
        ("COUNTERSIGN_SWEEP_SECONDS", "0.5", "SWEEP_SECONDS", 0.5),
        ("COUNTERSIGN_DOWNLOAD_LIMIT_MB", "1", "DOWNLOAD_LIMIT_BYTES", 1024 * 1024),
        ("COUNTERSIGN_TARBALL_DAYS", "90", "TARBALL_DAYS", 90),
        ("COUNTERSIGN_PROVENANCE_HISTORY", "0", "PROVENANCE_HISTORY", 0),
        (
            "COUNTERSIGN_REKOR_URL",
            "https://log.example.org/",
            "REKOR_URL",
            "https://log.example.org",
        ),
        ("COUNTERSIGN_REKOR_URL", "http://127.0.0.1:3000", "REKOR_URL", "http://127.0.0.1:3000"),
        (
            "COUNTERSIGN_TUF_URL",
            "https://mirror.example.org/tuf",
            "TUF_URL",
            "https://mirror.example.org/tuf",
        ),
        (
            "REDIS_URL",
            "rediss://:p@redis.example.org/1",
            "REDIS_URL",
            "rediss://:p@redis.example.org/1",
        ),
        (
            "COUNTERSIGN_EMAIL_URL",
            "smtp+tls://m:p%40@mail.example.org:587",
            "EMAIL_HOST_PASSWORD",
            "p@",
        ),
        ("COUNTERSIGN_TIME_ZONE", "Europe/Berlin", "TIME_ZONE", "Europe/Berlin"),
        ("COUNTERSIGN_LOG_LEVEL", "debug", "LOG_LEVEL", "DEBUG"),
    ],
)
def test_a_right_value_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, setting: str, meant: object
) -> None:
    monkeypatch.setenv(name, value)
    assert settings_now()[setting] == meant


def test_forms_may_lead_to_github_where_it_is_configured_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def allowed() -> list[str]:
        policy = settings_now()["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]
        return [str(one) for one in policy["form-action"]]

    assert allowed() == ["'self'"]
    monkeypatch.setenv("COUNTERSIGN_GITHUB_CLIENT_ID", "client")
    monkeypatch.setenv("COUNTERSIGN_GITHUB_CLIENT_SECRET", "secret")
    assert allowed() == ["'self'", "https://github.com"]
    monkeypatch.setenv("COUNTERSIGN_GITHUB_URL", "https://github.example.org")
    assert allowed() == ["'self'", "https://github.example.org"]
    assert settings_now()["SOCIALACCOUNT_PROVIDERS"]["github"]["GITHUB_URL"] == (
        "https://github.example.org"
    )


def test_tarballs_are_kept_under_var_for_the_owner_alone(tmp_path: Path) -> None:
    assert settings_now()["STORAGES"]["tarballs"] == {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(tmp_path / "tarballs"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


@pytest.mark.parametrize("backend", ["", "django.core.files.storage.FileSystemStorage"])
def test_another_folder_is_for_the_owner_alone_too(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("COUNTERSIGN_TARBALL_STORAGE", backend)
    monkeypatch.setenv("COUNTERSIGN_TARBALL_STORAGE_OPTIONS", '{"location": "/srv/tarballs"}')
    options = settings_now()["STORAGES"]["tarballs"]["OPTIONS"]
    assert (options["location"], options["file_permissions_mode"]) == ("/srv/tarballs", 0o600)


def test_any_storage_takes_its_own_options_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_TARBALL_STORAGE", "storages.backends.s3.S3Storage")
    monkeypatch.setenv("COUNTERSIGN_TARBALL_STORAGE_OPTIONS", '{"bucket_name": "tarballs"}')
    assert settings_now()["STORAGES"]["tarballs"] == {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {"bucket_name": "tarballs"},
    }


def test_the_limits_that_are_not_set_are_those_of_the_reader() -> None:
    found = settings_now()
    assert Limits(**found["TARBALL_LIMITS"]) == Limits()
    assert CompareLimits(**found["DIFF_LIMITS"]) == CompareLimits()


def test_postgresql_is_found_under_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://mia:p%2F@db.example.org:5433/name")
    database = settings_now()["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == (
        "db.example.org",
        5433,
        "name",
    )
    assert (database["USER"], database["PASSWORD"]) == ("mia", "p/")


def test_a_storage_that_is_not_installed_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUNTERSIGN_TARBALL_STORAGE", "nowhere.S3Storage")
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    words = "CommandError: COUNTERSIGN_TARBALL_STORAGE: Could not find backend 'nowhere.S3Storage'"
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith(words)


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["manage.py", "up"],
        ["-m", "celery", "--app", "config", "report"],
        ["-c", "import config.wsgi"],
    ],
)
def test_no_program_starts_with_a_wrong_value(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_POLL_SECONDS", "abc")
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    last = ended.stderr.strip().splitlines()[-1]
    words = "COUNTERSIGN_POLL_SECONDS must be a whole number from 1 to 86400, not 'abc'."
    assert last.endswith(words)
    if command[0] == "manage.py":
        assert ended.stderr.strip() == f"CommandError: {words}"

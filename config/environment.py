"""Reading environment variables with care.

Each function raises ImproperlyConfigured with one line that names the variable and says what it
takes. A variable that is empty counts as one that is not set. Addresses and keys are never
repeated: passwords stand in them.
"""

import json
import math
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

from approvals.notifications.addresses import BadEntry, guard_for

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LOCAL_STORAGE = "django.core.files.storage.FileSystemStorage"
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def text(name: str, default: str = "") -> str:
    """The variable without white space around it."""
    return os.environ.get(name, "").strip() or default


def texts(name: str) -> list[str]:
    """What stands between the commas."""
    return [part for part in map(str.strip, text(name).split(",")) if part]


def flag(name: str) -> bool:
    """True or false; false where it is not set."""
    value = text(name, "false")
    if value.lower() not in _YES | _NO:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value[:50]!r}.")
    return value.lower() in _YES


def whole(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {least} to {most}, not {value[:50]!r}."
        )
    return number


def megabytes(name: str, default: int) -> int:
    """A whole number of MB (1,048,576 bytes each), in bytes."""
    return whole(name, default, least=1, most=1_000_000) * 1024 * 1024


def seconds(name: str, default: float, *, least: float, most: float) -> float:
    """A number of seconds, perhaps with a fraction."""
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise ImproperlyConfigured(
            f"{name} must be a number of seconds from {least:g} to {most:g}, not {value[:50]!r}."
        )
    return number


def secret(name: str, *, least: int) -> str:
    """A secret of at least `least` characters; empty where it is not set."""
    value = text(name)
    _check_secret(name, value, least)
    return value


def secrets(name: str, *, least: int) -> list[str]:
    """Secrets between commas, each of at least `least` characters; none where it is not set."""
    value = text(name)
    found = [part.strip() for part in value.split(",")] if value else []
    for part in found:
        if not part:
            raise ImproperlyConfigured(
                f"{name} must hold keys with one comma between two of them: one key is empty."
            )
        _check_secret(name, part, least)
    return found


def _check_secret(name: str, value: str, least: int) -> None:
    if value and len(value) < least:
        raise ImproperlyConfigured(
            f"{name} is too short: a key has at least {least} characters. Make one with "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(64))'."
        )


def public_url(name: str) -> SplitResult:
    """The address that people use; empty where it is not set."""
    address = _split(text(name).rstrip("/"))
    if address is not None and not any(address):
        return address
    if address is None or not address.hostname or any((*address[2:], "@" in address.netloc)):
        raise ImproperlyConfigured(
            f"{name} must look like https://countersign.example.org or "
            "https://countersign.example.org:8443, with nothing after it."
        )
    on_loopback = address.scheme == "http" and address.hostname in LOOPBACK
    if address.scheme != "https" and not on_loopback:
        raise ImproperlyConfigured(
            f"{name} must start with https:// (http:// is for the loopback address only): "
            "session cookies and codes would cross the network in the clear."
        )
    return address


def service_url(name: str, default: str = "") -> str:
    """The address of a service that is asked over https, without a final slash."""
    url = text(name, default).rstrip("/")
    address = _split(url)
    if not url:
        return ""
    on_loopback = address and address.scheme == "http" and address.hostname in LOOPBACK
    if (
        address is None
        or not address.hostname
        or any((address.query, address.fragment, "@" in address.netloc))
        or not (address.scheme == "https" or on_loopback)
    ):
        raise ImproperlyConfigured(
            f"{name} must look like https://log.example.org, without a user, a query or a "
            "fragment (http:// is for the loopback address only)."
        )
    return url


def database(name: str, default: str) -> dict[str, Any]:
    """The entry for Django's DATABASES."""
    url = text(name, default)
    address = _split(url)
    if (
        address is not None
        and url.startswith(("postgres://", "postgresql://", "sqlite:///"))
        and address.path.strip("/")
    ):
        try:
            config: dict[str, Any] = environ.Env.db_url_config(url)
        except ValueError:
            pass
        else:
            return config
    # Neither the address nor what was wrong with it is repeated: a password may stand in both.
    raise ImproperlyConfigured(
        f"{name} must look like postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH, "
        "with other characters than letters and digits percent-encoded."
    ) from None


def redis_url(name: str) -> str:
    """The address of Redis; empty where it is not set."""
    url = text(name)
    address = _split(url)
    if url and (
        address is None or address.scheme not in {"redis", "rediss"} or not address.hostname
    ):
        raise ImproperlyConfigured(
            f"{name} must look like redis://:PASSWORD@HOST:PORT/NUMBER, or rediss:// for TLS."
        )
    return url


def email(name: str, default: str) -> dict[str, Any]:
    """Django's settings for sending e-mail."""
    url = text(name, default)
    address = _split(url)
    if (
        address is None
        or address.scheme not in environ.Env.EMAIL_SCHEMES
        or (address.scheme.startswith("smtp") and not address.hostname)
    ):
        raise ImproperlyConfigured(
            f"{name} must look like smtp+tls://USER:PASSWORD@HOST:PORT, with other characters than "
            "letters and digits percent-encoded, or be consolemail:// to print messages."
        )
    config: dict[str, Any] = environ.Env.email_url_config(url)
    return config


def allowed_hosts(name: str) -> tuple[str, ...]:
    """Hosts, addresses and networks between commas that messages may go to besides the public."""
    entries = tuple(texts(name))
    try:
        guard_for(entries)
    except BadEntry as error:
        raise ImproperlyConfigured(
            f"{name} must hold hosts, addresses or networks like chat.example.org, 10.1.2.3 or "
            f"10.1.0.0/16 with commas between them, not {str(error)[:50]!r}."
        ) from None
    return entries


def storage(name: str, *, folder: Path) -> dict[str, Any]:
    """The entry for Django's STORAGES: `folder`, or what the variable and NAME_OPTIONS say."""
    backend = text(name, _LOCAL_STORAGE)
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", backend):
        raise ImproperlyConfigured(
            f"{name} must be the dotted path of a storage class like "
            f"storages.backends.s3.S3Storage, not {backend[:50]!r}."
        )
    try:
        options = json.loads(text(f"{name}_OPTIONS", "{}"))
    except ValueError:
        options = None
    if not isinstance(options, dict):
        # Not repeated: keys may stand in it.
        raise ImproperlyConfigured(
            f'{name}_OPTIONS must be a JSON object like {{"bucket_name": "tarballs"}}.'
        )
    if backend == _LOCAL_STORAGE:
        private = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        options = {"location": str(folder), **private, **options}
    return {"BACKEND": backend, "OPTIONS": options}


def time_zone(name: str, default: str) -> str:
    """A name of the time zone database."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ValueError, LookupError, OSError):
        raise ImproperlyConfigured(
            f"{name} must be the name of a time zone like Europe/Berlin, not {value[:50]!r}."
        ) from None
    return value


def log_level(name: str, default: str) -> str:
    """The name of one of Python's log levels."""
    value = text(name, default).upper()
    if value not in LOG_LEVELS:
        raise ImproperlyConfigured(
            f"{name} must be one of {', '.join(LOG_LEVELS)}, not {value[:50]!r}."
        )
    return value


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None for what is none."""
    try:
        address = urlsplit(url)
        _ = address.port
    except ValueError:
        return None
    return address

"""Telling chat and paging services, each by its address, in a child process that holds no secret
but that one."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from approvals.notifications.bounded_http import RETRY_AFTER_LIMIT
from approvals.notifications.errors import AddressRefused, HoldsUp, NotDelivered
from approvals.notifications.messages import one_line

URL_LIMIT = 2000
# Less than a delivery's lease; the child ends itself a little later, if it is left alone.
CHILD_SECONDS = 35.0
ANSWER_BYTES = 16384
_TOO_MANY, _SERVER_ERROR = 429, 500


@dataclass(frozen=True)
class Service:
    """What an address stands for, as far as it may be shown."""

    name: str
    host: str

    def __str__(self) -> str:
        return f"{self.name} at {self.host}" if self.host else self.name


def checked_address(url: str) -> tuple[str, Service]:
    """The address as it is stored, and what it stands for; sends nothing. Raises AddressRefused."""
    url = url.strip()
    if not url or not url.isprintable() or "://" not in url or any(map(str.isspace, url)):
        raise AddressRefused(
            "Enter the address in the form that apprise gives it, such as "
            "slack://TokenA/TokenB/TokenC or ntfys://ntfy.example.org/releases."
        )
    if len(url) > URL_LIMIT:
        raise AddressRefused(f"The address is longer than {URL_LIMIT} characters.")
    try:
        answer = _ask({"url": url, "only_check": True})
    except NotDelivered as error:
        raise AddressRefused(str(error)) from error
    if answer["outcome"] != "sent":
        raise AddressRefused(f"This address cannot be used. {answer['words']}")
    return url, Service(answer["service"], answer["host"])


def tell(url: str, *, title: str, body: str, is_urgent: bool = False) -> str:
    """Sends it; returns the service's answer as a sentence. Raises NotDelivered."""
    answer = _ask(
        {"url": url, "title": title, "body": body, "type": "warning" if is_urgent else "info"}
    )
    service = Service(answer["service"], answer["host"])
    words, status = answer["words"], answer["status"]
    if answer["outcome"] == "sent":
        return f"{service} answered {status}: {words or 'no words'}" if status else f"{service}."
    if answer["outcome"] in {"refused", "unknown"}:
        raise NotDelivered(words, holds_up=HoldsUp.RECIPIENT)
    said = words or "it did not say why"
    raise NotDelivered(
        f"{service} answered {status}: {said}"
        if status
        else f"{service} did not take the message: {said}",
        holds_up=HoldsUp.RECIPIENT
        if not status or status == _TOO_MANY or status >= _SERVER_ERROR
        else HoldsUp.NOTHING,
        retry_after=_seconds(answer.get("retry_after", "")),
        status=status,
    )


def _ask(task: dict[str, Any]) -> dict[str, Any]:
    """What the child answers. Raises NotDelivered."""
    task |= {"allow": list(settings.NOTIFY_ALLOW), "app_url": settings.PUBLIC_URL}
    child = subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "approvals.notifications.chat_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=settings.BASE_DIR,
        # Ours holds keys and passwords.
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent"},
        start_new_session=True,
    )
    try:
        written = _exchange(child, json.dumps(task).encode())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    try:
        answer = json.loads(written)
    except ValueError as error:
        raise NotDelivered(
            "The service used up the time or memory that one message may take.",
            holds_up=HoldsUp.RECIPIENT,
        ) from error
    return {**answer, "words": one_line(answer["words"], 300)}


def _exchange(child: subprocess.Popen[bytes], task: bytes) -> bytes:
    """Hands `task` over and reads until the child is done, has said too much, or is out of time."""
    assert child.stdin is not None  # noqa: S101 - PIPE, for the type checker
    assert child.stdout is not None  # noqa: S101 - likewise
    until = time.monotonic() + CHILD_SECONDS
    with suppress(BrokenPipeError), child.stdin as asked:
        asked.write(task)
    written = b""
    with child.stdout as answers, selectors.DefaultSelector() as readable:
        readable.register(answers, selectors.EVENT_READ)
        while len(written) < ANSWER_BYTES and (left := until - time.monotonic()) > 0:
            if not readable.select(left):
                break
            part = os.read(answers.fileno(), ANSWER_BYTES)
            if not part:
                break
            written += part
    return written


def _seconds(header: str) -> float:
    return min(float(header), RETRY_AFTER_LIMIT) if header.isascii() and header.isdigit() else 0.0

"""The child process that speaks to chat and paging services, with apprise.

`python -m approvals.notifications.chat_child` reads one task as JSON and writes one answer. It is a
process of its own because apprise is a hundred small programs by many hands, each of which reads
what somebody typed: here it holds no secret but the one address, opens no file, starts no program,
calls nobody whom the guard does not allow, and ends when its time or memory is used up. No Django.
"""

import json
import logging
import os
import re
import resource
import signal
import socket
import ssl
import sys
import sysconfig
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import apprise
import requests
from apprise.common import PersistentStoreMode
from apprise.manager_plugins import NotificationManager

from approvals.notifications.addresses import Guard, HostRefused, guard_for

TASK_BYTES = 65536
# Apprise itself takes about 70 MB of this.
MEMORY = 768 * 1024 * 1024
CPU_SECONDS, OPEN_FILES = 20, 64
SERVICE_SECONDS = 20
# The parent waits no longer than this, and neither may the child once the parent is gone.
WHOLE_SECONDS = 40
ANSWER_BYTES = 256 * 1024
WORDS_LIMIT = 300

# Of these, what they tell is told on this machine, or from its files.
LOCAL = {"blink1", "dbus", "glib", "gnome", "macosx", "syslog", "vapid", "windows"}

_READABLE = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *filter(None, ssl.get_default_verify_paths()[:2]),
    "/etc/ssl",
    "/etc/pki",
    "/etc/mime.types",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/null",
    "/dev/urandom",
)
_STARTS_SOMETHING = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pty.spawn",
    "sqlite3.connect",
    "subprocess.Popen",
}


def main() -> None:
    """One task from standard input, one answer to standard output."""
    answers = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    # What services print is nobody's answer.
    for stream in (1, 2):
        os.dup2(nothing, stream)
    task = json.loads(sys.stdin.buffer.read(TASK_BYTES))
    _bound_itself()
    walls = Walls(guard_for(tuple(task["allow"])))
    answers.write(json.dumps(carry_out(task, walls)))
    answers.close()
    # Threads of a service that did not end in time must not hold this up.
    os._exit(0)


def carry_out(task: dict[str, Any], walls: "Walls") -> dict[str, Any]:
    """The answer: `outcome` is sent, failed, refused or unknown; `words` say why, without secrets.

    `service` is the service's name, `host` where it runs if the address says that, and `status`
    the last HTTP status that it answered with.
    """
    url, answer = task["url"], {"service": "", "host": "", "status": 0, "words": ""}
    if (scheme := _scheme(url)) and _is_local(scheme):
        return answer | {
            "outcome": "refused",
            "words": f"{scheme}:// tells something to this machine itself, not to people.",
        }
    overheard = _Overheard()
    logging.getLogger("apprise").addHandler(overheard)
    walls.close()
    plugin = apprise.Apprise.instantiate(url, asset=_asset(task), suppress_exceptions=True)
    if not isinstance(plugin, apprise.NotifyBase):
        words = overheard.last() if scheme in _schemes() else ""
        return answer | {
            "outcome": "unknown",
            "words": without_secrets(words, url)
            or f"No service known here has addresses that begin with {scheme}://.",
        }
    answer["service"] = str(plugin.service_name or plugin.__class__.__name__)
    answer["host"] = host = _own_host(plugin)
    if host:
        try:
            walls.look_at(host)
        except HostRefused as refusal:
            return answer | {"outcome": "refused", "words": str(refusal)}
    if task.get("only_check"):
        return answer | {"outcome": "sent"}
    told = apprise.Apprise(asset=_asset(task))
    told.add(plugin)
    try:
        sent = bool(
            told.notify(
                title=task["title"],
                body=task["body"],
                notify_type=task["type"],
                body_format=apprise.NotifyFormat.TEXT,
            )
        )
    except (HostRefused, Exception) as error:  # noqa: BLE001 - a service's bug is one that failed
        sent = False
        overheard.said.append(type(error).__name__)
    answer["status"] = walls.status
    if walls.refusal and not sent:
        return answer | {"outcome": "refused", "words": walls.refusal}
    words = walls.words or ("" if sent else overheard.last())
    return answer | {
        "outcome": "sent" if sent else "failed",
        "words": without_secrets(words, url),
        "retry_after": walls.retry_after,
    }


class Walls:
    """What stands around the services: files, programs, and where the network ends."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.refusal = ""
        self.status = 0
        self.words = ""
        self.retry_after = ""
        self._allowed: set[str] = set()
        self._look_up = socket.getaddrinfo

    def close(self) -> None:
        """From here on. It cannot be taken back in this process."""
        socket.getaddrinfo = self._addresses
        for name in ("connect", "connect_ex"):
            setattr(socket.socket, name, self._to_address(getattr(socket.socket, name)))
        send = requests.Session.send
        requests.Session.send = (  # type: ignore[method-assign]  # bounded for every service alike
            lambda session, request, **options: self._bounded(send, session, request, options)
        )
        sys.addaudithook(self._watch)

    def look_at(self, host: str) -> None:
        """Refuses a host that would be refused anyhow, before anything is sent."""
        self.guard.check_host(host)
        try:
            self._addresses(host, 443)
        except HostRefused as error:
            raise HostRefused(self.refusal) from error
        except OSError:
            # Which names there are may be another tomorrow.
            return

    def _addresses(self, host: Any, *arguments: Any, **options: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        found = self._look_up(host, *arguments, **options)
        allowed = [entry for entry in found if self.guard.allows(name, str(entry[4][0]))]
        if not allowed:
            self._refuse(name)
        self._allowed.update(str(entry[4][0]) for entry in allowed)
        return allowed

    def _to_address(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        def connected(connection: socket.socket, address: Any) -> Any:
            is_name = (
                isinstance(address, tuple)
                and connection.family in {socket.AF_INET, socket.AF_INET6}
                and address[0] not in self._allowed
            )
            if is_name:
                # Else the C library would look the name up once more, after it was judged.
                found = self._addresses(address[0], address[1], connection.family)
                address = found[0][4]
            return connect(connection, address)

        return connected

    def _bounded(
        self, send: Callable[..., Any], session: Any, request: Any, options: dict[str, Any]
    ) -> Any:
        bounds = {"stream": True, "allow_redirects": False, "proxies": {}}
        self.status, self.words = 0, ""
        try:
            answer = send(session, request, **{**options, **bounds})
        except requests.exceptions.RequestException as error:
            self.words = f"it cannot be reached ({_cause(error)})"
            raise
        start = b""
        for part in answer.iter_content(16384):
            start += part
            if len(start) >= ANSWER_BYTES:
                break
        answer.close()
        answer._content, answer._content_consumed = start[:ANSWER_BYTES], True
        self.status = answer.status_code
        self.retry_after = answer.headers.get("Retry-After", "")[:20]
        self.words = start[:4096].decode(errors="replace") or answer.reason or ""
        if answer.is_redirect:
            self.words = "It points to another address. Redirects are not followed."
        return answer

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The last wall: the interpreter asks here, whatever the services do to its modules."""
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            self._watch_network(arguments[1])
        elif event == "open":
            self._watch_file(*arguments)
        elif event == "socket.bind" or event in _STARTS_SOMETHING:
            raise PermissionError(f"{event} is not for services")

    def _watch_network(self, address: Any) -> None:
        if address is None:
            return  # to whom it is connected already
        host = address[0] if isinstance(address, tuple) else ""
        if host not in self._allowed and not self.guard.allows("", str(host)):
            self._refuse(str(host) or "A socket of this machine")

    def _watch_file(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            return  # opened already
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        whole = os.path.realpath(os.fsdecode(path))
        readable = any(whole == place or whole.startswith(f"{place}/") for place in _READABLE)
        if whole != os.devnull and ((isinstance(flags, int) and flags & writes) or not readable):
            raise PermissionError("services open no files")

    def _refuse(self, host: str) -> None:
        self.refusal = str(HostRefused.of(host))
        # An OSError too, which services take for a network that is down.
        raise _Refused(self.refusal)


class _Refused(HostRefused, OSError):
    pass


def _cause(error: BaseException) -> str:
    """The operating system's or OpenSSL's own words."""
    found: BaseException | None = error
    words = "it did not answer in time" if isinstance(error, requests.exceptions.Timeout) else ""
    while found is not None:
        if isinstance(found, OSError) and not isinstance(found, requests.RequestException):
            words = getattr(found, "verify_message", "") or found.strerror or words
        found = found.__cause__ or found.__context__
    return words or "the connection was closed"


class _Overheard(logging.Handler):
    """What apprise warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.said) < 20:  # noqa: PLR2004 - the last of some
            self.said.append(record.getMessage()[:1000])

    def last(self) -> str:
        return self.said[-1] if self.said else ""


def without_secrets(words: str, url: str) -> str:
    """`words` without any longer part of `url`, whose path and query are passwords mostly."""
    rest = url.partition("://")[2]
    parts = set(re.split(r"[/?&=@:,#]+", rest)) | set(re.split(r"[/?&=@:,#]+", unquote(rest)))
    host = urlsplit(url).hostname or ""
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= 4 and part.lower() not in {host, "true", "false", "https", "http"}:  # noqa: PLR2004 - shorter ones are words
            words = words.replace(part, "…")
    return words[:WORDS_LIMIT]


def _scheme(url: str) -> str:
    found = re.match(r"\s*([a-z0-9][a-z0-9+._-]{0,30})://", url, re.IGNORECASE)
    return found[1].lower() if found else ""


def _schemes() -> Any:
    plugins: Any = NotificationManager
    return plugins().schemas()


def _is_local(scheme: str) -> bool:
    if scheme not in _schemes():
        return False
    plugins: Any = NotificationManager
    module = str(plugins()[scheme].__module__)
    return module.removeprefix("apprise.plugins.").split(".")[0] in LOCAL


def _own_host(plugin: Any) -> str:
    """The host, where every address of the service names one; elsewhere it is half a password."""
    named = all("{host}" in template for template in plugin.templates)
    return str(plugin.host or "") if named else ""


def _asset(task: dict[str, Any]) -> apprise.AppriseAsset:
    return apprise.AppriseAsset(
        app_id="Countersign",
        app_desc="Countersign",
        app_url=task.get("app_url", ""),
        # Pictures would be fetched from other people's hosts by whoever reads the message.
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        secure_logging=True,
        interpret_escapes=False,
        interpret_emojis=False,
        storage_mode=PersistentStoreMode.MEMORY,
        language="en",
        service_timeout=SERVICE_SECONDS,
        allow_templates=False,
    )


def _bound_itself() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WHOLE_SECONDS)
    sys.dont_write_bytecode = True
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main()

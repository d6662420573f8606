"""Chat and paging services by their addresses, and what the child that speaks to them may do."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from approvals.audit.models import OutboxEvent
from approvals.notifications import chat
from approvals.notifications.channels import apprise as channel
from approvals.notifications.chat_child import without_secrets
from approvals.notifications.errors import AddressRefused, HoldsUp, NotDelivered
from approvals.notifications.messages import message_for, trial_message
from approvals.notifications.models import Delivery, Destination
from approvals.people.models import User
from tests.approvals.notifications.conftest import Publish
from tests.approvals.notifications.receiver import Receiver

SECRETS = ("path-secret", "hunter22")


def address(receiver: Receiver, *, scheme: str = "json", query: str = "") -> str:
    host = receiver.url.removeprefix("http://").partition("/")[0]
    return f"{scheme}://ada:hunter22@{host}/hooks/path-secret{query}"


@pytest.fixture
def event(publish: Publish) -> OutboxEvent:
    return publish(reason="It is fine.", token="npm_notforanyone")


@pytest.fixture
def delivery(people: dict[str, User], receiver: Receiver, event: OutboxEvent) -> Delivery:
    found = channel.checked(address(receiver))
    destination = Destination(kind="apprise", name="chat", shown_address=found.shown)
    destination.seal_address(found.address)
    destination.save()
    return Delivery.objects.create(
        event=event, channel="apprise", recipient=str(destination.pk), destination=destination
    )


def failure(url: str) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        chat.tell(url, title="A title", body="A body")
    for secret in SECRETS:
        assert secret not in str(caught.value)
    return caught.value


def test_a_service_gets_title_body_and_id(delivery: Delivery, receiver: Receiver) -> None:
    for _ in range(2):
        channel.send(delivery, message_for(delivery.event))
    first, second = (json.loads(request.body) for request in receiver.received)
    assert first["title"] == "Live: left-pad@1.3.0"
    assert "It is fine." in first["message"]
    assert first["message"].endswith(f"event_{delivery.event_id}")
    assert "npm_notforanyone" not in receiver.received[0].body
    assert first == second
    assert receiver.received[0].path == "/hooks/path-secret"


def test_the_test_shows_the_real_answer(
    delivery: Delivery, receiver: Receiver, event: OutboxEvent
) -> None:
    assert delivery.destination is not None
    message = trial_message("test_1", event.at)
    receiver.answer_with(200, b"thanks, channel path-secret was told")
    answer = channel.test(delivery.destination, message)
    assert "JSON at 127.0.0.1 answered 200: thanks, channel" in answer
    assert not any(secret in answer for secret in SECRETS)
    receiver.answer_with(403, b"invalid_token")
    with pytest.raises(NotDelivered, match="answered 403: invalid_token"):
        channel.test(delivery.destination, message)


def test_its_address_is_at_rest_only_sealed(delivery: Delivery) -> None:
    row = Destination.objects.filter(pk=delivery.destination_id).values().get()
    assert not any(secret in str(row) for secret in SECRETS)
    assert row["shown_address"] == "JSON at 127.0.0.1"


def test_it_opens_for_its_owner_alone(
    delivery: Delivery, receiver: Receiver, people: dict[str, User]
) -> None:
    Destination.objects.update(person=people["vic"])
    delivery.refresh_from_db()
    with pytest.raises(NotDelivered) as caught:
        channel.send(delivery, message_for(delivery.event))
    assert caught.value.final
    assert receiver.received == []


@pytest.mark.parametrize(
    ("status", "holds_up"),
    [
        (400, HoldsUp.NOTHING),
        (404, HoldsUp.NOTHING),
        (429, HoldsUp.RECIPIENT),
        (500, HoldsUp.RECIPIENT),
        (503, HoldsUp.RECIPIENT),
    ],
)
def test_a_refusal_says_so_in_the_services_words(
    receiver: Receiver, status: int, holds_up: HoldsUp
) -> None:
    receiver.answer_with(status, b"the queue\x1b[31m\nis full", Retry_After="120")
    error = failure(address(receiver))
    assert f"answered {status}: the queue[31m is full" in str(error)
    assert error.holds_up is holds_up
    assert error.retry_after == 120
    assert not error.final


@pytest.mark.parametrize("query", ["", "?redirect=yes"])
def test_redirects_are_not_followed(receiver: Receiver, query: str) -> None:
    receiver.answer_with(307, Location=receiver.url)
    assert "Redirects are not followed" in str(failure(address(receiver, query=query)))
    assert len(receiver.received) == 1


def test_a_closed_port_is_told_as_one(receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = failure(f"json://127.0.0.1:{taken.getsockname()[1]}/path-secret")
    assert "Connection refused" in str(error)
    assert error.holds_up is HoldsUp.RECIPIENT


def test_an_endless_answer_is_cut_off(receiver: Receiver) -> None:
    receiver.manner, receiver.status = "endless", 200
    answer = chat.tell(address(receiver), title="A title", body="A body")
    assert len(answer) < 500


def test_an_answer_that_never_ends_in_coming_costs_a_bounded_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "CHILD_SECONDS", 2.0)
    receiver.manner = "drip"
    error = failure(address(receiver))
    assert "time or memory" in str(error)
    assert error.holds_up is HoldsUp.RECIPIENT
    assert receiver.received


@pytest.mark.parametrize(
    "url",
    [
        "dbus://",
        "kde://",
        "qt://",
        "glib://",
        "gnome://",
        "macosx://",
        "windows://",
        "syslog://",
        "blink1://",
        "SYSLOG://",
        "vapid://ada@example.org/?keyfile=/etc/passwd",
    ],
)
def test_services_of_this_machine_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused, match="this machine itself"):
        channel.checked(url)
    assert "this machine itself" in str(failure(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "chat.example.org",
        "nonsense://chat.example.org",
        "file:///etc/passwd",
        "/etc/passwd",
        "https://chat.example.org/config.yml",
        "slack://",
        "json://chat.example.org json://other.example.org",
        "json://chat.example.org/\r\nX: y",
        "json://chat.example.org/" + "x" * 3000,
    ],
)
def test_what_no_service_has_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        channel.checked(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
        ("ntfys://releases-secret-topic", "ntfy"),
        ("pagerduty://A1BRTD4JD@TIiajkdnlazkcOXrIdevi7FQ", "Pager Duty"),
        ("jsons://ada:hunter22@93.184.215.14/path-secret", "JSON at 93.184.215.14"),
    ],
)
def test_what_is_shown_of_an_address_is_no_secret(url: str, shown: str) -> None:
    assert channel.checked(url).shown == shown


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:7f00:1]"]
)
def test_hosts_in_our_own_network_are_refused_when_entered_and_when_called(
    settings: Settings, receiver: Receiver, host: str
) -> None:
    settings.NOTIFY_ALLOW = ()
    url = f"json://{host}:{receiver.url.split(':')[2]}"
    with pytest.raises(AddressRefused):
        channel.checked(url)
    failure(url)
    assert receiver.received == []


def test_a_host_that_is_allowed_by_name_is_called(settings: Settings, receiver: Receiver) -> None:
    settings.NOTIFY_ALLOW = ("localhost",)
    url = address(receiver).replace("127.0.0.1", "localhost")
    assert "answered 204" in chat.tell(url, title="A title", body="A body")
    with pytest.raises(AddressRefused):
        channel.checked(address(receiver))


def test_the_guard_holds_where_a_service_has_its_hosts_in_its_settings(
    settings: Settings, receiver: Receiver
) -> None:
    """Not the host of the address, but one in its query: there is no list of those."""
    settings.NOTIFY_ALLOW = ()
    port = receiver.url.split(":")[2].partition("/")[0]
    url = f"mailto://ada:hunter22@example.org?smtp=127.0.0.1&port={port}&to=ben@example.org"
    error = failure(url)
    assert "COUNTERSIGN_NOTIFY_ALLOW" in str(error)
    assert receiver.received == []


def test_no_file_of_this_machine_is_read(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "card.json"
    secret.write_text(json.dumps({"content": "the sealing key"}))
    url = f"discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?template={secret}"
    assert "the sealing key" not in str(failure(url))


# ---------- the walls, from within

CHILD = """
import json, os, socket, subprocess, sys
from approvals.notifications.addresses import guard_for
from approvals.notifications.chat_child import Walls, _bound_itself
_bound_itself()
Walls(guard_for(tuple(json.loads(sys.argv[1])))).close()
try:
    {what}
except (OSError, MemoryError) as error:
    print("refused", type(error).__name__, flush=True)
else:
    print("allowed", flush=True)
os._exit(0)
"""


def within(what: str, *allowed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-c", CHILD.format(what=what), json.dumps(allowed)],
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "what",
    [
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "open('var/sealing.key').read()",
        "os.open('/etc/passwd', os.O_RDONLY)",
        "open('/tmp/written-by-a-service', 'w')",
        "os.open('/tmp/written-by-a-service', os.O_CREAT | os.O_WRONLY)",
        "os.system('true')",
        "subprocess.run(['true'])",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "__import__('sqlite3').connect(':memory:')",
        "socket.socket().bind(('127.0.0.1', 0))",
        "socket.socket().connect(('127.0.0.1', 9))",
        "socket.socket().connect(('localhost', 9))",
        "socket.socket().connect(('10.1.2.3', 9))",
        "socket.socket().connect_ex(('127.0.0.1', 9))",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')",
        "__import__('_socket').socket().connect(('127.0.0.1', 9))",
        "__import__('_socket').socket().connect(('localhost', 9))",
        "bytearray(2 * 1024 ** 3)",
    ],
)
def test_a_service_that_tries_is_refused(what: str) -> None:
    assert within(what).startswith("refused")


def test_what_is_allowed_is_reached_from_within(receiver: Receiver) -> None:
    """Else the tests above would pass where nothing works at all."""
    port = int(receiver.url.split(":")[2].partition("/")[0])
    for allowed in ("127.0.0.1", "127.0.0.0/8"):
        assert within(f"socket.create_connection(('127.0.0.1', {port}))", allowed) == "allowed"
    assert within(f"socket.create_connection(('localhost', {port}))", "localhost") == "allowed"
    assert within("open('/dev/urandom', 'rb').read(1)") == "allowed"


def test_the_child_has_none_of_our_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_SEALING_KEYS", "the sealing key")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: dict[str, Any] = {}
    popen = subprocess.Popen

    class Overheard(popen):  # type: ignore[type-arg,misc,valid-type]  # what is started, as it is
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            seen["environment"] = Path(f"/proc/{self.pid}/environ")
            seen["arguments"] = Path(f"/proc/{self.pid}/cmdline")

    receiver.manner = "silent"
    monkeypatch.setattr(chat.subprocess, "Popen", Overheard)
    telling = threading.Thread(target=lambda: failure(address(receiver)))
    telling.start()
    assert receiver.arrived.wait(20)
    environment = seen["environment"].read_bytes()
    arguments = seen["arguments"].read_bytes()
    receiver.closing.set()
    telling.join()
    assert b"sealing" not in environment
    assert b"proxy" not in environment
    assert not any(secret.encode() in arguments + environment for secret in SECRETS)


def test_nothing_is_left_running_when_time_is_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "CHILD_SECONDS", 1.5)
    children: list[int] = []
    popen = subprocess.Popen

    class Noted(popen):  # type: ignore[type-arg,misc,valid-type]  # what is started, as it is
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            children.append(self.pid)

    monkeypatch.setattr(chat.subprocess, "Popen", Noted)
    receiver.manner = "silent"
    failure(address(receiver))
    (child,) = children
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_words_lose_what_is_secret_in_them() -> None:
    url = "json://ada:hunter22@chat.example.org/hooks/path-secret?key=%61bcdef&x=1"
    words = without_secrets("hunter22 path-secret abcdef %61bcdef at chat.example.org", url)
    assert words == "… … … … at chat.example.org"

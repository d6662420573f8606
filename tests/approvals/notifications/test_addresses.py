"""What an address that somebody typed must not reach: this machine, and the network around it."""

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from approvals.notifications import bounded_http
from approvals.notifications.addresses import BadEntry, Guard, HostRefused, guard_for
from approvals.notifications.errors import HoldsUp, NotDelivered
from tests.approvals.notifications.receiver import Receiver

PUBLIC, OTHER_PUBLIC = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.251",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
]


@pytest.fixture(autouse=True)
def _nothing_allowed(settings: Settings) -> None:
    settings.NOTIFY_ALLOW = ()


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_refused_however_they_are_written(address: str) -> None:
    assert not Guard().allows("hooks.example.org", address)


@pytest.mark.parametrize("address", [PUBLIC, OTHER_PUBLIC, "64:ff9b::5db8:d70e", "8.8.8.8"])
def test_public_addresses_are_called(address: str) -> None:
    assert Guard().allows("hooks.example.org", address)


@given(st.ip_addresses())
def test_an_ipv4_address_is_judged_alike_inside_an_ipv6_one(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if isinstance(address, ipaddress.IPv6Address):
        assert Guard().allows("", str(address)) <= (not address.is_private)
        return
    allowed = Guard().allows("", str(address))
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert Guard().allows("", form) == allowed


@pytest.mark.parametrize("words", ["", "localhost", "127.0.0.1.example.org", "127.1", "x" * 300])
def test_what_is_no_address_is_not_allowed(words: str) -> None:
    assert not Guard().allows("hooks.example.org", words)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "localhost",
        "LOCALHOST.",
        "printer.localhost",
        "169.254.169.254",
        "",
    ],
)
def test_what_can_be_told_from_the_address_alone_is_told_at_once(host: str) -> None:
    with pytest.raises(HostRefused):
        Guard().check_host(host)


@pytest.mark.parametrize("host", ["hooks.example.org", PUBLIC, f"[{OTHER_PUBLIC}]", "chat"])
def test_of_names_nothing_is_said_before_they_are_called(host: str) -> None:
    Guard().check_host(host)


def test_the_allow_list_takes_hosts_addresses_and_networks() -> None:
    guard = guard_for(("chat.example.org", "10.1.0.0/16", "192.168.1.9", "[fd00::5]", "fd01::/16"))
    assert guard.allows("chat.example.org", "10.9.9.9")
    assert guard.allows("Chat.Example.Org.", "127.0.0.1")
    assert guard.allows("other.example.org", "10.1.200.1")
    assert guard.allows("other.example.org", "::ffff:10.1.200.1")
    assert guard.allows("other.example.org", "192.168.1.9")
    assert guard.allows("other.example.org", "fd00::5")
    assert guard.allows("other.example.org", "fd01:7::1")
    assert not guard.allows("other.example.org", "10.9.9.9")
    assert not guard.allows("evil-chat.example.org", "10.9.9.9")
    assert not guard.allows("a.chat.example.org", "10.9.9.9")
    assert not guard.allows("other.example.org", "192.168.1.10")


@pytest.mark.parametrize(
    "entry", ["http://chat", "10.0.0.0/99", "a b", "chat..org", "*", "ch\u00e4t"]
)
def test_an_entry_that_means_nothing_is_refused(entry: str) -> None:
    with pytest.raises(BadEntry):
        guard_for((entry,))


class Names:
    """A name server that says something else each time, and a network that counts calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.called: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)
        monkeypatch.setattr(socket, "socket", self._socket())

    def _look_up(self, host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        found = self.answers.pop(0)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in found
        ]

    def _socket(self) -> type[socket.socket]:
        names = self

        class Socket(socket.socket):
            def connect(self, address: Any) -> None:
                names.called.append(address[0])
                raise ConnectionRefusedError(111, "Connection refused")

        return Socket


def test_the_address_that_is_called_is_the_one_that_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that means a public host when it is checked, and this machine when it is called."""
    names = Names(monkeypatch, [PUBLIC], ["127.0.0.1"])
    with pytest.raises(NotDelivered, match="Connection refused"):
        bounded_http.post("https://rebinding.example.org/", body=b"", headers={})
    assert names.called == [PUBLIC]
    assert len(names.answers) == 1


def test_of_several_addresses_only_the_public_ones_are_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, ["127.0.0.1", PUBLIC, "::1", OTHER_PUBLIC, "10.1.2.3"])
    with pytest.raises(NotDelivered):
        bounded_http.post("http://several.example.org/", body=b"", headers={})
    assert names.called == [PUBLIC, OTHER_PUBLIC]


def test_a_name_with_thousands_of_addresses_costs_a_few_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, [f"93.184.{a}.{b}" for a in range(20) for b in range(200)])
    with pytest.raises(NotDelivered):
        bounded_http.post("http://many.example.org/", body=b"", headers={})
    assert len(names.called) < 10


def test_nothing_reaches_this_machine_and_the_words_say_what_to_do(
    receiver: Receiver, settings: Settings
) -> None:
    port = receiver.url.split(":")[2]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "2130706433"):
        with pytest.raises(NotDelivered, match="COUNTERSIGN_NOTIFY_ALLOW") as caught:
            bounded_http.post(f"http://{host}:{port}", body=b"{}", headers={})
        assert caught.value.holds_up is HoldsUp.RECIPIENT
        assert not caught.value.final
        assert "path-secret" not in str(caught.value)
    assert receiver.received == []
    settings.NOTIFY_ALLOW = ("127.0.0.1",)
    assert bounded_http.post(receiver.url, body=b"{}", headers={}) == 204
    assert len(receiver.received) == 1


def test_a_proxy_of_the_environment_is_not_asked_to_call_for_us(
    receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look the name up itself, after it was judged here."""
    proxy = receiver.url.removesuffix("/hooks/path-secret")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    settings.NOTIFY_ALLOW = ("127.0.0.1",)
    with pytest.raises(NotDelivered, match="COUNTERSIGN_NOTIFY_ALLOW"):
        bounded_http.post("http://10.1.2.3/", body=b"", headers={})
    assert receiver.received == []

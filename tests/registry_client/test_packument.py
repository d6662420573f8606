"""Packuments: what is kept of them, how large they may be, and what little memory they take."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from registry_client import errors, packument
from registry_client.client import RegistryClient
from registry_client.packument import read_packument
from registry_client.versions import Packument, PublishedVersion
from tests.registry_client.http_server import BASE

DOCUMENT: dict[str, Any] = {
    "_id": "lib",
    "name": "lib",
    "dist-tags": {"latest": "1.4.2", "next": "2.0.0-rc.1"},
    "maintainers": [{"name": "alice", "email": "a@example.org"}, "bob <b@example.org>"],
    "time": {"created": "2020-01-01T00:00:00.000Z", "1.4.2": "2021-01-01T00:00:00.000Z"},
    "readme": "# lib",
    "versions": {
        "1.4.2": {
            "name": "not this one",
            "version": "9.9.9",
            "_npmUser": {"name": "alice", "email": "a@example.org"},
            "dist": {
                "shasum": "A9993E364706816ABA3E25717850C26C9CD0D89D",
                "integrity": "sha512-AAAA",
                "tarball": "https://registry.example.org/lib/-/lib-1.4.2.tgz",
                "attestations": {
                    "url": "https://registry.example.org/-/npm/v1/attestations/lib@1.4.2",
                    "provenance": {"predicateType": "https://slsa.dev/provenance/v1"},
                },
                "signatures": [{"keyid": "x", "sig": "y"}],
            },
            "dependencies": {"dist": "1", "shasum": "2"},
            "publishConfig": {"dist": {"shasum": "no"}},
        },
        "2.0.0-rc.1": {"deprecated": "use 2.0.0", "dist": {"tarball": "t", "shasum": None}},
    },
}


def read(document: object, name: str = "lib") -> Packument:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_packument(io.BytesIO(text), name)


def test_what_is_needed_is_kept() -> None:
    assert read(DOCUMENT) == Packument(
        name="lib",
        versions={
            "1.4.2": PublishedVersion(
                version="1.4.2",
                shasum="a9993e364706816aba3e25717850c26c9cd0d89d",
                integrity="sha512-AAAA",
                tarball="https://registry.example.org/lib/-/lib-1.4.2.tgz",
                deprecated="",
                attestations_url="https://registry.example.org/-/npm/v1/attestations/lib@1.4.2",
                npm_user="alice",
            ),
            "2.0.0-rc.1": PublishedVersion(
                version="2.0.0-rc.1",
                shasum="",
                integrity="",
                tarball="t",
                deprecated="use 2.0.0",
                attestations_url=None,
                npm_user="",
            ),
        },
        dist_tags={"latest": "1.4.2", "next": "2.0.0-rc.1"},
        time={"created": "2020-01-01T00:00:00.000Z", "1.4.2": "2021-01-01T00:00:00.000Z"},
        maintainers=["alice", "bob <b@example.org>"],
    )


@given(st.permutations(list(DOCUMENT)))
def test_the_order_of_the_fields_does_not_matter(keys: list[str]) -> None:
    assert read({key: DOCUMENT[key] for key in keys}) == read(DOCUMENT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["dist", "shasum", "versions", "name", "1.0.0", "*", "[]", ""]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(["dist-tags", "time", "maintainers", "versions", "*", "[]", "other"]),
        json_values,
    )
)
def test_any_json_in_any_place_is_read_as_json_reads_it(document: dict[str, Any]) -> None:
    """The streaming reader finds what a plain one would, and stumbles over nothing."""
    found = read({**document, "name": "lib"})
    versions = document.get("versions")
    expected = {
        version
        for version, entry in (versions.items() if isinstance(versions, dict) else ())
        if version and isinstance(entry, dict)
    }
    assert set(found.versions) == expected
    tags = document.get("dist-tags")
    for tag, version in found.dist_tags.items():
        assert tags[tag] == version  # type: ignore[index] # found, so it is there
    for version, published in found.versions.items():
        dist = versions[version].get("dist")  # type: ignore[index,union-attr] # found, so it is there
        shasum = dist.get("shasum") if isinstance(dist, dict) else ""
        assert bool(published.shasum) <= isinstance(shasum, str)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "deprecated"), (False, ""), ("", ""), (None, ""), ({"a": 1}, ""), ("no\x00\n", "no")],
)
def test_deprecation_comes_in_many_forms(value: object, shown: str) -> None:
    found = read({"name": "lib", "versions": {"1.0.0": {"deprecated": value}}})
    assert found.versions["1.0.0"].deprecated == shown


def test_who_published_may_be_plain_text() -> None:
    found = read({"name": "lib", "versions": {"1.0.0": {"_npmUser": "bob <b@example.org>"}}})
    assert found.versions["1.0.0"].npm_user == "bob <b@example.org>"


def test_an_unpublished_package_has_no_versions() -> None:
    gone = {"name": "lib", "time": {"unpublished": {"name": "alice", "versions": ["1.0.0"]}}}
    assert read(gone) == Packument("lib", {}, {}, {}, [])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b'"lib"',
        b"<!doctype html>",
        b'{"name": "lib"',
        b'{"name": "lib"} {}',
        b'{"name": "l\xffb"}',
        b'{"name": ["lib"]}',
        b'{"name": "other"}',
        b'{"versions": {"1.0.0": {}}}',
        b'{"name": "lib", "x": NaN}',
        b'{"name": "lib", "x": 1e99999999999}',
        b'{"name": "lib", "x": ' + b"9" * 10_000 + b"}",
        b'{"name": "lib", "x": ' + b"[" * 1_000_000,
        b'{"name": "lib", "versions": ' + b'{"a":' * 1_000_000,
        b'{"name": "lib", "versions": {"1.0.0": {}, "1.0.0": {}}}',
    ],
)
def test_what_is_no_packument_is_refused(text: bytes) -> None:
    with pytest.raises(errors.NotARegistry):
        read(text)


def test_a_value_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        """A JSON string that is never closed."""

        def __init__(self) -> None:
            self.given = 0

        def read(self, size: int, /) -> bytes:
            """More of it."""
            self.given += size
            return b'{"name": "lib", "readme": "' if self.given == size else b"x" * size

    source = Endless()
    with pytest.raises(errors.TooLarge):
        read_packument(source, "lib")
    assert source.given <= 2 * packument.MAX_VALUE


def test_entries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packument, "MAX_ENTRIES", 10)
    many = {f"1.0.{i}": {} for i in range(11)}
    for document in (
        {"versions": many},
        {"dist-tags": dict.fromkeys(many, "1.0.0")},
        {"time": dict.fromkeys(many, "now")},
        {"maintainers": list(many)},
    ):
        with pytest.raises(errors.TooLarge):
            read({"name": "lib", **document})


def test_long_texts_are_cut_and_odd_keys_left_out() -> None:
    found = read(
        {
            "name": "lib",
            "dist-tags": {"x" * 300: "1.0.0", "a\x00": "1.0.0", "ok": "1.0.0", "b": "y" * 300},
            "versions": {"x" * 300: {}, "1.0.0\n": {}, "1.0.0": {"deprecated": "z" * 10**6}},
        }
    )
    assert found.dist_tags == {"ok": "1.0.0"}
    assert list(found.versions) == ["1.0.0"]
    assert len(found.versions["1.0.0"].deprecated) <= 1024


def test_a_registry_that_names_no_such_package(
    client: RegistryClient, registry: responses.RequestsMock
) -> None:
    registry.get(f"{BASE}/lib", status=404, json={"error": "no such package available"})
    with pytest.raises(errors.NotFound, match="no such package available"):
        client.packument("lib")


def test_a_packument_larger_than_the_limit_is_refused(
    client: RegistryClient, registry: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry_client.client.MAX_BYTES", 100)
    registry.get(f"{BASE}/lib", json=DOCUMENT)
    with pytest.raises(errors.TooLarge):
        client.packument("lib")


MEASURE = """
import json
from pathlib import Path
from registry_client.client import RegistryClient
from tests.registry_client.http_server import serving

def peak():
    # Not ru_maxrss, which a child inherits from a larger parent.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

sent = 0

def serve(handler):
    global sent
    handler.send_response(200)
    handler.send_header("connection", "close")
    handler.end_headers()
    handler.wfile.write(b'{"name": "lib", "readme": "' + b"x" * 1000000 + b'", "versions": {')
    facts = {f"dependency-{i}": "^1.0.0" for i in range(600)}
    entry = json.dumps({"dependencies": facts, "dist": {"shasum": "a" * 40, "tarball": "t"}})
    for i in range(3000):
        piece = (", " * bool(i) + f'"1.0.{i}": ' + entry).encode()
        handler.wfile.write(piece)
        sent += len(piece)
    handler.wfile.write(b"}}")
    handler.close_connection = True

with serving(serve) as server, RegistryClient(server.url) as client:
    before = peak()
    found = client.packument("lib")
    print(json.dumps([len(found.versions), sent, peak() - before]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_fifty_megabytes_of_packument_take_little_memory() -> None:
    out = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, check=True, text=True
    ).stdout
    versions, size, memory = json.loads(out)
    assert versions == 3000
    assert size > 50_000_000
    assert memory < 20_000_000, memory


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            {"scripts": {"install": "a", "test": "b", "postinstall": "c"}},
            ["install", "postinstall"],
        ),
        ({"gypfile": True}, ["install"]),
        ({"gypfile": True, "scripts": {"preinstall": "a"}}, ["preinstall"]),
        ({"hasInstallScript": True}, ["install"]),
        ({"scripts": {"install": 7, "preinstall": ""}}, []),
        ({"scripts": "install"}, []),
        ({}, []),
    ],
    ids=["scripts", "gypfile", "gypfile-and-script", "flag", "odd", "text", "none"],
)
def test_what_runs_on_installation_is_kept(said: dict[str, Any], kept: list[str]) -> None:
    document = {"name": "lib", "versions": {"1.0.0": said}}
    assert [name for name, _ in read(document).versions["1.0.0"].install_scripts] == kept


def test_a_command_of_any_length_is_cut() -> None:
    document = {"name": "lib", "versions": {"1.0.0": {"scripts": {"install": "x" * 100_000}}}}
    ((_, command),) = read(document).versions["1.0.0"].install_scripts
    assert len(command) <= packument.MAX_COMMAND


def test_the_first_time_is_when_it_was_first_published() -> None:
    times = {"modified": "2019", "created": "2020-02-01", "1.0.0": "2020-01-01", "2.0.0": "2021"}
    assert read({"name": "lib", "time": times}).first_published == "2020-01-01"
    assert read({"name": "lib"}).first_published == ""


@pytest.mark.parametrize("odd", ["", "0", "soon", "2019", "0000-00-00", "19-1-1"])
def test_a_time_that_is_none_makes_no_package_older_or_of_no_age(odd: str) -> None:
    times = {"created": odd, "1.0.0": "2020-01-01T00:30:00+02:00", "2.0.0": "2019-12-31T23:00:00Z"}
    assert read({"name": "lib", "time": times}).first_published == "2020-01-01T00:30:00+02:00"
    assert read({"name": "lib", "time": {"created": odd}}).first_published == ""


def test_times_at_the_end_of_time_are_compared() -> None:
    times = {"1.0.0": "0001-01-01T00:00:00+14:00", "2.0.0": "9999-12-31T23:59:59-14:00"}
    assert read({"name": "lib", "time": times}).first_published == times["1.0.0"]

"""The unpacker alone: its bounds, its errors, and its thread."""

import gzip
import io
import random
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_client import gunzip
from registry_client.gunzip import Gunzip
from registry_client.tar_limits import (
    MIB,
    AmbiguousTarball,
    DamagedTarball,
    Limits,
    NotATarball,
    TarballError,
    TarballLimit,
)

NOISE = random.Random(1).randbytes(300_000)


def unpacked(data: bytes, limits: Limits | None = None, *, is_threaded: bool = False) -> bytes:
    stream = Gunzip(io.BytesIO(data), limits or Limits(), is_threaded=is_threaded)
    parts = []
    try:
        while part := stream.up_to(1):
            parts.append(part)
            if stream.available:
                parts.append(stream.some(stream.available))
    finally:
        stream.close()
    return b"".join(parts)


def by_zlib(data: bytes) -> bytes | None:
    """What zlib makes of it, as npm would; None if it refuses, or if there is more behind it."""
    found = b""
    while data.startswith(b"\x1f\x8b"):
        inflate = zlib.decompressobj(wbits=31)
        try:
            found += inflate.decompress(data)
        except zlib.error:
            return None
        if not inflate.eof:
            return None
        data = inflate.unused_data
    return None if data.strip(b"\0") else found


@pytest.mark.parametrize("is_threaded", [False, True])
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_content_comes_out_as_it_went_in(level: int, is_threaded: bool) -> None:
    content = NOISE * 3 + b"text\n" * 400_000
    assert unpacked(gzip.compress(content, level), is_threaded=is_threaded) == content


@pytest.mark.parametrize("feed", [2, 7, 64])
def test_small_parts_change_nothing(feed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "_FEED", feed)
    monkeypatch.setattr(gunzip, "PIECE", 5)
    content = b"ab\n" * 700 + NOISE[:300]
    assert unpacked(gzip.compress(content) + gzip.compress(b"") + gzip.compress(b"x")) == (
        content + b"x"
    )


@pytest.mark.parametrize("at", range(-8, 0))
def test_a_wrong_checksum_or_length_is_damage(at: int) -> None:
    data = bytearray(gzip.compress(NOISE))
    data[at] ^= 1
    with pytest.raises(DamagedTarball) as caught:
        unpacked(bytes(data))
    assert caught.value.rule == "damaged"


def test_a_length_that_wraps_around_is_compared_as_it_is_stored() -> None:
    data = gzip.compress(b"x")
    assert struct.unpack("<I", data[-4:]) == (1,)
    with pytest.raises(DamagedTarball):
        unpacked(data[:-4] + struct.pack("<I", 2**32 - 1))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: b"", NotATarball),
        (lambda data: b"\x1f", NotATarball),
        (lambda data: data[:2], DamagedTarball),
        (lambda data: data[:3], DamagedTarball),
        (lambda data: data[:10], DamagedTarball),
        (lambda data: data[:-1], DamagedTarball),
        (lambda data: data[:-9], DamagedTarball),
        (lambda data: data[:2] + b"\x07" + data[3:], DamagedTarball),
        *(
            (lambda data, flag=flag: data[:3] + bytes([flag]) + data[4:], DamagedTarball)
            for flag in (0x20, 0x40, 0x80)
        ),
        (lambda data: data[:10] + b"\x07" + data[11:], DamagedTarball),
        (lambda data: data + data[:-1], DamagedTarball),
        (lambda data: data + b"\x1f\x8b", DamagedTarball),
    ],
)
@pytest.mark.parametrize("is_threaded", [False, True])
def test_what_is_broken_is_a_named_error(
    change: Callable[[bytes], bytes], error: type[TarballError], is_threaded: bool
) -> None:
    data = change(gzip.compress(NOISE[:5000]))
    with pytest.raises(error):
        unpacked(data, is_threaded=is_threaded)


@given(st.binary(max_size=400), st.integers(0, 9), st.data())
def test_what_is_accepted_is_what_zlib_makes_of_it(
    content: bytes, level: int, data: st.DataObject
) -> None:
    packed = bytearray(gzip.compress(content, level, mtime=0))
    for _ in range(data.draw(st.integers(0, 2))):
        packed[data.draw(st.integers(2, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found: bytes | None = unpacked(bytes(packed))
    except TarballError:
        found = None
    assert found in (None, by_zlib(bytes(packed)))
    if found is None:
        assert by_zlib(bytes(packed)) is None


@pytest.mark.parametrize("is_threaded", [False, True])
@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(unpacked_size=MIB), "unpacked_size"),
        (Limits(ratio=3, ratio_free=MIB), "ratio"),
        (Limits(gzip_members=2), "gzip_members"),
    ],
)
def test_every_limit_holds(limits: Limits, limit: str, is_threaded: bool) -> None:
    data = gzip.compress(bytes(2 * MIB)) * 3
    with pytest.raises(TarballLimit) as caught:
        unpacked(data, limits, is_threaded=is_threaded)
    assert caught.value.limit == limit


@pytest.mark.parametrize("is_threaded", [False, True])
def test_a_bomb_is_unpacked_only_some_pieces_far(is_threaded: bool) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(MIB)
    data = b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush()
    tracemalloc.start()
    try:
        stream = Gunzip(io.BytesIO(data), Limits(ratio=10**6), is_threaded=is_threaded)
        assert stream.exactly(512) == bytes(512)
        stream.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


def test_members_and_zeros_behind_them_are_told() -> None:
    stream = Gunzip(io.BytesIO(gzip.compress(b"a") + gzip.compress(b"b") + bytes(9)), Limits())
    assert stream.exactly(2) == b"ab"
    assert stream.up_to(1) == b""
    assert (stream.members, stream.trailing) == (2, True)


@pytest.mark.parametrize("zeros", [0, 1, 2, 63, 64, 65, 200, 100_000])
@pytest.mark.parametrize(
    "tail",
    [b"x", b"\x1f", b"\x8b", gzip.compress(b"evil", mtime=0)],
    ids=["letter", "half-magic", "other-half", "stream"],
)
@pytest.mark.parametrize("feed", [2, 64, 65_536])
def test_nothing_hides_behind_the_last_stream(
    zeros: int, tail: bytes, feed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gunzip, "_FEED", feed)
    data = gzip.compress(b"good") + bytes(zeros)
    assert unpacked(data) == b"good"
    if not zeros and tail.startswith(b"\x1f\x8b"):
        assert unpacked(data + tail) == b"goodevil"
        return
    with pytest.raises(AmbiguousTarball) as caught:
        unpacked(data + tail)
    assert caught.value.rule == "trailing-data"


def test_packed_bytes_grow_up_to_all(tmp_path: Path) -> None:
    data = gzip.compress(NOISE * 4, 0)
    for is_threaded in (False, True):
        stream = Gunzip(io.BytesIO(data), Limits(), is_threaded=is_threaded)
        seen = [stream.packed]
        while stream.up_to(1):
            stream.skip(stream.available)
            seen.append(stream.packed)
        stream.close()
        assert seen == sorted(seen)
        assert (seen[0], stream.packed) == (0, len(data))


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "gunzip"]


@pytest.mark.parametrize("read", [0, 1, 5 * MIB])
def test_a_closed_stream_has_no_thread(read: int) -> None:
    stream = Gunzip(io.BytesIO(gzip.compress(bytes(40 * MIB), 1)), Limits(), is_threaded=True)
    stream.skip(read)
    assert len(threads()) == bool(read)
    stream.close()
    assert threads() == []


class FailingFile(io.BytesIO):
    """A disk that breaks after some bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100_000:
            raise OSError("no more")
        return super().read(size)


@pytest.mark.parametrize("is_threaded", [False, True])
def test_a_disk_that_fails_is_no_silent_end(is_threaded: bool) -> None:
    stream = Gunzip(FailingFile(gzip.compress(NOISE, 0)), Limits(), is_threaded=is_threaded)
    with pytest.raises(OSError, match="no more"):
        stream.skip(len(NOISE))
    stream.close()
    assert threads() == []

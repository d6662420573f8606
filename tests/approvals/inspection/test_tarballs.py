"""Kept tarballs: whole or not at all, never another one, and gone when nobody needs them."""

import gzip
import hashlib
import io
import logging
import os
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from celery import current_app
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils import timezone
from pytest_django import Settings

from approvals.inspection import retention, tarballs
from approvals.inspection.models import FileChange, Inspection, KeptTarball, OtherBaselineRequest
from approvals.inspection.retention import forget_expired
from approvals.inspection.tarballs import (
    FileTooLarge,
    NoSuchFile,
    StorageAway,
    TarballGone,
    content_of,
    contents_of_change,
    fetch,
    keep_tarball,
    opened,
    stream_of,
)
from approvals.queue.models import OPEN_STATES, StagedVersion, State
from registry_client.client import Download
from registry_client.tarball import MIB, TarballError
from tests.approvals.at_once import PATIENCE_SECONDS, at_once
from tests.approvals.factories import make_inspection, make_staged_version
from tests.packages import tarball

pytestmark = pytest.mark.django_db

CONTENT = tarball({"package.json": "{}", "index.js": "exports.a = 1;\n"})
DIGEST = hashlib.sha512(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.VAR_DIR = tmp_path / "var"
    tarballs.forget_recent()
    yield tmp_path / "var"
    tarballs.forget_recent()


def download(tmp_path: Path, content: bytes = CONTENT) -> Download:
    path = tmp_path / f"{hashlib.sha256(content).hexdigest()}.tgz"
    path.write_bytes(content)
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return Download(path, len(content), sha1, hashlib.sha512(content).hexdigest())


def kept(tmp_path: Path, content: bytes = CONTENT) -> KeptTarball:
    return keep_tarball(download(tmp_path, content))


def files() -> list[str]:
    """All that is in the storage."""
    return [name for names in retention._listed() for name in names]


def held() -> bytes:
    """What is kept under the digest."""
    with opened(DIGEST) as file:
        return file.read()


def file_of(row: KeptTarball) -> Path:
    return Path(storages["tarballs"].path(row.name))


class Remote(FileSystemStorage):
    """A storage that has no paths, as those over the network."""

    def path(self, name: str) -> str:
        raise NotImplementedError

    def _path(self, name: str) -> str:
        return super().path(name)

    def _open(self, name: str, mode: str = "rb") -> Any:
        return ContentFile(Path(self._path(name)).read_bytes())

    def _save(self, name: str, content: Any) -> str:
        path = Path(self._path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())
        return name

    def exists(self, name: str) -> bool:
        return Path(self._path(name)).exists()

    def delete(self, name: str) -> None:
        Path(self._path(name)).unlink(missing_ok=True)


class Away(Storage):
    """A storage whose network is gone."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise ConnectionResetError(104, "Connection reset by peer")

    def _save(self, name: str, content: Any) -> str:
        raise RuntimeError("access key AKIA refused")

    def exists(self, name: str) -> bool:
        return False

    def delete(self, name: str) -> None:
        raise RuntimeError("access key AKIA refused")


def use(settings: Settings, backend: type[Storage], **options: Any) -> None:
    entry = {"BACKEND": f"{__name__}.{backend.__name__}", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "tarballs": entry}


@pytest.fixture
def remote(settings: Settings, tmp_path: Path) -> Path:
    use(settings, Remote, location=str(tmp_path / "remote"))
    return tmp_path / "remote"


class TestKeeping:
    def test_it_is_kept_by_digest_for_its_owner_alone(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        assert (row.sha512, row.size) == (DIGEST, len(CONTENT))
        assert row.sha1 == hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()
        path = file_of(row)
        assert DIGEST in path.name
        assert path.read_bytes() == CONTENT
        for one in (path, path.parent, path.parent.parent):
            assert one.stat().st_mode & 0o077 == 0

    def test_twice_is_once(self, tmp_path: Path) -> None:
        first = kept(tmp_path)
        KeptTarball.objects.update(kept_at=timezone.now() - timedelta(days=9))
        second = kept(tmp_path)
        assert (second.pk, second.name, len(files())) == (first.pk, first.name, 1)
        assert second.kept_at > timezone.now() - timedelta(minutes=5)

    @pytest.mark.parametrize("harm", ["missing", "changed", "longer"])
    def test_what_was_harmed_in_the_storage_is_kept_anew(
        self, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        row = kept(tmp_path)
        damage(file_of(row), harm)
        again = kept(tmp_path)
        assert again.pk == row.pk
        assert again.name != row.name
        assert held() == CONTENT
        assert DIGEST in caplog.text

    def test_a_storage_that_fails_leaves_no_row(self, tmp_path: Path, settings: Settings) -> None:
        use(settings, Away)
        with pytest.raises(RuntimeError):
            kept(tmp_path)
        assert not KeptTarball.objects.exists()

    def test_half_a_file_is_not_left_on_a_full_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save = FileSystemStorage._save

        def full(own: FileSystemStorage, name: str, content: Any) -> str:
            save(own, name, ContentFile(content.read(10)))
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(FileSystemStorage, "_save", full)
        with pytest.raises(OSError, match="No space"):
            kept(tmp_path)
        assert files() == []
        assert not KeptTarball.objects.exists()

    def test_the_name_that_the_storage_chose_is_the_one_that_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save = FileSystemStorage._save
        monkeypatch.setattr(
            FileSystemStorage, "_save", lambda own, name, content: save(own, "aa/b.tgz", content)
        )
        assert kept(tmp_path).name == "aa/b.tgz"
        assert held() == CONTENT


def damage(path: Path, harm: str) -> None:
    if harm == "missing":
        path.unlink()
    elif harm == "changed":
        path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    else:
        path.write_bytes(CONTENT + b"more")


class TestFetching:
    def test_the_copy_stays_whatever_becomes_of_the_kept_one(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        copy = fetch(DIGEST, tmp_path / "copy.tgz")
        assert (copy.sha1, copy.sha512, copy.size) == (row.sha1, row.sha512, row.size)
        damage(file_of(row), "longer")
        row.delete()
        assert copy.path.read_bytes() == CONTENT

    @pytest.mark.parametrize("harm", ["missing", "changed", "longer"])
    def test_what_was_harmed_is_not_copied(self, tmp_path: Path, harm: str) -> None:
        damage(file_of(kept(tmp_path)), harm)
        with pytest.raises(TarballGone):
            fetch(DIGEST, tmp_path / "copy.tgz")


class TestOpening:
    def test_a_local_file_is_opened_where_it_is(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        with opened(DIGEST) as file:
            assert Path(file.name) == file_of(row)
        assert file.closed
        assert file_of(row).exists()

    def test_what_is_put_in_its_place_after_it_was_verified_is_not_read(
        self, tmp_path: Path
    ) -> None:
        path = file_of(kept(tmp_path))
        with opened(DIGEST) as file:
            (tmp_path / "another").write_bytes(b"another")
            (tmp_path / "another").replace(path)
            assert file.read() == CONTENT

    def test_a_remote_one_is_a_copy_that_goes_away(
        self, tmp_path: Path, remote: Path, var: Path
    ) -> None:
        kept(tmp_path)
        with opened(DIGEST) as file:
            assert file.read() == CONTENT
            path = Path(file.name)
            assert path.is_relative_to(var)
            assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
        assert list((var / "inspecting").iterdir()) == []

    @pytest.mark.parametrize("harm", ["missing", "changed", "longer"])
    @pytest.mark.parametrize("where", ["local", "remote"])
    def test_another_file_in_its_place_is_never_handed_out_and_is_logged(
        self,
        tmp_path: Path,
        harm: str,
        where: str,
        request: pytest.FixtureRequest,
        caplog: pytest.LogCaptureFixture,
        var: Path,
    ) -> None:
        folder = request.getfixturevalue("remote") if where == "remote" else None
        row = kept(tmp_path)
        damage(folder / row.name if folder else file_of(row), harm)
        caplog.set_level(logging.ERROR)
        with pytest.raises(TarballGone), opened(DIGEST):
            pytest.fail("it was handed out")
        assert DIGEST in caplog.text
        assert KeptTarball.objects.exists(), "the storage may come back"
        assert not (var / "inspecting").exists() or not list((var / "inspecting").iterdir())

    def test_what_was_never_kept_is_gone(self) -> None:
        with pytest.raises(TarballGone, match="not kept"), opened("0" * 128):
            pytest.fail("it was handed out")

    def test_a_storage_that_is_away_is_told_from_one_that_lost_it(
        self, tmp_path: Path, settings: Settings
    ) -> None:
        kept(tmp_path)
        use(settings, Away)
        with pytest.raises(StorageAway) as away, opened(DIGEST):
            pytest.fail("it was handed out")
        assert "AKIA" not in str(away.value)

    def test_a_name_that_leads_out_of_the_storage_is_not_followed(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        outside = tmp_path / "outside.tgz"
        outside.write_bytes(CONTENT)
        KeptTarball.objects.filter(pk=row.pk).update(name="../outside.tgz")
        with pytest.raises(TarballGone), opened(DIGEST):
            pytest.fail("it was handed out")


def packed(*entries: tuple[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


class TestContents:
    def test_a_file_is_read_as_npm_would_install_it(self, tmp_path: Path) -> None:
        kept(tmp_path)
        assert content_of(DIGEST, "index.js", most=100) == b"exports.a = 1;\n"

    def test_of_two_with_one_path_the_last_counts(self, tmp_path: Path) -> None:
        row = kept(
            tmp_path, packed(("package/a.js", b"first"), ("x/b.js", b"b"), ("other/a.js", b"last"))
        )
        assert content_of(row.sha512, "a.js", most=100) == b"last"

    def test_the_limit_is_for_the_one_that_counts(self, tmp_path: Path) -> None:
        large_first = packed(("package/a.js", b"x" * 101), ("package/a.js", b"y" * 100))
        large_last = packed(("package/a.js", b"x" * 100), ("package/a.js", b"y" * 101))
        row = kept(tmp_path, large_first)
        assert content_of(row.sha512, "a.js", most=100) == b"y" * 100
        row = kept(tmp_path, large_last)
        with pytest.raises(FileTooLarge, match="101 bytes"):
            content_of(row.sha512, "a.js", most=100)

    @pytest.mark.parametrize("path", ["package/index.js", "nothing.js", "", "../index.js", "link"])
    def test_what_npm_would_not_install_there_is_not_there(self, tmp_path: Path, path: str) -> None:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as archive:
            info = tarfile.TarInfo("package/link")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
            archive.addfile(tarfile.TarInfo("package/index.js"))
        row = kept(tmp_path, raw.getvalue())
        with pytest.raises(NoSuchFile):
            content_of(row.sha512, path, most=100)

    def test_a_small_content_is_remembered_but_not_beyond_its_tarball(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = kept(tmp_path)
        content_of(DIGEST, "index.js", most=100)
        monkeypatch.setattr(tarballs, "read_tarball", None)
        assert content_of(DIGEST, "index.js", most=100) == b"exports.a = 1;\n"
        with pytest.raises(FileTooLarge):
            content_of(DIGEST, "index.js", most=3)
        row.delete()
        with pytest.raises(TarballGone):
            content_of(DIGEST, "index.js", most=100)

    def test_what_is_remembered_is_bounded_in_bytes(self) -> None:
        recent = tarballs._Recent(most=100, most_each=40)
        recent.put(("a", "large"), b"x" * 41)
        for number in range(10):
            recent.put(("a", str(number)), b"x" * 30)
            recent.get(("a", "0"))
        recent.put(("a", "0"), b"y" * 40)
        there = [name for name in ("large", *map(str, range(10))) if recent.get(("a", name))]
        assert there == ["0", "8", "9"]
        assert recent._size == sum(map(len, recent._contents.values())) <= 100

    def test_a_tarball_that_breaks_the_limits_now_set_is_not_read(
        self, tmp_path: Path, settings: Settings
    ) -> None:
        kept(tmp_path)
        settings.TARBALL_LIMITS = {**settings.TARBALL_LIMITS, "entries": 1}
        with pytest.raises(TarballError, match="more than 1 entries"):
            content_of(DIGEST, "index.js", most=100)

    def test_one_that_is_removed_in_the_middle_is_read_to_its_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = kept(tmp_path)
        read = tarballs.read_tarball

        def late(*args: Any) -> Any:
            file_of(row).unlink()
            return read(*args)

        monkeypatch.setattr(tarballs, "read_tarball", late)
        assert content_of(DIGEST, "index.js", most=100) == b"exports.a = 1;\n"
        with pytest.raises(TarballGone):
            content_of(DIGEST, "package.json", most=100)


class TestStreaming:
    def test_it_is_the_file_that_npm_would_install(self, tmp_path: Path) -> None:
        large = os.urandom(3 * MIB)
        row = kept(
            tmp_path,
            packed(
                ("package/a.js", b"first"),
                # Its name takes an extended header, which is no file.
                ("package/" + "long/" * 40 + "b.js", b"b"),
                ("other/a.js", large),
                ("package/c.js", b"c"),
            ),
        )
        size, pieces = stream_of(row.sha512, "a.js")
        found = list(pieces)
        assert (size, b"".join(found)) == (len(large), large)
        assert max(map(len, found)) <= MIB
        _, pieces = stream_of(row.sha512, "long/" * 40 + "b.js")
        assert list(pieces) == [b"b"]

    def test_an_empty_file_has_no_pieces(self, tmp_path: Path) -> None:
        row = kept(tmp_path, packed(("package/empty.js", b"")))
        size, pieces = stream_of(row.sha512, "empty.js")
        assert (size, list(pieces)) == (0, [])

    @pytest.mark.parametrize("path", ["package/index.js", "nothing.js", "", "../index.js"])
    def test_a_file_that_is_not_there_is_told_before_the_first_piece(
        self, tmp_path: Path, path: str
    ) -> None:
        kept(tmp_path)
        with pytest.raises(NoSuchFile):
            stream_of(DIGEST, path)

    @pytest.mark.parametrize("harm", ["missing", "changed", "longer"])
    def test_so_is_a_tarball_that_was_harmed(self, tmp_path: Path, harm: str) -> None:
        damage(file_of(kept(tmp_path)), harm)
        with pytest.raises(TarballGone):
            stream_of(DIGEST, "index.js")

    def test_and_one_that_breaks_behind_the_file(self, tmp_path: Path) -> None:
        raw = gzip.decompress(packed(("package/a.js", b"a"), ("package/b.js", b"b" * 2000)))
        row = kept(tmp_path, gzip.compress(raw[: 4 * 512]))
        with pytest.raises(TarballError):
            stream_of(row.sha512, "a.js")

    def test_and_one_that_breaks_the_limits_now_set(
        self, tmp_path: Path, settings: Settings
    ) -> None:
        kept(tmp_path)
        settings.TARBALL_LIMITS = {**settings.TARBALL_LIMITS, "entries": 1}
        with pytest.raises(TarballError, match="more than 1 entries"):
            stream_of(DIGEST, "index.js")

    def test_it_is_read_to_its_end_whatever_becomes_of_the_kept_one(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        _, pieces = stream_of(DIGEST, "index.js")
        file_of(row).unlink()
        row.delete()
        assert list(pieces) == [b"exports.a = 1;\n"]
        with pytest.raises(TarballGone):
            stream_of(DIGEST, "index.js")

    @pytest.mark.parametrize("taken", ["none", "some", "all"])
    def test_nothing_stays_open_or_behind(
        self,
        tmp_path: Path,
        remote: Path,
        var: Path,
        taken: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        row = kept(tmp_path, packed(("package/a.js", os.urandom(3 * MIB))))
        files_read: list[BinaryIO] = []
        read = tarballs.read_tarball

        def noted(file: BinaryIO, *args: Any) -> Any:
            files_read.append(file)
            return read(file, *args)

        monkeypatch.setattr(tarballs, "read_tarball", noted)
        _, pieces = stream_of(row.sha512, "a.js")
        if taken == "some":
            assert next(pieces)
        assert not files_read[0].closed
        assert len(list((var / "inspecting").iterdir())) == 1
        if taken == "all":
            assert len(list(pieces)) >= 3
        else:
            pieces.close()
            assert list(pieces) == []
        assert all(file.closed for file in files_read)
        assert list((var / "inspecting").iterdir()) == []

    def test_nothing_stays_open_where_there_is_no_such_file(
        self, tmp_path: Path, remote: Path, var: Path
    ) -> None:
        kept(tmp_path)
        with pytest.raises(NoSuchFile):
            stream_of(DIGEST, "nothing.js")
        assert list((var / "inspecting").iterdir()) == []

    def test_memory_is_a_few_pieces(self, tmp_path: Path) -> None:
        row = kept(tmp_path, packed(("package/a.js", os.urandom(MIB) * 40)))
        tracemalloc.start()
        try:
            _, pieces = stream_of(row.sha512, "a.js")
            assert sum(map(len, pieces)) == 40 * MIB
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()


class TestBothSides:
    @pytest.fixture
    def pair(self, tmp_path: Path) -> Inspection:
        old = kept(tmp_path, tarball({"a.js": "old a", "gone.js": "gone", "before.js": "moved"}))
        new = kept(tmp_path, tarball({"a.js": "new a", "come.js": "come", "after.js": "moved!"}))
        return Inspection.objects.create(
            staged_sha512=new.sha512, baseline_sha512=old.sha512, engine_version="0"
        )

    @pytest.mark.parametrize(
        ("fields", "sides"),
        [
            ({"path": "a.js", "status": "modified"}, (b"old a", b"new a")),
            ({"path": "a.js", "status": "mode_changed"}, (b"old a", b"new a")),
            ({"path": "come.js", "status": "added"}, (None, b"come")),
            ({"path": "gone.js", "status": "removed"}, (b"gone", None)),
            (
                {"path": "after.js", "old_path": "before.js", "status": "renamed"},
                (b"moved", b"moved!"),
            ),
        ],
        ids=["modified", "mode", "added", "removed", "renamed"],
    )
    def test_each_side_is_where_the_status_says(
        self, pair: Inspection, fields: dict[str, str], sides: tuple[bytes | None, bytes | None]
    ) -> None:
        change = FileChange.objects.create(inspection=pair, position=0, **fields)
        assert contents_of_change(change, most=100) == sides

    @pytest.mark.parametrize("side", ["old_sha256", "new_sha256"])
    def test_a_content_that_is_not_what_was_compared_is_not_shown(
        self, pair: Inspection, side: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        right = {
            "old_sha256": hashlib.sha256(b"old a").hexdigest(),
            "new_sha256": hashlib.sha256(b"new a").hexdigest(),
        }
        change = FileChange.objects.create(
            inspection=pair, position=0, path="a.js", status="modified", **right
        )
        assert contents_of_change(change, most=100) == (b"old a", b"new a")
        setattr(change, side, "0" * 64)
        with pytest.raises(TarballGone, match="not the one that was compared"):
            contents_of_change(change, most=100)
        assert "not the one that was compared" in caplog.text

    def test_the_copy_that_npm_leaves_out_is_never_taken_for_the_other(
        self, pair: Inspection
    ) -> None:
        change = FileChange.objects.create(
            inspection=pair, position=0, path="a.js", status="left_out"
        )
        with pytest.raises(NoSuchFile, match="only in the diff"):
            contents_of_change(change, most=100)

    def test_a_side_that_is_not_kept_is_gone(self, pair: Inspection) -> None:
        change = FileChange.objects.create(
            inspection=pair, position=0, path="a.js", status="modified"
        )
        KeptTarball.objects.filter(sha512=pair.baseline_sha512).delete()
        with pytest.raises(TarballGone):
            contents_of_change(change, most=100)


def decided(row: StagedVersion, *, days: float, state: State = State.LIVE) -> None:
    StagedVersion.objects.filter(pk=row.pk).update(
        state=state, state_changed_at=timezone.now() - timedelta(days=days)
    )


def long_ago() -> None:
    """All that is kept was wanted last a year ago."""
    year = timezone.now() - timedelta(days=365)
    KeptTarball.objects.update(kept_at=year)
    for name in files():
        os.utime(storages["tarballs"].path(name), (year.timestamp(), year.timestamp()))


class TestForgetting:
    @pytest.fixture
    def both(self, tmp_path: Path) -> tuple[KeptTarball, KeptTarball]:
        """The tarballs of a staged version and of its baseline, wanted last long ago."""
        staged, baseline = kept(tmp_path), kept(tmp_path, tarball({"package.json": "{ }"}))
        long_ago()
        return staged, baseline

    @pytest.fixture
    def row(self, both: tuple[KeptTarball, KeptTarball]) -> StagedVersion:
        staged, baseline = both
        row = make_staged_version(sha512=staged.sha512)
        request = make_inspection(row)
        assert request.inspection
        Inspection.objects.update(baseline_sha512=baseline.sha512)
        return row

    @pytest.mark.parametrize(
        "state", [State.LIVE, State.REJECTED, State.PUBLISHED_ELSEWHERE, State.WITHDRAWN]
    )
    def test_some_days_after_the_decision_both_go_and_the_results_stay(
        self, row: StagedVersion, state: State, settings: Settings
    ) -> None:
        settings.TARBALL_DAYS = 7
        decided(row, days=6.9, state=state)
        assert forget_expired() == 0
        assert len(files()) == 2
        decided(row, days=7.1, state=state)
        assert forget_expired() == 2
        assert files() == []
        assert not KeptTarball.objects.exists()
        assert FileChange.objects.filter(inspection=row.inspection_request.inspection).exists()

    @pytest.mark.parametrize("state", OPEN_STATES)
    def test_nothing_of_an_open_version_is_ever_removed(
        self, row: StagedVersion, state: State
    ) -> None:
        decided(row, days=3000, state=state)
        assert forget_expired() == 0
        assert len(files()) == 2

    def test_the_last_version_that_refers_to_it_counts(
        self, row: StagedVersion, both: tuple[KeptTarball, KeptTarball]
    ) -> None:
        decided(row, days=300)
        later = make_staged_version(version="1.6.0")
        make_inspection(later)
        Inspection.objects.filter(requests__staged_version=later).update(
            baseline_sha512=both[1].sha512
        )
        assert forget_expired() == 1
        assert KeptTarball.objects.get() == both[1]

    def test_what_an_open_version_was_compared_with_on_request_stays(
        self, row: StagedVersion, both: tuple[KeptTarball, KeptTarball]
    ) -> None:
        decided(row, days=300)
        later = make_staged_version(version="1.6.0")
        inspection = Inspection.objects.create(
            staged_sha512=later.sha512, baseline_sha512=both[0].sha512, engine_version="0"
        )
        OtherBaselineRequest.objects.create(
            staged_version=later, baseline_version="1.0.0", state="done", inspection=inspection
        )
        assert forget_expired() == 1
        assert KeptTarball.objects.get() == both[0]

    def test_one_that_was_wanted_a_moment_ago_stays(
        self, row: StagedVersion, both: tuple[KeptTarball, KeptTarball]
    ) -> None:
        decided(row, days=300)
        assert tarballs.wanted_again(both[0].sha512)
        assert forget_expired() == 1
        assert KeptTarball.objects.get() == both[0]

    @pytest.mark.parametrize(("used", "forgotten"), [(1.9, 0), (2.1, 2)], ids=["lately", "before"])
    def test_whatever_the_setting_it_stays_two_days_after_it_was_compared(
        self, row: StagedVersion, settings: Settings, used: float, forgotten: int
    ) -> None:
        settings.TARBALL_DAYS = 1
        decided(row, days=1.5)
        KeptTarball.objects.update(kept_at=timezone.now() - timedelta(days=used))
        assert forget_expired() == forgotten

    def test_one_that_is_wanted_while_it_is_being_forgotten_stays(
        self,
        row: StagedVersion,
        both: tuple[KeptTarball, KeptTarball],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        decided(row, days=300)

        class Late(set[str]):
            def __contains__(self, digest: object) -> bool:
                assert tarballs.wanted_again(str(digest))
                return False

        monkeypatch.setattr(retention, "_needed", lambda **named: Late())
        assert forget_expired() == 0
        assert len(files()) == 2

    def test_one_that_is_kept_again_between_its_row_and_its_file_is_not_lost(
        self, tmp_path: Path, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decided(row, days=300)
        delete = retention._delete

        def late(name: str) -> None:
            if DIGEST in name:
                kept(tmp_path)
            delete(name)

        monkeypatch.setattr(retention, "_delete", late)
        assert forget_expired() == 2
        assert held() == CONTENT
        assert files() == [KeptTarball.objects.get().name]

    def test_the_hourly_task_does_it(self, row: StagedVersion, settings: Settings) -> None:
        entry = settings.CELERY_BEAT_SCHEDULE["forget expired tarballs"]
        task = current_app.tasks[entry["task"]]
        decided(row, days=300)
        task()
        assert files() == []

    def test_what_no_version_refers_to_goes_after_some_days(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        assert forget_expired() == 0
        KeptTarball.objects.update(kept_at=timezone.now() - retention.GRACE)
        assert forget_expired() == 1
        assert not file_of(row).exists()

    def test_a_file_that_a_dead_worker_left_goes_and_a_new_one_stays(self, tmp_path: Path) -> None:
        row = kept(tmp_path)
        old, new = file_of(row).with_name("old.tgz"), file_of(row).with_name("new.tgz")
        for path in (old, new):
            path.write_bytes(b"...")
        year_ago = time.time() - 365 * 86_400
        os.utime(old, (year_ago, year_ago))
        os.utime(file_of(row), (year_ago, year_ago))
        forget_expired()
        assert not old.exists()
        assert new.exists()
        assert file_of(row).exists(), "a row names it"

    def test_a_file_that_cannot_be_deleted_today_goes_another_day(
        self, row: StagedVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decided(row, days=300)
        with monkeypatch.context() as broken:
            broken.setattr(FileSystemStorage, "delete", _broken)
            assert forget_expired() == 2
        assert len(files()) == 2
        forget_expired()
        assert files() == []

    def test_a_storage_that_is_away_or_cannot_be_listed_is_no_crash(
        self, row: StagedVersion, settings: Settings
    ) -> None:
        use(settings, Away)
        decided(row, days=300)
        assert forget_expired() == 2


def _broken(*args: object) -> None:
    raise PermissionError(13, "Permission denied")


class TestStorage:
    @pytest.mark.parametrize(
        ("entry", "words"),
        [
            ({"BACKEND": "nowhere.Storage"}, "nowhere"),
            ({"BACKEND": "django.core.files.storage.Nothing"}, "Nothing"),
            ({"BACKEND": "builtins.dict", "OPTIONS": {}}, "dict is not"),
            (
                {
                    "BACKEND": "django.core.files.storage.FileSystemStorage",
                    "OPTIONS": {"bucket": "hunter2"},
                },
                "unexpected keyword argument 'bucket'",
            ),
            (
                {
                    "BACKEND": "django.core.files.storage.FileSystemStorage",
                    "OPTIONS": {"location": ["hunter2"]},
                },
                "TypeError",
            ),
        ],
        ids=["module", "class", "kind", "option", "value"],
    )
    def test_one_that_cannot_be_used_is_told_at_the_start(
        self, settings: Settings, entry: dict[str, Any], words: str
    ) -> None:
        settings.STORAGES = {**settings.STORAGES, "tarballs": entry}
        with pytest.raises(ImproperlyConfigured) as refused:
            tarballs.check_storage()
        assert str(refused.value).startswith("COUNTERSIGN_TARBALL_STORAGE")
        assert words in str(refused.value)
        assert "hunter2" not in str(refused.value)


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_keep_the_same_leave_one_row_and_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    save = tarballs._save

    def together(one: Download) -> str:
        name = save(one)
        both.wait(PATIENCE_SECONDS)
        return name

    monkeypatch.setattr(tarballs, "_save", together)
    one = download(tmp_path)
    results = at_once(lambda: keep_tarball(one), lambda: keep_tarball(one))
    row = KeptTarball.objects.get()
    assert results == [row, row]
    assert files() == [row.name]

"""Tarballs kept in Django's storage "tarballs", by their digest, and the files inside them.

The file is written first, under a name of its own, and the row after it: a row never names half a
file, and no two workers ever write or delete the same one. A file that a dead worker left without
a row is removed by `retention.py`.
"""

import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import InvalidStorageError, Storage, storages
from django.utils import timezone

from approvals.inspection.folders import temporary_folder
from approvals.inspection.limits import tarball_limits
from approvals.inspection.models import FileChange, Inspection, KeptTarball
from registry_client.client import Download
from registry_client.tarball import MIB, TarballError, read_tarball

logger = logging.getLogger(__name__)

STORAGE = "tarballs"
LONGEST_NAME = 200
_PIECE = MIB
_NO_SUCH_FILE = "The tarball has no such file."


class TarballGone(Exception):
    """The tarball, or the file in it, cannot be had here; the text says why."""


class StorageAway(TarballGone):
    """The storage did not answer, or not well: it may later."""


class NoSuchFile(TarballGone):
    """The tarball installs no file under that path."""


class FileTooLarge(Exception):
    """The file has more bytes than were asked for."""


CANNOT_READ = (TarballGone, FileTooLarge, TarballError)
"""What reading a kept file raises; each is a sentence for a person."""


def storage() -> Storage:
    """The storage that tarballs are kept in."""
    return storages[STORAGE]


def check_storage() -> None:
    """Raises ImproperlyConfigured where the storage that was set cannot be used at all.

    What was set is not repeated: the options may hold keys.
    """
    name = "COUNTERSIGN_TARBALL_STORAGE"
    try:
        found: object = storage()
        getattr(found, "location", None)
    except InvalidStorageError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
    except Exception as error:  # noqa: BLE001 - storages raise what their libraries raise
        words = str(error) if "unexpected keyword argument" in str(error) else ""
        raise ImproperlyConfigured(
            f"{name} cannot be made with these {name}_OPTIONS: {words or type(error).__name__}."
        ) from None
    if not isinstance(found, Storage):
        raise ImproperlyConfigured(
            f"{name} must name a class of Django storages, which {type(found).__name__} is not."
        )


def keep_tarball(download: Download) -> KeptTarball:
    """Keeps a downloaded tarball; what is kept already and whole stays as it is.

    Not to be called in a transaction: it writes a large file. Raises whatever the storage raises.
    """
    digest = download.sha512
    broken = ""
    if wanted_again(digest):
        try:
            with opened(digest):
                return KeptTarball.objects.get(sha512=digest)
        except (TarballGone, KeptTarball.DoesNotExist):
            broken = _name_of(digest)
    name = _save(download)
    if broken:
        # Somebody may want to look at the other one: the sweep removes it, hours from now.
        KeptTarball.objects.filter(sha512=digest, name=broken).update(
            name=name, size=download.size, kept_at=timezone.now()
        )
    kept, _ = KeptTarball.objects.get_or_create(
        sha512=digest, defaults={"sha1": download.sha1, "size": download.size, "name": name}
    )
    # Had the database failed, the row might be there all the same: then the file must stay.
    if kept.name != name:
        _delete(name)
    return kept


def wanted_again(sha512: str) -> bool:
    """Whether the tarball is kept; from now on it is kept for some days more."""
    return bool(KeptTarball.objects.filter(sha512=sha512).update(kept_at=timezone.now()))


def fetch(sha512: str, destination: Path) -> Download:
    """A copy of a kept tarball, verified: whatever becomes of the kept one, the copy stays.

    Raises TarballGone.
    """
    kept = _kept(sha512)
    with _named_errors(kept):
        _copy(kept, destination)
    return Download(destination, kept.size, kept.sha1, kept.sha512)


@contextmanager
def opened(sha512: str) -> Iterator[BinaryIO]:
    """An open file with exactly these bytes, at its beginning.

    It is the one that was verified: what is put in its place meanwhile is not read. Raises
    TarballGone.
    """
    kept = _kept(sha512)
    with ExitStack() as stack:
        with _named_errors(kept):
            try:
                path = Path(storage().path(kept.name))
            except NotImplementedError:
                path = stack.enter_context(temporary_folder()) / "kept.tgz"
                _copy(kept, path)
                file = stack.enter_context(path.open("rb"))
            else:
                file = stack.enter_context(path.open("rb"))
                _verify(kept, file)
            file.seek(0)
        yield file


def content_of(sha512: str, path: str, *, most: int) -> bytes:
    """The file that npm would install under that path: the last one in the tarball.

    `most` is in bytes. Raises TarballGone (NoSuchFile among it), FileTooLarge and TarballError.
    """
    if not KeptTarball.objects.filter(sha512=sha512).exists():
        raise TarballGone("The tarball is not kept here any more.")
    content = _recent.get((sha512, path))
    if content is None:
        content = _read(sha512, path, most)
        _recent.put((sha512, path), content)
    if len(content) > most:
        raise FileTooLarge(_too_large(len(content), most))
    return content


def stream_of(sha512: str, path: str) -> tuple[int, Generator[bytes, None, None]]:
    """The same file in pieces, of any size that a tarball may have: its size in bytes, and them.

    Close the pieces where they are not all taken: the tarball is open until then. Raises
    TarballGone (NoSuchFile among it) and TarballError before the first one.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened(sha512))
        index, size = -1, -1
        for entry in read_tarball(file, tarball_limits()):
            if entry.installed and entry.path == path:
                index, size = entry.index, entry.size
        if size < 0:
            raise NoSuchFile(_NO_SUCH_FILE)
        pieces = _pieces(file, index, stack.pop_all())
        # Closing what was not begun would leave the tarball open.
        next(pieces)
    return size, pieces


def contents_of_change(change: FileChange, *, most: int) -> tuple[bytes | None, bytes | None]:
    """A changed file before and after, None on the side where it is not.

    Raises what `content_of` raises; TarballGone also where the content is not what was compared.
    """
    if change.status == FileChange.Status.LEFT_OUT:
        # Its path leads to the other copy, the one that npm installs.
        raise NoSuchFile("The copy that npm leaves out is only in the diff.")
    pair = Inspection.objects.values_list("baseline_sha512", "staged_sha512")
    baseline, staged = pair.get(pk=change.inspection_id)
    status = FileChange.Status
    old = new = None
    if change.status != status.ADDED:
        old = content_of(baseline, change.old_path or change.path, most=most)
        _check_content(old, change.old_sha256, baseline)
    if change.status != status.REMOVED:
        new = content_of(staged, change.path, most=most)
        _check_content(new, change.new_sha256, staged)
    return old, new


def forget_recent() -> None:
    """Empties this process's memory of contents."""
    _recent.clear()


def _name_of(sha512: str) -> str:
    return KeptTarball.objects.filter(sha512=sha512).values_list("name", flat=True).first() or ""


def _save(download: Download) -> str:
    wanted = f"{download.sha512[:2]}/{download.sha512}-{secrets.token_hex(8)}.tgz"
    try:
        with download.path.open("rb") as file:
            return storage().save(wanted, File(file), max_length=LONGEST_NAME)
    except BaseException:
        # A full disk must not stay full of halves.
        _delete(wanted)
        raise


def _delete(name: str) -> None:
    # What cannot be deleted now has no row: the sweep tries again.
    with suppress(Exception):
        storage().delete(name)


def _kept(sha512: str) -> KeptTarball:
    kept = KeptTarball.objects.filter(sha512=sha512).first()
    if kept is None:
        raise TarballGone("The tarball is not kept here any more.")
    return kept


@contextmanager
def _named_errors(kept: KeptTarball) -> Iterator[None]:
    try:
        yield
    except TarballGone:
        raise
    except FileNotFoundError as error:
        logger.error("The kept tarball %s is missing in the storage", kept.sha512)
        raise TarballGone("The kept tarball is missing in the storage.") from error
    except Exception as error:
        # Storages raise what their libraries raise.
        logger.exception("The kept tarball %s could not be read", kept.sha512)
        raise StorageAway("The storage of tarballs does not answer: try later.") from error


def _copy(kept: KeptTarball, destination: Path) -> None:
    with storage().open(kept.name, "rb") as source, destination.open("wb") as copy:
        _verify(kept, source, copy)


def _verify(
    kept: KeptTarball, source: "BinaryIO | File[bytes]", copy: BinaryIO | None = None
) -> None:
    if _digest(source, kept.size, copy) != kept.sha512:
        logger.error("The kept tarball %s was changed in the storage", kept.sha512)
        raise TarballGone("The kept tarball is not the one that was compared: it was changed.")


def _digest(source: "BinaryIO | File[bytes]", size: int, copy: BinaryIO | None) -> str:
    """The SHA-512 in hex, "" for anything longer than `size`."""
    found = hashlib.sha512()
    left = size
    while piece := source.read(_PIECE):
        left -= len(piece)
        if left < 0:
            return ""
        found.update(piece)
        if copy is not None:
            copy.write(piece)
    return found.hexdigest()


def _read(sha512: str, path: str, most: int) -> bytes:
    content: bytes | None = None
    size = -1
    with opened(sha512) as file:
        for entry in read_tarball(file, tarball_limits()):
            if entry.installed and entry.path == path:
                size = entry.size
                content = entry.read() if size <= most else None
    if size < 0:
        raise NoSuchFile(_NO_SUCH_FILE)
    if content is None:
        raise FileTooLarge(_too_large(size, most))
    return content


def _pieces(file: BinaryIO, index: int, held: ExitStack) -> Generator[bytes, None, None]:
    """An empty piece, then those of this entry; `held` ends with them."""
    with held:
        yield b""
        file.seek(0)
        for entry in read_tarball(file, tarball_limits()):
            if entry.index == index:
                yield from entry.chunks()
                return


def _too_large(size: int, most: int) -> str:
    return f"The file is too large: {size:,} bytes; {most:,} are allowed."


def _check_content(content: bytes, sha256: str, tarball: str) -> None:
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        logger.error("A file in the kept tarball %s is not the one that was compared", tarball)
        raise TarballGone("The file in the kept tarball is not the one that was compared.")


class _Recent:
    """What was read lately, the least recently used going first. For several threads."""

    def __init__(self, *, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._size = 0
        self._contents: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, str]) -> bytes | None:
        with self._lock:
            content = self._contents.get(key)
            if content is not None:
                self._contents.move_to_end(key)
            return content

    def put(self, key: tuple[str, str], content: bytes) -> None:
        if len(content) > self._most_each:
            return
        with self._lock:
            self._size += len(content) - len(self._contents.pop(key, b""))
            self._contents[key] = content
            while self._size > self._most:
                _, oldest = self._contents.popitem(last=False)
                self._size -= len(oldest)

    def clear(self) -> None:
        with self._lock:
            self._contents.clear()
            self._size = 0


_recent = _Recent(most=16 * MIB, most_each=4 * MIB)

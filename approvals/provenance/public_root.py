"""Getting the public Sigstore's trusted root through TUF, the way sigstore-python does.

Trust begins with the root.json that sigstore-python has with it; what is served is believed as far
as its signatures reach. The TUF client keeps what it has seen, so that nobody can serve it an
earlier state again.
"""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import urllib3
from django.conf import settings
from sigstore._internal.tuf import DEFAULT_TUF_URL
from sigstore._utils import read_embedded
from tuf.api import exceptions
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from approvals.provenance.trust import MOST_BYTES
from registry_client.errors import clean_words

TARGET = "trusted_root.json"
SOCKET_SECONDS = 15


class RootNotFetched(Exception):
    """No new trusted root; the text says why."""


def fetch_trusted_root(
    url: str, *, bootstrap: bytes | None = None, tell: Callable[[str], object]
) -> str:
    """The trusted_root.json that the TUF repository at `url` serves today.

    `bootstrap` is the root.json to begin with, the embedded one unless given; `tell` gets the name
    of each file before it is asked for. Raises RootNotFetched.
    """
    folder = settings.VAR_DIR / "tuf" / quote(url, safe="")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            # python-tuf leaves it to us that nobody else uses the folder.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _fetch(url, folder, bootstrap or embedded_root(), tell)
    except BlockingIOError as error:
        raise RootNotFetched("Another refresh is under way: wait for it.") from error
    except exceptions.DownloadHTTPError as error:
        raise RootNotFetched(
            f"{urlsplit(url).netloc} answers HTTP {error.status_code}: it is not such a repository."
        ) from error
    except (exceptions.DownloadError, urllib3.exceptions.HTTPError) as error:
        raise RootNotFetched(f"{urlsplit(url).netloc} cannot be reached, or too slowly.") from error
    except exceptions.RepositoryError as error:
        words = clean_words(str(error), 200)
        raise RootNotFetched(
            f"What {urlsplit(url).netloc} serves is not signed as it must be, or out of date: "
            f"{words}."
        ) from error
    except OSError as error:
        raise RootNotFetched(f"{folder} cannot be used: {error.strerror}.") from error


def embedded_root() -> bytes:
    """The root.json of the public Sigstore that sigstore-python has with it."""
    return bytes(read_embedded("root.json", DEFAULT_TUF_URL))


def _fetch(url: str, folder: Path, bootstrap: bytes, tell: Callable[[str], object]) -> str:
    for name in ("metadata", "targets"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    updater = Updater(
        metadata_dir=str(folder / "metadata"),
        metadata_base_url=url,
        target_dir=str(folder / "targets"),
        target_base_url=f"{url}/targets",
        fetcher=_TellingFetcher(tell),
        config=UpdaterConfig(app_user_agent="countersign"),
        bootstrap=bootstrap,
    )
    updater.refresh()
    target = updater.get_targetinfo(TARGET)
    if target is None or target.length > MOST_BYTES:
        raise RootNotFetched(f"{urlsplit(url).netloc} has no {TARGET} that could be used.")
    path = updater.find_cached_target(target) or updater.download_target(target)
    return Path(path).read_text(encoding="utf-8")


class _TellingFetcher(Urllib3Fetcher):
    """python-tuf's own way to fetch, and a word about each file."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(socket_timeout=SOCKET_SECONDS, app_user_agent="countersign")
        self._tell = tell

    def _fetch(self, url: str) -> Iterator[bytes]:
        self._tell(url.rpartition("/")[2])
        return super()._fetch(url)

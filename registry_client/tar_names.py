"""Which names in a tarball land on one file, for npm or for a disk that knows no capitals."""

from collections.abc import Iterator

from registry_client.tar_limits import AmbiguousTarball, Limits, TarballLimit
from registry_client.tar_paths import Problem, collision_key, printable

GITIGNORE = ".gitignore"
NPMIGNORE = ".npmignore"
_MOST_CLEAN = 64


class Names:
    """The paths seen so far, to notice two entries that land on one file.

    A folder is known by its parent's number and its own name, so that deep paths cost no more than
    what is new in them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._files: dict[tuple[int, str], str] = {}
        self._folders: dict[tuple[int, str], int] = {}
        self._bytes = 0
        # Folders without any collision by their whole path, as most files stand in the folder of
        # the file before; few at a time, so that deep paths cannot fill the memory.
        self._clean: dict[str, int] = {}

    def count(self, name: str) -> None:
        """Take one name into account, installed or not: each costs time to look at."""
        self._bytes += len(name)
        if self._bytes > self._limits.all_paths:
            raise TarballLimit(
                "all_paths",
                self._limits.all_paths,
                f"The tarball's paths have more than {self._limits.all_paths:,} characters.",
            )

    def collisions(self, path: str, shown: str, *, is_folder: bool) -> list[Problem]:
        key = collision_key(path)
        folder, _, name = key.rpartition("/")
        if not is_folder and (number := self._clean.get(folder)) is not None:
            return list(self._file((number, name), path, shown))
        folders = (key if is_folder else folder).split("/") if is_folder or folder else []
        number, in_file = self._folder(folders)
        found = []
        if in_file and is_folder:
            sentence = "It is both a file and a folder; npm may take the file away."
            found.append(Problem("file-and-folder", shown, sentence))
        elif in_file:
            sentence = "It stands in a folder that is also a file."
            found.append(Problem("file-and-folder", shown, sentence))
        elif not is_folder:
            if len(self._clean) >= _MOST_CLEAN:
                self._clean.clear()
            self._clean[folder] = number
        if not is_folder:
            found.extend(self._file((number, name), path, shown))
        return found

    def _folder(self, names: list[str]) -> tuple[int, bool]:
        """The folder's number, and whether a file has its name or that of a folder above it."""
        number, in_file = 0, False
        for name in names:
            place = (number, name)
            known = self._folders.get(place)
            if known is None:
                known = len(self._folders) + 1
                if known > self._limits.folders:
                    raise TarballLimit(
                        "folders",
                        self._limits.folders,
                        f"The tarball has more than {self._limits.folders:,} folders.",
                    )
                self._folders[place] = known
            in_file = in_file or place in self._files
            number = known
        return number, in_file

    def _file(self, place: tuple[int, str], path: str, shown: str) -> Iterator[Problem]:
        earlier = self._files.get(place)
        if earlier == path:
            sentence = "It is in the tarball more than once; npm installs the last one."
            yield Problem("duplicate", shown, sentence)
        elif earlier is not None:
            sentence = f"On Windows and macOS it is the same file as '{printable(earlier)}'."
            yield Problem("name-collision", shown, sentence)
        if place in self._folders:
            yield Problem("file-and-folder", shown, "It is both a file and a folder.")
            self._clean.clear()
        self._files[place] = path


class Ignores:
    """Files .gitignore, which npm installs under another name (pacote, lib/fetcher.js).

    It installs each as .npmignore, unless it has seen one in the same place, first segment
    included. As a package.json may name that file as code, what is in it must be known: where
    there are both, the tarball is refused. `npm pack` puts neither of them into a tarball.
    """

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def installed_path(self, path: str, name: str, shown: str) -> tuple[str, list[Problem]]:
        """Where npm installs a file of that name, and what is to be said of it.

        `path` is where it would be by its name alone. Raises AmbiguousTarball.
        """
        last = name.rpartition("/")[2]
        if last not in (GITIGNORE, NPMIGNORE):
            return path, []
        installed = path[: -len(last)] + NPMIGNORE
        if self._seen.setdefault(collision_key(installed), last) != last:
            raise AmbiguousTarball(
                "gitignore",
                "The tarball has a file .gitignore and a file .npmignore in one folder: npm "
                "installs the one in the place of the other.",
            )
        if last == NPMIGNORE:
            return path, []
        sentence = "npm installs it as '.npmignore', other tools under its own name."
        return installed, [Problem("gitignore", shown, sentence)]

"""A folder whose files are reached without following a link, so that no path leads out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from voxome.errors import AlreadyExists, NotFound

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 16


class Folder:
    """A folder.

    Parameters
    ----------
    path : Path
        Where it is; it is created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path.resolve()

    @contextmanager
    def opened(self, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """Yield a descriptor of a folder in it.

        Raises
        ------
        NotFound
            If the folder does not exist.
        AlreadyExists
            If it is to be created, and something that is no folder is in its place.
        """
        current = os.open(self.path, _FOLDER & ~os.O_NOFOLLOW)
        try:
            for number, part in enumerate(parts):
                below = _open_below(current, part, parts[: number + 1], create=create)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    def open_file(self, parts: Sequence[str]) -> BinaryIO:
        """Open a file for reading.

        Raises
        ------
        NotFound
            If there is no file.
        """
        with self.opened(parts[:-1]) as folder:
            try:
                number = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE):
                    raise
                raise NotFound(f"there is no object {'/'.join(parts)}") from error
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise NotFound(f"there is no object {'/'.join(parts)}")
        return os.fdopen(number, "rb", buffering=0)

    def move_in(self, file: Path, parts: Sequence[str]) -> None:
        """Move a file, whose content is on the disk, to its place; what was there is replaced at once.

        Raises
        ------
        AlreadyExists
            If a folder is there, or a file where a folder has to be.
        """
        for _ in range(_TRIES):
            with self.opened(parts[:-1], create=True) as folder:
                try:
                    os.rename(file, parts[-1], dst_dir_fd=folder)
                except (IsADirectoryError, NotADirectoryError) as error:
                    raise AlreadyExists(
                        f"keys begin with {'/'.join(parts)}/, which is a folder here; no object can be called the same"
                    ) from error
                except FileNotFoundError:  # the folder was removed, since it was empty
                    continue
                os.fsync(folder)
                return
        raise AlreadyExists(f"the folder of {'/'.join(parts)} is removed again and again; try again later")

    def remove(self, parts: Sequence[str]) -> None:
        """Remove a file, and the folders above it that are empty then."""
        with self.opened(parts[:-1]) as folder:
            os.unlink(parts[-1], dir_fd=folder)
            os.fsync(folder)
        for count in range(len(parts) - 1, 0, -1):
            with suppress(NotFound), self.opened(parts[: count - 1]) as above:
                try:
                    os.rmdir(parts[count - 1], dir_fd=above)
                except OSError:
                    return


def _open_below(folder: int, part: str, parts: Sequence[str], *, create: bool) -> int:
    for _ in range(_TRIES):
        try:
            return os.open(part, _FOLDER, dir_fd=folder)
        except FileNotFoundError as error:
            if not create:
                raise NotFound(f"there is no folder {'/'.join(parts)}") from error
        except NotADirectoryError as error:
            if create:
                raise AlreadyExists(f"{'/'.join(parts)} is an object; no key can begin with it and a slash") from error
            raise NotFound(f"there is no folder {'/'.join(parts)}") from error
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
            os.fsync(folder)
    raise NotFound(f"the folder {'/'.join(parts)} is removed again and again")

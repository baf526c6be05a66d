"""Results of jobs across runs and folders, by the keys of the jobs."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from voxome.contracts.formats import RESULT_CACHE
from voxome.errors import InvalidInput
from voxome.records.folder import read_json_or_none, write_json
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.foreign.results import RESULT, JobFolder, Result, remove_tree

_WORK = "work"
_PART = ".part"
_LEFTOVER_S = 24 * 3600.0
"""Age from which nobody is writing or removing a part of an entry any more."""
_MARK = "voxome-cache.json"


class ResultCache:
    """Copies of the outputs of jobs, which several runs may use at a time.

    An entry appears whole or not at all, by a rename, and never changes; its files are digested before they are used,
    and copied, so that nothing that is delivered is or leads into the cache.

    Parameters
    ----------
    root : path
        Its folder, which is created.
    digests : Digests
        Knows the contents of files.

    Raises
    ------
    InvalidInput
        If it is not a folder.
    UnsupportedFormat
        If it is the cache of another version.
    """

    def __init__(self, root: Path, digests: Digests) -> None:
        self._root, self._digests = root, digests
        try:
            root.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InvalidInput(f"The cache {root} is a file; expected a folder") from None
        if not is_cache(root):
            write_json(root / _MARK, RESULT_CACHE.stamp({}))

    def fetch(self, key: str, folder: JobFolder) -> Result | None:
        """Copy the outputs of a job into the work folder of an attempt; None if there are none, or damaged ones."""
        entry = self._folder(key)
        with _using(entry) as is_there:
            result = Result.read(entry) if is_there else None
            if result is None or result.key != key or not result.is_whole(entry / _WORK, self._digests):
                return None
            with suppress(OSError):  # a cache that this user may only read keeps no order of use
                os.utime(entry / RESULT)
            folder.clear()
            try:
                shutil.copytree(entry / _WORK, folder.work, dirs_exist_ok=True, symlinks=True)
            except (OSError, shutil.Error):  # somebody else is removing the cache
                return None
        return result if result.is_whole(folder.work, self._digests) else None

    def store(self, result: Result, folder: JobFolder) -> None:
        """Copy what a job has committed; an entry that is there, and whole, stays."""
        entry = self._folder(result.key)
        before = Result.read(entry)
        if before is not None and before.is_whole(entry / _WORK, self._digests):
            return
        partial = entry.with_name(f".{entry.name}.{os.getpid()}-{os.urandom(4).hex()}{_PART}")
        try:
            for name in result.folders:
                (partial / _WORK / name).mkdir(parents=True, exist_ok=True)
            (partial / _WORK).mkdir(parents=True, exist_ok=True)
            for name in result.files:
                target = partial / _WORK / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(folder.work / name, target)
            result.write(partial)
            if entry.exists():
                remove_tree(entry)
            partial.rename(entry)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else another run has stored it meanwhile
                raise
        finally:
            remove_tree(partial)

    def _folder(self, key: str) -> Path:
        return self._root / key[:2] / key


@dataclass(frozen=True)
class CacheFolder:
    """A folder in a cache; this is what an interrupted run or removal has left of an entry, which nobody uses.

    Attributes
    ----------
    path : path
        The folder.
    nbytes : int
        Size of its files.
    used_s : float
        When a run last took or stored it, in seconds since 1970; 0 of a leftover, so that it goes first.
    """

    path: Path
    nbytes: int
    used_s: float = 0.0

    @property
    def name(self) -> str:
        """Its path, for people."""
        return str(self.path)

    def remove(self) -> bool:
        """Remove it; return whether it is gone."""
        with suppress(FileNotFoundError):  # another process removes it, too
            remove_tree(self.path)
        return not self.path.exists()


class CacheEntry(CacheFolder):
    """The result of a job in a cache."""

    def remove(self) -> bool:
        """Remove the entry, unless a run is copying it or it cannot be locked; return whether it is gone."""
        with _using(self.path, alone=True) as is_free:
            if not is_free:
                return not self.path.exists()
            leftover = CacheFolder(self.path.with_name(f".{self.path.name}.{os.urandom(4).hex()}{_PART}"), self.nbytes)
            self.path.rename(leftover.path)
        return leftover.remove()


def is_cache(root: Path) -> bool:
    """Return whether a folder is a cache of results.

    Raises
    ------
    UnsupportedFormat
        If it is the cache of another version.
    """
    mark = read_json_or_none(root / _MARK)
    if mark is None:
        return False
    RESULT_CACHE.content(mark, root / _MARK)
    return True


def cache_entries(root: Path) -> Iterator[CacheFolder]:
    """Yield the entries of a cache, and leftovers; what another process removes meanwhile is left out."""
    for path in sorted(root.glob("??/*")):
        with suppress(OSError):
            files = [one.lstat() for one in path.rglob("*") if one.is_symlink() or not one.is_dir()]
            nbytes = sum(one.st_size for one in files)
            if not path.name.startswith("."):
                yield CacheEntry(path, nbytes, (path / RESULT).stat().st_mtime)
            elif path.name.endswith(_PART) and _changed_s(path) < time.time() - _LEFTOVER_S:
                yield CacheFolder(path, nbytes)


def _changed_s(folder: Path) -> float:
    """Return when a folder or anything in it was last changed; copied files keep their other times."""
    return max(one.lstat().st_ctime for one in (folder, *folder.rglob("*")))


@contextmanager
def _using(entry: Path, *, alone: bool = False) -> Iterator[bool]:
    """Keep an entry from being removed, or `alone` from being used; give whether it is there, and free.

    Where the file system has no locks, it is used without, and never free.
    """
    try:
        is_writable = os.access(entry / RESULT, os.W_OK)
        file = (entry / RESULT).open("r+b" if alone and is_writable else "rb")  # NFS locks `alone` what may be written
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except OSError:
            if alone:
                yield False
                return
        try:
            is_there = os.path.samestat(os.fstat(file.fileno()), (entry / RESULT).stat())
        except FileNotFoundError:  # it was removed just now
            is_there = False
        yield is_there

"""Results of jobs across runs and folders, by the keys of the jobs."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from voxome.errors import InvalidInput
from voxome.workflow.foreign.digests import Digests
from voxome.workflow.foreign.results import JobFolder, Result, remove_tree

_WORK = "work"


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
    """

    def __init__(self, root: Path, digests: Digests) -> None:
        self._root, self._digests = root, digests
        try:
            root.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InvalidInput(f"The cache {root} is a file; expected a folder") from None

    def fetch(self, key: str, folder: JobFolder) -> Result | None:
        """Copy the outputs of a job into the work folder of an attempt; None if there are none, or damaged ones."""
        entry = self._folder(key)
        result = Result.read(entry)
        if result is None or result.key != key or not result.is_whole(entry / _WORK, self._digests):
            return None
        folder.clear()
        try:
            shutil.copytree(entry / _WORK, folder.work, dirs_exist_ok=True, symlinks=True)
        except (OSError, shutil.Error):  # the cache is being cleaned
            return None
        return result if result.is_whole(folder.work, self._digests) else None

    def store(self, result: Result, folder: JobFolder) -> None:
        """Copy what a job has committed; an entry that is there, and whole, stays."""
        entry = self._folder(result.key)
        before = Result.read(entry)
        if before is not None and before.is_whole(entry / _WORK, self._digests):
            return
        partial = entry.with_name(f".{entry.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
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

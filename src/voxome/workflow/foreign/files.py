"""Files of this machine as cwltool opens them; those of outputs are confined to a job."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from glob import escape
from pathlib import Path, PurePath
from typing import IO, Any

from cwltool.errors import WorkflowException
from cwltool.pathmapper import PathMapper
from cwltool.stdfsaccess import StdFsAccess

_NO_PATH = re.compile(r"[\0\ud800-\udbff\udc00-\udc7f\udd00-\udfff]")
"""What no path has: other halves of characters stand for bytes that are not UTF-8 (`os.fsdecode`)."""
_LONGEST_NAME = 255
"""Bytes of the name of a file or folder, at most."""


class LocalFiles(StdFsAccess):
    """Local files, in folders of any name."""

    def glob(self, pattern: str) -> list[str]:
        """Return the locations that match a pattern below the base folder, whose own name is no pattern."""
        base = self.basedir.removeprefix("file://")
        head = f"{base}/"
        if base and (pattern == base or pattern.startswith(head)):
            pattern = escape(base) + pattern.removeprefix(base)
        return list(super().glob(pattern))

    def _abs(self, p: str) -> str:
        path = str(super()._abs(p))
        require_text(path)
        return path


class InputMapper(PathMapper):
    """Stages inputs into numbered folders, the same for a job whenever it is evaluated; where they say is ignored."""

    def setup(self, referenced_files: Any, basedir: str) -> None:
        """Find where files and folders are staged."""
        for number, file in enumerate(referenced_files):
            folder = f"{self.stagedir}/stg{number}" if self.separateDirs else self.stagedir
            self.visit(file, folder, basedir, copy=bool(file.get("writable")), staged=True)

    def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
        """Find where a file or folder is staged.

        Raises
        ------
        WorkflowException
            If it has a name that no file can have.
        """
        require_name(obj["basename"])
        plain = {field: value for field, value in obj.items() if field != "dirname"}
        super().visit(plain, stagedir, basedir, copy=copy, staged=staged)


class WorkMapper(InputMapper):
    """Stages what InitialWorkDirRequirement names, where it says."""

    def setup(self, referenced_files: Any, basedir: str) -> None:
        """Find where files and folders are staged."""
        for file in referenced_files:
            folder = file.get("dirname") or self.stagedir
            self.visit(file, folder, basedir, copy=bool(file.get("writable")), staged=True)


def require_contained(mapper: PathMapper, folder: str) -> None:
    """Check that what is staged is in a folder, and not in an input that is there as a link.

    Raises
    ------
    WorkflowException
    """
    staged = [entry for entry in mapper if entry.staged]
    links = {entry.target for entry in staged if entry.type in ("File", "Directory") and entry.resolved[:1] == "/"}
    for entry in staged:
        path = PurePath(os.path.normpath(entry.target))
        for name in path.relative_to(folder).parts if path.is_relative_to(folder) else ():
            require_name(name)
        if not path.is_relative_to(folder) or any(str(one) in links for one in path.parents):
            raise WorkflowException(
                f"{entry.target!r:.300} would be staged outside of the folder {folder} or in an input; name a path of "
                "the work folder in InitialWorkDirRequirement"
            )


def require_name(name: object) -> None:
    """Check the name of a file or folder.

    Raises
    ------
    WorkflowException
        If no file can have it.
    """
    text = str(name)
    require_text(text)
    if text in ("", ".", "..") or "/" in text or len(os.fsencode(text)) > _LONGEST_NAME:
        raise WorkflowException(
            f"{text!r:.300} is not the name of a file; expected at most {_LONGEST_NAME} bytes, without /: change "
            "basename or entryname"
        )


def require_text(path: str) -> None:
    """Check the characters of a path.

    Raises
    ------
    WorkflowException
        If it has NUL, or halves of characters.
    """
    if _NO_PATH.search(path):
        raise WorkflowException(
            f"{path!r:.300} has a character that no path can have (NUL, or half of one of UTF-16); give another name"
        )


class OutputFiles(LocalFiles):
    """Files from which the outputs of a job are collected.

    Parameters
    ----------
    basedir : str
        Work folder.
    roots : sequence of str
        Files and folders of the job, its inputs among them, without links in their paths.
    """

    def __init__(self, basedir: str, roots: Sequence[str]) -> None:
        super().__init__(basedir)
        self._roots = roots

    def glob(self, pattern: str) -> list[str]:
        """Return the locations that match a pattern.

        Raises
        ------
        WorkflowException
            If one of them leads out of the job, by links or by ``..``.
        """
        found = super().glob(pattern)
        for location in found:
            require_own(Path(self._abs(location)), self._roots)
        return found

    def open(self, fn: str, mode: str) -> IO[Any]:
        """Open a file of the job."""
        require_own(Path(self._abs(fn)), self._roots)
        return super().open(fn, mode)


def require_own(path: Path, roots: Sequence[str]) -> None:
    """Check that a path leads to a file or folder of a job.

    Raises
    ------
    WorkflowException
        If it leads elsewhere, or is a pipe or a device, of which no read may end.
    """
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(root) for root in roots):
        raise WorkflowException(
            f"The output {path} is a link to {real}, which is neither in the work folder nor an input"
        )
    if real.exists() and not (real.is_file() or real.is_dir()):
        raise WorkflowException(f"The output {path} is neither a file nor a folder")

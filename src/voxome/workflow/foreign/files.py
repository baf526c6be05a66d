"""Files of this machine as cwltool opens them; those of outputs are confined to a job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import IO, Any

from cwltool.errors import WorkflowException
from cwltool.pathmapper import PathMapper
from cwltool.stdfsaccess import StdFsAccess


class LocalFiles(StdFsAccess):
    """Local files, in folders of any name."""

    def glob(self, pattern: str) -> list[str]:
        """Return the locations that match a pattern below the base folder, whose own name is no pattern."""
        base = self.basedir.removeprefix("file://")
        head = f"{base}/"
        if base and (pattern == base or pattern.startswith(head)):
            pattern = escape(base) + pattern.removeprefix(base)
        return list(super().glob(pattern))


class NumberedMapper(PathMapper):
    """Stages inputs into numbered folders, the same for a job whenever it is evaluated."""

    def setup(self, referenced_files: Any, basedir: str) -> None:
        """Find where files and folders are staged."""
        for number, file in enumerate(referenced_files):
            folder = f"{self.stagedir}/stg{number}" if self.separateDirs else self.stagedir
            self.visit(file, folder, basedir, copy=bool(file.get("writable")), staged=True)


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

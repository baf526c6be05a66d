"""Folders of jobs, and their committed results: a job is done when its result is there and its files are whole."""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxome.records.folder import read_json_or_none, write_json
from voxome.workflow.foreign.digests import Digests, walk

RESULT = "result.json"
"""File of a committed result, in its folder."""
_FORMAT = 1


@dataclass(frozen=True)
class JobFolder:
    """Folder of one attempt at a job."""

    root: Path

    @property
    def work(self) -> Path:
        """Folder in which the command runs."""
        return self.root / "work"

    @property
    def temporary(self) -> Path:
        """Folder for temporary files of the command."""
        return self.root / "tmp"

    @property
    def inputs(self) -> Path:
        """Folder in which inputs are staged."""
        return self.root / "in"

    @property
    def log(self) -> Path:
        """File of what the command prints, unless it is an output."""
        return self.root / "log"

    def clear(self) -> None:
        """Make the folder as it is before an attempt; what another attempt left is moved away, then removed."""
        if self.root.exists():
            old = self.root.with_name(f"{self.root.name}.{os.urandom(4).hex()}.old")
            self.root.rename(old)
            remove_tree(old)
        self.root.mkdir()
        self.work.mkdir()
        self.temporary.mkdir()


@dataclass(frozen=True)
class Result:
    """What a job has left in its folder.

    Attributes
    ----------
    key : str
        Key of the job.
    name : str
        Its name in the run.
    outputs : mapping
        Its output object; locations in its work folder begin with `WORK`, those of its inputs with `INPUT`.
    files : mapping of str to (int, str)
        Size and digest of all files in the work folder that belong to the outputs.
    folders : sequence of str
        Folders there that belong to the outputs.
    seconds, peak_bytes : float, int
        What it used.
    """

    key: str
    name: str
    outputs: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]
    folders: Sequence[str]
    seconds: float
    peak_bytes: int

    def write(self, folder: Path) -> None:
        """Write the result into a folder, as the last thing."""
        write_json(folder / RESULT, {"format_version": _FORMAT, **vars(self)})

    @classmethod
    def read(cls, folder: Path) -> Result | None:
        """Return the result in a folder; None if there is none of this format."""
        try:
            data = read_json_or_none(folder / RESULT)
            if data is None or data.pop("format_version", None) != _FORMAT:
                return None
            data["files"] = {name: (size, digest) for name, (size, digest) in data["files"].items()}
            return cls(**data)
        except (TypeError, ValueError, KeyError, OSError):
            return None

    def is_whole(self, work: Path, digests: Digests) -> bool:
        """Return whether all files are there with their sizes and digests."""
        if not all((work / name).is_dir() for name in self.folders):
            return False
        try:
            return all(
                (work / name).stat().st_size == size and digests.file(work / name) == digest
                for name, (size, digest) in self.files.items()
            )
        except OSError:
            return False


class JobFolders:
    """Folders of the jobs of a run, below one folder.

    Parameters
    ----------
    root : path
        That folder. What an interrupted run has left without a result is removed.
    digests : Digests
        Knows the contents of files.
    in_use : collection of str, optional
        Names of folders that commands of an interrupted run may be using: these stay.
    """

    def __init__(self, root: Path, digests: Digests, in_use: Collection[str] = ()) -> None:
        self._root, self._digests, self.in_use = root, digests, in_use
        self._committed: defaultdict[str, list[JobFolder]] = defaultdict(list)
        root.mkdir(parents=True, exist_ok=True)
        for path in sorted(root.iterdir()):
            result = Result.read(path)
            if result is None and path.name not in in_use:
                remove_tree(path)
            elif result is not None:
                self._committed[result.key].append(JobFolder(path))

    def create(self, name: str) -> JobFolder:
        """Return a new folder for a job, which is not there before `JobFolder.clear`."""
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
        return self.named(f"{safe}-{os.urandom(6).hex()}")

    def named(self, name: str) -> JobFolder:
        """Return the folder of a job."""
        return JobFolder(self._root / name)

    def scratch(self) -> Path:
        """Return a folder for what is not of one job, which the next run removes."""
        folder = self._root / f"scratch-{os.urandom(6).hex()}"
        folder.mkdir()
        return folder

    def take(self, key: str) -> tuple[JobFolder, Result] | None:
        """Return a folder with a whole result of a job, which no other job of this run has taken; None without."""
        waiting = self._committed.get(key, [])
        while waiting:
            folder = waiting.pop(0)
            result = Result.read(folder.root)
            if result is not None and result.is_whole(folder.work, self._digests):
                return folder, result
            remove_tree(folder.root)
        return None

    def remove(self) -> None:
        """Remove all folders."""
        remove_tree(self._root)


def paths_of(outputs: Any, work: Path) -> Iterator[Path]:
    """Yield the files and folders in a work folder that an output object names, with all that is in folders."""
    if isinstance(outputs, Mapping):
        if outputs.get("class") in ("File", "Directory"):
            path = local_path(outputs.get("location"))
            if path is not None and path.is_relative_to(work):
                yield from (one for _, one in walk(path))
        for value in outputs.values():
            yield from paths_of(value, work)
    elif isinstance(outputs, list):
        for value in outputs:
            yield from paths_of(value, work)


def map_locations(value: Any, convert: Any) -> Any:
    """Return an output object with other locations, as `convert` returns them."""
    if isinstance(value, Mapping):
        mapped = {name: map_locations(one, convert) for name, one in value.items()}
        if mapped.get("class") in ("File", "Directory") and "location" in mapped:
            mapped["location"] = convert(mapped["location"])
        return mapped
    return [map_locations(one, convert) for one in value] if isinstance(value, list) else value


def local_path(location: object) -> Path | None:
    """Return the path of a location on this machine, or None."""
    from schema_salad.ref_resolver import uri_file_path

    if not isinstance(location, str):
        return None
    if location.startswith("file://"):
        return Path(uri_file_path(location))
    return Path(location) if location.startswith("/") else None


def file_location(path: Path) -> str:
    """Return the location of a file on this machine."""
    from schema_salad.ref_resolver import file_uri

    return str(file_uri(str(path)))


def remove_tree(path: Path) -> None:
    """Remove a file or folder, also if programs have taken away the right to write."""

    def allow(function: Any, name: str, _: object) -> None:
        for one in (Path(name).parent, Path(name)):
            if not one.is_symlink() and one.exists():
                one.chmod(0o700)
        function(name)

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=allow)

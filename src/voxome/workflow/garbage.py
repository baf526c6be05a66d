"""Data that can be computed again: results in caches, and intermediate data of finished runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from voxome.contracts.formats import PRIVATE, RUN
from voxome.contracts.json_text import parse_object
from voxome.errors import InvalidInput, NotFound, RunLocked, UnsupportedFormat
from voxome.records.folder import lock_folder
from voxome.storage.find import storage_at
from voxome.storage.json_store import read_document
from voxome.storage.lock import lock_store
from voxome.storage.path import StoragePath
from voxome.workflow.foreign.cache import cache_entries, is_cache
from voxome.workflow.results import RECORD
from voxome.workflow.store import home_address, intermediates, lock_results, steps_with_results


class Removable(Protocol):
    """Something that can be removed and computed again."""

    @property
    def name(self) -> str:
        """Its address, for people."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""

    @property
    def used_s(self) -> float:
        """When a run last used it, in seconds since 1970."""

    def remove(self) -> bool:
        """Remove it, unless it is in use; return whether it is gone."""


@dataclass(frozen=True)
class StepData:
    """Intermediate data of a step of a finished run.

    Attributes
    ----------
    store : str
        Address of the store of the run.
    folder : path or None
        Folder of the run; None if only its store is known.
    step : StoragePath
        Folder of the step.
    nbytes, used_s : int, float
        See `Removable`.
    """

    store: str
    folder: Path | None
    step: StoragePath
    nbytes: int
    used_s: float

    @property
    def name(self) -> str:
        """Its address, for people."""
        return str(self.step)

    def remove(self) -> bool:
        """Remove the data, unless the run is in progress or was not finished since."""
        try:
            with locked_run(self.store, self.folder) as record:
                if record is None or self.step.name in steps_with_results(record):
                    return False
                (self.step / "step.json").unlink()  # first: an interrupted removal leaves nothing that looks complete
                self.step.delete()
        except RunLocked:
            return False
        return True


@dataclass(frozen=True)
class Garbage:
    """What can be removed below an address.

    Attributes
    ----------
    removable : tuple of Removable
        The least recently used first.
    kept : tuple of str
        Sentences on runs whose data are kept.
    """

    removable: tuple[Removable, ...]
    kept: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Size of all in bytes."""
        return sum(one.nbytes for one in self.removable)

    def beyond(self, nbytes: int) -> tuple[Removable, ...]:
        """Return what has to go so that at most `nbytes` are left, the least recently used first."""
        left, chosen = self.nbytes, []
        for one in self.removable:
            if left <= nbytes:
                break
            left -= one.nbytes
            chosen.append(one)
        return tuple(chosen)


def find_garbage(address: str) -> Garbage:
    """Find results in caches, and intermediate data of finished runs: nothing that is a result of a run.

    Parameters
    ----------
    address : str
        A cache, a run folder, a store of runs (``s3://…`` too), or a folder with such folders directly in it.

    Raises
    ------
    NotFound
        If there is nothing of this kind.
    UnsupportedFormat
        If it was written by another version, or if the sizes of files in this store are not known.
    """
    root = storage_at(address)
    kept: list[str] = []
    removable: list[Removable] = []
    places = [one for one in (root, *(root / name for name in root.entries().folders)) if _is_ours(one)]
    if not places:
        raise NotFound(
            f"{root} is neither a cache, a run folder nor a store of runs, and has none directly in it; expected the "
            f"folder of --cache, --out or --store"
        )
    for place in places:
        if place.is_local and is_cache(Path(place.path)):
            removable += cache_entries(Path(place.path))
            continue
        try:
            removable += _step_data(place)
        except RunLocked as error:
            kept.append(f"{place} is kept: {error}")
        except InvalidInput as error:
            kept.append(str(error))
    return Garbage(tuple(sorted(removable, key=lambda one: (one.used_s, one.name))), tuple(kept))


def _is_ours(place: StoragePath) -> bool:
    if place.is_local and is_cache(Path(place.path)):
        return True
    if (place / PRIVATE).taken():
        return True
    text = read_document(place / RECORD)  # in a bucket, nothing else may be left of a store
    record = None if text is None else parse_object(text)
    return record is not None and record.get("voxome") == RUN.name


def _step_data(place: StoragePath) -> Iterator[StepData]:
    """Yield the intermediate data of the run at a place, which is its folder or its store."""
    is_folder = place.is_local and (Path(place.path) / PRIVATE / "lock").exists()
    folder = Path(place.path).resolve() if is_folder else None
    store = place.address if folder is None else _store_of(folder)
    with locked_run(store, folder) as record:
        if record is None:
            raise InvalidInput(f"{place} is kept: its run has not finished; rerun its command, or remove it")
        steps, kept = intermediates(store), steps_with_results(record)
        used_s = float(record.get("started_s", 0.0)) + float(record.get("wall_s", 0.0))
        for name in steps.entries().folders if steps.taken() else ():
            if name in kept:
                continue
            step = steps / name
            nbytes = step.tree_bytes()
            if nbytes is None:
                raise UnsupportedFormat(f"{step}: sizes of files in this store are not known; use `voxome clean`")
            yield StepData(store, folder, step, nbytes, used_s)


def _store_of(folder: Path) -> str:
    text = read_document(storage_at(str(folder / RECORD)))
    record = None if text is None else parse_object(text)
    return str((record or {}).get("store") or home_address(folder))


@contextmanager
def locked_run(store: str, folder: Path | None) -> Iterator[Mapping[str, Any] | None]:
    """Lock a run, by its folder or by its store; give its record, or None if it has not finished.

    Raises
    ------
    RunLocked
        If it is in progress.
    UnsupportedFormat
        If its record is of another version.
    """
    if folder is None:
        holder = f"{socket.gethostname()}:gc"
        with lock_store(storage_at(store), f"gc-{os.urandom(8).hex()}", holder):
            yield _record(storage_at(store) / RECORD)
        return
    with lock_folder(folder), lock_results(store, folder):
        yield _record(storage_at(str(folder / RECORD)))


def _record(file: StoragePath) -> Mapping[str, Any] | None:
    text = read_document(file)
    record = None if text is None else parse_object(text)
    return None if record is None else RUN.content(record, file)

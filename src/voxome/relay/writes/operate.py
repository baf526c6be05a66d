"""What operators do with writes that stores do not take: look at them, repeat, export or discard them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.cache.generations import Generations
from voxome.relay.writes.index import QueuedWrite
from voxome.relay.writes.journal import INDEX_FILE, Journal, journal_folder
from voxome.storage.atomic import storing

GENERATIONS_FILE = "generations"
"""Name of the file of the generations in the folder of a cache."""


@contextmanager
def opened_journal(cache: Path) -> Iterator[Journal]:
    """Yield the journal of writes in the folder of a cache, whether a relay is using it or not.

    Raises
    ------
    NotFound
        If there is none.
    """
    folder = journal_folder(cache)
    if not (folder / INDEX_FILE).exists():
        raise NotFound(f"{cache} has no journal of writes; give the folder that `voxome serve --cache` uses")
    with closing(Journal(folder, 0)) as journal:
        yield journal


def find_writes(journal: Journal, numbers: Sequence[int]) -> list[QueuedWrite]:
    """Return some writes, or all if no number is given, in order.

    Raises
    ------
    NotFound
        If there is no write of a number.
    """
    known = {one.entry.number: one for one in journal.index.queue()}
    missing = [str(number) for number in numbers if number not in known]
    if missing:
        raise NotFound(f"no write {', '.join(missing)} is waiting; see `voxome relay writes list`")
    return [known[number] for number in sorted(set(numbers))] if numbers else list(known.values())


def describe_write(queued: QueuedWrite) -> dict[str, Any]:
    """Return a write as JSON values."""
    entry = queued.entry
    state = "refused" if queued.refused else "failing" if queued.problem else "waiting"
    return {
        "id": entry.number, "volume": entry.name, "level": entry.level, "box": str(entry.box),
        "dtype": str(np.dtype(entry.dtype)), "masked": entry.masked, "bytes": entry.nbytes, "created": entry.created,
        "state": state, "problem": queued.problem,
    }  # fmt: skip


def export_writes(journal: Journal, writes: Sequence[QueuedWrite], folder: Path) -> None:
    """Write voxels into ``ID.npy``, masks into ``ID.mask.npy``, and a list of all, in order, into ``writes.json``.

    The writes stay in the journal.

    Raises
    ------
    AlreadyExists
        If the folder is not empty.
    CorruptData
        If the file of a write is damaged.
    StoreError
        If the disk fails.
    """
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AlreadyExists(f"{folder} is not empty; give another folder")
        for queued in writes:
            voxels = journal.load(queued.entry)
            np.save(folder / f"{queued.entry.number}.npy", voxels.data)
            if voxels.where is not None:
                np.save(folder / f"{queued.entry.number}.mask.npy", voxels.where)
        (folder / "writes.json").write_text(json.dumps([describe_write(one) for one in writes], indent=1) + "\n")


def discard_writes(cache: Path, journal: Journal, writes: Sequence[QueuedWrite]) -> None:
    """Remove writes from the journal for good; a running relay shows the voxels of the store at once.

    A write that is being replayed at this moment may still get into its store.

    Raises
    ------
    StoreError
        If the disk fails.
    """
    with closing(Generations(cache / GENERATIONS_FILE)) as generations:
        journal.remove([one.entry for one in writes])
        for source in {one.entry.source for one in writes}:
            generations.renew(source)  # a try that failed may have changed any chunk of its store

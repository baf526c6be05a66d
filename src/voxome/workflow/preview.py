"""What a run of a plan would need and change, with everything checked that a run checks before it starts."""

from __future__ import annotations

import errno
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voxome.config.machine import Disk, available_memory_bytes, disk_at, worker_count
from voxome.engines.choice import EngineChoice, StepEngines
from voxome.errors import StoreError
from voxome.records.choice import RecordsChoice, records_opener
from voxome.storage.find import storage_at
from voxome.workflow.plan import Plan
from voxome.workflow.run import check_cache, check_truth, require_kind, step_names
from voxome.workflow.saved_plan import pending_changes
from voxome.workflow.sizes import sizes
from voxome.workflow.store import run_folder, store_address


@dataclass(frozen=True)
class Preview:
    """What a run would need and change.

    Attributes
    ----------
    workers : int
        Number of processes.
    written_bytes : int
        Size of all voxels that the steps write, before compression.
    disk : Disk or None
        The disk of the results; None if they are not kept on this machine.
    changes : tuple of str
        What runs again in the run folder, and why; empty if it has no run, or the same.
    warnings : tuple of str
        What may be too small for the run.
    """

    workers: int
    written_bytes: int
    disk: Disk | None
    changes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the preview as JSON values, without its warnings."""
        return {name: value for name, value in asdict(self).items() if name != "warnings"}


def preview(
    plan: Plan,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    engine: EngineChoice | None = None,
    records: RecordsChoice | None = None,
    truth: str | Path | None = None,
    fresh: bool = False,
    cache: str | Path | None = None,
) -> Preview:
    """Check the arguments of a run and return what it would need and change; nothing is written.

    The arguments are those of `voxome.run`, whose run folder may be left out: then it is taken to be in the working
    directory.

    Raises
    ------
    UnknownName, InvalidInput, PluginError, PlanError, StoreError, AlreadyExists, ReadOnly, CorruptData
        As `voxome.run`.
    """
    if truth is not None:
        check_truth(plan, Path(truth))
    check_cache(plan, cache)
    folder = run_folder(Path.cwd() if out is None else out)
    address = store_address(store, folder)
    count = worker_count(workers)
    StepEngines(engine, step_names(plan), workers=count, log=folder)
    records_opener(records)
    if out is not None:
        _require_writable(folder)
    if out is not None:
        require_kind(folder, plan)
    changes = [] if out is None or plan.pending else pending_changes(folder, plan, address, fresh=fresh)
    written = sum(sizes(step)["written_bytes"] for step in plan.steps)
    results = storage_at(address)
    disk = disk_at(Path(results.path)) if results.is_local else None
    warnings = [*_disk_warnings(written, disk), *(_memory_warnings(plan) if engine is None else ())]
    return Preview(count, written, disk, tuple(changes), tuple(warnings))


def _require_writable(folder: Path) -> None:
    nearest = Path(disk_at(folder).folder)
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        reason = os.strerror(errno.EACCES if nearest.is_dir() else errno.ENOTDIR)
        raise StoreError(f"Cannot create the run folder {folder}: {reason}; choose a folder that can be written to")


def _disk_warnings(written: int, disk: Disk | None) -> list[str]:
    if disk is None or written <= disk.free_bytes:
        return []
    return [
        f"the voxels that the run writes take up to {written / 1e9:.3g} GB before compression, and the disk of "
        f"{disk.folder} has {disk.free_bytes / 1e9:.3g} GB free; use another disk (--out, --store), or a smaller --box"
    ]


def _memory_warnings(plan: Plan) -> list[str]:
    """Return the steps of which one job needs more memory than this process may use."""
    available = available_memory_bytes()
    needed = {step.name: sizes(step)["memory_bytes"] or 0 for step in plan.steps}
    return [
        f"a job of step {name} needs about {size / 1e9:.3g} GB of memory, and {available / 1e9:.3g} GB may be used "
        f"here; use a smaller --block {name}=…"
        for name, size in needed.items()
        if available is not None and size > available
    ]

"""The last step of a run: its results are copied into other stores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from voxome.blocks.progress import Progress, StepReport
from voxome.contracts.formats import PRIVATE
from voxome.contracts.run_record import TransferRecord
from voxome.errors import PlanError, RunLocked, VoxomeError
from voxome.records.choice import OpenRecords
from voxome.services.downsample.passes import Pass
from voxome.services.transfer.blocks import count_verified
from voxome.services.transfer.engine import engine_opener
from voxome.services.transfer.stages import prepare_transfer, run_transfer
from voxome.workflow.destinations import Destination, base_of
from voxome.workflow.plan import Plan


def prepare_destinations(plan: Plan, folder: Path, store: str, open_records: OpenRecords, *, fresh: bool) -> None:
    """Create the destinations of a run, or check those that exist, before anything is computed.

    Parameters
    ----------
    plan : Plan
        The plan.
    folder : path
        The run folder, which is locked.
    store : str
        Address of the results.
    open_records : function
        Opens the records of the transfers.
    fresh : bool
        Whether results are copied again that are in their destinations already.

    Raises
    ------
    PlanError
        With the problems of the first destination that has some: those after it are not created.
    RunLocked
        If another transfer into one of them is running.
    """
    results = {base_of(handle.within(store).uri): name for name, handle in plan.outputs.items()}
    targets = {one.output: base_of(one.request(store).target.uri) for one in plan.destinations}
    if taken := {output: results[target] for output, target in targets.items() if target in results}:
        raise PlanError(
            [
                f"into {output}: the run keeps its output {result} there; choose another destination"
                for output, result in taken.items()
            ]
        )
    for one in plan.destinations:
        try:
            prepare_transfer(one.request(store), _state_folder(folder), open_records, restart=fresh)
        except RunLocked:
            raise
        except PlanError as error:
            raise PlanError([f"into {one.output}: {problem}" for problem in error.problems]) from error
        except VoxomeError as error:
            raise PlanError(["; ".join([f"into {one.output}: {error}", *getattr(error, "__notes__", ())])]) from error


def transfer_results(
    destinations: Sequence[Destination],
    folder: Path,
    store: str,
    open_records: OpenRecords,
    *,
    workers: int,
    progress: Progress | None,
) -> Iterator[TransferRecord]:
    """Copy results into their destinations, except for the blocks that are there, and yield a record of each.

    Raises
    ------
    RunFailed
        If blocks could not be copied or verified; the next run resumes.
    PlanError, AlreadyExists
        If a destination has changed since it was prepared.
    """
    for one in destinations:
        request, began = one.request(store), time.monotonic()
        open_engine = engine_opener(None, (request.source, request.target), workers)
        report, parts = run_transfer(
            request,
            request.source.open(),
            _state_folder(folder),
            open_engine,
            open_records,
            None if progress is None else _renamed(progress, one),
        )
        yield {
            "output": one.output,
            "destination": one.label,
            "key": one.result.key,
            "levels": 1 + sum(len(part.levels) for part in parts if isinstance(part, Pass)),
            "bytes": one.bytes,
            "blocks": {"total": report.blocks, "run": report.run, "reused": report.reused},
            "verified": count_verified(parts, request.verify, request.seed),
            "wall_s": round(time.monotonic() - began, 3),
        }


def _renamed(progress: Progress, destination: Destination) -> Progress:
    """Return the function with the copy and the levels named after the output."""
    name = destination.steps[0]

    def notify(report: StepReport) -> None:
        part = "" if report.name == "copy" else f".{report.name.replace(' ', '')}"
        progress(replace(report, name=f"{name}{part}"))

    return notify


def _state_folder(folder: Path) -> Path:
    return folder / PRIVATE / "transfers"

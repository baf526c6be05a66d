"""Jobs of a step: the tool over a span of blocks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from voxome.blocks.memory import peak_bytes, release_free_memory, reset_peak
from voxome.blocks.step import FOLD, Step
from voxome.contracts.context import BlockContext, Group, Region
from voxome.contracts.engine import JobResult
from voxome.contracts.kinds import RegionRows, Rows, Writer
from voxome.errors import InvalidInput, NotFound
from voxome.geometry import BlockGrid
from voxome.geometry.grid import Block
from voxome.storage.find import storage_at
from voxome.storage.json_store import read_document

_CACHED_REGIONS = 64


class StepRegions:
    """Rows that a tool of regions has returned so far, for the tool itself; see `voxome.contracts.context.RegionParts`.

    Parameters
    ----------
    grids : sequence of BlockGrid
        Regions of each level.
    outputs : mapping of str to RegionRows
        Outputs of the step.
    """

    def __init__(self, grids: Sequence[BlockGrid], outputs: Mapping[str, RegionRows]) -> None:
        self._grids, self._outputs = grids, outputs
        self._cached = lru_cache(_CACHED_REGIONS)(self._rows)

    @property
    def levels(self) -> int:
        """Number of levels of the tree; the last has one region."""
        return len(self._grids)

    def index_at(self, level: int, point: Sequence[int]) -> int:
        """Return the region of `level` that contains the voxel `point` (z, y, x)."""
        return self._grids[level].index_of(point)

    def rows(self, output: str, level: int, index: int) -> Rows:
        """Return the rows of `output` of region `index` of `level`."""
        return self._cached(output, level, index)

    def _rows(self, output: str, level: int, index: int) -> Rows:
        return self._outputs[output].rows(level, index)


class OpenStep:
    """A step with its inputs and outputs open; it runs jobs one after the other.

    Parameters
    ----------
    step : Step
        What to run.
    store : str
        Address that stands for ``{store}``.
    """

    def __init__(self, step: Step, store: str) -> None:
        self.tool = step.tool_object
        if step.digest and step.digest != self.tool.digest:
            raise InvalidInput(
                f"the tool {step.tool} of this worker (source {self.tool.digest}) is not the one that was planned "
                f"({step.digest}): its code was edited, or the worker has a different installation; install the same "
                "code everywhere and rerun"
            )
        self.parameters = self.tool.spec.bind(step.parameters)
        self.step = step = replace(step, parameters=self.parameters)
        kinds = self.tool.spec.inputs
        self.inputs = {name: kinds[name].kind.open(handle.within(store)) for name, handle in step.inputs.items()}
        self.targets = list(step.targets(store))

    @cached_property
    def writers(self) -> dict[str, Writer]:
        """The outputs of a tool of blocks or regions."""
        return {target.name: kind.writer(target) for kind, target in self.targets}

    def run(self, phase: int, job: int, run: str = "") -> None:
        """Run job `job` of `phase`, of the run with this id; on return its results are stored."""
        grid = self.step.phases[phase]
        if grid is None:
            self._run_whole()
            return
        for writer in self.writers.values():
            writer.begin_job()
        span = self.step.span(phase)
        for index in range(job * span, min((job + 1) * span, len(grid))):
            block = grid[index]
            results = self._run_one(phase, block, run)
            for name, writer in self.writers.items():
                writer.write(results[name], block)
        for writer in self.writers.values():
            writer.end_job(phase, job)

    def fold(self) -> None:
        """Combine the parts that the jobs wrote."""
        for kind, target in self.targets:
            if kind.has_parts:
                kind.fold_parts(target)

    @cached_property
    def _regions(self) -> StepRegions:
        grids = [grid for grid in self.step.phases if grid is not None]
        return StepRegions(grids, {target.name: kind.region_rows(target) for kind, target in self.targets})

    @cached_property
    def _views(self) -> dict[str, object]:
        return {name: reader.view() for name, reader in self.inputs.items()}

    def _run_one(self, phase: int, block: Block, run: str) -> dict[str, object]:
        match self.tool.spec.scope:
            case "regions":
                return self._run_region(phase, block)
            case "groups":
                return self._run_group(block)
            case _:
                return self._run_block(block, run)

    def _run_block(self, block: Block, run: str) -> dict[str, object]:
        assert self.step.frame is not None
        inputs = {name: reader.read(block.read) for name, reader in self.inputs.items()}
        return self.tool.call(inputs, self.parameters, BlockContext(block.write, block.read, self.step.frame, run))

    def _run_region(self, level: int, block: Block) -> dict[str, object]:
        assert self.step.frame is not None
        below: BlockGrid | None = self.step.phases[level - 1] if level else None
        children = tuple(below.touching(block.write)) if below is not None else ()
        region = Region(level, block.write, children, self._regions, self.step.frame)
        return self.tool.call(self._views, self.parameters, region)

    def _run_group(self, block: Block) -> dict[str, object]:
        grid = self.step.phases[0]
        assert self.step.frame is not None
        assert grid is not None
        kinds = self.tool.spec.inputs
        inputs = {
            name: self._views[name] if kinds[name].kind.is_volume else reader.read(block.write)
            for name, reader in self.inputs.items()
        }
        return self.tool.call(inputs, self.parameters, Group(block.index, len(grid), self.step.frame))

    def _run_whole(self) -> None:
        results = self.tool.call(self._views, self.parameters, self.step.frame)
        for kind, target in self.targets:
            kind.write(target, results[target.name])


class _Thread(threading.local):
    """The step that a thread works on, and the address of its JSON and the store by which it is known."""

    key: tuple[str, str] | None = None
    step: OpenStep


_thread = _Thread()


def run_job(payload: Mapping[str, Any]) -> JobResult:
    """Run one job of a step: the task ``step``.

    Parameters
    ----------
    payload : mapping
        ``step`` (address of its JSON), ``store``, ``phase`` (-1 folds the tables), ``job`` (its number) and ``run`` (id
        of the run, or empty).
    """
    reset_peak()
    began = time.perf_counter()
    opened = _opened(payload["step"], payload["store"])
    if payload["phase"] == FOLD:
        opened.fold()
    else:
        opened.run(payload["phase"], payload["job"], payload["run"])
    result = JobResult(time.perf_counter() - began, peak_bytes())
    if opened.step.is_unbounded(payload["phase"]):
        del opened
        _close()
    return result


def _opened(path: str, store: str) -> OpenStep:
    if _thread.key != (path, store):
        if _thread.key is not None:
            _close()
            reset_peak()
        text = read_document(storage_at(path))
        if text is None:
            raise NotFound(f"{path} does not exist: the folder of the step was removed; rerun to create it again")
        _thread.step = OpenStep(Step.from_json(json.loads(text), path), store)
        _thread.key = path, store
    return _thread.step


def _close() -> None:
    """Forget the step of this thread, and return its memory."""
    _thread.__dict__.clear()
    release_free_memory()

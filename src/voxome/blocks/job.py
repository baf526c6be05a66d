"""Jobs of a step: the tool over a span of blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voxome.blocks.fold import fold_rows
from voxome.blocks.memory import peak_bytes, release_free_memory, reset_peak
from voxome.blocks.merge import ROWS_AT_ONCE, merge_parts
from voxome.blocks.outputs import open_outputs, scaled_box, step_folder
from voxome.blocks.regions import REGION, RegionReader, part_path
from voxome.blocks.step import Step
from voxome.contracts.context import BlockContext, Region
from voxome.contracts.engine import JobResult
from voxome.contracts.handle import Handle
from voxome.contracts.kinds import File, Image, RegionTable, Rows, Table
from voxome.contracts.source import VolumeSource
from voxome.errors import InvalidInput
from voxome.geometry import BlockGrid
from voxome.geometry.grid import Block
from voxome.resources.open import open_source
from voxome.resources.rows import concatenate
from voxome.resources.table import TableFile, write_table
from voxome.resources.volume import Volume


class OpenStep:
    """A step with its inputs and outputs open; it runs jobs one after the other.

    Parameters
    ----------
    step : Step
        What to run.
    store : str
        Absolute path that stands for ``{store}``.
    """

    def __init__(self, step: Step, store: str) -> None:
        self.step, self.store = step, store
        self.tool = step.loaded
        if step.digest and step.digest != self.tool.digest:
            raise InvalidInput(
                f"the tool {step.tool} of this worker (source {self.tool.digest}) is not the one that was planned "
                f"({step.digest}): its code was edited since, or the worker has another installation; install the same "
                "code everywhere and give the command again"
            )
        self.folder = step_folder(step, store)
        self.parameters = self.tool.spec.bind(step.parameters)
        self.inputs = {name: self._open(handle.within(store)) for name, handle in step.inputs.items()}

    @cached_property
    def outputs(self) -> dict[str, VolumeSource]:
        """The arrays that the step writes."""
        return open_outputs(self.step, self.store)

    def _open(self, handle: Handle) -> VolumeSource | TableFile | RegionReader | Path:
        if handle.type == "volume":
            return open_source(handle.uri)
        if handle.type == "table":
            return TableFile(handle.uri)
        return RegionReader(Path(handle.uri)) if handle.type == "regions" else Path(handle.uri)

    def run(self, phase: int, job: int) -> None:
        """Run job `job` of `phase`; on return its voxels and rows are on disk."""
        grid = self.step.phases[phase]
        if grid is None:
            self._run_whole()
            return
        span = self.step.span(phase)
        parts: dict[str, list[Rows]] = {name: [] for name in self._tables}
        for index in range(job * span, min((job + 1) * span, len(grid))):
            put_out = self._run_region(phase, grid, index) if self._regions else self._run_block(grid[index])
            for name in parts:
                parts[name].append(put_out[name])
        for name, rows in parts.items():
            self._write_part(name, rows, phase, job, span)

    def fold(self) -> None:
        """Fold the parts of every table into one, sorted by its key."""
        for name, kind in self._tables.items():
            if isinstance(kind, Table):
                parts = (part_path(self.folder, name, 0, job) for job in range(self.step.jobs(0)))
                merge_parts(parts, Path(self.step.output(name).within(self.store).uri), kind)

    @property
    def _regions(self) -> bool:
        return self.tool.spec.scope == "regions"

    @cached_property
    def _tables(self) -> dict[str, Table | RegionTable]:
        return {n: k for n, k in self.tool.spec.outputs.items() if isinstance(k, Table | RegionTable)}

    def _run_block(self, block: Block) -> dict[str, Any]:
        assert self.step.frame is not None
        arguments: dict[str, Any] = {}
        for name, opened in self.inputs.items():
            if isinstance(self.tool.spec.inputs[name].kind, Image):
                source = cast("VolumeSource", opened)
                arguments[name] = source.read(source.spec.lift(block.read))
            else:
                arguments[name] = opened
        context = BlockContext(block.write, block.read, self.step.frame)
        put_out = self.tool.call(arguments, self.parameters, context)
        for name, source in self.outputs.items():
            kind = self.tool.spec.outputs[name]
            assert isinstance(kind, Image)
            self._write(name, source, kind, block, np.asarray(put_out[name]))
        return put_out

    def _write(self, name: str, source: VolumeSource, kind: Image, block: Block, data: NDArray[Any]) -> None:
        scale = kind.scale_for(self.step.parameters)
        write, read = (scaled_box(box, scale) for box in (block.write, block.read))
        if data.shape[-3:] == read.shape:
            inner = write.within(read)
            data = data[..., inner[0], inner[1], inner[2]]
        target = source.spec.lift(write)
        if data.shape != target.shape or data.dtype != source.spec.dtype:
            raise InvalidInput(
                f"output {name!r} of {self.step.tool} is {data.dtype} of shape {data.shape}; declared was "
                f"{source.spec.dtype} of shape {target.shape} (or that of the read box)"
            )
        source.write(target, data)

    def _run_region(self, level: int, grid: BlockGrid, index: int) -> dict[str, Any]:
        assert self.step.frame is not None
        box = grid[index].write
        below = self.step.phases[level - 1] if level else None
        children = tuple(below.touching(box)) if below is not None else ()
        reader = RegionReader(self.folder, self.step)
        region = Region(level, box, children, reader, self.step.frame)
        put_out = self.tool.call(self._views(), self.parameters, region)
        for rows in put_out.values():
            rows[REGION] = np.full(len(next(iter(rows.values()))), index, np.int64)
        return put_out

    def _views(self) -> dict[str, Any]:
        """Inputs as a tool gets them that reads what it likes: volumes in the store's coordinates."""
        kinds = self.tool.spec.inputs
        return {
            name: Volume(opened) if isinstance(kinds[name].kind, Image) else opened  # type: ignore[arg-type]
            for name, opened in self.inputs.items()
        }

    def _run_whole(self) -> None:
        put_out = self.tool.call(self._views(), self.parameters, self.step.frame)
        for name, kind in self.tool.spec.outputs.items():
            path = Path(self.step.output(name).within(self.store).uri)
            if isinstance(kind, Table):
                write_table(path, put_out[name], kind.columns)
            elif isinstance(kind, File):
                partial = path.with_name(path.name + ".part")
                partial.write_bytes(put_out[name])
                partial.replace(path)

    def _write_part(self, name: str, rows: list[Rows], phase: int, job: int, span: int) -> None:
        kind = self._tables[name]
        path = part_path(self.folder, name, phase, job)
        if isinstance(kind, Table):
            folded = fold_rows(concatenate(rows, kind.columns), kind)
            write_table(path, folded, kind.columns, row_group=ROWS_AT_ONCE)
        else:
            columns = {REGION: "int64", **kind.columns}
            write_table(path, concatenate(rows, columns), columns)


_open: dict[tuple[str, str], OpenStep] = {}
"""The step that this process works on, by the path of its JSON and the store."""


def run_job(payload: Mapping[str, Any]) -> JobResult:
    """Run one job of a step: the task ``step``.

    Parameters
    ----------
    payload : mapping
        ``step`` (path of its JSON), ``store``, ``phase`` (-1 folds the tables) and ``job`` (its number).
    """
    reset_peak()
    began = time.perf_counter()
    opened = _opened(payload["step"], payload["store"])
    if payload["phase"] < 0:
        opened.fold()
    else:
        opened.run(payload["phase"], payload["job"])
    return JobResult(time.perf_counter() - began, peak_bytes())


def _opened(path: str, store: str) -> OpenStep:
    if (path, store) not in _open:
        _open.clear()
        release_free_memory()
        reset_peak()
        step = Step.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        _open[path, store] = OpenStep(step, store)
    return _open[path, store]

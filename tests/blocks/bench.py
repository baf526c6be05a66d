"""A volume and an engine to run steps on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voxome
from voxome.blocks.progress import StepReport
from voxome.blocks.runner import run_step
from voxome.blocks.step import Step
from voxome.contracts.engine import Engine
from voxome.contracts.frame import Frame
from voxome.contracts.handle import STORE, Handle
from voxome.geometry import Box
from voxome.records.sql import SqlRecords
from voxome.registry import load
from voxome.resources.volume import Volume


@dataclass
class Bench:
    """A folder with a volume, and an engine and records to run steps over it."""

    folder: Path
    array: NDArray[np.uint8]
    engine: Engine
    records: SqlRecords

    @property
    def raw(self) -> Handle:
        return Handle("volume", f"zarr://{self.folder}/raw.zarr", "raw")

    def step(self, tool: str, block: tuple[int, int, int], box: Box | None = None, **parameters: Any) -> Step:
        domain = voxome.open(self.raw.uri).domain
        frame = Frame(domain, box or domain, (10.0, 10.0, 10.0), (0.0, 0.0, 0.0))
        return Step(
            name=tool,
            tool=tool,
            version="1",
            parameters=load("voxome.tools", tool).spec.bind(parameters),
            inputs={"image": self.raw},
            frame=frame,
            block=block,
            home=STORE,
        )

    def run(self, step: Step) -> StepReport:
        return run_step(step, str(self.folder), self.engine, self.records)

    def result(self, step: Step, output: str = "result") -> Volume:
        return voxome.open(step.output(output).within(str(self.folder)).uri, expect=Volume)


def make_bench(folder: Path, engine: Engine) -> Bench:
    """A bench with a small volume that does not start at 0."""
    array = np.random.default_rng(0).integers(0, 255, (40, 30, 20), dtype=np.uint8)
    spec = voxome.VolumeSpec.of(array.shape, "uint8", start=(-3, 0, 5), chunk=(16, 16, 16), voxel_size_nm=(10, 10, 10))
    voxome.create(f"zarr://{folder}/raw.zarr", spec)[...] = array
    return Bench(folder, array, engine, SqlRecords.in_file(folder / "run.sqlite"))

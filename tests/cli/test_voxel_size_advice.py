"""A volume without a voxel size: what errors advise is accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import voxome
from voxome.contracts.spec import VOXEL_SIZE_ADVICE, VolumeKind

TOOLS: dict[str, tuple[str, VolumeKind, tuple[str, ...]]] = {
    "common.vessel_runs": ("probability", "probability", ()),
    "common.tile_moments": ("image", "image", ()),
    "common.tile_histograms": ("image", "image", ("--low", "0", "--high", "255")),
}


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_the_advice_is_accepted(command: Any, tool: str) -> None:
    name, kind, options = TOOLS[tool]
    spec = voxome.VolumeSpec.of((12, 12, 12), "uint8", kind=kind)
    voxome.create("zarr://bare.zarr", spec)[...] = np.arange(12**3).reshape(12, 12, 12) % 251

    def run(file: str, *others: str) -> Any:
        return command("tool", tool, f"--{name}", file, *options, "--out", f"out-{file}", *others)

    refused = run("bare.zarr")
    assert refused.status == 1
    assert VOXEL_SIZE_ADVICE in " ".join(refused.err.split())
    assert "--voxel-size Z,Y,X, or write a copy that has it: voxome put … --voxel-size Z,Y,X" in VOXEL_SIZE_ADVICE
    assert run("bare.zarr", "--voxel-size", "650,650,650").status == 0
    assert command("put", "bare.zarr", "zarr://copy.zarr", "--voxel-size", "650,650,650").status == 0
    assert run("copy.zarr").status == 0

"""Affinities and membranes by a small network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.config.settings import setting
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.models.cards import find
from voxome.models.infer import predict
from voxome.resources.table import TableFile
from voxome.tools.common.statistics import HISTOGRAM, moments
from voxome.tools.em.kernels.affinity import NEAR, membrane_map, near_affinities

VOXEL_SIZE_TOLERANCE = 0.2
"""Relative difference from the voxel size that the network was trained on."""
_BYTES_PER_VOXEL = 40
_BYTES_OF_NETWORK = 600_000_000


def _halo(parameters: Mapping[str, Any], _: object) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    halo = find(parameters["model"]).card.halo
    return (halo + 1, halo + 1, halo + 1), (halo, halo, halo)


def _offsets(parameters: Mapping[str, Any]) -> list[list[int]]:
    return [list(offset) for offset in find(parameters["model"]).card.offsets[: len(NEAR)]]


def _faults(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    if "membranes" in specs:
        return
    card, spec = find(parameters["model"]).card, specs["raw"]
    if spec.dtype != card.dtype:
        yield f"raw is {spec.dtype}; the model {card.name!r} was trained on {card.dtype}: convert it first"
    size = spec.voxel_size_nm
    if size is None:
        return
    if not all(math.isclose(a, b, rel_tol=VOXEL_SIZE_TOLERANCE) for a, b in zip(size, card.voxel_size_nm, strict=True)):
        yield (
            f"raw has voxels of {_text(size)} nm (z, y, x); the model {card.name!r} was trained on "
            f"{_text(card.voxel_size_nm)} nm: take another level (--level) or another model"
        )


def _text(size: tuple[float, float, float]) -> str:
    return " x ".join(f"{n:g}" for n in size)


def _memory(voxels: int, _: object) -> int:
    return _BYTES_OF_NETWORK + _BYTES_PER_VOXEL * voxels


@tool(
    "em.network",
    halo=_halo,
    outputs={
        "affinities": kinds.Probability(channels=len(NEAR), attributes=lambda p: {"offsets": _offsets(p)}),
        "membranes": kinds.Probability(),
    },
    check=_faults,
    memory=_memory,
    content=lambda parameters: find(parameters["model"]).card.sha256,
)
def network(
    raw: Annotated[NDArray[Any], kinds.Image()],
    histogram: Annotated[TableFile, HISTOGRAM],
    membranes: Annotated[NDArray[np.uint8] | None, kinds.Probability()] = None,
    *,
    model: str = "membranes",
    block: BlockContext,
) -> dict[str, NDArray[np.uint8]]:
    """Predict which neighbouring voxels belong to one neuron, and from that where membranes are.

    Parameters
    ----------
    raw : (z, y, x) array
        Electron micrograph of the dtype and voxel size that the model was trained on.
    histogram : table
        Of the whole box, from ``common.statistics``: raw is brought to mean 0 and standard deviation 1.
    membranes : (z, y, x) array of uint8, optional
        A membrane map (255 = membrane) to take in place of the network's.
    model : str
        Name of a model, or path of its card.

    Returns
    -------
    affinities : (3, z, y, x) array of uint8
        At p, that of p and its next voxel along z, y and x; 255 = surely one neuron.
    membranes : (z, y, x) array of uint8
        255 less the least affinity of a voxel and its six neighbours.
    """
    if membranes is not None:
        own = block.write.within(block.read)
        return {"affinities": near_affinities(membranes)[(slice(None), *own)], "membranes": membranes[own]}
    mean, std = moments(histogram.read())
    box = block.write.grow((1, 1, 1), (0, 0, 0)) & block.frame.domain
    affinities = predict(
        raw,
        block.read,
        box,
        block.frame.domain,
        find(model),
        mean=mean,
        std=std,
        threads=setting("THREADS", 1),
    )[: len(NEAR)]
    own = block.write.within(box)
    return {"affinities": affinities[(slice(None), *own)], "membranes": membrane_map(affinities)[own]}

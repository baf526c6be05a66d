"""Affinities and membranes predicted by a neural network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.config.settings import settings
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Parameters
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.errors import InvalidInput
from voxome.geometry.notation import comma_text
from voxome.models.cards import ModelCard, find
from voxome.models.infer import predict
from voxome.resources.table import TableFile
from voxome.tools.common.gaps import HALO, NO_DATA, fill_missing, known_tissue
from voxome.tools.common.statistics import HISTOGRAM, moments
from voxome.tools.em.contrast import contrast_warnings
from voxome.tools.em.kernels.affinity import NEAR, membrane_map, near_affinities

VOXEL_SIZE_TOLERANCE = 0.2
"""Maximum relative difference from the voxel size of the training data."""


def _halo(parameters: Mapping[str, Any], _: object) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    z, y, x = (n + HALO for n in find(parameters["model"]).card.halo)
    return (z + 1, y + 1, x + 1), (z, y, x)


def _offsets(parameters: Mapping[str, Any]) -> list[list[int]]:
    return [list(offset) for offset in find(parameters["model"]).card.offsets[: len(NEAR)]]


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    spec = specs["raw"]
    if spec.voxel_size_nm is None:
        yield "raw has no voxel size, on which sizes in nm depend: give it with --voxel-size Z,Y,X"
    if "membranes" in specs:
        return
    card = find(parameters["model"]).card
    if card.offsets[: len(NEAR)] != NEAR:
        yield _describe_other(card)
    if spec.dtype != card.dtype:
        yield (
            f"raw is {spec.dtype}, but model {card.name!r} was trained on {card.dtype}: add ?window=0.5%:99.5% to its "
            "URI, or use voxome convert"
        )
    size = spec.voxel_size_nm
    if size is None:
        return
    if not all(math.isclose(a, b, rel_tol=VOXEL_SIZE_TOLERANCE) for a, b in zip(size, card.voxel_size_nm, strict=True)):
        yield (
            f"raw has a voxel size of {comma_text(size)} nm (z, y, x), but model {card.name!r} was trained on "
            f"{comma_text(card.voxel_size_nm)} nm: choose a level with such voxels (--level), a network trained on "
            "yours (voxome train, then --set model=CARD), or give membranes of your own (--set membranes=URI)"
        )


def _describe_other(card: ModelCard) -> str:
    """Return why a network of another task will not do."""
    return (
        f"model {card.name!r} predicts {', '.join(card.channels)} (task {card.task!r}), not the affinities "
        f"{NEAR} of next voxels along z, y and x: choose a model of the task 'affinities', in three dimensions"
    )


def _unusual(name: str, blocks: Iterable[NDArray[Any]], _: Parameters) -> Iterable[str]:
    return contrast_warnings(blocks) if name == "raw" else ()


@tool(
    "em.network",
    halo=_halo,
    outputs={
        "affinities": kinds.Probability(channels=len(NEAR), attributes=lambda p: {"offsets": _offsets(p)}),
        "membranes": kinds.Probability(),
    },
    check=_problems,
    examine=_unusual,
    memory=memory_of(270_000_000, 200),
    content=lambda parameters: find(parameters["model"]).card.sha256,
)
def network(
    raw: Annotated[NDArray[Any], kinds.Image()],
    histogram: Annotated[TableFile, HISTOGRAM],
    membranes: Annotated[NDArray[np.uint8] | None, kinds.Probability()] = None,
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    model: str = "membranes",
    block: BlockContext,
) -> dict[str, NDArray[np.uint8]]:
    """Predict affinities of neighbouring voxels, and membranes, with a neural network.

    Parameters
    ----------
    raw : (z, y, x) array
        EM image with the dtype and voxel size of the training data.
    histogram : table
        Histogram of the box, from ``common.statistics``, to normalize raw to mean 0 and standard deviation 1.
    membranes : (z, y, x) array of uint8, optional
        Membrane map (255 is membrane) to use instead of the network.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``. Gaps of a section or two are interpolated, and the tissue around
        voxels without data is mirrored into them, where the results are 0.
    model : str
        Name of a model, or path of a model card.

    Returns
    -------
    affinities : (3, z, y, x) array of uint8
        Affinities to the next voxel along z, y and x; 255 is certain.
    membranes : (z, y, x) array of uint8
        255 minus the minimum affinity of a voxel to its six neighbours.
    """
    inner, rows = block.write.within(block.read), histogram.read()
    if not len(rows["value"]):
        raise InvalidInput(
            "raw has no tissue in the box: it is constant, or nearly so, everywhere, or masked; choose another box "
            "(--box), or set detect_no_data=false if it is an image"
        )
    tissue = None if tissue is None else known_tissue(tissue, block)
    if tissue is not None and not tissue[inner].any():
        nothing = np.zeros((len(NEAR), *block.write.shape), np.uint8)
        return {"affinities": nothing, "membranes": nothing[0]}
    if membranes is None:
        result = _predict(raw, moments(rows), tissue, model, block)
    else:
        if tissue is not None:
            membranes = np.rint(fill_missing(membranes, tissue, 0)).astype(np.uint8)
        result = {"affinities": near_affinities(membranes)[(slice(None), *inner)], "membranes": membranes[inner]}
    if tissue is not None:
        outside = tissue[inner] == NO_DATA
        result = {name: np.where(outside, np.uint8(0), values) for name, values in result.items()}
    return result


def _predict(
    raw: NDArray[Any],
    mean_std: tuple[float, float],
    tissue: NDArray[np.uint8] | None,
    model: str,
    block: BlockContext,
) -> dict[str, NDArray[np.uint8]]:
    mean, std = mean_std
    chosen = find(model)
    if chosen.card.offsets[: len(NEAR)] != NEAR:
        raise InvalidInput(_describe_other(chosen.card))
    box = block.write.grow((1, 1, 1), (0, 0, 0)) & block.frame.domain
    affinities = predict(
        raw if tissue is None else fill_missing(raw, tissue, mean),
        block.read,
        box,
        block.frame.domain,
        chosen,
        mean=mean,
        std=std,
        threads=settings().threads,
    )[: len(NEAR)]
    inner = block.write.within(box)
    return {"affinities": affinities[(slice(None), *inner)], "membranes": membrane_map(affinities)[inner]}

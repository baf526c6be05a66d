"""Candidate synapses: T-bars and postsynaptic densities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.resources.table import TableFile
from voxome.tools.common.components import local_components
from voxome.tools.common.gaps import HALO, NO_DATA, fill_missing, known_tissue
from voxome.tools.common.statistics import HISTOGRAM, percentile
from voxome.tools.em.synaptic.score import PsdParams, psd_halo, psd_score


def _halo(_: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    z, y, x = psd_halo(PsdParams(), scale_nm)
    return z + HALO, y + HALO, x + HALO


@tool(
    "em.densities",
    halo=_halo,
    outputs={"score": kinds.Image("uint8"), "components": kinds.Labels()},
    memory=memory_of(231_000_000, 58),
)
def densities(
    raw: Annotated[NDArray[Any], kinds.Image()],
    membranes: Annotated[NDArray[np.uint8], kinds.Probability()],
    histogram: Annotated[TableFile, HISTOGRAM],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    synapse_threshold: Annotated[int, Interval(ge=0, le=255)] = 80,
    block: BlockContext,
) -> dict[str, NDArray[Any]]:
    """Score voxels as T-bars or postsynaptic densities, and label components above a threshold.

    Parameters
    ----------
    raw : (z, y, x) array
        EM image with dark membranes.
    membranes : (z, y, x) array of uint8
        Membrane map; 255 is membrane.
    histogram : table
        Histogram of the box, from ``common.statistics``.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``. Gaps of a section or two are interpolated, and the tissue around
        voxels without data is mirrored into them, where the score is 0.
    synapse_threshold : int
        Minimum score of the voxels of a synapse; 0 is the median grey value, 100 the first percentile.

    Returns
    -------
    score : (z, y, x) array of uint8
    components : (z, y, x) array of uint64
        Components labelled with voxel ids, to be joined across blocks by ``common.touching``, ``common.union`` and
        ``common.relabel``.
    """
    inner = block.write.within(block.read)
    tissue = None if tissue is None else known_tissue(tissue, block)
    if tissue is not None and not tissue[inner].any():
        return {"score": np.zeros(block.write.shape, np.uint8), "components": np.zeros(block.write.shape, np.uint64)}
    frame, rows = block.frame, histogram.read()
    median = percentile(rows, 50)
    around = block.write.grow(psd_halo(PsdParams(), frame.scale_nm)) & frame.domain
    seen = around.within(block.read)
    score = psd_score(
        (raw if tissue is None else fill_missing(raw, tissue, median))[seen],
        median=median,
        percentile_1=percentile(rows, 1),
        voxel_size_nm=frame.scale_nm,
        membranes=membranes[seen],
    )
    score = np.ascontiguousarray(score[block.write.within(around)])
    if tissue is not None:
        score[tissue[inner] == NO_DATA] = 0
    components = local_components(score >= synapse_threshold, block.write, frame.domain)
    return {"score": score, "components": components}

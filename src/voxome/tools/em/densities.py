"""Dark, thick spots at membranes: where synapses may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.resources.table import TableFile
from voxome.tools.common.components import local_components
from voxome.tools.common.statistics import HISTOGRAM, percentile
from voxome.tools.em.synaptic.score import PsdParams, psd_halo, psd_score


def _halo(_: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    return psd_halo(PsdParams(), scale_nm)


@tool("em.densities", halo=_halo, outputs={"score": kinds.Image("uint8"), "components": kinds.Labels()})
def densities(
    raw: Annotated[NDArray[Any], kinds.Image()],
    membranes: Annotated[NDArray[np.uint8], kinds.Probability()],
    histogram: Annotated[TableFile, HISTOGRAM],
    *,
    synapse_threshold: Annotated[int, Interval(ge=0, le=255)] = 80,
    block: BlockContext,
) -> dict[str, NDArray[Any]]:
    """Score voxels as T-bars or postsynaptic densities, and label the components above a threshold.

    Parameters
    ----------
    raw : (z, y, x) array
        Electron micrograph, dark membranes.
    membranes : (z, y, x) array of uint8
        255 = membrane.
    histogram : table
        Of the whole box, from ``common.statistics``.
    synapse_threshold : int
        Smallest score of a synapse's voxels: hundredths of the way from the median to the first percentile.

    Returns
    -------
    score : (z, y, x) array of uint8
    components : (z, y, x) array of uint64
        Place ids, to be joined over blocks by ``common.touching``, ``common.union`` and ``common.relabel``.
    """
    grey = histogram.read()
    score = psd_score(
        raw,
        median=percentile(grey, 50),
        percentile_1=percentile(grey, 1),
        voxel_size_nm=block.frame.scale_nm,
        membranes=membranes,
    )
    score = np.ascontiguousarray(score[block.write.within(block.read)])
    components = local_components(score >= synapse_threshold, block.write, block.frame.domain)
    return {"score": score, "components": components}

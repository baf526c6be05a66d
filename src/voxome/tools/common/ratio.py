"""Ratio of a signal to a background channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from scipy import ndimage

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.tool import memory_of
from voxome.tools.common.contrast.limits import known_voxels, size_problems
from voxome.tools.common.contrast.unusual import unusual_image
from voxome.tools.common.gaps import BRIDGED, NO_DATA, TISSUE

_TRUNCATE = 4.0


def _sigmas(smoothing_um: float, scale_nm: tuple[float, float, float]) -> tuple[float, ...]:
    return tuple(smoothing_um * 1000.0 / size for size in scale_nm)


def _radii(sigmas: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(int(_TRUNCATE * sigma + 0.5) for sigma in sigmas)


def _halo(parameters: Mapping[str, Any], scale_nm: tuple[float, float, float]) -> tuple[int, ...]:
    return _radii(_sigmas(parameters["smoothing_um"], scale_nm))


@tool(
    "common.ratio",
    halo=_halo,
    outputs={"result": kinds.Image("float32"), "tissue": kinds.Image("uint8")},
    check=size_problems,
    examine=unusual_image,
    memory=memory_of(140_000_000, 44),
)
def ratio(
    image: Annotated[NDArray[Any], kinds.Image()],
    background: Annotated[NDArray[Any] | None, kinds.Image()] = None,
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    smoothing_um: Annotated[float, Gt(0)] = 10.0,
    offset: float = 0.0,
    smallest: Annotated[float, Gt(0)] = 1.0,
    min_light: Annotated[float, Ge(0)] = 0.0,
    block: BlockContext,
) -> dict[str, NDArray[Any]]:
    """Divide an image by its background channel, smoothed, which removes the shading that both have.

    Parameters
    ----------
    image : (z, y, x) array
        Signal.
    background : (z, y, x) array, optional
        Channel of autofluorescence with the same illumination. Without it, only `offset` is subtracted.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``; what has no data does not count, nor what is NaN.
    smoothing_um : float
        Standard deviation of the Gaussian with which the background is smoothed, in micrometres.
    offset : float
        Grey value without light, which is subtracted from both.
    smallest : float
        Smallest background, above `offset`, of a voxel that counts; where there is less light, there are no data.
    min_light : float
        Smallest background, above `offset`, when it is smoothed, or of the smoothed image without a background. Where
        there is less, as around the tissue, there are no data.

    Returns
    -------
    result : (z, y, x) array of float32
        Ratio, which does not depend on the illumination; NaN where there are no data. ``common.normalize`` takes it
        with `low` and `high`.
    tissue : (z, y, x) array of uint8
        Tissue map without what is too dark, so that densities are those of the tissue in which there may be cells.
    """
    inner = block.write.within(block.read)
    signal = image[inner].astype(np.float32) - np.float32(offset)
    areas = np.full(image.shape, TISSUE, np.uint8) if tissue is None else tissue
    known = known_voxels(image, areas)
    areas = np.where(known | (areas != TISSUE), areas, np.uint8(NO_DATA))[inner]
    if background is None and not min_light:
        return {"result": np.where(areas == TISSUE, signal, np.float32(np.nan)), "tissue": areas}
    sigmas = _sigmas(smoothing_um, block.frame.scale_nm)
    light = (image if background is None else background).astype(np.float32) - np.float32(offset)
    lit = known if background is None else known & (light >= np.float32(smallest))
    share, total = lit.astype(np.float32), np.where(lit, light, np.float32(0))
    for axis, (sigma, radius) in enumerate(zip(sigmas, _radii(sigmas), strict=True)):
        share = ndimage.gaussian_filter1d(share, sigma, axis=axis, mode="constant", radius=radius)
        total = ndimage.gaussian_filter1d(total, sigma, axis=axis, mode="constant", radius=radius)
    lit, share, total = lit[inner], share[inner], total[inner]
    smooth = total / np.where(share > 0, share, np.float32(1))
    bright = smooth >= np.float32(min_light) if min_light else np.ones(smooth.shape, bool)
    lit = lit & bright
    divisor = np.float32(1) if background is None else np.where(lit, smooth, np.float32(1))
    return {
        "result": np.where(lit, signal / divisor, np.float32(np.nan)),
        "tissue": np.where(lit | ((areas == BRIDGED) & bright), areas, np.uint8(NO_DATA)),
    }

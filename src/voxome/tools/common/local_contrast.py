"""Probability of cells or vessels from their contrast to what is around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from scipy import ndimage

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.kinds.block_arrays import BlockArraysReader
from voxome.tools.common.balls import Scale
from voxome.tools.common.contrast.distance import near
from voxome.tools.common.contrast.limits import size_problems
from voxome.tools.common.contrast.moments import local_moments
from voxome.tools.common.contrast.tile_sums import tile_factors
from voxome.tools.common.density.grid import DensityGrid
from voxome.tools.common.gaps import BRIDGED, LONGEST, TISSUE, interpolate_gaps
from voxome.tools.common.tile_moments import MOMENTS

_TRUNCATE = 4.0
_HALF = 128
"""Smallest probability of at least one half."""
_FLAT = 1e-3
"""Standard deviation, as a share of the mean, up to which there is nothing to see."""
_FLAT_STEP, _FLAT_WHOLE = 0.1, 1e-5
"""The same of integers of a large mean: in steps between them, and, where that is more, as a share of the mean."""


def _radii(smoothing_um: float, scale_nm: Scale) -> tuple[int, ...]:
    return tuple(int(_TRUNCATE * smoothing_um * 1000 / size + 0.5) for size in scale_nm)


def _halo(parameters: Mapping[str, Any], scale_nm: Scale) -> tuple[int, int, int]:
    beside = max(parameters["rim_um"], parameters["exclude_um"])
    reach = [math.ceil(1000 * beside / size) for size in scale_nm]
    passes = 2 if parameters["rim_um"] else 1
    z, y, x = (a + passes * b for a, b in zip(reach, _radii(parameters["smoothing_um"], scale_nm), strict=True))
    return z + LONGEST, y, x


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterable[str]:
    yield from size_problems({"image": specs["image"]}, parameters)
    if not parameters["low"] < parameters["high"]:
        yield f"low is {parameters['low']:g} and high {parameters['high']:g}; expected low < high"
    size, window_um = specs["image"].voxel_size_nm, parameters["background_z_um"]
    if size is not None and window_um is not None:
        tile_um = parameters["tile_z_um"] or parameters["tile_um"]
        if tile_factors(tile_um, tile_um, size)[0] > max(1, round(1000 * window_um / size[0])):
            yield (
                f"background_z_um is {window_um:g}, but tiles are {tile_um:g} µm long along z, so that the mean is not "
                f"that of so few sections: set tile_z_um={window_um:g}"
            )


@tool(
    "common.local_contrast",
    halo=_halo,
    outputs={"probability": kinds.Probability()},
    check=_problems,
    memory=memory_of(230_000_000, 90),
)
def local_contrast(
    image: Annotated[NDArray[Any], kinds.Image()],
    moments: Annotated[BlockArraysReader, MOMENTS],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    probability: Annotated[NDArray[np.uint8] | None, kinds.Probability()] = None,
    exclude: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    *,
    polarity: Literal["bright", "dark"],
    unit: Literal["deviation", "mean"] = "deviation",
    low: float = 0.3,
    high: float = 2.0,
    smoothing_um: Annotated[float, Ge(0)] = 0.65,
    background_um: Annotated[float, Gt(0)] = 13.0,
    background_z_um: Annotated[float, Gt(0)] | None = None,
    tile_um: Annotated[float, Gt(0)] = 10.0,
    tile_z_um: Annotated[float, Gt(0)] | None = None,
    rim_um: Annotated[float, Ge(0)] = 0.0,
    exclude_um: Annotated[float, Ge(0)] = 0.0,
    block: BlockContext,
) -> dict[str, NDArray[np.uint8]]:
    """Estimate the probability of cells or vessels from their contrast to what is around them.

    Parameters
    ----------
    image : (z, y, x) array
        Image of any dtype; the result does not depend on it, nor on borders without data of whole tiles, or that the
        offset of the volume takes into account. Others move the tiles: probabilities change by up to a tenth.
    moments : arrays of blocks
        From ``common.tile_moments`` of the image, with the same `tile_um` and `tile_z_um`.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``. Where there are no data, the result is 0; short gaps are interpolated along
        z.
    probability : (z, y, x) array of uint8, optional
        Probability from a classifier, which is used instead of the contrast.
    exclude : (z, y, x) array of uint8, optional
        Mask of what has the same contrast, such as vessels; there the result is 0.
    polarity : {"bright", "dark"}
        Whether they are brighter or darker than what is around them.
    unit : {"deviation", "mean"}
        Unit of contrast: the standard deviation around a voxel, or the mean, which suits few bright cells.
    low, high : float
        Contrast that is a probability of 0, and of 1.
    smoothing_um : float
        Standard deviation of the Gaussian with which the image is smoothed, in micrometres.
    background_um : float
        Standard deviation of the window in which mean and standard deviation are measured, in micrometres.
    background_z_um : float, optional
        Standard deviation along z of the window of the mean, if not `background_um`: `smoothing_um` where the
        brightness changes from section to section, so that image and mean are smoothed alike along z, and what all
        voxels of a section share cancels; without smoothing, a tenth of a section. The standard deviation is that of
        the differences from this mean. Tiles are as thin as sections (`tile_z_um`).
    tile_um : float
        Edge of a tile of `moments` in micrometres.
    tile_z_um : float, optional
        Its length along z, if not `tile_um`.
    rim_um : float
        Voxels this near to one with a probability of at least one half are at least half probable, too, if they have
        half its contrast: the blurred surface of an object that is distinguished from others by its middle. Their
        contrast is that of the image before it was smoothed, about: a smoothed surface is too far inside, the more the
        narrower the object.
    exclude_um : float
        How far around `exclude` the result is 0, in micrometres.

    Returns
    -------
    probability : (z, y, x) array of uint8
        255 is certain.
    """
    write = block.write.within(block.read)
    size = block.frame.scale_nm
    known = _known(image, tissue)
    if not known[write].any():
        return {"probability": np.zeros(block.write.shape, np.uint8)}
    if probability is None:
        grid = DensityGrid(tile_factors(tile_um, tile_z_um, size), block.frame)
        mean, deviation = local_moments(moments, grid, block.read, background_um, background_z_um)
        weight = _filter(known.astype(np.float32), smoothing_um, size)
        smooth = _average(_fill(image, known, tissue), known, weight, smoothing_um, size)
        sign = np.float32(1 if polarity == "bright" else -1)
        if unit == "mean":
            valid, divisor = mean > 0, mean
        else:
            valid, divisor = deviation > _flat(mean, whole=image.dtype.kind != "f"), deviation
        contrast = _contrast(smooth, mean, valid, divisor) * sign
        share = (contrast - np.float32(low)) * np.float32(1 / (high - low))
        result = np.rint(np.clip(share, 0, 1) * np.float32(255)).astype(np.uint8)
        if rim_um:
            twice = _average(smooth, known, weight, smoothing_um, size)
            sharp = _contrast(_sharpen(smooth, twice), mean, valid, divisor) * sign
            rim = near(result >= _HALF, rim_um, size) & (sharp >= np.float32((low + high) / 4))
            result[rim] = np.maximum(result[rim], _HALF)
    else:
        result = probability
    if exclude is not None:
        result = np.where(near(exclude != 0, exclude_um, size), np.uint8(0), result)
    return {"probability": np.where(known, result, np.uint8(0))[write]}


def _known(image: NDArray[Any], tissue: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    """Return the voxels with data, and those of gaps that are bridged."""
    known = np.ones(image.shape, bool) if tissue is None else tissue == TISSUE
    if image.dtype.kind == "f":
        known &= ~np.isnan(image)
    return known if tissue is None else known | (tissue == BRIDGED)


def _fill(image: NDArray[Any], known: NDArray[np.bool_], tissue: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """Return an image whose short gaps are interpolated; 0 where there are no data."""
    gap = np.zeros_like(known) if tissue is None else tissue == BRIDGED
    result: NDArray[Any] = np.where(known & ~gap, image, 0).astype(np.float32)
    if gap.any():
        interpolate_gaps(result, known & ~gap, gap)
    return result


def _sharpen(smooth: NDArray[np.float32], twice: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 3 G - 2 G G of a smoothed image G: its edges are half as high where they were, whatever their shape.

    A Gaussian moves an edge of curvature k by half its variance times k, towards the centre (Verbeek and van Vliet
    1994, IEEE Trans. Pattern Anal. Mach. Intell. 16:726). Where the edge was, G is lower than half by d, and G G by
    d times the root of 2, about 3 d / 2.
    """
    result: NDArray[np.float32] = np.float32(3) * smooth - np.float32(2) * twice
    return result


def _average(
    image: NDArray[np.float32], known: NDArray[np.bool_], weight: NDArray[np.float32], smoothing_um: float, size: Scale
) -> NDArray[np.float32]:
    """Return the mean of the voxels with data around each of them, weighted by a Gaussian; 0 elsewhere.

    `weight` is the sum of their weights.
    """
    total = _filter(image, smoothing_um, size)
    result: NDArray[np.float32] = np.where(known, total / np.where(known, weight, np.float32(1)), np.float32(0))
    return result


def _filter(image: NDArray[np.float32], smoothing_um: float, size: Scale) -> NDArray[np.float32]:
    """Return an image smoothed by a Gaussian, with 0 beyond the array."""
    for axis, (one, radius) in enumerate(zip(size, _radii(smoothing_um, size), strict=True)):
        if radius:
            sigma = smoothing_um * 1000 / one
            image = ndimage.gaussian_filter1d(image, sigma, axis=axis, mode="constant", radius=radius)
    return image


def _flat(mean: NDArray[np.float32], *, whole: bool) -> NDArray[np.float32]:
    """Return the standard deviation up to which there is nothing to see; integers may have a large offset."""
    limit = np.float32(_FLAT) * np.abs(mean)
    if not whole:
        return limit
    result: NDArray[Any] = np.maximum(np.minimum(limit, np.float32(_FLAT_STEP)), np.float32(_FLAT_WHOLE) * np.abs(mean))
    return result


def _contrast(
    smooth: NDArray[np.float32], mean: NDArray[np.float32], valid: NDArray[np.bool_], divisor: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how much brighter voxels are than around them; 0 where that is not valid."""
    difference = np.where(valid, smooth - mean, np.float32(0))
    result: NDArray[Any] = difference / np.where(valid, divisor, np.float32(1))
    return result

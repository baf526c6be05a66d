"""Hypothesis strategies: boxes inside and outside a domain, arrays of any dtype, specs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from voxome.contracts.spec import VolumeSpec
from voxome.geometry import Box

DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
"""Data types that most stores support."""


def noise(shape: Sequence[int], dtype: DTypeLike, seed: int = 0) -> NDArray[Any]:
    """Return random voxels over the full range of `dtype`; the first three floats are NaN and the infinities."""
    kind, rng = np.dtype(dtype), np.random.default_rng(seed)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, dtype=kind.type, endpoint=True)
    values = rng.standard_normal(shape).astype(kind)
    if values.size > 3:
        values.flat[:3] = np.nan, np.inf, -np.inf
    return values


@st.composite
def boxes(draw: st.DrawFn, domain: Box, *, empty: bool = True) -> Box:
    """Return boxes inside `domain`; if `empty`, also boxes without voxels."""
    pairs = []
    for a, b in zip(domain.start, domain.stop, strict=True):
        start = draw(st.integers(a, b if empty else b - 1))
        pairs.append((start, draw(st.integers(start if empty else start + 1, b))))
    return Box(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))


@st.composite
def boxes_outside(draw: st.DrawFn, domain: Box) -> Box:
    """Return non-empty boxes that are not inside `domain`."""
    inner = draw(boxes(domain, empty=False))
    axis = draw(st.integers(0, domain.ndim - 1))
    beyond = draw(st.integers(1, 5))
    start, stop = list(inner.start), list(inner.stop)
    if draw(st.booleans()):
        stop[axis] = domain.stop[axis] + beyond
    else:
        start[axis] = domain.start[axis] - beyond
    return Box(tuple(start), tuple(stop))


@st.composite
def arrays(draw: st.DrawFn, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return random voxels in any memory layout: C or Fortran order, or reversed along an axis."""
    values = noise(shape, dtype, draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from("CFR"))
    if layout == "F":
        return np.asfortranarray(values)
    return values[::-1].copy()[::-1] if layout == "R" else values


@st.composite
def specs(draw: st.DrawFn, *, ndim: int = 3, dtypes: Sequence[str] = DTYPES, negative: bool = True) -> VolumeSpec:
    """Return small specs with voxel size and chunks; the start can be below 0 if `negative`."""
    shape = draw(st.tuples(*[st.integers(1, 12)] * ndim))
    start = draw(st.tuples(*[st.integers(-20 if negative else 0, 20)] * ndim))
    chunk = draw(st.tuples(*[st.integers(1, 6)] * ndim))
    size = draw(st.tuples(*[st.sampled_from([1.0, 4.0, 10.0, 45.5])] * 3))
    return VolumeSpec.of(shape, draw(st.sampled_from(dtypes)), chunk=chunk, start=start, voxel_size_nm=size)

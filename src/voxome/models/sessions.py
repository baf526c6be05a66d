"""Sessions of onnxruntime, and the input and output of networks as arrays."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voxome.geometry.box import Box


@lru_cache(maxsize=2)
def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU; the last two sessions are kept."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def mirrored(raw: NDArray[Any], read: Box, box: Box, domain: Box) -> NDArray[np.float32]:
    """Return the values of a box, mirrored at the borders of the domain.

    Mirrored voxels that were not read only affect output that is discarded; their values are arbitrary.

    Parameters
    ----------
    raw : (z, y, x) array
        Values of the box `read`.
    read, box, domain : Box
        Box that was read, box to return, which may exceed the domain, and the domain.

    Returns
    -------
    (z, y, x) array of float32
    """
    indices = []
    for axis in range(3):
        last = domain.stop[axis] - domain.start[axis] - 1
        index = np.arange(box.start[axis], box.stop[axis]) - domain.start[axis]
        inside = last - np.abs(last - index % (2 * last)) if last else np.zeros_like(index)
        indices.append(np.clip(inside + domain.start[axis] - read.start[axis], 0, raw.shape[axis] - 1))
    return raw[np.ix_(*indices)].astype(np.float32)


def normalize(values: NDArray[np.float32], mean: float, std: float) -> NDArray[np.float32]:
    """Subtract the mean and divide by the standard deviation, in float32."""
    return (values - np.float32(mean)) / np.float32(std)


def quantize(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return ``round(255 * p)``."""
    return np.rint(probability * np.float32(255)).astype(np.uint8)

"""Trial of an imported network: whether it has the context, stride and channels that its card states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voxome.errors import InvalidInput
from voxome.models.imports.config import ModelImport

_SIZES = (4, 6, 9)
"""Output lengths tried, in strides, of at least 16 voxels in all."""
_TOLERANCE = 1e-4
_FATAL = 4
"""Severity of what onnxruntime logs itself: errors reach the user as exceptions."""


def try_network(path: Path, config: ModelImport) -> None:
    """Run an ONNX file on noise of several sizes.

    Raises
    ------
    InvalidInput
        If the output has another shape than its card states, is no probability, depends on voxels beyond the context,
        or does not move with the stride.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds, none of which has a base class of its own
        raise InvalidInput(f"The network cannot be loaded: {error_text(error)}") from error
    if config.layout == "patches":
        _try_patches(session, config)
    else:
        _try_tiles(session, config)


def error_text(error: Exception) -> str:
    """Return the reason of an error of onnx or onnxruntime in one line, without the place in their source."""
    return " ".join(str(error).rpartition("Status Message: ")[2].split()).removesuffix(".")


def _try_patches(session: onnxruntime.InferenceSession, config: ModelImport) -> None:
    size = [2 * n + 1 for n in config.context[1:]]
    noise = _noise((3, 1, *size))
    whole = _run(session, noise)
    if whole.shape != (3, len(config.channels)):
        raise InvalidInput(
            f"For 3 patches of {size[0]} x {size[1]} voxels the network returns {whole.shape}; expected (3, channels), "
            f"as there are {len(config.channels)} channels: mend context or channels"
        )
    _require_probability(whole)
    one = np.concatenate([_run(session, noise[i : i + 1]) for i in range(3)])
    if np.abs(one - whole).max() > _TOLERANCE:
        raise InvalidInput("A patch has other results in a batch than alone; export the network for inference")


def _try_tiles(session: onnxruntime.InferenceSession, config: ModelImport) -> None:
    for strides in _SIZES:
        shape = [strides * n for n in config.stride]
        grown = [n + 2 * c for n, c in zip(shape, config.context, strict=True)]
        noise = _noise((1, 1, *grown))
        found = _run(session, noise)
        expected = (1, len(config.channels), *shape)
        if found.shape != expected:
            raise InvalidInput(
                f"For an input of {tuple(grown)} voxels (z, y, x) the network returns {found.shape}; expected "
                f"{expected}: mend context, stride or channels, or set padded=true for one that pads its input"
            )
        _require_probability(found)
    _try_context(session, config, noise, found)
    _try_stride(session, config, noise, found)


def _try_context(
    session: onnxruntime.InferenceSession, config: ModelImport, noise: NDArray[np.float32], found: NDArray[np.float32]
) -> None:
    """Change what is beyond the context of the first outputs, and compare them."""
    for axis, (stride, context) in enumerate(zip(config.stride, config.context, strict=True)):
        changed = noise.copy()
        changed[(..., *_along(axis, slice(stride + 2 * context, None)))] += 3
        first = (..., *_along(axis, slice(0, stride)))
        difference = float(np.abs(_run(session, changed)[first] - found[first]).max())
        if difference > _TOLERANCE:
            raise InvalidInput(
                f"Voxels beyond the context of {context} along {'zyx'[axis]} change the output by {difference:.2g}: "
                "set context to the reach of the network; statistics of whole tiles have none"
            )


def _try_stride(
    session: onnxruntime.InferenceSession, config: ModelImport, noise: NDArray[np.float32], found: NDArray[np.float32]
) -> None:
    for axis, stride in enumerate(config.stride):
        moved = _run(session, np.ascontiguousarray(noise[(..., *_along(axis, slice(stride, None)))]))
        difference = float(np.abs(moved - found[(..., *_along(axis, slice(stride, None)))]).max())
        if difference > _TOLERANCE:
            raise InvalidInput(
                f"Moved by the stride of {stride} along {'zyx'[axis]}, the output changes by {difference:.2g}: set "
                "stride to the product of all strides of the network"
            )


def _along(axis: int, part: slice) -> tuple[slice, slice, slice]:
    z, y, x = (part if a == axis else slice(None) for a in range(3))
    return z, y, x


def _noise(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _run(session: onnxruntime.InferenceSession, given: NDArray[np.float32]) -> NDArray[np.float32]:
    options = onnxruntime.RunOptions()
    options.log_severity_level = _FATAL
    try:
        result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: given}, options)[0]
    except Exception as error:  # as above
        raise InvalidInput(
            f"The network cannot be run on an input of shape {given.shape}: {error_text(error)}; mend context and "
            "stride"
        ) from error
    return result


def _require_probability(values: NDArray[np.float32]) -> None:
    if not np.isfinite(values).all() or values.min() < -_TOLERANCE or values.max() > 1 + _TOLERANCE:
        raise InvalidInput(
            f"The network returns values from {values.min():.3g} to {values.max():.3g}, which are no probabilities: "
            "set activation to sigmoid or softmax"
        )

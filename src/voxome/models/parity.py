"""Checks of exported and imported networks: the same results, and none that depend on the tile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput

MAX_DIFFERENCE = 1e-3
"""Of probabilities."""
MEAN_DIFFERENCE = 1e-5
MASK_DIFFERENCE = 1e-4
"""Share of the voxels on the other side of 0.5."""

_OF_TILE = ("InstanceNormalization", "GroupNormalization", "LayerNormalization", "MeanVarianceNormalization")


def check_parity(path: Path, pairs: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
    """Run an ONNX file, and compare its results with those of the network that it was made of.

    Parameters
    ----------
    path : Path
        ONNX file.
    pairs : iterable of (input, output)
        Input, and probabilities that the network returns for it.

    Raises
    ------
    CorruptData
        If they differ by more than rounding, at any size.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for given, expected in pairs:
        found = session.run(None, {name: given})[0]
        problem = _difference(found, expected)
        if problem:
            raise CorruptData(
                f"The exported network differs from the trained one for an input of shape {given.shape}: {problem}; "
                "please report this, with the versions of torch and onnxruntime"
            )


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> str:
    if found.shape != expected.shape:
        return f"its output has shape {found.shape}, not {expected.shape}"
    apart = np.abs(found - expected)
    mask = float(((found > 0.5) != (expected > 0.5)).mean())
    if not np.isfinite(found).all():
        return "its output is not finite"
    if apart.max() > MAX_DIFFERENCE or apart.mean() > MEAN_DIFFERENCE or mask > MASK_DIFFERENCE:
        return f"probabilities by up to {apart.max():.2g}, on average {apart.mean():.2g}, {mask:.2g} of the mask"
    return ""


def require_deterministic(path: Path, *, tiles: bool = True) -> None:
    """Refuse networks whose output is random, or depends on the rest of the tile or batch.

    Parameters
    ----------
    path : Path
        ONNX file.
    tiles : bool
        Whether the network runs on tiles, of any size; statistics of a whole patch are allowed otherwise.

    Raises
    ------
    InvalidInput
    """
    for node in onnx.load(path).graph.node:
        training = any(one.name == "training_mode" and one.i for one in node.attribute)
        if node.op_type == "BatchNormalization" and training:
            raise InvalidInput(f"{path.name} has batch normalisation in training mode; call eval() before the export")
        if node.op_type == "Dropout" and len(node.input) > 2:
            raise InvalidInput(f"{path.name} has dropout in training mode; call eval() before the export")
        if tiles and node.op_type in _OF_TILE:
            raise InvalidInput(
                f"{path.name} has {node.op_type}, whose statistics are those of a tile, so results would depend on the "
                "blocks; train without, or with batch normalisation"
            )

"""Inference with networks that return the channels of the voxel in the middle of a patch, section by section."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from voxome.geometry.box import Box
from voxome.models.cards import ModelCard
from voxome.models.sessions import mirrored, normalize, quantize

BATCH = 256
"""Patches of a call, equal for all calls, so that no result depends on the others of its batch."""


def predict_patches(
    raw: NDArray[Any],
    read: Box,
    write: Box,
    domain: Box,
    card: ModelCard,
    session: onnxruntime.InferenceSession,
    mean_std: tuple[float, float],
) -> NDArray[np.uint8]:
    """Predict every voxel of a box by the patch around it.

    Parameters
    ----------
    raw : (z, y, x) array
        Grey values of the box `read`.
    read, write, domain : Box
        Boxes that were read and are predicted, and the domain, at whose borders the input is mirrored.
    card : ModelCard
        Card of the network; patches have ``2 * context + 1`` voxels along y and x.
    session : InferenceSession
        Network from (n, 1, y, x) to (n, channels).
    mean_std : (float, float)
        Values to subtract and to divide by, unless the card takes those of each patch.

    Returns
    -------
    (channels, z, y, x) array of uint8
        Probabilities ``round(255 * p)``.
    """
    values = mirrored(raw, read, write.grow(card.context), domain)
    by_patch = card.normalization.statistics == "patch"
    if not by_patch:
        values = normalize(values, *mean_std)
    size = (2 * card.context[1] + 1, 2 * card.context[2] + 1)
    windows = sliding_window_view(values, size, axis=(1, 2))
    places = np.indices(write.shape).reshape(3, -1)
    name = session.get_inputs()[0].name
    out = np.empty((len(card.channels), places.shape[1]), np.uint8)
    batch = np.zeros((BATCH, 1, *size), np.float32)
    for start in range(0, places.shape[1], BATCH):
        z, y, x = places[:, start : start + BATCH]
        batch[: len(z), 0] = windows[z, y, x]
        if by_patch:
            batch[: len(z), 0] = _by_patch(batch[: len(z), 0])
        out[:, start : start + len(z)] = quantize(session.run(None, {name: batch})[0][: len(z)].T)
    return out.reshape(len(card.channels), *write.shape)


def _by_patch(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return patches (n, y, x) of mean 0 and standard deviation 1; constant ones are 0."""
    centred = patches - patches.mean(axis=(1, 2), keepdims=True)
    std = centred.std(axis=(1, 2), keepdims=True)
    return np.divide(centred, std, out=np.zeros_like(centred), where=std > 0)

"""Values of probabilities, which are integers up to the largest of their dtype, or floats up to 1."""

from __future__ import annotations

import numpy as np

from voxome.contracts.spec import VolumeSpec


def threshold_problem(name: str, threshold: float, volume: str, spec: VolumeSpec) -> str | None:
    """Return why a threshold is none of a probability of integers: it is a fraction; None if it is not.

    Parameters
    ----------
    name : str
        Name of the threshold, for the message.
    threshold : float
        Value above which a voxel is inside.
    volume : str
        Name of the volume, for the message.
    spec : VolumeSpec
        Its spec.
    """
    if spec.kind != "probability" or spec.dtype.kind not in "iu" or not 0 < threshold < 1:
        return None
    certain = np.iinfo(spec.dtype).max
    return (
        f"{name} is {threshold:g}, but {volume} is a probability of {spec.dtype}, of which {certain} is certain: set "
        f"{name} to {int(threshold * certain)} or so"
    )

"""Labels as unsigned integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.errors import InvalidInput, NegativeLabel


def unsigned_labels(labels: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    """Return labels with an unsigned dtype of the same size; True is label 1.

    Raises
    ------
    InvalidInput
        If a label is negative, or they are not integers.
    """
    if labels.dtype.kind not in "biu":
        raise InvalidInput(f"labels of {labels.dtype} were given; expected integers")
    if labels.dtype.kind == "i" and labels.size and (least := int(labels.min())) < 0:
        raise NegativeLabel(f"there is the label {least}; expected labels of at least 0, which is background")
    native = labels if labels.dtype.isnative else labels.astype(labels.dtype.newbyteorder("="))
    return native.view(f"u{native.dtype.itemsize}")
